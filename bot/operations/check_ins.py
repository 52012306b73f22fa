"""Check-ins: where a trip is, and how it goes. The first starts the trip, the last completes it."""

import json
from typing import Any

from bot.core.errors import ActionError
from bot.operations import timeline, trips
from bot.operations.acting import Acting, text_of
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

KINDS = ("STARTED", "CHECKPOINT", "DAY_REPORT", "FINISHED")
_FOLLOWS = {"STARTED": ("start", "TRIP_STARTED"), "FINISHED": ("complete", "TRIP_COMPLETED")}

_IS_ASSIGNED = """
SELECT count(*) FROM trip_assignments
WHERE tenant_id = $1 AND trip_id = $2 AND contact_id = $3 AND status IN ('ASSIGNED', 'CONFIRMED')
"""
_CREATE = """
INSERT INTO check_ins (tenant_id, trip_id, contact_id, kind, place, note, media, created_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7::jsonb, $8) RETURNING check_in_id
"""
_LATEST = """
SELECT c.*, p.name FROM check_ins c JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = c.contact_id
WHERE c.tenant_id = $1 AND c.trip_id = $2 ORDER BY c.created_at DESC, c.check_in_id DESC LIMIT $3
"""


@SERVICES.service("check_ins.create", "check_in")
async def check_in(
    acting: Acting,
    *,
    trip: int | str,
    kind: str = "CHECKPOINT",
    note: str = "",
    latitude: float | str | None = None,
    longitude: float | str | None = None,
    place: str = "",
    media: str | list[str] | None = None,
) -> dict[str, Any]:
    """Say where a trip is.

    Args:
        acting: Who and when; has to be on the trip.
        trip: Which.
        kind: STARTED, CHECKPOINT, DAY_REPORT or FINISHED; the first sets the trip running, the last completes it.
        note: How it goes.
        latitude: WGS 84 degrees, together with `longitude`.
        longitude: As above.
        place: What it is called.
        media: Ids of photos.

    Returns:
        `id`, `trip` (its code), `kind`, `place`.

    Raises:
        ActionError: `not_assigned`.
    """
    what = str(kind).strip().upper()
    if what not in KINDS:
        raise ActionError("bad_value", f"A check-in is one of {', '.join(KINDS)}.")
    row = await trips.trip_row(acting, trip)
    if not await acting.db.fetchval(_IS_ASSIGNED, acting.tenant_id, row["trip_id"], acting.me):
        raise ActionError("not_assigned", "Only people who are assigned to a trip can check in on it.")
    where = _place(latitude, longitude, text_of(place, "The place", most=200, needed=False))
    files = [media] if isinstance(media, str) else list(media or [])
    words = text_of(note, "The note", most=4096, needed=False)
    made = await acting.db.fetchval(
        _CREATE, acting.tenant_id, row["trip_id"], acting.me, what, json.dumps(where) if where else None, words,
        json.dumps(files), acting.at,
    )  # fmt: skip
    await timeline.record(
        acting, "trip", row["trip_id"], "CHECKED_IN", check_in_id=made, kind=what, place=where, note=words
    )
    if what in _FOLLOWS:
        await trips.follow(acting, row["trip_id"], *_FOLLOWS[what])
    return {"id": made, "trip": row["code"], "kind": what, "place": where}


@SERVICES.service("check_ins.list", "check_in", "manage_trips", "handle_incidents")
async def list_check_ins(acting: Acting, *, trip: int | str, most: int = 10) -> dict[str, Any]:
    """The check-ins of a trip, newest first: `count` and `items` with `kind`, `place`, `note`, `by`, `at`."""
    row = await trips.trip_row(acting, trip)
    found = await acting.db.fetch(_LATEST, acting.tenant_id, row["trip_id"], most)
    items = [
        {
            "id": one["check_in_id"],
            "kind": one["kind"],
            "place": json.loads(one["place"]) if one["place"] else None,
            "note": one["note"],
            "media": json.loads(one["media"]),
            "by": one["name"],
            "at": one["created_at"].isoformat(),
        }
        for one in found
    ]
    return {"count": len(items), "items": items}


def _place(latitude: float | str | None, longitude: float | str | None, name: str) -> dict[str, Any] | None:
    if latitude is None or longitude is None:
        return {"name": name} if name else None
    try:
        north, east = float(latitude), float(longitude)
    except ValueError:
        raise ActionError("bad_value", "A place is a latitude and a longitude in degrees.") from None
    if not (-90 <= north <= 90 and -180 <= east <= 180):
        raise ActionError("bad_value", "A place is a latitude and a longitude in degrees.")
    return {"latitude": north, "longitude": east, **({"name": name} if name else {})}
