"""Meta's error codes: what each one means for the operator, and what kind of refusal it is for the sender.

Decisions hang on the integer code alone: Meta announced that titles and messages go away, and the HTTP status is no
guide (throttling is answered with 400). Three kinds of source stand behind the rows:

* `DOCS`: Meta, WhatsApp Business Platform, "Error codes", as of September 2026;
* `CODE`: open-source clients that meet the code in production (david-lev/pywa, nyaruka/courier), August 2026;
* `PARTNER`: a partner's pages only.
"""

import re
from dataclasses import dataclass
from typing import Any

from providers.base import Fault, Problem
from providers.meta.fields import Unreadable, clean, integer, mapping, read_json, string

DOCS = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"
CODE = "pywa/errors.py and courier/handlers/meta"
PARTNER = "partners' documentation"

MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error code says: `fault` for the sender, `text` for the operator, `source` for whoever doubts it."""

    fault: Fault
    text: str
    source: str = DOCS


def _meanings(fault: Fault, texts: dict[int, str], source: str = DOCS) -> dict[int, Meaning]:
    return {code: Meaning(fault, text, source) for code, text in texts.items()}


MEANINGS: dict[int, Meaning] = {
    **_meanings(
        Fault.AUTH,
        {
            0: "Meta does not accept the access token. Make a new system-user token.",
            3: "The app lacks a capability. Check its permissions in the app dashboard.",
            10: "The app lacks a permission, or it was withdrawn. Check its permissions in the app dashboard.",
            33: "The phone number id does not exist any more. Check WHATSAPP_PHONE_NUMBER_ID.",
            190: "The access token has expired or was revoked. Make a new system-user token.",
            131005: "Access denied. The token's user needs whatsapp_business_messaging on this account.",
            131045: "The phone number's registration or certificate is broken. Register it again.",
            133005: "The two-step PIN does not match. Set it again, then register the number.",
            133006: "The phone number must be verified before it is registered.",
            133008: "Too many wrong PINs. Wait, then register the number with the right one.",
            133009: "The PIN was entered too fast. Wait, then register the number again.",
            133010: "The phone number is not registered. Register it.",
        },
    ),
    **_meanings(
        Fault.THROTTLE_CHANNEL,
        {
            4: "The app has used up its calls. The whole app must pause for minutes.",
            613: "Too many calls of one kind. Wait.",
            80007: "The WhatsApp Business account has used up its calls. Wait.",
            130429: "The number sends faster than its throughput level.",
            131048: "Too many people blocked or reported the number. Stop business-initiated messages for hours.",
            133016: "The number was registered too often: ten times in 72 hours. Wait for hours.",
        },
    ),
    80008: Meaning(Fault.THROTTLE_CHANNEL, "Too many template management calls. Wait.", CODE),
    131056: Meaning(Fault.THROTTLE_PAIR, "Too many messages to this person in a short time. Wait 4^n seconds."),
    **_meanings(
        Fault.TRANSIENT,
        {
            1: "Meta met an unknown error.",
            2: "Meta's service is temporarily unavailable.",
            131000: "Something went wrong at Meta.",
            131016: "Meta's service is temporarily overloaded.",
            131057: "The number is in maintenance, for about a minute, while its throughput is raised.",
            133000: "The number's deregistration has not finished. Try again.",
            133004: "Meta's servers are temporarily unavailable.",
            133015: "The number was deleted a moment ago. Wait five minutes.",
        },
    ),
    **_meanings(
        Fault.MEDIA,
        {
            131052: "Meta could not fetch the person's file. Ask them to send it again.",
            131053: "Meta could not fetch or read our file. Check its type, size and link.",
        },
    ),
    131047: Meaning(Fault.WINDOW, "More than 24 hours since the person last wrote. Only a template can be sent."),
    **_meanings(
        Fault.RECIPIENT,
        {
            130497: "The business may not message people in that country.",
            131021: "Sender and recipient are the same number.",
            131026: "Undeliverable: no WhatsApp, an old app, terms not accepted, or blocked. Meta hides which.",
            131030: "This is a test number, and the recipient is not on its list. Add them in the app dashboard.",
            131062: "This kind of message cannot go to a business-scoped id. Ask for the person's phone number.",
            137000: "The person's identity has changed since it was acknowledged. Verify who they are.",
        },
    ),
    130403: Meaning(Fault.RECIPIENT, "The business has blocked this person.", CODE),
    **_meanings(
        Fault.CONSENT,
        {
            130472: "The person is in an experiment of Meta's and gets no marketing unless they write first.",
            131049: "Meta withheld a marketing message. Not again within 24 hours; in the United States never.",
            131050: "The person has stopped marketing messages from this business.",
        },
    ),
    **_meanings(
        Fault.TEMPLATE,
        {
            131063: "Marketing templates are disabled on the Cloud API for this account. Use Marketing Messages.",
            131064: "The account has reached a limit on how its templates are classified. Wait.",
            132000: "The number of parameters does not match the template.",
            132001: "There is no approved template of this name and language.",
            132005: "The template with its parameters is too long.",
            132007: "The template breaks WhatsApp's content policy.",
            132008: "A template parameter has a value that is not allowed.",
            132012: "A template parameter has the wrong format.",
            132015: "The template is paused because of its quality.",
            132016: "The template was disabled for good because of its quality.",
            132018: "The template parameters do not pass validation: no line breaks, tabs or more than four spaces.",
            132068: "The WhatsApp Flow of the template is blocked.",
            132069: "The WhatsApp Flow of the template is throttled: ten messages an hour.",
            134100: "This is not a marketing template; Marketing Messages takes no other.",
            134101: "The template is still being set up for Marketing Messages. Wait ten minutes.",
            134102: "The template cannot be used with Marketing Messages.",
        },
    ),
    **_meanings(
        Fault.POLICY,
        {
            368: "The account is blocked for a while because it broke a policy. See the account's quality page.",
            131031: "The account is locked, restricted or disabled. See the account's quality page.",
            131037: "The number needs an approved display name before it may send.",
            131042: "There is a problem with the payment method. Check the billing settings.",
        },
    ),
    **_meanings(
        Fault.REQUEST,
        {
            100: "A parameter is wrong or not known.",
            131008: "A required parameter is missing.",
            131009: "A parameter has a value that is not allowed.",
            131051: "This type of message is not supported.",
            131055: "This method is not allowed.",
            131059: "The paging cursor is not valid.",
            134011: "The terms of WhatsApp payments have not been accepted.",
            135000: "Meta refused the message and does not say why.",
        },
    ),
    131060: Meaning(Fault.REQUEST, "The content is currently not available. Ask the person to send it again.", PARTNER),
}

_PERMISSION = Meaning(Fault.AUTH, "The app lacks a permission. Check its permissions in the app dashboard.")
_CALLING = Meaning(Fault.REQUEST, "Calling, flows or blocking refused the request.")
_TEMPLATE = Meaning(Fault.TEMPLATE, "The template parameters or the template are not acceptable.")
_NEW_REFUSAL = Meaning(Fault.REQUEST, "A code we do not know. Look it up in Meta's list.", "our caution")
_NEW_TROUBLE = Meaning(Fault.TRANSIENT, "A code we do not know, marked as temporary.", "our caution")


def meaning(code: int | None, *, temporary: bool = False) -> Meaning:
    """Say what an error code means.

    Args:
        code: Meta's code; None when the error has none.
        temporary: Whether the answer looks temporary (HTTP 5xx, `is_transient`). Decides for unknown codes only.
    """
    if code is not None:
        if known := MEANINGS.get(code):
            return known
        if 200 <= code <= 299:
            return _PERMISSION
        if 132000 <= code <= 132999:
            return _TEMPLATE
        if 138000 <= code <= 139999:
            return _CALLING
    return _NEW_TROUBLE if temporary else _NEW_REFUSAL


def read_problem(error: Any, *, temporary: bool = False) -> Problem:
    """Read an error object of Meta's, of an HTTP answer or of a webhook, in any of its shapes."""
    fields = mapping(error)
    code = integer(fields.get("code"))
    temporary = temporary or fields.get("is_transient") is True
    return Problem(
        fault=meaning(code, temporary=temporary).fault,
        code=code if code is not None and abs(code) < 2**31 else None,
        detail=_detail(fields),
    )


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


# Message ids (base64 with the number in them), business-scoped ids, and phone numbers with their separators; but not
# "(#131009) 20 characters".
_PEOPLE = re.compile(r"wamid\.[\w+/=-]+|\b[A-Z]{2}\.(?:ENT\.)?\w{6,}|(?<![#\d])\+?\d(?:[ ().-]{0,2}\d){6,}")


def without_people(text: str) -> str:
    """Blot out phone numbers, business-scoped ids and message ids: this goes to logs and screens."""
    return _PEOPLE.sub("…", text)
