"""Treks, trips and their departures, who is assigned, check-ins and incidents."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.operations.permissions import roles_with
from bot.web.api.business import NeededWords, Reason, Words
from bot.web.api.collections import Collection, Filter, serve
from bot.web.api.paging import Page, PageQuery, page
from bot.web.api.route import Asked, Given, Id, Routes

ROUTES = Routes()

STAFF = ("sales", "operations", "field_staff", "manager")
FIELD = ("operations", "field_staff", "manager")


class Trek(BaseModel):
    """What is on offer."""

    id: int
    name: str
    synonyms: list[str]
    days: int | None
    price: Decimal | None
    currency: str


_TREKS = """
SELECT k.trek_id AS id, k.name, k.synonyms, k.days, k.price, k.currency FROM treks k WHERE k.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/treks", one="trek", model=Trek, select=_TREKS, key="k.trek_id", table="treks", roles=STAFF,
).listed().shown()  # fmt: skip


# --- Trips ------------------------------------------------------------------------------------------------------------

TripStatus = Literal["SCHEDULED", "RUNNING", "COMPLETED", "CANCELLED"]


class Trip(BaseModel):
    """A departure of a trek."""

    id: int
    code: str
    status: TripStatus
    trek_id: int
    trek: str
    starts_on: date
    ends_on: date | None
    seats: int | None = Field(description="null: as many as want to come")
    taken: int


class NewTrip(Given):
    """A departure to be."""

    trek: Id
    starts_on: date
    ends_on: Annotated[date | None, Field(description="Unset: from the trek's length")] = None
    seats: Annotated[int | None, Field(ge=0, le=10_000)] = None
    code: Annotated[str | None, Field(pattern=r"^TRP\d{1,9}$", description="Unset: the next number")] = None


class Seats(Given):
    """How many can come."""

    seats: Annotated[int, Field(ge=0, le=10_000)]


class NeededReason(Given):
    """Why."""

    reason: NeededWords


_TRIPS = """
SELECT t.trip_id AS id, t.code, t.status, t.trek_id, k.name AS trek, t.starts_on, t.ends_on, t.seats, t.taken
FROM trips t JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1
"""
TRIPS = (
    Collection(
        routes=ROUTES, path="/trips", one="trip", model=Trip, select=_TRIPS, key="t.trip_id", table="trips",
        roles=STAFF,
        filters={
            "status": Filter(kind=TripStatus, condition="t.status = {}"),
            "trek": Filter(kind=Id, condition="t.trek_id = {}"),
            "code": Filter(kind=Annotated[str, Field(max_length=40)], condition="t.code = {}"),
            "from": Filter(kind=date, condition="t.starts_on >= {}"),
            "to": Filter(kind=date, condition="t.starts_on <= {}"),
        },
    )
    .listed().shown().created("trips.plan", NewTrip).verb("seats", "trips.set_seats", "trip", Seats)
    .verb("start", "trips.start", "trip").verb("complete", "trips.complete", "trip")
    .verb("cancel", "trips.cancel", "trip", NeededReason)
)  # fmt: skip


# --- Assignments ------------------------------------------------------------------------------------------------------

Duty = Literal["guide", "assistant", "porter", "cook", "driver"]


class Assignment(BaseModel):
    """Somebody on a trip."""

    trip_id: int
    trip: str
    person_id: int
    person: str
    duty: Duty
    status: Literal["ASSIGNED", "CONFIRMED", "DECLINED", "RELEASED"]
    assigned_at: datetime


class Assignments(BaseModel):
    """Everybody on a trip."""

    items: list[Assignment]


class NewAssignment(Given):
    """Who is to come, as what."""

    person: Id
    duty: Duty = "guide"


_ASSIGNMENTS = """
SELECT a.trip_id, t.code AS trip, a.contact_id AS person_id, c.name AS person, a.duty, a.status, a.assigned_at
FROM trip_assignments a
JOIN trips t ON t.tenant_id = $1 AND t.trip_id = a.trip_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = a.contact_id
WHERE a.tenant_id = $1 AND a.trip_id = $2 ORDER BY a.contact_id
"""


@ROUTES.get("/trips/{trip}/assignments", "List who is on a trip", scope="trips:read", roles=STAFF)
async def list_assignments(asked: Asked, trip: Id) -> Assignments:
    """Everybody who is or was on a trip, by their number."""
    await TRIPS.show(asked, trip)
    rows = await asked.db.fetch(_ASSIGNMENTS, asked.tenant, trip)
    return Assignments(items=[Assignment.model_validate(dict(row.items())) for row in rows])


@ROUTES.post("/trips/{trip}/assignments", "Assign somebody to a trip", scope="trips:write",
             roles=roles_with("assign_staff"))  # fmt: skip
async def assign_staff(asked: Asked, trip: Id, body: NewAssignment) -> Assignments:
    """Assign somebody to a trip; they hear of it on WhatsApp."""
    await TRIPS.show(asked, trip)
    await serve(asked, "staff.assign", body, trip=trip)
    return await list_assignments(asked, trip)


@ROUTES.post("/trips/{trip}/assignments/{person}/release", "Take somebody off a trip", scope="trips:write",
             roles=roles_with("assign_staff"))  # fmt: skip
async def release_staff(asked: Asked, trip: Id, person: Id) -> Assignments:
    """Take somebody off a trip; they hear of it on WhatsApp."""
    await TRIPS.show(asked, trip)
    await serve(asked, "staff.release", Given(), trip=trip, person=person)
    return await list_assignments(asked, trip)


# --- Check-ins --------------------------------------------------------------------------------------------------------

CheckInKind = Literal["STARTED", "CHECKPOINT", "DAY_REPORT", "FINISHED"]


class CheckIn(BaseModel):
    """A word from a trip."""

    id: int
    trip_id: int
    trip: str
    contact_id: int
    person: str
    kind: CheckInKind
    place: dict[str, Any] | None = Field(description="`latitude` and `longitude` in WGS 84 degrees, `name`")
    note: str
    media: list[Any]
    created_at: datetime


class NewCheckIn(Given):
    """A word from a trip. The token must be somebody's who is on it."""

    trip: Id
    kind: CheckInKind = "CHECKPOINT"
    note: Words = ""
    latitude: Annotated[float | None, Field(ge=-90, le=90)] = None
    longitude: Annotated[float | None, Field(ge=-180, le=180)] = None
    place: Annotated[str, Field(max_length=200)] = ""


_CHECK_INS = """
SELECT i.check_in_id AS id, i.trip_id, t.code AS trip, i.contact_id, c.name AS person, i.kind, i.place, i.note, i.media,
       i.created_at
FROM check_ins i
JOIN trips t ON t.tenant_id = $1 AND t.trip_id = i.trip_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = i.contact_id
WHERE i.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/check-ins", one="check_in", model=CheckIn, select=_CHECK_INS, key="i.check_in_id",
    table="check_ins", roles=FIELD, documents=("place", "media"),
    filters={"trip": Filter(kind=Id, condition="i.trip_id = {}")},
).listed().shown().created("check_ins.create", NewCheckIn)  # fmt: skip


# --- Incidents --------------------------------------------------------------------------------------------------------

IncidentStatus = Literal["OPEN", "ACKNOWLEDGED", "RESOLVED"]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]


class Incident(BaseModel):
    """Something went wrong on a trip."""

    id: int
    code: str
    status: IncidentStatus
    severity: Severity
    trip_id: int
    trip: str
    contact_id: int
    reporter: str
    description: str
    place: dict[str, Any] | None
    media: list[Any]
    resolution: str | None
    acknowledged_by: int | None
    acknowledged_at: datetime | None
    created_at: datetime
    resolved_at: datetime | None


class NewIncident(Given):
    """What went wrong. Field staff report for trips they are on."""

    trip: Id
    text: NeededWords
    severity: Severity = "MEDIUM"


class Update(Given):
    """News of an incident: for the crew, and in public words for the customers."""

    text: NeededWords
    public: Annotated[str, Field(max_length=2000, description="What the trip's customers are told; empty: nothing")] = (
        ""
    )


class Note(Given):
    """Words for the file."""

    text: NeededWords


class Resolution(Given):
    """How it ended."""

    note: Words = ""
    public: Annotated[str, Field(max_length=2000, description="What the trip's customers are told; empty: nothing")] = (
        ""
    )


class HowBad(Given):
    """How bad it is."""

    severity: Severity


class IncidentUpdate(BaseModel):
    """What was written to an incident."""

    id: int
    text: str
    public: str
    author_id: int | None
    source: str
    created_at: datetime


_INCIDENTS = """
SELECT i.incident_id AS id, 'INC' || i.incident_id AS code, i.status, i.severity, i.trip_id, t.code AS trip,
       i.contact_id, c.name AS reporter, i.description, i.place, i.media, i.resolution, i.acknowledged_by,
       i.acknowledged_at, i.created_at, i.resolved_at
FROM incidents i
JOIN trips t ON t.tenant_id = $1 AND t.trip_id = i.trip_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = i.contact_id
WHERE i.tenant_id = $1
"""
INCIDENTS = (
    Collection(
        routes=ROUTES, path="/incidents", one="incident", model=Incident, select=_INCIDENTS, key="i.incident_id",
        table="incidents", roles=FIELD, documents=("place", "media"),
        filters={
            "status": Filter(kind=IncidentStatus, condition="i.status = {}"),
            "severity": Filter(kind=Severity, condition="i.severity = {}"),
            "trip": Filter(kind=Id, condition="i.trip_id = {}"),
        },
    )
    .listed().shown().created("incidents.create", NewIncident)
    .verb("acknowledge", "incidents.acknowledge", "incident").verb("update", "incidents.update", "incident", Update)
    .verb("note", "incidents.note", "incident", Note).verb("resolve", "incidents.resolve", "incident", Resolution)
    .verb("reopen", "incidents.reopen", "incident", Reason)
    .verb("severity", "incidents.set_severity", "incident", HowBad)
)  # fmt: skip

_UPDATES = """
SELECT u.update_id AS id, u.text, u.public, u.author_id, u.source, u.created_at FROM incident_updates u
WHERE u.tenant_id = $1 AND u.incident_id = $2 AND u.update_id < $3 ORDER BY u.update_id DESC LIMIT $4
"""


@ROUTES.get("/incidents/{incident}/updates", "List what was written to an incident", scope="incidents:read",
            roles=FIELD)  # fmt: skip
async def list_incident_updates(asked: Asked, incident: Id, query: PageQuery) -> Page[IncidentUpdate]:
    """What was written to an incident, newest first."""
    await INCIDENTS.show(asked, incident)
    return await page(asked.db, asked.tenant, IncidentUpdate, _UPDATES, query, incident)
