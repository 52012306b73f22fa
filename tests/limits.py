"""No test hangs: one that takes far too long fails, and says where it was.

The limit is generous, as the machine may be busy: what reaches it waits for something that will never come. It counts
for each of a test's phases, so that what hangs while tidying up is found as well. A test that does not even notice
(it hangs outside of Python) is ended with its process, by pytest's `faulthandler_timeout`.
"""

import asyncio
import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

SECONDS = 300.0
CRASH_SECONDS = 600.0
"""For tests with the marker `crash`: less than what ends all of `make test` (the Makefile)."""
AGAIN_SECONDS = 10.0
"""After so long another attempt is made to fail: the first may have hit a task whose end nobody looks at."""
SOAK = bool(os.environ.get("SIRDAR_SOAK"))


def limit_of(item: pytest.Item) -> float | None:
    """How many seconds a phase of a test may take; the long crash test takes as long as it takes."""
    if marker := item.get_closest_marker("limit"):
        return float(marker.kwargs["seconds"])
    if item.get_closest_marker("crash"):
        return None if SOAK else CRASH_SECONDS
    return SECONDS


def _frames(awaited: Any) -> Iterator[traceback.FrameSummary]:
    """Where a coroutine waits, and those it waits for: asyncio shows but the outermost."""
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame: FrameType | None = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield from traceback.StackSummary.extract([(frame, frame.f_lineno)])
        awaited = next((getattr(awaited, name) for name in ("cr_await", "gi_yieldfrom", "ag_await")
                        if hasattr(awaited, name)), None)  # fmt: skip


def _places() -> str:
    """Where every thread and every task is."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    told = [
        f"Thread {names.get(ident, ident)}:\n" + "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
    ]
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop is running
        tasks = set()
    told += [f"Task {task.get_name()}:\n" + "".join(traceback.format_list(list(_frames(task.get_coro()))))
             for task in tasks]  # fmt: skip
    return "\n".join(told)


@contextmanager
def at_most(seconds: float | None, what: str) -> Iterator[None]:
    """Fail what takes longer; `None` is no limit."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        print(_places(), file=sys.stderr)
        pytest.fail(f"{what} took longer than {seconds:g} s: where everything was, standard error tells")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with at_most(limit_of(item), "preparing"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with at_most(limit_of(item), "the test"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    with at_most(limit_of(item), "tidying up"):
        return (yield)
