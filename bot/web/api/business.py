"""Leads, quotes, bookings, payments, approvals and feedback."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter
from bot.web.api.route import Given, Id, Routes

ROUTES = Routes()

SALES = ("sales", "operations", "manager")
Words = Annotated[str, Field(max_length=2000)]
NeededWords = Annotated[str, Field(min_length=1, max_length=2000)]
Amount = Annotated[
    str, Field(pattern=r"^\d{1,12}(\.\d{1,2})?$", description="A decimal, like 1450.00", examples=["1450.00"])
]
Price = Annotated[
    str,
    Field(pattern=r"^-?\d{1,9}(\.\d{1,2})?$", description="A decimal; below zero: a discount", examples=["1450.00"]),
]
Month = Annotated[str, Field(pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$", description="YYYY-MM, or empty when not known")]
People = Annotated[int, Field(ge=1, le=1000)]


class Person(BaseModel):
    """Somebody, by number and name."""

    id: int
    name: str


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


class Reason(Given):
    """Why."""

    reason: Words = ""


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


# --- Bookings ---------------------------------------------------------------------------------------------------------

BookingStatus = Literal["PENDING", "CONFIRMED", "COMPLETED", "EXPIRED", "CANCELLED"]


class Booking(BaseModel):
    """A sale."""

    id: int
    code: str
    status: BookingStatus
    contact_id: int
    customer: str
    lead_id: int | None
    quote_id: int | None
    trip_id: int | None
    trip: str | None
    starts_on: date | None
    people: int
    currency: str
    total: Decimal
    paid: Decimal
    due: Decimal
    hold_until: datetime = Field(description="Seats of an unpaid booking are free again after this")
    reason: str | None = Field(description="Why it was cancelled")
    created_at: datetime
    confirmed_at: datetime | None


class NewBooking(Given):
    """Books what was quoted."""

    quote: Id
    trip: Annotated[Id | None, Field(description="The departure; unset: the quote's")] = None


class ChangeBooking(Given):
    """What is to be different."""

    people: People | None = None
    trip: Id | None = None
    total: Amount | None = None


class Wish(Given):
    """What a customer would like to be different."""

    text: NeededWords


class Received(Given):
    """Money that came another way: cash, a bank transfer."""

    amount: Amount
    note: Annotated[str, Field(max_length=300)] = ""


_BOOKINGS = """
SELECT b.booking_id AS id, 'BKG' || b.booking_id AS code, b.status, b.contact_id, c.name AS customer, b.lead_id,
       b.quote_id, b.trip_id, t.code AS trip, t.starts_on, b.people, b.currency, b.total, b.paid,
       greatest(b.total - b.paid, 0.00) AS due, b.hold_until, b.reason, b.created_at, b.confirmed_at
FROM bookings b
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = b.contact_id
LEFT JOIN trips t ON t.tenant_id = $1 AND t.trip_id = b.trip_id
WHERE b.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/bookings", one="booking", model=Booking, select=_BOOKINGS, key="b.booking_id",
    dated="b.created_at",
    table="bookings", roles=SALES,
    filters={
        "status": Filter(kind=BookingStatus, condition="b.status = {}"),
        "trip": Filter(kind=Id, condition="b.trip_id = {}"),
        "contact": Filter(kind=Id, condition="b.contact_id = {}"),
    },
).listed().shown().created("bookings.create", NewBooking).verb(
    "change", "bookings.change", "booking", ChangeBooking
).verb("ask-change", "bookings.ask_change", "booking", Wish).verb(
    "cancel", "bookings.cancel", "booking", Reason
).verb("complete", "bookings.complete", "booking").verb("payments", "payments.record", "booking", Received)  # fmt: skip


# --- Payments ---------------------------------------------------------------------------------------------------------

PaymentStatus = Literal["PENDING", "PAID", "REFUNDED", "EXPIRED", "CANCELLED"]


class Payment(BaseModel):
    """Money for a booking: asked for by a link, or received otherwise."""

    id: int
    code: str
    status: PaymentStatus
    booking_id: int
    amount: Decimal
    currency: str
    gateway: str
    link: str | None = Field(None, description="Where to pay; shown to who asks for the payment, null afterwards")
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


class PaymentRequest(Given):
    """Which booking is to be paid."""

    booking: Id


_PAYMENTS = """
SELECT p.payment_id AS id, 'PAY' || p.payment_id AS code, p.status, p.booking_id, p.amount, p.currency, p.gateway,
       p.created_at, p.expires_at, p.paid_at
FROM payments p WHERE p.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/payments", one="payment", model=Payment, select=_PAYMENTS, key="p.payment_id",
    dated="p.created_at",
    table="payments", roles=SALES,
    filters={
        "status": Filter(kind=PaymentStatus, condition="p.status = {}"),
        "booking": Filter(kind=Id, condition="p.booking_id = {}"),
    },
).listed().shown().created("payments.request", PaymentRequest, "link").verb(
    "refund", "payments.refund", "payment"
)  # fmt: skip


# --- Approvals, feedback ----------------------------------------------------------------------------------------------


class Approval(BaseModel):
    """A question to the managers."""

    id: int
    code: str
    status: Literal["PENDING", "APPROVED", "REJECTED", "WITHDRAWN"]
    object_type: str
    object_id: int
    subject: str
    amount: Decimal | None
    currency: str | None
    requested_by: int | None
    decided_by: int | None
    note: str
    created_at: datetime
    decided_at: datetime | None


class NewApproval(Given):
    """A question to the managers, about anything."""

    object_type: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]
    object_id: Id
    subject: Annotated[str, Field(min_length=1, max_length=500)]


class Decision(Given):
    """Yes or no, and why."""

    approve: bool
    note: Words = ""


_APPROVALS = """
SELECT a.approval_id AS id, 'APR' || a.approval_id AS code, a.status, a.object_type, a.object_id, a.subject, a.amount,
       a.currency, a.requested_by, a.decided_by, a.note, a.created_at, a.decided_at
FROM approvals a WHERE a.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/approvals", one="approval", model=Approval, select=_APPROVALS, key="a.approval_id",
    dated="a.created_at",
    table="approvals", roles=("manager",),
    filters={
        "status": Filter(kind=Literal["PENDING", "APPROVED", "REJECTED", "WITHDRAWN"], condition="a.status = {}")
    },
).listed().shown().created("approvals.request", NewApproval).verb(
    "decide", "approvals.decide", "approval", Decision
)  # fmt: skip


class Feedback(BaseModel):
    """What a customer thought of it."""

    id: int
    status: Literal["NEW", "HANDLED"]
    contact_id: int
    customer: str
    booking_id: int | None
    rating: int
    comment: str
    created_at: datetime
    handled_at: datetime | None


class NewFeedback(Given):
    """What a customer thinks of it; the token must be that customer's."""

    rating: Annotated[int, Field(ge=1, le=5)]
    comment: Words = ""
    booking: Id | None = None


_FEEDBACK = """
SELECT f.feedback_id AS id, f.status, f.contact_id, c.name AS customer, f.booking_id, f.rating, f.comment, f.created_at,
       f.handled_at
FROM feedback f JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = f.contact_id
WHERE f.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/feedback", one="feedback", model=Feedback, select=_FEEDBACK, key="f.feedback_id",
    dated="f.created_at",
    table="feedback", roles=("sales", "manager"),
    filters={"status": Filter(kind=Literal["NEW", "HANDLED"], condition="f.status = {}")},
).listed().shown().created("feedback.give", NewFeedback).verb("handle", "feedback.handle", "feedback")  # fmt: skip
