"""Dates in what people write: "15 Dec", "in December 2027", "2026-12-15", "tomorrow", "next Friday", "kal".

Silent about the rest: a general date parser sees a date in "can you help me". Every expression is linear, and none is
tried before a cheap look for its telling words.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from rapidfuzz.distance import OSA

from bot.core.entities import samvat
from bot.core.entities.found import MAX_FOUND, DateFound, Span, overlap
from bot.core.entities.lexicon import (
    AMBIGUOUS_MONTHS,
    MONTH,
    MONTH_NUMBERS,
    MONTHS,
    WEEKDAY,
    WEEKDAY_NUMBERS,
    WEEKDAYS,
    WORD_NUMBER,
    number_of,
)

_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)?"
_SOME_YEAR = r"(?:19|20)\d\d|'\d\d|(?:2[5-9]|[3-9]\d)(?=[.!]?$)"
"""Two figures are a year at the end of the text only, and not such that may count people."""
_YEAR = rf"(?:,? ?({_SOME_YEAR}))?"
_NOT_DAY = r"(?! ?(?:people|person|pax|adults|of us|nights|days|weeks|hours|o'?clock|am|pm|baje|:)|:)"

_ISO = re.compile(r"\b((?:19|20)\d\d)[-/](\d{1,2})(?:[-/](\d{1,2}))?\b")
_SLASHED = re.compile(r"\b(\d{1,2})(?: ?/ ?|[.-])(\d{1,2})(?: ?/ ?|[.-])((?:19|20)\d\d|\d\d)\b")
_SHORT = re.compile(r"(?<![\d/.])(\d{1,2})/(\d{1,2})(?![\d/]|\.\d)")
_MONTH_SLASHED = re.compile(r"\b(\d{1,2})/(20\d\d)\b")
_DAY_MONTH = re.compile(rf"\b{_ORDINAL}(?: of)? ?({MONTH})\b\.?{_YEAR}")
_MONTH_DAY = re.compile(rf"\b({MONTH})\.? (?:the )?{_ORDINAL}\b{_NOT_DAY}(?:,? ({_SOME_YEAR}))?")
_YEAR_MONTH_DAY = re.compile(rf"\b((?:19|20)\d\d),? ({MONTH}) (\d{{1,2}})\b(?!:)")
_MONTH_ALONE = re.compile(
    rf"\b(in |for |during |by |early |mid[ -]|late |next |this |of |around )?({MONTH})\b\.?{_YEAR}"
)
_BESIDE_MONTH = re.compile(
    rf" ?(?:or|ya|/|-|to|till|se|and|,) ?{MONTH}\b| (?:month|mein|me|tira|ke|ka|ki)\b(?! [a-z]+ing)"
)
_AFTER_MONTH = re.compile(rf"{MONTH} ?(?:or|ya|/|-|to|till|se|and|,) ?$")
_DOTTED = re.compile(r"(\d{1,2})[.-](\d{1,2})[.]?")
_BIRTH = frozenset(["born", "birthday", "birth", "dob", "birthdate", "bday"])
_BIRTH_WORD = re.compile(r"\b(?:born|birthdays?|birth|dob|birthdate|bday)\b")
_DAY_ALONE = re.compile(
    r"\b(?:on|by|from|for) the (\d{1,2})(?:st|nd|rd|th)\b|\b(\d{1,2}) ?(?:tarikh|tareekh|taarikh)\b"
)
_BARE_DAY = re.compile(
    r"(?:(?:how|what|about|maybe|perhaps|say|around|on|by|ok|yes|then|let's|lets)[, ]+){0,3}(?:the )?"
    r"(\d{1,2})(?:st|nd|rd|th)(?:,? (?:please|pls|then|works|is|fine|ok|good|maybe)){0,3}[.!? ]*"
)
_WEEKDAY_DAY = re.compile(rf"\b({WEEKDAY}),? (?:the )?(\d{{1,2}})(?:st|nd|rd|th)\b")
_NTH_WEEKDAY = re.compile(
    rf"\b(first|1st|second|2nd|third|3rd|fourth|4th|last) ({WEEKDAY}) (?:of|in) "
    rf"({MONTH}|next month|this month)\b{_YEAR}"
)
_NTHS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "last": -1}
_COUNT = rf"(\d{{1,3}}|{WORD_NUMBER}|a)"
_RELATIVE = re.compile(
    r"\b(?:(today(?! se (?:\d{1,3}|a) (?:day|week|month))|day after"
    r" tomorrow|tomorrow|day before yesterday|yesterday|next months?|this months?|last months?"
    r"|parson|kal)|"
    rf"(?:in |after |today se )?(?<!or )(?<!to )(?<!-){_COUNT} (day|week|month)s?( ago| from now| from today"
    r"| later| baad"
    rf"| pehle| before)?)\b"
)
_ON_WEEKDAY = re.compile(rf"\b(?:(next|this|coming|last|on|by|from|until|till|is) )?({WEEKDAY})\b( week\b)?")
_NEXT_TO = re.compile(r",? ?(?:the |on |\()?")

_SAMVAT = (samvat.YEAR_MONTH_DAY, samvat.MONTH_DAY, samvat.DAY_MONTH)
_MONTH_WORDS = frozenset(MONTH_NUMBERS)
_RELATIVE_WORDS = frozenset(
    ["today", "tomorrow", "yesterday", "kal", "parson", "day", "days", "week", "weeks", "month", "months"]
)
_WEEKDAY_WORDS = frozenset(WEEKDAY_NUMBERS)
_DIGIT = re.compile(r"\d")

Parts = tuple[int, int, int | None, bool, date | None]
"""Year, month, day, whether the year was said, and another reading."""


def find_dates(text: str, words: Sequence[str], today: date, *, nepali: bool = False) -> tuple[DateFound, ...]:
    """All dates in a canonical text, from left to right.

    Args:
        text: The text.
        words: Those it consists of.
        today: The day of the event.
        nepali: It is Nepali, as far as is known.
    """
    found: list[DateFound] = []
    taken: list[Span] = []
    named: list[Span] = []
    births = [m.span() for m in _BIRTH_WORD.finditer(text)] if not _BIRTH.isdisjoint(words) else []
    for match, parts in _readings(text, words, today, nepali=nepali):
        span = match.span()
        if len(taken) == MAX_FOUND or any(overlap(span, other) for other in taken):
            continue
        if match.re is _ON_WEEKDAY and any(_adjoin(text, span, other) for other in named):
            continue  # "Monday, 14 December" is one day
        taken.append(span)
        if parts is None:
            continue  # "31/02/2027": no date, and its pieces are none either
        year, month, day, dated, other = parts
        if match.re in {_DAY_MONTH, _MONTH_DAY, _YEAR_MONTH_DAY, _ISO, _SLASHED, *_SAMVAT}:
            named.append(span)
        birth = bool(births) and any(_of_birth(span, one) for one in births)
        found.append(
            DateFound(
                year=year,
                month=month,
                day=day,
                dated=dated,
                other=other,
                birth=birth,
                reckoned=_is_reckoned(match) or (match.re in _SAMVAT and year >= samvat.RECKONED_FROM),
                start=span[0],
                end=span[1],
            )
        )
    if len(found) > 1:
        found.sort(key=lambda one: one.start)
    return tuple(found)


def _is_reckoned(match: re.Match[str]) -> bool:
    """Whether a date follows from today, and not from a word as plain as "tomorrow"."""
    return match.re is _ON_WEEKDAY or (match.re is _RELATIVE and match[1] not in _NAMED)


def _adjoin(text: str, one: Span, other: Span) -> bool:
    """Whether nothing but a comma is between two places."""
    first, last = sorted((one, other))
    return _NEXT_TO.fullmatch(text, first[1], last[0]) is not None


def _of_birth(date_at: Span, word_at: Span) -> bool:
    """Whether a word about birth is near enough: before the date, or right behind it."""
    return 0 <= date_at[0] - word_at[1] <= 25 or 0 <= word_at[0] - date_at[1] <= 12


def find_short_dates(text: str, today: date) -> tuple[DateFound, ...]:
    """Such as "03/04" and "the 15th": dates only where a date was asked for."""
    found = []
    for match in _SHORT.finditer(text) if "/" in text else ():
        parts = _numeric(int(match[1]), int(match[2]), None, today)
        if parts is not None:
            found.append(_made(parts, *match.span()))
    dotted = _DOTTED.fullmatch(text)
    if dotted and (parts := _numeric(int(dotted[1]), int(dotted[2]), None, today)):
        found.append(_made(parts, 0, len(text)))
    bare = _BARE_DAY.fullmatch(text)
    if bare and (day := _day_alone(int(bare[1]), today)):
        found.append(_made(day, 0, len(text)))
    return tuple(found)


def _made(parts: Parts, start: int, end: int) -> DateFound:
    year, month, day, dated, other = parts
    return DateFound(year=year, month=month, day=day, dated=dated, other=other, start=start, end=end)


def _readings(
    text: str, words: Sequence[str], today: date, *, nepali: bool
) -> Iterator[tuple[re.Match[str], Parts | None]]:
    """What looks like a date, the more telling forms first."""
    if not samvat.TELLING.isdisjoint(words):
        yield from samvat.readings(text, today, nepali=nepali)
    months = not _MONTH_WORDS.isdisjoint(words)
    weekdays = not _WEEKDAY_WORDS.isdisjoint(words)
    for match in _NTH_WEEKDAY.finditer(text) if weekdays else ():
        yield match, _nth_weekday(match, today)
    if _DIGIT.search(text):
        yield from _with_digits(text, today, months=months, births=not _BIRTH.isdisjoint(words))
    if len(text) < 3:
        return
    if months:
        yield from _months(text, today)
    if not _RELATIVE_WORDS.isdisjoint(words):
        for match in _RELATIVE.finditer(text):
            yield match, _relative(match, text, today)
    if weekdays:
        yield from _weekdays(text, today)


def _weekdays(text: str, today: date) -> Iterator[tuple[re.Match[str], Parts | None]]:
    for match in _WEEKDAY_DAY.finditer(text):
        yield match, _day_alone(int(match[2]), today, WEEKDAY_NUMBERS[match[1]])
    for match in _ON_WEEKDAY.finditer(text):
        name = match[2]
        if name in WEEKDAYS or (match[1] not in {None, "is"}) or text.strip(" .!?") == name:
            yield match, _weekday(WEEKDAY_NUMBERS[name], match[1], today, later=bool(match[3]))


def _months(text: str, today: date) -> Iterator[tuple[re.Match[str], Parts | None]]:
    for match in _MONTH_ALONE.finditer(text):
        name = match[2]
        alone = match[0].strip(" .") == text.strip(" .!?")
        if name in AMBIGUOUS_MONTHS and not (match[1] or match[3] or alone or _has_company(text, match)):
            continue
        year = _year(match[3])
        if match[1] == "next " and year is None and MONTH_NUMBERS[name] == today.month:
            year = today.year + 1
        yield match, resolve(year, MONTH_NUMBERS[name], None, today)


def _has_company(text: str, match: re.Match[str]) -> bool:
    """Whether "may" or "march" is a month because of what stands beside it."""
    if _BESIDE_MONTH.match(text, match.end(2)):
        return True
    start = match.start(2)
    return _AFTER_MONTH.search(text, max(0, start - 20), start) is not None


def _with_digits(text: str, today: date, *, months: bool, births: bool) -> Iterator[tuple[re.Match[str], Parts | None]]:
    if "-" in text or "/" in text:
        for match in _ISO.finditer(text):
            yield match, _iso(match, today, births=births)
    if "/" in text or "." in text or "-" in text:
        for match in _SLASHED.finditer(text):
            yield match, _numeric(int(match[1]), int(match[2]), _year(match[3]), today)
        for match in _MONTH_SLASHED.finditer(text):
            yield match, resolve(int(match[2]), int(match[1]), None, today)
    if months:
        for match in _YEAR_MONTH_DAY.finditer(text):
            yield match, resolve(int(match[1]), MONTH_NUMBERS[match[2]], int(match[3]), today)
        for match in _DAY_MONTH.finditer(text):
            yield match, resolve(_year(match[3]), MONTH_NUMBERS[match[2]], int(match[1]), today)
        for match in _MONTH_DAY.finditer(text):
            yield match, resolve(_year(match[3]), MONTH_NUMBERS[match[1]], int(match[2]), today)
    if " the " in text or "t" in text:  # "the 15th", "15 tarikh"
        for match in _DAY_ALONE.finditer(text):
            yield match, _day_alone(int(match[1] or match[2]), today)


def _iso(match: re.Match[str], today: date, *, births: bool) -> Parts | None:
    """Year, month and day in figures, in our calendar or, when the year tells so, in Nepal's."""
    year, month, day = int(match[1]), int(match[2]), int(match[3]) if match[3] else None
    if day is None or not samvat.is_of(year, today, birth=births):
        return resolve(year, month, day, today)
    then = samvat.gregorian(year, month, day)
    return _day(then) if then is not None else None


def _numeric(first: int, second: int, year: int | None, today: date) -> Parts | None:
    """Day and month in figures: American order is another reading, or the only one when ours is impossible."""
    ours = resolve(year, second, first, today)
    theirs = resolve(year, first, second, today)
    if ours is None or theirs is None or first == second:
        return ours or theirs
    return *ours[:4], date(theirs[0], theirs[1], theirs[2] or 1)


def _year(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.strip("'")
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


def resolve(year: int | None, month: int, day: int | None, today: date) -> Parts | None:
    """Check the numbers, and give a date without a year the next one that is not over."""
    if not 1 <= month <= 12:
        return None
    dated = year is not None
    if year is None:
        year = today.year + (month < today.month or (month == today.month and day is not None and day < today.day))
        if (month, day) == (2, 29):  # the next leap year is what can be meant
            year += -year % 4
    if day is None:
        return year, month, None, dated, None
    try:
        date(year, month, day)
    except ValueError:
        return None
    return year, month, day, dated, None


def _nth_weekday(match: re.Match[str], today: date) -> Parts | None:
    """For "the first saturday of december"."""
    weekday, nth = WEEKDAY_NUMBERS[match[2]], _NTHS[match[1]]
    if match[3] in MONTH_NUMBERS:
        month, year = MONTH_NUMBERS[match[3]], _year(match[4])
        years = [year] if year is not None else [today.year, today.year + 1]
    else:
        months = today.month - 1 + (match[3] == "next month")
        month, years = months % 12 + 1, [today.year + months // 12]
    for year in years:
        length = monthrange(year, month)[1]
        days = [date(year, month, day) for day in range(1, length + 1) if date(year, month, day).weekday() == weekday]
        if days[nth] >= today or year == years[-1]:
            return _day(days[nth])
    return None


def _day_alone(day: int, today: date, weekday: int | None = None) -> Parts | None:
    """For "the 15th": of this month, or of the next when that is over; for "monday the 7th", when it is that next."""
    for ahead in range(3 if weekday is None else 12):
        months = today.month - 1 + ahead
        year, month = today.year + months // 12, months % 12 + 1
        try:
            then = date(year, month, day)
        except ValueError:
            continue
        if then >= today and weekday in {None, then.weekday()}:
            return year, month, day, weekday is not None, None
    return None


def _day(then: date, other: date | None = None) -> Parts:
    return then.year, then.month, then.day, True, other


_NAMED = {"today": 0, "tomorrow": 1, "day after tomorrow": 2, "yesterday": -1, "day before yesterday": -2}


def _relative(match: re.Match[str], text: str, today: date) -> Parts | None:
    phrase, count, unit, way = match.groups()
    if phrase in _NAMED:
        return _day(today + timedelta(days=_NAMED[phrase]))
    if phrase in {"kal", "parson"}:  # Hindi has one word for the day before and the day after
        away = timedelta(days=1 if phrase == "kal" else 2)
        return _day(today + away, today - away)
    if phrase:
        return _months_away({"next": 1, "this": 0, "last": -1}[phrase.split()[0]], today)
    begins = text[match.start() :].startswith(("in ", "after "))
    if not way and not begins:
        return None  # "3 days" is a duration
    number = 1 if count == "a" else number_of(count)
    back = way in {" ago", " pehle", " before"}
    if unit == "month":
        return _months_away(-number if back else number, today)
    days = min(number, 5000) * (7 if unit == "week" else 1)
    return _day(today + timedelta(days=-days if back else days))


def _months_away(months: int, today: date) -> Parts:
    total = today.month - 1 + months
    return today.year + total // 12, total % 12 + 1, None, True, None


def _weekday(weekday: int, which: str | None, today: date, *, later: bool = False) -> Parts:
    """The next such day; with "next", that of the week after this one; with "last", the one before.

    `later`: a week after it, as in "monday week".
    """
    away = (weekday - today.weekday()) % 7
    if later:
        return _day(today + timedelta(days=(away or 7) + 7))
    if which == "last":
        return _day(today - timedelta(days=(today.weekday() - weekday) % 7 or 7))
    if which == "next":
        return _day(today + timedelta(days=7 - today.weekday() + weekday))
    return _day(today + timedelta(days=away or (0 if which == "this" else 7)))


def month_like(text: str, today: date) -> DateFound | None:
    """The month a one-word answer means in spite of a typing mistake ("decmber"), for when a month was asked for."""
    word = text.strip(" .!?")
    if not 5 <= len(word) <= 11 or not word.isalpha():
        return None
    near = [number for number, name in enumerate(MONTHS, 1) if OSA.distance(word, name, score_cutoff=2) <= 2]
    if len(near) != 1:
        return None
    return DateFound(year=today.year + (near[0] < today.month), month=near[0], end=len(text))
