"""Who may see and do what: tenants among each other, the runtime role, and the role that looks across tenants."""

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bot.core.ids import TenantId
from storage.base import Outcome
from storage.postgres import Postgres
from tests.conftest import EPOCH
from tests.storage.support import World, build_world, message, owner, status

TENANT_TABLES = """
SELECT c.oid, c.relname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
ORDER BY c.relname
"""
BARE_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (
    c.relrowsecurity AND c.relforcerowsecurity
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull)
    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant'))
"""
NEEDED = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type FROM pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
"""
# What a column takes: by name where a CHECK says what, else by type.
NAMED: dict[str, Any] = {
    "provider": "meta", "direction": "INBOUND", "category": "UTILITY", "role": "sales", "event_type": "SYSTEM",
    "flow_versions.source": "{}",
    "source": "WEB", "purpose": "all", "outcome": "ACCEPTED", "contact_identities.kind": "phone",
    "currency": "USD", "check_ins.kind": "STARTED", "inventory_moves.kind": "COUNTED", "payment_events.kind": "paid",
    "metric_responses.kind": "reply", "outside_jobs.kind": "call", "kept_keys.purpose": "audit",
    "secret_keys.state": "READY",
    "inbox.kind": "message", "delivery_updates.status": "SENT", "whatsapp_messages.status": "RECEIVED",
}  # fmt: skip
TYPED: dict[str, Any] = {
    "integer": 1, "smallint": 1, "text": "x", "timestamp with time zone": EPOCH, "date": EPOCH.date(), "bytea": b"x",
    "jsonb": "{}", "boolean": True, "numeric": 1, "text[]": ["x"], "double precision": 1.0, "bigint[]": [1],
    "uuid": UUID(int=1),
}  # fmt: skip


def a_value(table: str, column: str, kind: str, tenant: int) -> Any:
    """Something that the column takes."""
    if column == "tenant_id":
        return tenant
    if kind == "bigint":
        return tenant * 1000
    if column == "slug" or column == "address":
        return f"{column} {tenant}"
    table = "whatsapp_messages" if table.startswith("whatsapp_messages") else table
    return NAMED.get(f"{table}.{column}", NAMED.get(column, TYPED.get(kind)))


async def fill(connection: Any, table: Any, tenant: int) -> None:
    """Insert a row of a tenant."""
    name = table["relname"]
    columns = await connection.fetch(NEEDED, table["oid"])
    given = [column["name"] for column in columns]
    values = [a_value(name, column["name"], column["type"], tenant) for column in columns]
    if "tenant_id" not in given:
        given, values = [*given, "tenant_id"], [*values, tenant]
    marks = ", ".join(f"${n}" for n in range(1, len(given) + 1))
    await connection.execute(
        f"INSERT INTO {name} ({', '.join(given)}) OVERRIDING SYSTEM VALUE VALUES ({marks})", *values
    )


async def test_no_tenant_sees_or_writes_another_tenants_rows_in_any_table(dsn: str, database: Postgres) -> None:
    """For every table that has a tenant_id, partitions too: a new table is covered without anybody thinking of it."""
    async with owner(dsn) as admin:
        await admin.execute("SELECT ensure_partitions($1, 0)", EPOCH)
        tables = await admin.fetch(TENANT_TABLES)
        await admin.execute("SET session_replication_role = replica")  # foreign keys are not what this is about
        for table in tables:
            if not table["relispartition"]:
                for tenant in (1, 2):
                    await fill(admin, table, tenant)
    names = {table["relname"] for table in tables}
    assert {"whatsapp_messages", "whatsapp_messages_default", "whatsapp_messages_2026_11", "tenants"} <= names
    assert len(names) > 25
    for table in tables:
        name = table["relname"]
        assert table["relrowsecurity"], name
        assert table["relforcerowsecurity"], name
        async with database.connection() as db:
            assert await db.fetchval(f"SELECT count(*) FROM {name}") == 0, name
        for tenant in (1, 2):
            async with database.tenant(TenantId(tenant)) as db:
                seen = await db.fetch(f"SELECT DISTINCT tenant_id FROM {name}")
            assert [row["tenant_id"] for row in seen] in ([tenant], []), name
            assert seen or name.endswith("_default"), name
        for wrong in (None, 1):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await insert_as(database, wrong, table)
        for statement in (
            f"UPDATE {name} SET tenant_id = 1 WHERE tenant_id = 2",
            f"DELETE FROM {name} WHERE tenant_id = 2",
        ):
            assert await touched_as(database, statement) in ("", "UPDATE 0", "DELETE 0"), name
    await see_nothing_in_views(database)


VIEWS = """
SELECT c.relname, c.reloptions FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
"""


async def see_nothing_in_views(database: Postgres) -> None:
    """A view shows a tenant what its tables would: to one without any rows, nothing."""
    async with database.tenant(TenantId(3)) as db:
        views = await db.fetch(VIEWS)
        for view in views:
            assert "security_invoker=true" in (view["reloptions"] or []), view["relname"]
            rows = await db.fetch(f"SELECT * FROM {view['relname']}")
            numbers = [value for row in rows for value in row.values() if isinstance(value, int) and value]
            assert numbers == [], view["relname"]
    assert len(views) >= 3


async def touched_as(database: Postgres, statement: str) -> str:
    """What a statement of tenant 1 did; empty when it was refused."""
    try:
        async with database.tenant(TenantId(1)) as db:
            return str(await db.execute(statement))
    except (asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError):
        return ""


async def insert_as(database: Postgres, tenant: int | None, table: Any) -> None:
    """Insert a row of tenant 3 as another tenant, or none."""
    if tenant is None:
        async with database.connection() as db:
            await fill(db, table, 3)
    else:
        async with database.tenant(TenantId(tenant)) as db:
            await fill(db, table, 3)


async def test_every_table_has_a_tenant_and_is_isolated(dsn: str) -> None:
    """Whoever adds a table cannot forget it: all of our schema, partitions included."""
    async with owner(dsn) as admin:
        await admin.execute("SELECT ensure_partitions($1, 0)", EPOCH)
        bare = await admin.fetch(BARE_TABLES)
    assert [tuple(row) for row in bare] == []


async def test_a_row_cannot_be_moved_to_another_tenant(world: World) -> None:
    await world.conversation()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.database.tenant(world.tenant) as db:
            await db.execute("UPDATE contacts SET tenant_id = tenant_id + 1")


async def test_the_tenant_ends_with_the_transaction(world: World) -> None:
    """On the same connection: the pool has only one."""
    narrow = await Postgres.connect(world.database.dsn, size=1)
    await world.conversation()
    for _ in range(2):
        async with narrow.tenant(world.tenant) as db:
            assert await db.fetchval("SELECT count(*) FROM contacts") == 1
        async with narrow.connection() as db:
            assert await db.fetchval("SELECT count(*) FROM contacts") == 0
    await narrow.close()


async def test_our_roles_own_no_table_and_bypass_nothing(database: Postgres) -> None:
    async with database.connection() as db:
        assert await db.fetchval("SELECT current_user") == "sirdar_runtime"
        roles = await db.fetch(
            """SELECT rolname FROM pg_roles WHERE rolname IN ('sirdar_runtime', 'sirdar_system')
               AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication)"""
        )
        assert len(roles) == 2
        owned = await db.fetch(
            """SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) LIKE 'sirdar%'
               UNION ALL SELECT proname FROM pg_proc WHERE pg_get_userbyid(proowner) = 'sirdar_runtime'"""
        )
        assert owned == []
        member = "SELECT pg_has_role('sirdar_runtime', 'sirdar_system', 'MEMBER')"
        assert await db.fetchval(member) is False


async def test_the_system_role_may_read_ids_and_due_times_only(database: Postgres) -> None:
    content = {
        "inbox": {"event", "kind", "last_error", "message_id", "attempts"},
        "outbox": set(),
        "delivery_updates": {"key", "provider_message_id", "status", "message_id", "error_code", "error_detail"},
        "whatsapp_messages": {"content", "status", "conversation_id", "provider_message_id"},
        "contacts": {"name", "phone", "user_id"},
        "contact_identities": {"identity"},
        "whatsapp_conversations": {"snapshot", "state"},
        "whatsapp_configurations": {"secrets", "settings"},
        "dead_letters": {"event", "error"},
        "whatsapp_audit_logs": {"actor", "action", "detail"},
        "api_tokens": {"digest", "name"},
        "whatsapp_media": {"filename", "url", "sha256", "provider_media_id", "reason", "kind", "stored_at"},
        "outside_jobs": {"payload", "run", "call", "last_error"},
        "webhook_endpoints": {"secret", "url"},
    }
    async with database.connection() as db:
        for table, columns in content.items():
            for column in columns:
                may = await db.fetchval("SELECT has_column_privilege('sirdar_system', $1, $2, 'SELECT')", table, column)
                assert not may, f"{table}.{column}"
        others = await db.fetch(
            """SELECT c.relname FROM pg_class c
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                 AND has_any_column_privilege('sirdar_system', c.oid, 'SELECT, INSERT, UPDATE')"""
        )
    assert {row["relname"] for row in others} == {
        "inbox", "outbox", "timers", "delivery_updates", "whatsapp_configurations", "tenants", "dead_letters",
        "audit_unsealed", "whatsapp_media", "outside_jobs", "live_senders",
    }  # fmt: skip


async def test_our_functions_are_not_for_everybody(database: Postgres) -> None:
    """And those that run with more rights than their caller cannot be tricked with tables of the caller's making."""
    async with database.connection() as db:
        functions = await db.fetch(
            """SELECT p.oid::regprocedure::text AS name, p.prosecdef, p.proconfig,
                      has_function_privilege('public', p.oid, 'EXECUTE') AS everybody,
                      has_function_privilege('sirdar_runtime', p.oid, 'EXECUTE') AS runtime
               FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace"""
        )
    assert len(functions) >= 11
    for function in functions:
        assert not function["everybody"], function["name"]
        assert function["runtime"], function["name"]
        if function["prosecdef"]:
            assert "search_path=public, pg_temp" in function["proconfig"], function["name"]


@pytest.mark.parametrize("table", ["whatsapp_audit_logs", "audit_seals", "timeline_entries"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_happened_cannot_be_unsaid(database: Postgres, table: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(TenantId(1)) as db:
            await db.execute(statement.format(table))


async def test_tenants_are_made_by_registration_only(database: Postgres) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tenant(TenantId(1)) as db:
            await db.execute("INSERT INTO tenants (slug, name) VALUES ('x', 'x')")


async def test_two_tenants_live_side_by_side(world: World) -> None:
    """The same person, number and provider ids; one tenant's turn, send and status leave the other's as they were."""
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    for where in (world, other):
        await where.intake.accept([message(where.channel, "hello", wamid="wamid.1")])
        await where.say("hi")
        await where.intake.accept([status(where.channel, "wamid.2", "SENT")])
    conversation = await world.conversation()
    event = await world.value("SELECT event_id FROM inbox")
    await world.take(conversation, [event])
    assert await world.value("SELECT count(*) FROM inbox") == 0
    assert await other.value("SELECT count(*) FROM inbox") == 1
    with pytest.raises(RuntimeError, match="processed by somebody else"):
        await steal(world, other)
    assert await other.value("SELECT count(*) FROM outbox") == 1


async def steal(thief: World, victim: World) -> None:
    """Process another tenant's event."""
    conversation = await victim.conversation()
    event = await victim.value("SELECT event_id FROM inbox")
    async with thief.turns.transaction(thief.tenant) as store:
        await store.write(Outcome(done=[(conversation, event)]), EPOCH)


# --- What dashboards ask ----------------------------------------------------------------------------------------------

SENT_TODAY = "SELECT COUNT(*) FROM whatsapp_messages WHERE direction = 'OUTBOUND' AND DATE(sent_at) = CURRENT_DATE"
LEADS = (
    "SELECT COUNT(*) FROM timeline_entries WHERE event_type = 'SYSTEM' "
    "AND content->>'action' = 'LEAD_CREATED' AND source = 'WHATSAPP'"
)


@pytest.mark.usefixtures("one_day")
async def test_the_dashboard_counts_what_was_sent_today(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    for where, count in ((world, 3), (other, 1)):
        ids = await where.say(*("x" for _ in range(count + 2)))
        async with where.database.tenant(where.tenant) as db:
            await db.execute("UPDATE whatsapp_messages SET sent_at = now() WHERE message_id = ANY ($1)", ids[:count])
            await db.execute(
                "UPDATE whatsapp_messages SET sent_at = now() - interval '1 day' WHERE message_id = $1", ids[-1]
            )
        await where.intake.accept([message(where.channel)])  # a person's message of today does not count
        assert await where.value(SENT_TODAY) == count


async def test_the_dashboard_counts_leads_from_whatsapp(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    entries = [("SYSTEM", "LEAD_CREATED", "WHATSAPP")] * 2
    entries += [
        ("NOTE", "LEAD_CREATED", "WHATSAPP"),
        ("SYSTEM", "LEAD_LOST", "WHATSAPP"),
        ("SYSTEM", "LEAD_CREATED", "WEB"),
    ]
    async with world.database.tenant(world.tenant) as db:
        for event_type, action, source in entries:
            await db.execute(
                """INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content,
                                                 created_at)
                   VALUES ($1, 'lead', 1, $2, $3, $4::jsonb, $5)""",
                world.tenant, event_type, source, json.dumps({"action": action}), EPOCH,
            )  # fmt: skip
    assert await world.value(LEADS) == 2
    assert await other.value(LEADS) == 0
    plan = "\n".join(row["QUERY PLAN"] for row in await world.rows(f"EXPLAIN {LEADS}"))
    assert "using timeline_entries_leads" in plan, "as it is, from an index of these entries alone"
