"""What a refusal entails, what waits for a window, and how many people may be reached in a day."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.core.ids import MessageId
from bot.core.messages import TemplateOut, TextOut
from storage.base import Claim, NewOutbound, NewStatus, Outcome, Verdict
from tests.conftest import EPOCH
from tests.storage.support import ANNA, BIMAL, WAIT, World, message, person, result, status

TEMPLATE = TemplateOut(name="nudge", language="en", parameters=("Anna",))
LATER = EPOCH + timedelta(minutes=1)


async def settle(world: World, *updates: NewStatus, now: datetime = LATER) -> dict[str, int]:
    await world.intake.accept(list(updates))
    return await world.outbox.settle(now, wait=WAIT)


async def accepted(world: World, content: Any = "hi") -> Claim:
    await world.say(content)
    (claim,) = await world.claim()
    await world.claim(result(claim, Verdict.DONE), room=0)
    return claim


def failed(world: World, claim: Claim, effect: str, code: int = 1, at: datetime = EPOCH) -> NewStatus:
    update = status(world.channel, f"wamid.out.{claim.message_id}", "FAILED", at=at, error_code=code)
    return replace(update, effect=effect)


async def channel_row(world: World) -> dict[str, Any]:
    return dict((await world.rows("SELECT * FROM whatsapp_configurations"))[0].items())


async def message_status(world: World, message_id: MessageId) -> str:
    return str(await world.value("SELECT status FROM whatsapp_messages WHERE message_id = $1", message_id))


@pytest.mark.parametrize("effect", ["retry", "pause_channel", "pause_pair"])
async def test_a_failure_that_may_pass_is_sent_again_and_told_twice_only_once(world: World, effect: str) -> None:
    claim = await accepted(world)
    counts = await settle(world, failed(world, claim, effect))
    assert counts["resent"] == 1
    assert await message_status(world, claim.message_id) == "QUEUED"
    # The provider tells the same failure again: it is about the attempt that is over.
    assert (await settle(world, failed(world, claim, effect), now=LATER)).get("resent", 0) == 0
    assert await message_status(world, claim.message_id) == "QUEUED"
    assert not await world.claim(now=LATER + timedelta(seconds=1))
    (again,) = await world.claim(now=LATER + timedelta(minutes=5))
    assert (again.message_id, again.attempt) == (claim.message_id, 2)
    await world.claim(result(again, Verdict.DONE, provider_message_id="wamid.second"), room=0)
    await settle(world, failed(world, claim, effect), now=LATER + timedelta(minutes=6))
    assert await message_status(world, claim.message_id) == "ACCEPTED"


async def test_it_is_not_sent_again_for_ever(world: World) -> None:
    claim, now = await accepted(world), EPOCH
    for number in range(2, 9):
        wamid = "wamid.out" if number == 2 else f"wamid.again.{number - 1}"
        wamid = f"wamid.out.{claim.message_id}" if number == 2 else wamid
        update = replace(status(world.channel, wamid, "FAILED", at=now, error_code=1), effect="retry")
        now += timedelta(minutes=5)
        await settle(world, update, now=now)
        claims = await world.claim(now=now + timedelta(minutes=1))
        if not claims:
            break
        await world.claim(result(claims[0], Verdict.DONE, provider_message_id=f"wamid.again.{number}"), room=0)
    assert await world.value("SELECT count(*) FROM send_attempts") == 4
    assert await message_status(world, claim.message_id) == "FAILED"


async def test_a_throttled_number_pauses(world: World) -> None:
    await settle(world, failed(world, await accepted(world), "pause_channel"))
    assert (await channel_row(world))["paused_until"] > LATER


async def test_a_stopped_number_pauses_with_an_alarm(world: World) -> None:
    claim = await accepted(world)
    await settle(world, failed(world, claim, "stop_channel", 63001))
    row = await channel_row(world)
    assert (row["paused_until"], row["alarm"]) == (LATER + timedelta(minutes=10), "code 63001")
    assert await message_status(world, claim.message_id) == "FAILED"


@pytest.mark.parametrize(("effect", "purpose"), [("opt_out", "all"), ("opt_out_marketing", "marketing")])
async def test_who_wants_nothing_is_opted_out_once_with_the_proof(world: World, effect: str, purpose: str) -> None:
    for _ in range(2):
        await settle(world, failed(world, await accepted(world), effect, 131050))
    (row,) = await world.rows("SELECT purpose, allowed, source, proof FROM whatsapp_opt_ins")
    assert (row["purpose"], row["allowed"], row["source"]) == (purpose, False, "PROVIDER")
    assert json.loads(row["proof"])["code"] == 131050


@pytest.mark.parametrize(("effect", "word"), [("pause_template", "PAUSED"), ("disable_template", "DISABLED")])
async def test_a_template_that_is_refused_is_not_used_for_now(world: World, effect: str, word: str) -> None:
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO whatsapp_templates (tenant_id, provider, name, language, category, status, components) "
            "VALUES ($1, 'meta', 'nudge', 'en', 'UTILITY', 'APPROVED', '[]')",
            world.tenant,
        )
    await settle(world, failed(world, await accepted(world, TEMPLATE), effect, 132015))
    assert await world.value("SELECT status FROM whatsapp_templates") == word


async def test_a_window_that_was_closed_after_all_is_closed_from_then_on(world: World) -> None:
    conversation = await world.conversation()
    async with world.database.tenant(world.tenant) as db:
        await db.execute("UPDATE whatsapp_conversations SET last_inbound_at = $1", EPOCH)
    claim = await accepted(world)
    await settle(world, failed(world, claim, "use_template", 131047))
    assert await message_status(world, claim.message_id) == "QUEUED"
    (again,) = await world.claim(now=LATER + timedelta(seconds=1))
    assert again.last_inbound_at is not None
    assert again.last_inbound_at <= LATER - timedelta(hours=24)
    # The sender holds it; the answer shows why.
    await world.claim(result(again, Verdict.HELD, detail="closed"), room=0)
    row = (await world.rows("SELECT status, error_detail FROM whatsapp_messages"))[0]
    assert (row["status"], row["error_detail"]) == ("HELD", "closed")
    assert await world.value("SELECT count(*) FROM outbox WHERE conversation_id = $1", conversation) == 0


async def test_what_was_held_goes_out_first_when_the_person_writes(world: World) -> None:
    conversation, channel = await world.conversation(), world.channel.channel_id

    def said(body: str, held: str | None = None) -> NewOutbound:
        return NewOutbound(conversation_id=conversation, channel_id=channel, content=TextOut(body=body), held=held)

    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=[said("one", "closed"), said("two", "closed")]), EPOCH)
    old = EPOCH - timedelta(days=8)
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=[said("long ago", "closed")]), old)
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=[said("three")], reopened={conversation}), LATER)
    bodies = []
    for second in range(4):
        for claim in await world.claim(now=LATER + timedelta(seconds=second)):
            assert isinstance(claim.content, TextOut)
            bodies.append(claim.content.body)
            await world.claim(result(claim, Verdict.DONE), room=0)
    assert bodies == ["one", "two", "three"]


async def test_whoever_writes_frees_no_template_and_nothing_of_anybody_else(world: World) -> None:
    """What is held for them has other reasons: a template waits for its approval, others have not written."""
    conversation, channel = await world.conversation(), world.channel.channel_id
    other = await world.conversation(BIMAL)
    held = [
        NewOutbound(conversation_id=other, channel_id=channel, content=TextOut(body="to Bimal"), held="closed"),
        NewOutbound(conversation_id=conversation, channel_id=channel, content=TEMPLATE, held="not approved"),
    ]
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=held), EPOCH)
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(reopened={conversation}), LATER)
    assert await world.claim(now=LATER) == []
    assert await world.value("SELECT count(*) FROM whatsapp_messages WHERE status = 'HELD'") == 2


async def test_what_was_sent_instead_is_what_the_history_shows(world: World) -> None:
    await world.say("hello")
    (claim,) = await world.claim()
    await world.claim(replace(result(claim, Verdict.DONE), content=TEMPLATE), room=0)
    row = (await world.rows("SELECT kind, content FROM whatsapp_messages"))[0]
    assert (row["kind"], json.loads(row["content"])["name"]) == ("template", "nudge")


async def test_an_answer_that_refuses_entails_the_same(world: World) -> None:
    await world.say("hello")
    (claim,) = await world.claim()
    refused = replace(result(claim, Verdict.FAILED, error_code=21610, http_status=400), effect="opt_out")
    await world.claim(refused, room=0)
    assert await world.value("SELECT purpose FROM whatsapp_opt_ins") == "all"
    assert await message_status(world, claim.message_id) == "FAILED"


async def test_a_reply_says_what_it_answers(world: World) -> None:
    conversation = await world.conversation()
    said = NewOutbound(
        conversation_id=conversation, channel_id=world.channel.channel_id, content=TextOut(body="yes"),
        reply_to="wamid.theirs",
    )  # fmt: skip
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=[said]), EPOCH)
    (claim,) = await world.claim()
    assert claim.reply_to == "wamid.theirs"


# --- Messaging limits -----------------------------------------------------------------------------------------------


async def limited(world: World, **columns: Any) -> None:
    async with world.database.tenant(world.tenant) as db:
        for name, value in columns.items():
            await db.execute(f"UPDATE whatsapp_configurations SET {name} = $1", value)


async def test_no_more_people_are_reached_in_a_day_than_the_limit_allows(world: World) -> None:
    await limited(world, reach_limit=1)
    anna, bimal = await world.conversation(ANNA), await world.conversation(BIMAL)
    await world.say(TEMPLATE, to=anna)
    (first,) = await world.claim()
    await world.claim(result(first, Verdict.DONE), room=0)
    await world.say(TEMPLATE, to=bimal)
    assert not await world.claim()
    assert "limit of 1" in (await channel_row(world))["alarm"]
    # Somebody reached already counts once.
    await world.say(TEMPLATE, to=anna, at=LATER)
    assert len(await world.claim(now=LATER)) == 1
    # A day later there is room again.
    (second,) = await world.claim(now=EPOCH + timedelta(hours=24, minutes=2))
    assert second.conversation_id == bimal


async def test_the_numbers_of_an_account_share_its_limit(world: World) -> None:
    other = await world.upkeep.register_channel("acme", "Acme", "meta", "700800900100999", "+15550100299")
    assert other.tenant_id == world.tenant
    await limited(world, reach_limit=1)
    anna, bimal = await world.conversation(ANNA), await world.conversation(BIMAL)
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO reached (tenant_id, channel_id, conversation_id, reached_at) VALUES ($1, $2, $3, $4)",
            world.tenant, other.channel_id, anna, EPOCH,
        )  # fmt: skip
    await world.say(TEMPLATE, to=bimal)
    assert len(await world.claim()) == 1  # as long as nobody says that they belong together
    async with world.database.tenant(world.tenant) as db:
        await db.execute("DELETE FROM reached WHERE channel_id <> $1", other.channel_id)
    await limited(world, account="900100200300400")
    cora = await world.conversation(person(3))
    await world.say(TEMPLATE, to=cora)
    assert not await world.claim()


async def test_inside_their_window_people_do_not_count(world: World) -> None:
    await limited(world, reach_limit=0)
    await world.say(TEMPLATE)
    assert not await world.claim()
    async with world.database.tenant(world.tenant) as db:
        await db.execute("UPDATE whatsapp_conversations SET last_inbound_at = $1", EPOCH)
    assert len(await world.claim(now=EPOCH + timedelta(minutes=16))) == 1


async def test_a_number_that_is_reported_begins_no_conversations_and_still_answers(world: World) -> None:
    await settle(world, failed(world, await accepted(world), "stop_initiated", 131048))
    await world.intake.accept([message(world.channel)])
    await world.say(TEMPLATE, at=LATER)
    await world.say("an answer", to=await world.conversation(BIMAL), at=LATER)
    assert [type(claim.content) for claim in await world.claim(now=LATER)] == [TextOut]
    assert len(await world.claim(now=LATER + timedelta(hours=7))) == 1
