"""The clock every part is given, and stopping them in order."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the time, aware, UTC."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Pulse:
    """Keeps busy loops from turning more often than every `seconds`, so that work gathers and shares a commit.

    Whoever comes after a pause goes on at once: an idle system answers without delay. Loops may share a pulse; each
    beat is one loop's.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._beat = 0.0

    def rest(self, seconds: float) -> None:
        """Let the next beat be so long after this one, if that is longer than usual."""
        self._beat += max(seconds - self._seconds, 0.0)

    async def beat(self) -> None:
        """Take the next beat: now, or `seconds` after the last one."""
        now = asyncio.get_running_loop().time()
        self._beat = max(now, self._beat + self._seconds)
        if self._beat > now:
            await asyncio.sleep(self._beat - now)


class Stopping:
    """Says when to stop, and wakes whoever sleeps until then."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Return when it is time to stop."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not past the time to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()

    async def first(self, awaitable: Awaitable[object]) -> None:
        """Wait for something, but not past the time to stop; an error of it is raised."""
        work = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
        if not work.cancelled():
            work.result()
