"""Each answer of a provider leads to what the promises say, and an answer once given is never lost."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from bot.core.ids import ChannelId, ConversationId, MessageId, TenantId
from bot.core.messages import ButtonsOut, Choice, MediaOut, Outgoing, TemplateOut, TextOut
from bot.runtime.bells import Bells
from bot.runtime.circuits import SILENCES
from bot.runtime.loop import Stopping
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sender import HELD_BY_PROVIDER, WINDOW_CLOSED, Sender, SendRules
from bot.runtime.sharing import SharedRate
from providers.base import (
    Accepted,
    Capabilities,
    Effect,
    Fault,
    NotSent,
    OutboundMessage,
    Problem,
    Refused,
    SendOutcome,
    Unknown,
    WebhookItem,
    WebhookRequest,
)
from storage.base import Claim, Result, Share, Verdict
from tests.conftest import FakeClock

CHANNEL = ChannelId(1)


class FakeProvider:
    """Answers what the test says, in order; remembers what it was given."""

    name = "fake"
    webhook_methods = ("POST",)
    capabilities = Capabilities(
        max_text=4096, max_button_body=1024, max_list_body=1024, buttons=True, lists=True, correlation=True
    )

    def __init__(self, *outcomes: SendOutcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[OutboundMessage] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, message: OutboundMessage) -> SendOutcome:
        self.sent.append(message)
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted(provider_message_id=f"wamid.{len(self.sent)}")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def handshake(self, query: object) -> str | None:
        raise AssertionError

    def verify(self, request: WebhookRequest) -> None:
        raise AssertionError

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        raise AssertionError

    async def close(self) -> None:
        return


class FakeOutbox:
    """Hands out the given claims; keeps the results."""

    def __init__(self, *claims: Claim) -> None:
        self.ready = list(claims)
        self.results: list[Result] = []
        self.asked: list[dict[ChannelId, int]] = []
        self.down = False
        self.refused = 0

    async def exchange(
        self, results: Sequence[Result], now: datetime, *, rooms: Mapping[ChannelId, int], lease: timedelta
    ) -> list[Claim]:
        if self.down:
            self.refused += 1
            raise ConnectionResetError
        self.results += results
        self.asked.append(dict(rooms))
        room = sum(rooms.values())
        taken, self.ready = self.ready[:room], self.ready[room:]
        return taken

    async def settle(self, now: datetime, *, wait: timedelta) -> dict[str, int]:
        return {}


def claim(number: int = 1, *, attempt: int = 1, created_at: datetime | None = None) -> Claim:
    return Claim(
        tenant_id=TenantId(1),
        conversation_id=ConversationId(number),
        message_id=MessageId(number),
        created_at=created_at or FakeClock().now,
        channel_id=CHANNEL,
        attempt=attempt,
        fence=7,
        content=TextOut(body="hello"),
        phone="+15550142233",
        user_id=None,
        correlation="s1…",
        last_inbound_at=FakeClock().now,
    )


RULES = SendRules(lease=timedelta(seconds=30), unknown_wait=timedelta(seconds=60))


def sender(outbox: FakeOutbox, provider: FakeProvider, clock: FakeClock, **changes: object) -> Sender:
    ways = {"concurrency": 10, "channel": Pacer(0, 1), "pair": Pacer(0, 1)} | changes
    outlet = Outlet(provider=provider, **ways)  # type: ignore[arg-type]
    return Sender(outbox, {CHANNEL: outlet}, RULES, Bells(), clock)


async def berthed(outbox: FakeOutbox, provider: FakeProvider, clock: FakeClock, *claims: Claim) -> "asyncio.Task[None]":
    """A sender that sends one at a time, is stopping, and was handed these by a worker beside it."""
    sends = sender(outbox, provider, clock, concurrency=1)
    stopping = Stopping()
    running = asyncio.create_task(sends.run(stopping))
    while sends.berth() is None:
        await asyncio.sleep(0)
    stopping.set()
    sends.take_over(claims)
    while not provider.sent:
        await asyncio.sleep(0)
    for _ in claims:  # whoever would go ahead has had its chance
        await asyncio.sleep(0)
    return running


async def sent_late(content: Outgoing, template: str = "") -> tuple[FakeOutbox, FakeProvider]:
    """What becomes of a message whose window closed while it waited."""
    late = replace(claim(), content=content, last_inbound_at=FakeClock().now - timedelta(hours=24))
    outbox, provider = FakeOutbox(late), FakeProvider()
    sends = sender(outbox, provider, FakeClock(), window_template=template)
    await sends.exchange()
    await sends.drain()
    return outbox, provider


async def test_words_wait_when_the_window_has_closed_and_say_why() -> None:
    outbox, provider = await sent_late(TextOut(body="hello"))
    assert not provider.sent
    (result,) = outbox.results
    assert (result.verdict, result.detail) == (Verdict.HELD, WINDOW_CLOSED)


async def test_words_become_the_configured_template() -> None:
    buttons = ButtonsOut(body="Sure?\nReally?", buttons=(Choice(id="y", title="Yes"),))
    outbox, provider = await sent_late(buttons, "reminder")
    template = TemplateOut(name="reminder", language="en", parameters=("Sure? Really? 1. Yes",))
    assert provider.sent[0].content == template
    (result,) = outbox.results
    assert (result.verdict, result.content) == (Verdict.DONE, template)


@pytest.mark.parametrize("content", [TextOut(body="x" * 801), MediaOut(media="image", link="https://x/a.png")])
async def test_what_no_template_can_say_waits(content: Outgoing) -> None:
    outbox, provider = await sent_late(content, "reminder")
    assert not provider.sent
    assert outbox.results[0].verdict is Verdict.HELD


async def test_a_template_that_the_provider_paces_says_so() -> None:
    outbox = FakeOutbox(claim())
    sends = sender(outbox, FakeProvider(Accepted(provider_message_id="wamid.1", held=True)), FakeClock())
    await sends.exchange()
    await sends.drain()
    assert (outbox.results[0].verdict, outbox.results[0].detail) == (Verdict.DONE, HELD_BY_PROVIDER)


async def test_a_template_may_always_be_sent() -> None:
    _, provider = await sent_late(TemplateOut(name="t", language="en"))
    assert len(provider.sent) == 1


async def test_a_window_that_the_provider_says_is_closed_is_closed() -> None:
    refusal = Refused(problem=Problem(fault=Fault.WINDOW, code=131047, effect=Effect.USE_TEMPLATE), http_status=400)
    for template, verdict in (("", Verdict.HELD), ("reminder", Verdict.RETRY)):
        outbox = FakeOutbox(claim())
        sends = sender(outbox, FakeProvider(refusal), FakeClock(), window_template=template)
        await sends.exchange()
        await sends.drain()
        assert (outbox.results[0].verdict, outbox.results[0].effect) == (verdict, "use_template")


async def test_after_a_refusal_of_everything_one_message_goes_ahead_as_a_probe() -> None:
    clock = FakeClock()
    outbox, provider = FakeOutbox(claim(1)), FakeProvider(refused(Fault.AUTH), refused(Fault.AUTH))
    sends = sender(outbox, provider, clock)
    await sends.exchange()
    await sends.drain()
    assert outbox.results[0].pause_until == clock.now + timedelta(minutes=1)
    provider.gate.clear()
    outbox.ready = [claim(2), claim(3), claim(4)]
    await sends.exchange()
    await asyncio.sleep(0)
    assert len(provider.sent) == 2
    provider.gate.set()
    await sends.drain()
    deferred = [r for r in outbox.results if r.verdict is Verdict.DEFER]
    assert len(deferred) == 2
    assert max(r.pause_until for r in outbox.results if r.pause_until) == clock.now + timedelta(minutes=2)
    # An accepted probe closes the circuit.
    outbox.ready = [claim(5)]
    await sends.exchange()
    await sends.drain()
    outbox.ready = [claim(6), claim(7)]
    await sends.exchange()
    await sends.drain()
    assert [r.verdict for r in outbox.results[-3:]] == [Verdict.DONE] * 3


async def test_a_provider_that_is_not_there_is_left_alone_for_a_moment() -> None:
    outbox = FakeOutbox(*(claim(n) for n in range(1, SILENCES + 1)))
    provider = FakeProvider(*[NotSent(detail="refused")] * SILENCES)
    sends = sender(outbox, provider, FakeClock())
    await sends.exchange()
    await sends.drain()
    assert [r.pause_until is not None for r in outbox.results].count(True) == 1


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (NotSent(detail="refused"), 2),
        (Refused(problem=Problem(fault=Fault.AUTH, code=190, detail="no"), http_status=401), 60),
    ],
)
async def test_what_was_under_way_when_it_went_away_makes_the_pause_no_longer(answer: SendOutcome, pause: int) -> None:
    """Dozens fail in the same moment: each taken for a probe, they would shut the number for an hour."""
    clock, many = FakeClock(), 4 * SILENCES
    outbox, provider = FakeOutbox(*(claim(n) for n in range(1, many + 1))), FakeProvider(*[answer] * (many + 1))
    sends = sender(outbox, provider, clock, concurrency=many)
    await sends.exchange()
    await sends.drain()
    assert len(provider.sent) == many
    assert [r.pause_until for r in outbox.results if r.pause_until is not None and r.pause_until > clock.now] == [
        clock.now + timedelta(seconds=pause)
    ]
    outbox.ready = [claim(n) for n in range(1, 4)]
    outbox.results.clear()
    await sends.exchange()
    await sends.drain()
    assert len(provider.sent) == many + 1, "one goes ahead"
    assert max(r.pause_until for r in outbox.results if r.pause_until) == clock.now + timedelta(seconds=2 * pause)


def refused(fault: Fault, *, retry_after: float | None = None) -> Refused:
    return Refused(problem=Problem(fault=fault, code=1, detail="no"), http_status=400, retry_after=retry_after)


@pytest.mark.parametrize(
    ("outcome", "attempt", "verdict", "retry_seconds", "pause_seconds"),
    [
        (Accepted(provider_message_id="wamid.1"), 1, Verdict.DONE, None, None),
        (Unknown(detail="timeout"), 1, Verdict.UNKNOWN, 60, None),
        (NotSent(detail="refused"), 1, Verdict.RETRY, 0.4, None),
        (NotSent(detail="refused"), 50, Verdict.RETRY, 60, None),
        (refused(Fault.TRANSIENT), 1, Verdict.RETRY, 1, None),
        (refused(Fault.TRANSIENT), 5, Verdict.RETRY, 60, None),
        (refused(Fault.TRANSIENT), 6, Verdict.FAILED, None, None),
        (refused(Fault.TRANSIENT, retry_after=90), 1, Verdict.RETRY, 90, None),
        (refused(Fault.MEDIA), 1, Verdict.RETRY, 5, None),
        (refused(Fault.MEDIA, retry_after=80), 1, Verdict.RETRY, 80, None),
        (refused(Fault.MEDIA), 2, Verdict.FAILED, None, None),
        (refused(Fault.THROTTLE_PAIR), 1, Verdict.RETRY, 1, None),
        (refused(Fault.THROTTLE_PAIR), 3, Verdict.RETRY, 16, None),
        (refused(Fault.THROTTLE_PAIR), 9, Verdict.RETRY, 256, None),
        (refused(Fault.THROTTLE_PAIR, retry_after=70), 3, Verdict.RETRY, 70, None),
        (refused(Fault.THROTTLE_CHANNEL), 1, Verdict.RETRY, 0, 1),
        (refused(Fault.THROTTLE_CHANNEL), 9, Verdict.RETRY, 0, 60),
        (refused(Fault.THROTTLE_CHANNEL, retry_after=30), 1, Verdict.RETRY, 0, 30),
        (refused(Fault.AUTH), 1, Verdict.RETRY, 0, 60),
        (refused(Fault.AUTH, retry_after=300), 1, Verdict.RETRY, 0, 300),
        (refused(Fault.POLICY), 1, Verdict.RETRY, 0, 3600),
        (refused(Fault.RECIPIENT), 1, Verdict.FAILED, None, None),
        (refused(Fault.CONSENT), 1, Verdict.FAILED, None, None),
        (refused(Fault.WINDOW), 1, Verdict.HELD, 0, None),
        (refused(Fault.TEMPLATE), 1, Verdict.FAILED, None, None),
        (refused(Fault.REQUEST), 1, Verdict.FAILED, None, None),
        (RuntimeError("a bug in the provider"), 1, Verdict.UNKNOWN, 60, None),
    ],
)
async def test_each_answer_has_its_verdict(
    outcome: SendOutcome | Exception,
    attempt: int,
    verdict: Verdict,
    retry_seconds: float | None,
    pause_seconds: float | None,
    clock: FakeClock,
) -> None:
    outbox, provider = FakeOutbox(claim(attempt=attempt)), FakeProvider(outcome)
    sends = sender(outbox, provider, clock)
    await sends.exchange()
    await sends.drain()
    (result,) = outbox.results
    assert result.verdict is verdict
    assert result.retry_at == (None if retry_seconds is None else clock.now + timedelta(seconds=retry_seconds))
    assert result.pause_until == (None if pause_seconds is None else clock.now + timedelta(seconds=pause_seconds))
    alarming = isinstance(outcome, Refused) and outcome.problem.fault in {Fault.AUTH, Fault.POLICY}
    assert bool(result.alarm) is alarming


@pytest.mark.parametrize(
    "answer",
    [NotSent(detail="refused"), *(refused(fault) for fault in (Fault.TRANSIENT, Fault.AUTH, Fault.THROTTLE_CHANNEL))],
)
async def test_a_reply_nobody_could_be_given_for_a_day_is_given_up(answer: SendOutcome, clock: FakeClock) -> None:
    for hours, verdict in ((23, Verdict.RETRY), (25, Verdict.FAILED)):
        outbox = FakeOutbox(claim(created_at=clock.now - timedelta(hours=hours)))
        sends = sender(outbox, FakeProvider(answer), clock)
        await sends.exchange()
        await sends.drain()
        assert outbox.results[0].verdict is verdict


async def test_answers_survive_a_database_that_is_away(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(claim()), FakeProvider()
    sends = sender(outbox, provider, clock)
    await sends.exchange()
    while not sends._ended:
        await asyncio.sleep(0)
    outbox.down = True
    with pytest.raises(ConnectionResetError):
        await sends.exchange()
    outbox.down = False
    await sends.exchange()
    assert [result.verdict for result in outbox.results] == [Verdict.DONE]


async def test_never_more_calls_than_allowed_at_once(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(*(claim(n) for n in range(1, 6))), FakeProvider()
    provider.gate.clear()
    sends = sender(outbox, provider, clock, concurrency=2)
    await sends.exchange()
    await asyncio.sleep(0)
    await sends.exchange()
    assert len(provider.sent) == 2
    provider.gate.set()
    await sends.drain()
    assert len(outbox.results) == 2


async def test_what_was_handed_over_ahead_waits_for_a_place(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(), FakeProvider()
    provider.gate.clear()
    sending = await berthed(outbox, provider, clock, claim(1), claim(2), claim(3))
    assert len(provider.sent) == 1, "one at a time"
    provider.gate.set()
    await sending
    assert [result.verdict for result in outbox.results] == [Verdict.DONE] * 3


async def test_nothing_is_sent_when_its_lease_is_nearly_over(clock: FakeClock) -> None:
    """Others may declare the attempt UNKNOWN before the answer is here, and say it again: so it is not said now."""
    outbox, provider = FakeOutbox(), FakeProvider()
    provider.gate.clear()
    sending = await berthed(outbox, provider, clock, claim(1), claim(2))
    clock.now += RULES.lease / 2
    provider.gate.set()
    await sending
    assert len(provider.sent) == 1
    told = {result.claim.message_id: (result.verdict, result.detail) for result in outbox.results}
    assert told[MessageId(1)] == (Verdict.DONE, "")
    assert told[MessageId(2)] == (Verdict.RETRY, "the lease was nearly over"), "certainly not sent: tried again"


async def test_a_sender_that_slept_blames_nobody_else(clock: FakeClock) -> None:
    """What it did not send in time says nothing of the provider."""
    outbox, provider = FakeOutbox(), FakeProvider()
    provider.gate.clear()
    sending = await berthed(outbox, provider, clock, claim(1), *(claim(n) for n in range(2, SILENCES + 3)))
    clock.now += RULES.lease / 2
    provider.gate.set()
    await sending
    assert len(outbox.results) == SILENCES + 2
    assert [result.pause_until for result in outbox.results if result.pause_until] == []


async def test_a_person_over_the_pair_limit_waits_and_it_is_no_attempt(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(claim(1), claim(1), claim(2)), FakeProvider()
    sends = sender(outbox, provider, clock, pair=Pacer(6, 1))
    await sends.exchange()
    await sends.drain()
    deferred = [result for result in outbox.results if result.verdict is Verdict.DEFER]
    assert [result.retry_at for result in deferred] == [clock.now + timedelta(seconds=6)]
    assert len(provider.sent) == 2, "the other person is not held up"


async def test_a_number_at_its_rate_claims_nothing(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(*(claim(n) for n in range(1, 9))), FakeProvider()
    sends = sender(outbox, provider, clock, channel=Pacer(1, 3))
    await sends.exchange()
    await sends.drain()
    await sends.exchange()
    await sends.drain()
    assert len(provider.sent) == 3
    assert outbox.asked[0] == {CHANNEL: 3}
    clock.advance(seconds=2)
    await sends.exchange()
    await sends.drain()
    assert len(provider.sent) == 5


async def test_stopping_finishes_what_is_under_way_and_claims_nothing_more(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(claim(1)), FakeProvider()
    provider.gate.clear()
    sends, stopping = sender(outbox, provider, clock), Stopping()
    running = asyncio.create_task(sends.run(stopping))
    while not provider.sent:
        await asyncio.sleep(0)
    outbox.ready.append(claim(2))
    stopping.set()
    provider.gate.set()
    await running
    assert [result.claim.message_id for result in outbox.results] == [1]
    assert len(outbox.ready) == 1


async def test_what_was_under_way_is_recorded_even_when_the_database_comes_back_late(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.runtime.sender.POLL_SECONDS", 0)
    outbox, provider = FakeOutbox(claim(1)), FakeProvider()
    provider.gate.clear()
    sends, stopping = sender(outbox, provider, clock), Stopping()
    running = asyncio.create_task(sends.run(stopping))
    while not provider.sent:
        await asyncio.sleep(0)
    outbox.down = True
    stopping.set()
    provider.gate.set()
    while outbox.refused < 2:
        await asyncio.sleep(0)
    assert not running.done()
    outbox.down = False
    await running
    assert [result.verdict for result in outbox.results] == [Verdict.DONE]


@dataclass
class Others:
    """The other senders, as one hears of them when it leaves: with nothing under way any more."""

    outbox: FakeOutbox
    lost: bool = False
    left: list[int] = field(default_factory=list)

    async def share(self, sender: UUID, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Share]:
        return {channel: Share(senders=1) for channel in channels}

    async def leave(self, sender: UUID) -> None:
        self.left.append(len(self.outbox.results))
        if self.lost:
            raise ConnectionResetError


@pytest.mark.parametrize("lost", [False, True])
async def test_who_stops_lets_the_others_have_its_share_when_all_is_recorded(clock: FakeClock, *, lost: bool) -> None:
    """A database that is away then does not keep it from stopping."""
    outbox, provider = FakeOutbox(claim(1)), FakeProvider()
    others, stopping = Others(outbox, lost), Stopping()
    outlet = Outlet(provider=provider, concurrency=10, channel=Pacer(0, 1), pair=Pacer(0, 1), rate=50)
    sends = Sender(outbox, {CHANNEL: outlet}, RULES, Bells(), clock, SharedRate(shares=others))
    provider.gate.clear()
    running = asyncio.create_task(sends.run(stopping))
    while not provider.sent:
        await asyncio.sleep(0)
    stopping.set()
    await asyncio.sleep(0)
    assert others.left == []
    provider.gate.set()
    await running
    assert others.left == [1]


async def test_the_first_accepted_message_clears_an_old_alarm(clock: FakeClock) -> None:
    outbox, provider = FakeOutbox(claim(1), claim(2)), FakeProvider()
    sends = sender(outbox, provider, clock, concurrency=1)
    await sends.exchange()
    await sends.drain()
    await sends.exchange()
    await sends.drain()
    assert [result.alarm for result in outbox.results] == ["", None]


async def test_a_stopping_sender_waits_for_what_a_worker_is_about_to_hand_over(clock: FakeClock) -> None:
    outbox, provider, stopping = FakeOutbox(), FakeProvider(), Stopping()
    one = sender(outbox, provider, clock)
    assert one.berth() is None  # it is not running yet
    running = asyncio.create_task(one.run(stopping))
    await asyncio.sleep(0)
    berth = one.berth()
    assert berth is not None
    assert berth.rooms == {CHANNEL: 40}
    stopping.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    assert one.berth() is None
    one.take_over([claim()])
    await running
    assert [result.verdict for result in outbox.results] == [Verdict.DONE]


async def test_a_berth_that_was_not_used_holds_up_nothing(clock: FakeClock) -> None:
    outbox, stopping = FakeOutbox(), Stopping()
    one = sender(outbox, FakeProvider(), clock)
    running = asyncio.create_task(one.run(stopping))
    await asyncio.sleep(0)
    assert one.berth() is not None
    stopping.set()
    one.take_over([])
    await running
    assert outbox.results == []


async def test_a_sender_that_is_behind_holds_up_its_neighbour_until_half_is_out(clock: FakeClock) -> None:
    provider = FakeProvider()
    provider.gate.clear()
    sending = sender(FakeOutbox(*(claim(n) for n in range(1, 5))), provider, clock, concurrency=4)
    await asyncio.wait_for(sending.relief(600), 60)  # nothing is under way
    await sending.exchange()
    waiting = asyncio.create_task(sending.relief(600))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(provider.sent) == 4
    assert not waiting.done()
    provider.gate.set()
    await asyncio.wait_for(waiting, 60)


async def test_a_provider_that_does_not_answer_holds_up_nobody_for_long(clock: FakeClock) -> None:
    provider = FakeProvider()
    provider.gate.clear()
    sending = sender(FakeOutbox(claim()), provider, clock, concurrency=1)
    await sending.exchange()
    await asyncio.wait_for(sending.relief(0.01), 60)
    provider.gate.set()
    await sending.drain()
