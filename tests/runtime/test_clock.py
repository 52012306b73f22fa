"""The clock goes on whatever fails, wakes who is to work, and does the chores when they are due."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from bot.core.ids import TenantId
from bot.runtime.bells import INBOX, Bells
from bot.runtime.clock import BATCH, CHORES_EVERY, LEAST, Ticker
from bot.runtime.loop import Stopping
from tests.conftest import EPOCH, FakeClock

MINUTE = timedelta(minutes=1)


class Minutes:
    """Timers and chores in memory. With every tick a minute passes; after the last one the clock is stopped."""

    def __init__(self, clock: FakeClock, *answers: int | Exception) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.asked: list[tuple[int, list[TenantId]]] = []
        self.ticks: list[datetime] = []
        self.chores: list[datetime] = []
        self.trouble: list[Exception] = []
        self.tenants = [TenantId(1)]
        self.stopping = Stopping()

    async def fire(self, now: datetime, share: int, tenants: Sequence[TenantId] | None = None) -> int:
        self.asked.append((share, list(tenants or [])))
        self.ticks.append(now)
        answer = self.answers.pop(0)
        if not self.answers:
            self.stopping.set()
        self.clock.now += MINUTE
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def keep_house(self, now: datetime) -> None:
        self.chores.append(now)
        if self.trouble:
            raise self.trouble.pop(0)

    def ticker(self, bells: Bells | None = None) -> Ticker:
        return Ticker(
            timers=self, chores=self.keep_house, served=lambda: self.tenants, bells=bells or Bells(), clock=self.clock
        )

    async def pass_by(self) -> None:
        await self.ticker().run(self.stopping)


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.runtime.clock.TICK_SECONDS", 0)


@pytest.mark.parametrize(("fired", "rings"), [(3, True), (0, False)])
async def test_workers_are_woken_when_something_was_due(clock: FakeClock, *, fired: int, rings: bool) -> None:
    bells = Bells()
    assert await Minutes(clock, fired).ticker(bells).tick(EPOCH) == fired
    assert await bells.wait(INBOX, 0) is rings


async def test_tenants_share_a_batch_and_each_has_some(clock: FakeClock) -> None:
    minutes = Minutes(clock, 0, 0, 0)
    for count in (0, 2, BATCH):
        minutes.tenants = [TenantId(number) for number in range(count)]
        await minutes.ticker().tick(EPOCH)
    assert [share for share, _ in minutes.asked] == [BATCH, BATCH // 2, LEAST]
    assert minutes.asked[1][1] == [TenantId(0), TenantId(1)]


async def test_chores_are_done_at_once_and_then_now_and_then(clock: FakeClock) -> None:
    minutes = Minutes(clock, *[0] * 12)
    await minutes.pass_by()
    assert len(minutes.ticks) == 12
    assert minutes.chores == [EPOCH, EPOCH + CHORES_EVERY, EPOCH + 2 * CHORES_EVERY]


@pytest.mark.parametrize("trouble", [ConnectionResetError(), ValueError("a bug")])
async def test_what_fails_stops_neither_timers_nor_chores(clock: FakeClock, trouble: Exception) -> None:
    """A tick that failed did no chores; chores that failed are tried again at the next tick."""
    minutes = Minutes(clock, trouble, 1, 1, 1, 1)
    minutes.trouble = [trouble]
    await minutes.pass_by()
    assert minutes.ticks == [EPOCH + number * MINUTE for number in range(5)]
    assert minutes.chores == [EPOCH + MINUTE, EPOCH + 2 * MINUTE]
