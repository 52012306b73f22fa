"""How long reports take over millions of messages: `python -m bench.reports`.

Makes a tenant with so many messages, spread evenly over the last days up to now, on a database of its own (inside
PostgreSQL, with `generate_series`), sums up the days as the server does, and times each report a few times.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from bot.core.ids import TenantId
from storage.embedded import EmbeddedPostgres
from storage.migrations import upgrade
from storage.postgres import Postgres, Upkeep
from storage.postgres.metrics import MetricsStore, report

DAYS = 90
ROUNDS = 5
LIMIT_MS = 300
SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "512MB", "max_wal_size": "4GB"}

# $1 tenant, $2 channel, $3 conversations, $4 messages, $5 now, $6 days
FILL = {
    "people": """
        INSERT INTO contacts (tenant_id, contact_id, name) SELECT $1, n, 'x' FROM generate_series(1, $2::bigint) n""",
    "conversations": """
        INSERT INTO whatsapp_conversations (tenant_id, conversation_id, channel_id, contact_id, created_at)
        SELECT $1, n, $2, n, $4::timestamptz - $5::integer * interval '1 day' FROM generate_series(1, $3::bigint) n""",
    "staff": """
        INSERT INTO contact_roles (tenant_id, contact_id, role)
        SELECT $1, n, (ARRAY['sales', 'operations', 'field_staff', 'manager'])[n % 4 + 1]
        FROM generate_series(1, 200) n""",
    # Pairs: somebody writes, and is answered two seconds later; four of five answers are delivered, half of these read.
    "messages": """
        INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction,
                                       status, kind, content, sent_at, delivered_at, read_at)
        SELECT $1, n, m.at, (n / 2 * 7919) % $3 + 1, $2, CASE WHEN n % 2 = 0 THEN 'INBOUND' ELSE 'OUTBOUND' END,
               CASE WHEN n % 2 = 0 THEN 'RECEIVED'
                    ELSE (ARRAY['READ', 'READ', 'DELIVERED', 'DELIVERED', 'SENT'])[n % 5 + 1] END,
               'text', '{"kind": "text", "body": "Good morning, is there room for two of us in December?"}',
               CASE WHEN n % 2 = 1 THEN m.at + interval '1 second' END,
               CASE WHEN n % 2 = 1 AND n % 5 < 4 THEN m.at + interval '2 seconds' END,
               CASE WHEN n % 2 = 1 AND n % 5 < 2 THEN m.at + interval '9 seconds' END
        FROM generate_series(0, $4::bigint - 1) n
        CROSS JOIN LATERAL (
            SELECT $5::timestamptz - $6::integer * interval '1 day' * (1 - (n / 2 * 2)::float8 / $4)
                   + (n % 2) * interval '1 second' AS at) m""",
    "runs": """
        INSERT INTO flow_runs (tenant_id, run, flow, version, role, conversation_id, status, outcome, started_at,
                               ended_at)
        SELECT $1, 'r' || n, 'enquiry', 1, 'customer', n, 'ENDED',
               CASE WHEN n % 3 = 0 THEN 'dropped' ELSE 'converted' END, r.at, r.at + interval '5 minutes'
        FROM generate_series(1, $2::bigint) n
        CROSS JOIN LATERAL (
            SELECT $3::timestamptz - $4::integer * interval '1 day' * (1 - n::float8 / $2) AS at) r""",
    "leads": """
        INSERT INTO leads (tenant_id, contact_id, conversation_id, assignee_id, created_at)
        SELECT $1, n, n, n % 50 + 1,
               $3::timestamptz - $4::integer * interval '1 day' * (1 - n::float8 / $2) + interval '1 minute'
        FROM generate_series(1, $2::bigint) n WHERE n % 5 = 0""",
    "bookings": """
        INSERT INTO bookings (tenant_id, contact_id, lead_id, people, currency, total, status, hold_until, created_at)
        SELECT tenant_id, contact_id, lead_id, 2, 'USD', 100, 'CONFIRMED', created_at, created_at + interval '1 day'
        FROM leads WHERE tenant_id = $1 AND lead_id % 4 = 0""",
    # Ten entries for each lead, its creation the first of them.
    "timeline": """
        INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, created_at)
        SELECT l.tenant_id, 'lead', l.lead_id, 'SYSTEM', 'WHATSAPP',
               jsonb_build_object('action', CASE n WHEN 0 THEN 'LEAD_CREATED' ELSE 'LEAD_QUOTED' END, 'people', 2),
               l.created_at + n * interval '1 minute'
        FROM leads l CROSS JOIN generate_series(0, 9) n WHERE l.tenant_id = $1""",
}  # fmt: skip

SEED_QUERIES = {
    "seed: sent today": "SELECT COUNT(*) FROM whatsapp_messages"
    " WHERE direction = 'OUTBOUND' AND DATE(sent_at) = CURRENT_DATE",
    "seed: leads from WhatsApp": "SELECT COUNT(*) FROM timeline_entries WHERE event_type = 'SYSTEM'"
    " AND content->>'action' = 'LEAD_CREATED' AND source = 'WHATSAPP'",
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def fill(database: Postgres, tenant: TenantId, channel: int, messages: int, people: int, now: datetime) -> None:
    """Make the business."""
    arguments = {
        "people": (people,), "conversations": (channel, people, now, DAYS), "staff": (),
        "messages": (channel, people, messages, now, DAYS), "runs": (people, now, DAYS), "leads": (people, now, DAYS),
        "bookings": (), "timeline": (),
    }  # fmt: skip
    for name, statement in FILL.items():
        began = time.perf_counter()
        async with database.tenant(tenant) as db:
            await db.execute(statement, tenant, *arguments[name], timeout=3600)
        say(f"  made {name} in {time.perf_counter() - began:.0f} s")
    owner = await asyncpg.connect(database.dsn)
    await owner.execute("VACUUM ANALYZE", timeout=3600)  # autovacuum does it in the course of such days
    await owner.close()


async def timed(ask: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of a few rounds, the first one cold."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await ask()
        found.append((time.perf_counter() - began) * 1000)
    return found


async def measure(database: Postgres, tenant: TenantId, now: datetime) -> bool:
    """Time every report; whether all keep to the limit."""
    today = now.date()
    views = ("metric_messages", "metric_conversations", "metric_sales", "metric_response_times")
    kept = True

    def span(days: int) -> Callable[[], Awaitable[object]]:
        async def ask() -> None:
            async with database.tenant(tenant) as db:
                await report(db, today - timedelta(days=days - 1), today)

        return ask

    def query(text: str) -> Callable[[], Awaitable[object]]:
        async def ask() -> None:
            async with database.tenant(tenant) as db:
                await db.fetch(text)

        return ask

    asked = {f"report of {days} days, today live": span(days) for days in (1, 30, DAYS)}
    asked |= {f"SELECT * FROM {view}": query(f"SELECT * FROM {view}") for view in views}
    asked |= {name: query(text) for name, text in SEED_QUERIES.items()}
    for name, ask in asked.items():
        times = await timed(ask)
        kept &= statistics.median(times) <= LIMIT_MS
        say(f"  {name:<36} median {statistics.median(times):7.1f} ms   worst {max(times):7.1f} ms")
    return kept


async def run(messages: int, people: int) -> bool:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="sirdar-reports-") as folder:
        async with await EmbeddedPostgres.start(Path(folder), settings=SETTINGS) as server:
            await upgrade(server.dsn())
            database = await Postgres.connect(server.dsn(), size=2, idle_lease_seconds=600)
            upkeep = Upkeep(database)
            for month in range(-4, 1):
                await upkeep.ensure_partitions(now + timedelta(days=30 * month))
            channel = await upkeep.register_channel("bench", "Bench", "meta", "1", "+15550100200")
            tenant = channel.tenant_id
            say(f"{messages:,} messages of {people:,} conversations over {DAYS} days")
            await fill(database, tenant, channel.channel_id, messages, people, now)
            began = time.perf_counter()
            days = await MetricsStore(database).sum_up(now)
            say(f"  summed up {days} days in {time.perf_counter() - began:.1f} s")
            kept = await measure(database, tenant, now)
            await database.close()
    say(f"every report within {LIMIT_MS} ms" if kept else f"some reports took more than {LIMIT_MS} ms")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--conversations", type=int, default=500_000)
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(run(given.messages, given.conversations)) else 1)


if __name__ == "__main__":
    main()
