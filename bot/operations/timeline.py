"""What happened to each business object, for people to read and dashboards to count."""

import json
from typing import Any

from bot.core.actions import ActionCall
from bot.operations.acting import Acting, acting_of

_ADD = """
INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, actor_id, conversation_id,
                              created_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9)
"""
_READ = """
SELECT e.entry_id, e.event_type, e.source, e.content, e.created_at, c.name AS actor FROM timeline_entries e
LEFT JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = e.actor_id
WHERE e.tenant_id = $1 AND e.object_type = $2 AND e.object_id = $3
ORDER BY e.created_at DESC, e.entry_id DESC LIMIT $4
"""


async def record(call: ActionCall | Acting, object_type: str, object_id: int, action: str, **content: Any) -> None:
    """Note on an object's timeline that somebody did something to it.

    Args:
        call: Who, when, and in which transaction.
        object_type: `lead`, `trip`, `incident`…
        object_id: Its id.
        action: What, in capitals: LEAD_CREATED.
        content: More of it, JSON values.
    """
    await _add(acting_of(call), object_type, object_id, "SYSTEM", {"action": action, **content})


async def note(acting: Acting, object_type: str, object_id: int, text: str) -> None:
    """Keep somebody's words on an object's timeline."""
    await _add(acting, object_type, object_id, "NOTE", {"action": "NOTE", "text": text})


async def read(acting: Acting, object_type: str, object_id: int, *, most: int = 100) -> list[dict[str, Any]]:
    """An object's timeline, newest first: `id`, `type`, `source`, `content`, `at` (ISO 8601), `actor` (a name)."""
    rows = await acting.db.fetch(_READ, acting.tenant_id, object_type, object_id, most)
    return [
        {
            "id": row["entry_id"],
            "type": row["event_type"],
            "source": row["source"],
            "content": json.loads(row["content"]),
            "at": row["created_at"].isoformat(),
            "actor": row["actor"],
        }
        for row in rows
    ]


async def _add(acting: Acting, object_type: str, object_id: int, event_type: str, content: dict[str, Any]) -> None:
    await acting.db.execute(
        _ADD,
        acting.tenant_id,
        object_type,
        object_id,
        event_type,
        acting.source,
        json.dumps(content),
        acting.contact_id,
        acting.conversation_id,
        acting.at,
    )
