"""Blue ticks and typing are shown as the settings say, and never hold anything up."""

import asyncio
from dataclasses import replace

import pytest

from bot.runtime.courtesy import MOST_WAITING, Courtesy, Manners
from bot.runtime.loop import Stopping
from tests.runtime.test_sender import FakeProvider


class Marking(FakeProvider):
    """Remembers what it was told."""

    def __init__(self, *, read_marks: bool = True) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, read_marks=read_marks)
        self.marked: list[tuple[str, bool]] = []

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        if message_id == "bad":
            raise RuntimeError
        self.marked.append((message_id, typing))
        return True


async def told(manners: Manners, *message_ids: str, provider: Marking | None = None) -> list[tuple[str, bool]]:
    provider = provider or Marking()
    courtesy, stopping = Courtesy(), Stopping()
    running = asyncio.create_task(courtesy.run(stopping))
    for message_id in message_ids:
        courtesy.note(provider, manners, message_id)
    for _ in range(20):
        await asyncio.sleep(0)
    stopping.set()
    await running
    return provider.marked


@pytest.mark.parametrize(("manners", "marked"), [("off", []), ("read", [("a", False)]), ("typing", [("a", True)])])
async def test_manners_are_what_the_setting_says(manners: Manners, marked: list[tuple[str, bool]]) -> None:
    assert await told(manners, "a") == marked


async def test_a_provider_that_only_shows_typing_is_not_asked_for_ticks_alone() -> None:
    assert await told("read", "a", provider=Marking(read_marks=False)) == []
    assert await told("typing", "a", provider=Marking(read_marks=False)) == [("a", True)]


async def test_one_that_fails_does_not_end_it() -> None:
    assert sorted(await told("read", "bad", "bad", "bad", "bad", "a", "b")) == [("a", False), ("b", False)]


async def test_what_is_too_much_is_left_out() -> None:
    courtesy, provider = Courtesy(), Marking()
    for number in range(MOST_WAITING + 50):
        courtesy.note(provider, "read", str(number))
    assert courtesy._waiting.qsize() == MOST_WAITING
