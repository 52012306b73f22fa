"""Parts run together and stop together."""

import asyncio

import pytest

from bot.runtime.loop import Stopping
from bot.runtime.parts import Part, run_parts


async def until_told(stopping: Stopping) -> None:
    await stopping.wait()


async def fail_at_the_end(stopping: Stopping) -> None:
    await stopping.wait()
    raise OSError("the answers were not recorded")


async def fail_at_once(stopping: Stopping) -> None:
    raise OSError("no such address")


async def run(*parts: Part, stopping: Stopping, drain_seconds: float = 60) -> None:
    async with asyncio.timeout(60):
        await run_parts(parts, stopping=stopping, drain_seconds=drain_seconds, signals=False)


async def test_a_part_that_fails_stops_the_others_and_is_heard_of() -> None:
    with pytest.raises(OSError, match="no such address"):
        await run(Part("good", until_told), Part("bad", fail_at_once), stopping=Stopping())


async def test_a_part_that_fails_to_finish_is_heard_of() -> None:
    """Else a process that lost answers on its way out would end with exit code 0."""
    stopping = Stopping()
    stopping.set()
    with pytest.raises(OSError, match="not recorded"):
        await run(Part("good", until_told), Part("bad", fail_at_the_end), stopping=stopping)


async def test_a_part_that_does_not_finish_is_cut_off() -> None:
    async def never(_: Stopping) -> None:
        await asyncio.Event().wait()

    stopping = Stopping()
    stopping.set()
    await run(Part("slow", never), stopping=stopping, drain_seconds=0.01)


async def test_no_part_outlives_a_call_that_is_cancelled() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def part(stopping: Stopping) -> None:
        begun.set()
        try:
            await stopping.wait()
        finally:
            ended.set()

    running = asyncio.create_task(run(Part("part", part), stopping=Stopping()))
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert ended.is_set()


async def test_a_part_finishes_what_it_began() -> None:
    finished, going_on = [], asyncio.Event()

    async def slow(stopping: Stopping) -> None:
        await stopping.wait()
        await going_on.wait()
        finished.append("slow")

    async def last(stopping: Stopping) -> None:
        await stopping.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        going_on.set()

    stopping = Stopping()
    stopping.set()
    await run(Part("slow", slow), Part("last", last), stopping=stopping)
    assert finished == ["slow"]
