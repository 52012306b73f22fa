"""Trips: the departures of a trek, their seats, and who is on them."""

import re
from datetime import date
from typing import Any

from bot.core.actions import Database, Things
from bot.core.errors import ActionError
from bot.core.ids import ContactId, TenantId
from bot.operations import news, timeline
from bot.operations.acting import Acting, ident, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A trip",
    "SCHEDULED",
    {
        "start": Change(("SCHEDULED",), "RUNNING", "started"),
        "complete": Change(("RUNNING",), "COMPLETED", "completed"),
        "cancel": Change(("SCHEDULED", "RUNNING"), "CANCELLED", "cancelled"),
    },
)

_CODE = re.compile(r"\bTRP\d{1,9}\b", re.IGNORECASE)
_MOST_TEXT = 500  # a trip's code stands at the start of a message
_MOST_SEATS = 10_000

_CODES = """
SELECT code FROM trips WHERE tenant_id = $1 AND status IN ('SCHEDULED', 'RUNNING') ORDER BY trip_id DESC LIMIT 2000
"""
_ASSIGNED = """
SELECT t.trip_id, t.code, k.name FROM trips t
JOIN trip_assignments a ON a.tenant_id = $1 AND a.trip_id = t.trip_id AND a.contact_id = $2
                       AND a.status IN ('ASSIGNED', 'CONFIRMED')
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1 AND t.code = ANY ($3::text[])
ORDER BY array_position($3::text[], t.code)
"""
_FIND = """
SELECT t.trip_id, t.code, k.name FROM trips t JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1 AND t.code = ANY ($2::text[]) ORDER BY array_position($2::text[], t.code)
"""
_LOCK = """
SELECT t.*, k.name FROM trips t JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
"""
_ONE = f"{_LOCK} WHERE t.tenant_id = $1 AND t.trip_id = $2 FOR UPDATE OF t"
_BY_CODE = f"{_LOCK} WHERE t.tenant_id = $1 AND t.code = $2 FOR UPDATE OF t"
_LOCK_BOTH = """
SELECT trip_id FROM trips WHERE tenant_id = $1 AND (trip_id = $2 OR trip_id = $3 OR code = $4)
ORDER BY trip_id FOR UPDATE
"""
_DEPARTURES = """
SELECT t.trip_id, t.code, t.starts_on, t.ends_on, t.seats - t.taken AS free, k.name FROM trips t
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1 AND t.trek_id = $2 AND t.status = 'SCHEDULED' AND t.starts_on >= $3
  AND ($4 = '' OR to_char(t.starts_on, 'YYYY-MM') = $4) AND (t.seats IS NULL OR t.seats - t.taken >= $5)
ORDER BY t.starts_on, t.trip_id LIMIT $6
"""
_NEXT_CODE = """
SELECT 'TRP' || greatest(100, max(substring(code FROM '^TRP(\\d{1,9})$')::integer)) + 1 FROM trips WHERE tenant_id = $1
"""
_LOCK_CODES = "SELECT pg_advisory_xact_lock(hashtextextended('trips', $1))"
_PLAN = """
INSERT INTO trips (tenant_id, code, trek_id, starts_on, ends_on, seats)
SELECT $1, $2, k.trek_id, $4::date, coalesce($5, $4::date + k.days - 1), $6 FROM treks k
WHERE k.tenant_id = $1 AND k.trek_id = $3
ON CONFLICT (tenant_id, code) DO NOTHING RETURNING trip_id
"""
_SET_STATUS = "UPDATE trips SET status = $3 WHERE tenant_id = $1 AND trip_id = $2 RETURNING trip_id"
# The row lock serialises whoever books at the same moment; the second sees what the first has taken.
_TAKE = """
UPDATE trips t SET taken = t.taken + $3 FROM treks k
WHERE t.tenant_id = $1 AND t.trip_id = $2 AND t.status = 'SCHEDULED' AND (t.seats IS NULL OR t.taken + $3 <= t.seats)
  AND k.tenant_id = $1 AND k.trek_id = t.trek_id
RETURNING t.trip_id, t.code, t.starts_on, k.name
"""
_GIVE_BACK = "UPDATE trips SET taken = taken - $3 WHERE tenant_id = $1 AND trip_id = $2"
_SET_SEATS = """
UPDATE trips SET seats = $3 WHERE tenant_id = $1 AND trip_id = $2 AND taken <= $3 RETURNING seats - taken
"""
_CUSTOMERS = """
SELECT DISTINCT contact_id FROM bookings WHERE tenant_id = $1 AND trip_id = $2 AND status = ANY ($3::text[])
"""
_CREW = """
SELECT a.contact_id, c.name, a.duty, a.status FROM trip_assignments a
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = a.contact_id
WHERE a.tenant_id = $1 AND a.trip_id = $2 AND a.status IN ('ASSIGNED', 'CONFIRMED') ORDER BY a.assigned_at, a.contact_id
"""


async def all_trips(db: Database, tenant: TenantId) -> Things:
    """The trips that are not over, each by its code."""
    return [(row["code"],) for row in await db.fetch(_CODES, tenant)]


@SERVICES.lookup("trips.assigned_to_me", "report_issues", "check_in", "handle_incidents", things=all_trips)
async def find_assigned_trips(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The trips whose codes stand in a text, as far as the person who writes is assigned to them."""
    codes = _codes(text)
    rows = await acting.db.fetch(_ASSIGNED, acting.tenant_id, acting.me, codes) if codes else []
    return [_candidate(row) for row in rows]


@SERVICES.lookup("trips.find", "manage_trips", "assign_staff", "convert_bookings", "handle_incidents", things=all_trips)
async def find_trips(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The trips whose codes stand in a text."""
    codes = _codes(text)
    return [_candidate(row) for row in await acting.db.fetch(_FIND, acting.tenant_id, codes)] if codes else []


@SERVICES.service("trips.departures")
async def list_departures(
    acting: Acting, *, trek: int | str, month: str = "", people: int | str = 1, most: int = 10
) -> dict[str, Any]:
    """The next departures of a trek with room for a party.

    Returns:
        `count` and `items`: `id`, `code`, `name`, `starts_on`, `ends_on`, `free` (None: as many as come).
    """
    rows = await acting.db.fetch(
        _DEPARTURES, acting.tenant_id, ident(trek, ""), acting.at.date(), month or "",
        whole(people, "The number of people", least=1), most,
    )  # fmt: skip
    return {"count": len(rows), "items": [{**_candidate(row), **_days(row), "free": row["free"]} for row in rows]}


@SERVICES.service("trips.plan", "manage_trips")
async def plan_trip(
    acting: Acting,
    *,
    trek: int | str,
    starts_on: str,
    ends_on: str | None = None,
    seats: int | str | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """Put a departure into the calendar.

    Args:
        acting: Who and when.
        trek: Id of the trek.
        starts_on: `YYYY-MM-DD`.
        ends_on: Unset: as many days later as the trek takes.
        seats: Unset: as many as come.
        code: Like TRP123; unset: the next one.

    Raises:
        ActionError: `taken`, when there is such a code; `not_found`, when there is no such trek.
    """
    first, last = day(starts_on), day(ends_on) if ends_on else None
    if last is not None and last < first:
        raise ActionError("bad_value", "A trip cannot end before it starts.")
    await acting.db.execute(_LOCK_CODES, acting.tenant_id)
    wanted = code.strip().upper() if code else await acting.db.fetchval(_NEXT_CODE, acting.tenant_id)
    if not _CODE.fullmatch(wanted):
        raise ActionError("bad_value", "A trip's code is TRP and a number, like TRP123.")
    room = whole(seats, "The seats", most=_MOST_SEATS) if seats is not None else None
    trip = await acting.db.fetchval(_PLAN, acting.tenant_id, wanted, ident(trek, ""), first, last, room)
    if trip is None:
        known = await acting.db.fetch(_FIND, acting.tenant_id, [wanted])
        raise ActionError(*(("taken", f"{wanted} is taken.") if known else ("not_found", "There is no such trek.")))
    await timeline.record(acting, "trip", trip, "TRIP_PLANNED", starts_on=first.isoformat(), seats=room)
    return await show_trip(acting, trip=trip)


@SERVICES.service("trips.show", "manage_trips", "convert_bookings", "check_in")
async def show_trip(acting: Acting, *, trip: int | str) -> dict[str, Any]:
    """All about a trip: `code`, `name`, `starts_on`, `ends_on`, `status`, `seats`, `taken`, and its `crew`."""
    row = await trip_row(acting, trip)
    crew = await acting.db.fetch(_CREW, acting.tenant_id, row["trip_id"])
    return {
        **_candidate(row),
        **_days(row),
        "status": row["status"],
        "seats": row["seats"],
        "taken": row["taken"],
        "crew": [
            {"id": one["contact_id"], "name": one["name"], "duty": one["duty"], "status": one["status"]} for one in crew
        ],
    }


@SERVICES.service("trips.set_seats", "manage_trips")
async def set_seats(acting: Acting, *, trip: int | str, seats: int | str) -> dict[str, Any]:
    """Change how many seats a trip has.

    Raises:
        ActionError: `too_few`, when more are taken.
    """
    row = await trip_row(acting, trip)
    room = whole(seats, "The seats", most=_MOST_SEATS)
    free = await acting.db.fetchval(_SET_SEATS, acting.tenant_id, row["trip_id"], room)
    if free is None:
        raise ActionError("too_few", f"{row['taken']} seats of {row['code']} are taken already.")
    await timeline.record(acting, "trip", row["trip_id"], "TRIP_SEATS_SET", seats=room)
    return {**_candidate(row), "seats": room, "free": free}


@SERVICES.service("trips.start", "manage_trips", "check_in")
async def start_trip(acting: Acting, *, trip: int | str) -> dict[str, Any]:
    """A trip sets off.

    Raises:
        ActionError: `not_assigned`, when field staff is not on it.
    """
    return await _move(acting, await _led(acting, trip), "start", "TRIP_STARTED")


@SERVICES.service("trips.complete", "manage_trips", "check_in")
async def complete_trip(acting: Acting, *, trip: int | str) -> dict[str, Any]:
    """A trip is over. Its customers hear `trip.completed`.

    Raises:
        ActionError: `not_assigned`, when field staff is not on it.
    """
    row = await _led(acting, trip)
    done = await _move(acting, row, "complete", "TRIP_COMPLETED")
    await news.tell_people(acting, await customers(acting, row["trip_id"]), "trip.completed", done)
    return done


@SERVICES.service("trips.cancel", "manage_trips")
async def cancel_trip(acting: Acting, *, trip: int | str, reason: str) -> dict[str, Any]:
    """A trip does not take place. Its customers and crew hear `trip.cancelled`; its bookings stay, to be rebooked."""
    row = await trip_row(acting, trip)
    words = text_of(reason, "The reason")
    cancelled = {**await _move(acting, row, "cancel", "TRIP_CANCELLED", reason=words), "reason": words}
    people = [*await customers(acting, row["trip_id"]), *await crew(acting, row["trip_id"])]
    await news.tell_people(acting, people, "trip.cancelled", cancelled)
    return cancelled


# --- For the other services -------------------------------------------------------------------------------------------


async def trip_row(acting: Acting, trip: int | str) -> Any:
    """A trip, locked; by id or code.

    Raises:
        ActionError: `not_found`.
    """
    code = str(trip).strip().upper()
    if code.startswith("TRP"):
        row = await acting.db.fetchrow(_BY_CODE, acting.tenant_id, code)
    else:
        row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(trip, ""))
    if row is None:
        raise ActionError("not_found", "There is no such trip.")
    return row


async def lock_both(acting: Acting, trip: int, other: int | str) -> None:
    """Lock two trips in the order of their numbers: two parties that change places do not wait for each other."""
    code = str(other).strip().upper()
    number = None if code.startswith("TRP") else ident(other, "")
    await acting.db.fetch(_LOCK_BOTH, acting.tenant_id, trip, number, code)


async def take_seats(acting: Acting, trip: int, people: int) -> Any:
    """Take seats; returns `code`, `starts_on` and `name` of the trip. However many do so at once, none is taken twice.

    Raises:
        ActionError: `no_seats`, with how many are left; `wrong_status`, when it has left or is cancelled.
    """
    taken = await acting.db.fetchrow(_TAKE, acting.tenant_id, trip, people)
    if taken is not None:
        return taken
    row = await trip_row(acting, trip)
    if row["status"] != "SCHEDULED":
        raise ActionError("wrong_status", f"{row['code']} is {row['status'].lower()}: nobody can book it any more.")
    left = row["seats"] - row["taken"]
    told = f"{row['code']} has {left} {'seat' if left == 1 else 'seats'} left, not {people}."
    raise ActionError("no_seats", told, facts={"trip": row["code"], "left": left})


async def give_back_seats(acting: Acting, trip: int, people: int) -> None:
    """Free seats that were taken."""
    await acting.db.execute(_GIVE_BACK, acting.tenant_id, trip, people)


async def customers(acting: Acting, trip: int, *, statuses: tuple[str, ...] = ("CONFIRMED",)) -> list[ContactId]:
    """Who has booked a trip."""
    rows = await acting.db.fetch(_CUSTOMERS, acting.tenant_id, trip, list(statuses))
    return [ContactId(row["contact_id"]) for row in rows]


async def crew(acting: Acting, trip: int) -> list[ContactId]:
    """Who works on a trip."""
    rows = await acting.db.fetch(_CREW, acting.tenant_id, trip)
    return [ContactId(row["contact_id"]) for row in rows]


async def follow(acting: Acting, trip: int, change: str, action: str) -> None:
    """Change a trip's status if it may be changed so, and leave it as it is if not."""
    row = await trip_row(acting, trip)
    if LIFECYCLE.allows(change, row["status"]):
        await _move(acting, row, change, action)


def day(text: str) -> date:
    """A day written `YYYY-MM-DD`.

    Raises:
        ActionError: `bad_value`.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ActionError("bad_value", "Write the day like 2026-12-24.") from None


async def _led(acting: Acting, trip: int | str) -> Any:
    """A trip, locked, that whoever acts may start and complete."""
    row = await trip_row(acting, trip)
    if acting.role == "field_staff" and acting.contact_id not in await crew(acting, row["trip_id"]):
        raise ActionError("not_assigned", f"Only people who are assigned to {row['code']} can do that.")
    return row


async def _move(acting: Acting, row: Any, change: str, action: str, **content: Any) -> dict[str, Any]:
    status = LIFECYCLE.after(change, row["status"])
    await timeline.change(
        acting, _SET_STATUS, row["trip_id"], status, on=("trip", row["trip_id"]), action=action, **content
    )
    return {**_candidate(row), **_days(row), "status": status}


def _codes(text: str) -> list[str]:
    return list(dict.fromkeys(code.upper() for code in _CODE.findall(text[:_MOST_TEXT])))


def _candidate(row: Any) -> dict[str, Any]:
    return {"id": row["trip_id"], "code": row["code"], "name": row["name"]}


def _days(row: Any) -> dict[str, Any]:
    ends = row["ends_on"]
    return {"starts_on": row["starts_on"].isoformat(), "ends_on": ends.isoformat() if ends is not None else None}
