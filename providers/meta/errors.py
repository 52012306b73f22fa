"""Meta's error codes and error objects.

`errors.csv` says what each code means. Three kinds of source stand behind its rows:

* `docs`: Meta, WhatsApp Business Platform, "Error codes", as of September 2026;
* `code`: open-source clients that meet the code in production (david-lev/pywa, nyaruka/courier), August 2026;
* `partner`: a partner's pages only.
"""

import re
from pathlib import Path
from typing import Any

from providers.base import Effect, Fault, Problem
from providers.errors import MAX_DETAIL, Catalogue, Meaning, read_table, without_people
from providers.fields import Unreadable, clean, integer, mapping, read_json, string

DOCS = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
CODE = "pywa/errors.py and courier/handlers/meta"
PARTNER = "partners' documentation"

MEANINGS = read_table(Path(__file__).with_name("errors.csv"), {"docs": DOCS, "code": CODE, "partner": PARTNER})

_PERMISSION = Meaning(
    Fault.AUTH, "The app lacks a permission. Check its permissions in the app dashboard.", DOCS, Effect.STOP_CHANNEL
)
_CALLING = Meaning(Fault.REQUEST, "Calling, flows or blocking refused the request.", DOCS)
_TEMPLATE = Meaning(Fault.TEMPLATE, "The template parameters or the template are not acceptable.", DOCS)

CATALOGUE = Catalogue(
    meanings=MEANINGS,
    ranges=((200, 299, _PERMISSION), (132000, 132999, _TEMPLATE), (138000, 139999, _CALLING)),
)


def meaning(code: int | None, *, temporary: bool = False) -> Meaning:
    """Say what an error code of Meta's means; see `Catalogue.meaning`."""
    return CATALOGUE.meaning(code, temporary=temporary)


def read_problem(error: Any, *, temporary: bool = False) -> Problem:
    """Read an error object of Meta's, of an HTTP answer or of a webhook, in any of its shapes."""
    fields = mapping(error)
    code = integer(fields.get("code"))
    temporary = temporary or fields.get("is_transient") is True
    return CATALOGUE.problem(code, _detail(fields), temporary=temporary)


def _detail(fields: dict[str, Any]) -> str:
    """What Meta says in words, without personal data, and the id that its support asks for."""
    title = string(fields.get("message")) or string(fields.get("title")) or ""
    details = _details(fields.get("error_data"))
    words = f"{title}: {details}" if title and details and details != title else title or details
    text = without_people(clean(" ".join(words[: 4 * MAX_DETAIL].split())))[:MAX_DETAIL]
    trace = string(fields.get("fbtrace_id")) or ""
    return f"{text} [trace {trace}]".strip() if re.fullmatch(r"[\w-]{1,40}", trace, re.ASCII) else text


def _details(error_data: Any) -> str:
    """The sentence in `error_data`: an object, or that object as a JSON string, or just words."""
    if isinstance(error_data, str):
        try:
            decoded = read_json(error_data.encode("utf-8", "replace"))
        except Unreadable:
            return error_data
        return _details(decoded) if isinstance(decoded, dict) else error_data
    return string(mapping(error_data).get("details")) or ""
