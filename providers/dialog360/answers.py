"""360dialog's HTTP answers. Most are Meta's own, passed through; those of its gateway have another shape.

The gateway's: `{"meta": {"success": false, "http_code": 401, "developer_message": "…"}}`, in older answers with
`httpCode` and `developerMessage`. Source: 360dialog, "API error messages", 2026.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.answers import AMBIGUOUS, document_of
from providers.base import Effect, Fault, Problem, Refused, SendOutcome, Unknown
from providers.errors import MAX_DETAIL, without_people
from providers.fields import clean, string
from providers.http import read_retry_after
from providers.meta import answers


def read_answer(status: int, headers: Mapping[str, str], body: bytes | None, now: datetime) -> SendOutcome:
    """Read the answer to a message; see `providers.meta.answers.read_answer`."""
    gateway = _gateway(body)
    if gateway is None:
        return answers.read_answer(status, headers, body, now)
    if status in AMBIGUOUS or status < 400:
        return Unknown(detail=f"HTTP {status} from the gateway")
    told = string(gateway.get("developer_message")) or string(gateway.get("developerMessage")) or ""
    fault = fault_of(status, told)
    problem = Problem(
        fault=fault,
        detail=without_people(clean(" ".join(told.split())))[:MAX_DETAIL],
        effect=Effect.STOP_CHANNEL if fault in (Fault.AUTH, Fault.POLICY) else Effect.NONE,
    )
    return Refused(problem=problem, http_status=status, retry_after=read_retry_after(headers.get("Retry-After"), now))


def _gateway(body: bytes | None) -> dict[str, Any] | None:
    if not body or b'"meta"' not in body:
        return None
    document = document_of(body)
    gateway = document.get("meta")
    return gateway if isinstance(gateway, dict) and "error" not in document and "messages" not in document else None


def fault_of(status: int, told: str) -> Fault:
    """What kind of refusal the gateway's is, by its words where the status does not tell."""
    words = told.lower()
    match status:
        case 401 | 403:
            return Fault.AUTH
        case 429:
            return Fault.THROTTLE_CHANNEL
        case 400 if "rate" in words or "too many" in words or "limit" in words:
            return Fault.THROTTLE_CHANNEL
        case 400 if "disabled" in words or "invoice" in words or "unpaid" in words or "payment" in words:
            return Fault.POLICY
        case 400 | 404:
            return Fault.REQUEST
        case _:
            return Fault.TRANSIENT if status >= 500 else Fault.REQUEST
