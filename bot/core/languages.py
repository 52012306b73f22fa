"""How numbers, amounts, days and lists are written in each language: the rules of Unicode's CLDR, through Babel.

Pure functions of their arguments, cached, because a reply is rendered in microseconds and a locale is not. English is
written the way of Great Britain: 15 December 2026. A language that Babel does not know is written as English is.
"""

import math
import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal

_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?:T.*)?")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
_STYLES = {"and": "standard", "or": "or"}


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """The rules of a language: `en`, `hi`, `pt_BR`."""
    if language.replace("-", "_") == "en":
        return Locale("en", "GB")
    for code in (language, language.replace("-", "_").split("_")[0]):
        try:
            return Locale.parse(code.replace("-", "_"))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en", "GB")


def name_of(language: str) -> str:
    """What a language calls itself: `हिन्दी`; its code, where we do not know."""
    locale = locale_of(language)
    known = locale.language == language.replace("_", "-").split("-")[0].lower()
    return (locale.get_language_name(locale) if known else None) or language


def date_in(value: Any, form: str, language: str) -> str:
    """`2026-12` → `December 2026`; `2026-12-15` → `15 December 2026`; anything else as it is.

    `form` is `long` or `short` (`15 Dec 2026`).
    """
    return _date(str(value)[:40], form, language)


@lru_cache(maxsize=4096)
def _date(text: str, form: str, language: str) -> str:
    match = _DATE.fullmatch(text)
    try:
        day = date(int(match[1]), int(match[2]), int(match[3] or 1)) if match else None
    except ValueError:
        day = None
    if match is None or day is None:
        return text
    locale = locale_of(language)
    if match[3] and form != "short":
        return format_date(day, "long", locale)
    skeleton = ("yMMMd" if match[3] else "yMMM") if form == "short" else "yMMMM"
    return format_skeleton(skeleton, day, locale=locale)


def number_in(value: Any, language: str) -> str:
    """Grouped as the language groups: 45,000 in English, 1,45,000 in Hindi; anything but a number as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return str(value)
    return _number(str(value), "#,##0.###", language)


def money_in(value: Any, currency: str, language: str) -> str:
    """An amount with its currency's code, and no cents where there are none: `USD 1,450`.

    Takes a number, also as services write it ("1450.50"), or a slot's: `{"amount": "1450.50", "currency": "USD"}`.
    """
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, dict) and {"amount", "currency"} <= set(value):
        currency = currency or str(value["currency"])
        try:
            value = Decimal(str(value["amount"]))
        except ArithmeticError:
            return str(value["amount"])
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return str(value)
    return f"{currency} {_number(str(value), 'money', language)}".strip()


@lru_cache(maxsize=4096)
def _number(text: str, pattern: str, language: str) -> str:
    value, locale = Decimal(text), locale_of(language)
    grouping = locale.decimal_formats[None].pattern.split(".")[0]  # `#,##0`, or `#,##,##0` in India
    if pattern == "money":
        cents = value != value.to_integral_value() and round(value, 2) != round(value)
        return format_decimal(value, format=f"{grouping}.00" if cents else grouping, locale=locale)
    return format_decimal(value, format=f"{grouping}.###", locale=locale)


def list_in(values: Any, last: str, language: str) -> str:
    """`a, b and c`, with the language's own word for `and` or `or`; another `last` is used as it is."""
    words = [str(value) for value in values]
    style = _STYLES.get(last)
    if style is None or len(words) < 2:
        return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
    return format_list(words, style=style, locale=locale_of(language))  # type: ignore[arg-type]
