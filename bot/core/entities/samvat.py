"""Bikram Sambat, the calendar of Nepal: "2083 Poush 15", "पुस १५", "१५ गते".

Its months have 29 to 32 days, as announced year by year, so they stand in a table. A date is read only when nothing
else can be meant: a month with its day, a day with "gate", figures with a year that lies half a century ahead. What a
month alone means is not: it covers parts of two of ours.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate

FIRST_YEAR = 2000
_BEGAN = date(1943, 4, 14)
"""1 Baisakh 2000."""

RECKONED_FROM = 2028
"""From this year of ours on, the months of Nepal are not announced yet: a date may be a day off, and is confirmed."""

# The days of each month, less 29; a word for each year from 2000. As in the calendars of nepali-datetime 1.0.8.5 and
# bikram-sambat 0.2.0 (both MIT), which agree until 2083; later years are those of the former.
_LENGTHS = """
    132321110102 223222101011 223321101011 232321110012 132321110102 223222101011 223321101011 232321110012
    222322011002 223222101011 223321101011 232321110012 222322011011 223222101011 223321101011 232321110012
    222322011011 223222101011 232321101011 232321110102 222322101011 223222101011 232321110011 232321110102
    222322101011 223222101011 232321110012 132321110102 223222101011 223231101011 232321110012 132321110102
    223222101011 223321101011 232321110012 132322011002 223222101011 223321101011 232321110012 222322011011
    223222101011 223321101011 232321110012 222322011011 223222101011 232321101011 232321110012 222322101011
    223222101011 232321110011 232321110102 222322101011 223222101011 232321110011 232321110102 223222101011
    223231101011 232321110012 132321110102 223222101011 223321101011 232321110012 222322010102 223222101011
    223321101011 232321110012 222322011002 223222101011 223321101011 232321110012 222322011011 223222101011
    232321101011 232321110012 222322101011 223222101011 232321110011 232321110102 222322101011 223222101011
    232321110011 232321110102 223222101011 223222101011 223221110111 232312110111 132321110111 223222101111
    123312110111 132321110111 132321110111
"""
_MONTHS = [[29 + int(extra) for extra in year] for year in _LENGTHS.split()]
_YEARS = [0, *accumulate(sum(months) for months in _MONTHS)]
"""Days from the beginning of the table to that of each year."""

MONTHS = (
    "baisakh", "jestha", "ashadh", "shrawan", "bhadra", "ashoj", "kartik", "mangsir", "poush", "magh", "falgun",
    "chaitra",
)  # fmt: skip
"""In canonical form; `bot.core.entities.nepali` knows how else they are written."""
GATE = "gatey"
"""The canonical form of गते, which follows the day of a month."""
OTHERWISE = {
    "asar": 3, "sawan": 4, "saun": 4, "ashwin": 6, "aswin": 6, "kartik": 7, "pus": 9, "push": 9, "magh": 10,
    "chait": 12,
}  # fmt: skip
"""Also names and words of other languages: months beside a year or "gate" only."""
_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)}
TELLING = frozenset(MONTHS) | frozenset(OTHERWISE) | {GATE}

_ANY = "|".join(dict.fromkeys((*MONTHS, *OTHERWISE)))
_YEAR = r"(20[0-9]\d)"
_DAY = r"(\d{1,2})(?![\d:/.]\d|\d| ?(?:people|adults|children|days|nights|baje|jana|am|pm)\b)"
YEAR_MONTH_DAY = re.compile(rf"\b{_YEAR}(?: sal| saal)?,? ({_ANY})(?: ka| ki| ko)? {_DAY}(?: {GATE}\b)?")
MONTH_DAY = re.compile(rf"\b({_ANY})(?: ka| ki| ko)? {_DAY}( {GATE}\b| gate\b)?(?:,? {_YEAR})?")
DAY_MONTH = re.compile(rf"(?<![\d:/.])(\d{{1,2}})(?:st|nd|rd|th)?( {GATE}| gate)? ({_ANY})\b(?:,? {_YEAR})?")
DAY_GATE = re.compile(rf"(?<![\d:/.])(\d{{1,2}}) {GATE}\b")
_SURE = frozenset(MONTHS) - frozenset(OTHERWISE)


def gregorian(year: int, month: int, day: int) -> date | None:
    """The day in our calendar; None when there is none such, or the table does not reach so far."""
    if not (0 <= year - FIRST_YEAR < len(_MONTHS) and 1 <= month <= 12):
        return None
    months = _MONTHS[year - FIRST_YEAR]
    if not 1 <= day <= months[month - 1]:
        return None
    return _BEGAN + timedelta(days=_YEARS[year - FIRST_YEAR] + sum(months[: month - 1]) + day - 1)


def year_of(day: date) -> int:
    """The year of Bikram Sambat that a day of ours is in."""
    year = day.year + 56
    following = gregorian(year + 1, 1, 1)
    return year + 1 if following is not None and day >= following else year


def is_of(year: int, today: date, *, birth: bool) -> bool:
    """Whether figures with such a year mean this calendar: nobody travels in half a century, or was born then."""
    now = year_of(today)
    return now - 1 <= year <= now + 3 or (birth and today.year < year <= now)


Parts = tuple[int, int, int | None, bool, date | None]
"""As in `bot.core.entities.dates`."""
Found = tuple[re.Match[str], Parts | None]


def readings(text: str, today: date, *, nepali: bool) -> Iterator[Found]:
    """Dates in a canonical text.

    Args:
        text: What somebody wrote.
        today: The day of the event; the next such day is meant where no year is said.
        nepali: The text is Nepali, so a month's name is nothing else.
    """
    for match in YEAR_MONTH_DAY.finditer(text):
        yield match, _made(int(match[1]), match[2], int(match[3]), today)
    for match in DAY_MONTH.finditer(text):
        if match[2] or match[4] or nepali or match[3] in _SURE:
            yield match, _made(int(match[4]) if match[4] else None, match[3], int(match[1]), today)
    for match in MONTH_DAY.finditer(text):
        if match[3] or match[4] or nepali or match[1] in _SURE:
            yield match, _made(int(match[4]) if match[4] else None, match[1], int(match[2]), today)
    for match in DAY_GATE.finditer(text):
        yield match, _day_alone(int(match[1]), today)


def _made(year: int | None, name: str, day: int, today: date) -> Parts | None:
    month = OTHERWISE.get(name) or _NUMBERS[name]
    if year is not None:
        then = gregorian(year, month, day)
    else:
        now = year_of(today)
        days = (gregorian(one, month, day) for one in (now, now + 1))
        then = next((one for one in days if one is not None and one >= today), None)
    return (then.year, then.month, then.day, year is not None, None) if then is not None else None


def _day_alone(day: int, today: date) -> Parts | None:
    """For "15 gate": of this month, or of the next when that is over."""
    now = year_of(today)
    months = ((year, month) for year in (now, now + 1) for month in range(1, 13))
    days = (gregorian(year, month, day) for year, month in months)
    then = next((one for one in days if one is not None and one >= today), None)
    return (then.year, then.month, then.day, False, None) if then is not None else None
