"""Group commit: webhooks that arrive while a commit is under way share the next one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from bot.runtime.bells import INBOX, UPDATES, Bells
from bot.runtime.failpoints import failpoint
from bot.runtime.loop import Pulse
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from storage.base import Intake, NewItem, Taken, Unread

log = structlog.get_logger(__name__)

MOST_ITEMS = 2000
"""Items per commit: two of Meta's largest requests (1,000 updates each)."""
PULSE_SECONDS = 0.01
"""Least time between two commits: webhooks that come meanwhile share the next one."""

STEP_SECONDS = 0.05
"""What is taken at a limited rate is taken in steps of so long: others' turns come in between."""
PATIENCE_SECONDS = 2.0
"""No webhook waits longer for its tenant's rate. Providers wait 10 s and more (Twilio 15 s), and not all ask again."""


class _Waiting(NamedTuple):
    """A webhook whose sender waits for our answer."""

    items: Sequence[NewItem]
    whole: Unread
    stored: "asyncio.Future[None]"
    since: float


class Accepts(Protocol):
    """Who stores webhooks."""

    async def accept(self, items: Sequence[NewItem], whole: Unread) -> None:
        """Store one; returning means it is committed."""


class GroupCommit:
    """Stores webhooks. One commit at a time, so that what arrived first is stored first.

    Args:
        intake: The storage.
        bells: Rung after each commit.
        rate: Items per second that are taken; 0: as many as come. Asked before each commit.
    """

    def __init__(self, intake: Intake, bells: Bells, rate: Callable[[], float] = float) -> None:
        self._intake = intake
        self._bells = bells
        self._rate = rate
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._pulse = Pulse(PULSE_SECONDS)

    async def accept(self, items: Sequence[NewItem], whole: Unread) -> None:
        """Store a webhook; returning means it is committed.

        Args:
            items: What was read from it.
            whole: The webhook as it came, kept when PostgreSQL cannot take one of the items.

        Raises:
            Exception: The database is out of reach: answer 5xx, the provider will deliver again.
        """
        if not items:
            return
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(items, whole, stored, loop.time()))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await stored

    async def _flush(self) -> None:
        while self._waiting:
            await self._pulse.beat()
            rate = self._rate()
            batch = self._next(rate)
            items = [item for waiting in batch for item in waiting.items]
            if rate:
                self._pulse.rest(min(len(items) / rate, PATIENCE_SECONDS))
            try:
                await self._store(items)
            except Exception as error:  # noqa: BLE001  whatever it was, each webhook gets its own verdict
                await self._store_apart(batch, error)
            else:
                for waiting in batch:
                    _resolve(waiting.stored)

    def _next(self, rate: float) -> list[_Waiting]:
        """What shares the next commit: one webhook at least, however large it is."""
        late = asyncio.get_running_loop().time() - PATIENCE_SECONDS
        batch: list[_Waiting] = []
        count = 0
        while self._waiting:
            first = self._waiting[0]
            count += len(first.items)
            most = STEP_SECONDS * rate if rate and first.since > late else MOST_ITEMS
            if batch and count > most:
                break
            batch.append(self._waiting.pop(0))
        return batch

    async def _store(self, items: Sequence[NewItem]) -> None:
        failpoint("web.before_commit")
        taken = await self._intake.accept(items)
        failpoint("web.after_commit")
        self._count(taken)
        if taken.messages or taken.facts:
            self._bells.ring(INBOX)
        if taken.statuses:
            self._bells.ring(UPDATES)

    async def _store_apart(self, batch: list[_Waiting], error: Exception) -> None:
        """Store each webhook by itself, and if need be each of its items, so that one bad item spoils nothing else."""
        for items, whole, stored, _ in batch:
            try:
                if is_outage(error):
                    raise error  # noqa: TRY301  trying each webhook apart would not bring the database back
                await self._store_items(items, whole)
            except Exception as failure:  # noqa: BLE001  the caller decides
                _resolve(stored, failure)
            else:
                _resolve(stored)

    async def _store_items(self, items: Sequence[NewItem], whole: Unread) -> None:
        refused = 0
        for item in items:
            try:
                await self._store([item])
            except Exception as failure:
                if is_outage(failure):
                    raise
                refused += 1
                log.exception("an item could not be stored", action="keep_whole", item=type(item).__name__)
        if refused:
            await self._store([whole])

    @staticmethod
    def _count(taken: Taken) -> None:
        METRICS.received.labels("message").inc(taken.messages)
        METRICS.received.labels("duplicate").inc(taken.duplicates)
        METRICS.received.labels("status").inc(taken.statuses)
        METRICS.received.labels("unread").inc(taken.unread)
        METRICS.received.labels("news").inc(taken.facts)


def _resolve(stored: "asyncio.Future[None]", failure: Exception | None = None) -> None:
    if stored.done():  # its request was cancelled; the webhook is stored all the same
        return
    if failure is None:
        stored.set_result(None)
    else:
        stored.set_exception(failure)
