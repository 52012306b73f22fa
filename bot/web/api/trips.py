"""Treks, trips and their departures, and who is assigned."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.operations.permissions import roles_with
from bot.web.api.collections import Collection, Filter, serve
from bot.web.api.route import Asked, Given, Id, Routes
from bot.web.api.values import Amount, Month, NeededWords, People, Reason

ROUTES = Routes()

STAFF = ("sales", "operations", "field_staff", "manager")


class Trek(BaseModel):
    """What is on offer."""

    id: int
    name: str
    synonyms: list[str]
    days: int | None
    price: Decimal | None
    currency: str


TrekName = Annotated[str, Field(min_length=1, max_length=100)]
Synonyms = Annotated[list[TrekName], Field(max_length=30, description="What else people call it")]
Days = Annotated[int, Field(ge=1, le=366)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class NewTrek(Given):
    """Something to be on offer."""

    name: TrekName
    synonyms: Synonyms = Field(default_factory=list)
    days: Days | None = None
    price: Annotated[Amount | None, Field(description="Per person; unset: it differs")] = None
    currency: Annotated[Currency | None, Field(description="Unset: the business's")] = None


class ChangeTrek(Given):
    """What is to be different; quotes that were made keep their prices."""

    name: TrekName | None = None
    synonyms: Synonyms | None = None
    days: Days | None = None
    price: Annotated[Amount | Literal[""] | None, Field(description="Empty: it differs")] = None
    currency: Currency | None = None


class Departure(BaseModel):
    """A trip with room."""

    id: int
    code: str
    starts_on: date
    ends_on: date | None
    free: int | None = Field(description="Seats; null: as many as want to come")


class Departures(BaseModel):
    """The next ones, the soonest first."""

    items: list[Departure]


class DeparturesQuery(Given):
    """For how many, and when."""

    people: People = 1
    month: Month = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 20


_TREKS = """
SELECT k.trek_id AS id, k.name, k.synonyms, k.days, k.price, k.currency FROM treks k WHERE k.tenant_id = $1
"""
TREKS = (
    Collection(
        routes=ROUTES, path="/treks", one="trek", model=Trek, select=_TREKS, key="k.trek_id", table="treks",
        roles=STAFF, filters={"name": Filter(kind=TrekName, condition="lower(k.name) = lower({})")},
    )
    .listed().shown().created("treks.add", NewTrek).verb("change", "treks.change", "trek", ChangeTrek)
)  # fmt: skip


@ROUTES.get("/treks/{trek}/departures", "List a trek's next departures with room", scope="trips:read")
async def list_departures(asked: Asked, trek: Id, query: DeparturesQuery) -> Departures:
    """The next departures of a trek that have room for a party, the soonest first."""
    await TREKS.show(asked, trek)
    found = await serve(
        asked, "trips.departures", Given(), trek=trek, month=query.month, people=query.people, most=query.limit
    )
    return Departures.model_validate(found)


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
            "person": Filter(
                kind=Id,
                condition="EXISTS (SELECT FROM trip_assignments a WHERE a.tenant_id = $1 AND a.trip_id = t.trip_id"
                " AND a.contact_id = {} AND a.status IN ('ASSIGNED', 'CONFIRMED'))",
            ),
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


class Free(BaseModel):
    """Somebody who could work on a trip."""

    id: int
    name: str


class FreeStaff(BaseModel):
    """Who could work on a trip."""

    items: list[Free]


@ROUTES.get("/trips/{trip}/free-staff", "List who could work on a trip", scope="trips:read",
            roles=roles_with("assign_staff"))  # fmt: skip
async def list_free_staff(asked: Asked, trip: Id) -> FreeStaff:
    """Field staff that is neither away nor on another trip then, by name."""
    await TRIPS.show(asked, trip)
    return FreeStaff.model_validate(await serve(asked, "staff.free", Given(), trip=trip, most=1000))


@ROUTES.post("/trips/{trip}/confirm", "Agree to work on a trip", scope="trips:write", roles=roles_with("check_in"))
async def confirm_assignment(asked: Asked, trip: Id) -> Assignments:
    """The token's own person agrees to work on a trip; operations hears of it."""
    await TRIPS.show(asked, trip)
    await serve(asked, "staff.confirm", Given(), trip=trip)
    return await list_assignments(asked, trip)


@ROUTES.post("/trips/{trip}/decline", "Say that one cannot work on a trip", scope="trips:write",
             roles=roles_with("check_in"))  # fmt: skip
async def decline_assignment(asked: Asked, trip: Id, body: Reason) -> Assignments:
    """The token's own person cannot work on a trip; operations hears of it."""
    await TRIPS.show(asked, trip)
    await serve(asked, "staff.decline", body, trip=trip)
    return await list_assignments(asked, trip)
