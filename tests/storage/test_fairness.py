"""One tenant's burst does not delay another: shown by the order in which things are taken, not by a clock."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from bot.core.conversation import Conversation
from bot.core.ids import ChannelId, TenantId
from bot.runtime.bells import Bells
from bot.runtime.lanes import Lanes
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sender import Sender, SendRules
from bot.runtime.worker import SLICE, Worker
from providers.base import Accepted, OutboundMessage, SendOutcome
from storage.base import InboxEvent, NewItem, Outcome, Taken, Unread
from storage.postgres.turns import PostgresTurnStore
from tests.conftest import EPOCH, FakeClock
from tests.runtime.test_sender import FakeProvider
from tests.storage.support import World, build_world, message, person, timer

SECOND = timedelta(seconds=1)
MANY = 150


@pytest.fixture
async def crowd(world: World) -> World:
    """A tenant of which a hundred and fifty people have written, and wait for an answer each."""
    await world.intake.accept([message(world.channel, sender=person(n)) for n in range(MANY)])
    await world.say_to_each([person(n) for n in range(MANY)])
    return world


@pytest.fixture
async def quiet(crowd: World) -> World:
    """Another tenant, of which one person has written after all of them."""
    made = await build_world(crowd.database, crowd.vault, slug="beta", address="200")
    later = EPOCH + SECOND
    await made.intake.accept([message(made.channel, at=later)])
    await made.say("hello", at=later)
    for one in (crowd, made):  # so that words may be sent
        async with one.database.tenant(one.tenant) as db:
            await db.execute("UPDATE whatsapp_conversations SET last_inbound_at = $1", EPOCH)
    return made


NOW = EPOCH + 2 * SECOND


async def test_of_what_is_claimed_the_first_of_each_tenant_comes_before_the_second_of_any(
    crowd: World, quiet: World
) -> None:
    found = await crowd.turns.waiting(NOW, 10)
    assert {tenant: len(theirs) for tenant, theirs in found} == {crowd.tenant: 9, quiet.tenant: 1}
    assert len(dict(await crowd.turns.waiting(NOW, 2))) == 2
    found = await crowd.turns.waiting(NOW, 400, share=20)
    assert {tenant: len(theirs) for tenant, theirs in found} == {crowd.tenant: 20, quiet.tenant: 1}


async def test_only_those_who_are_served_are_claimed(crowd: World, quiet: World) -> None:
    assert list(dict(await crowd.turns.waiting(NOW, 10, tenants=[quiet.tenant]))) == [quiet.tenant]
    assert await crowd.turns.waiting(NOW, 10, tenants=[]) == []
    async with quiet.database.tenant(quiet.tenant) as db:
        await db.execute("UPDATE tenants SET status = 'DISABLED'")
    assert list(dict(await crowd.turns.waiting(NOW, 10))) == [crowd.tenant]


class Order:
    """Notes whose turns are taken, and takes them without any flow."""

    def __init__(self, *worlds: World) -> None:
        self.served = [world.tenant for world in worlds]
        self.taken: list[TenantId] = []

    def taker(self, tenant: TenantId, channel: ChannelId) -> Any:
        return self

    async def take(
        self, store: PostgresTurnStore, channel: ChannelId, conversation: Conversation, event: InboxEvent,
        outcome: Outcome, *, last_try: bool = False,
    ) -> Conversation:  # fmt: skip
        self.taken.append(store.tenant_id)
        return conversation


def working(world: World, order: Order) -> Worker:
    return Worker(turns=world.turns, takers=order, bells=Bells(), clock=FakeClock(NOW))


async def test_a_worker_takes_the_turn_of_who_has_one_before_those_of_who_has_many(crowd: World, quiet: World) -> None:
    order = Order(crowd, quiet)
    await working(crowd, order).work()
    assert order.taken[0] == quiet.tenant
    assert order.taken.count(crowd.tenant) == SLICE, "and of the others no more than a slice"


async def test_who_writes_in_the_middle_of_a_burst_waits_for_a_slice_at_the_most(crowd: World, quiet: World) -> None:
    order = Order(crowd, quiet)
    worker = working(crowd, order)
    await worker.work()
    for _ in range(3):
        await quiet.intake.accept([message(quiet.channel, at=EPOCH + SECOND)])
        begun = len(order.taken)
        await worker.work()
        assert order.taken[begun:].index(quiet.tenant) == 0
        assert len(order.taken) - begun <= SLICE + 1
    while await worker.work():
        pass
    assert order.taken.count(crowd.tenant) == MANY, "nobody is forgotten"


async def test_alone_a_tenant_has_all_there_is(crowd: World) -> None:
    order = Order(crowd)
    await working(crowd, order).work()
    assert len(order.taken) == 100


async def test_a_numbers_messages_take_nothing_of_anothers_room(crowd: World, quiet: World) -> None:
    claims = await crowd.claim(now=NOW, room=5, also=[quiet.channel.channel_id])
    assert [claim.tenant_id for claim in claims].count(crowd.tenant) == 5
    assert [claim.tenant_id for claim in claims].count(quiet.tenant) == 1


class Stuck(FakeProvider):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def send(self, message: OutboundMessage) -> SendOutcome:
        await self.let.wait()
        return Accepted(provider_message_id=f"wamid.{message.correlation}")


async def test_a_provider_that_does_not_answer_holds_up_its_own_number_only(crowd: World, quiet: World) -> None:
    stuck, swift = Stuck(), FakeProvider()
    ways = {"concurrency": 4, "channel": Pacer(0, 1), "pair": Pacer(0, 1)}
    outlets = {
        crowd.channel.channel_id: Outlet(provider=stuck, **ways),  # type: ignore[arg-type]
        quiet.channel.channel_id: Outlet(provider=swift, **ways),  # type: ignore[arg-type]
    }
    rules = SendRules(lease=timedelta(seconds=30), unknown_wait=timedelta(seconds=60))
    sender = Sender(crowd.outbox, outlets, rules, Bells(), FakeClock(NOW))
    await sender.exchange()
    await asyncio.sleep(0)
    for words in ("and another", "and one more"):
        await quiet.say(words, at=NOW)
        await sender.exchange()
        await asyncio.sleep(0)
        await sender.exchange()
    assert len(swift.sent) >= 2, "while all that the other number may have under way gets no answer"
    stuck.let.set()
    await sender.drain()


async def test_timers_of_a_tenant_with_many_leave_room_for_the_others(crowd: World, quiet: World) -> None:
    for world, count in ((crowd, 60), (quiet, 1)):
        conversation = await world.conversation()
        due = [timer(conversation, EPOCH + SECOND, run=f"run-{n}") for n in range(count)]
        async with world.turns.transaction(world.tenant) as store:
            await store.write(Outcome(timers={(one.run, one.name, one.epoch): one for one in due}), EPOCH)
    assert await crowd.upkeep.fire(NOW, 25) == 26
    assert await quiet.value("SELECT count(*) FROM timers") == 0
    assert await crowd.upkeep.fire(NOW, 25, [quiet.tenant]) == 0


class Gated:
    """An intake in which one tenant's commit takes as long as it likes."""

    def __init__(self, slow: int) -> None:
        self.slow = slow
        self.let = asyncio.Event()
        self.stored: list[int] = []

    async def accept(self, items: Sequence[NewItem]) -> Taken:
        for item in items:
            assert isinstance(item, Unread)
            if item.tenant_id == self.slow:
                await self.let.wait()
            self.stored.append(item.tenant_id)
        return Taken(unread=len(items))


def note(tenant: int) -> Unread:
    return Unread(tenant_id=TenantId(tenant), kind="x", body=b"", received_at=EPOCH)


async def test_webhooks_of_a_tenant_wait_for_that_tenants_commits_only() -> None:
    intake = Gated(slow=1)
    lanes = Lanes(intake, Bells())
    behind = [asyncio.create_task(lanes.accept([note(1)], note(0))) for _ in range(20)]
    await asyncio.sleep(0)
    await lanes.accept([note(2)], note(0))
    assert intake.stored == [2]
    both = asyncio.create_task(lanes.accept([note(2), note(1)], note(0)))
    async with asyncio.timeout(60):
        while intake.stored != [2, 2]:
            await asyncio.sleep(0.01)
    assert not both.done(), "a webhook is confirmed when all of it is stored"
    intake.let.set()
    await asyncio.gather(*behind, both)
    assert intake.stored.count(1) == 21
