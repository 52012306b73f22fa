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
    """Keeps a busy loop from turning more often than every `seconds`, so that work gathers and shares a commit.

    Whoever comes after a pause goes on at once: an idle system answers without delay.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = 0.0

    async def beat(self) -> None:
        """Wait until the last beat is `seconds` ago."""
        loop = asyncio.get_running_loop()
        early = self._last + self._seconds - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        self._last = loop.time()


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
        """Wait for something, but not past the time to stop."""
        work = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
