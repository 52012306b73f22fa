"""Webhooks become durable: every message once, in order, whoever else is at work."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ids import TenantId
from bot.core.messages import SystemIn, TextIn, UnsupportedIn
from storage.base import NewMessage, NewStatus, Outcome, Taken, Unread
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, PostgresIntake, kept_webhooks, post_event
from storage.postgres.correlation import Correlation, read_correlation
from tests.conftest import EPOCH
from tests.storage.support import (
    ANNA,
    BIMAL,
    World,
    blocked,
    build_world,
    conversation_of,
    frame,
    message,
    owner,
    person,
    status,
)


async def counts(world: World) -> tuple[int, int]:
    """Messages and events."""
    return (
        await world.value("SELECT count(*) FROM whatsapp_messages"),
        await world.value("SELECT count(*) FROM inbox"),
    )


async def test_a_message_is_stored_with_its_event(world: World) -> None:
    taken = await world.intake.accept([message(world.channel, "namaste", wamid="wamid.1")])
    assert taken == Taken(messages=1)
    stored = await world.row("SELECT * FROM whatsapp_messages")
    assert (stored["direction"], stored["status"], stored["kind"]) == ("INBOUND", "RECEIVED", "text")
    assert world.opened(stored["provider_message_id"]) == "wamid.1"
    event = await world.row("SELECT * FROM inbox")
    assert event["message_id"] == stored["message_id"]
    assert json.loads(event["event"])["content"]["body"] == "namaste"


async def test_a_redelivered_message_is_not_stored_again(world: World) -> None:
    item = message(world.channel)
    assert await world.intake.accept([item]) == Taken(messages=1)
    assert await world.intake.accept([item]) == Taken(duplicates=1)
    assert await counts(world) == (1, 1)


async def test_a_message_twice_in_one_batch_is_stored_from_its_first_place(world: World) -> None:
    items = [
        message(world.channel, "first", wamid="same"),
        message(world.channel, "between"),
        message(world.channel, "again", wamid="same"),
    ]
    assert await world.intake.accept(items) == Taken(messages=2, duplicates=1)
    bodies = await world.rows("SELECT event -> 'content' ->> 'body' AS body FROM inbox ORDER BY event_id")
    assert [row["body"] for row in bodies] == ["first", "between"]


async def test_a_processed_message_is_still_known(world: World) -> None:
    """Providers deliver again for up to seven days, long after the event is gone from the inbox."""
    item = message(world.channel)
    await world.intake.accept([item])
    event = await world.row("SELECT * FROM inbox")
    await world.take(event["conversation_id"], [event["event_id"]])
    assert await world.intake.accept([item]) == Taken(duplicates=1)
    assert await counts(world) == (1, 0)


async def test_two_processes_given_the_same_batches_store_everything_once(dsn: str, vault: Vault, world: World) -> None:
    """The batches overlap in opposite order, and neither waits for the other in a circle."""
    people = [person(number) for number in range(5)]
    items = [message(world.channel, sender=people[number % 5]) for number in range(200)]
    other = await Postgres.connect(dsn, size=4)
    intakes = [world.intake, PostgresIntake(other, vault, Directory(other, vault))]
    for round_ in range(5):
        part = items[round_ * 40 : (round_ + 1) * 40]
        taken = await asyncio.gather(
            *(intakes[n % 2].accept(part if n % 2 else part[::-1]) for n in range(6)),
        )
        assert sum(t.messages for t in taken) == len(part)
        assert sum(t.duplicates for t in taken) == 5 * len(part)
    assert await counts(world) == (200, 200)
    await other.close()


async def test_batches_in_opposite_order_never_deadlock(dsn: str, world: World) -> None:
    """Keys are written in their own order, so who comes second waits without holding what the first one wants."""
    await world.conversation()
    items = [message(world.channel, wamid=f"wamid.{n}") for n in range(50)]
    async with owner(dsn) as rival:
        first = min(
            items, key=lambda i: world.vault.message_key(world.tenant, world.channel.channel_id, i.provider_message_id)
        )
        key = world.vault.message_key(world.tenant, world.channel.channel_id, first.provider_message_id)
        await rival.execute("BEGIN")
        await rival.execute("INSERT INTO message_keys VALUES ($1, $2, 0, now())", world.tenant, key)
        waiting = [asyncio.create_task(world.intake.accept(part)) for part in (items, items[::-1])]
        await blocked(dsn, 2)
        async with owner(dsn) as onlooker:
            assert await onlooker.fetchval("SELECT count(*) FROM message_keys") == 0
            # Neither has written any other key yet: the rival could still take them all.
            await rival.execute("SET lock_timeout = '2s'")
            for item in items[:10]:
                if item is not first:
                    other = world.vault.message_key(world.tenant, world.channel.channel_id, item.provider_message_id)
                    await rival.execute("INSERT INTO message_keys VALUES ($1, $2, 0, now())", world.tenant, other)
        await rival.execute("ROLLBACK")
        taken = await asyncio.gather(*waiting)
    assert sum(t.messages for t in taken) == 50


async def test_events_of_a_conversation_are_numbered_in_the_order_of_arrival(world: World) -> None:
    items = [
        message(world.channel, str(number), sender=(ANNA, BIMAL)[number % 2], wamid=f"w{(number * 7919) % 1000}")
        for number in range(100)
    ]
    await world.intake.accept(items[:60])
    await world.intake.accept(items[60:])
    rows = await world.rows(
        """SELECT (event -> 'content' ->> 'body')::int AS body, event_id, m.message_id
           FROM inbox JOIN whatsapp_messages m USING (message_id) ORDER BY event_id"""
    )
    assert [row["body"] for row in rows] == list(range(100))
    assert [row["message_id"] for row in rows] == sorted(row["message_id"] for row in rows)


async def test_items_of_several_tenants_go_to_their_own(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    taken = await world.intake.accept(
        [
            message(world.channel, "for acme"),
            message(other.channel, "for beta"),
            message(other.channel, "for beta too"),
            status(other.channel, "wamid.x", "SENT"),
            Unread(tenant_id=TenantId(0), kind="unknown_number", body=b"{}", received_at=EPOCH),
        ]
    )
    assert taken == Taken(messages=3, statuses=1, unread=1)
    assert await counts(world) == (1, 1)
    assert await counts(other) == (2, 2)
    assert await other.value("SELECT count(*) FROM delivery_updates") == 1
    (kept,) = await kept_webhooks(world.database, world.vault, TenantId(0), 10)
    assert kept.body == b"{}"


async def test_the_same_provider_id_on_two_numbers_is_two_messages(world: World) -> None:
    second = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    items = [message(world.channel, wamid="wamid.1"), message(second, wamid="wamid.1")]
    assert await world.intake.accept(items) == Taken(messages=2)


async def test_an_item_postgresql_cannot_take_leaves_nothing_of_its_tenant_behind(world: World) -> None:
    bad = NewMessage(
        channel=world.channel,
        person=ANNA,
        provider_message_id="wamid.bad",
        content=TextIn(body="\0"),
        sent_at=EPOCH,
        received_at=EPOCH,
    )
    with pytest.raises(Exception, match="unsupported Unicode"):
        await world.intake.accept([message(world.channel), bad, status(world.channel, "w", "SENT")])
    assert await counts(world) == (0, 0)
    assert await world.value("SELECT count(*) FROM message_keys") == 0


@pytest.mark.parametrize("written", [False, True], ids=["locked", "written, not committed"])
async def test_accepting_never_waits_for_a_worker(world: World, written: bool) -> None:
    """Neither for the row lock of a conversation, nor for a turn that is written and not committed."""
    await world.intake.accept([message(world.channel)])
    conversation = await world.conversation()
    cold = PostgresIntake(world.database, world.vault, Directory(world.database, world.vault))
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
        if written:
            await store.write(Outcome(conversations=[conversation_of(work, frame())]), EPOCH)
        async with asyncio.timeout(120):
            assert await cold.accept([message(world.channel)]) == Taken(messages=1)
            assert await world.intake.accept([message(world.channel)]) == Taken(messages=1)
            await cold.accept([message(world.channel, sender=BIMAL), status(world.channel, "w", "SENT")])


async def test_business_news_is_an_event(world: World) -> None:
    conversation = await world.conversation()
    async with world.database.tenant(world.tenant) as db:
        await post_event(db, world.tenant, conversation, "payment.received", {"amount": 5}, run="run-7", at=EPOCH)
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    event = work.events[0].event
    assert (work.events[0].kind, event.at) == ("business", EPOCH)
    assert vars_of(event) == {"name": "payment.received", "data": {"amount": 5}, "run": "run-7"}


def vars_of(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in ("name", "data", "run")}


# --- Correlation texts ------------------------------------------------------------------------------------------------


def correlation(vault: Vault, tenant: int = 1, message_id: int = 5) -> str:
    named = Correlation(
        tenant_id=TenantId(tenant),
        message_id=message_id,  # type: ignore[arg-type]
        created_at=EPOCH + timedelta(microseconds=17),
        attempt=2,
    )
    return named.write(vault)


def test_a_correlation_text_names_its_attempt(vault: Vault) -> None:
    text = correlation(vault)
    assert read_correlation(text, vault) == Correlation(
        tenant_id=TenantId(1),
        message_id=5,  # type: ignore[arg-type]
        created_at=EPOCH + timedelta(microseconds=17),
        attempt=2,
    )
    assert len(text) < 64


def test_a_correlation_text_we_did_not_write_is_nothing(vault: Vault) -> None:
    text = correlation(vault)
    forged = text.replace("s1.1.5.", "s1.1.6.")
    hostile = [
        "",
        "s1.",
        "s1.....",
        "s1." + "9" * 500,
        "s1.1.5.x.2.AAAAAAAAAAA",
        "ascii\u00e9",
        "s1.1.5.\u0661.2.AA",
        "{}",
    ]
    for wrong in [forged, correlation(Vault(bytes(32))), text + "A", text[:-1], text[1:], None, *hostile]:
        assert read_correlation(wrong, vault) is None


async def test_a_status_is_tied_to_a_message_only_by_our_own_word(world: World) -> None:
    """Forged, another deployment's, another tenant's, or garbage: the status counts as one without correlation."""
    (message_id,) = await world.say("hello")
    good = correlation(world.vault, world.tenant, message_id)
    texts = [good, good + "x", correlation(Vault(bytes(32)), world.tenant, message_id), "garbage", None]
    texts.append(correlation(world.vault, world.tenant + 1, message_id))
    items: list[NewStatus] = [status(world.channel, "wamid.x", "SENT", correlation=text) for text in texts]
    await world.intake.accept(items)
    rows = await world.rows("SELECT message_id FROM delivery_updates ORDER BY update_id")
    assert [row["message_id"] for row in rows] == [message_id, None, None, None, None, None]


async def test_what_nobody_can_read_is_kept_sealed_and_not_in_the_message(world: World) -> None:
    raw = {"from": "9779800000001", "type": "hologram"}
    contents = (
        UnsupportedIn(original_kind="hologram", raw=raw),
        SystemIn(change="number", body="A is B", phone="+97798"),
    )
    for content in contents:
        await world.intake.accept([replace(message(world.channel), content=content)])
    rows = await world.rows("SELECT content FROM whatsapp_messages ORDER BY message_id")
    assert [json.loads(row["content"]).get("raw", "") for row in rows] == [None, ""]
    assert "97798" not in "".join(row["content"] for row in rows)
    (kept,) = await kept_webhooks(world.database, world.vault, world.tenant, 10)
    assert (kept.kind, json.loads(kept.body)) == ("InboundMessage of kind hologram", raw)
