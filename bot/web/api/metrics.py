"""What the days came to. docs/metrics.md and the views' comments say what each number means."""

import math
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.web.api.problems import FieldError, Problem
from bot.web.api.route import Asked, Given, Routes
from storage.postgres.metrics import ResponseTime, report

ROUTES = Routes()

_MOST_DAYS = 366
_USUAL_DAYS = 30


class Span(Given):
    """Which days, in UTC; both ends are included. Unset: the last 30 days with today."""

    first: Annotated[date | None, Field(alias="from", ge=date(2000, 1, 1), le=date(2200, 1, 1))] = None
    last: Annotated[date | None, Field(alias="to", ge=date(2000, 1, 1), le=date(2200, 1, 1))] = None


class MessageNumbers(BaseModel):
    """Messages of a day."""

    day: date
    sent: int
    received: int
    delivered: int
    read: int
    failed: int
    delivery_rate: Decimal | None
    read_rate: Decimal | None


class ConversationNumbers(BaseModel):
    """Conversations of a day."""

    day: date
    active_conversations: int
    runs: int
    runs_ended: int
    runs_completed: int
    completion_rate: Decimal | None
    mean_seconds: Decimal | None


class SalesNumbers(BaseModel):
    """Enquiries, leads and bookings of a day."""

    day: date
    enquiries: int
    enquiries_with_lead: int
    enquiry_to_lead_rate: Decimal | None
    leads: int
    leads_booked: int
    lead_to_booking_rate: Decimal | None


class ResponseNumbers(BaseModel):
    """Times of response over all the days."""

    kind: Literal["reply", "staff"] = Field(description="reply: ours to people; staff: theirs to what they were given")
    role: str
    answered: int
    unanswered: int
    mean_seconds: float | None
    p50_seconds: float | None = Field(description="Half took at most so long; null: none, or more than a day")
    p95_seconds: float | None


class Numbers(BaseModel):
    """What the days came to; days on which nothing was counted are left out."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    messages: list[MessageNumbers]
    conversations: list[ConversationNumbers]
    sales: list[SalesNumbers]
    response_times: list[ResponseNumbers]


@ROUTES.get("/metrics", "Show what the days came to", scope="metrics:read", roles=("sales", "operations", "manager"))
async def show_metrics(asked: Asked, query: Span) -> Numbers:
    """What the days came to: messages, conversations, sales, and times of response."""
    last = query.last or asked.at.date()
    first = query.first or last - timedelta(days=_USUAL_DAYS - 1)
    if not timedelta(0) <= last - first < timedelta(days=_MOST_DAYS):
        wrong = FieldError(field="query.from", message=f"`from` is before `to`, and at most {_MOST_DAYS} days.")
        raise Problem("invalid", f"query.from: {wrong.message}", errors=[wrong])
    found = await report(asked.db, first, last)
    return Numbers(
        first=first,
        last=last,
        messages=[MessageNumbers.model_validate(row) for row in found.messages],
        conversations=[ConversationNumbers.model_validate(row) for row in found.conversations],
        sales=[SalesNumbers.model_validate(row) for row in found.sales],
        response_times=[_response(one) for one in found.responses],
    )


def _response(one: ResponseTime) -> ResponseNumbers:
    return ResponseNumbers(
        kind="reply" if one.kind == "reply" else "staff",
        role=one.role,
        answered=one.answered,
        unanswered=one.unanswered,
        mean_seconds=one.mean_seconds,
        p50_seconds=_finite(one.p50_seconds),
        p95_seconds=_finite(one.p95_seconds),
    )


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None
