"""Rate limits by the generic cell rate algorithm: one number per key, no background work."""

from collections import OrderedDict


class Pacer:
    """Allows one event per `interval` seconds and key on average, and `burst` of them at once.

    Args:
        interval: Seconds per event; 0 means no limit.
        burst: How many may come at once after a quiet time.
        size: Keys remembered; the longest unused are forgotten first.
    """

    def __init__(self, interval: float, burst: int, *, size: int = 100_000) -> None:
        self._usual = (interval, interval * (burst - 1))  # seconds per event, and how far ahead of them
        self._own: dict[int, tuple[float, float]] = {}
        self._size = size
        self._due: OrderedDict[int, float] = OrderedDict()  # when the next event would be exactly on time

    def pace(self, key: int, interval: float, burst: int) -> None:
        """Give a key a pace of its own from now on."""
        self._own[key] = (interval, interval * (burst - 1))

    def take(self, key: int, now: float) -> float:
        """Count an event, and return 0; or return after how many seconds it would be allowed, and count nothing."""
        interval, tolerance = self._own.get(key, self._usual)
        if not interval:
            return 0.0
        due = max(self._due.get(key, now), now)
        early = due - now - tolerance
        if early > 0:
            return early
        self._due[key] = due + interval
        self._due.move_to_end(key)
        if len(self._due) > self._size:
            self._due.popitem(last=False)
        return 0.0

    def room(self, key: int, now: float) -> int | None:
        """How many events would be allowed now; None means any number."""
        interval, tolerance = self._own.get(key, self._usual)
        if not interval:
            return None
        ahead = max(self._due.get(key, now) - now, 0.0)
        return max(int((tolerance - ahead) / interval + 1e-9) + 1, 0) if ahead <= tolerance else 0
