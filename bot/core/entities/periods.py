"""Days in a row: "from 3 to 8 January", "15 Dec for 5 nights", "next weekend", "in the first week of March"."""

import calendar
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from bot.core.entities.dates import resolve
from bot.core.entities.found import MAX_FOUND, DateFound, PeriodFound, overlap
from bot.core.entities.lexicon import MONTH, MONTH_NUMBERS, WORD_NUMBER, number_of

_TO = r" ?(?:-|–|to|till|til|until|through|thru|and|se) ?"
_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? ?(20\d\d))?"
_DAYS_MONTH = re.compile(rf"\b{_ORDINAL}{_TO}(?:the )?{_ORDINAL}(?: tak)?(?: of)? ({MONTH})\b\.?{_YEAR}")
_MONTH_DAYS = re.compile(rf"\b({MONTH})\.? (?:the )?{_ORDINAL}{_TO}(?:the )?{_ORDINAL}\b(?!:| ?[ap]m){_YEAR}")
_BETWEEN = re.compile(
    r" ?(?:-|–|to|till|til|until|through|thru|se|and) ?(?:the )?"
    r"|,? (?:and )?(?:we )?(?:leav(?:e|ing)|depart(?:ing)?|return(?:ing)?|check(?:ing)?[- ]?out"
    r"|fly(?:ing)? (?:out|home|back)|(?:go|going) (?:home|back)) (?:on )?(?:the )?"
)
_FOR = re.compile(rf",? (?:for |se )?(\d{{1,3}}|{WORD_NUMBER}|a) (night|day|week)s?\b")
_STARTING = re.compile(
    rf"\b(\d{{1,3}}|{WORD_NUMBER}|a) (night|day|week)s? "
    r"(?:from|starting|starting on|beginning|starting from) (?:the )?$"
)
_WEEKEND = re.compile(r"\b(?:(next|this|coming|last|the) )?weekend\b( after next\b)?")
_FIGURES = r"(\d{1,2})/(\d{1,2})(?:/((?:20)?\d\d))?"
_SLASHED = re.compile(rf"(?<![\d/]){_FIGURES} ?(?:-|–|to|till|until|se|al) ?{_FIGURES}(?![\d/])")
_WEEK = re.compile(r"\b(next|this|coming|last) week\b")
_WEEK_OF = re.compile(rf"\b(first|1st|second|2nd|third|3rd|fourth|4th|last) week (?:of |in )?({MONTH})\b{_YEAR}")
_WEEKS_OF = re.compile(rf"\b(first|last) (?:two|2) weeks (?:of |in )?({MONTH})\b{_YEAR}")
_PART_OF = re.compile(
    rf"\b(early|mid|middle of|late|beginning of|start of|end of|the end of|first half of|second half of)[ -](?:the )?"
    rf"({MONTH})\b{_YEAR}"
)
_SUNDAY = 6
_CONNECTING = frozenset(["to", "till", "til", "until", "through", "thru", "and", "se"])
_LENGTHS = frozenset(["night", "nights", "day", "days", "week", "weeks"])
_PARTS = frozenset(["early", "mid", "middle", "late", "beginning", "start", "end", "half"])
_WEEKS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3}


def find_periods(text: str, words: Sequence[str], dates: Sequence[DateFound], today: date) -> tuple[PeriodFound, ...]:
    """All periods in a canonical text, given the dates that were found in it."""
    found: list[PeriodFound] = []
    for one in _all(text, words, dates, today):
        if not any(overlap((one.start, one.end), (other.start, other.end)) for other in found):
            found.append(one)
            if len(found) == MAX_FOUND:
                break
    return tuple(found)


def _all(text: str, words: Sequence[str], dates: Sequence[DateFound], today: date) -> Iterator[PeriodFound]:
    if "week" in text:
        yield from _weeks(text, today)
    if "/" in text:
        yield from _in_figures(text, today)
    if not dates:
        return
    if "-" in text or "–" in text or not _CONNECTING.isdisjoint(words):
        for match in _DAYS_MONTH.finditer(text):
            yield from _days_of(match, int(match[1]), int(match[2]), match[3], match[4], today)
        for match in _MONTH_DAYS.finditer(text):
            yield from _days_of(match, int(match[2]), int(match[3]), match[1], match[4], today)
    for one, following in pairwise(dates):
        if one.day and following.day and _BETWEEN.fullmatch(text, one.end, following.start):
            yield from _from_to(one, following)
    for one in dates if not _LENGTHS.isdisjoint(words) else ():
        yield from _lasting(text, one)
    for match in _PART_OF.finditer(text) if not _PARTS.isdisjoint(words) else ():
        parts = resolve(int(match[3]) if match[3] else None, MONTH_NUMBERS[match[2]], None, today)
        if parts is not None:
            year, month, _, dated, _ = parts
            last = calendar.monthrange(year, month)[1]
            word = match[1].removeprefix("the ").split()[0]
            first, end = {
                "mid": (11, 20), "middle": (11, 20), "late": (21, last), "end": (21, last), "first": (1, 15),
                "second": (16, last),
            }.get(word, (1, 10))  # fmt: skip
            yield _period(date(year, month, first), date(year, month, end), match, firm=False, dated=dated)


def _period(
    first: date, last: date, match: re.Match[str], *, firm: bool, dated: bool, reckoned: bool = False
) -> PeriodFound:
    start, end = match.span()
    return PeriodFound(first=first, last=last, firm=firm, dated=dated, reckoned=reckoned, start=start, end=end)


def _days_of(
    match: re.Match[str], first: int, last: int, month: str, year: str | None, today: date
) -> Iterator[PeriodFound]:
    parts = resolve(int(year) if year else None, MONTH_NUMBERS[month], first, today)
    try:
        if parts is not None and first < last:
            begin = date(parts[0], parts[1], first)
            yield _period(begin, begin.replace(day=last), match, firm=True, dated=year is not None)
    except ValueError:
        return


def _in_figures(text: str, today: date) -> Iterator[PeriodFound]:
    """As in "15/12 - 20/12", day first."""
    for match in _SLASHED.finditer(text):
        years = [None if year is None else int(year) % 100 + 2000 for year in (match[3], match[6])]
        last = resolve(years[1], int(match[5]), int(match[4]), today)
        first = resolve(years[0] or years[1], int(match[2]), int(match[1]), today)
        if first is None or last is None:
            continue
        one, other = (DateFound(year=p[0], month=p[1], day=p[2], dated=p[3]) for p in (first, last))
        for found in _from_to(one, other):
            yield _period(found.first, found.last, match, firm=True, dated=found.dated)


def _day_of(found: DateFound) -> date:
    return date(found.year, found.month, found.day or 1)


def _before(day: date, last: date) -> date:
    """The same day of the year, at or before `last`."""
    day = day if (day.month, day.day) != (2, 29) else day.replace(day=28)
    same = day.replace(year=last.year)
    return same if same <= last else same.replace(year=last.year - 1)


def _from_to(one: DateFound, other: DateFound) -> Iterator[PeriodFound]:
    first, last = _day_of(one), _day_of(other)
    if last < first and not other.dated:
        last = last.replace(year=last.year + 1) if (last.month, last.day) != (2, 29) else last
    elif last < first and not one.dated:
        first = _before(first, last)
    if first < last:
        yield PeriodFound(
            first=first, last=last, firm=True, dated=one.dated and other.dated, start=one.start, end=other.end
        )  # fmt: skip


def _length(count: str, unit: str) -> timedelta:
    """Nights lead to the day of departure; of three days, the last is the third."""
    number = 1 if count == "a" else number_of(count)
    return timedelta(days=number * 7 if unit == "week" else max(number - 1, 0) if unit == "day" else number)


def _lasting(text: str, one: DateFound) -> Iterator[PeriodFound]:
    if one.day is None:
        return
    first = _day_of(one)
    match = _FOR.match(text, one.end)
    if match:
        last = first + _length(match[1], match[2])
        yield PeriodFound(first=first, last=last, firm=True, dated=one.dated, start=one.start, end=match.end())
        return
    before = _STARTING.search(text[max(0, one.start - 60) : one.start])
    if before:
        start = max(0, one.start - 60) + before.start()
        last = first + _length(before[1], before[2])
        yield PeriodFound(first=first, last=last, firm=True, dated=one.dated, start=start, end=one.end)


def _weeks(text: str, today: date) -> Iterator[PeriodFound]:
    monday = today - timedelta(days=today.weekday())
    for match in _WEEKEND.finditer(text):
        away = 14 if match[2] else {"next": 7, "last": -7}.get(match[1] or "", 0)
        if today.weekday() == _SUNDAY and match[1] not in {"next", "last"} and not match[2]:
            away += 7  # this one is all but over
        saturday = monday + timedelta(days=5 + away)
        yield _period(saturday, saturday + timedelta(days=1), match, firm=True, dated=True, reckoned=True)
    for match in _WEEK_OF.finditer(text):
        parts = resolve(int(match[3]) if match[3] else None, MONTH_NUMBERS[match[2]], None, today)
        if parts is not None:
            year, month, _, dated, _ = parts
            days = calendar.monthrange(year, month)[1]
            first = days - 6 if match[1] == "last" else 1 + 7 * _WEEKS[match[1]]
            begin = date(year, month, first)
            yield _period(begin, begin + timedelta(days=6), match, firm=False, dated=dated)
    for match in _WEEKS_OF.finditer(text):
        parts = resolve(int(match[3]) if match[3] else None, MONTH_NUMBERS[match[2]], None, today)
        if parts is not None:
            days = calendar.monthrange(parts[0], parts[1])[1]
            begin = date(parts[0], parts[1], days - 13 if match[1] == "last" else 1)
            yield _period(begin, begin + timedelta(days=13), match, firm=False, dated=parts[3])
    for match in _WEEK.finditer(text):
        begin = monday + timedelta(days={"this": 0, "last": -7}.get(match[1], 7))
        yield _period(begin, begin + timedelta(days=6), match, firm=False, dated=True, reckoned=True)
