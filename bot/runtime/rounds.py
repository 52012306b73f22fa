"""Work that comes round again: sealing, summing up, and the like. Any number of processes may do it at once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.runtime.loop import Clock, Stopping
from bot.runtime.trouble import is_outage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Does something every few seconds until told to stop. What it does must be fenced: others do the same.

    Attributes:
        name: For the log.
        seconds: Between the end of one round and the next.
        do: One round, given the time.
        clock: The time.
    """

    name: str
    seconds: float
    do: Callable[[datetime], Awaitable[object]]
    clock: Clock

    async def run(self, stopping: Stopping) -> None:
        """Go round until `stopping`; a round that fails is told and the next one comes all the same."""
        while not stopping.is_set():
            try:
                await self.do(self.clock())
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("a chore failed", action="go_on", chore=self.name)
            await stopping.sleep(self.seconds)
