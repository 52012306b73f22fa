"""Trips and their incidents: what guides report from the field."""

import json
import re
from typing import Any

from bot.core.actions import ActionCall, Actions
from bot.core.errors import ActionError
from bot.operations import timeline

ACTIONS = Actions()

_CODE = re.compile(r"\bTRP\d{1,9}\b", re.IGNORECASE)
_MOST_TEXT = 500  # a trip's code stands at the start of a message

_ASSIGNED = """
SELECT t.trip_id, t.code, k.name FROM trips t
JOIN trip_assignments a ON a.tenant_id = $1 AND a.trip_id = t.trip_id AND a.contact_id = $2
JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1 AND t.code = ANY ($3::text[])
ORDER BY array_position($3::text[], t.code)
"""
_IS_ASSIGNED = """
SELECT t.code FROM trips t JOIN trip_assignments a ON a.tenant_id = $1 AND a.trip_id = t.trip_id AND a.contact_id = $3
WHERE t.tenant_id = $1 AND t.trip_id = $2
"""
_CREATE = """
INSERT INTO incidents (tenant_id, trip_id, contact_id, description, created_at) VALUES ($1, $2, $3, $4, $5)
RETURNING incident_id
"""
_RESOLVE = """
UPDATE incidents SET status = 'RESOLVED', resolution = $3, resolved_at = $4
WHERE tenant_id = $1 AND incident_id = $2 AND status = 'OPEN'
RETURNING trip_id
"""
_OPEN_TRIP = "SELECT trip_id FROM incidents WHERE tenant_id = $1 AND incident_id = $2 AND status = 'OPEN'"
_ADD_MEDIA = """
UPDATE incidents SET media = media || $3::jsonb WHERE tenant_id = $1 AND incident_id = $2 RETURNING trip_id
"""
_SET_PLACE = "UPDATE incidents SET place = $3::jsonb WHERE tenant_id = $1 AND incident_id = $2 RETURNING trip_id"


@ACTIONS.lookup("trips.assigned_to_me", roles=("field_staff", "operations", "manager"))
async def find_assigned_trips(call: ActionCall, *, text: str) -> list[dict[str, Any]]:
    """The trips whose codes stand in a text, as far as the person who writes is assigned to them."""
    codes = list(dict.fromkeys(code.upper() for code in _CODE.findall(text[:_MOST_TEXT])))
    if not codes:
        return []
    rows = await call.db.fetch(_ASSIGNED, call.tenant_id, call.contact.contact_id, codes)
    return [{"id": row["trip_id"], "code": row["code"], "name": row["name"]} for row in rows]


@ACTIONS.action("incidents.create", roles=("field_staff", "operations", "manager"))
async def create_incident(call: ActionCall, *, trip: int | str, text: str) -> dict[str, Any]:
    """Report an incident on a trip.

    Returns:
        `id` and `code`.

    Raises:
        ActionError: `not_assigned` when the person who writes is not on that trip.
    """
    code = await call.db.fetchval(_IS_ASSIGNED, call.tenant_id, int(trip), call.contact.contact_id)
    if code is None:
        raise ActionError("not_assigned", "Only people who are assigned to a trip can report incidents on it.")
    incident = await call.db.fetchval(_CREATE, call.tenant_id, int(trip), call.contact.contact_id, text, call.at)
    await timeline.record(call, "trip", int(trip), "INCIDENT_CREATED", incident_id=incident, text=text)
    return {"id": incident, "code": f"INC{incident}", "trip": code}


@ACTIONS.action("incidents.resolve", roles=("field_staff", "operations", "manager"))
async def resolve_incident(call: ActionCall, *, incident: int | str, note: str = "") -> dict[str, Any]:
    """Close an incident.

    Raises:
        ActionError: `not_open` when it is resolved already, or never was.
    """
    trip = await call.db.fetchval(_RESOLVE, call.tenant_id, int(incident), note, call.at)
    if trip is None:
        raise ActionError("not_open", "This incident is not open.")
    await timeline.record(call, "trip", trip, "INCIDENT_RESOLVED", incident_id=int(incident), note=note)
    return {"id": int(incident), "code": f"INC{incident}"}


@ACTIONS.action("incidents.note", roles=("field_staff", "operations", "manager"))
async def note_incident(call: ActionCall, *, incident: int | str, text: str) -> dict[str, Any]:
    """Add words to an open incident.

    Raises:
        ActionError: `not_open` when it is resolved already, or never was.
    """
    trip = await call.db.fetchval(_OPEN_TRIP, call.tenant_id, int(incident))
    if trip is None:
        raise ActionError("not_open", "This incident is not open.")
    await timeline.record(call, "trip", trip, "INCIDENT_NOTED", incident_id=int(incident), text=text)
    return {"id": int(incident), "code": f"INC{incident}"}


@ACTIONS.action("incidents.add_media", roles=("field_staff", "operations", "manager"))
async def add_media(call: ActionCall, *, incident: int | str, media_id: str) -> dict[str, Any]:
    """Add a photo or other file to an incident."""
    return await _attach(call, _ADD_MEDIA, incident, json.dumps([media_id]), "INCIDENT_MEDIA_ADDED")


@ACTIONS.action("incidents.set_place", roles=("field_staff", "operations", "manager"))
async def set_place(call: ActionCall, *, incident: int | str, latitude: float, longitude: float) -> dict[str, Any]:
    """Say where an incident is, WGS 84 degrees."""
    place = json.dumps({"latitude": latitude, "longitude": longitude})
    return await _attach(call, _SET_PLACE, incident, place, "INCIDENT_PLACE_SET")


async def _attach(call: ActionCall, statement: str, incident: int | str, document: str, action: str) -> dict[str, Any]:
    trip = await call.db.fetchval(statement, call.tenant_id, int(incident), document)
    if trip is None:
        raise ActionError("not_found", "There is no such incident.")
    await timeline.record(call, "trip", trip, action, incident_id=int(incident))
    return {"id": int(incident)}
