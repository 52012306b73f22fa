"""Graph's HTTP answers → what became of the message.

The question is always whether the message may have gone out. Graph has no idempotency key, so only an answer that
certainly came from Graph itself, and says no, allows another attempt:

* 2xx with a message id: accepted. 2xx without one: unknown, something took it.
* 500, 503 and 4xx with Graph's error object: refused, and the code says why.
* 502, 504 and 408, and other 5xx without Graph's error object: an edge speaks, which may have passed the request on
  before it gave up: unknown.
* 4xx without it: refused; nothing passes a request on and then answers 4xx in its own name. If the body broke off we
  do not know why, so it is tried again.
* 301, 307, 308: the address is wrong and nothing happened. Other 3xx: unknown. None is followed: it would take the
  token and the words elsewhere.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.answers import AMBIGUOUS, document_of, fault_of_status, moved
from providers.base import (
    Accepted,
    Delivery,
    Fault,
    NumberHealth,
    Problem,
    Refused,
    SendOutcome,
    StatusUpdate,
    Unknown,
)
from providers.fields import identifier, items, mapping, moment, string
from providers.http import read_retry_after
from providers.limits import THROUGHPUTS, read_reach
from providers.meta.errors import read_problem

_MOVED = frozenset({301, 307, 308})
_HISTORY = {"SENT": Delivery.SENT, "DELIVERED": Delivery.DELIVERED, "READ": Delivery.READ, "FAILED": Delivery.FAILED}
_HELD = frozenset({"held_for_quality_assessment", "paused"})


def read_answer(status: int, headers: Mapping[str, str], body: bytes | None, now: datetime) -> SendOutcome:
    """Read the answer to a message.

    Args:
        status: HTTP status.
        headers: HTTP headers; names in any case that the mapping finds.
        body: The whole body, or None if it was too long or did not come whole.
        now: Aware; what a `Retry-After` date is counted from.
    """
    answer = document_of(body)
    if 200 <= status < 300:
        return _read_success(status, headers, answer, now)
    if status in _MOVED:
        return moved(status)
    error = answer.get("error")
    if status >= 400 and status not in AMBIGUOUS and isinstance(error, dict):
        return _refused(status, headers, read_problem(error, temporary=status >= 500 or status == 429), now)
    if 400 <= status < 500 and status not in AMBIGUOUS:
        fault = fault_of_status(status, whole=body is not None)
        problem = Problem(fault=fault, detail=f"HTTP {status} without an error object")
        return _refused(status, headers, problem, now)
    return Unknown(detail=f"HTTP {status}")


def _read_success(status: int, headers: Mapping[str, str], answer: dict[str, Any], now: datetime) -> SendOutcome:
    sent = mapping(next(iter(items(answer.get("messages"))), None))
    message_id = identifier(sent.get("id"))
    if message_id is not None:
        contact = mapping(next(iter(items(answer.get("contacts"))), None))
        return Accepted(
            provider_message_id=message_id,
            user_id=identifier(contact.get("user_id")),
            held=string(sent.get("message_status")) in _HELD,
        )
    if isinstance(error := answer.get("error"), dict) and "code" in error:
        return _refused(status, headers, read_problem(error), now)
    return Unknown(detail=f"HTTP {status} without a message id")


def _refused(status: int, headers: Mapping[str, str], problem: Problem, now: datetime) -> Refused:
    return Refused(problem=problem, http_status=status, retry_after=read_retry_after(headers.get("Retry-After"), now))


def confirms(status: int, body: bytes | None) -> bool:
    """Whether an answer says that a message was marked as read."""
    return 200 <= status < 300 and document_of(body).get("success") is True


def read_history(body: bytes | None, channel: str, message_id: str, now: datetime) -> StatusUpdate | None:
    """Read the answer of `message_history`: the furthest that a message came, or None if nothing is told."""
    found: StatusUpdate | None = None
    for entry in items(document_of(body).get("data")):
        if string(mapping(entry).get("message_id")) != message_id:
            continue
        for event in items(mapping(mapping(entry).get("events")).get("data")):
            word = string(mapping(event).get("delivery_status")) or ""
            if word not in _HISTORY:
                continue
            failed = _HISTORY[word] is Delivery.FAILED
            update = StatusUpdate(
                channel=channel,
                provider_message_id=message_id,
                status=_HISTORY[word],
                at=moment(mapping(event).get("timestamp"), now),
                problem=Problem(fault=Fault.REQUEST, detail="It failed, says the message history.") if failed else None,
            )
            if found is None or _rank(update.status) > _rank(found.status):
                found = update
    return found


def read_number(body: bytes | None) -> NumberHealth:
    """Read what Graph tells of a number."""
    number = document_of(body)
    return NumberHealth(
        quality=string(number.get("quality_rating")),
        status=string(number.get("status")),
        reach_limit=read_reach(number.get("whatsapp_business_manager_messaging_limit")),
        throughput=THROUGHPUTS.get(string(mapping(number.get("throughput")).get("level")) or ""),
    )


def _rank(status: Delivery) -> int:
    # FAILED counts as more than SENT and less than DELIVERED, as in the statuses that webhooks bring.
    return (Delivery.ACCEPTED, Delivery.SENT, Delivery.FAILED, Delivery.DELIVERED, Delivery.READ).index(status)
