"""The timeline, the audit log, message templates and broadcasts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter, serve
from bot.web.api.paging import PageQuery, cut, place_of
from bot.web.api.route import Asked, Given, Id, Routes

ROUTES = Routes()

STAFF = ("sales", "operations", "field_staff", "manager")
Name = Annotated[str, Field(max_length=100)]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]] | None, Field(max_length=100)]
Hour = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class TimelineEntry(BaseModel):
    """Something that happened to a business object."""

    id: int
    object_type: str
    object_id: int
    event_type: Literal["SYSTEM", "MESSAGE", "NOTE", "STATUS"]
    source: Literal["WHATSAPP", "WEB", "API", "SYSTEM"]
    action: str = Field(description="What, in capitals: LEAD_CREATED")
    content: dict[str, Any]
    actor_id: int | None
    conversation_id: int | None
    created_at: datetime


_TIMELINE = """
SELECT e.entry_id AS id, e.object_type, e.object_id, e.event_type, e.source,
       coalesce(e.content ->> 'action', '') AS action, e.content, e.actor_id, e.conversation_id, e.created_at
FROM timeline_entries e WHERE e.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/timeline", one="timeline_entry", model=TimelineEntry, select=_TIMELINE, key="e.entry_id",
    dated="e.created_at",
    table="timeline_entries", roles=STAFF, documents=("content",),
    filters={
        "object_type": Filter(kind=Name, condition="e.object_type = {}"),
        "object_id": Filter(kind=Id, condition="e.object_id = {}"),
        "action": Filter(kind=Name, condition="e.content ->> 'action' = {}"),
        "source": Filter(kind=Literal["WHATSAPP", "WEB", "API", "SYSTEM"], condition="e.source = {}"),
    },
).listed().shown()  # fmt: skip


class AuditRecord(BaseModel):
    """Who did what."""

    id: int
    at: datetime
    actor: str = Field(description="`contact:17`, `token:3`, `bot`")
    action: str
    conversation_id: int | None
    detail: dict[str, Any]


_AUDIT = """
SELECT a.audit_id AS id, a.at, a.actor, a.action, a.conversation_id, a.detail
FROM whatsapp_audit_logs a WHERE a.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/audit", one="audit_entry", model=AuditRecord, select=_AUDIT, key="a.audit_id",
    dated="a.at",
    table="whatsapp_audit_logs", roles=("manager",), documents=("detail",),
    filters={
        "actor": Filter(kind=Name, condition="a.actor = {}"),
        "action": Filter(kind=Name, condition="a.action = {}"),
    },
).listed().shown()  # fmt: skip


class MessageTemplate(BaseModel):
    """A message template, as the provider has it."""

    id: int
    name: str
    language: str
    category: str
    status: str
    components: Any
    reason: str | None
    updated_at: datetime


_TEMPLATES = """
SELECT t.template_id AS id, t.name, t.language, t.category, t.status, t.components, t.reason, t.updated_at
FROM whatsapp_templates t WHERE t.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/templates", one="template", model=MessageTemplate, select=_TEMPLATES, key="t.template_id",
    table="whatsapp_templates", roles=("sales", "operations", "manager"), documents=("components",),
    filters={
        "name": Filter(kind=Name, condition="t.name = {}"),
        "status": Filter(kind=Name, condition="t.status = {}"),
    },
).listed().shown()  # fmt: skip


class Segment(Given):
    """Whom it is for; all that is given must hold."""

    languages: Names = None
    roles: Names = None
    leads: Names = None
    trips: Names = None
    active_days: Annotated[int | None, Field(ge=1, le=3650)] = None
    contacts: Annotated[list[Id] | None, Field(max_length=10_000)] = None


class NewBroadcast(Given):
    """A message to many, to be."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    template: Annotated[str, Field(min_length=1, max_length=512, description="Name of a message template")]
    segment: Segment = Field(default_factory=Segment)
    parameters: Annotated[
        list[Annotated[str, Field(max_length=1000)]], Field(max_length=20, description="{name}, {first_name:friend}")
    ] = Field(default_factory=list)
    marketing: Annotated[bool, Field(description="Only to who agreed to it")] = True
    per_minute: Annotated[int, Field(ge=1, le=60_000)] = 600
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", max_length=60)] = "UTC"
    not_before: Hour = "09:00"
    not_after: Hour = "20:00"


class Start(Given):
    """When it goes out; unset: now."""

    at: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$", max_length=25)] = ""


class Broadcast(BaseModel):
    """A message to many."""

    id: int
    code: str
    name: str
    status: str
    template: str
    segment: dict[str, Any]
    marketing: bool
    per_minute: int
    reason: str | None = Field(description="Why it paused by itself, or was refused")
    scheduled_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_BROADCASTS = """
SELECT b.broadcast_id AS id, 'BRC' || b.broadcast_id AS code, b.name, b.status, b.template, b.segment, b.marketing,
       b.per_minute, b.reason, b.scheduled_at, b.created_at, b.started_at, b.finished_at
FROM whatsapp_broadcast_lists b WHERE b.tenant_id = $1
"""
BROADCASTS = (
    Collection(
        routes=ROUTES, path="/broadcasts", one="broadcast", model=Broadcast, select=_BROADCASTS, key="b.broadcast_id",
    dated="b.created_at",
        table="whatsapp_broadcast_lists", roles=("operations", "manager"), documents=("segment",),
        filters={"status": Filter(kind=Name, condition="b.status = {}")},
    )
    .listed().shown().created("broadcasts.draft", NewBroadcast)
    .verb("start", "broadcasts.start", "broadcast", Start).verb("pause", "broadcasts.pause", "broadcast")
    .verb("resume", "broadcasts.resume", "broadcast").verb("cancel", "broadcasts.cancel", "broadcast")
    .verb("retry", "broadcasts.retry", "broadcast")
)  # fmt: skip


class Progress(BaseModel):
    """How far a broadcast has come."""

    number: int
    people: dict[str, int] = Field(description="How many recipients are pending, queued, sent, delivered, read…")


@ROUTES.get("/broadcasts/{broadcast}/progress", "Show how far a broadcast has come", scope="broadcasts:read",
            roles=("operations", "manager"))  # fmt: skip
async def show_progress(asked: Asked, broadcast: Id) -> Progress:
    """How many of a broadcast's recipients have come how far."""
    await BROADCASTS.show(asked, broadcast)
    status = await serve(asked, "broadcasts.status", Given(), broadcast=broadcast)
    return Progress(number=broadcast, people=status["progress"])


class Recipient(BaseModel):
    """One person of a broadcast, and what became of their message."""

    id: int = Field(description="Number of the contact")
    name: str
    status: str
    reason: str | None = Field(description="Why they were skipped, or it failed")
    error_code: int | None
    tries: int
    message_id: int | None


class RecipientQuery(PageQuery):
    """Which page, and of whom."""

    failed: Annotated[bool, Field(description="Only who was skipped or not reached")] = False


class Recipients(BaseModel):
    """Some of a broadcast's people, by the number of the contact."""

    items: list[Recipient]
    next: str | None = Field(None, description="`cursor` of the next page; null on the last one")


@ROUTES.get("/broadcasts/{broadcast}/recipients", "List what became of each recipient", scope="broadcasts:read",
            roles=("operations", "manager"))  # fmt: skip
async def list_recipients(asked: Asked, broadcast: Id, query: RecipientQuery) -> Recipients:
    """A broadcast's recipients, by the number of the contact, and what became of each."""
    await BROADCASTS.show(asked, broadcast)
    (after,) = place_of(query.cursor) if query.cursor is not None else (0,)
    found = await serve(
        asked, "broadcasts.people", Given(), broadcast=broadcast, after=after, failed=query.failed, most=query.limit + 1
    )
    people = [Recipient.model_validate({**one, "id": one["contact_id"]}) for one in found["items"]]
    items, more = cut(people, query.limit, [(one.id,) for one in people])
    return Recipients(items=items, next=more)
