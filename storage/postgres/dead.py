"""Events that failed for good: looking at them, and trying them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.core.ids import ConversationId, MessageId, TenantId
from storage.postgres.database import Connection

_SHOW = """
SELECT event_id, conversation_id, kind, message_id, attempts, error, created_at FROM dead_letters
WHERE tenant_id = $1 ORDER BY event_id DESC LIMIT $2
"""
# Under a number of its own, after whatever the person has written since: their turns are over, and stay so.
_RETRY = """
WITH taken AS (
    DELETE FROM dead_letters WHERE tenant_id = $1 AND ($2::bigint[] IS NULL OR event_id = ANY ($2)) RETURNING *
), revived AS (
    UPDATE whatsapp_messages m SET status = 'RECEIVED', error_detail = NULL FROM taken t
    WHERE m.tenant_id = $1 AND m.message_id = t.message_id AND m.status = 'DEAD' RETURNING m.message_id, m.created_at
), queued AS (
    INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at, message_id)
    SELECT $1, t.conversation_id, $3, t.kind, t.event, coalesce(r.created_at, t.created_at), t.message_id
    FROM taken t LEFT JOIN revived r ON r.message_id = t.message_id ORDER BY t.event_id
    RETURNING 1
)
SELECT count(*) FROM queued
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that was put aside, and why. What it says is not in it."""

    event_id: int
    conversation_id: ConversationId
    kind: str
    message_id: MessageId | None
    attempts: int
    error: str
    created_at: datetime


async def dead_letters(db: Connection, tenant: TenantId, limit: int) -> list[DeadLetter]:
    """What was put aside, the latest first."""
    return [DeadLetter(**row) for row in await db.fetch(_SHOW, tenant, limit)]


async def revive(db: Connection, tenant: TenantId, events: Sequence[int] | None, at: datetime) -> int:
    """Queue events that were put aside, to be processed from `at` on; returns how many there were.

    Args:
        db: The tenant's transaction.
        tenant: Whose.
        events: Their numbers; None for all.
        at: Now.
    """
    found: int = await db.fetchval(_RETRY, tenant, list(events) if events is not None else None, at)
    return found
