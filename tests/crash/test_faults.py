"""One fault at a time: every named place to die at, freezing past a lease, an orderly stop, one process for all."""

import asyncio
import signal
import time
from unittest.mock import ANY

import pytest

from crash.conftest import Deploy, Report
from crash.deployment import PATIENCE, PATIENT_SEND, SOAK, Deployment
from crash.ledger import UNKNOWNS, counted
from crash.meta import Mood
from crash.people import Person
from crash.processes import Child

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]

DRAIN_SECONDS = 25.0
TIMES = 5 if SOAK else 1
QUEUED_BEHIND = 450  # more than a worker looks at at a time

_SERVED_LATER = """
SELECT t.event_id FROM turn_traces t
WHERE t.conversation_id IN (SELECT e.conversation_id FROM crash_effects e WHERE e.person = $1)
  AND t.created_at >= (SELECT d.created_at FROM dead_letters d)
"""

PLACES = {
    "web:1": ["web.before_commit", "web.after_commit"],
    "worker:1": ["worker.before_commit", "worker.after_commit"],
    "sender:1": ["sender.after_claim", "sender.before_http", "sender.after_http"],
    "clock:1": ["clock.after_fire"],
    "worker,sender:2": ["worker.after_commit", "sender.before_http"],  # the worker hands over to the sender
}


async def write(town: Deployment, people: int, numbers: int, seconds: float, *, timers: bool = False) -> None:
    """Let new people write in order, over so many seconds; returns when all of it was answered 200."""
    first = len(town.people) + 1
    new = [Person(number) for number in range(first, first + people)]
    town.people += new
    async with asyncio.TaskGroup() as talk:
        for person in new:
            later = numbers // 2 if timers else 0
            talk.create_task(
                person.count(town.courier, range(1, numbers + 1), town.rng, gap=seconds / numbers, later_at=later)
            )


async def test_dying_at_every_named_place(deployed: Deploy, report: Report) -> None:
    """Before and after each commit, before and after each HTTP call."""
    async with deployed() as town:
        town.meta.mood = Mood(pause=0.2)
        for name, places in PLACES.items():
            failpoints = [f"{place}=kill@{town.rng.randint(5, 25)}" for place in places * TIMES]
            await town.start(name, failpoints=failpoints)
        goal = sum(map(len, PLACES.values())) * TIMES
        until = time.monotonic() + PATIENCE * goal / 4
        while (dead := len(town.fleet.deaths)) < goal:
            assert time.monotonic() < until, f"not every place was visited: {town.fleet.deaths}"
            await write(town, 20, 8, 6.0, timers=True)
            if len(town.fleet.deaths) == dead:  # who is to die is slow to start: what it missed waits for it
                await town.settle()
        await town.settle()
        verdict = await town.judge()
        assert len(town.fleet.deaths) == goal
        report(town, verdict)


async def test_postgres_is_killed(deployed: Deploy, report: Report) -> None:
    """Processes live through a dead database: webhooks are refused until it is back, nothing is lost."""
    async with deployed() as town:
        town.meta.mood = Mood(pause=0.05)
        await town.start("web,clock:1", "worker:1", "sender:1")
        await town.warm_up()
        writing = asyncio.create_task(write(town, 15, 16 * TIMES, 15.0 * TIMES, timers=True))
        while not writing.done():
            await town.kill_postgres()
            await asyncio.wait((writing,), timeout=town.rng.uniform(1, 4))
        await writing
        await town.settle()
        assert town.courier.failed, "no webhook was refused while PostgreSQL was down"
        assert not town.fleet.deaths, "a process did not live through it"
        report(town, await town.judge())


async def write_until_frozen(town: Deployment, child: Child) -> None:
    """Let people write until a process has frozen itself."""

    async def frozen() -> bool:
        return child.frozen

    async def keep_writing() -> None:
        while not child.frozen:
            await write(town, 15, 8, 2.0)

    writing = asyncio.create_task(keep_writing())
    await town.until(f"{child.name} freezes", frozen)
    await town.count_frozen(child)
    await writing


async def test_a_worker_that_slept_past_its_lease_commits_nothing(deployed: Deploy, report: Report) -> None:
    """It freezes with everything written but the commit; others take its conversations; it wakes, and must give up."""
    async with deployed() as town:
        await town.start("web,clock:1", "sender:1")
        (sleeper,) = await town.start("worker:1", failpoints=["worker.before_commit=stop@5"] * TIMES)
        for _ in range(TIMES):
            await town.start("worker:2")
            await write_until_frozen(town, sleeper)

            async def processed() -> bool:
                return (await counted(town.query))["count"] == sum(len(person.counted) for person in town.people)

            await town.until("the other worker takes over", processed)
            assert await town.fleet.terminate(town.fleet.children["worker:2"]) == (0, ANY)
            sleeper.signal(signal.SIGCONT)
            await write(town, 5, 10, 1.0)
            await town.settle()
            assert "the database is out of reach" in town.fleet.log_of(sleeper.name), (
                "nothing told it that it had slept"
            )
            sleeper.signal(signal.SIGKILL)
        report(town, await town.judge())


@pytest.mark.parametrize("place", ["sender.before_http=stop@1", "sender.after_http=stop@5"])
async def test_a_sender_that_slept_past_its_lease_says_nothing(place: str, deployed: Deploy, report: Report) -> None:
    """It freezes around a send; others declare it UNKNOWN and go on; it wakes, and must not say it again."""
    async with deployed() as town:
        await town.start("web,clock:1", "worker:1")
        (sleeper,) = await town.start("sender:1", failpoints=[place] * TIMES)
        await town.start("sender:2")
        for _ in range(TIMES):
            await write_until_frozen(town, sleeper)
            await town.settle()
            given_up = {(row["message_id"], row["attempt"]) for row in await town.query(UNKNOWNS)}
            asleep = len(town.meta.sent)
            sleeper.signal(signal.SIGCONT)
            await write(town, 5, 10, 1.0)
            await town.settle()
            said = {(one.message_id, one.attempt) for one in town.meta.sent[asleep:]}
            assert not said & given_up, "it began to send when its lease was over"
            sleeper.signal(signal.SIGKILL)
        verdict = await town.judge()
        assert verdict.unknowns, "it froze with nothing in flight"
        report(town, verdict)


async def test_sigterm_under_load_drains(deployed: Deploy, report: Report) -> None:
    """Each process finishes what it began within its time, says so with exit code 0, and leaves nothing unknown."""
    async with deployed(send_timeout=PATIENT_SEND) as town:
        town.meta.mood = Mood(pause=0.3)
        names = ["web:1", "worker:1", "sender:1", "clock:1"]
        await town.start(*names)
        writing = asyncio.create_task(write(town, 20, 20 * TIMES, 16.0 * TIMES, timers=True))
        for name in names * TIMES:
            await town.flowing()
            code, seconds = await town.fleet.terminate(town.fleet.children[name])
            assert code == 0, f"{name} ended with {code}:\n{town.fleet.log_of(name)}"
            assert seconds < DRAIN_SECONDS
            await town.start(name)
        await writing
        await town.settle()
        verdict = await town.judge()
        assert (verdict.unknowns, verdict.repeats) == (0, 0)
        report(town, verdict)


async def test_sigterm_while_postgres_is_down(deployed: Deploy, report: Report) -> None:
    """A sender that is told to stop still records the answers it gets, once there is a database again."""
    async with deployed() as town:
        town.meta.mood = Mood(pause=0.3)
        await town.start("web,clock:1", "worker:1", "sender:1")
        for _ in range(TIMES):
            writing = asyncio.create_task(write(town, 20, 8, 5.0))
            await town.flowing()
            outage = asyncio.create_task(town.kill_postgres(1.0))
            await asyncio.sleep(0)  # it is dead now
            code, _ = await town.fleet.terminate(town.fleet.children["sender:1"])
            assert code == 0, f"it ended with {code}:\n{town.fleet.log_of('sender:1')}"
            await outage
            await town.start("sender:1")
            await writing
        await town.settle()
        report(town, await town.judge())


async def test_one_process_with_all_parts_is_killed(deployed: Deploy, report: Report) -> None:
    """`bot serve` alone: kill -9, start again, go on."""
    async with deployed() as town:
        town.meta.mood = Mood(pause=0.05)
        (child,) = await town.start("all:1")
        writing = asyncio.create_task(write(town, 20, 10 * TIMES, 10.0 * TIMES, timers=True))
        for _ in range(3 * TIMES):
            await town.flowing()
            child.signal(signal.SIGKILL)
        await writing
        await town.settle()
        assert len(town.fleet.deaths) == 3 * TIMES
        report(town, await town.judge())


async def test_a_poisoned_message_holds_up_nobody_for_long(deployed: Deploy, report: Report) -> None:
    """It is tried again, then put aside; others go on at once, and the same person right after."""
    async with deployed(send_timeout=PATIENT_SEND) as town:
        await town.start("all:1")
        victim, cursed, other = town.people = [Person(1), Person(2), Person(3)]
        behind = [f"COUNT {number}" for number in range(2, QUEUED_BEHIND + 2)]
        await victim.write(town.courier, "COUNT 1", "BREAK", "COUNT 2", "COUNT 3")
        await cursed.write(town.courier, "COUNT 1", "FIND it", *behind)
        await other.write(town.courier, *[f"COUNT {number}" for number in range(1, 11)])
        await town.settle()
        assert not await town.query(_SERVED_LATER, other.name), "others had to wait until it was put aside"
        (dead,) = await town.query("SELECT attempts, error FROM dead_letters")
        assert (dead["attempts"], dead["error"]) == (3, "RuntimeError: this lookup always breaks")
        heard = {person.name: [one.body for one in town.meta.sent if one.to == person.phone] for person in town.people}
        assert heard[victim.name] == ["1", "sorry", "2", "3"]  # an action that breaks to the last is a refusal
        assert heard[cursed.name] == ["1", *[text.removeprefix("COUNT ") for text in behind]]
        report(town, await town.judge())
