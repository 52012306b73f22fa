"""Messages that nothing, or nothing sure, was made of: what authors learn from."""

from dataclasses import dataclass
from datetime import datetime

from bot.core.ids import MessageId, TenantId
from storage.postgres.database import Connection

# By message, so that the index turn_traces_message serves; newest first.
_UNMATCHED = """
SELECT m.message_id, m.created_at, m.content ->> 'body' AS body
FROM turn_traces t
JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = t.message_id
WHERE t.tenant_id = $1 AND m.tenant_id = $1 AND t.created_at >= $2 AND m.direction = 'INBOUND'
  AND m.content ->> 'kind' = 'text'
  AND (t.trace @> '[{"rule": "not_understood"}]' OR t.trace @> '[{"rule": "did_you_mean"}]'
       OR t.trace @> '[{"rule": "ladder"}]')
ORDER BY t.created_at DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedMessage:
    """One of them; `at` is aware, UTC."""

    message_id: MessageId
    at: datetime
    text: str


async def unmatched_messages(db: Connection, tenant: TenantId, since: datetime, limit: int) -> list[UnmatchedMessage]:
    """The latest messages of a tenant that were not understood, newest first."""
    rows = await db.fetch(_UNMATCHED, tenant, since, limit)
    return [
        UnmatchedMessage(message_id=MessageId(row["message_id"]), at=row["created_at"], text=row["body"])
        for row in rows
        if row["body"]
    ]
