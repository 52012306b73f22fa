"""Webhooks share commits, and one that cannot be stored spoils nothing else."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from bot.core.ids import TenantId
from bot.runtime.bells import Bells
from bot.runtime.intake import MOST_ITEMS, STEP_SECONDS, GroupCommit
from storage.base import NewItem, Taken, Unread
from tests.conftest import EPOCH


def note(text: str) -> Unread:
    return Unread(tenant_id=TenantId(1), kind=text, body=text.encode(), received_at=EPOCH)


class FakeIntake:
    """Stores in a list; refuses `bad` items; is out of reach while `down`."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def accept(self, items: Sequence[NewItem]) -> Taken:
        await self.gate.wait()
        kinds = [item.kind for item in items if isinstance(item, Unread)]
        if self.down:
            raise ConnectionRefusedError
        if any(kind.startswith("bad") for kind in kinds):
            raise asyncpg.DataError("cannot be stored")
        self.commits.append(kinds)
        return Taken(unread=len(items))

    @property
    def stored(self) -> list[str]:
        return [kind for commit in self.commits for kind in commit]


async def test_webhooks_that_wait_share_the_next_commit() -> None:
    intake = FakeIntake()
    group = GroupCommit(intake, Bells())
    intake.gate.clear()
    requests = [asyncio.create_task(group.accept([note(str(n))], note("whole"))) for n in range(50)]
    await asyncio.sleep(0)
    intake.gate.set()
    await asyncio.gather(*requests)
    assert intake.stored == [str(n) for n in range(50)], "in the order of arrival"
    assert len(intake.commits) <= 2


async def test_no_commit_is_larger_than_two_of_the_largest_webhooks() -> None:
    """Or those that waited behind an outage would hold everybody up, and one bad item be sought among all of them."""
    intake = FakeIntake()
    group = GroupCommit(intake, Bells())
    intake.gate.clear()
    half = MOST_ITEMS // 2
    requests = [asyncio.create_task(group.accept([note(str(n))] * half, note("whole"))) for n in range(6)]
    requests.append(asyncio.create_task(group.accept([note("huge")] * (MOST_ITEMS + 1), note("whole"))))
    await asyncio.sleep(0)
    intake.gate.set()
    await asyncio.gather(*requests)
    assert [len(commit) for commit in intake.commits if "huge" not in commit] == [MOST_ITEMS] * 3
    assert len(intake.commits[-1]) == MOST_ITEMS + 1, "what comes in one request is one commit"


async def test_what_comes_faster_than_a_tenants_rate_is_taken_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.runtime.intake.PATIENCE_SECONDS", 3600.0)
    intake = FakeIntake()
    group = GroupCommit(intake, Bells(), lambda: 2 / STEP_SECONDS)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(group.accept([note(str(n))], note("whole")) for n in range(7)))
    assert intake.commits == [["0", "1"], ["2", "3"], ["4", "5"], ["6"]]
    assert asyncio.get_running_loop().time() - began >= 3 * STEP_SECONDS


async def test_no_webhook_waits_for_its_tenants_rate_until_its_sender_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.runtime.intake.PATIENCE_SECONDS", 0.0)
    intake = FakeIntake()
    group = GroupCommit(intake, Bells(), lambda: 0.001)
    await asyncio.gather(*(group.accept([note(str(n))], note("whole")) for n in range(7)))
    assert intake.stored == [str(n) for n in range(7)]
    assert len(intake.commits) <= 2


async def test_a_webhook_that_cannot_be_stored_is_kept_whole_and_harms_no_other() -> None:
    intake = FakeIntake()
    group = GroupCommit(intake, Bells())
    intake.gate.clear()
    good = [asyncio.create_task(group.accept([note(f"good {n}")], note("whole good"))) for n in range(3)]
    mixed = asyncio.create_task(group.accept([note("fine part"), note("bad part")], note("whole of the bad one")))
    await asyncio.sleep(0)
    intake.gate.set()
    await asyncio.gather(*good, mixed)
    assert sorted(intake.stored) == ["fine part", "good 0", "good 1", "good 2", "whole of the bad one"]


async def test_an_outage_is_told_to_everybody_and_ends_with_the_outage() -> None:
    intake = FakeIntake()
    group = GroupCommit(intake, Bells())
    intake.down = True
    answers = await asyncio.gather(
        *(group.accept([note(str(n))], note("whole")) for n in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ConnectionRefusedError] * 3
    intake.down = False
    await group.accept([note("later")], note("whole"))
    assert intake.stored == ["later"]


async def test_a_webhook_with_nothing_in_it_needs_no_commit() -> None:
    intake = FakeIntake()
    await GroupCommit(intake, Bells()).accept([], note("whole"))
    assert intake.commits == []


async def test_a_cancelled_request_is_stored_all_the_same() -> None:
    intake = FakeIntake()
    group = GroupCommit(intake, Bells())
    intake.gate.clear()
    request = asyncio.create_task(group.accept([note("abandoned")], note("whole")))
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    intake.gate.set()
    await group.accept([note("next")], note("whole"))
    assert intake.stored == ["abandoned", "next"]
