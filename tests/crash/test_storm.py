"""Everything dies, at any moment, while many people write."""

import asyncio
import random
import signal
import time

import pytest

from crash.conftest import Deploy, Report
from crash.deployment import SEND_LEASE, SOAK, WORKER_LEASE, Deployment
from crash.meta import Mood
from crash.people import Person

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]

PEOPLE, NUMBERS, SECONDS = (200, 50, 300) if SOAK else (50, 30, 40)

LULL = 30.0  # seconds that nothing may get through before the next one dies all the same

VICTIMS = ["web:1", "web:2", "worker:1", "worker:2", "sender:1", "sender:2", "clock:1"]
FATES = ["kill"] * 6 + ["freeze", "postgres"]
BAD_DAY = Mood(drop=0.01, slow=0.005, error=0.01, throttle=0.001, silent=0.3, shuffle=0.2, pause=0.2)


async def torment(town: Deployment, done: asyncio.Event) -> None:
    """Kill and freeze at random until done.

    Something must get through in between: a busy machine would else kill processes faster than it starts them.
    """
    rng = random.Random(town.rng.random())
    freezing: set[asyncio.Task[None]] = set()
    fates: list[str] = []
    while not done.is_set():
        sent, until = len(town.meta.sent), time.monotonic() + LULL
        await asyncio.sleep(rng.uniform(1, 3))
        while len(town.meta.sent) < sent + 10 and time.monotonic() < until and not done.is_set():
            await asyncio.sleep(0.1)
        child = town.fleet.children[rng.choice(VICTIMS)]
        if not fates:
            fates = rng.sample(FATES, len(FATES))
        match fates.pop():
            case "kill":
                child.signal(signal.SIGKILL)
            case "freeze":
                seconds = 1.5 * (SEND_LEASE if "sender" in child.parts else WORKER_LEASE)
                task = asyncio.create_task(town.freeze(child, seconds))
                freezing.add(task)
                task.add_done_callback(freezing.discard)
            case _:
                await town.kill_postgres(rng.uniform(0, 0.5))
    await asyncio.gather(*freezing)


async def test_nothing_is_lost_or_doubled_in_a_storm(deployed: Deploy, report: Report) -> None:
    """Kills, freezes and PostgreSQL crashes at random, a provider on a bad day, webhooks delivered twice."""
    async with deployed() as town:
        town.people = [Person(number, ordered=number % 5 != 0) for number in range(1, PEOPLE + 1)]
        town.meta.mood = BAD_DAY
        town.courier.duplicate = 0.05
        await town.start(*VICTIMS)
        done = asyncio.Event()
        storm = asyncio.create_task(torment(town, done))
        async with asyncio.TaskGroup() as talk:
            for person in town.people:
                numbers, later = range(1, NUMBERS + 1), town.rng.randint(1, NUMBERS)
                talk.create_task(person.count(town.courier, numbers, town.rng, gap=SECONDS / NUMBERS, later_at=later))
        done.set()
        await storm
        town.meta.mood = Mood()
        await town.settle()
        report(town, await town.judge())
