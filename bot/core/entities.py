"""Numbers and dates in what people write, by a thin grammar of our own.

Deliberately small: it finds "2 people", "for two", "family of 4", "15 Dec", "in December 2027", "2026-12-15",
"15/12/2026", "tomorrow", "next month", and is silent about the rest. A general date parser sees a date in "can you help
me". Reads at most `MAX_ANALYSED` characters, with expressions that cannot backtrack far: well under a millisecond.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from rapidfuzz.distance import OSA

from bot.core.words import MAX_ANALYSED

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_UNITS = [*"zero one two three four five six seven eight nine".split(), *_TEENS]  # noqa: SIM905  a table of words
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_UNITS)}
NUMBER_WORDS |= {ten: place * 10 for place, ten in enumerate(_TENS, 2)}
NUMBER_WORDS |= {
    f"{ten} {unit}": place * 10 + value
    for place, ten in enumerate(_TENS, 2)
    for value, unit in enumerate(_UNITS[1:10], 1)
}
NUMBER_WORDS |= {"hundred": 100, "a hundred": 100, "dozen": 12, "a dozen": 12, "couple": 2, "a couple": 2}
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)} | {
    name[:3]: n for n, name in enumerate(MONTHS, 1)
}
_MONTH_NUMBERS |= {"sept": 9}
_AMBIGUOUS_MONTHS = frozenset({"may", "march", "mar"})
"""Also ordinary words: believed with a day, a year or a preposition beside them, or as the whole answer."""

_MONTH = "(?:" + "|".join(sorted(_MONTH_NUMBERS, key=len, reverse=True)) + ")"
_WORD_NUMBER = "(?:" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + ")"
_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? ?(20\d\d|'\d\d))?"

_ISO = re.compile(r"\b(20\d\d)-(\d{1,2})(?:-(\d{1,2}))?\b")
_SLASHED = re.compile(r"\b(\d{1,2})[/.-](\d{1,2})[/.-](20\d\d|\d\d)\b")
_MONTH_SLASHED = re.compile(r"\b(\d{1,2})/(20\d\d)\b")
_DAY_MONTH = re.compile(rf"\b{_ORDINAL}(?: of)? ?({_MONTH})\b\.?{_YEAR}")
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})\.? (?:the )?{_ORDINAL}\b(?! ?(?:people|person|pax|adults|of us|nights|days))(?:,? (20\d\d))?"
)
_MONTH_ALONE = re.compile(rf"\b(in |for |during |by |early |mid |late |next |this |of |around )?({_MONTH})\b\.?{_YEAR}")
_RELATIVE = re.compile(
    r"\b(today|tomorrow|day after tomorrow|next month|this month|next week|in (\d{1,2}|"
    + _WORD_NUMBER
    + r") (days?|weeks?|months?))\b"
)
_NUMBER = re.compile(rf"(?<![\w.,/-])(?:(\d{{1,9}})|({_WORD_NUMBER}))(?![\w/]|[.,]\d)")

PARTY = (
    "people", "person", "persons", "pax", "adults", "adult", "travellers", "travelers", "trekkers", "guests", "of us",
    "friends", "members", "ppl", "log", "kids", "kid", "children", "child",
)  # fmt: skip
_PARTIES = frozenset({"people", "guests", "travellers", "party"})
_NOT_PARTY = (
    r"(?! ?(?:st|nd|rd|th|am|pm|a\.m|p\.m|k|km|days?|nights?|weeks?|months?|hours?|hrs?|years?|minutes?|mins?|rooms?"
    rf"|dollars?|usd|inr|rs|percent|%|\$|{_MONTH})\b)"
)
_GROUP_OF = re.compile(
    r"\b(?:(?:family|group|party|team|bunch) of |for |we are |were |there are |there will be )"
    rf"(\d{{1,4}}|{_WORD_NUMBER})\b{_NOT_PARTY}"
)
_KIN = "(?:wife|husband|partner|friend|girlfriend|boyfriend|son|daughter|brother|sister|mother|father|mom|dad)"
_EITHER = re.compile(rf"\b(?:\d{{1,4}}|{_WORD_NUMBER}) ?(?:or|to|-|/) ?(?:\d{{1,4}}|{_WORD_NUMBER})\b")
_PHRASES = (
    (re.compile(r"\b(?:just me|only me|myself|solo|alone|for me only|me alone)\b"), 1),
    (re.compile(rf"\b(?:me and my {_KIN}|my {_KIN} and (?:i|me)|both of us|the two of us)\b"), 2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateFound:
    """A date in the text. `day` is None when only a month was named; `dated` tells whether a year was."""

    year: int
    month: int
    day: int | None = None
    dated: bool = False
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """What was found in one message."""

    text: str
    dates: tuple[DateFound, ...] = ()
    numbers: tuple[int, ...] = ()


def _lower(text: str) -> str:
    return " ".join(text[:MAX_ANALYSED].lower().replace("’", "'").split())


def number_of(word: str) -> int:
    """The value of digits or a number word."""
    return NUMBER_WORDS[word] if word in NUMBER_WORDS else int(word)


def extract(text: str, today: date) -> Entities:
    """Find dates, and the numbers that are not part of one.

    Args:
        text: What somebody wrote.
        today: The day of the event; relative and year-less dates count from it.
    """
    lowered = _lower(text)
    dates = _dates(lowered, today)
    rest = _blank(lowered, dates)
    numbers = tuple(int(m[1]) if m[1] else NUMBER_WORDS[m[2]] for m in _NUMBER.finditer(rest))
    return Entities(text=rest, dates=dates, numbers=numbers)


def _blank(text: str, dates: tuple[DateFound, ...]) -> str:
    """Hide the dates, so that their digits are not taken for numbers; `;` keeps "2 <date> people" apart."""
    for found in dates:
        text = text[: found.start] + ";" * (found.end - found.start) + text[found.end :]
    return text


def counted(entities: Entities, of: str) -> int | None:
    """How many of something the text names on its own accord; None when it does not say, or says two things.

    Args:
        entities: What `extract` found.
        of: What is counted: "people" understands parties ("family of 4"), any other word only "5 nights".
    """
    text = entities.text
    party = of in _PARTIES
    if not entities.numbers:
        found = [value for pattern, value in _PHRASES if pattern.search(text)] if party else []
    elif _EITHER.search(text):
        return None
    else:
        nouns = _nouns_pattern("|".join(PARTY)) if party else _nouns(of)
        found = [number_of(match[1]) for match in nouns.finditer(text)]
        if party and len(found) > 1:
            return sum(found)  # "2 adults and 1 child"
        if party:
            found += [number_of(match[1]) for match in _GROUP_OF.finditer(text)]
    values = set(found)
    return values.pop() if len(values) == 1 else None


@lru_cache(maxsize=256)
def _nouns(of: str) -> re.Pattern[str]:
    stem = re.escape(of.replace("_", " ").rstrip("s"))
    return _nouns_pattern(stem + "s?")


@lru_cache(maxsize=256)
def _nouns_pattern(nouns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,/-])(\d{{1,4}}|{_WORD_NUMBER}) ?(?:more |other |young |senior )?(?:{nouns})\b")


def _dates(text: str, today: date) -> tuple[DateFound, ...]:
    found: list[DateFound] = []
    taken: list[tuple[int, int]] = []
    for match, year, month, day in _readings(text, today):
        start, end = match.span()
        if any(start < b and a < end for a, b in taken):
            continue
        taken.append((start, end))
        resolved = _resolve(year, month, day, today)
        if resolved is not None:
            year_found, month, day = resolved
            dated = year is not None
            found.append(DateFound(year=year_found, month=month, day=day, dated=dated, start=start, end=end))
    return tuple(sorted(found, key=lambda one: one.start))


_Parts = tuple[re.Match[str], int | None, int, int | None]


def _readings(text: str, today: date) -> Iterator[_Parts]:
    """What looks like a date, the more telling forms first: match, year, month, day."""
    if any(map(str.isdigit, text)):
        yield from _with_digits(text)
    if len(text) < 3:
        return
    for match in _MONTH_ALONE.finditer(text):
        name = match[2]
        if name in _AMBIGUOUS_MONTHS and not match[1] and not match[3] and match[0].strip(" .") != text.strip(" .!?"):
            continue
        yield match, _year(match[3]), _MONTH_NUMBERS[name], None
    for match in _RELATIVE.finditer(text):
        yield match, *_relative(match, today)


def _with_digits(text: str) -> Iterator[_Parts]:
    for match in _ISO.finditer(text):
        yield match, int(match[1]), int(match[2]), int(match[3]) if match[3] else None
    for match in _SLASHED.finditer(text):
        day, month = int(match[1]), int(match[2])
        if month > 12 >= day:  # American order is only believed when ours is impossible
            day, month = month, day
        yield match, _year(match[3]), month, day
    for match in _MONTH_SLASHED.finditer(text):
        yield match, int(match[2]), int(match[1]), None
    for match in _DAY_MONTH.finditer(text):
        yield match, _year(match[3]), _MONTH_NUMBERS[match[2]], int(match[1])
    for match in _MONTH_DAY.finditer(text):
        yield match, _year(match[3]), _MONTH_NUMBERS[match[1]], int(match[2])


def _year(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.strip("'")
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


def _resolve(year: int | None, month: int, day: int | None, today: date) -> tuple[int, int, int | None] | None:
    """Check the numbers, and give a date without a year the next one that is not over."""
    if not 1 <= month <= 12:
        return None
    if year is None:
        year = today.year + (month < today.month or (month == today.month and day is not None and day < today.day))
    if day is None:
        return year, month, None
    try:
        date(year, month, day)
    except ValueError:
        return None
    return year, month, day


def _relative(match: re.Match[str], today: date) -> tuple[int, int, int | None]:
    phrase = match[1]
    if phrase in {"this month", "next month"} or (match[3] or "").startswith("month"):
        ahead = {"this month": 0, "next month": 1}.get(phrase)
        months = today.month - 1 + (number_of(match[2]) if ahead is None else ahead)
        return today.year + months // 12, months % 12 + 1, None
    days = {"today": 0, "tomorrow": 1, "day after tomorrow": 2, "next week": 7}.get(phrase)
    if days is None:
        days = number_of(match[2]) * (7 if match[3].startswith("week") else 1)
    then = today + timedelta(days=days)
    return then.year, then.month, then.day


def month_like(text: str, today: date) -> DateFound | None:
    """The month a one-word answer means in spite of a typing mistake ("decmber"), for when a month was asked for."""
    word = text.strip(" .!?")
    if not 5 <= len(word) <= 11 or not word.isalpha():
        return None
    near = [number for number, name in enumerate(MONTHS, 1) if OSA.distance(word, name, score_cutoff=2) <= 2]
    if len(near) != 1:
        return None
    return DateFound(year=today.year + (near[0] < today.month), month=near[0])
