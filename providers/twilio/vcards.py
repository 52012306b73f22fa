"""vCards, in which Twilio hands contacts on → contacts as Meta has them: flows find the same, whoever carried them.

Read are versions 2.1 to 4.0, as far as phones write them. Source: RFC 6350; WhatsApp adds `waid` to telephone numbers.
"""

import re
from collections.abc import Iterator
from typing import Any

from providers.fields import clean

MAX_CARDS, MAX_OF_EACH, MAX_VALUE = 20, 20, 500

_FOLDED = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?:[\w-]+\.)?([A-Za-z-]+)((?:;[^:\n]*)?):(.*)")
_ESCAPED = re.compile(r"\\([\\,;nN])")
_SEMICOLON = re.compile(r"(?<!\\);")


def read_vcards(text: str) -> tuple[dict[str, Any], ...]:
    """The contacts in a file of vCards: `name`, `phones`, `emails`, `org`, `urls` and `birthday` as far as told."""
    unfolded = _FOLDED.sub("", clean(text))
    found: list[dict[str, Any]] = []
    for body in re.split(r"(?im)^begin:vcard[ \t]*\r?$", unfolded)[1:]:
        card = _card(re.split(r"(?im)^end:vcard", body)[0])
        if card:
            found.append(card)
        if len(found) == MAX_CARDS:
            break
    return tuple(found)


def _card(body: str) -> dict[str, Any]:
    card: dict[str, Any] = {}
    name: dict[str, str] = {}
    for key, about, value in _lines(body):
        match key:
            case "FN":
                name["formatted_name"] = _plain(value)
            case "N":
                name |= _named(value)
            case "TEL":
                _add(card, "phones", {"phone": _plain(value).removeprefix("tel:"), **about})
            case "EMAIL":
                _add(card, "emails", {"email": _plain(value), **{k: v for k, v in about.items() if k == "type"}})
            case "URL":
                _add(card, "urls", {"url": _plain(value)})
            case "ORG":
                card.setdefault("org", {"company": _plain(_SEMICOLON.split(value)[0])})
            case "BDAY":
                card.setdefault("birthday", _plain(value))
    if name and "formatted_name" not in name:
        name["formatted_name"] = " ".join(filter(None, (name.get("first_name"), name.get("last_name"))))
    return {"name": name, **card} if name else card


def _lines(body: str) -> Iterator[tuple[str, dict[str, str], str]]:
    for line in body.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is not None and found[3].strip():
            yield found[1].upper(), _about(found[2]), found[3][:MAX_VALUE]


def _about(parameters: str) -> dict[str, str]:
    """`type` and `wa_id` among a line's parameters; older cards write types without their name."""
    about: dict[str, str] = {}
    for parameter in parameters.split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key.lower() == "waid" and value.isdecimal():
            about["wa_id"] = value
        elif key.lower() == "type" or not value:
            about.setdefault("type", (value or key).strip('"').partition(",")[0].upper()[:20])
    return about


def _named(value: str) -> dict[str, str]:
    last, first, *_ = [*map(_plain, _SEMICOLON.split(value)), "", ""]
    return {key: part for key, part in (("first_name", first), ("last_name", last)) if part}


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda sign: "\n" if sign[1] in "nN" else sign[1], value).strip()


def _add(card: dict[str, Any], key: str, value: dict[str, str]) -> None:
    known = card.setdefault(key, [])
    if len(known) < MAX_OF_EACH:
        known.append(value)
