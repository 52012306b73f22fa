"""Leads and quotes."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter
from bot.web.api.route import Given, Id, Routes
from bot.web.api.values import SALES, Amount, Month, People, Price, Reason, Words

ROUTES = Routes()


# --- Leads ------------------------------------------------------------------------------------------------------------


class Lead(BaseModel):
    """Somebody's interest in something."""

    id: int
    code: str
    status: Literal["NEW", "QUOTED", "CONVERTED", "LOST"]
    contact_id: int
    customer: str
    conversation_id: int | None
    trek_id: int | None
    trek: str | None
    people: int | None
    month: str | None
    assignee_id: int | None
    assignee: str | None
    source: str
    note: str
    reason: str | None = Field(description="Why it was lost")
    created_at: datetime


class NewLead(Given):
    """What somebody is interested in."""

    trek: Id
    people: People
    month: Month = ""
    note: Words = ""
    contact: Annotated[Id | None, Field(description="Whose; unset: the token's own person")] = None


class Assign(Given):
    """To whom; unset: whoever is there and has the fewest."""

    to: Id | None = None


_LEADS = """
SELECT l.lead_id AS id, 'LEAD' || l.lead_id AS code, l.status, l.contact_id, c.name AS customer, l.conversation_id,
       l.trek_id, k.name AS trek, l.people, l.month, l.assignee_id, a.name AS assignee, l.source, l.note, l.reason,
       l.created_at
FROM leads l
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = l.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
LEFT JOIN contacts a ON a.tenant_id = $1 AND a.contact_id = l.assignee_id
WHERE l.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/leads", one="lead", model=Lead, select=_LEADS, key="l.lead_id",
    dated="l.created_at", table="leads", roles=SALES,
    filters={
        "status": Filter(kind=Literal["NEW", "QUOTED", "CONVERTED", "LOST"], condition="l.status = {}"),
        "assignee": Filter(kind=Id, condition="l.assignee_id = {}"),
        "contact": Filter(kind=Id, condition="l.contact_id = {}"),
    },
).listed().shown().created("leads.create", NewLead).verb("assign", "leads.assign", "lead", Assign).verb(
    "lose", "leads.lose", "lead", Reason
).verb("reopen", "leads.reopen", "lead")  # fmt: skip


# --- Quotes -----------------------------------------------------------------------------------------------------------


class QuoteItem(BaseModel):
    """A line of a quote."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


QuoteStatus = Literal[
    "DRAFT", "SUBMITTED", "APPROVED", "SENT", "ACCEPTED", "DECLINED", "EXPIRED", "REPLACED", "WITHDRAWN"
]


class Quote(BaseModel):
    """What we offer somebody."""

    id: int
    code: str
    version: int
    status: QuoteStatus
    lead_id: int
    contact_id: int
    customer: str
    trek: str | None
    month: str | None
    people: int
    trip_id: int | None
    trip: str | None
    currency: str
    total: Decimal
    items: list[QuoteItem]
    note: str
    author_id: int | None
    valid_until: datetime
    created_at: datetime
    sent_at: datetime | None
    decided_at: datetime | None


class NewItem(Given):
    """A line of a quote to be."""

    description: Annotated[str, Field(min_length=1, max_length=300)]
    quantity: Amount = "1"
    unit_price: Price


class NewQuote(Given):
    """A quote to be, for a lead. Without items, the trek at `price` for everybody."""

    lead: Id
    items: Annotated[list[NewItem] | None, Field(min_length=1, max_length=50)] = None
    price: Annotated[Amount | None, Field(description="Per person; unset: the trek's")] = None
    currency: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$")] = None
    people: People | None = None
    trip: Id | None = None
    days: Annotated[int | None, Field(ge=1, le=366, description="How long it is good for once sent")] = None
    note: Words = ""


_QUOTES = """
SELECT q.quote_id AS id, 'QUO' || q.quote_id AS code, q.version, q.status, q.lead_id, q.contact_id, c.name AS customer,
       k.name AS trek, l.month, q.people, q.trip_id, t.code AS trip, q.currency, q.total,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                     'description', i.description, 'quantity', i.quantity::text, 'unit_price', i.unit_price::text,
                     'amount', round(i.quantity * i.unit_price, 2)::text) ORDER BY i.position)
                 FROM quote_items i WHERE i.tenant_id = $1 AND i.quote_id = q.quote_id), '[]') AS items,
       q.note, q.author_id, q.valid_until, q.created_at, q.sent_at, q.decided_at
FROM quotes q
JOIN leads l ON l.tenant_id = $1 AND l.lead_id = q.lead_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = q.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
LEFT JOIN trips t ON t.tenant_id = $1 AND t.trip_id = q.trip_id
WHERE q.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/quotes", one="quote", model=Quote, select=_QUOTES, key="q.quote_id",
    dated="q.created_at", table="quotes",
    roles=SALES, documents=("items",),
    filters={
        "status": Filter(kind=QuoteStatus, condition="q.status = {}"),
        "lead": Filter(kind=Id, condition="q.lead_id = {}"),
        "contact": Filter(kind=Id, condition="q.contact_id = {}"),
    },
).listed().shown().created("quotes.draft", NewQuote).verb("send", "quotes.send", "quote").verb(
    "accept", "quotes.accept", "quote"
).verb("decline", "quotes.decline", "quote", Reason).verb("withdraw", "quotes.withdraw", "quote")  # fmt: skip
