"""What can be found in a message. Places (`start`, `end`) are those in the text that `Entities.whole` keeps."""

from dataclasses import dataclass
from datetime import date

Span = tuple[int, int]
MAX_FOUND = 40
"""Entities of a kind that are looked for in one message; nobody means more."""


def overlap(one: Span, other: Span) -> bool:
    """Whether two places share a character."""
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DateFound:
    """A date in the text.

    Attributes:
        day: None when only a month was named.
        dated: Whether the year was said (or follows from what was said, as with "tomorrow").
        other: What the same words may mean as well: 4 March for "03/04", yesterday for "kal".
        birth: The text says that somebody was born then: no day to travel.
        reckoned: It follows from today ("next month", "on Friday"), and from nothing as plain as "tomorrow".
    """

    year: int
    month: int
    day: int | None = None
    dated: bool = False
    other: date | None = None
    birth: bool = False
    reckoned: bool = False
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFound:
    """Some days in a row, both ends included.

    `firm`: both were named; not so in "the first week of March". `reckoned`: it follows from today ("next weekend").
    """

    first: date
    last: date
    firm: bool
    dated: bool = False
    reckoned: bool = False
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFound:
    """A time of day, in minutes since midnight. `other` is the afternoon's twin of "5 o'clock", or None.

    `strong`: said in a way that can be nothing else ("3pm", "15:30"), unlike the "at 5" of "at 5 places".
    """

    minute: int
    other: int | None
    strong: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationFound:
    """A length of time in seconds; `unit` is the largest one that was said."""

    seconds: int
    unit: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFound:
    """An amount, as text that `Decimal` reads. `currencies`: what the sign may stand for, likeliest first."""

    amount: str
    currencies: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WordFound:
    """A piece of text: an e-mail address, or what may be a phone number."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFound:
    """A whole number."""

    value: int
    start: int
    end: int
