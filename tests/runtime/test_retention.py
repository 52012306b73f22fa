"""What is older than the retention goes by itself; what stops duplicates stays."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.messages import MediaIn, TemplateOut
from bot.runtime.retention import Retention
from storage.base import Outcome, TemplateNews, TurnTrace, Unread, Verdict
from storage.crypto import Vault
from storage.files import DirectoryStore
from storage.postgres import Chores, Postgres, PostgresMedia
from storage.postgres.templates import TemplateBook
from tests.conftest import FakeClock
from tests.storage.support import BIMAL, World, build_world, message, owner, result, status


@pytest.fixture
async def world(database: Any, vault: Any) -> World:
    return await build_world(database, vault)


@pytest.fixture
def retention(world: World, tmp_path: Path) -> Retention:
    return Retention(
        upkeep=world.upkeep,
        media=PostgresMedia(world.database),
        store=DirectoryStore(tmp_path / "media"),
        chores=Chores(world.database),
        days=90,
    )


async def receive(world: World, at: datetime, **more: Any) -> None:
    await world.intake.accept([message(world.channel, at=at, **more)])


async def months(world: World) -> list[str]:
    async with owner(world.database.dsn) as db:
        rows = await db.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'whatsapp_messages'::regclass ORDER BY 1"
        )
    return [row["relname"].removeprefix("whatsapp_messages_") for row in rows]


async def test_what_is_old_in_a_month_goes_by_the_day(world: World, retention: Retention, clock: FakeClock) -> None:
    """Partitioned or not: nothing is there for longer than the retention and a day."""
    await world.upkeep.ensure_partitions(clock())
    before = clock() - timedelta(days=40)  # a month that has no partition of its own
    for place, at in enumerate([before, clock(), clock() + timedelta(days=2)]):
        await receive(world, at, wamid=f"wamid.{place}")
        async with world.turns.transaction(world.tenant) as store:
            trace = TurnTrace(event_id=place, at=at, conversation_id=1, message_id=1, trace="[]")  # type: ignore[arg-type]
            await store.write(Outcome(traces=[trace]), at)
    clock.advance(days=91)
    assert await retention.keep(clock())
    assert len(await months(world)) == 4
    left = await world.rows("SELECT provider_message_id AS wamid FROM whatsapp_messages")
    assert [world.opened(row["wamid"]) for row in left] == ["wamid.2"]
    assert [row["event_id"] for row in await world.rows("SELECT event_id FROM turn_traces")] == [2]


async def test_old_months_are_dropped_and_newer_ones_stay(world: World, retention: Retention, clock: FakeClock) -> None:
    """November's messages are all 90 days old on the first of March, and not a day before."""
    await world.upkeep.ensure_partitions(clock())
    await receive(world, clock(), wamid="wamid.old")
    async with world.turns.transaction(world.tenant) as store:
        trace = TurnTrace(event_id=1, at=clock(), conversation_id=1, message_id=1, trace="[]")  # type: ignore[arg-type]
        await store.write(Outcome(traces=[trace]), clock())
    clock.now = datetime.fromisoformat("2027-02-28T12:00:00+00:00")
    await world.upkeep.ensure_partitions(clock())
    await receive(world, clock(), wamid="wamid.new")
    assert await retention.keep(clock())
    assert await months(world) == ["2026_11", "2026_12", "2027_01", "2027_02", "2027_03", "2027_04", "default"]
    clock.advance(days=1)
    assert await retention.keep(clock())
    assert await months(world) == ["2026_12", "2027_01", "2027_02", "2027_03", "2027_04", "default"]
    rows = await world.rows("SELECT provider_message_id FROM whatsapp_messages")
    assert [world.opened(row[0]) for row in rows] == ["wamid.new"]
    assert await world.value("SELECT count(*) FROM turn_traces") == 0


async def test_a_message_that_is_gone_still_stops_its_duplicates(
    world: World, retention: Retention, clock: FakeClock
) -> None:
    await receive(world, clock(), wamid="wamid.old")
    """For as long as it may be delivered again, and a day; then nobody does, and its key goes as well."""
    for days in (91, 6.9):
        clock.advance(days=days)
        await retention.keep(clock())
        assert await world.value("SELECT count(*) FROM whatsapp_messages") == 0
        await receive(world, clock(), wamid="wamid.old")
        assert await world.value("SELECT count(*) FROM whatsapp_messages") == 0
    clock.advance(days=1)
    await retention.keep(clock())
    assert await world.value("SELECT count(*) FROM message_keys") == 0


async def test_a_key_stays_as_long_as_its_message(world: World, retention: Retention, clock: FakeClock) -> None:
    """Whatever comes of it late, a status or a question, finds it."""
    await receive(world, clock(), wamid="wamid.kept")
    clock.advance(days=89)
    await retention.keep(clock())
    assert await world.value("SELECT count(*) FROM whatsapp_messages JOIN message_keys USING (message_id)") == 1


async def test_tenants_keep_messages_for_as_long_as_they_say(
    world: World, database: Postgres, vault: Vault, retention: Retention, clock: FakeClock
) -> None:
    """A month that one of them keeps is not dropped; of it the others' rows go."""
    short, long = [await build_world(database, vault, slug=slug, address=slug) for slug in ("short", "long")]
    worlds = {world: None, short: "30", long: "400"}
    await world.upkeep.ensure_partitions(clock())
    for one, days in worlds.items():
        async with database.tenant(one.tenant) as db:
            settings = json.dumps({"whatsapp_message_retention_days": days} if days else {})
            await db.execute("UPDATE tenants SET settings = $2::jsonb WHERE tenant_id = $1", one.tenant, settings)
        await receive(one, clock())
    left = []
    for days in (29, 2, 60, 308, 2, 40):
        clock.advance(days=days)
        await retention.keep(clock())
        left.append([await one.value("SELECT count(*) FROM whatsapp_messages") for one in worlds])
    assert left == [[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert "2026_11" not in await months(world)


async def test_rows_without_a_month_of_their_own_go_one_by_one(
    world: World, retention: Retention, clock: FakeClock
) -> None:
    await receive(world, clock(), wamid="wamid.old")
    clock.advance(days=1)
    await receive(world, clock(), wamid="wamid.young")
    assert await months(world) == ["default"]
    clock.advance(days=89, hours=12)
    await retention.keep(clock())
    rows = await world.rows("SELECT provider_message_id FROM whatsapp_messages")
    assert [world.opened(row[0]) for row in rows] == ["wamid.young"]


async def test_files_and_unread_webhooks_go_as_well(world: World, retention: Retention, clock: FakeClock) -> None:
    photo = MediaIn(media="image", media_id="61", mime_type="image/jpeg", filename="passport.jpg")
    unread = Unread(tenant_id=world.tenant, kind="odd", body=b"{}", received_at=clock())
    await world.intake.accept([replace(message(world.channel, at=clock()), content=photo), unread])
    clock.advance(days=91)
    await retention.keep(clock())
    row = await world.row("SELECT status, filename, provider_media_id, due_at FROM whatsapp_media")
    assert tuple(row) == ("EXPIRED", None, None, None)
    assert await world.value("SELECT count(*) FROM webhook_events") == 0


async def test_another_tenants_rows_go_too(world: World, retention: Retention, clock: FakeClock) -> None:
    other = await build_world(world.database, world.vault, slug="other", address="2")
    await receive(other, clock())
    clock.advance(days=91)
    await retention.keep(clock())
    assert await other.value("SELECT count(*) FROM whatsapp_messages") == 0


async def test_one_process_does_it_once_a_day(world: World, retention: Retention, clock: FakeClock) -> None:
    assert await retention.keep(clock())
    assert not await retention.keep(clock())
    clock.advance(hours=23)
    assert not await retention.keep(clock())
    clock.advance(hours=1)
    assert await retention.keep(clock())


async def test_what_is_in_the_way_is_tried_again(world: World, retention: Retention, clock: FakeClock) -> None:
    await world.upkeep.ensure_partitions(clock())
    clock.advance(days=150)
    async with owner(world.database.dsn) as db:
        await db.execute("ALTER FUNCTION drop_partitions(timestamptz) SET lock_timeout = '50ms'")
        await db.execute("BEGIN; SELECT count(*) FROM whatsapp_messages")
        assert not await retention.keep(clock())
        await db.execute("ROLLBACK")
        await db.execute("ALTER FUNCTION drop_partitions(timestamptz) SET lock_timeout = '60s'")
    clock.advance(minutes=10)
    assert not await retention.keep(clock())
    clock.advance(minutes=5)
    assert await retention.keep(clock())
    assert await months(world) == ["2027_01", "default"]


async def test_the_runtime_role_can_drop_nothing_else(world: World, clock: FakeClock) -> None:
    await world.upkeep.ensure_partitions(clock())
    assert await world.upkeep.drop_partitions(clock() + timedelta(days=365)) == 6
    assert await world.value("SELECT count(*) FROM whatsapp_messages") == 0
    assert await world.value("SELECT to_regclass('whatsapp_messages_default') IS NOT NULL")


async def a_month(world: World, clock: FakeClock) -> None:
    """A little of everything that a server does."""
    photo = MediaIn(media="image", media_id=f"photo.{clock():%y%m}", mime_type="image/jpeg")
    unread = Unread(tenant_id=world.tenant, kind="odd", body=b"{}", received_at=clock())
    heard = [message(world.channel, at=clock()), replace(message(world.channel, at=clock()), content=photo)]
    await world.intake.accept([*heard, heard[0], unread])
    conversation = await world.conversation()
    good, bad = [row[0] for row in await world.rows("SELECT event_id FROM inbox ORDER BY event_id")]
    async with world.turns.transaction(world.tenant) as store:
        trace = TurnTrace(event_id=good, at=clock(), conversation_id=conversation, message_id=1, trace="[]")  # type: ignore[arg-type]
        await store.write(Outcome(traces=[trace], done=[(conversation, good)]), clock())
    await world.turns.fail(world.tenant, conversation, bad, "x", now=clock(), retry_at=None)
    claim = await world.send_one(at=clock())
    await world.claim(result(claim, Verdict.DONE, at=clock()), now=clock())
    await world.say(TemplateOut(name="paused", language="en"), to=await world.conversation(BIMAL), at=clock())
    ours = f"wamid.out.{claim.message_id}"
    await world.intake.accept([status(world.channel, one, "DELIVERED", at=clock()) for one in (ours, "wamid.theirs")])
    for _ in range(4):
        await world.settle(clock())
        clock.advance(minutes=10)
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO outside_jobs (tenant_id, kind, lane, state, due_at, created_at) "
            "VALUES ($1, 'call', 'a', 'DEAD', $2, $2), ($1, 'call', 'a', 'DEAD', $2, $2)", world.tenant, clock(),
        )  # fmt: skip
        await db.execute(
            "INSERT INTO receipts (tenant_id, key, action, result, created_at) "
            "VALUES ($1, 'api:1:' || $2::timestamptz, 'a', '{}', $2), ($1, 'lead:' || $2, 'a', '{}', $2)",
            world.tenant, clock(),
        )  # fmt: skip


async def test_over_the_months_only_what_is_documented_grows(
    world: World, retention: Retention, clock: FakeClock
) -> None:
    """Three months are kept, so after six all is as it was after four: but a row per file, and per `once`."""
    await TemplateBook(world.database, world.tenant, "meta").record(
        [TemplateNews(name="paused", language="en", status="PAUSED")], clock()
    )
    sizes = []
    for _ in range(7):
        await world.upkeep.ensure_partitions(clock())
        await a_month(world, clock)
        assert await retention.keep(clock())
        async with owner(world.database.dsn) as db:
            names = [row[0] for row in await db.fetch("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
                                                      " AND relnamespace = 'public'::regnamespace"
                                                      " AND NOT relispartition")]  # fmt: skip
            sizes.append({name: await db.fetchval(f'SELECT count(*) FROM "{name}"') for name in names})
            sizes[-1]["months"] = len(await months(world))
        clock.advance(days=31)
    busy = {"whatsapp_messages", "message_keys", "turn_traces", "dead_letters", "webhook_events", "send_attempts",
            "template_waits", "outside_jobs", "receipts", "whatsapp_media"}  # fmt: skip
    assert {name for name in busy if sizes[0][name]} == busy, "the months are as full as they should be"
    assert {name for name, size in sizes[-1].items() if size > sizes[4][name]} == {"receipts", "whatsapp_media"}
    assert sizes[-1]["receipts"] - sizes[-2]["receipts"] == 1
