"""What the flows of this project may call: typed async functions, found because this file is called actions.py.

Appointments are kept in Sirdar's own PostgreSQL, on the timeline of their day: in the same transaction as the
conversation, so that a customer who reads "you are expected" is in the book, whatever is restarted in between.
"""

import re
from datetime import date, timedelta
from typing import Any

from bot.core.actions import ActionCall, action, lookup
from bot.core.entities import extract
from bot.core.errors import ActionError
from bot.operations import timeline

TIMES = ("09:00", "10:30", "13:00", "14:30")
"""When a bike can be brought; one mechanic, one bike at a time."""
CLOSED = (6,)
"""Days of the week, Monday is 0."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = "workshop_day"

_CLOCK = re.compile(r"\b(\d{1,2})[:.](\d{2})\b|\bat (\d{1,2})\b")
_BOOKED = """
SELECT content->>'time' AS time, content->>'name' AS name, content->>'bike' AS bike, content->>'problem' AS problem
FROM timeline_entries WHERE tenant_id = $1 AND object_type = $2 AND object_id = $3 ORDER BY content->>'time'
"""
# Held until the turn is committed: two customers who want the last time of a day come one after the other.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(format('%s %s %s', $1::bigint, $2::text, $3::bigint), 0))"


@lookup("workshop.free")
async def free(call: ActionCall, *, text: str) -> list[dict[str, Any]]:
    """The free times on the day that a text names; of these only the one it names, if it does."""
    day = day_in(text, call.at.date())
    if day is None or day < call.at.date() or day.weekday() in CLOSED:
        return []
    taken = {row["time"] for row in await _booked(call, day)}
    over = f"{call.at:%H:%M}" if day == call.at.date() else ""
    left = [time for time in TIMES if time not in taken and time > over]
    return [visit(day, time) for time in left if time == clock_in(text)] or [visit(day, time) for time in left]


@action("workshop.book", roles=("customer",))
async def book(call: ActionCall, *, visit: str, bike: str, problem: str) -> dict[str, Any]:
    """Write the person who asks into the book.

    Args:
        call: Who and when.
        visit: The `id` of a free time.
        bike: What kind.
        problem: In the customer's words.

    Raises:
        ActionError: `taken`, when somebody was faster.
    """
    day, time = date.fromisoformat(visit[:10]), visit[11:]
    await call.db.execute(_LOCK, call.tenant_id, DAY, day.toordinal())
    if any(row["time"] == time for row in await _booked(call, day)):
        raise ActionError("taken", f"{time} on {day} has been taken meanwhile.")
    name = call.contact.name or "A customer"
    await timeline.record(call, DAY, day.toordinal(), "BOOKED", time=time, name=name, bike=bike, problem=problem)
    return {"code": f"{day:%d%m}-{time.replace(':', '')}"}


@action("workshop.day", roles=("operations",))
async def planned(call: ActionCall, *, when: str = "today") -> dict[str, Any]:
    """Who comes on a day; today, if the text names none."""
    day = day_in(when, call.at.date()) or call.at.date()
    return {"name": f"{day:%a %d %b}", "visits": [dict(row) for row in await _booked(call, day)]}


def visit(day: date, time: str) -> dict[str, Any]:
    """A time as flows know it."""
    return {"id": f"{day}T{time}", "name": f"{day:%a %d %b}, {time}"}


def day_in(text: str, today: date) -> date | None:
    """The day a text names: "tomorrow", "27 November", or "Friday", which is the next one after today."""
    for found in extract(text, today).dates:
        if found.day is not None:
            return date(found.year, found.month, found.day)
    words = re.findall(r"[a-z]+", text.casefold())
    ahead = [(number - today.weekday() - 1) % 7 + 1 for number, name in enumerate(WEEKDAYS) if name in words]
    return today + timedelta(days=ahead[0]) if ahead else None


def clock_in(text: str) -> str | None:
    """The time a text names: "10:30", "at 9"."""
    found = _CLOCK.search(text.casefold())
    return f"{int(found[1] or found[3]):02}:{found[2] or '00'}" if found else None


async def _booked(call: ActionCall, day: date) -> list[Any]:
    return await call.db.fetch(_BOOKED, call.tenant_id, DAY, day.toordinal())
