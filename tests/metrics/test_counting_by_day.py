"""A dashboard's own statement, how many messages were sent today, is found in an index, under row-level security."""

from datetime import UTC, datetime

import pytest

from tests.storage.support import World, build_world, owner

TODAY = "SELECT COUNT(*) FROM whatsapp_messages WHERE direction = 'OUTBOUND' AND DATE(sent_at) = CURRENT_DATE"
# One of two is ours; ten a day were sent, today's among them.
FILL = """
INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status, kind,
                               content, sent_at)
SELECT $1, n, at, n % 500, $2, CASE WHEN n % 2 = 0 THEN 'INBOUND' ELSE 'OUTBOUND' END,
       CASE WHEN n % 2 = 0 THEN 'RECEIVED' ELSE 'SENT' END, 'text', jsonb_build_object('body', repeat('x', 200)),
       CASE WHEN n % 2 = 1 THEN at END
FROM generate_series(0, 39_999) n
CROSS JOIN LATERAL (SELECT date_trunc('day', now(), 'UTC') - (n / 20) * interval '1 day'
                           + (n % 20) * interval '1 minute' AS at) m
ORDER BY at
"""


async def filled(world: World) -> None:
    async with world.database.tenant(world.tenant) as db:
        await db.execute(FILL, world.tenant, world.channel.channel_id)
    async with owner(world.database.dsn) as db:
        await db.execute("ANALYZE whatsapp_messages")


@pytest.mark.usefixtures("one_day")
async def test_the_dashboards_count_of_today_is_found_in_an_index(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await filled(world)
    async with other.database.tenant(other.tenant) as db:
        assert await db.fetchval(TODAY) == 0, "another tenant's are not counted"
    assert await world.value(TODAY) == 10
    plan = "\n".join(row["QUERY PLAN"] for row in await world.rows(f"EXPLAIN (ANALYZE, TIMING OFF) {TODAY}"))
    assert "Index Cond: (date(sent_at) = CURRENT_DATE)" in plan, plan
    assert "Seq Scan on whatsapp_messages" not in plan, plan


@pytest.mark.usefixtures("one_day")
async def test_without_a_superusers_word_it_is_slow_and_right(world: World) -> None:
    """Who cannot call a function leakproof gets the same count."""
    await filled(world)
    async with owner(world.database.dsn) as db:
        await db.execute("ALTER FUNCTION date(moment) NOT LEAKPROOF")
    assert await world.value(TODAY) == 10


async def test_the_day_of_a_message_is_that_of_utc(world: World) -> None:
    at = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # in Kathmandu, the 21st has begun
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            """INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction,
                                              status, kind, content, sent_at)
               VALUES ($1, 1, $2::timestamptz, 1, 1, 'OUTBOUND', 'SENT', 'text', '{}', $2::timestamptz)""",
            world.tenant, at,
        )  # fmt: skip
        await db.execute("SET LOCAL timezone = 'Asia/Kathmandu'")
        row = await db.fetchrow("SELECT DATE(sent_at) AS day, sent_at FROM whatsapp_messages")
        assert row is not None
        assert (row["day"].isoformat(), row["sent_at"]) == ("2026-11-20", at)
        await db.execute("UPDATE whatsapp_messages SET sent_at = 'infinity'")
        assert await db.fetchval("SELECT count(*) FROM whatsapp_messages WHERE DATE(sent_at) = CURRENT_DATE") == 0
        await db.execute("UPDATE whatsapp_messages SET sent_at = NULL")
        assert await db.fetchval("SELECT DATE(sent_at) FROM whatsapp_messages") is None
