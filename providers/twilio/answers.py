"""Twilio's HTTP answers → what became of the message.

As with Meta there is no idempotency key, so only an answer that certainly came from Twilio, and says no, allows another
attempt: 4xx, and 500 or 503 with Twilio's own error object. 408, 502, 504 and anything else leaves it open.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.answers import AMBIGUOUS, document_of, fault_of_status, moved
from providers.base import (
    Accepted,
    Delivery,
    NumberHealth,
    Problem,
    Refused,
    SendOutcome,
    StatusUpdate,
    Unknown,
)
from providers.fields import identifier, integer, items, mapping, string
from providers.http import Answer, read_retry_after
from providers.limits import read_reach
from providers.twilio.errors import CATALOGUE, words
from providers.twilio.parse import DELIVERIES


def read_answer(answer: Answer, now: datetime) -> SendOutcome:
    """Read the answer to a message."""
    status, document = answer.status, document_of(answer.body)
    if 200 <= status < 300:
        sid = identifier(document.get("sid"))
        code = integer(document.get("error_code"))
        if sid is None:
            return Unknown(detail=f"HTTP {status} without a sid")
        if code is not None and DELIVERIES.get(string(document.get("status")) or "") is Delivery.FAILED:
            problem = CATALOGUE.problem(code, words(string(document.get("error_message")) or ""))
            return Refused(problem=problem, http_status=status)
        return Accepted(provider_message_id=sid)
    if 300 <= status < 400:
        return moved(status)
    if status in AMBIGUOUS or (status >= 500 and "code" not in document):
        return Unknown(detail=f"HTTP {status}")
    return refusal(answer, now)


def refusal(answer: Answer, now: datetime) -> Refused:
    """What an answer that is a no says."""
    status, document = answer.status, document_of(answer.body)
    code = integer(document.get("code"))
    if code is not None:
        said = words(string(document.get("message")) or "")
        problem = CATALOGUE.problem(code, said, temporary=status >= 500 or status == 429)
    else:
        problem = Problem(
            fault=fault_of_status(status, whole=answer.body is not None), detail=f"HTTP {status} without an error code"
        )
    return Refused(
        problem=problem, http_status=status, retry_after=read_retry_after(answer.headers.get("Retry-After"), now)
    )


def read_status(answer: Answer, channel: str, now: datetime) -> StatusUpdate | None:
    """Read a message of ours as Twilio has it; None if it has none."""
    document: Mapping[str, Any] = document_of(answer.body) if answer.status == 200 else {}
    delivery = DELIVERIES.get(string(document.get("status")) or "")
    sid = identifier(document.get("sid"))
    if delivery is None or sid is None:
        return None
    code = integer(document.get("error_code"))
    said = words(string(document.get("error_message")) or "")
    failed = delivery is Delivery.FAILED
    return StatusUpdate(
        channel=channel,
        provider_message_id=sid,
        status=delivery,
        at=now,
        problem=CATALOGUE.problem(code, said) if failed or code is not None else None,
    )


def read_sender(answer: Answer, address: str) -> NumberHealth | None:
    """Read what Twilio tells of a sender among those of the account; None if it is not among them."""
    for one in map(mapping, items(document_of(answer.body).get("senders"))):
        if one.get("sender_id") == address:
            about = mapping(one.get("properties"))
            return NumberHealth(
                quality=string(about.get("quality_rating")),
                status=string(one.get("status")),
                reach_limit=read_reach(about.get("messaging_limit")),
            )
    return None
