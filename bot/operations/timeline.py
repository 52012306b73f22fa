"""What happened to each business object, for people to read and dashboards to count."""

import json
import re
from dataclasses import dataclass
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

_PARAMETER = re.compile(r"\$(\d+)")


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


@dataclass(frozen=True, slots=True)
class Step:
    """A change of rows, and what is noted of each; made by `step`, done by `do`."""

    statement: str
    args: tuple[Any, ...]
    object_type: str
    object_id: int | str
    naming: str
    content: dict[str, Any]

    @property
    def shape(self) -> tuple[str, int, str, str]:
        """What its part of the composed statement depends on."""
        key = self.object_id if isinstance(self.object_id, str) else ""
        return self.statement, len(self.args), key, self.naming


def step(statement: str, *args: Any, on: tuple[str, int | str], action: str, naming: str = "", **content: Any) -> Step:
    """A change, and its entry on the object's timeline.

    Args:
        statement: Changes rows, with `$1` for the tenant, and ends in RETURNING. Each row that changes is noted.
        args: Its parameters, from `$2` on.
        on: Type and id of the object; a column of what the statement returns may stand for the id.
        action: As `record`.
        naming: A column of what the statement returns, to be noted under its own name.
        content: As `record`.
    """
    return Step(statement, args, on[0], on[1], naming, {"action": action, **content})


async def do(acting: Acting, *steps: Step) -> list[Any]:
    """Make changes and note them, all in one round trip: a turn's time is made of these.

    They see what was there before, not each other: what they change was read, and locked, by the caller.

    Returns:
        What the statement of the last step returns.
    """
    args = [one for step in steps for one in step.args]
    for one in steps:
        number = None if isinstance(one.object_id, str) else one.object_id
        args += [one.object_type, number, json.dumps(one.content)]
    return await acting.db.fetch(
        _composed(tuple(one.shape for one in steps)), acting.tenant_id, *args, acting.source, acting.contact_id,
        acting.conversation_id, acting.at,
    )  # fmt: skip


async def change(
    acting: Acting, statement: str, *args: Any, on: tuple[str, int | str], action: str, naming: str = "", **content: Any
) -> Any:
    """Do one `step`; returns what its statement returns of the first row, None when it changed none."""
    rows = await do(acting, step(statement, *args, on=on, action=action, naming=naming, **content))
    return rows[0] if rows else None


@cache
def _composed(shapes: tuple[tuple[str, int, str, str], ...]) -> str:
    """One statement for steps of these shapes; the same text each time, so that PostgreSQL plans it once."""
    behind = [1]  # the parameters before each step's own
    for _, args, _, _ in shapes:
        behind.append(behind[-1] + args)
    told = behind[-1] + 3 * len(shapes)
    source, actor, conversation, at = (f"${told + n}" for n in range(1, 5))
    changes, notes = [], []
    for place, (statement, _, key, naming) in enumerate(shapes):
        changes.append(f"changed_{place} AS ({_moved_on(statement, behind[place])})")
        kind, number, content = (f"${behind[-1] + 3 * place + n}" for n in range(1, 4))
        named = f" || jsonb_build_object('{naming}', c.{naming})" if naming else ""
        notes.append(
            f"SELECT $1, {kind}::text, coalesce({number}::bigint, {f'c.{key}' if key else 'NULL'}), 'SYSTEM',"  # noqa: S608
            f" {source}::text, {content}::jsonb{named}, {actor}::bigint, {conversation}::bigint, {at}::timestamptz"
            f" FROM changed_{place} c"
        )
    return (
        f"WITH {', '.join(changes)}, noted AS (INSERT INTO timeline_entries (tenant_id, object_type, object_id,"  # noqa: S608
        f" event_type, source, content, actor_id, conversation_id, created_at) {' UNION ALL '.join(notes)})"
        f" SELECT * FROM changed_{len(shapes) - 1}"
    )


def _moved_on(statement: str, behind: int) -> str:
    """A statement whose parameters, but for the tenant, come behind others."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) - 1 + behind}" if found[1] != "1" else "$1", statement)


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
