"""What one person's failing message means for the others, and for what they write next."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from bot.core.conversation import Conversation
from bot.core.ids import ChannelId, ConversationId, TenantId
from bot.core.messages import TextOut
from bot.runtime.bells import Bells
from bot.runtime.turn import TurnTaker
from bot.runtime.worker import EVENTS, Worker
from storage.base import Berth, Claim, InboxEvent, NewOutbound, Outcome, TurnStore
from storage.crypto import Vault
from storage.postgres import Postgres, PostgresTurns
from tests.conftest import FakeClock
from tests.storage.support import ANNA, BIMAL, LEASE, World, build_world, message


class Taker:
    """Notes what it hears, and fails at every text "bad" until it is mended."""

    def __init__(self, tenant: TenantId) -> None:
        self.served: Sequence[TenantId] = [tenant]
        self.heard: list[str] = []
        self.last_tries: list[bool] = []
        self.mended = False

    def taker(self, tenant: TenantId, channel: ChannelId) -> TurnTaker:
        return cast("TurnTaker", self)

    async def take(
        self, store: TurnStore, channel: ChannelId, conversation: Conversation, event: InboxEvent, outcome: Outcome,
        *, last_try: bool = False,
    ) -> Conversation:  # fmt: skip
        body = cast("Any", event.event).content.body
        self.last_tries.append(last_try)
        if body == "bad" and not self.mended:
            raise ValueError(body)
        self.heard.append(body)
        return conversation


class Late:
    """The queue as it was when a slow worker looked."""

    def __init__(self, turns: PostgresTurns, seen: list[tuple[TenantId, list[ConversationId]]]) -> None:
        self.seen = seen
        self.transaction, self.fail = turns.transaction, turns.fail

    async def waiting(self, *_: object, **__: object) -> list[tuple[TenantId, list[ConversationId]]]:
        return self.seen


@pytest.fixture
async def world(database: Postgres, vault: Vault) -> World:
    return await build_world(database, vault)


@pytest.fixture
def taker(world: World) -> Taker:
    return Taker(world.tenant)


@pytest.fixture
def worker(world: World, taker: Taker, clock: FakeClock) -> Worker:
    return Worker(turns=world.turns, takers=taker, bells=Bells(), clock=clock, attempts=2)


async def write(world: World, sender: Any, *bodies: str) -> ConversationId:
    await world.intake.accept([message(world.channel, body, sender=sender) for body in bodies])
    return await world.conversation(sender)


async def test_a_message_that_fails_holds_up_nobody_else(world: World, worker: Worker, taker: Taker) -> None:
    await write(world, ANNA, "bad")
    await write(world, BIMAL, "hello")
    assert await worker.work() == 2
    assert taker.heard == ["hello"]
    assert await world.value("SELECT attempts FROM inbox") == 1


async def test_what_comes_behind_a_failed_message_waits_for_it(
    world: World, worker: Worker, taker: Taker, clock: FakeClock
) -> None:
    await write(world, ANNA, "bad", "next")
    await worker.work()
    clock.advance(milliseconds=500)
    await worker.work()
    assert taker.heard == []
    taker.mended = True
    clock.advance(seconds=1)
    await worker.work()
    assert taker.heard == ["bad", "next"]


async def test_a_worker_that_looked_before_the_failure_does_not_overtake_it(
    world: World, worker: Worker, taker: Taker, clock: FakeClock
) -> None:
    await write(world, ANNA, "bad", "next")
    late = replace(worker, turns=Late(world.turns, await world.turns.waiting(clock(), 10)))
    await worker.work()
    assert await late.work() == 0
    assert taker.heard == []


async def test_a_message_that_fails_for_good_makes_way(
    world: World, worker: Worker, taker: Taker, clock: FakeClock
) -> None:
    await write(world, ANNA, "bad", "next")
    for _ in range(3):
        await worker.work()
        clock.advance(seconds=10)
    assert taker.heard == ["next"]
    assert await world.value("SELECT error FROM dead_letters") == "ValueError: bad"


async def test_somebody_who_writes_much_shares_the_commits_with_others(
    world: World, worker: Worker, taker: Taker
) -> None:
    await write(world, ANNA, *[f"a{number}" for number in range(EVENTS + 3)])
    await write(world, BIMAL, "b")
    assert await worker.work() == EVENTS + 1
    assert taker.heard[-1] == "b"
    assert await worker.work() == 3
    assert [said for said in taker.heard if said != "b"] == [f"a{number}" for number in range(EVENTS + 3)]


async def test_the_last_try_is_told_so(world: World, worker: Worker, taker: Taker, clock: FakeClock) -> None:
    """Then an action that breaks is a refusal, and the flow can look after the person."""
    await write(world, ANNA, "bad")
    await worker.work()
    assert not any(taker.last_tries), "the first of two tries"
    taker.last_tries.clear()
    clock.advance(seconds=10)
    await worker.work()
    assert taker.last_tries
    assert all(taker.last_tries)


# --- With a sender beside it ------------------------------------------------------------------------------------------


class Quay:
    """A sender beside the worker: counts the berths it gave, and keeps what came back with each."""

    def __init__(self, channel: ChannelId) -> None:
        self.channel = channel
        self.given = 0
        self.returned: list[list[Claim]] = []

    def berth(self) -> Berth:
        self.given += 1
        return Berth(rooms={self.channel: 5}, lease=LEASE)

    async def relief(self, seconds: float) -> None:
        return

    def take_over(self, claims: Sequence[Claim]) -> None:
        self.returned.append(list(claims))


class Answering(Taker):
    """Answers what it hears."""

    async def take(
        self, store: TurnStore, channel: ChannelId, conversation: Conversation, event: InboxEvent, outcome: Outcome,
        *, last_try: bool = False,
    ) -> Conversation:  # fmt: skip
        held = await super().take(store, channel, conversation, event, outcome, last_try=last_try)
        answer = NewOutbound(
            conversation_id=held.conversation_id, channel_id=channel, content=TextOut(body="An answer.")
        )
        outcome.outbound.append(answer)
        return replace(held, last_inbound_at=event.event.at)


class Lost:
    """Loses the connection when all is written and nothing is committed."""

    def __init__(self, turns: PostgresTurns) -> None:
        self._turns = turns
        self.waiting, self.fail = turns.waiting, turns.fail

    @asynccontextmanager
    async def transaction(self, tenant: TenantId) -> AsyncIterator[TurnStore]:
        async with self._turns.transaction(tenant) as store:
            yield store
            raise ConnectionResetError


async def test_a_berth_comes_back_from_a_batch_that_failed(world: World, worker: Worker) -> None:
    """Else the sender would wait for ever for what is never handed over, and could not stop."""
    quay = Quay(world.channel.channel_id)
    beside = replace(worker, takers=Answering(world.tenant), neighbour=quay)
    await write(world, ANNA, "bad")
    await write(world, BIMAL, "hello")
    await beside.work()
    assert len(quay.returned) == quay.given == 3, "together, then each alone"
    handed = [claim for claims in quay.returned for claim in claims]
    assert [claim.conversation_id for claim in handed] == [await world.conversation(BIMAL)]


async def test_what_was_not_committed_is_not_handed_over(world: World, worker: Worker) -> None:
    quay = Quay(world.channel.channel_id)
    beside = replace(worker, takers=Answering(world.tenant), neighbour=quay)
    await write(world, ANNA, "hello")
    with pytest.raises(ConnectionResetError):
        await replace(beside, turns=Lost(world.turns)).work()
    assert quay.returned == [[]]
    assert await world.rows("SELECT message_id FROM outbox") == []
    await beside.work()
    (claim,) = quay.returned[1]
    row = await world.row("SELECT message_id, state, attempt, fence FROM outbox")
    assert tuple(row) == (claim.message_id, "SENDING", 1, claim.fence)
