"""Bookings, what is paid for them, and what customers thought of it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter
from bot.web.api.route import Given, Id, Routes
from bot.web.api.values import SALES, Amount, NeededWords, People, Reason, Words

ROUTES = Routes()


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


# --- Feedback ---------------------------------------------------------------------------------------------------------


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
