"""The timeline, the audit log, message templates and broadcasts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter
from bot.web.api.route import Id, Routes

ROUTES = Routes()

STAFF = ("sales", "operations", "field_staff", "manager")
Name = Annotated[str, Field(max_length=100)]


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


class Broadcast(BaseModel):
    """A message to many."""

    id: int
    name: str
    status: str
    template: str
    segment: dict[str, Any]
    scheduled_at: datetime | None
    created_at: datetime


_BROADCASTS = """
SELECT b.broadcast_id AS id, b.name, b.status, b.template, b.segment, b.scheduled_at, b.created_at
FROM whatsapp_broadcast_lists b WHERE b.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/broadcasts", one="broadcast", model=Broadcast, select=_BROADCASTS, key="b.broadcast_id",
    table="whatsapp_broadcast_lists", roles=("operations", "manager"), documents=("segment",),
    filters={"status": Filter(kind=Name, condition="b.status = {}")},
).listed().shown()  # fmt: skip
