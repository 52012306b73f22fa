"""Staff on trips: who works where, whether they agree, and who is away."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import news, timeline, trips
from bot.operations.acting import Acting, ident, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.permissions import may
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "An assignment",
    "ASSIGNED",
    {
        "confirm": Change(("ASSIGNED",), "CONFIRMED", "confirmed"),
        "decline": Change(("ASSIGNED", "CONFIRMED"), "DECLINED", "declined"),
        "release": Change(("ASSIGNED", "CONFIRMED"), "RELEASED", "released"),
        "assign": Change(("DECLINED", "RELEASED"), "ASSIGNED", "made again"),
    },
)
DUTIES = ("guide", "assistant", "porter", "cook", "driver")

_MOST_TEXT = 500

_FIELD = """
SELECT c.contact_id, c.name, a.away_until FROM contact_roles r
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = r.contact_id AND c.merged_into IS NULL
LEFT JOIN staff_availability a ON a.tenant_id = $1 AND a.contact_id = r.contact_id
WHERE r.tenant_id = $1 AND r.role = 'field_staff' AND ($2::bigint IS NULL OR r.contact_id = $2)
ORDER BY c.name, c.contact_id
"""
# Two trips overlap when neither ends before the other starts. Locked by person, so that two desks cannot both assign.
_LOCK_PERSON = "SELECT pg_advisory_xact_lock(hashtextextended('assignments:' || $2::bigint, $1))"
_BUSY = """
SELECT a.contact_id, t.code FROM trip_assignments a JOIN trips t ON t.tenant_id = $1 AND t.trip_id = a.trip_id
WHERE a.tenant_id = $1 AND a.contact_id = ANY ($2::bigint[]) AND a.status IN ('ASSIGNED', 'CONFIRMED')
  AND t.status IN ('SCHEDULED', 'RUNNING') AND t.trip_id <> $3
  AND t.starts_on <= $5 AND coalesce(t.ends_on, t.starts_on) >= $4
"""
_ONE = "SELECT * FROM trip_assignments WHERE tenant_id = $1 AND trip_id = $2 AND contact_id = $3 FOR UPDATE"
_ASSIGN = """
INSERT INTO trip_assignments (tenant_id, trip_id, contact_id, duty, status, assigned_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, trip_id, contact_id) DO UPDATE
SET duty = excluded.duty, status = excluded.status, assigned_at = excluded.assigned_at
"""
_SET_STATUS = "UPDATE trip_assignments SET status = $4 WHERE tenant_id = $1 AND trip_id = $2 AND contact_id = $3"
_MINE = """
SELECT t.trip_id, t.code, t.starts_on, t.ends_on, t.status AS trip_status, k.name, a.duty, a.status
FROM trip_assignments a JOIN trips t ON t.tenant_id = $1 AND t.trip_id = a.trip_id
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE a.tenant_id = $1 AND a.contact_id = $2 AND a.status IN ('ASSIGNED', 'CONFIRMED')
  AND t.status IN ('SCHEDULED', 'RUNNING') ORDER BY t.starts_on, t.trip_id LIMIT $3
"""
_IS_STAFF = "SELECT count(*) FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2"
_AWAY = """
INSERT INTO staff_availability (tenant_id, contact_id, away_until, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, contact_id) DO UPDATE SET away_until = excluded.away_until, updated_at = excluded.updated_at
"""
_LIMIT = """
INSERT INTO staff_availability (tenant_id, contact_id, max_leads, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, contact_id) DO UPDATE SET max_leads = excluded.max_leads, updated_at = excluded.updated_at
"""


@SERVICES.service("staff.assign", "assign_staff")
async def assign(acting: Acting, *, trip: int | str, person: int | str, duty: str = "guide") -> dict[str, Any]:
    """Put somebody of the field staff on a trip. They hear `staff.assigned`.

    Raises:
        ActionError: `not_field_staff`; `busy`, with the trip they are on at that time; `away`.
    """
    if duty not in DUTIES:
        raise ActionError("bad_value", f"A duty is one of {', '.join(DUTIES)}.")
    row, who = await trips.trip_row(acting, trip), ident(person, "")
    await acting.db.execute(_LOCK_PERSON, acting.tenant_id, who)
    (found,) = await acting.db.fetch(_FIELD, acting.tenant_id, who) or [None]
    if found is None:
        raise ActionError("not_field_staff", "Only field staff can be put on a trip.")
    starts = datetime.combine(row["starts_on"], time(), tzinfo=UTC)
    if found["away_until"] is not None and found["away_until"] > starts:
        until = found["away_until"]
        facts = {"until": until.date().isoformat()}
        raise ActionError("away", f"{found['name']} is away until {until:%d %B %Y}.", facts=facts)
    busy = await _busy(acting, row, [who])
    if busy:
        raise ActionError("busy", f"{found['name']} is on {busy[who]} at that time.", facts={"trip": busy[who]})
    known = await acting.db.fetchrow(_ONE, acting.tenant_id, row["trip_id"], who)
    status = LIFECYCLE.first if known is None else LIFECYCLE.after("assign", known["status"])
    await acting.db.execute(_ASSIGN, acting.tenant_id, row["trip_id"], who, duty, status, acting.at)
    await timeline.record(acting, "trip", row["trip_id"], "STAFF_ASSIGNED", contact_id=who, duty=duty)
    card = {**_card(row), "person": found["name"], "duty": duty, "status": status}
    await news.tell_people(acting, [ContactId(who)], "staff.assigned", card)
    return card


@SERVICES.service("staff.release", "assign_staff")
async def release(acting: Acting, *, trip: int | str, person: int | str) -> dict[str, Any]:
    """Take somebody off a trip. They hear `staff.released`."""
    row, who = await trips.trip_row(acting, trip), ContactId(ident(person, ""))
    card = await _move(acting, row, who, "release", "STAFF_RELEASED")
    await news.tell_people(acting, [who], "staff.released", card)
    return card


@SERVICES.service("staff.confirm", "check_in")
async def confirm(acting: Acting, *, trip: int | str) -> dict[str, Any]:
    """Whoever writes agrees to work on a trip. Operations hears `staff.confirmed`."""
    card = await _move(acting, await trips.trip_row(acting, trip), acting.me, "confirm", "STAFF_CONFIRMED")
    await news.tell_role(acting, "operations", "staff.confirmed", card)
    return card


@SERVICES.service("staff.decline", "check_in")
async def decline(acting: Acting, *, trip: int | str, reason: str = "") -> dict[str, Any]:
    """Whoever writes cannot work on a trip. Operations hears `staff.declined`."""
    words = text_of(reason, "The reason", needed=False)
    row = await trips.trip_row(acting, trip)
    card = {**await _move(acting, row, acting.me, "decline", "STAFF_DECLINED", reason=words), "reason": words}
    await news.tell_role(acting, "operations", "staff.declined", card)
    return card


@SERVICES.service("staff.trips", "check_in")
async def list_mine(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """The trips of whoever asks, the next first: `count` and `items` with `code`, `name`, `starts_on`, `duty`."""
    rows = await acting.db.fetch(_MINE, acting.tenant_id, acting.me, most)
    return {
        "count": len(rows),
        "items": [{**_card(row), "duty": row["duty"], "status": row["status"]} for row in rows],
    }


@SERVICES.service("staff.free", "assign_staff")
async def list_free(acting: Acting, *, trip: int | str, most: int = 10) -> dict[str, Any]:
    """Who could work on a trip: field staff that is neither away nor on another one then; `count` and `items`."""
    row = await trips.trip_row(acting, trip)
    starts = datetime.combine(row["starts_on"], time(), tzinfo=UTC)
    people = await acting.db.fetch(_FIELD, acting.tenant_id, None)
    here = [one for one in people if one["away_until"] is None or one["away_until"] <= starts]
    busy = await _busy(acting, row, [one["contact_id"] for one in here])
    on_it = set(await trips.crew(acting, row["trip_id"]))
    free = [one for one in here if one["contact_id"] not in busy and one["contact_id"] not in on_it]
    return {"count": len(free), "items": [{"id": one["contact_id"], "name": one["name"]} for one in free[:most]]}


@SERVICES.service("staff.away", "keep_availability")
async def go_away(acting: Acting, *, days: int | str, person: int | str | None = None) -> dict[str, Any]:
    """Somebody is away for so many days, 0: here again. Meanwhile they get neither leads nor trips.

    Args:
        acting: Who and when.
        days: How many.
        person: Who; unset: whoever asks. Only managers may say it of others.

    Raises:
        ActionError: `forbidden`, or `not_staff`.
    """
    away, who = whole(days, "The days", most=366), await _colleague(acting, person)
    until = acting.at + timedelta(days=away) if away else None
    await acting.db.execute(_AWAY, acting.tenant_id, who, until, acting.at)
    told = until.isoformat() if until is not None else None
    await timeline.record(acting, "contact", who, "AVAILABILITY_SET", away_until=told)
    return {"id": who, "away_until": told}


@SERVICES.service("staff.limit", "manage_people")
async def limit(acting: Acting, *, person: int | str, max_leads: int | str | None = None) -> dict[str, Any]:
    """How many open leads somebody gets at the most; unset: as many as come.

    Raises:
        ActionError: `not_staff`.
    """
    most = whole(max_leads, "The limit", most=10_000) if max_leads is not None else None
    who = await _colleague(acting, person)
    await acting.db.execute(_LIMIT, acting.tenant_id, who, most, acting.at)
    await timeline.record(acting, "contact", who, "LEAD_LIMIT_SET", max_leads=most)
    return {"id": who, "max_leads": most}


@SERVICES.lookup("staff.find", "assign_staff", "manage_people")
async def find_staff(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The field staff whose names, or first names, stand in a text."""
    words = set(re.findall(r"\w+", text[:_MOST_TEXT].casefold()))
    people = await acting.db.fetch(_FIELD, acting.tenant_id, None)
    return [
        {"id": one["contact_id"], "name": one["name"]}
        for one in people
        if one["name"] and one["name"].split()[0].casefold() in words
    ]


async def _colleague(acting: Acting, person: int | str | None) -> ContactId:
    """Who is meant: oneself, or for managers anybody on the staff."""
    who = acting.me if person is None else ContactId(ident(person, ""))
    if who != acting.contact_id and not may(acting.role, "manage_people"):
        raise ActionError("forbidden", "Only managers may say that of somebody else.")
    if not await acting.db.fetchval(_IS_STAFF, acting.tenant_id, who):
        raise ActionError("not_staff", "They are not on the staff.")
    return who


async def _busy(acting: Acting, row: Any, people: list[int]) -> dict[int, str]:
    """The trip that each of those people is on while this one lasts."""
    last = row["ends_on"] if row["ends_on"] is not None else row["starts_on"]
    found = await acting.db.fetch(_BUSY, acting.tenant_id, people, row["trip_id"], row["starts_on"], last)
    return {one["contact_id"]: one["code"] for one in found}


async def _move(acting: Acting, row: Any, who: ContactId, change: str, action: str, **content: Any) -> dict[str, Any]:
    known = await acting.db.fetchrow(_ONE, acting.tenant_id, row["trip_id"], who)
    if known is None:
        raise ActionError("not_assigned", f"They are not on {row['code']}.")
    status = LIFECYCLE.after(change, known["status"])
    await acting.db.execute(_SET_STATUS, acting.tenant_id, row["trip_id"], who, status)
    await timeline.record(acting, "trip", row["trip_id"], action, contact_id=who, **content)
    return {**_card(row), "duty": known["duty"], "status": status, "person_id": who}


def _card(row: Any) -> dict[str, Any]:
    ends = row["ends_on"]
    return {
        "id": row["trip_id"],
        "code": row["code"],
        "name": row["name"],
        "starts_on": row["starts_on"].isoformat(),
        "ends_on": ends.isoformat() if ends is not None else None,
    }
