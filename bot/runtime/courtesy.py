"""Blue ticks and "typing…": told to the provider beside the work, never instead of it.

A message is marked once it is stored. What comes faster than the provider takes it is left unmarked: it is a courtesy,
and it counts against the number's throughput.
"""

import asyncio
from typing import Literal

import structlog

from bot.runtime.loop import Stopping
from providers.base import Provider

log = structlog.get_logger(__name__)

Manners = Literal["off", "read", "typing"]

MOST_WAITING = 200
_AT_ONCE = 4


class Courtesy:
    """Marks messages as read, and shows us typing."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[Provider, str, bool]] = asyncio.Queue(MOST_WAITING)

    def note(self, provider: Provider, manners: Manners, message_id: str) -> None:
        """A message has come in and is stored.

        Args:
            provider: Whom to tell.
            manners: `read`: mark it; `typing`: and show us typing until we answer, 25 seconds at most; `off`: nothing.
            message_id: Which message.
        """
        if manners == "off" or self._waiting.full():
            return
        able = provider.capabilities
        typing = manners == "typing" and able.typing
        if typing or able.read_marks:
            self._waiting.put_nowait((provider, message_id, typing))

    async def run(self, stopping: Stopping) -> None:
        """Tell the providers until `stopping`."""
        tellers = [asyncio.create_task(self._tell()) for _ in range(_AT_ONCE)]
        try:
            await stopping.wait()
        finally:
            for teller in tellers:
                teller.cancel()
            await asyncio.gather(*tellers, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            provider, message_id, typing = await self._waiting.get()
            try:
                await provider.mark_read(message_id, typing=typing)
            except Exception:  # a bug in a provider must not end the courtesy for everybody
                log.exception("a message could not be marked as read", action="go_on")
