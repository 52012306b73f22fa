"""Runs the chosen parts of the system in this process, and stops them in an order in which nothing is lost."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from bot.runtime.loop import Stopping

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

PartLoop = Callable[[Stopping], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until told to stop, and then finishes what it began."""

    name: str
    run: PartLoop


async def run_parts(parts: Sequence[Part], *, stopping: Stopping, drain_seconds: float, signals: bool = True) -> None:
    """Run all parts until `stopping`, SIGTERM or SIGINT, then let them finish for at most `drain_seconds`.

    Args:
        parts: What to run. The web part stops taking requests first, since it watches `stopping` like the others.
        stopping: Set it to stop.
        drain_seconds: After which what still runs is cut off; the database makes good what was cut.
        signals: Whether to listen for signals (only in the main thread).

    Raises:
        Exception: The first part that fails takes the others down with it; an error while finishing is raised as well.
    """
    loop = asyncio.get_running_loop()
    if signals:
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, stopping.set)
    tasks = {asyncio.create_task(_as_coroutine(part.run(stopping)), name=part.name) for part in parts}
    stop = asyncio.create_task(stopping.wait(), name="stop")
    try:
        done, _ = await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task is not stop and task.exception() is not None]
        stopping.set()
        _, left = await asyncio.wait(tasks, timeout=drain_seconds)
        for task in left:
            log.warning("a part did not finish in time", action="cut_off", part=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in (*failed, *tasks):  # also who failed at finishing what it began
            if not task.cancelled():
                task.result()
    finally:
        for task in (stop, *tasks):  # no part outlives a call that was cancelled itself
            task.cancel()
        await asyncio.gather(stop, *tasks, return_exceptions=True)
        if signals:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
