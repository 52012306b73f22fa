"""Timers fire once and in order, partitions are made and used, numbers belong to one tenant."""

import asyncio
import json
from datetime import timedelta

import pytest

from bot.core.errors import StorageError
from bot.core.events import TimerFired
from bot.core.ids import RunId, TenantId
from storage.base import NewTimer, Outcome, Unread, Verdict
from storage.crypto import Vault
from storage.postgres import Postgres, Upkeep, kept_webhooks
from tests.conftest import EPOCH
from tests.storage.support import BIMAL, World, build_world, message, owner, result, timer

SECOND = timedelta(seconds=1)


async def start(world: World, *timers: NewTimer) -> None:
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(timers={(t.run, t.name, t.epoch): t for t in timers}), EPOCH)


async def fired(world: World) -> list[str]:
    rows = await world.rows("SELECT event ->> 'name' AS name FROM inbox ORDER BY event_id")
    return [row["name"] for row in rows]


async def test_due_timers_become_events_in_the_order_they_were_due(world: World) -> None:
    conversation = await world.conversation()
    seconds = [5, 1, 9, 3, 7]
    await start(world, *(timer(conversation, EPOCH + n * SECOND, name=str(n)) for n in seconds))
    assert await world.upkeep.fire(EPOCH + 6 * SECOND, 500) == 3
    assert await fired(world) == ["1", "3", "5"]
    assert await world.upkeep.fire(EPOCH + 6 * SECOND, 500) == 0
    assert await world.upkeep.fire(EPOCH + 99 * SECOND, 1) == 1
    assert await fired(world) == ["1", "3", "5", "7"]


async def test_a_fired_timer_reaches_its_run(world: World) -> None:
    conversation = await world.conversation()
    await start(world, timer(conversation, EPOCH, run="run-7", name="nudge", epoch=4))
    await world.upkeep.fire(EPOCH + SECOND, 500)
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 1)
    event = work.events[0].event
    assert isinstance(event, TimerFired)
    assert (event.run, event.name, event.epoch, event.at) == (RunId("run-7"), "nudge", 4, EPOCH + SECOND)


async def test_two_tickers_fire_each_timer_once(dsn: str, world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    for where in (world, other):
        conversation = await where.conversation()
        await start(where, *(timer(conversation, EPOCH, name=f"{n:03}") for n in range(100)))
    second = await Postgres.connect(dsn, size=2)
    tickers = [world.upkeep, Upkeep(second)]
    counts = await asyncio.gather(*(tickers[n % 2].fire(EPOCH, 30) for n in range(12)))
    counts.append(await world.upkeep.fire(EPOCH, 500))
    await second.close()
    assert sum(counts) == 200
    for where in (world, other):
        assert sorted(await fired(where)) == [f"{n:03}" for n in range(100)]
        assert await where.value("SELECT count(*) FROM timers") == 0


# --- Partitions -------------------------------------------------------------------------------------------------------


async def test_partitions_are_made_once_and_used(world: World) -> None:
    assert await world.upkeep.ensure_partitions(EPOCH) == 6  # this month and the next two, of two tables
    assert await world.upkeep.ensure_partitions(EPOCH) == 0
    moments = [EPOCH, EPOCH + timedelta(days=9), EPOCH + timedelta(days=400)]
    await world.intake.accept([message(world.channel, at=at) for at in moments])
    rows = await world.rows(
        "SELECT tableoid::regclass::text AS part, created_at FROM whatsapp_messages ORDER BY created_at"
    )
    assert [row["part"] for row in rows] == [
        "whatsapp_messages_2026_11", "whatsapp_messages_2026_12", "whatsapp_messages_default"
    ]  # fmt: skip


async def test_months_begin_at_midnight_utc(world: World) -> None:
    """Whatever the time zone of the session that makes them."""
    await world.upkeep.ensure_partitions(EPOCH)
    midnight = EPOCH.replace(month=12, day=1, hour=0)
    await world.intake.accept([message(world.channel, at=midnight - SECOND), message(world.channel, at=midnight)])
    rows = await world.rows("SELECT tableoid::regclass::text AS part FROM whatsapp_messages ORDER BY created_at")
    assert [row["part"][-7:] for row in rows] == ["2026_11", "2026_12"]


async def test_a_month_that_began_without_a_partition_does_not_stop_the_next(world: World) -> None:
    """Its rows are in the default partition, and stay there."""
    await world.intake.accept([message(world.channel, at=EPOCH)])
    assert await world.upkeep.ensure_partitions(EPOCH) == 5
    await world.intake.accept([message(world.channel, at=at) for at in (EPOCH, EPOCH + timedelta(days=30))])
    rows = await world.rows(
        "SELECT tableoid::regclass::text AS part, count(*) FROM whatsapp_messages GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("whatsapp_messages_2026_12", 1), ("whatsapp_messages_default", 2)]


async def test_processes_that_start_together_make_partitions_once(dsn: str, world: World) -> None:
    made = await asyncio.gather(*(world.upkeep.ensure_partitions(EPOCH) for _ in range(4)))
    assert sorted(made) == [0, 0, 0, 6]


async def test_a_partition_is_as_closed_as_its_table(dsn: str, world: World) -> None:
    """Asked for by name, it shows a tenant only its own rows."""
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await world.upkeep.ensure_partitions(EPOCH)
    for where in (world, other):
        await where.intake.accept([message(where.channel)])
        assert await where.value("SELECT count(*) FROM whatsapp_messages_2026_11") == 1
    async with world.database.connection() as db:
        assert await db.fetchval("SELECT count(*) FROM whatsapp_messages_2026_11") == 0
    async with owner(dsn) as admin:
        assert await admin.fetchval("SELECT count(*) FROM whatsapp_messages_2026_11") == 2


async def test_sending_and_statuses_work_across_months(world: World) -> None:
    """A message said in one month, accepted and settled in the next."""
    await world.upkeep.ensure_partitions(EPOCH)
    claim = await world.send_one()

    later = EPOCH + timedelta(days=10)
    await world.claim(result(claim, Verdict.DONE, at=later), now=later, room=0)
    stored = await world.message(claim.message_id)
    assert (stored["status"], stored["sent_at"]) == ("ACCEPTED", later)


# --- Channels and backlog ---------------------------------------------------------------------------------------------


async def test_registering_again_finds_the_channel(world: World) -> None:
    again = await world.upkeep.register_channel("acme", "Acme Treks", "meta", "100", "+9771000009")
    assert again == world.channel
    assert await world.upkeep.channels() == [world.channel]
    assert await world.value("SELECT name FROM tenants") == "Acme", "which its owner has given it"
    assert await world.value("SELECT phone_number FROM whatsapp_configurations") == "+9771000009"


async def test_another_tenants_number_is_refused(world: World) -> None:
    with pytest.raises(StorageError, match="the number 100 at meta belongs to another tenant"):
        await world.upkeep.register_channel("thief", "Thief", "meta", "100", "+1")
    assert await world.value("SELECT phone_number FROM whatsapp_configurations") == "+9771000000"
    assert await world.upkeep.channels() == [world.channel]


async def test_processes_that_start_together_register_one_channel(world: World) -> None:
    found = await asyncio.gather(
        *(world.upkeep.register_channel("new", "New", "meta", "300", "+9771000003") for _ in range(4))
    )
    assert len(set(found)) == 1


async def test_the_backlog_counts_all_tenants(database: Postgres, vault: Vault, world: World) -> None:
    empty = await world.upkeep.backlog()
    assert (empty.inbox_events, empty.inbox_oldest, empty.outbox_ready, empty.dead_letters) == (0, None, 0, 0)
    other = await build_world(database, vault, slug="beta", address="200")
    for where, seconds in ((world, 5), (other, 2)):
        await where.intake.accept([message(where.channel, at=EPOCH + seconds * SECOND)])
        await where.say("a", at=EPOCH + seconds * SECOND)
    await world.say("b", to=await world.conversation(BIMAL))
    await world.claim(room=1)
    full = await world.upkeep.backlog()
    assert (full.inbox_events, full.inbox_oldest) == (2, EPOCH + 2 * SECOND)
    assert (full.outbox_ready, full.outbox_oldest) == (2, EPOCH + 2 * SECOND)
    assert (full.outbox_unknown, full.dead_letters) == (0, 0)


async def test_an_unreadable_webhook_is_kept_as_it_came(world: World) -> None:
    body = json.dumps({"object": "?"}).encode() + b"\xff\x00"
    await world.intake.accept([Unread(tenant_id=TenantId(0), kind="other", body=body, received_at=EPOCH)])
    (kept,) = await kept_webhooks(world.database, world.vault, TenantId(0), 10)
    assert kept.body == body
    async with world.database.tenant(TenantId(0)) as db:
        assert body not in await db.fetchval("SELECT body FROM webhook_events"), "it may hold phone numbers"


async def test_a_database_without_our_roles_is_explained(dsn: str) -> None:
    with pytest.raises(StorageError, match="bot db upgrade"):
        await Postgres.connect(dsn, role="nobody_we_know")
