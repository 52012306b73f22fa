"""Broadcasts: one template to many people, once each.

A broadcast is drafted, started, and then fed to the outbox by the clock in small portions (`Broadcasts` in
storage/postgres/broadcasts.py), so that replies are never held up. Above a size a manager has to agree. Whom it goes to
is settled when it begins; whether a person may still be written to is asked again for each of them at the last moment.
"""

import json
from datetime import datetime, time
from typing import Any

from bot.core.errors import ActionError
from bot.operations import approvals, timeline
from bot.operations.acting import Acting, ident, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.segments import Segment, count
from bot.operations.services import Services
from bot.operations.terms import zone_of

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A broadcast",
    "DRAFT",
    {
        "ask": Change(("DRAFT",), "WAITING", "handed to a manager"),
        "refuse": Change(("WAITING",), "DRAFT", "refused"),
        "schedule": Change(("DRAFT", "WAITING"), "SCHEDULED", "started"),
        "begin": Change(("SCHEDULED",), "RUNNING", "begun"),
        "pause": Change(("RUNNING", "SCHEDULED"), "PAUSED", "paused"),
        "resume": Change(("PAUSED",), "SCHEDULED", "resumed"),
        "finish": Change(("RUNNING",), "DONE", "finished"),
        "retry": Change(("DONE", "PAUSED", "RUNNING"), "SCHEDULED", "tried again"),
        "cancel": Change(("DRAFT", "WAITING", "SCHEDULED", "RUNNING", "PAUSED"), "CANCELLED", "cancelled"),
    },
)

APPROVAL_ABOVE = 100
"""Recipients above which a manager has to agree, unless it is a manager who starts it."""

_MOST_PARAMETERS = 20

_CREATE = """
INSERT INTO whatsapp_broadcast_lists (tenant_id, name, template, segment, parameters, marketing, per_minute, timezone,
                                      not_before, not_after, channel_id, created_by, created_at)
VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6, $7, $8, $9, $10,
        (SELECT min(w.channel_id) FROM whatsapp_configurations w WHERE w.tenant_id = $1), $11, $12)
RETURNING *
"""
_ONE = "SELECT * FROM whatsapp_broadcast_lists WHERE tenant_id = $1 AND broadcast_id = $2 FOR UPDATE"
_LIST = "SELECT * FROM whatsapp_broadcast_lists WHERE tenant_id = $1 ORDER BY broadcast_id DESC LIMIT $2"
_MOVE = """
UPDATE whatsapp_broadcast_lists
SET status = $3, scheduled_at = coalesce($4, scheduled_at), reason = $5,
    finished_at = CASE WHEN $3 = 'CANCELLED' THEN $6::timestamptz WHEN $3 = 'SCHEDULED' THEN NULL ELSE finished_at END
WHERE tenant_id = $1 AND broadcast_id = $2
"""
# What failed for certain may be sent again; what is unknown may have arrived.
_RETRY = """
UPDATE broadcast_recipients r SET status = 'PENDING', message_id = NULL, message_created_at = NULL, reason = NULL
FROM whatsapp_messages m
WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.status = 'HANDED'
  AND m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.message_created_at AND m.status = 'FAILED'
RETURNING 1
"""
_PROGRESS = """
SELECT CASE WHEN r.status <> 'HANDED' THEN lower(r.status)
            WHEN m.status IS NULL OR m.status IN ('QUEUED', 'HELD') THEN 'queued'
            WHEN m.status IN ('ACCEPTED', 'SENT') THEN 'sent'
            WHEN m.status = 'PLAYED' THEN 'read'
            ELSE lower(m.status) END AS what, count(*) AS people
FROM broadcast_recipients r
LEFT JOIN whatsapp_messages m
    ON m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.message_created_at
WHERE r.tenant_id = $1 AND r.broadcast_id = $2
GROUP BY 1
"""
_PEOPLE = """
SELECT r.contact_id, c.name, r.status, r.tries, coalesce(r.reason, m.error_detail) AS reason,
       m.status AS message_status, m.error_code, r.message_id
FROM broadcast_recipients r
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = r.contact_id
LEFT JOIN whatsapp_messages m
    ON m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.message_created_at
WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.contact_id > $3 AND (NOT $4::boolean OR r.status = 'SKIPPED'
                                                                          OR m.status IN ('FAILED', 'UNKNOWN'))
ORDER BY r.contact_id LIMIT $5
"""
PROGRESS = ("pending", "queued", "sent", "delivered", "read", "failed", "unknown", "skipped")
"""What may have become of a recipient."""


@SERVICES.service("broadcasts.draft", "broadcast")
async def draft(
    acting: Acting,
    *,
    name: str,
    template: str,
    segment: Any = None,
    parameters: Any = (),
    marketing: bool = True,
    per_minute: int | str = 600,
    timezone: str = "UTC",
    not_before: str = "09:00",
    not_after: str = "20:00",
) -> dict[str, Any]:
    """Prepare a broadcast; nothing is sent yet.

    Args:
        acting: Who, when, and in which transaction.
        name: What to call it.
        template: Name of a WhatsApp template; each person gets it in their language, where there is one.
        segment: Whom it is for, as `Segment`; nothing: everybody.
        parameters: Texts for {{1}}, {{2}}…, then for header and buttons; `{name}` and `{first_name}` in them stand for
            each person's; `{first_name:friend}` for a friend whose name nobody knows.
        marketing: Only to people who agreed to it. Else to all who did not forbid it: for news about what they booked.
        per_minute: How many at the most.
        timezone: Of the hours, like Asia/Kathmandu.
        not_before: Nothing is sent before this hour of the day, HH:MM.
        not_after: Nothing is sent after it.

    Returns:
        `id`, `code`, `status`, and `people`: how many it would go to now.
    """
    whom = Segment.of(segment or {})
    row = await acting.db.fetchrow(
        _CREATE,
        acting.tenant_id,
        text_of(name, "The name", most=100),
        text_of(template, "The template", most=512),
        whom.json(),
        json.dumps(_texts(parameters)),
        marketing,
        whole(per_minute, "per_minute", least=1, most=60_000),
        zone_of(timezone),
        _hour(not_before, "not_before"),
        _hour(not_after, "not_after"),
        acting.contact_id,
        acting.at,
    )
    await timeline.record(acting, "broadcast", row["broadcast_id"], "BROADCAST_DRAFTED", template=row["template"])
    return {**_card(row), "people": await count(acting, whom, marketing=marketing)}


@SERVICES.service("broadcasts.start", "broadcast")
async def start(acting: Acting, *, broadcast: int | str, at: str = "") -> dict[str, Any]:
    """Send a broadcast, now or later. More than 100 people need a manager's yes; they hear `approval.requested`.

    Args:
        acting: Who, when, and in which transaction.
        broadcast: Id or code.
        at: When, ISO 8601 with its offset; empty: now.

    Returns:
        `status`: SCHEDULED, or WAITING for a manager; `people`.

    Raises:
        ActionError: `nobody`, when it would go to nobody.
    """
    row = await _row(acting, broadcast)
    LIFECYCLE.after("schedule", row["status"])
    people = await count(acting, Segment.of(row["segment"]), marketing=row["marketing"])
    if not people:
        raise ActionError("nobody", "Nobody of these people has agreed to be written to.")
    due = _moment(at) if at else acting.at
    if people > APPROVAL_ABOVE and acting.role not in {"manager", "system"}:
        await approvals.ask(acting, "broadcast", row["broadcast_id"], f"Broadcast “{row['name']}” to {people} people")
        return {**await _move(acting, row, "ask", due=due), "people": people}
    return {**await _move(acting, row, "schedule", due=due), "people": people}


@SERVICES.service("broadcasts.pause", "broadcast")
async def pause(acting: Acting, *, broadcast: int | str) -> dict[str, Any]:
    """Stop handing on; what is on its way still goes out."""
    return await _move(acting, await _row(acting, broadcast), "pause")


@SERVICES.service("broadcasts.resume", "broadcast")
async def resume(acting: Acting, *, broadcast: int | str) -> dict[str, Any]:
    """Go on where it paused."""
    return await _move(acting, await _row(acting, broadcast), "resume")


@SERVICES.service("broadcasts.cancel", "broadcast")
async def cancel(acting: Acting, *, broadcast: int | str) -> dict[str, Any]:
    """End it; who was not written to yet will not be."""
    row = await _row(acting, broadcast)
    if row["status"] == "WAITING":
        await approvals.withdraw(acting, "broadcast", row["broadcast_id"])
    return await _move(acting, row, "cancel")


@SERVICES.service("broadcasts.retry", "broadcast")
async def retry(acting: Acting, *, broadcast: int | str) -> dict[str, Any]:
    """Try again with those whose message failed for certain; never with one that may have arrived.

    Returns:
        `people`: how many.
    """
    row = await _row(acting, broadcast)
    LIFECYCLE.after("retry", row["status"])
    again = len(await acting.db.fetch(_RETRY, acting.tenant_id, row["broadcast_id"]))
    moved = await _move(acting, row, "retry") if again else _card(row)
    return {**moved, "people": again}


@SERVICES.service("broadcasts.status", "broadcast")
async def status(acting: Acting, *, broadcast: int | str) -> dict[str, Any]:
    """How far it is: the card, and `progress`, how many people by what became of them (`PROGRESS`)."""
    row = await _row(acting, broadcast)
    found = await acting.db.fetch(_PROGRESS, acting.tenant_id, row["broadcast_id"])
    counts = {one["what"]: one["people"] for one in found}
    progress = {what: counts.get(what, 0) for what in PROGRESS}
    return {**_card(row), "people": sum(progress.values()), "progress": progress}


@SERVICES.service("broadcasts.people", "broadcast")
async def people(
    acting: Acting, *, broadcast: int | str, after: int = 0, failed: bool = False, most: int = 100
) -> dict[str, Any]:
    """Its recipients by contact id, from `after` on; with `failed`, only who was skipped or not reached, and why."""
    row = await _row(acting, broadcast)
    found = await acting.db.fetch(
        _PEOPLE, acting.tenant_id, row["broadcast_id"], after, failed, whole(most, "most", least=1, most=1000)
    )
    items = [
        {
            "contact_id": one["contact_id"],
            "name": one["name"],
            "status": one["message_status"] or one["status"],
            "reason": one["reason"],
            "error_code": one["error_code"],
            "tries": one["tries"],
            "message_id": one["message_id"],
        }
        for one in found
    ]
    return {"count": len(items), "items": items}


@SERVICES.service("broadcasts.list", "broadcast")
async def list_broadcasts(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """The latest broadcasts: `count` and `items`."""
    rows = await acting.db.fetch(_LIST, acting.tenant_id, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


async def _row(acting: Acting, broadcast: int | str) -> Any:
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(broadcast, "BRC"))
    if row is None:
        raise ActionError("not_found", f"There is no broadcast {broadcast}.")
    return row


@approvals.decides("broadcast", _row)
async def _decided(acting: Acting, broadcast: int, approved: bool) -> None:
    row = await _row(acting, broadcast)
    await _move(acting, row, "schedule" if approved else "refuse", reason=None if approved else "A manager said no.")


async def _move(
    acting: Acting, row: Any, change: str, *, due: datetime | None = None, reason: str | None = None
) -> dict[str, Any]:
    status = LIFECYCLE.after(change, row["status"])
    await acting.db.execute(_MOVE, acting.tenant_id, row["broadcast_id"], status, due, reason, acting.at)
    await timeline.record(acting, "broadcast", row["broadcast_id"], f"BROADCAST_{status}")
    return {**_card(row), "status": status}


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["broadcast_id"],
        "code": f"BRC{row['broadcast_id']}",
        "name": row["name"],
        "status": row["status"],
        "template": row["template"],
        "reason": row["reason"],
        "scheduled_at": row["scheduled_at"].isoformat() if row["scheduled_at"] else None,
        "finished_at": row["finished_at"].isoformat() if row["finished_at"] else None,
    }


def _texts(value: Any) -> list[str]:
    """The parameters: a list, its JSON, or nothing."""
    try:
        given = json.loads(value) if isinstance(value, str) and value else value or []
    except ValueError:
        given = None
    if not isinstance(given, list | tuple) or len(given) > _MOST_PARAMETERS:
        raise ActionError("bad_value", f"parameters must be a list of at most {_MOST_PARAMETERS} texts.")
    return [text_of(one, "A parameter", most=1024) for one in given]


def _hour(value: str, name: str) -> time:
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise ActionError("bad_value", f"{name} must be an hour of the day, like 09:00.") from None


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ActionError("bad_value", "The time must be written like 2026-12-01T09:00:00+05:45.")
    return moment
