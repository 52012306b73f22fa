"""What is to be sent is claimed once, in order, and what became of it is written down, whoever comes late."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from bot.core.errors import StorageError
from bot.core.ids import MessageId, TenantId
from bot.core.messages import TemplateOut, TextOut
from storage.base import Claim, Person, Verdict
from storage.crypto import Vault
from storage.postgres import Postgres, PostgresOutbox
from storage.postgres.correlation import read_correlation
from tests.conftest import EPOCH
from tests.storage.support import (
    ANNA,
    BIMAL,
    LEASE,
    WAIT,
    World,
    blocked,
    build_world,
    message,
    owner,
    person,
    result,
    status,
)

SECOND = timedelta(seconds=1)
TEMPLATE = TemplateOut(name="nudge", language="en")


async def queued(world: World, message_id: MessageId) -> Any:
    """The outbox row of a message, or None."""
    rows = await world.rows("SELECT * FROM outbox WHERE message_id = $1", message_id)
    return rows[0] if rows else None


async def attempts(world: World, message_id: MessageId) -> list[tuple[int, str]]:
    """Number and outcome of each attempt that ended."""
    rows = await world.rows(
        "SELECT attempt, outcome FROM send_attempts WHERE message_id = $1 ORDER BY attempt, fence", message_id
    )
    return [(row["attempt"], row["outcome"]) for row in rows]


async def status_of(world: World, message_id: MessageId) -> str:
    return str((await world.message(message_id))["status"])


async def unknown(world: World, *contents: Any) -> Claim:
    """A message whose attempt ended without an answer."""
    await world.say(*contents or ("hi",))
    (claim,) = await world.claim(room=1)
    await world.claim(result(claim, Verdict.UNKNOWN), room=0)
    return claim


# --- Claiming ---------------------------------------------------------------------------------------------------------


async def test_a_claim_has_all_that_sending_needs(world: World) -> None:
    to = await world.conversation(Person(phone="+9779800000007", user_id="NP.7", name="Dolma"))
    (message_id,) = await world.say("namaste", to=to)
    (claim,) = await world.claim()
    assert (claim.message_id, claim.content, claim.attempt) == (message_id, TextOut(body="namaste"), 1)
    assert (claim.phone, claim.user_id) == ("+9779800000007", "NP.7")
    named = read_correlation(claim.correlation, world.vault)
    assert named is not None
    assert (named.tenant_id, named.message_id, named.created_at, named.attempt) == (
        world.tenant, message_id, claim.created_at, 1
    )  # fmt: skip


async def test_only_the_first_message_of_each_conversation_is_claimed(world: World) -> None:
    first = await world.say("a", "b", "c")
    second = await world.say("d", "e", to=await world.conversation(BIMAL))
    claims = await world.claim()
    assert [claim.message_id for claim in claims] == [first[0], second[0]]
    assert await world.claim() == []
    (following,) = await world.claim(result(claims[0], Verdict.DONE))
    assert following.message_id == first[1]


async def test_no_more_is_claimed_than_there_is_room_for_the_longest_waiting_first(world: World) -> None:
    for number in (3, 1, 4, 2):  # in the order of neither their ids nor their opposite
        await world.say(str(number), to=await world.conversation(person(number)), at=EPOCH + number * SECOND)
    claims = await world.claim(now=EPOCH + 9 * SECOND, room=2)
    assert [claim.content for claim in claims] == [TextOut(body="1"), TextOut(body="2")]
    assert await world.claim(now=EPOCH, room=2) == []


async def test_an_attempt_is_committed_before_anybody_may_send(dsn: str, world: World) -> None:
    claim = await world.send_one()
    async with owner(dsn) as onlooker:
        row = await onlooker.fetchrow("SELECT * FROM outbox")
    assert row is not None
    assert (row["state"], row["attempt"], row["fence"]) == ("SENDING", claim.attempt, claim.fence)
    assert row["lease_until"] == EPOCH + LEASE


async def test_many_senders_never_claim_twice(dsn: str, vault: Vault, world: World) -> None:
    """Nor two messages of one conversation at a time, nor out of order."""
    for number in range(12):
        await world.say(*(str(n) for n in range(5)), to=await world.conversation(person(number)))
    wide = await Postgres.connect(dsn, size=6)
    outbox, claimed, flying = PostgresOutbox(wide, vault), list[Claim](), Counter[int]()

    async def send() -> None:
        results: list[Any] = []
        while True:
            claims = await outbox.exchange(results, EPOCH, rooms={world.channel.channel_id: 3}, lease=LEASE)
            for done in results:
                flying[done.claim.conversation_id] -= 1
            for claim in claims:
                flying[claim.conversation_id] += 1
            claimed.extend(claims)
            if not claims and not results:
                return
            results = [result(claim, Verdict.DONE) for claim in claims]

    while len(claimed) < 60:
        await asyncio.gather(*(send() for _ in range(6)))
    await wide.close()
    assert Counter(claim.message_id for claim in claimed).most_common(1)[0][1] == 1
    assert len({claim.fence for claim in claimed}) == 60
    for conversation in {claim.conversation_id for claim in claimed}:
        bodies = [
            c.content.body for c in claimed if c.conversation_id == conversation and isinstance(c.content, TextOut)
        ]
        assert bodies == ["0", "1", "2", "3", "4"]
    assert await world.value("SELECT count(*) FROM outbox") == 0


async def test_a_notification_committed_late_does_not_overtake_what_is_under_way(world: World) -> None:
    """Two turns speak to one member of staff: the one that got the lower number commits last."""
    to = await world.conversation()
    async with world.turns.transaction(world.tenant) as slow:
        number = await slow.db.fetchval("SELECT nextval('message_ids')")
        (early,) = await world.say("second number", to=to)
        (claim,) = await world.claim()
        assert claim.message_id == early
        await slow.db.execute(
            """WITH m AS (
                   INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id,
                                                  direction, status, kind, content)
                   VALUES ($1, $2, $3, $4, $5, 'OUTBOUND', 'QUEUED', 'text', '{"kind": "text", "body": "first number"}')
               ) INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at)
                 VALUES ($1, $4, $2, $3, $5, $3)""",
            world.tenant, number, EPOCH, to, world.channel.channel_id,
        )  # fmt: skip
    assert await world.claim() == []
    (late,) = await world.claim(result(claim, Verdict.DONE))
    assert late.message_id == number


async def test_a_paused_channel_is_left_alone_until_its_time(world: World) -> None:
    other = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    claim = await world.send_one()
    await world.say("b", to=await world.conversation(BIMAL))
    until = EPOCH + 10 * SECOND
    throttled = result(claim, Verdict.RETRY, retry_at=EPOCH, pause_until=until, http_status=429, alarm="auth: 190")
    assert await world.claim(throttled) == []
    alarm = "SELECT alarm FROM whatsapp_configurations WHERE channel_id = $1"
    assert await world.value(alarm, world.channel.channel_id) == "auth: 190"
    assert await world.value(alarm, other.channel_id) is None
    shorter = result(claim, Verdict.RETRY, retry_at=EPOCH, pause_until=EPOCH + SECOND)
    assert await world.claim(shorter, now=until - SECOND) == []  # a pause is never cut short
    claims = await world.claim(now=until)
    assert len(claims) == 2
    await world.claim(result(claims[0], Verdict.DONE, alarm=""), room=0)
    assert await world.value(alarm, world.channel.channel_id) is None


async def test_a_shut_channel_is_not_claimed(world: World) -> None:
    await world.say("a")
    assert await world.claim(shut=[world.channel.channel_id]) == []
    assert len(await world.claim()) == 1


async def test_tenants_share_one_exchange_and_see_only_their_own(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await world.say("for acme")
    await other.say("for beta")
    claims = await world.claim(also=[other.channel.channel_id])
    assert {(c.tenant_id, str(c.content)) for c in claims} == {
        (world.tenant, str(TextOut(body="for acme"))), (other.tenant, str(TextOut(body="for beta")))
    }  # fmt: skip
    assert await world.claim(*(result(claim, Verdict.DONE) for claim in claims)) == []
    for where in (world, other):
        assert await where.value("SELECT status FROM whatsapp_messages") == "ACCEPTED"


async def test_a_message_that_cannot_be_read_fails_and_holds_nobody_up(world: World) -> None:
    (broken,) = await world.say("broken")
    (fine,) = await world.say("fine", to=await world.conversation(BIMAL))
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            """UPDATE whatsapp_messages SET content = '{"kind": "hologram"}' WHERE message_id = $1""", broken
        )
    (claim,) = await world.claim()
    assert claim.message_id == fine
    assert await status_of(world, broken) == "FAILED"
    assert await queued(world, broken) is None


async def test_a_message_whose_row_is_gone_holds_nobody_up(world: World) -> None:
    """Retention or erasure was faster than the sender."""
    (gone,) = await world.say("gone")
    (fine,) = await world.say("fine", to=await world.conversation(BIMAL))
    async with world.database.tenant(world.tenant) as db:
        await db.execute("DELETE FROM whatsapp_messages WHERE message_id = $1", gone)
    (claim,) = await world.claim()
    assert claim.message_id == fine


async def test_with_the_wrong_key_nothing_is_sent_and_nothing_is_lost(world: World) -> None:
    (message_id,) = await world.say("secret")
    mistaken = PostgresOutbox(world.database, Vault(bytes(32)))
    assert await mistaken.exchange([], EPOCH, rooms={world.channel.channel_id: 10}, lease=LEASE) == []
    assert "BOT_SECRET_KEY" in await world.value("SELECT alarm FROM whatsapp_configurations")
    assert await status_of(world, message_id) == "QUEUED"
    (claim,) = await world.claim(now=EPOCH + WAIT)
    assert (claim.message_id, claim.attempt) == (message_id, 1)


# --- Answers ----------------------------------------------------------------------------------------------------------


async def test_accepted(world: World) -> None:
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.DONE, at=EPOCH + SECOND, provider_message_id="wamid.9", http_status=200))
    stored = await world.message(claim.message_id)
    assert (stored["status"], stored["sent_at"]) == ("ACCEPTED", EPOCH + SECOND)
    assert world.opened(stored["provider_message_id"]) == "wamid.9"
    assert await queued(world, claim.message_id) is None
    assert await attempts(world, claim.message_id) == [(1, "ACCEPTED")]
    key = world.vault.message_key(world.tenant, world.channel.channel_id, "wamid.9")
    assert await world.value("SELECT message_id FROM message_keys WHERE key = $1", key) == claim.message_id


async def test_refused_for_good(world: World) -> None:
    first, second = await world.say("a", "b")
    (claim,) = await world.claim()
    failed = result(claim, Verdict.FAILED, http_status=400, error_code=131026, detail="not on WhatsApp")
    (following,) = await world.claim(failed)
    stored = await world.message(first)
    assert (stored["status"], stored["failed_at"]) == ("FAILED", EPOCH)
    assert (stored["error_code"], stored["error_detail"]) == (131026, "not on WhatsApp")
    assert await attempts(world, first) == [(1, "REFUSED")]
    assert following.message_id == second


async def test_certainly_not_sent_is_tried_again_later_and_keeps_its_place(world: World) -> None:
    first, _ = await world.say("a", "b")
    (claim,) = await world.claim()
    later = EPOCH + 5 * SECOND
    assert await world.claim(result(claim, Verdict.RETRY, retry_at=later, detail="connection refused")) == []
    assert await status_of(world, first) == "QUEUED"
    assert await attempts(world, first) == [(1, "NOT_SENT")]
    assert await world.claim(now=later - SECOND) == []
    (again,) = await world.claim(now=later)
    assert (again.message_id, again.attempt) == (first, 2)
    await world.claim(result(again, Verdict.DONE), room=0)
    assert await attempts(world, first) == [(1, "NOT_SENT"), (2, "ACCEPTED")]
    assert (await world.message(first))["error_detail"] is None


async def test_what_was_not_even_tried_is_no_attempt(world: World) -> None:
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.DEFER, retry_at=EPOCH + SECOND))
    assert await attempts(world, claim.message_id) == []
    (again,) = await world.claim(now=EPOCH + SECOND)
    assert again.attempt == 1
    assert again.fence != claim.fence


async def test_no_answer_is_unknown_and_nothing_overtakes_it(world: World) -> None:
    claim = await unknown(world, "a", "b")
    assert await status_of(world, claim.message_id) == "UNKNOWN"
    row = await queued(world, claim.message_id)
    assert (row["state"], row["lease_until"]) == ("UNKNOWN", EPOCH + WAIT)
    assert await attempts(world, claim.message_id) == [(1, "UNKNOWN")]
    assert await world.claim(now=EPOCH + 99 * SECOND) == []


async def test_an_unknown_without_a_time_does_not_wait_for_ever(world: World) -> None:
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.UNKNOWN, retry_at=None), room=0)
    assert await world.settle(EPOCH + SECOND) == {"repeated": 1}


# --- Late answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.RETRY, Verdict.UNKNOWN, Verdict.DEFER])
async def test_a_late_answer_is_only_noted(world: World, verdict: Verdict) -> None:
    """The sender slept past its lease; the message was declared UNKNOWN and repeated meanwhile."""
    claim = await world.send_one()
    assert await world.settle(EPOCH + LEASE) == {"expired": 1}
    for now in (EPOCH + LEASE, EPOCH + LEASE + WAIT):
        await world.settle(now)
        before = await queued(world, claim.message_id), await world.message(claim.message_id)
        await world.claim(result(claim, verdict, retry_at=EPOCH), room=0)
        assert (await queued(world, claim.message_id), await world.message(claim.message_id)) == before
    assert before[0]["state"] == "READY"
    noted = [] if verdict is Verdict.DEFER else [(1, "LATE")]
    assert await attempts(world, claim.message_id) == [*noted, (1, "UNKNOWN")]


@pytest.mark.parametrize("repeated", [False, True], ids=["still unknown", "about to be repeated"])
async def test_a_late_acceptance_settles_an_unknown_attempt(world: World, repeated: bool) -> None:
    claim = await world.send_one()
    await world.settle(EPOCH + LEASE)
    if repeated:
        assert await world.settle(EPOCH + LEASE + WAIT) == {"repeated": 1}
    assert await world.claim(result(claim, Verdict.DONE), now=EPOCH + 999 * SECOND) == []
    assert await queued(world, claim.message_id) is None
    assert await status_of(world, claim.message_id) == "ACCEPTED"


async def test_a_late_acceptance_does_not_end_the_second_attempt(world: World) -> None:
    """But it is a fact: the message is accepted, and stays so when the second attempt is refused."""
    claim = await world.send_one()
    await world.settle(EPOCH + LEASE)
    await world.settle(EPOCH + LEASE + WAIT)
    (again,) = await world.claim(now=EPOCH + LEASE + WAIT)
    await world.claim(result(claim, Verdict.DONE, provider_message_id="wamid.first"), room=0)
    assert (await queued(world, claim.message_id))["state"] == "SENDING"
    assert await status_of(world, claim.message_id) == "ACCEPTED"
    await world.claim(result(again, Verdict.FAILED, http_status=400), room=0)
    assert await queued(world, claim.message_id) is None
    assert await status_of(world, claim.message_id) == "ACCEPTED"


async def test_two_attempts_may_end_in_one_exchange(world: World) -> None:
    claim = await world.send_one()
    await world.settle(EPOCH + LEASE)
    await world.settle(EPOCH + LEASE + WAIT)
    (again,) = await world.claim(now=EPOCH + LEASE + WAIT)
    await world.claim(result(claim, Verdict.FAILED), result(again, Verdict.DONE), room=0)
    assert await status_of(world, claim.message_id) == "ACCEPTED"
    assert await attempts(world, claim.message_id) == [(1, "LATE"), (1, "UNKNOWN"), (2, "ACCEPTED")]


async def test_an_answer_recorded_twice_changes_nothing(world: World) -> None:
    """The commit went through, its confirmation was lost, and the sender hands the answer in again."""
    claim = await world.send_one()
    for _ in range(2):
        await world.claim(result(claim, Verdict.DONE), room=0)
    assert await status_of(world, claim.message_id) == "ACCEPTED"
    assert await attempts(world, claim.message_id) == [(1, "ACCEPTED")]


async def test_more_answers_than_one_statement_takes(world: World) -> None:
    await world.say_to_each([person(number) for number in range(150)])
    claims = await world.claim(room=150)
    await world.claim(*(result(claim, Verdict.DONE) for claim in claims), room=0)
    assert await world.value("SELECT count(*) FROM whatsapp_messages WHERE status = 'ACCEPTED'") == 150
    assert await world.value("SELECT count(*) FROM outbox") == 0


# --- Expiry and policy ------------------------------------------------------------------------------------------------


async def test_an_attempt_whose_sender_died_is_unknown(world: World) -> None:
    claim = await world.send_one()
    assert await world.settle(EPOCH + LEASE - SECOND) == {}
    assert await world.settle(EPOCH + LEASE) == {"expired": 1}
    assert await status_of(world, claim.message_id) == "UNKNOWN"
    row = await queued(world, claim.message_id)
    assert (row["state"], row["lease_until"]) == ("UNKNOWN", EPOCH + LEASE + WAIT)
    assert row["fence"] > claim.fence
    assert await attempts(world, claim.message_id) == [(1, "UNKNOWN")]


async def test_a_text_that_stays_unknown_is_repeated_once(world: World) -> None:
    claim = await unknown(world)
    assert await world.settle(EPOCH + WAIT) == {"repeated": 1}
    (again,) = await world.claim(now=EPOCH + WAIT)
    assert (again.message_id, again.attempt) == (claim.message_id, 2)
    await world.claim(result(again, Verdict.UNKNOWN, at=EPOCH + WAIT), room=0)
    assert await world.settle(EPOCH + 2 * WAIT) == {"given_up": 1}
    assert await queued(world, claim.message_id) is None
    assert await status_of(world, claim.message_id) == "UNKNOWN"


class Overtaken:
    """A database in which something else happens before the next transaction of a tenant."""

    def __init__(self, database: Postgres, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._meanwhile = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncIterator[Any]:
        while self._meanwhile:
            await self._meanwhile.pop()()
        async with self._database.tenant(tenant) as db:
            yield db


async def test_what_is_unknown_again_is_given_its_time_by_whoever_slept(world: World, vault: Vault) -> None:
    """Somebody finds what is due, and sleeps while another has it repeated, which ends as unknown as before."""
    claim = await unknown(world)

    async def meanwhile() -> None:
        assert await world.settle(EPOCH + WAIT) == {"repeated": 1}
        (again,) = await world.claim(now=EPOCH + WAIT)
        await world.claim(result(again, Verdict.UNKNOWN, at=EPOCH + WAIT, retry_at=EPOCH + 2 * WAIT), room=0)

    sleeper: Any = Overtaken(world.database, meanwhile)
    counts = await PostgresOutbox(sleeper, vault).settle(EPOCH + WAIT, wait=WAIT)
    assert {name: count for name, count in counts.items() if count} == {}
    assert await world.settle(EPOCH + 2 * WAIT) == {"given_up": 1}
    assert await status_of(world, claim.message_id) == "UNKNOWN"


async def test_attempts_that_were_certainly_not_sent_use_up_no_repetition(world: World) -> None:
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.RETRY, retry_at=EPOCH), room=0)
    (again,) = await world.claim()
    await world.claim(result(again, Verdict.UNKNOWN), room=0)
    assert await world.settle(EPOCH + WAIT) == {"repeated": 1}


async def test_a_template_that_stays_unknown_is_never_repeated(world: World) -> None:
    claim = await unknown(world, TEMPLATE, "after it")
    assert await world.settle(EPOCH + WAIT) == {"given_up": 1}
    assert await status_of(world, claim.message_id) == "UNKNOWN"
    (following,) = await world.claim(now=EPOCH + WAIT)
    assert following.content == TextOut(body="after it")


async def test_an_unknown_whose_message_is_gone_does_not_block_the_conversation(world: World) -> None:
    claim = await unknown(world, "a", "b")
    async with world.database.tenant(world.tenant) as db:
        await db.execute("DELETE FROM whatsapp_messages WHERE message_id = $1", claim.message_id)
    assert await world.settle(EPOCH + WAIT) == {"given_up": 1}
    assert len(await world.claim(now=EPOCH + WAIT)) == 1


# --- Statuses and answers meet ----------------------------------------------------------------------------------------


async def tell(world: World, claim: Claim, word: str, **more: Any) -> None:
    await world.intake.accept([status(world.channel, "wamid.told", word, correlation=claim.correlation, **more)])


async def test_a_status_settles_an_unknown_attempt(world: World) -> None:
    claim = await unknown(world, "a", "b")
    await tell(world, claim, "SENT")
    assert await world.settle() == {"applied": 1, "resolved": 1}
    assert await status_of(world, claim.message_id) == "SENT"
    (following,) = await world.claim()
    assert following.message_id != claim.message_id


async def test_a_late_status_of_the_first_attempt_takes_back_the_second(world: World) -> None:
    claim = await unknown(world)
    assert await world.settle(EPOCH + WAIT) == {"repeated": 1}
    await tell(world, claim, "DELIVERED")
    assert await world.settle(EPOCH + WAIT) == {"applied": 1, "resolved": 1}
    assert await world.claim(now=EPOCH + WAIT) == []
    assert await status_of(world, claim.message_id) == "DELIVERED"


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.DONE, "ACCEPTED"),
        (Verdict.UNKNOWN, "UNKNOWN"),
        (Verdict.RETRY, "NOT_SENT"),
        (Verdict.FAILED, "NOT_SENT"),
    ],
)
@pytest.mark.parametrize("word", ["SENT", "READ", "FAILED"])
async def test_a_status_faster_than_the_answer_stands(world: World, verdict: Verdict, outcome: str, word: str) -> None:
    """Whatever the answer says, the message keeps what the status said, and nothing is sent again."""
    claim = await world.send_one()
    await tell(world, claim, word, error_code=131049 if word == "FAILED" else None)
    assert await world.settle() == {"applied": 1}
    assert (await queued(world, claim.message_id))["state"] == "SENDING"
    assert await world.claim(result(claim, verdict, retry_at=EPOCH, error_code=5, detail="other")) == []
    stored = await world.message(claim.message_id)
    assert stored["status"] == word
    assert stored["error_code"] == (131049 if word == "FAILED" else None)
    assert await queued(world, claim.message_id) is None
    assert await attempts(world, claim.message_id) == [(1, outcome)]


async def test_a_status_faster_than_a_sender_that_died(world: World) -> None:
    claim = await world.send_one()
    await tell(world, claim, "SENT")
    assert await world.settle(EPOCH + LEASE) == {"applied": 1, "expired": 1}
    assert await queued(world, claim.message_id) is None
    assert await status_of(world, claim.message_id) == "SENT"
    assert await world.settle(EPOCH + 99 * WAIT) == {}


async def test_a_status_applied_while_the_lease_expires_prevents_the_repetition(dsn: str, world: World) -> None:
    """The settler has changed the message and not committed yet when another process expires the lease."""
    claim = await world.send_one()
    async with owner(dsn) as settler:
        await settler.execute("BEGIN")
        await settler.execute(
            "UPDATE whatsapp_messages SET status = 'DELIVERED' WHERE message_id = $1", claim.message_id
        )
        expiry = asyncio.create_task(world.settle(EPOCH + LEASE))
        await blocked(dsn)
        await settler.execute("COMMIT")
        assert await expiry == {"expired": 1}
    assert await status_of(world, claim.message_id) == "DELIVERED"
    assert await world.settle(EPOCH + 99 * WAIT) == {}
    assert await world.claim(now=EPOCH + 99 * WAIT) == []


async def test_a_status_applied_while_the_answer_is_written_stands(dsn: str, world: World) -> None:
    claim = await world.send_one()
    async with owner(dsn) as settler:
        await settler.execute("BEGIN")
        await settler.execute("UPDATE whatsapp_messages SET status = 'READ' WHERE message_id = $1", claim.message_id)
        answer = asyncio.create_task(world.claim(result(claim, Verdict.UNKNOWN), room=0))
        await blocked(dsn)
        await settler.execute("COMMIT")
        await answer
    assert await status_of(world, claim.message_id) == "READ"
    assert await queued(world, claim.message_id) is None


async def test_answers_statuses_and_expiry_at_once_end_well(dsn: str, vault: Vault, world: World) -> None:
    """All who touch the same messages at the same time wait for each other, but never in a circle."""
    wide = await Postgres.connect(dsn, size=8)
    outbox = PostgresOutbox(wide, vault)
    people = [person(number) for number in range(30)]
    for round_ in range(4):
        now = EPOCH + round_ * 1000 * SECOND
        await world.say_to_each(people, at=now)
        claims = await world.claim(now=now, room=30)
        verdicts = [Verdict.DONE, Verdict.UNKNOWN, Verdict.DONE, Verdict.FAILED]
        answers = [result(claim, verdicts[n % 4], at=now) for n, claim in enumerate(claims)]
        updates = [
            status(world.channel, f"w{claim.message_id}", word, at=now, correlation=claim.correlation)
            for claim in claims
            for word in ("SENT", "DELIVERED")
        ]
        await world.intake.accept(updates)
        late = now + LEASE
        await asyncio.gather(
            outbox.exchange(answers[:15], late, rooms={}, lease=LEASE),
            outbox.settle(late, wait=WAIT),
            outbox.exchange(answers[:14:-1], late, rooms={}, lease=LEASE),
            outbox.settle(late, wait=WAIT),
            outbox.exchange([], late, rooms={world.channel.channel_id: 30}, lease=LEASE),
        )
        await outbox.settle(late, wait=WAIT)
        assert await world.value("SELECT count(*) FROM outbox") == 0
    await wide.close()
    words = await world.rows("SELECT DISTINCT status FROM whatsapp_messages")
    assert [row["status"] for row in words] == ["DELIVERED"]


async def test_exchange_after_a_failure_begins_afresh(world: World) -> None:
    """A transaction that failed leaves nothing open on its connection."""
    claim = await world.send_one()
    broken = result(claim, Verdict.FAILED, detail="nul \0 byte")
    with pytest.raises(Exception, match="invalid byte sequence"):
        await world.claim(broken)
    assert (await queued(world, claim.message_id))["state"] == "SENDING"
    await world.claim(result(claim, Verdict.DONE))
    assert await status_of(world, claim.message_id) == "ACCEPTED"


async def test_a_commit_that_rolls_back_is_an_error(world: World) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no error."""

    async def swallow() -> None:
        async with world.database.tenant(world.tenant) as db:
            with pytest.raises(Exception, match="division by zero"):
                await db.execute("SELECT 1 / 0")

    with pytest.raises(StorageError, match="rolled back"):
        await swallow()


async def test_an_unaddressed_person_is_claimed_as_such(world: World) -> None:
    """A contact known only by its business-scoped id has no phone number."""
    to = await world.conversation(Person(phone=None, user_id="NP.8", name="Ela"))
    await world.say("hi", to=to)
    (claim,) = await world.claim()
    assert (claim.phone, claim.user_id) == (None, "NP.8")
    assert ANNA.user_id is None


async def test_what_becomes_of_messages_is_written_beside_them(world: World) -> None:
    people = [person(number) for number in range(150)]
    for some in batched(people, 10):
        await world.intake.accept([message(world.channel, "x" * 60, sender=someone) for someone in some])
        await world.say_to_each(some, "y" * 120)
    pages = "SELECT message_id, (ctid::text::point)[0] AS page FROM whatsapp_messages WHERE direction = 'OUTBOUND'"
    before = dict(await world.rows(pages))
    claims = await world.claim(room=150)
    sent = [result(claim, Verdict.DONE, provider_message_id=f"wamid.{claim.message_id:060}") for claim in claims]
    await world.claim(*sent, room=0)
    after = dict(await world.rows(pages))
    # An update that finds no room on the row's page goes to another one, and into every index. Pages that by chance
    # hold replies only may have none; full pages would have it for one update in three.
    assert len(sent) == len(before) == len(after) == 150
    assert sum(after[message_id] != page for message_id, page in before.items()) <= 30


def batched(items: Sequence[Person], size: int) -> Iterator[Sequence[Person]]:
    """Consecutive slices of so many items."""
    return (items[start : start + size] for start in range(0, len(items), size))
