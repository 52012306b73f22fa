"""Messages that wait because WhatsApp's 24-hour window is closed."""

from collections.abc import Collection
from datetime import datetime, timedelta

from bot.core.ids import ConversationId, TenantId
from storage.postgres.database import Connection

USEFUL = timedelta(days=7)
"""How long something held is worth saying once the person writes again; what is older stays HELD."""

# Templates are held for reasons of their own (template_waits). By conversation and time: that index needs no tenant.
_RELEASE = """
WITH released AS (
    UPDATE whatsapp_messages m SET status = 'QUEUED', error_detail = NULL
    WHERE m.tenant_id = $1 AND m.conversation_id = ANY ($2) AND m.created_at > $3::timestamptz - $4::interval
      AND m.direction = 'OUTBOUND' AND m.status = 'HELD' AND m.kind <> 'template'
    RETURNING m.conversation_id, m.message_id, m.created_at, m.channel_id
)
INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at)
SELECT $1, r.conversation_id, r.message_id, r.created_at, r.channel_id, $3 FROM released r
ON CONFLICT DO NOTHING
"""


async def release_held(db: Connection, tenant: TenantId, reopened: Collection[ConversationId], at: datetime) -> None:
    """Queue what waited for people to write; it goes out before what is said from now on."""
    await db.execute(_RELEASE, tenant, sorted(reopened), at, USEFUL)
