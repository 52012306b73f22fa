"""What HTTP answers have in common, whoever gives them: may the message have gone out, and whose fault is it?"""

from typing import Any

from providers.base import Fault, Problem, Refused
from providers.fields import Unreadable, mapping, read_json

AMBIGUOUS = frozenset({408, 502, 504})
"""An edge speaks, which may have passed the request on before it gave up."""


def document_of(body: bytes | None) -> dict[str, Any]:
    """The JSON object of an answer, or an empty one."""
    if not body:
        return {}
    try:
        return mapping(read_json(body))
    except Unreadable:
        return {}


def moved(status: int) -> Refused:
    """A redirect: nothing happened there, and following it would take the credentials and the words elsewhere."""
    detail = f"HTTP {status}: the API has another address. Check WHATSAPP_API_BASE_URL."
    return Refused(problem=Problem(fault=Fault.AUTH, detail=detail), http_status=status)


def fault_of_status(status: int, *, whole: bool) -> Fault:
    """What kind of refusal a status is that comes without a code; one whose body broke off may be of any kind."""
    match status:
        case 401 | 403:
            return Fault.AUTH
        case 429:
            return Fault.THROTTLE_CHANNEL
        case _:
            return Fault.REQUEST if whole and status < 500 else Fault.TRANSIENT
