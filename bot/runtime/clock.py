"""Turns what is due into events, and does the housekeeping that has to happen now and then."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.core.ids import TenantId
from bot.runtime.bells import INBOX, Bells
from bot.runtime.failpoints import failpoint
from bot.runtime.loop import Clock, Stopping
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from storage.base import Timers

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
BATCH = 500  # timers per commit and tenant, shared among the tenants when there are many
LEAST = 25
CHORES_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Fires timers until told to stop. Several may run: each due timer fires once.

    Attributes:
        timers: The storage.
        chores: Called about every five minutes with the time: expiry, partitions.
        served: Whose timers.
        bells: Rung when timers fired.
        clock: The time.
    """

    timers: Timers
    chores: Callable[[datetime], Awaitable[None]]
    served: Callable[[], Sequence[TenantId]]
    bells: Bells
    clock: Clock

    async def run(self, stopping: Stopping) -> None:
        """Tick until `stopping`."""
        next_chores = self.clock()
        while not stopping.is_set():
            now = self.clock()
            try:
                fired = await self.tick(now)
                if now >= next_chores:
                    await self.chores(now)
                    next_chores = now + CHORES_EVERY
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("a tick failed", action="go_on")
                fired = 0
            if not fired:  # else one of them may have more
                await stopping.sleep(TICK_SECONDS)

    async def tick(self, now: datetime) -> int:
        """Fire what is due; returns how many timers."""
        served = self.served()
        fired = await self.timers.fire(now, max(BATCH // max(len(served), 1), LEAST), served)
        failpoint("clock.after_fire")
        if fired:
            METRICS.timers.inc(fired)
            self.bells.ring(INBOX)
        return fired
