"""Drains the inbox: claims conversations, takes their turns in order, commits everything a batch changed at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.core.ids import ChannelId, ConversationId, TenantId
from bot.runtime.bells import INBOX, OUTBOX, Bells
from bot.runtime.failpoints import failpoint
from bot.runtime.loop import Clock, Pulse, Stopping
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from bot.runtime.turn import TurnTaker
from storage.base import Berth, Claim, InboxEvent, Outcome, Turns, TurnStore, Work

log = structlog.get_logger(__name__)

CANDIDATES = 400  # inbox events looked at per claim
CONVERSATIONS = 100  # conversations per transaction: long enough to share a commit, short enough to be undone cheaply
EVENTS = 10  # per conversation and transaction, so that one busy person does not hold up the others
SLICE = 25  # conversations per transaction where there are several tenants: none waits for long until it is its turn
POLL_SECONDS = 0.5  # when no bell rings
GIVE_WAY_SECONDS = 0.1  # at most, to a sender here that is behind: replies that wait are worth more than new ones
PULSE_SECONDS = 0.012  # least time between two claims, so that turns share commits: each costs as much as 20 turns

_BACKOFF = (1, 5, 30, 120)  # seconds before a failed event is tried again


class Neighbour(Protocol):
    """A sender in the same process."""

    def berth(self) -> Berth | None:
        """What it can take now; None for nothing. After a berth it expects `take_over`, and does not stop before."""

    async def relief(self, seconds: float) -> None:
        """Wait, at most so long, while it has more to send than it sends at a time."""

    def take_over(self, claims: Sequence[Claim]) -> None:
        """Send what was claimed for it, if anything; their attempts are committed."""


class Takers(Protocol):
    """Whose turns are taken here, with which flows and actions."""

    @property
    def served(self) -> Sequence[TenantId]:
        """Whose; may be others at any time."""

    def taker(self, tenant: TenantId, channel: ChannelId) -> TurnTaker:
        """With what, for conversations of a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Takes turns until told to stop. Any number of loops may run it, in any number of processes.

    Attributes:
        turns: The storage.
        takers: The tenants, their flows and actions.
        bells: Rings when there is work; rung when there is something to send.
        clock: The time.
        attempts: How often an event may fail before it is put aside.
        neighbour: The sender in this process, if there is one: it is handed what it can send at once.
        pulse: Least time between two claims.
    """

    turns: Turns
    takers: Takers
    bells: Bells
    clock: Clock
    attempts: int = 5
    neighbour: Neighbour | None = None
    pulse: Pulse = field(default_factory=lambda: Pulse(PULSE_SECONDS))

    async def run(self, stopping: Stopping) -> None:
        """Work until `stopping`; finishes the batch under way."""
        while not stopping.is_set():
            await self.pulse.beat()
            if self.neighbour is not None:
                await self.neighbour.relief(GIVE_WAY_SECONDS)
            try:
                busy = await self.work()
            except Exception as error:
                if not is_outage(error):
                    log.exception("a batch failed for a reason nobody foresaw", action="go_on")
                else:
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                await stopping.sleep(POLL_SECONDS)
                continue
            if not busy:
                await stopping.first(self.bells.wait(INBOX, POLL_SECONDS))

    async def work(self) -> int:
        """Take the turns that are due, one transaction per tenant; returns how many were taken or failed.

        With several tenants, each gets a slice, and those with little to do come first: they do not notice that
        another has much.
        """
        served = self.takers.served
        found: Sequence[tuple[TenantId, Sequence[ConversationId] | None]]
        if len(served) == 1:
            found, most = [(served[0], None)], CONVERSATIONS  # who waits there is found in the transaction
        else:
            most = SLICE
            waiting = await self.turns.waiting(self.clock(), CANDIDATES, share=4 * most, tenants=served)
            found = [(tenant, theirs[: 2 * most]) for tenant, theirs in sorted(waiting, key=lambda one: len(one[1]))]
        taken = 0
        for tenant, conversations in found:
            try:
                taken += await self._take(tenant, conversations, most, EVENTS)
            except Exception as error:
                if is_outage(error):
                    raise
                log.warning("a batch failed", action="retry_one_by_one", error=type(error).__name__)
                taken += await self._take_apart(tenant, conversations)
        return taken

    async def _take(
        self, tenant: TenantId, conversations: Sequence[ConversationId] | None, limit: int, events: int
    ) -> int:
        """Take turns of these conversations, or of those whose events are due, in one transaction."""
        outcome, now = Outcome(), self.clock()
        berth = self.neighbour.berth() if self.neighbour is not None else None
        claims: list[Claim] = []
        try:
            async with self.turns.transaction(tenant) as store:
                if conversations is None:
                    works = await store.lock_due(now, limit, events)
                else:
                    works = await store.lock(conversations, limit, events)
                for work in works:
                    await self._drain(store, work, now, outcome)
                written: list[Claim] = []
                if outcome.done:
                    # Times of a batch are never before the events it answers, whoever's clock they were taken from.
                    written = await store.write(outcome, self.clock(), berth)
                    failpoint("worker.before_commit")
            failpoint("worker.after_commit")
            claims = written
        finally:
            if berth is not None and self.neighbour is not None:
                self.neighbour.take_over(claims)
        self._report(outcome, len(claims))
        return len(outcome.done)

    async def _drain(self, store: TurnStore, work: Work, now: datetime, outcome: Outcome) -> None:
        conversation, taker = work.conversation, self.takers.taker(store.tenant_id, work.channel_id)
        for event in work.events:
            if event.due_at > now:  # it failed before and waits; what came later must wait behind it
                break
            conversation = await taker.take(
                store, work.channel_id, conversation, event, outcome, last_try=event.attempts >= self.attempts - 1
            )
            outcome.done.append((conversation.conversation_id, event.event.event_id))
            METRICS.turn_latency.observe(max((self.clock() - event.event.at).total_seconds(), 0.0))
        if conversation is not work.conversation:
            outcome.conversations.append(conversation)

    async def _take_apart(self, tenant: TenantId, conversations: Sequence[ConversationId] | None) -> int:
        """Take one event of one conversation per transaction, so that a bad one harms nobody else."""
        if conversations is None:
            waiting = await self.turns.waiting(self.clock(), 2 * CONVERSATIONS, tenants=[tenant])
            conversations = [conversation for _, theirs in waiting for conversation in theirs]
        taken = 0
        for conversation in conversations:
            current: list[InboxEvent] = []
            try:
                async with self.turns.transaction(tenant) as store:
                    for work in await store.lock([conversation], 1, 1):
                        current = list(work.events)
                    if not current:
                        continue
                taken += await self._take(tenant, [conversation], 1, 1)
            except Exception as error:
                if is_outage(error) or not current:
                    raise
                await self._fail(tenant, conversation, current[0], error)
                taken += 1
        return taken

    async def _fail(self, tenant: TenantId, conversation: ConversationId, event: InboxEvent, error: Exception) -> None:
        last = event.attempts + 1 >= self.attempts
        now = self.clock()
        wait = timedelta(seconds=_BACKOFF[min(event.attempts, len(_BACKOFF) - 1)])
        log.error(
            "an event failed",
            action="dead_letter" if last else "retry",
            conversation_id=conversation,
            event_id=event.event.event_id,
            attempt=event.attempts + 1,
            exc_info=error,
        )
        await self.turns.fail(
            tenant,
            conversation,
            event.event.event_id,
            f"{type(error).__name__}: {error}"[:1000],
            now=now,
            retry_at=None if last else now + wait,
        )
        METRICS.turns.labels("dead" if last else "failed").inc()

    def _report(self, outcome: Outcome, handed: int) -> None:
        METRICS.turns.labels("done").inc(len(outcome.done))
        if len(outcome.outbound) > handed:
            self.bells.ring(OUTBOX)
