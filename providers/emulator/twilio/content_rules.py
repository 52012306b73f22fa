"""What a Content resource may hold, type by type (twilio.com/docs/content)."""

import re
from collections.abc import Callable
from typing import Any

from providers.emulator.twilio.errors import TwilioError

NOT_APPROVABLE = frozenset({"twilio/list-picker", "twilio/location"})
ACTION_TYPES = ("URL", "PHONE_NUMBER", "COPY_CODE", "VOICE_CALL", "VOICE_CALL_REQUEST", "QUICK_REPLY")
TEXT_MOST, BODY_MOST, LABEL_MOST, ITEM_MOST, DESCRIPTION_MOST, ID_MOST = 1600, 1024, 20, 24, 72, 200
ACTION_TITLE_MOST, ACTIONS_MOST, ITEMS_MOST, CARDS_MOST = 25, 10, 10, 10

VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Value = dict[str, Any]


def read_content(wanted: Any) -> tuple[str, str, dict[str, str], dict[str, Value]]:
    """Friendly name, language, sample values and types of a request.

    Raises:
        TwilioError: Something is missing, unknown or too long.
    """
    if not isinstance(wanted, dict):
        raise TwilioError(20422, "The request must be a JSON object")
    language, types, variables = wanted.get("language"), wanted.get("types"), wanted.get("variables") or {}
    if not isinstance(language, str) or not language:
        raise TwilioError(20422, "language is required")
    if not isinstance(types, dict) or not types:
        raise TwilioError(20422, "types is required")
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise TwilioError(20422, "variables must be an object of strings")
    for kind, value in types.items():
        if kind not in _CHECKS:
            raise TwilioError(20422, f"{kind} is not a content type")
        if not isinstance(value, dict):
            raise TwilioError(20422, f"{kind} must be an object")
        _CHECKS[kind](kind, value)
    return str(wanted.get("friendly_name") or ""), language, variables, types


def _check_text(kind: str, value: Value) -> None:
    _text(value, "body", kind, TEXT_MOST)


def _check_replies(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST)
    for action in _items(value, "actions", kind, ACTIONS_MOST):
        _text(action, "title", kind, LABEL_MOST)
        _text(action, "id", kind, ID_MOST, required=False)


def _check_list(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST)
    _text(value, "button", kind, LABEL_MOST)
    for item in _items(value, "items", kind, ITEMS_MOST):
        _text(item, "item", kind, ITEM_MOST)
        _text(item, "id", kind, ID_MOST)
        _text(item, "description", kind, DESCRIPTION_MOST, required=False)


def _check_call(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST)
    _check_actions(kind, value)


def _check_media(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST, required=False)
    if not value.get("media"):
        raise TwilioError(20422, f"{kind}: media is required")
    _links(kind, value)


def _check_location(kind: str, value: Value) -> None:
    for name in ("latitude", "longitude"):
        if value.get(name) is None:
            raise TwilioError(20422, f"{kind}: {name} is required")


def _check_carousel(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST)
    for card in _items(value, "cards", kind, CARDS_MOST):
        _check_card(kind, card)


def _check_card(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST, required=False)
    _links(kind, value)
    if value.get("actions") is not None:
        _check_actions(kind, value)


def _check_code(kind: str, value: Value) -> None:
    if value.get("actions") is not None:
        _items(value, "actions", kind, 1)


def _check_flow(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST)
    for name in ("button_text", "flow_id"):
        _text(value, name, kind, ID_MOST)


def _check_other(kind: str, value: Value) -> None:
    _text(value, "body", kind, BODY_MOST, required=False)


_CHECKS: dict[str, Callable[[str, Value], None]] = {
    "whatsapp/authentication": _check_code,
    "whatsapp/card": _check_card,
    "whatsapp/flows": _check_flow,
    "twilio/card": _check_card,
    "twilio/carousel": _check_carousel,
    "twilio/flows": _check_other,
    "twilio/list-picker": _check_list,
    "twilio/quick-reply": _check_replies,
    "twilio/call-to-action": _check_call,
    "twilio/catalog": _check_other,
    "twilio/schedule": _check_other,
    "twilio/media": _check_media,
    "twilio/location": _check_location,
    "twilio/text": _check_text,
}
TYPES = tuple(_CHECKS)
"""In the order in which WhatsApp prefers them; text is what every channel can show."""


def _links(kind: str, value: Value) -> None:
    links = value.get("media")
    if links is not None and not (isinstance(links, list) and all(isinstance(link, str) for link in links)):
        raise TwilioError(20422, f"{kind}: media must be a list of addresses")


def _check_actions(kind: str, value: Value) -> None:
    for action in _items(value, "actions", kind, ACTIONS_MOST):
        if action.get("type") not in ACTION_TYPES:
            raise TwilioError(20422, f"{kind}: an action's type is one of {', '.join(ACTION_TYPES)}")
        _text(action, "title", kind, ACTION_TITLE_MOST)


def _text(value: Value, name: str, kind: str, most: int, *, required: bool = True) -> None:
    text = value.get(name)
    if text is None and not required:
        return
    if not isinstance(text, str) or (required and not text):
        raise TwilioError(20422, f"{kind}: {name} is required")
    # Variables grow when they are filled in, so only what stands there already can be too long.
    if len(VARIABLE.sub("", text)) > most:
        raise TwilioError(20422, f"{kind}: {name} has at most {most} characters")


def _items(value: Value, name: str, kind: str, most: int) -> list[Value]:
    items = value.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise TwilioError(20422, f"{kind}: {name} must be a list of objects")
    if not 1 <= len(items) <= most:
        raise TwilioError(20422, f"{kind}: {name} has 1 to {most} entries, these are {len(items)}")
    return items
