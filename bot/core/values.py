"""Values of slots as people read them, in their language; and value objects, so that `{{ price }}` prints well.

A value in a frame is plain JSON; docs/flow-language.md has the shapes. For templates and expressions it is wrapped:
still the same dictionary or text, but one that prints itself. Languages other than English take their words from CLDR.
"""

import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Any

import phonenumbers
from babel import Locale
from babel.dates import format_time
from babel.units import format_unit

from bot.core.languages import date_in, locale_of, money_in

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _foreign(language: str) -> Locale | None:
    """The rules of any language but English, whose times and lengths we write ourselves."""
    locale = locale_of(language)
    return None if locale.language == "en" else locale


def show_date(value: Any, language: str = "en", form: str = "long") -> str:
    """`2026-12` → `December 2026`; days in a row → `3–8 January 2027`; anything else as it is."""
    return show_period(value, language, form) if isinstance(value, Mapping) else date_in(value, form, language)


def show_period(value: Mapping[str, Any], language: str = "en", form: str = "long") -> str:
    """`{"start": "2027-01-03", "end": "2027-01-08"}` → `3–8 January 2027`."""
    start, end = str(value.get("start", "")), str(value.get("end", ""))
    if start == end or not end:
        return show_date(start, language, form)
    last = show_date(end, language, form)
    if _foreign(language) is None and start[:7] == end[:7] and start[8:10].isdigit():
        return f"{int(start[8:10])}–{last}"
    return f"{show_date(start, language, form)} – {last}"


def show_time(value: Any, language: str = "en") -> str:
    """`15:30` → `3:30 pm`; anything else as it is."""
    text = str.__str__(value) if isinstance(value, str) else str(value)
    match = _CLOCK.fullmatch(text)
    if match is None:
        return text
    hour, minute = int(match[1]), int(match[2])
    locale = _foreign(language)
    if locale is not None:
        return format_time(time(hour, minute), "short", locale=locale).replace("\u202f", " ")
    return f"{hour % 12 or 12}:{minute:02d} {'am' if hour < 12 else 'pm'}"


def plain(amount: Decimal | float) -> str:
    """A number without needless zeros."""
    text = f"{Decimal(str(amount)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_money(value: Mapping[str, Any], language: str = "en") -> str:
    """`{"amount": 1450, "currency": "USD"}` → `USD 1,450`."""
    return money_in(dict(value), "", language)


_PARTS = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_SHORT = {"hour": "h", "minute": "min", "second": "s"}


def show_duration(value: Any, language: str = "en") -> str:
    """`{"seconds": 5400, "unit": "hour"}` → `1 h 30 min`; a bare number counts seconds."""
    seconds = int(value.get("seconds", 0)) if isinstance(value, Mapping) else int(value)
    unit = str(value.get("unit", "")) if isinstance(value, Mapping) else ""
    locale = _foreign(language)
    if unit == "night" and locale is None and seconds and seconds % 86_400 == 0:
        nights = seconds // 86_400
        return f"{nights} night{'' if nights == 1 else 's'}"
    largest = {"night": "day", "month": "day"}.get(unit, unit)
    shown: list[str] = []
    begun = largest not in dict(_PARTS)
    for name, length in _PARTS:
        begun = begun or name == largest
        if name == "week" and largest != "week":
            continue
        count, seconds = divmod(seconds, length) if begun else (0, seconds)
        if count:
            shown.append(_counted(count, name, locale))
    return " ".join(shown) or _counted(0, "minute", locale)


def _counted(count: int, unit: str, locale: Locale | None) -> str:
    if locale is not None:
        return format_unit(count, f"duration-{unit}", "long" if unit in {"day", "week"} else "short", locale=locale)
    if unit in _SHORT:
        return f"{count} {_SHORT[unit]}"
    return f"{count} {unit}{'' if count == 1 else 's'}"


def show_phone(value: Any) -> str:
    """`+919812345678` → `+91 98123 45678`; anything else as it is."""
    try:
        number = phonenumbers.parse(str(value), None)
    except phonenumbers.NumberParseException:
        return str(value)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))


def show_place(value: Mapping[str, Any]) -> str:
    """Its name or address, or its latitude and longitude."""
    known = ", ".join(str(value[key]) for key in ("name", "address") if value.get(key))
    return known or f"{value.get('latitude')}, {value.get('longitude')}"


# --- Value objects ----------------------------------------------------------------------------------------------------


class Printed(dict[str, Any]):
    """A dictionary that prints as people read it. `readable` are the properties expressions may use as well."""

    __slots__ = ("language",)
    readable: frozenset[str] = frozenset()

    def __init__(self, value: Mapping[str, Any], language: str) -> None:
        super().__init__(value)
        self.language = language


class Money(Printed):
    """`amount` and `currency`."""

    __slots__ = ()

    def __str__(self) -> str:
        return show_money(self, self.language)


class Length(Printed):
    """`seconds` and `unit`; and the same in other units."""

    __slots__ = ()
    readable = frozenset({"minutes", "hours", "days"})

    @property
    def minutes(self) -> float:
        """In minutes."""
        return _whole(self["seconds"] / 60)

    @property
    def hours(self) -> float:
        """In hours."""
        return _whole(self["seconds"] / 3600)

    @property
    def days(self) -> float:
        """In days of 24 hours."""
        return _whole(self["seconds"] / 86_400)

    def __str__(self) -> str:
        return show_duration(self, self.language)


class Period(Printed):
    """`start`, `end` and `nights`."""

    __slots__ = ()

    def __str__(self) -> str:
        return show_period(self, self.language)


class Place(Printed):
    """`latitude`, `longitude`, `name` and `address`."""

    __slots__ = ()

    def __str__(self) -> str:
        return show_place(self)


class Clock(str):
    """`HH:MM`, which compares as text and prints as people read it."""

    __slots__ = ("language",)
    language: str

    def __new__(cls, value: str, language: str) -> "Clock":
        """Text with a language."""
        made = super().__new__(cls, value)
        made.language = language
        return made

    def __str__(self) -> str:
        return show_time(self, self.language)


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number
