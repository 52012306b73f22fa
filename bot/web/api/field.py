"""What comes from the field: check-ins, incidents, and the files that belong to them."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.core.filetypes import extension, safe_name
from bot.operations.permissions import roles_with
from bot.operations.terms import terms_of
from bot.runtime.files import StoredFile
from bot.runtime.links import Links
from bot.web.api.collections import Collection, Filter, acting_for, serve
from bot.web.api.paging import Page, PageQuery, page
from bot.web.api.problems import Problem
from bot.web.api.route import Asked, Given, Id, Routes
from bot.web.api.values import NeededWords, Reason, Words

ROUTES = Routes()

FIELD = ("operations", "field_staff", "manager")
LINK_LASTS = timedelta(hours=1)


# --- Files ------------------------------------------------------------------------------------------------------------


class File(BaseModel):
    """A file that somebody sent, or we did. Its number is that of the message it came with."""

    id: int
    status: Literal["REFERENCED", "STORED", "EXPIRED", "FAILED"] = Field(description="Only STORED ones are here")
    kind: str
    mime_type: str
    size_bytes: int | None
    filename: str = Field(description="Safe to use, but chosen by its sender")
    conversation_id: int | None
    link: str | None = Field(description="Where it is, for an hour; null: it is not here, or BOT_PUBLIC_URL is unset")
    created_at: datetime


_FILE = """
SELECT media_id AS id, status, kind, mime_type, size_bytes, filename, conversation_id, created_at, stored_at,
       encode(sha256, 'hex') AS sha256
FROM whatsapp_media WHERE tenant_id = $1 AND media_id = $2
"""


@ROUTES.get("/files/{file}", "Show a file", scope="files:read", roles=FIELD)
async def show_file(asked: Asked, file: Id) -> File:
    """What a file is, and a link to it: that of an incident's or check-in's `media`, or of a message."""
    row = await asked.db.fetchrow(_FILE, asked.tenant, file)
    if row is None:
        raise Problem("not_found", f"There is no file {file}.")
    found = dict(row.items())
    name = safe_name(row["filename"], f"{row['kind']}-{row['id']}.{extension(row['mime_type'])}")
    base = (await terms_of(acting_for(asked))).public_url
    link = None
    if base and row["status"] == "STORED" and row["stored_at"] is not None and row["sha256"] is not None:
        stored = StoredFile(
            media_id=row["id"], kind=row["kind"], mime_type=row["mime_type"], size_bytes=row["size_bytes"] or 0,
            sha256=row["sha256"], filename=name, key=row["stored_at"],
        )  # fmt: skip
        links = Links(base_url=base, ticket=asked.vault.ticket, ticketed=asked.vault.ticketed)
        link = links.link(asked.tenant, stored, asked.at + LINK_LASTS)
    return File.model_validate({**found, "filename": name, "link": link})


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
    media: Annotated[list[Annotated[str, Field(pattern=r"^\d{1,18}$")]], Field(max_length=20)] = Field(
        default_factory=list, description="Numbers of files, as text"
    )


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
    dated="i.created_at",
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


class Attachment(Given):
    """A file that shows it."""

    media_id: Annotated[str, Field(pattern=r"^\d{1,18}$", description="Number of a file, as text")]


class Place(Given):
    """Where it is, WGS 84."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


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
    dated="i.created_at",
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
    .verb("place", "incidents.set_place", "incident", Place)
)  # fmt: skip


@ROUTES.post("/incidents/{incident}/media", "Add a file to an incident", scope="incidents:write",
             roles=roles_with("upload_media", "handle_incidents"))  # fmt: skip
async def add_incident_media(asked: Asked, incident: Id, body: Attachment) -> Incident:
    """Add a photo or other file that somebody sent to an incident."""
    await INCIDENTS.show(asked, incident)
    await show_file(asked, int(body.media_id))
    await serve(asked, "incidents.add_media", body, incident=incident)
    return Incident.model_validate((await INCIDENTS.show(asked, incident)).model_dump())


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
