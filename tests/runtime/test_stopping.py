"""Waiting, but not past the time to stop."""

import asyncio

import pytest

from bot.runtime.loop import Stopping


async def fail() -> None:
    raise OSError("gone")


async def test_an_error_of_what_was_waited_for_is_raised() -> None:
    """Else a part whose work has failed would end as if all were well, and take the process down with exit code 0."""
    with pytest.raises(OSError, match="gone"):
        await Stopping().first(fail())


async def test_stopping_cancels_what_was_waited_for() -> None:
    stopping = Stopping()
    stopping.set()
    work = asyncio.create_task(asyncio.sleep(60))
    await stopping.first(work)
    assert work.cancelled()
