"""Hours of business: when somebody may be expected to answer."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_MOST_DAYS = 366  # further ahead nobody looks: the hours are then taken for a mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When the business is open. `opens` and `closes` are local times of one day; None: always.

    Attributes:
        timezone: IANA name.
        opens: From when on.
        closes: Until when.
        workdays: ISO weekdays, 1 is Monday.
    """

    timezone: str = "UTC"
    opens: time | None = None
    closes: time | None = None
    workdays: frozenset[int] = frozenset(range(1, 8))

    def open_at(self, at: datetime) -> bool:
        """Whether the business is open at a time (aware)."""
        if self.opens is None or self.closes is None:
            return True
        local = at.astimezone(ZoneInfo(self.timezone))
        return local.isoweekday() in self.workdays and self.opens <= local.time() < self.closes

    def opening(self, at: datetime) -> datetime | None:
        """When the business opens next, at `at` or later, in its own time; None: never, by these hours."""
        if self.opens is None or self.closes is None or self.opens >= self.closes or not self.workdays:
            return None
        zone = ZoneInfo(self.timezone)
        day = at.astimezone(zone).date()
        for _ in range(_MOST_DAYS):
            begin = datetime.combine(day, self.opens, zone)
            if day.isoweekday() in self.workdays and begin >= at:
                return begin
            day += timedelta(days=1)
        return None

    def later(self, at: datetime, working: timedelta) -> datetime:
        """When so much time of business will have passed after `at` (aware); in `at`'s time zone."""
        if self.opens is None or self.closes is None or self.opens >= self.closes or not self.workdays:
            return at + working
        zone = ZoneInfo(self.timezone)
        day = at.astimezone(zone).date()
        for _ in range(_MOST_DAYS):
            if day.isoweekday() in self.workdays:
                begin = max(at, datetime.combine(day, self.opens, zone))
                left = datetime.combine(day, self.closes, zone) - begin
                if working <= left:
                    return (begin + working).astimezone(at.tzinfo)
                working -= max(left, timedelta())
            day += timedelta(days=1)
        return at + working
