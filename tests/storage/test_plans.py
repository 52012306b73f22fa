"""Hot statements touch the rows they are about and no others, also with a plan made when the tables were empty.

What is counted is what a statement really walked through (EXPLAIN ANALYZE): plans may differ, the work may not.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.postgres import intake, outbox, people, settling, turns
from storage.postgres.database import RUNTIME_ROLE, session_settings
from tests.conftest import EPOCH
from tests.storage.support import World, owner

SCHEMA = Path(__file__).parents[2] / "schema.sql"
MANY = 12_000
BATCH = 60
HOT = ("inbox", "outbox", "whatsapp_messages", "message_keys", "whatsapp_conversations", "contacts", "timers")
QUEUES = ("inbox", "outbox", "delivery_updates", "timers", "outside_jobs")
HOT += ("contact_identities", "delivery_updates", "send_attempts", "contact_roles", "whatsapp_media", "outside_jobs")

# Every conversation has a message in the inbox and one in the outbox; every tenth has two of each.
FILL = """
SELECT setval('event_ids', 1000000);
INSERT INTO contacts (tenant_id, contact_id, name) SELECT $1, n, 'x' FROM generate_series(1, $2::bigint) n;
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
    SELECT $1, int8send(n), n, 'phone' FROM generate_series(1, $2) n;
INSERT INTO whatsapp_conversations (tenant_id, conversation_id, channel_id, contact_id)
    SELECT $1, n, $3, n FROM generate_series(1, $2) n;
INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status, kind,
                               content)
    SELECT $1, n, $4::timestamptz + n * interval '1 ms', n % $2 + 1, $3, 'OUTBOUND', 'QUEUED', 'text', '{}'
    FROM generate_series(1, $2 * 11 / 10) n;
INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT tenant_id, int8send(message_id), message_id, created_at FROM whatsapp_messages;
INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at, state, fence)
    SELECT tenant_id, conversation_id, message_id, created_at, channel_id, created_at, 'READY', message_id
    FROM whatsapp_messages;
INSERT INTO inbox (tenant_id, conversation_id, event_id, due_at, kind, event, happened_at)
    SELECT tenant_id, conversation_id, message_id, created_at, 'business', '{}', created_at FROM whatsapp_messages;
INSERT INTO delivery_updates (tenant_id, key, provider_message_id, status, happened_at, received_at, due_at)
    SELECT tenant_id, key, 'x', 'SENT', created_at, created_at, created_at FROM message_keys;
INSERT INTO timers (tenant_id, run, name, epoch, conversation_id, due_at)
    SELECT $1, 'run-' || n, 'nudge', 1, n, $4 FROM generate_series(1, $2) n;
INSERT INTO whatsapp_media (tenant_id, media_id, channel_id, kind, mime_type, created_at, due_at)
    SELECT $1, n, $3, 'image', 'image/png', $4, $4 FROM generate_series(1, $2) n;
INSERT INTO outside_jobs (tenant_id, job_id, kind, lane, due_at, created_at)
    SELECT $1, n, 'call', 'lane-' || n % 3000, $4, $4 FROM generate_series(1, $2) n;
-- Senders died while some messages were under way; of some, nobody knows any more whether they went out.
UPDATE outbox SET state = CASE WHEN conversation_id % 100 = 5 THEN 'UNKNOWN' ELSE 'SENDING' END, lease_until = $4
    WHERE conversation_id % 20 = 5 AND message_id <= $2;
"""


# A session of the superuser's, as some role, in which PostgreSQL tells of every plan it has followed.
TELLING = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}


def literal(value: Any) -> str:
    """A value as SQL."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case list():
            quoted = ",".join("NULL" if item is None else f'"{_plain(item)}"' for item in value)
            return f"'{{{quoted}}}'"
        case _:
            return f"'{_plain(value)}'"


def _plain(value: Any) -> str:
    return f"\\\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def walked(plan: dict[str, Any]) -> int:
    """How many rows of hot tables a plan went through, whether it wanted them or not."""
    total = 0.0
    for node in nodes(plan):
        if str(node.get("Relation Name", "")).startswith(HOT) and "Scan" in node["Node Type"]:
            rows = (
                node["Actual Rows"]
                + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0)
            )
            total += rows * node["Actual Loops"]
    return round(total)


def compared(plan: dict[str, Any]) -> int:
    """How many pairs joins looked at in vain, perhaps from copies that they keep."""
    return round(sum(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"] for node in nodes(plan)))


def moment(number: int) -> datetime:
    return EPOCH + timedelta(milliseconds=number)


def statements() -> dict[str, tuple[str, int, list[Any]]]:
    """Name → statement, rows it may walk through, parameters after the tenant."""
    some = list(range(5_000, 5_000 + BATCH))
    keys = [n.to_bytes(8, "big") for n in some]
    at = [moment(n) for n in some]
    nothing: list[Any] = [None] * BATCH
    zeros, late = [0] * BATCH, [EPOCH] * BATCH
    conversations, runs = [n + 1 for n in some], [f"run-{n}" for n in some]

    def words(word: str) -> list[str]:
        return [word] * BATCH

    return {
        "find people": (people._FIND, 5 * BATCH, [keys, nothing]),
        "find conversations": (people._CONVERSATIONS, 5 * BATCH, [1, some]),
        "accept messages": (
            intake._ACCEPT_MESSAGES,
            5 * BATCH,
            [
                *(None, keys, None, conversations, zeros, words("w"), nothing, words("text"), words("{}"), late, late),
                *(nothing, nothing),
            ],
        ),
        "lock": (turns._LOCK, 6 * BATCH, [EPOCH, conversations, BATCH, 10]),
        "lock due": (turns._LOCK, 11 * BATCH, [EPOCH + timedelta(days=1), None, BATCH, 10]),
        "write": (
            turns._WRITE,
            10 * BATCH,
            [
                *(EPOCH, conversations, words("{}"), words("x"), late, conversations, some),
                *(conversations, zeros, words("text"), words("{}"), nothing, [True] * BATCH),
                *(some, conversations, nothing, words("[]")),
                *(runs, [2] * BATCH),
                *(runs, words("nudge"), [3] * BATCH, conversations, late),
                *(timedelta(seconds=30), nothing),
                *(runs, words("f"), [1] * BATCH, words("customer"), conversations, nothing, words("{}"), nothing),
                *(late, nothing),
            ],
        ),
        "content": (outbox._CONTENT, 5 * BATCH, [some, at]),
        "accepted": (
            outbox._ACCEPTED,
            10 * BATCH,
            [conversations, some, at, [1] * BATCH, some, words("w"), keys, words(""), at],
        ),
        "record": (
            outbox._RECORD,
            10 * BATCH,
            [
                *(conversations, some, at, [1] * BATCH, some, (["FAILED", "UNKNOWN", "RETRY"] * BATCH)[:BATCH]),
                *(nothing, nothing, words(""), at, at),
            ],
        ),
        "expired lease": (settling._EXPIRED_LEASE, 10 * BATCH, [some, at, [1] * BATCH, some, EPOCH]),
        "settle unknown": (settling._SETTLE_UNKNOWN, 12 * BATCH, [conversations, some, at, EPOCH, 1]),
        "apply updates": (settling._APPLY_UPDATES, 20 * BATCH, [EPOCH + timedelta(days=1), EPOCH, BATCH]),
    }


async def run(connection: Any, tenant: int, name: str) -> int:
    """How many rows a statement walks through, or compares beyond a batch with itself; nothing it does stays.

    What functions do for it counts as well: auto_explain tells of each statement in them. Foreign keys look at one row
    each, by its key.
    """
    sql, _, arguments = statements()[name]
    assert len(arguments) + 1 == max(int(number) for number in re.findall(r"\$(\d+)", sql)), name
    plans: list[dict[str, Any]] = []

    def read(_: Any, notice: Any) -> None:
        _, found, plan = notice.message.partition("plan:\n")
        if found and "FOR KEY SHARE" not in (explained := json.loads(plan))["Query Text"]:
            plans.append(explained["Plan"])

    connection.add_log_listener(read)
    await connection.execute(f"BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true)")
    try:
        values = ", ".join(literal(value) for value in [tenant, *arguments])
        await connection.execute(f"EXECUTE {name.replace(' ', '_')} ({values})")
        await asyncio.sleep(0)  # listeners are called soon
    finally:
        await connection.execute("ROLLBACK")
        connection.remove_log_listener(read)
    assert plans, name
    return sum(walked(plan) + max(compared(plan) - 3 * BATCH * BATCH, 0) for plan in plans)


async def test_hot_statements_walk_through_their_own_rows_only(dsn: str, world: World) -> None:
    """With plans from when all was new, from when the queues seemed empty, and from good statistics."""
    kept = await asyncpg.connect(dsn, server_settings=session_settings(RUNTIME_ROLE) | TELLING)
    plain = await asyncpg.connect(
        dsn, server_settings={"role": RUNTIME_ROLE, "plan_cache_mode": "force_generic_plan", "jit": "off"} | TELLING
    )
    for name, (sql, _, arguments) in statements().items():
        label = name.replace(" ", "_")
        await kept.execute(f"PREPARE {label} AS {sql}")
        nothing = f"{label} ({', '.join(['NULL'] * (len(arguments) + 1))})"
        await kept.execute(f"BEGIN; EXECUTE {nothing}; ROLLBACK")  # functions plan what they do when they do it
    async with owner(dsn) as admin:
        fill = FILL
        for place, value in enumerate([world.tenant, MANY, world.channel.channel_id, EPOCH], 1):
            fill = fill.replace(f"${place}", literal(value))
        await admin.execute(fill)
        found = {f"{name}, made when empty": await run(kept, world.tenant, name) for name in statements()}
        await analyze_when_empty(admin)
        for name, (sql, _, _) in statements().items():
            await kept.execute(f"DEALLOCATE {name.replace(' ', '_')}; PREPARE {name.replace(' ', '_')} AS {sql}")
        found |= {f"{name}, analyzed when empty": await run(kept, world.tenant, name) for name in statements()}
        await admin.execute("ANALYZE")
        for name, (sql, _, _) in statements().items():
            await plain.execute(f"PREPARE {name.replace(' ', '_')} AS {sql}")
        found |= {f"{name}, analyzed": await run(plain, world.tenant, name) for name in statements()}
    await kept.close()
    await plain.close()
    limits = {name: limit for name, (_, limit, _) in statements().items()}
    assert {name: rows for name, rows in found.items() if rows > limits[name.partition(",")[0]]} == {}
    idle = {name for name, rows in found.items() if rows == 0}
    # One only inserts, the other has nothing to do.
    assert {name.partition(",")[0] for name in idle} <= {"accept messages", "settle unknown"}


# --- Functions --------------------------------------------------------------------------------------------------------

NOW, LATER = (f"'{at}'::timestamptz" for at in (EPOCH, EPOCH + timedelta(days=1)))
CHANNELS = "ARRAY(SELECT channel_id FROM whatsapp_configurations LIMIT 1)"
TENANTS = "ARRAY(SELECT tenant_id FROM whatsapp_configurations LIMIT 1)"
# Name → parameters, the index, rows it may walk through.
FUNCTIONS = {
    "queue_conversations": (
        {"p_now": LATER, "p_limit": "100", "p_share": "100", "p_tenants": "NULL::bigint[]"}, "inbox_due", 500
    ),
    "claim_outbox": (
        {
            "p_now": LATER,
            "p_lease": "interval '1 minute'",
            "p_channels": "'{1}'::bigint[]",
            "p_rooms": "'{100}'::integer[]",
        },
        "outbox_ready",
        1000,
    ),
    "expire_leases": ({"p_now": NOW, "p_wait": "interval '1 minute'"}, "outbox_leases", 3000),
    "due_unknowns": ({"p_now": NOW}, "outbox_leases", 1000),
    "tenants_with_updates": ({"p_now": LATER}, "delivery_updates_due", 10),
    "fire_timers": ({"p_now": NOW, "p_share": "100", "p_tenants": "NULL::bigint[]"}, "timers_due", 300),
    "claim_media": (
        {"p_now": NOW, "p_lease": "interval '1 minute'", "p_channels": CHANNELS, "p_rooms": "'{100}'::integer[]"},
        "whatsapp_media_due",
        300,
    ),
    "claim_outside": (
        {"p_now": NOW, "p_lease": "interval '1 minute'", "p_tenants": TENANTS, "p_rooms": "'{100}'::integer[]"},
        "outside_jobs_lane",
        2 * MANY + 300,
    ),
}  # fmt: skip


@pytest.mark.parametrize("known", ["nothing", "that all is empty", "how it is"])
async def test_queue_functions_follow_their_index_and_stop_at_the_limit(dsn: str, world: World, known: str) -> None:
    """Whatever the planner knows of the tables: autovacuum may have come by when the queues were empty."""
    async with owner(dsn) as admin:
        fill = FILL
        for place, value in enumerate([world.tenant, MANY, world.channel.channel_id, EPOCH], 1):
            fill = fill.replace(f"${place}", literal(value))
        await admin.execute(fill)
        if known == "that all is empty":
            await analyze_when_empty(admin)
        if known == "how it is":
            await admin.execute("ANALYZE")
        for name, (parameters, index, limit) in FUNCTIONS.items():
            plan = await explain_body(admin, name, parameters)
            assert index in {node.get("Index Name") for node in nodes(plan)}, name
            assert walked(plan) <= limit, name
            assert compared(plan) <= 100 * 100, name  # a batch with itself
            scans = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
            assert scans <= {"whatsapp_configurations", "tenants"}, name


async def analyze_when_empty(admin: Any) -> None:
    """Let the planner believe that the queues are empty: they were, for a moment, when autovacuum came by."""
    for queue in QUEUES:
        await admin.execute(f"CREATE TEMP TABLE kept AS TABLE {queue}; DELETE FROM {queue}; ANALYZE {queue}")
        await admin.execute(f"INSERT INTO {queue} TABLE kept; DROP TABLE kept")


async def explain_body(admin: Any, name: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The plan of a function's one statement, under the function's settings, with its parameters filled in."""
    row = await admin.fetchrow(
        "SELECT pg_get_function_sqlbody(oid) AS body, proconfig FROM pg_proc WHERE proname = $1", name
    )
    body = row["body"].removeprefix("BEGIN ATOMIC").removesuffix("END").strip().rstrip(";")
    for parameter, value in parameters.items():
        body = re.sub(rf"\b{name}\.{parameter}\b", value, body)
    await admin.execute("BEGIN")
    try:
        for setting in row["proconfig"]:
            await admin.execute("SET LOCAL " + setting.replace("=", " = ", 1))
        plan = await admin.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {body}")
    finally:
        await admin.execute("ROLLBACK")
    found: dict[str, Any] = json.loads(plan)[0]["Plan"]
    return found


# --- The schema itself ------------------------------------------------------------------------------------------------


def test_every_index_says_what_it_is_for() -> None:
    lines = SCHEMA.read_text(encoding="utf-8").splitlines()
    indexes = [n for n, line in enumerate(lines) if re.match(r"\s*CREATE (UNIQUE )?INDEX", line)]
    assert len(indexes) > 15
    assert [lines[n] for n in indexes if not lines[n - 1].lstrip().startswith("--")] == []


@pytest.mark.parametrize("table", ["inbox", "outbox", "delivery_updates"])
def test_queues_are_vacuumed_by_count_not_by_share(table: str) -> None:
    """They are nearly empty and turn over all the time: a share of nearly nothing would never let go."""
    text = SCHEMA.read_text(encoding="utf-8")
    definition = text[text.index(f"CREATE TABLE {table} (") :]
    assert "autovacuum_vacuum_scale_factor = 0" in definition[: definition.index(";\n")]
