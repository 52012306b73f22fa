"""Empties the outbox: claims messages (which commits the attempt), sends them, records what became of them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

import structlog

from bot.core.ids import ChannelId
from bot.core.messages import ButtonsOut, ListOut, Outgoing, TemplateOut, TextOut, UrlOut
from bot.core.plain import numbered, plain_text
from bot.core.policy import window_open
from bot.runtime.bells import OUTBOX, UPDATES, Bells
from bot.runtime.circuits import Circuits
from bot.runtime.failpoints import failpoint
from bot.runtime.loop import Clock, Pulse, Stopping
from bot.runtime.metrics import METRICS
from bot.runtime.outlets import Outlet
from bot.runtime.sharing import SharedRate
from bot.runtime.trouble import is_outage
from providers.base import (
    Accepted,
    Fault,
    NotSent,
    OutboundMessage,
    Refused,
    SendOutcome,
    Unknown,
)
from storage.base import Berth, Claim, Outbox, Result, Verdict

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5  # when no bell rings
PULSE_SECONDS = 0.06  # least time between two exchanges, so that answers share commits

MAX_IN_TEMPLATE = 800
"""Characters of a text that a template may say in its place: with its own words it must stay below 1,024."""

HELD_BY_PROVIDER = "The provider sends it once it has seen how people take this template."

WINDOW_CLOSED = "More than 24 hours after the person's last message: it waits until they write again."

_TRANSIENT = (1, 4, 15, 45, 60)  # seconds; about two minutes in all, then it has failed
_MOST_MEDIA_TRIES = 2
_BEHIND_A_PROBE = timedelta(seconds=1)
_AHEAD = 4  # times what is sent at once may be handed over: far less than a lease's worth, and no round trip to get it
_USEFUL = timedelta(hours=24)  # a reply that could not be handed over for so long is not worth sending any more


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRules:
    """How patiently to send.

    Attributes:
        lease: After which an attempt without an answer in the database is UNKNOWN; twice the HTTP timeout.
        unknown_wait: How long a status may still tell what became of an UNKNOWN attempt.
    """

    lease: timedelta
    unknown_wait: timedelta


class Sender:
    """Sends until told to stop. Any number may run, in any number of processes.

    Args:
        outbox: The storage.
        outlets: Who carries the messages of each channel, and how fast; may change at any time.
        rules: How patiently.
        bells: Rings when there is something to send.
        clock: The time.
        shared: Divides the rates of numbers with other senders; None when there are no others.
    """

    def __init__(
        self, outbox: Outbox, outlets: Mapping[ChannelId, Outlet], rules: SendRules, bells: Bells, clock: Clock,
        shared: SharedRate | None = None,
    ) -> None:  # fmt: skip
        self._outbox = outbox
        self._outlets = outlets
        self._rules = rules
        self._bells = bells
        self._clock = clock
        self._shared = shared
        self._flying: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[ChannelId] = Counter()
        self._ended: list[Result] = []
        self._landed = asyncio.Event()
        self._open = False
        self._berths = 0  # given and not yet taken
        self._relieved = asyncio.Event()  # not set: a number has as much in flight as it sends at a time
        self._relieved.set()
        self._circuits = Circuits()
        self._well: set[ChannelId] = set()  # the others may have an old alarm, until a message is accepted

    async def run(self, stopping: Stopping) -> None:
        """Send until `stopping`; then waits for the answers under way and records them."""
        pulse = Pulse(PULSE_SECONDS)
        while not stopping.is_set():
            await pulse.beat()
            try:
                if self._shared is not None:
                    await self._shared.beat(self._outlets)
                self._open = True
                await self.exchange()
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("an exchange with the outbox failed", action="go_on")
                await stopping.sleep(POLL_SECONDS)
                continue
            # What could be claimed is claimed: only an answer, a bell or time makes for more.
            await stopping.first(self._anything())
        self._open = False
        await self.drain()
        if self._shared is not None:
            with contextlib.suppress(Exception):  # else it is missed after a while
                await self._shared.leave()

    async def drain(self) -> None:
        """Wait for the answers under way and record them, however late the database is; claims nothing more."""
        while self._flying or self._ended or self._berths:
            if self._flying:
                await asyncio.wait(self._flying)
            elif not self._ended:
                await self._landed.wait()
                self._landed.clear()
                continue
            try:
                await self.exchange(claim=False)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def exchange(self, *, claim: bool = True) -> int:
        """Record what has ended and claim what there is room for; returns how much happened."""
        results, self._ended = self._ended, []
        self._landed.clear()
        now = self._clock()
        rooms = self._rooms(now) if claim else {}
        if not results and not rooms:
            return 0
        try:
            claims = await self._outbox.exchange(results, now, rooms=rooms, lease=self._rules.lease)
        except BaseException:
            self._ended = results + self._ended  # their answers must not be lost with the transaction
            raise
        failpoint("sender.after_claim")
        for verdict, count in Counter(result.verdict for result in results).items():
            METRICS.sends.labels(verdict.value).inc(count)
        self._well.update(result.claim.channel_id for result in results if result.verdict is Verdict.DONE)
        for claimed in claims:
            self._start(claimed, now)
        return len(results) + len(claims)

    def berth(self) -> Berth | None:
        """What can be handed to this sender now; None for nothing. Whoever got one calls `take_over`, come what may.

        More than it sends at a time, so that the next replies are at hand when the first are out.
        """
        rooms = self._rooms(self._clock(), _AHEAD) if self._open else {}
        if not rooms:
            return None
        self._berths += 1
        return Berth(rooms=rooms, lease=self._rules.lease)

    async def relief(self, seconds: float) -> None:
        """Wait, at most so long, while a number has more to send than it sends at a time, until half of that is out.

        Turns that are taken meanwhile would only make a queue, and what comes behind others cannot be handed over.
        """
        if not self._relieved.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._relieved.wait()

    def take_over(self, claims: Sequence[Claim]) -> None:
        """Send what a worker claimed for this sender, with its berth, when it committed the turns."""
        self._berths -= 1
        self._landed.set()
        for claim in claims:
            self._start(claim, claim.created_at)

    async def settle(self, stopping: Stopping) -> None:
        """Apply statuses and clear up unknown sends until `stopping`."""
        while not stopping.is_set():
            try:
                counts = await self._outbox.settle(self._clock(), wait=self._rules.unknown_wait)
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("settling failed", action="go_on")
                await stopping.sleep(POLL_SECONDS)
                continue
            for what, count in counts.items():
                METRICS.settled.labels(what).inc(count)
            if counts.get("repeated") or counts.get("resolved"):
                self._bells.ring(OUTBOX)
            await stopping.first(self._bells.wait(UPDATES, POLL_SECONDS))

    async def _anything(self) -> None:
        """Wait until an answer has come or something new may be sent."""
        bell = asyncio.ensure_future(self._bells.wait(OUTBOX, POLL_SECONDS))
        landed = asyncio.ensure_future(self._landed.wait())
        try:
            await asyncio.wait((bell, landed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            bell.cancel()
            landed.cancel()

    def _rooms(self, now: datetime, ahead: int = 1) -> dict[ChannelId, int]:
        """How many messages each number can take now; numbers that can take none are left out."""
        at, rooms = now.timestamp(), {}
        for channel, outlet in self._outlets.items():
            free = ahead * outlet.concurrency - self._in_flight[channel]
            paced = outlet.channel.room(channel, at)
            if (room := free if paced is None else min(free, paced)) > 0:
                rooms[channel] = room
        return rooms

    def _start(self, claim: Claim, now: datetime) -> None:
        outlet = self._outlets.get(claim.channel_id)
        if outlet is None:  # it is not served here any more
            self._end(claim, Verdict.DEFER, retry_at=now + timedelta(seconds=5))
            return
        content = self._may_say(outlet, claim, now)
        if content is None:
            self._ended.append(Result(claim=claim, verdict=Verdict.HELD, at=self._clock(), detail=WINDOW_CLOSED))
            self._landed.set()
            return
        wait = outlet.channel.take(claim.channel_id, now.timestamp())
        wait = wait or outlet.pair.take(claim.conversation_id, now.timestamp())
        if wait:
            self._end(claim, Verdict.DEFER, retry_at=now + timedelta(seconds=wait))
            return
        if (ticket := self._circuits.admits(claim.channel_id)) is None:
            self._end(claim, Verdict.DEFER, retry_at=now + _BEHIND_A_PROBE)
            return
        task = asyncio.create_task(self._send(outlet, claim, content, ticket, now + self._rules.lease / 2))
        self._flying.add(task)
        self._in_flight[claim.channel_id] += 1
        if self._in_flight[claim.channel_id] >= outlet.concurrency:
            self._relieved.clear()
        task.add_done_callback(partial(self._ended_flight, claim.channel_id, outlet.concurrency))

    def _ended_flight(self, channel: ChannelId, concurrency: int, task: "asyncio.Task[None]") -> None:
        self._flying.discard(task)
        self._in_flight[channel] -= 1
        if self._in_flight[channel] <= concurrency // 2:
            self._relieved.set()

    def _may_say(self, outlet: Outlet, claim: Claim, now: datetime) -> Outgoing | None:
        """What may be said at this moment: the message, a template in its place, or nothing until the person writes.

        Whether the window is open was known when the message was queued; it may have closed while it waited.
        """
        content = claim.content
        if isinstance(content, TemplateOut) or window_open(claim.last_inbound_at, now):
            return content
        return in_template(content, outlet.window_template, claim.language)

    async def _send(self, outlet: Outlet, claim: Claim, content: Outgoing, ticket: int, begin_before: datetime) -> None:
        provider = outlet.provider
        message = OutboundMessage(
            phone=claim.phone,
            user_id=claim.user_id,
            content=content,
            correlation=claim.correlation,
            reply_to=claim.reply_to if content is claim.content else None,
        )
        failpoint("sender.before_http")
        outcome: SendOutcome
        asked = True
        try:
            async with outlet.calls:
                if self._clock() < begin_before:
                    outcome = await provider.send(message)
                else:
                    # This process slept, and its lease may end before the answer comes, or is over: by now others may
                    # have declared the attempt UNKNOWN and said it again. The fence decides whether it is tried again.
                    outcome, asked = NotSent(detail="the lease was nearly over"), False
        except Exception:  # a bug in a provider must not stop the others; whether it wrote, nobody knows
            log.exception("a provider failed", action="unknown", provider=provider.name, message_id=claim.message_id)
            outcome = Unknown(detail="the provider code failed")
        failpoint("sender.after_http")
        result = self._judge(claim, outcome, self._circuits.after(claim.channel_id, ticket, outcome if asked else None))
        self._ended.append(result if content is claim.content else replace(result, content=content))
        self._landed.set()

    def _end(self, claim: Claim, verdict: Verdict, *, retry_at: datetime) -> None:
        self._ended.append(Result(claim=claim, verdict=verdict, at=self._clock(), retry_at=retry_at))
        self._landed.set()

    def _judge(self, claim: Claim, outcome: SendOutcome, pause: timedelta | None) -> Result:
        now = self._clock()
        match outcome:
            case Accepted(provider_message_id=wamid, held=held):
                well = "" if claim.channel_id not in self._well else None
                return Result(
                    claim=claim,
                    verdict=Verdict.DONE,
                    at=now,
                    provider_message_id=wamid,
                    alarm=well,
                    detail=HELD_BY_PROVIDER if held else "",
                )
            case NotSent(detail=detail):
                if now - claim.created_at > _USEFUL:
                    return Result(claim=claim, verdict=Verdict.FAILED, at=now, detail=detail)
                wait = timedelta(seconds=min(0.2 * 2 ** min(claim.attempt, 10), 60))
                return Result(
                    claim=claim,
                    verdict=Verdict.RETRY,
                    at=now,
                    retry_at=now + wait,
                    detail=detail,
                    pause_until=now + pause if pause else None,
                )
            case Unknown(detail=detail):
                log.warning("a send is unknown", action="wait_for_status", message_id=claim.message_id, detail=detail)
                return Result(
                    claim=claim,
                    verdict=Verdict.UNKNOWN,
                    at=now,
                    retry_at=now + self._rules.unknown_wait,
                    detail=detail,
                )
            case Refused():
                return self._judge_refusal(claim, outcome, now, pause or timedelta())
            case _:
                assert_never(outcome)

    def _judge_refusal(self, claim: Claim, refused: Refused, now: datetime, pause: timedelta) -> Result:
        fault, told = refused.problem.fault, timedelta(seconds=refused.retry_after or 0)
        retry_at: datetime | None = None
        pause_until: datetime | None = None
        alarm: str | None = None
        tries = claim.attempt
        verdict = Verdict.RETRY
        match fault:
            case Fault.WINDOW if not isinstance(claim.content, TemplateOut):
                # Whatever we thought, the window is closed: that is noted with the result, and decides the next time.
                outlet = self._outlets.get(claim.channel_id)
                verdict = Verdict.RETRY if outlet is not None and outlet.window_template else Verdict.HELD
                retry_at = now
            case Fault.THROTTLE_CHANNEL:
                pause_until = now + max(told, timedelta(seconds=min(2 ** (tries - 1), 60)))
                retry_at = now
            case Fault.THROTTLE_PAIR:  # Meta's recipe: 4^X seconds, X = 0, 1, 2…
                retry_at = now + max(told, timedelta(seconds=4 ** min(tries - 1, 4)))
            case Fault.TRANSIENT if tries <= len(_TRANSIENT):
                pause_until = now + pause if pause else None
                retry_at = now + max(told, timedelta(seconds=_TRANSIENT[tries - 1]))
            case Fault.MEDIA if tries < _MOST_MEDIA_TRIES:
                retry_at = now + max(told, timedelta(seconds=5))
            case Fault.AUTH | Fault.POLICY:
                pause_until, retry_at = now + max(told, pause), now
                alarm = f"{fault.value}: code {refused.problem.code}, {refused.problem.detail}"[:300]
                self._well.discard(claim.channel_id)
                log.error(
                    "a channel is refused", action="pause", channel_id=claim.channel_id, code=refused.problem.code
                )
            case _:
                pass
        if retry_at is not None and now - claim.created_at > _USEFUL:
            retry_at = None
        return Result(
            claim=claim,
            verdict=Verdict.FAILED if retry_at is None else verdict,
            at=now,
            http_status=refused.http_status,
            error_code=refused.problem.code,
            detail=refused.problem.detail,
            retry_at=retry_at,
            pause_until=pause_until,
            alarm=alarm,
            effect=refused.problem.effect.value,
        )


def in_template(content: Outgoing, template: str, language: str) -> TemplateOut | None:
    """Words as the parameter of a template; None when there is none, or they are no words or too many."""
    if not template or not isinstance(content, TextOut | ButtonsOut | ListOut | UrlOut):
        return None
    text = " ".join((numbered(content) if isinstance(content, ButtonsOut | ListOut) else plain_text(content)).split())
    if not text or len(text) > MAX_IN_TEMPLATE:
        return None
    return TemplateOut(name=template, language=language, parameters=(text,))
