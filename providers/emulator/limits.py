"""Rate limits as providers set them, counted on the emulator's clock."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

PAIR_BURST = 45
PAIR_PERIOD = timedelta(seconds=6)
REACH_WITHIN = timedelta(hours=24)


class Limits:
    """What has been used of each limit.

    Args:
        now: The emulator's clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._full_until: dict[str, datetime] = {}
        self._used: dict[str, deque[datetime]] = {}
        self._reached: dict[str, datetime] = {}

    def pair_full(self, number: str) -> bool:
        """Whether one more message would pass the pair limit; counts this one when it would not."""
        now = self._now()
        free_at = max(self._full_until.get(number, now), now)
        if free_at - now > PAIR_PERIOD * (PAIR_BURST - 1):
            return True
        self._full_until[number] = free_at + PAIR_PERIOD
        return False

    def full(self, name: str, most: int | None, within: timedelta = timedelta(seconds=1)) -> bool:
        """Whether one more would be more than `most` in that time; counts this one when it would not.

        Args:
            name: What is counted.
            most: How many; `None` for no limit.
            within: The length of the moving window.
        """
        if most is None:
            return False
        used, since = self._used.setdefault(name, deque()), self._now() - within
        while used and used[0] <= since:
            used.popleft()
        if len(used) >= most:
            return True
        used.append(self._now())
        return False

    def out_of_reach(self, person: str, most: int | None) -> bool:
        """Whether one more person than may be reached in a day; counts them when not, however often they are."""
        if most is None:
            return False
        since = self._now() - REACH_WITHIN
        self._reached = {one: at for one, at in self._reached.items() if at > since}
        if person not in self._reached and len(self._reached) >= most:
            return True
        self._reached[person] = self._now()
        return False

    def queue(self, name: str, per_second: int | None) -> timedelta:
        """How long one more has to wait for its turn at that pace; takes its place in the queue.

        Args:
            name: The queue.
            per_second: Its pace; `None` for no queue.
        """
        if per_second is None:
            return timedelta(0)
        now = self._now()
        turn = max(self._full_until.get(name, now), now)
        self._full_until[name] = turn + timedelta(seconds=1) / per_second
        return turn - now

    def count(self, name: str, within: timedelta) -> int:
        """How many were counted in that time."""
        since = self._now() - within
        return sum(at > since for at in self._used.get(name, ()))

    def note(self, name: str) -> None:
        """Count one that nothing limits."""
        self._used.setdefault(name, deque(maxlen=10_000)).append(self._now())

    def forget(self) -> None:
        """Begin anew."""
        self._full_until.clear()
        self._used.clear()
        self._reached.clear()
