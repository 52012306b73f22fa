"""What people look at from the command line: `bot explain`, `bot doctor` and the simulator. Nothing here is fast."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.conversation import FRAME, Frame
from bot.core.ids import ConversationId, MessageId, TenantId
from storage.postgres.database import Postgres

PARTITIONED = ("whatsapp_messages", "turn_traces")

_SLUG = "SELECT slug FROM tenants WHERE tenant_id = $1"
_LATEST = """
SELECT message_id FROM whatsapp_messages WHERE tenant_id = $1 AND direction = 'INBOUND' ORDER BY message_id DESC LIMIT 1
"""
_WRITER = """
SELECT p.name, ARRAY(SELECT r.role FROM contact_roles r WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id
                     ORDER BY r.role) AS roles
FROM whatsapp_conversations c JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = c.contact_id
WHERE c.tenant_id = $1 AND c.conversation_id = $2
"""
_BEFORE = """
SELECT message_id FROM whatsapp_messages
WHERE tenant_id = $1 AND conversation_id = $2 AND created_at <= $3 AND direction = 'INBOUND'
ORDER BY created_at DESC LIMIT 1
"""
_OBJECTS = """
SELECT frame FROM flow_runs
WHERE tenant_id = $1 AND conversation_id = $2 AND status = 'ACTIVE' AND frame IS NOT NULL ORDER BY started_at
"""
_TIMERS = "SELECT run, name, due_at FROM timers WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY due_at, name"
_LAST_TRACE = """
SELECT trace FROM turn_traces WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY event_id DESC LIMIT 1
"""
_HELD = """
SELECT m.message_id, m.conversation_id, m.content, m.error_detail FROM whatsapp_messages m
WHERE m.tenant_id = $1 AND m.message_id > $2 AND m.status = 'HELD' ORDER BY m.message_id
"""
_DEAD = "SELECT event_id, error FROM dead_letters WHERE tenant_id = $1 AND event_id > $2 ORDER BY event_id"
_NEXT_DUE = """
SELECT least((SELECT min(due_at) FROM timers WHERE tenant_id = $1),
             (SELECT min(due_at) FROM inbox WHERE tenant_id = $1),
             (SELECT min(due_at) FROM outbox WHERE tenant_id = $1 AND state = 'READY'))
"""
_HEALTH = """
SELECT current_setting('server_version') AS version, current_user::text AS role,
       r.rolsuper OR r.rolbypassrls AS bypasses, clock_timestamp() AS now,
       ARRAY(SELECT c.relname::text FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
               AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
               AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
             ORDER BY c.relname) AS unprotected,
       ARRAY(SELECT w.name FROM unnest($1::text[]) AS w (name) WHERE to_regclass(w.name) IS NULL) AS missing
FROM pg_roles r WHERE r.rolname = current_user
"""
_CHANNELS = (
    "SELECT phone_number, alarm, paused_until FROM whatsapp_configurations WHERE tenant_id = $1 ORDER BY channel_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a database presents itself to the runtime role.

    Attributes:
        version: PostgreSQL's.
        role: What we run as.
        bypasses: Whether that role escapes row-level security.
        clock_ahead: How far the database's clock is ahead of ours; the round trip is taken out by half.
        unprotected: Tables with tenants' rows whose row-level security is not forced.
        missing: Partitions of this month and the next that are not there.
    """

    version: str
    role: str
    bypasses: bool
    clock_ahead: timedelta
    unprotected: tuple[str, ...]
    missing: tuple[str, ...]


class Inspection:
    """Looks into the database of one deployment."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def tenant(self, slug: str) -> TenantId | None:
        """The tenant of this name; None when there is none that has a number."""
        async with self._database.connection() as db:
            numbers = {TenantId(row["tenant_id"]) for row in await db.fetch("SELECT tenant_id FROM channels()")}
        for tenant in sorted(numbers):
            async with self._database.tenant(tenant) as db:
                if await db.fetchval(_SLUG, tenant) == slug:
                    return tenant
        return None

    async def latest_message(self, tenant: TenantId) -> MessageId | None:
        """What came in last."""
        found: MessageId | None = await self._value(tenant, _LATEST)
        return found

    async def writer(self, tenant: TenantId, conversation: ConversationId) -> tuple[str, list[str]]:
        """Name and granted roles of the person in a conversation."""
        async with self._database.tenant(tenant) as db:
            row = await db.fetchrow(_WRITER, tenant, conversation)
        return (row["name"], list(row["roles"])) if row is not None else ("", [])

    async def message_before(self, tenant: TenantId, conversation: ConversationId, at: datetime) -> MessageId | None:
        """What the person had written last when we said something."""
        found: MessageId | None = await self._value(tenant, _BEFORE, conversation, at)
        return found

    async def timers(self, tenant: TenantId, conversation: ConversationId) -> list[dict[str, Any]]:
        """`run`, `name` and `due_at` of what waits in a conversation."""
        async with self._database.tenant(tenant) as db:
            return [dict(row.items()) for row in await db.fetch(_TIMERS, tenant, conversation)]

    async def objects(self, tenant: TenantId, conversation: ConversationId) -> list[Frame]:
        """The runs of business objects that were last spoken of in a conversation."""
        async with self._database.tenant(tenant) as db:
            return [FRAME.validate_json(row["frame"]) for row in await db.fetch(_OBJECTS, tenant, conversation)]

    async def last_trace(self, tenant: TenantId, conversation: ConversationId) -> list[dict[str, Any]]:
        """Why the last turn of a conversation went as it did."""
        trace = await self._value(tenant, _LAST_TRACE, conversation)
        return json.loads(trace) if trace else []

    async def held(self, tenant: TenantId, after: int) -> list[dict[str, Any]]:
        """Messages above `after` that may not be sent: `message_id`, `conversation_id`, `content`, `error_detail`."""
        async with self._database.tenant(tenant) as db:
            rows = [dict(row.items()) for row in await db.fetch(_HELD, tenant, after)]
        return [row | {"content": json.loads(row["content"])} for row in rows]

    async def dead_letters(self, tenant: TenantId, after: int = 0) -> list[tuple[int, str]]:
        """Events with a number above `after` that failed for good, and why."""
        async with self._database.tenant(tenant) as db:
            return [(row["event_id"], row["error"]) for row in await db.fetch(_DEAD, tenant, after)]

    async def next_due(self, tenant: TenantId) -> datetime | None:
        """When the next thing waits to happen: a timer, an event, a message to send."""
        due: datetime | None = await self._value(tenant, _NEXT_DUE)
        return due

    async def channels(self, tenant: TenantId) -> list[dict[str, Any]]:
        """`phone_number`, `alarm` and `paused_until` of a tenant's numbers."""
        async with self._database.tenant(tenant) as db:
            return [dict(row.items()) for row in await db.fetch(_CHANNELS, tenant)]

    async def health(self, now: datetime) -> Health:
        """How the database is set up; `now` decides which partitions should be there."""
        following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
        wanted = [f"{table}_{month:%Y_%m}" for month in (now, following) for table in PARTITIONED]
        async with self._database.connection() as db:
            before = datetime.now(UTC)
            rows = await db.fetch(_HEALTH, wanted)
            after = datetime.now(UTC)
        row = rows[0]
        return Health(
            version=row["version"],
            role=row["role"],
            bypasses=row["bypasses"],
            clock_ahead=row["now"] - (before + (after - before) / 2),
            unprotected=tuple(row["unprotected"]),
            missing=tuple(row["missing"]),
        )

    async def _value(self, tenant: TenantId, query: str, *arguments: object) -> Any:
        async with self._database.tenant(tenant) as db:
            return await db.fetchval(query, tenant, *arguments)
