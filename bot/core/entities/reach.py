"""How to reach somebody: e-mail addresses, and what may be a phone number. And places, as figures or map links."""

import re

from bot.core.entities.found import WordFound

_EMAIL = re.compile(
    r"(?<![\w.+@-])[a-z0-9](?:[a-z0-9._%+-]{0,62}[a-z0-9_+])?@(?:[a-z0-9]"
    r"(?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,6}[a-z]{2,24}(?![\w@-])"
)
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+ ?|00)?\(?\d(?:[ ().-]{0,2}\d){5,16}(?![\w/]|[.,:-]\d)")
_MANY_DIGITS = re.compile(r"\d(?:[ ().-]{0,2}\d){5}")
_PAIR = re.compile(
    r"(?<![\d.])(-?\d{1,2}(?:\.\d{1,10})?)°? ?([ns])?[, ] ?(-?\d{1,3}(?:\.\d{1,10})?)°? ?([ew])?(?![\d.])"
)
_LINK = re.compile(
    r"(?:@|[?&](?:q|query|ll|daddr|center)=|/search/|loc:)(-?\d{1,2}\.\d{1,10})(?:,|%2c|,\+)(-?\d{1,3}\.\d{1,10})"
)


def find_emails(text: str) -> tuple[WordFound, ...]:
    """E-mail addresses in a lower-case text."""
    if "@" not in text:
        return ()
    return tuple(
        WordFound(text=match[0], start=match.start(), end=match.end())
        for match in _EMAIL.finditer(text)
        if ".." not in match[0]
    )


def find_phones(text: str) -> tuple[WordFound, ...]:
    """What may be a phone number: six digits and more, in groups or not. Which are, a region's rules tell."""
    if _MANY_DIGITS.search(text) is None:
        return ()
    return tuple(WordFound(text=match[0], start=match.start(), end=match.end()) for match in _PHONE.finditer(text))


def is_telling(phone: WordFound) -> bool:
    """Whether it looks like a phone number more than like any other number."""
    digits = sum(map(str.isdigit, phone.text))
    return phone.text.startswith("+") or digits >= 10 or (digits >= 8 and any(c in " -()" for c in phone.text))


def find_place(text: str) -> tuple[float, float] | None:
    """Latitude and longitude in a lower-case text or in a link to a map; None when there are none."""
    match = _LINK.search(text)
    if match:
        latitude, longitude = float(match[1]), float(match[2])
    else:
        pair = _PAIR.search(text)
        if pair is None or not ("." in pair[1] and "." in pair[3]) or "://" in text:
            return None
        latitude = float(pair[1]) * (-1 if pair[2] == "s" else 1)
        longitude = float(pair[3]) * (-1 if pair[4] == "w" else 1)
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
