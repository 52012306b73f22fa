"""`bot serve`."""

import asyncio
import gc
import signal
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated

from cyclopts import Parameter

from bot.cli.logs import configure_logs
from bot.cli.running import run
from bot.cli.tenant import load_serving_settings
from bot.config import Settings
from bot.core.actions import Actions
from bot.core.errors import ConfigError
from bot.runtime.bootstrap import PARTS, open_system
from bot.runtime.loop import Stopping
from bot.runtime.parts import STOP_SIGNALS, run_parts
from bot.web.app import web_parts

GC_THRESHOLDS = (20_000, 20, 20)
"""Objects made before the young are looked through, then how many such rounds before the older are."""


def serve(*, only: Annotated[str, Parameter(help="Parts to run, comma-separated: " + ", ".join(PARTS))] = "") -> None:
    """Run the server.

    Without --only all parts run in this process. Any part may run in any number of processes, on any number of hosts;
    they meet in the database.
    """
    settings = load_serving_settings()
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        raise ConfigError([f"--only {', '.join(unknown)}: there are the parts {', '.join(PARTS)}."])
    configure_logs(settings.bot_log_level, settings.bot_log_format)

    run(run_server(settings, names))


def settle_memory() -> None:
    """Take what was made while starting out of the garbage collector's rounds, and let rounds be rarer.

    Flows, models and routes live as long as the process; walking through them again and again made everybody wait
    for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def run_server(settings: Settings, names: Sequence[str], *, actions: Actions | None = None) -> None:
    """Run parts of the system until SIGTERM or SIGINT; SIGHUP puts changed flows into force.

    Args:
        settings: The number to serve.
        names: Which of `PARTS`.
        actions: What flows may call; unset: the standard ones and the project's own.
    """
    stopping = Stopping()
    try:
        async with AsyncExitStack() as stack:
            with _interruptible(stopping):
                system = await stack.enter_async_context(open_system(settings, actions=actions))
            if "worker" in names:
                system.enrolment.learn = True
                for tenant in system.tenants:
                    tenant.library.content.book.learn()
            parts = [*system.parts(names), *web_parts(system, names)]
            if hasattr(signal, "SIGHUP"):  # Windows has none
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, system.ask_for_reload)
            settle_memory()
            await run_parts(parts, stopping=stopping, drain_seconds=settings.bot_drain_seconds)
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise


@contextmanager
def _interruptible(stopping: Stopping) -> Iterator[None]:
    """Let SIGTERM and SIGINT break off what is inside: nothing has begun yet that would have to be finished."""
    task = asyncio.current_task()

    def stop() -> None:
        stopping.set()
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    yield
    for number in STOP_SIGNALS:  # until run_parts listens for them
        loop.add_signal_handler(number, stopping.set)
