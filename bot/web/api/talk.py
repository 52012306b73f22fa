"""Conversations, their messages, and why each was answered as it was."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.operations.permissions import roles_with
from bot.web.api.collections import Collection, Filter, serve
from bot.web.api.paging import Page, PageQuery, cut, place_of
from bot.web.api.problems import Problem
from bot.web.api.route import Asked, Given, Id, Routes

ROUTES = Routes()

DESK = ("sales", "operations", "manager")


class Conversation(BaseModel):
    """What one person and one of our numbers say to each other."""

    id: int
    contact_id: int
    contact: str
    channel_id: int
    status: Literal["ACTIVE", "EXPIRED"]
    state: str = Field(description="`flow.state` of what talks to them; empty: nothing does")
    owner: str = Field(description="Who answers: `bot`, `paused`, or `person:` and who")
    last_inbound_at: datetime | None
    updated_at: datetime
    created_at: datetime


class Reply(Given):
    """What a colleague says to somebody, in their own words."""

    text: Annotated[str, Field(min_length=1, max_length=4096)]


_CONVERSATIONS = """
SELECT w.conversation_id AS id, w.contact_id, c.name AS contact, w.channel_id, w.status, w.state,
       coalesce('person:' || h.taken_by, w.snapshot ->> 'owner', 'bot') AS owner, w.last_inbound_at, w.updated_at,
       w.created_at
FROM whatsapp_conversations w JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = w.contact_id
LEFT JOIN handoffs h ON h.tenant_id = $1 AND h.conversation_id = w.conversation_id AND h.status = 'TAKEN'
WHERE w.tenant_id = $1
"""
CONVERSATIONS = Collection(
    routes=ROUTES, path="/conversations", one="conversation", model=Conversation, select=_CONVERSATIONS,
    key="w.conversation_id",
    dated="w.created_at", table="whatsapp_conversations", roles=DESK,
    filters={
        "contact": Filter(kind=Id, condition="w.contact_id = {}"),
        "status": Filter(kind=Literal["ACTIVE", "EXPIRED"], condition="w.status = {}"),
    },
).listed().shown().verb("take", "conversations.take", "conversation").verb(
    "give-back", "conversations.give_back", "conversation"
).verb("pause", "conversations.pause", "conversation")  # fmt: skip


class Message(BaseModel):
    """A message, in or out."""

    id: int
    conversation_id: int
    direction: Literal["INBOUND", "OUTBOUND"]
    status: str
    kind: str
    content: dict[str, Any]
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    error_code: int | None
    error_detail: str | None


class Trace(BaseModel):
    """Why a turn went as it did: rules tried, guards, moves, calls, what was said."""

    message_id: int
    created_at: datetime
    steps: list[dict[str, Any]]


# By conversation and time, as its index has it.
_OF_CONVERSATION = """
SELECT m.message_id AS id, m.conversation_id, m.direction, m.status, m.kind, m.content, m.created_at, m.sent_at,
       m.delivered_at, m.read_at, m.failed_at, m.error_code, m.error_detail
FROM whatsapp_messages m
WHERE m.conversation_id = $2 AND (m.created_at, m.message_id) < ($3, $4) AND m.tenant_id = $1
ORDER BY m.created_at DESC, m.message_id DESC LIMIT $5
"""
_ONE = """
SELECT m.message_id AS id, m.conversation_id, m.direction, m.status, m.kind, m.content, m.created_at, m.sent_at,
       m.delivered_at, m.read_at, m.failed_at, m.error_code, m.error_detail
FROM whatsapp_messages m WHERE m.tenant_id = $1 AND m.message_id = $2
"""
_TRACES = """
SELECT message_id, created_at, trace FROM turn_traces WHERE tenant_id = $1 AND message_id = $2 ORDER BY event_id LIMIT 1
"""
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_END = datetime.fromisoformat("9999-12-31T00:00:00+00:00")


@ROUTES.get("/conversations/{conversation}/messages", "List a conversation's messages", scope="messages:read",
            roles=DESK)  # fmt: skip
async def list_messages(asked: Asked, conversation: Id, query: PageQuery) -> Page[Message]:
    """What was said in a conversation, newest first."""
    await CONVERSATIONS.show(asked, conversation)
    micros, number = place_of(query.cursor, 2)
    before = min(_instant(micros), _END)
    rows = await asked.db.fetch(_OF_CONVERSATION, asked.tenant, conversation, before, number, query.limit + 1)
    places = [(_micros(row["created_at"]), row["id"]) for row in rows]
    items, after = cut([_message(row) for row in rows], query.limit, places)
    return Page[Message](items=items, next=after)


@ROUTES.get("/messages/{message}", "Show a message", scope="messages:read", roles=DESK)
async def show_message(asked: Asked, message: Id) -> Message:
    """A message, and how far it has come."""
    row = await asked.db.fetchrow(_ONE, asked.tenant, message)
    if row is None:
        raise Problem("not_found", f"There is no message {message}.")
    return _message(row)


@ROUTES.get("/messages/{message}/trace", "Tell why a message was answered as it was", scope="messages:read", roles=DESK)
async def show_trace(asked: Asked, message: Id) -> Trace:
    """Why a message from somebody was answered as it was."""
    row = await asked.db.fetchrow(_TRACES, asked.tenant, message)
    if row is None:
        raise Problem("not_found", f"No turn was taken for a message {message}.")
    return Trace(message_id=row["message_id"], created_at=row["created_at"], steps=json.loads(row["trace"]))


@ROUTES.post("/conversations/{conversation}/reply", "Answer somebody in one's own words", scope="conversations:write",
             roles=roles_with("create_leads", "manage_trips"))  # fmt: skip
async def reply(asked: Asked, conversation: Id, body: Reply) -> Message:
    """Answer somebody in one's own words, within 24 hours of theirs. Takes the conversation if the bot has it."""
    await CONVERSATIONS.show(asked, conversation)
    said = await serve(asked, "conversations.reply", body, conversation=conversation)
    return await show_message(asked, said["message_id"])


class Handoff(BaseModel):
    """A conversation that a person has, had, or should have."""

    id: int
    conversation_id: int
    contact_id: int
    contact: str
    status: Literal["WAITING", "TAKEN", "RETURNED"]
    role: str | None = Field(description="Whose turn it is; null: somebody took it unasked")
    reason: str
    asked_at: datetime
    due_at: datetime | None = Field(description="By when somebody has to answer, in hours of business")
    overdue_at: datetime | None
    taken_by: str | None = Field(description="`contact:17`, `token:3`, `phone`")
    taken_at: datetime | None
    keep_until: datetime | None = Field(description="The bot's again after this, unless the person says something")
    returned_at: datetime | None


_HANDOFFS = """
SELECT h.handoff_id AS id, h.conversation_id, w.contact_id, c.name AS contact, h.status, h.role, h.reason, h.asked_at,
       h.due_at, h.overdue_at, h.taken_by, h.taken_at, h.keep_until, h.returned_at
FROM handoffs h
JOIN whatsapp_conversations w ON w.tenant_id = $1 AND w.conversation_id = h.conversation_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = w.contact_id
WHERE h.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/handoffs", one="handoff", model=Handoff, select=_HANDOFFS, key="h.handoff_id",
    dated="h.asked_at",
    table="handoffs", roles=DESK,
    filters={
        "status": Filter(kind=Literal["WAITING", "TAKEN", "RETURNED"], condition="h.status = {}"),
        "role": Filter(kind=Annotated[str, Field(max_length=40)], condition="h.role = {}"),
        "conversation": Filter(kind=Id, condition="h.conversation_id = {}"),
        "overdue": Filter(kind=bool, condition="(h.overdue_at IS NOT NULL AND h.status = 'WAITING') = {}"),
    },
).listed().shown()  # fmt: skip


def _message(row: Any) -> Message:
    return Message.model_validate({**dict(row.items()), "content": json.loads(row["content"])})


def _micros(at: datetime) -> int:
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _instant(micros: int) -> datetime:
    most = _micros(_END)
    return _EPOCH + timedelta(microseconds=min(micros, most))
