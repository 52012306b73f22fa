"""What happened to each business object, for people to read and dashboards to count."""

import json
from functools import cache
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


async def change(
    acting: Acting, statement: str, *args: Any, on: tuple[str, int | str], action: str, naming: str = "", **content: Any
) -> Any:
    """Make a change and note it on the object's timeline, in one round trip.

    As `changes`; returns what the statement returns of the first row, None when it changed none.
    """
    rows = await changes(acting, statement, *args, on=on, action=action, naming=naming, **content)
    return rows[0] if rows else None


async def changes(
    acting: Acting, statement: str, *args: Any, on: tuple[str, int | str], action: str, naming: str = "", **content: Any
) -> list[Any]:
    """Change rows and note each on its object's timeline, in one round trip: a turn's time is made of these.

    Args:
        acting: Who, when, and in which transaction.
        statement: Changes rows, with `$1` for the tenant, and ends in RETURNING. Each row that changes is noted.
        args: Its parameters, from `$2` on.
        on: Type and id of the object; a column of what the statement returns may stand for the id.
        action: As `record`.
        naming: A column of what the statement returns, to be noted under its own name.
        content: As `record`.

    Returns:
        What the statement returns.
    """
    object_type, object_id = on
    key = object_id if isinstance(object_id, str) else ""
    return await acting.db.fetch(
        _noting(statement, len(args) + 1, key, naming), acting.tenant_id, *args, object_type,
        None if isinstance(object_id, str) else object_id, acting.source, json.dumps({"action": action, **content}),
        acting.contact_id, acting.conversation_id, acting.at,
    )  # fmt: skip


@cache
def _noting(statement: str, given: int, key: str, naming: str) -> str:
    """A statement with `given` parameters that also notes what it changes; the same text each time: planned once."""
    kind, number, source, content, actor, conversation, at = (f"${given + n}" for n in range(1, 8))
    named = f" || jsonb_build_object('{naming}', c.{naming})" if naming else ""
    return f"""
WITH changed AS ({statement}), noted AS (
    INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, actor_id,
                                  conversation_id, created_at)
    SELECT $1, {kind}::text, coalesce({number}::bigint, {f"c.{key}" if key else "NULL"}), 'SYSTEM', {source}::text,
           {content}::jsonb{named}, {actor}::bigint, {conversation}::bigint, {at}::timestamptz FROM changed c
)
SELECT * FROM changed
"""  # noqa: S608  no text from outside


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
