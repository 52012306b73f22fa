"""A chore is done once in its time, by one process, and by another when that one dies."""

import asyncio
from datetime import timedelta

from storage.postgres import Chores
from tests.conftest import EPOCH
from tests.storage.support import World

DAY = timedelta(days=1)


async def test_only_one_of_many_gets_it(world: World) -> None:
    chores = Chores(world.database)
    taken = await asyncio.gather(*(chores.take("retention", EPOCH, every=DAY) for _ in range(4)))
    assert sum(fence is not None for fence in taken) == 1


async def test_it_is_due_again_when_its_time_has_come(world: World) -> None:
    chores = Chores(world.database)
    fence = await chores.take("retention", EPOCH, every=DAY)
    assert fence is not None
    assert await chores.done("retention", fence, EPOCH + timedelta(minutes=5))
    assert await chores.take("retention", EPOCH + timedelta(hours=23), every=DAY) is None
    assert await chores.take("retention", EPOCH + timedelta(days=1, minutes=5), every=DAY) is not None
    assert await chores.take("other", EPOCH, every=DAY) is not None


async def test_who_slept_past_the_lease_can_neither_say_that_it_is_done_nor_give_it_back(world: World) -> None:
    chores = Chores(world.database)
    slept = await chores.take("retention", EPOCH, every=DAY)
    later = EPOCH + timedelta(hours=1)
    fresh = await chores.take("retention", later, every=DAY)
    assert slept is not None
    assert fresh is not None
    assert not await chores.done("retention", slept, later)
    await chores.give_back("retention", slept, later)
    assert await chores.take("retention", later, every=DAY) is None
    assert await chores.done("retention", fresh, later)


async def test_what_failed_rests_and_is_tried_again(world: World) -> None:
    chores = Chores(world.database)
    fence = await chores.take("retention", EPOCH, every=DAY)
    assert fence is not None
    await chores.give_back("retention", fence, EPOCH + timedelta(minutes=10))
    assert await chores.take("retention", EPOCH + timedelta(minutes=9), every=DAY) is None
    assert await chores.take("retention", EPOCH + timedelta(minutes=10), every=DAY) is not None
