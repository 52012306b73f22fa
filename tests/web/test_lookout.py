"""However many balancers and scrapers ask how we are, the database is asked once a second."""

import asyncio
from dataclasses import dataclass, field

import pytest

from bot.web.health import FRESH_SECONDS, Lookout
from storage.base import Backlog


@dataclass
class Queues:
    """Counts who asks; answers when let."""

    asked: int = 0
    waiting: int = 0
    down: bool = False
    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def backlog(self) -> Backlog:
        self.asked += 1
        self.waiting += 1
        await self.let.wait()
        self.waiting -= 1
        if self.down:
            raise ConnectionRefusedError
        return Backlog(
            inbox_events=self.asked, inbox_oldest=None, outbox_ready=0, outbox_oldest=None, outbox_unknown=0,
            dead_letters=0,
        )  # fmt: skip

    async def revision(self, _: str) -> str:
        return "0001"


@pytest.mark.parametrize("down", [False, True])
async def test_all_who_ask_within_a_second_share_one_look_whatever_it_finds(down: bool) -> None:
    queues, time = Queues(down=down), [100.0]
    lookout = Lookout(queues=queues, ticks=lambda: time[0])
    asking = [asyncio.create_task(lookout.look()) for _ in range(20)]
    while not queues.waiting:
        await asyncio.sleep(0)
    queues.let.set()
    first = await asyncio.gather(*asking)
    assert queues.asked == 1
    assert all(one is first[0] for one in first)
    assert (first[0].trouble == "ConnectionRefusedError") == down
    time[0] += FRESH_SECONDS
    assert await lookout.look() is not first[0], "nobody is told for longer than a second what was"
    assert queues.asked == 2


async def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    queues = Queues()
    lookout = Lookout(queues=queues, ticks=lambda: 0.0)
    impatient, patient = asyncio.create_task(lookout.look()), asyncio.create_task(lookout.look())
    while not queues.waiting:
        await asyncio.sleep(0)
    impatient.cancel()
    queues.let.set()
    assert (await patient).revision == "0001"
    assert queues.asked == 2, "the look that was broken off is made anew"
