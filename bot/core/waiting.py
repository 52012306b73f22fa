"""Timers: when they are due, what they may not disturb, and which of several that are overdue acts.

Two kinds of timers wait with a question. `after:` counts from the question; `no_input:` from the last thing the person
said, so a wrong answer gives them time again. Both are kept as rows with a due time; what is computed here needs only
the run and the time of an event, never a clock.

Quiet hours move the due time of what would make a phone ring to their end. Answers to a person who has just written are
never moved. Timers that come late because nothing ran for a while are not fired one after another: of those that are
due by now, only the last acts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.core.effects import StartTimer

if TYPE_CHECKING:
    from bot.core.compiled import Timer
    from bot.core.cursor import Cursor

CONTACT = "contact"


@lru_cache(maxsize=600)
def zone(name: str) -> ZoneInfo | None:
    """A time zone by its IANA name; None when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None
    except KeyError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which nobody is disturbed, by the clock on the wall.

    Attributes:
        begins: From this time of day.
        ends: Until this one, on the next day when it is the earlier.
        zone: Where the wall is: an IANA name, or `contact` for wherever the person is.
        otherwise: For people of whom we do not know where they are.
    """

    begins: time
    ends: time
    zone: str
    otherwise: str

    def until(self, at: datetime, contact_zone: str) -> datetime | None:
        """The end of the quiet hours `at` falls into (aware, UTC), or None when it falls into none."""
        name = contact_zone if self.zone == CONTACT else self.zone
        where = (zone(name) if name else None) or zone(self.otherwise)
        local = at.astimezone(where)
        now, overnight = local.time(), self.begins > self.ends
        within = now >= self.begins or now < self.ends if overnight else self.begins <= now < self.ends
        if not within:
            return None
        day = local.date() + timedelta(days=1) if overnight and now >= self.begins else local.date()
        return datetime.combine(day, self.ends, tzinfo=where).astimezone(UTC)


def due(cursor: "Cursor", timer: "Timer") -> datetime | None:
    """When a timer of the run's state is due; None for runs that began to wait before this was kept."""
    since = cursor.heard_at if timer.silence else cursor.waiting_since
    if since is None:
        return None
    return since + timer.delay if cursor.flow.quiet is None else audible(cursor, timer, since + timer.delay)


def audible(cursor: "Cursor", timer: "Timer", at: datetime) -> datetime:
    """`at`, or the end of the quiet hours it falls into, when the timer makes itself heard.

    Where it ends a called flow without a word, that counts as heard: what the caller does then is its own affair.
    """
    quiet = cursor.flow.quiet
    if quiet is None or not (timer.speaks or (timer.ends and cursor.caller is not None)):
        return at
    return quiet.until(at, cursor.turn.contact.timezone) or at


def start(cursor: "Cursor", timers: Iterable["Timer"]) -> None:
    """Start timers, for the current epoch. One that is running already is moved."""
    started: list[str] = []
    for timer in timers:
        due_at = due(cursor, timer)
        if due_at is not None:
            started.append(timer.name)
            effect = StartTimer(run=cursor.run, name=timer.name, due_at=due_at, epoch=cursor.epoch)
            cursor.turn.effects.append(effect)
    if started:
        cursor.turn.note("timer", started=started, epoch=cursor.epoch)


def may_fire(cursor: "Cursor", timer: "Timer", timers: Iterable["Timer"]) -> bool:
    """Whether a timer that has come acts now. If not, the reason is noted, and it may be started anew."""
    turn = cursor.turn
    mine = due(cursor, timer)
    if mine is None:
        return True
    order = [one.name for one in timers]
    others = [(when, order.index(one.name), one.name) for one in timers if (when := due(cursor, one)) is not None]
    later = max((one for one in others if one[0] <= turn.at), default=None)
    if later is not None and later[:2] > (mine, order.index(timer.name)):
        turn.note("ignore", why="a later timer is due as well", name=timer.name, instead=later[2])
        return False
    again = mine if mine > turn.at else audible(cursor, timer, turn.at)
    if again <= turn.at:
        return True
    turn.effects.append(StartTimer(run=cursor.run, name=timer.name, due_at=again, epoch=cursor.epoch))
    why = "the person has written since" if mine > turn.at else "quiet hours"
    turn.note("timer", name=timer.name, postponed=why, until=again.isoformat())
    return False
