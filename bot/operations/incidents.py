"""Incidents: what goes wrong on a trip, from the guide's report to its resolution."""

import json
import re
from typing import Any

from bot.core.errors import ActionError
from bot.operations import news, timeline, trips
from bot.operations.acting import Acting, ident, text_of
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "An incident",
    "OPEN",
    {
        "acknowledge": Change(("OPEN",), "ACKNOWLEDGED", "acknowledged"),
        "resolve": Change(("OPEN", "ACKNOWLEDGED"), "RESOLVED", "resolved"),
        "reopen": Change(("RESOLVED",), "OPEN", "reopened"),
    },
    code="not_open",
)
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")

_CODE = re.compile(r"\bINC\d{1,12}\b", re.IGNORECASE)
_MOST_TEXT = 500

_ON_TRIP = """
SELECT t.code, EXISTS (SELECT FROM trip_assignments a
                       WHERE a.tenant_id = $1 AND a.trip_id = t.trip_id AND a.contact_id = $3
                         AND a.status IN ('ASSIGNED', 'CONFIRMED')) AS assigned
FROM trips t WHERE t.tenant_id = $1 AND t.trip_id = $2
"""
_CREATE = """
INSERT INTO incidents (tenant_id, trip_id, contact_id, description, severity, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING incident_id
"""
_ONE = """
SELECT i.*, t.code AS trip, k.name AS trek, c.name AS reporter,
       EXISTS (SELECT FROM trip_assignments a
               WHERE a.tenant_id = $1 AND a.trip_id = i.trip_id AND a.contact_id = $3
                 AND a.status IN ('ASSIGNED', 'CONFIRMED')) AS assigned
FROM incidents i
JOIN trips t ON t.tenant_id = $1 AND t.trip_id = i.trip_id
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = i.contact_id
WHERE i.tenant_id = $1 AND i.incident_id = $2 FOR UPDATE OF i
"""
_RESOLVE = """
UPDATE incidents SET status = $3, resolution = $4, resolved_at = $5 WHERE tenant_id = $1 AND incident_id = $2
RETURNING incident_id
"""
_ACKNOWLEDGE = """
UPDATE incidents SET status = $3, acknowledged_by = $4, acknowledged_at = $5 WHERE tenant_id = $1 AND incident_id = $2
"""
_REOPEN = """
UPDATE incidents SET status = $3, resolution = NULL, resolved_at = NULL WHERE tenant_id = $1 AND incident_id = $2
"""
_SET_SEVERITY = "UPDATE incidents SET severity = $3 WHERE tenant_id = $1 AND incident_id = $2"
_ADD_MEDIA = "UPDATE incidents SET media = media || $3::jsonb WHERE tenant_id = $1 AND incident_id = $2"
_SET_PLACE = "UPDATE incidents SET place = $3::jsonb WHERE tenant_id = $1 AND incident_id = $2"
_ADD_UPDATE = """
INSERT INTO incident_updates (tenant_id, incident_id, text, public, author_id, source, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_UPDATES = """
SELECT u.text, u.public, u.created_at, c.name AS author FROM incident_updates u
LEFT JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = u.author_id
WHERE u.tenant_id = $1 AND u.incident_id = $2 ORDER BY u.update_id
"""
_LIVE = """
SELECT i.*, t.code AS trip, k.name AS trek, c.name AS reporter FROM incidents i
JOIN trips t ON t.tenant_id = $1 AND t.trip_id = i.trip_id
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = i.contact_id
WHERE i.tenant_id = $1 AND i.status <> 'RESOLVED' AND ($2::bigint[] IS NULL OR i.incident_id = ANY ($2))
ORDER BY array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], i.severity), i.incident_id LIMIT $3
"""


@SERVICES.service("incidents.create", "report_issues", "handle_incidents")
async def create_incident(acting: Acting, *, trip: int | str, text: str, severity: str = "MEDIUM") -> dict[str, Any]:
    """Report an incident on a trip.

    Returns:
        `id`, `code` and `trip`, its code.

    Raises:
        ActionError: `not_assigned` when field staff is not on that trip.
    """
    words, how_bad = text_of(text, "What happened", most=4096), _severity(severity)
    trip_id = ident(trip, "")
    on = await acting.db.fetchrow(_ON_TRIP, acting.tenant_id, trip_id, acting.contact_id)
    if (on is None or not on["assigned"]) and (acting.role == "field_staff" or acting.source == "WHATSAPP"):
        raise ActionError("not_assigned", "Only people who are assigned to a trip can report incidents on it.")
    if on is None:
        raise ActionError("not_found", f"There is no trip {trip}.")
    row = await timeline.change(
        acting, _CREATE, trip_id, acting.me, words, how_bad, acting.at,
        on=("trip", trip_id), action="INCIDENT_CREATED", naming="incident_id", text=words, severity=how_bad,
    )  # fmt: skip
    incident = row["incident_id"]
    return {"id": incident, "code": f"INC{incident}", "trip": on["code"]}


@SERVICES.service("incidents.acknowledge", "handle_incidents")
async def acknowledge_incident(acting: Acting, *, incident: int | str) -> dict[str, Any]:
    """Somebody looks after it. The guide hears `incident.acknowledged`.

    Raises:
        ActionError: `not_open`, when somebody does already, or it is resolved.
    """
    row = await _row(acting, incident)
    status = LIFECYCLE.after("acknowledge", row["status"])
    await acting.db.execute(_ACKNOWLEDGE, acting.tenant_id, row["incident_id"], status, acting.contact_id, acting.at)
    await _record(acting, row, "INCIDENT_ACKNOWLEDGED")
    card = {**_card(row), "status": status}
    await news.tell_object(acting, row["trip"], "incident.acknowledged", card)
    return card


@SERVICES.service("incidents.update", "handle_incidents")
async def update_incident(acting: Acting, *, incident: int | str, text: str, public: str = "") -> dict[str, Any]:
    """Say what is being done. The trip's crew hears `incident.updated`.

    Args:
        acting: Who and when.
        incident: Which.
        text: For the crew.
        public: For the trip's customers, who hear `trip.notice` with it; empty: they hear nothing.

    Raises:
        ActionError: `not_open`, when it is resolved.
    """
    row = await _live(acting, incident)
    words, told = text_of(text, "The update", most=4096), text_of(public, "The notice", most=1000, needed=False)
    if LIFECYCLE.allows("acknowledge", row["status"]):
        await acknowledge_incident(acting, incident=row["incident_id"])
    await _add_update(acting, row, words, told)
    await _record(acting, row, "INCIDENT_UPDATED", text=words, public=told)
    card = {**_card(row), "status": "ACKNOWLEDGED", "text": words}
    await _tell_crew(acting, row, "incident.updated", card)
    if told:
        await _tell_customers(acting, row, told)
    return card


@SERVICES.service("incidents.note", "report_issues", "handle_incidents")
async def note_incident(acting: Acting, *, incident: int | str, text: str) -> dict[str, Any]:
    """Add words from the field to an incident that is not resolved.

    Raises:
        ActionError: `not_open` when it is resolved already; `not_found` when it never was.
    """
    row = await _live(acting, incident)
    words = text_of(text, "The note", most=4096)
    await _add_update(acting, row, words, "")
    await _record(acting, row, "INCIDENT_NOTED", text=words)
    return {"id": row["incident_id"], "code": f"INC{row['incident_id']}"}


@SERVICES.service("incidents.resolve", "report_issues", "handle_incidents")
async def resolve_incident(acting: Acting, *, incident: int | str, note: str = "", public: str = "") -> dict[str, Any]:
    """Close an incident. The crew hears `incident.resolved`, customers `trip.notice` if `public` says something.

    Raises:
        ActionError: `not_open` when it is resolved already; `not_found` when it never was.
    """
    row = await _row(acting, incident)
    status = LIFECYCLE.after("resolve", row["status"])
    words = text_of(note, "The note", most=4096, needed=False)
    told = text_of(public, "The notice", most=1000, needed=False)
    await timeline.change(
        acting, _RESOLVE, row["incident_id"], status, words, acting.at,
        on=("trip", row["trip_id"]), action="INCIDENT_RESOLVED", naming="incident_id", note=words,
    )  # fmt: skip
    await _tell_crew(acting, row, "incident.resolved", {**_card(row), "status": status, "note": words})
    if told:
        await _tell_customers(acting, row, told)
    return {"id": row["incident_id"], "code": f"INC{row['incident_id']}"}


@SERVICES.service("incidents.reopen", "handle_incidents")
async def reopen_incident(acting: Acting, *, incident: int | str, reason: str = "") -> dict[str, Any]:
    """It was not over after all. The crew hears `incident.reopened`."""
    row = await _row(acting, incident)
    status = LIFECYCLE.after("reopen", row["status"])
    words = text_of(reason, "The reason", needed=False)
    await acting.db.execute(_REOPEN, acting.tenant_id, row["incident_id"], status)
    await _record(acting, row, "INCIDENT_REOPENED", reason=words)
    card = {**_card(row), "status": status, "text": words}
    await _tell_crew(acting, row, "incident.reopened", card)
    return card


@SERVICES.service("incidents.set_severity", "report_issues", "handle_incidents")
async def set_severity(acting: Acting, *, incident: int | str, severity: str) -> dict[str, Any]:
    """Say how bad it is: LOW, MEDIUM, HIGH or CRITICAL."""
    row = await _live(acting, incident)
    how_bad = _severity(severity)
    await acting.db.execute(_SET_SEVERITY, acting.tenant_id, row["incident_id"], how_bad)
    await _record(acting, row, "INCIDENT_SEVERITY_SET", severity=how_bad)
    return {**_card(row), "severity": how_bad}


@SERVICES.service("incidents.add_media", "upload_media", "handle_incidents")
async def add_media(acting: Acting, *, incident: int | str, media_id: str) -> dict[str, Any]:
    """Add a photo or other file to an incident."""
    row, media_id = await _row(acting, incident), text_of(media_id, "The file", most=200)
    await acting.db.execute(_ADD_MEDIA, acting.tenant_id, row["incident_id"], json.dumps([media_id]))
    await _record(acting, row, "INCIDENT_MEDIA_ADDED", media_id=media_id)
    return {"id": row["incident_id"]}


@SERVICES.service("incidents.set_place", "report_issues", "handle_incidents")
async def set_place(acting: Acting, *, incident: int | str, latitude: float, longitude: float) -> dict[str, Any]:
    """Say where an incident is, WGS 84 degrees."""
    row = await _row(acting, incident)
    place = json.dumps({"latitude": latitude, "longitude": longitude})
    await acting.db.execute(_SET_PLACE, acting.tenant_id, row["incident_id"], place)
    await _record(acting, row, "INCIDENT_PLACE_SET")
    return {"id": row["incident_id"]}


@SERVICES.service("incidents.show", "handle_incidents", "report_issues")
async def show_incident(acting: Acting, *, incident: int | str) -> dict[str, Any]:
    """All about an incident, with its `updates`, `media` and `place`."""
    row = await _row(acting, incident)
    updates = await acting.db.fetch(_UPDATES, acting.tenant_id, row["incident_id"])
    return {
        **_card(row),
        "place": json.loads(row["place"]) if row["place"] else None,
        "media": json.loads(row["media"]),
        "resolution": row["resolution"],
        "updates": [{**dict(one.items()), "created_at": one["created_at"].isoformat()} for one in updates],
    }


@SERVICES.service("incidents.list", "handle_incidents")
async def list_incidents(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """What is going on, the worst first: `count` and `items`."""
    rows = await acting.db.fetch(_LIVE, acting.tenant_id, None, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


@SERVICES.lookup("incidents.find", "handle_incidents")
async def find_incidents(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The incidents that are not resolved and whose codes stand in a text."""
    codes = [ident(code, "INC") for code in dict.fromkeys(_CODE.findall(text[:_MOST_TEXT]))]
    rows = await acting.db.fetch(_LIVE, acting.tenant_id, codes, len(codes)) if codes else []
    return [_card(row) | {"name": f"INC{row['incident_id']} {row['trip']}"} for row in rows]


async def _row(acting: Acting, incident: int | str) -> Any:
    """An incident, locked.

    Raises:
        ActionError: `not_found`; `not_assigned`, when field staff is neither on its trip nor has reported it.
    """
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(incident, "INC"), acting.contact_id)
    if row is None:
        raise ActionError("not_found", "There is no such incident.")
    if acting.role == "field_staff" and not row["assigned"] and row["contact_id"] != acting.contact_id:
        raise ActionError("not_assigned", "Only people who are assigned to the trip have to do with its incidents.")
    return row


async def _live(acting: Acting, incident: int | str) -> Any:
    """An incident that is not resolved."""
    row = await _row(acting, incident)
    if not LIFECYCLE.allows("resolve", row["status"]):
        raise ActionError("not_open", "This incident is not open.")
    return row


async def _record(acting: Acting, row: Any, action: str, **content: Any) -> None:
    """On the trip's timeline: that is where people look."""
    await timeline.record(acting, "trip", row["trip_id"], action, incident_id=row["incident_id"], **content)


async def _add_update(acting: Acting, row: Any, text: str, public: str) -> None:
    await acting.db.execute(
        _ADD_UPDATE, acting.tenant_id, row["incident_id"], text, public, acting.contact_id, acting.source, acting.at
    )


async def _tell_crew(acting: Acting, row: Any, name: str, card: dict[str, Any]) -> None:
    """The trip's own runs, and those of the crew who did not report it: the reporter's chat is where the run is."""
    await news.tell_object(acting, row["trip"], name, card)
    others = [person for person in await trips.crew(acting, row["trip_id"]) if person != row["contact_id"]]
    await news.tell_people(acting, others, name, card)


async def _tell_customers(acting: Acting, row: Any, text: str) -> None:
    notice = {"trip": row["trip"], "trek": row["trek"], "text": text}
    await news.tell_people(acting, await trips.customers(acting, row["trip_id"]), "trip.notice", notice)


def _severity(text: str) -> str:
    word = str(text).strip().upper()
    if word not in SEVERITIES:
        raise ActionError("bad_value", f"How bad it is, is one of {', '.join(SEVERITIES)}.")
    return word


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["incident_id"],
        "code": f"INC{row['incident_id']}",
        "status": row["status"],
        "severity": row["severity"],
        "trip": row["trip"],
        "trek": row["trek"],
        "reporter": row["reporter"],
        "description": row["description"],
        "created_at": row["created_at"].isoformat(),
    }
