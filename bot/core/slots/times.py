"""Slots that time fills: date, time of day, duration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from bot.core.entities import DateFound, PeriodFound, TimeFound, month_like
from bot.core.entities.clock import SECONDS
from bot.core.slots.base import Ambiguous, Candidate, Filled, Heard, Reader, Reading, Refused, choose
from bot.core.values import Clock, Length, Period, show_date, show_duration, show_period, show_time

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateReader(Reader):
    """A day ("2026-12-15"), a month ("2026-12"), or days in a row (`{"start", "end", "nights"}`)."""

    type: str = "date"
    granularity: str = "day"
    future: bool = False
    past: bool = False
    range: bool = False
    order: str | None = None
    min: date | timedelta | None = None
    max: date | timedelta | None = None

    @property
    def prints(self) -> bool:
        """Only days in a row need help; days and months go through the `date` filter."""
        return self.range

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take the only date there is; two different ones are a question for the person."""
        if self.granularity == "month":
            return self._month(heard, asked=asked)
        return self._days(heard, asked=asked) if self.range else self._day(heard, asked=asked)

    def _dates(self, heard: Heard) -> Sequence[DateFound]:
        """The dates in the message; birthdays are for those who ask about the past."""
        dates = heard.entities.dates
        return dates if self.past else [one for one in dates if not one.birth]

    # --- Months -------------------------------------------------------------------------------------------------------

    def _month(self, heard: Heard, *, asked: bool) -> Reading:
        entities, today = heard.entities, heard.today
        found = [(one.year, one.month, one.dated, one.reckoned, (one.start, one.end)) for one in self._dates(heard)]
        if not found:
            found = [
                (one.first.year, one.first.month, one.dated, one.reckoned, (one.start, one.end))
                for one in entities.periods
            ]
        if not found and asked:
            near = month_like(entities.text, today)
            found = [(near.year, near.month, False, False, (near.start, near.end))] if near else []
        if not found:
            return None
        candidates = []
        for year, month, dated, reckoned, span in found:
            rolled = year - 1 if self.past and not dated and (year, month) > (today.year, today.month) else year
            candidates.append(Candidate(f"{rolled:04d}-{month:02d}", span, not dated or reckoned))
        reading = choose(candidates, heard, asked=asked)
        if isinstance(reading, Filled):
            reason = self._why_not(reading.value, f"{today.year:04d}-{today.month:02d}", today)
            return Refused(reason) if reason else reading
        return reading

    # --- Days ---------------------------------------------------------------------------------------------------------

    def _day(self, heard: Heard, *, asked: bool) -> Reading:
        entities = heard.entities
        dates = self._dates(heard)
        if not dates and asked:
            dates = entities.short_dates
        periods = entities.periods
        if len(dates) == 1 and not periods and dates[0].other is None and dates[0].day is not None:
            return self._only(dates[0], heard, asked=asked)
        firm = [one for one in periods if one.firm]
        found = [(one, (one.start, one.end)) for one in dates if one.day is not None and not _within(one, firm)]
        for period in firm:
            found += _ends(period)
        found.sort(key=lambda one: one[1])
        if not found:
            return Refused("needs_day") if asked and (dates or periods) else None
        found = [(one, span) for one, span in found if heard.is_free(span)]
        if len(firm) == 1 and len(found) == 2 and heard.rooms == 1 and _is_stay(firm[0]):
            found = found[:1]  # "15 Dec for 5 nights" begins on 15 Dec
        return self._choose(found, heard, asked=asked)

    def _only(self, one: DateFound, heard: Heard, *, asked: bool) -> Reading:
        """The plain case: one day, which means one thing."""
        span = (one.start, one.end)
        if not heard.is_free(span):
            return None
        days, reason = self._meant(one, heard.today)
        if reason is not None:
            return Refused(reason) if asked or heard.rooms == 1 else None
        return Filled(days[0].isoformat(), (span,), inferred=not one.dated or one.reckoned)

    def _choose(self, found: Sequence[tuple[DateFound, tuple[int, int]]], heard: Heard, *, asked: bool) -> Reading:
        candidates: list[Candidate] = []
        doubtful = False
        reason: str | None = None
        for one, span in found:
            days, why = self._meant(one, heard.today)
            reason = reason or why
            doubtful = doubtful or len(days) > 1
            inferred = not one.dated or one.reckoned or one.other is not None
            candidates += [Candidate(day.isoformat(), span, inferred) for day in days]
        if not candidates:
            return Refused(reason) if reason and (asked or heard.rooms == 1) else None
        if doubtful:
            values = tuple(dict.fromkeys(one.value for one in candidates))
            return Ambiguous(values[:10]) if len(values) > 1 else Filled(values[0], (candidates[0].span,))
        return choose(candidates, heard, asked=asked)

    def _meant(self, one: DateFound, today: date) -> tuple[list[date], str | None]:
        """The days the words may mean and the slot allows, or why it allows none."""
        days = [date(one.year, one.month, one.day or 1)]
        if one.other is not None:
            days.append(one.other)
            if self.order is not None:
                days = days[:1] if self.order == "dmy" else days[1:]
        days = [self._rolled(day, today, dated=one.dated) for day in days]
        reasons = [self._why_not(day.isoformat(), today.isoformat(), today) for day in days]
        allowed = [day for day, reason in zip(days, reasons, strict=True) if reason is None]
        return allowed, None if allowed else reasons[0]

    def _rolled(self, day: date, today: date, *, dated: bool) -> date:
        """For what is past: the last such day, and "90" is 1990."""
        if not self.past or day <= today:
            return day
        years = 100 if dated and day.year > today.year + 10 else 0 if dated else 1
        try:
            return day.replace(year=day.year - years)
        except ValueError:
            return day - timedelta(days=366)

    def _why_not(self, value: str, now: str, today: date) -> str | None:
        if self.future and value < now:
            return "past"
        if self.past and value > now:
            return "future"
        if self.min is not None and value < _bound(self.min, today)[: len(value)]:
            return "too_early"
        return "too_late" if self.max is not None and value > _bound(self.max, today)[: len(value)] else None

    # --- Days in a row ------------------------------------------------------------------------------------------------

    def _days(self, heard: Heard, *, asked: bool) -> Reading:
        entities = heard.entities
        found = []
        for one in entities.periods:
            value = {
                "start": one.first.isoformat(),
                "end": one.last.isoformat(),
                "nights": (one.last - one.first).days,
            }
            found.append(Candidate(value, (one.start, one.end), not one.dated or not one.firm or one.reckoned))
        reading = choose(found, heard, asked=asked)
        if isinstance(reading, Filled):
            now = heard.today.isoformat()
            reason = self._why_not(reading.value["start"], now, heard.today)
            reason = reason or self._why_not(reading.value["end"], now, heard.today)
            return Refused(reason) if reason else reading
        if reading is None and asked and entities.dates:
            return Refused("needs_end")
        return reading

    def show(self, value: Any, language: str) -> str:
        """`15 December 2026`."""
        return show_period(value, language) if isinstance(value, dict) else show_date(value, language)

    def wrap(self, value: Any, language: str) -> Any:
        """Printing itself, when it is a range."""
        return Period(value, language) if isinstance(value, dict) else value


def _bound(bound: date | timedelta, today: date) -> str:
    return (bound if isinstance(bound, date) else today + bound).isoformat()


def _within(one: DateFound, periods: Sequence[PeriodFound]) -> bool:
    return any(period.start <= one.start and one.end <= period.end for period in periods)


def _is_stay(period: PeriodFound) -> bool:
    """Not a weekend, where either day may be meant."""
    return not (period.last - period.first == _DAY and period.first.weekday() == 5)


def _ends(period: PeriodFound) -> list[tuple[DateFound, tuple[int, int]]]:
    """First and last day, each with half of the words."""
    middle = (period.start + period.end) // 2
    return [
        (_found(period.first, period), (period.start, middle)),
        (_found(period.last, period), (middle, period.end)),
    ]


def _found(day: date, period: PeriodFound) -> DateFound:
    return DateFound(year=day.year, month=day.month, day=day.day, dated=period.dated, reckoned=period.reckoned)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeReader(Reader):
    """A time of day: "15:30"."""

    type: str = "time"
    min: str | None = None
    max: str | None = None

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take a time; "at 5" is asked back unless only one of morning and afternoon is possible."""
        entities = heard.entities
        found = [one for one in entities.times if (asked or one.strong) and heard.is_free((one.start, one.end))]
        if not found and asked:
            found = _bare(heard)
        if not found:
            return None
        meant: list[Candidate] = []
        reason: str | None = None
        for one in found:
            minutes = [one.minute] if one.other is None else sorted([one.minute, one.other])
            values = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes]
            allowed = [value for value in values if self._why_not(value) is None]
            reason = reason or self._why_not(values[-1])
            meant += [Candidate(value, (one.start, one.end), one.other is not None) for value in allowed]
        if not meant:
            return Refused(reason or "not_understood")
        doubtful = len({one.span for one in meant}) < len({one.value for one in meant})
        if doubtful:
            return Ambiguous(tuple(dict.fromkeys(one.value for one in meant))[:10])
        return choose(meant, heard, asked=asked)

    def _why_not(self, value: str) -> str | None:
        if self.min is not None and value < self.min:
            return "too_early"
        return "too_late" if self.max is not None and value > self.max else None

    def show(self, value: Any, language: str) -> str:
        """`3:30 pm`."""
        return show_time(value, language)

    @property
    def prints(self) -> bool:
        """Always."""
        return True

    def wrap(self, value: Any, language: str) -> Any:
        """Printing itself."""
        return Clock(value, language) if isinstance(value, str) else value


def _bare(heard: Heard) -> list[TimeFound]:
    """A mere "5" or "17", when a time was asked for."""
    found = []
    for one in heard.entities.found_numbers if ":" not in heard.entities.whole else ():
        if 0 <= one.value <= 23 and heard.is_free((one.start, one.end)):
            twin = one.value + 12 if 1 <= one.value < 12 else 0 if one.value == 12 else None
            other = None if twin is None else twin * 60
            found.append(TimeFound(minute=one.value * 60, other=other, strong=False, start=one.start, end=one.end))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationReader(Reader):
    """A length of time: `{"seconds": 5400, "unit": "hour"}`."""

    type: str = "duration"
    min: int | None = None
    max: int | None = None
    unit: str | None = None

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take a length, or, asked, a number of the slot's unit."""
        entities = heard.entities
        found = [
            Candidate({"seconds": one.seconds, "unit": one.unit}, (one.start, one.end)) for one in entities.durations
        ]
        if not found and asked:
            if not entities.amounts:
                return None
            if self.unit is None:
                return Refused("needs_unit")
            found = [
                Candidate(
                    {"seconds": round(Decimal(one.amount) * SECONDS[self.unit]), "unit": self.unit},
                    (one.start, one.end),
                    inferred=True,
                )
                for one in entities.amounts
            ]
        reading = choose(found, heard, asked=asked)
        if isinstance(reading, Filled):
            seconds = reading.value["seconds"]
            if self.min is not None and seconds < self.min:
                return Refused("too_short")
            if self.max is not None and seconds > self.max:
                return Refused("too_long")
        return reading

    def show(self, value: Any, language: str) -> str:
        """`1 h 30 min`."""
        return show_duration(value, language)

    @property
    def prints(self) -> bool:
        """Always."""
        return True

    def wrap(self, value: Any, language: str) -> Any:
        """Printing itself."""
        return Length(value, language) if isinstance(value, dict) else value
