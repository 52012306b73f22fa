"""Whoever the database says is served is, whatever fails for one of them, and whoever is not any more lets go."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bot.core.errors import ConfigError
from bot.core.ids import TenantId
from bot.runtime.bells import Bells
from bot.runtime.enrolment import TRY_AGAIN, Enrolment
from bot.runtime.pacing import Pacer
from bot.runtime.tenants import Tenant, Tenants
from storage.postgres.tenants import StoredTenant, TenantState
from tests.conftest import FakeClock

ACME, OTHER = TenantId(1), TenantId(2)
NOTHING: Any = None


class Line:
    """A number that knows whether its connections are open; nothing else of it is looked at here."""

    def __init__(self, number: int) -> None:
        self.channel = SimpleNamespace(channel_id=number)
        self.outlet = self.taker = self.media = None
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Town:
    """A database with tenants, and what is made of them."""

    def __init__(self, clock: FakeClock) -> None:
        self.stored = {tenant: TenantState(tenant_id=tenant, slug=f"t{tenant}", active=True, revision=1)
                       for tenant in (ACME, OTHER)}  # fmt: skip
        self.broken: dict[TenantId, Exception] = {}
        self.made: list[TenantId] = []
        self.tenants = Tenants()
        base: Any = SimpleNamespace(bot_send_timeout=0.0)
        self.enrolment = Enrolment(
            tenants=self.tenants, base=base, foundation=NOTHING, store=self, shelf=NOTHING,  # type: ignore[arg-type]
            files=NOTHING, links=None, bells=Bells(), clock=clock,
        )  # fmt: skip

    async def states(self) -> list[TenantState]:
        return list(self.stored.values())

    async def read(self, tenant: TenantId) -> StoredTenant:
        return StoredTenant(state=self.stored[tenant], name="", settings={}, language="en", timezone="UTC", numbers=())

    async def make(self, _: Enrolment, stored: StoredTenant) -> Tenant:
        tenant = stored.state.tenant_id
        self.made.append(tenant)
        if tenant in self.broken:
            raise self.broken[tenant]
        line: Any = Line(tenant)
        return Tenant(
            tenant_id=tenant, slug=stored.state.slug, settings=NOTHING, lines=(line,), library=NOTHING,
            actions=NOTHING, outside=NOTHING, api_pace=Pacer(0, 1), active=stored.state.active,
        )  # fmt: skip

    def change(self, tenant: TenantId, **more: Any) -> None:
        state = self.stored[tenant]
        self.stored[tenant] = replace(state, revision=state.revision + 1, **more)

    async def look(self) -> list[TenantId]:
        """Look who there is; returns who was built anew."""
        self.made.clear()
        await self.enrolment.refresh()
        return list(self.made)


@pytest.fixture
def town(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Town:
    there = Town(clock)
    made: Callable[..., Any] = there.make

    async def make(enrolment: Enrolment, stored: StoredTenant) -> Tenant | None:
        found: Tenant = await made(enrolment, stored)
        return found

    monkeypatch.setattr(Enrolment, "_make", make)
    return there


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["asyncio.Future[None]"]]:
    """What lets go waits here until the test wakes it."""
    sleeping: list[asyncio.Future[None]] = []

    class Sleepless:
        """asyncio, but for sleeping."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def sleep(self, _: float) -> None:
            nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            sleeping.append(nap)
            await nap

    monkeypatch.setattr("bot.runtime.enrolment.asyncio", Sleepless())
    return iter([sleeping])


async def test_only_who_has_changed_is_built_anew(town: Town) -> None:
    assert await town.look() == [ACME, OTHER]
    assert await town.look() == []
    town.change(OTHER)
    assert await town.look() == [OTHER]
    assert town.tenants.served == [ACME, OTHER]


async def test_who_cannot_be_built_stays_as_it_was_and_is_tried_again(town: Town, clock: FakeClock) -> None:
    await town.look()
    before = town.tenants[ACME]
    town.broken[ACME] = ConfigError(["no token"])
    town.change(ACME)
    assert await town.look() == [ACME]
    assert town.tenants[ACME] is before, "the old one serves on"
    clock.now += TRY_AGAIN - timedelta(seconds=1)
    assert await town.look() == []
    clock.advance(seconds=1)
    town.broken.clear()
    assert await town.look() == [ACME]
    assert town.tenants[ACME] is not before
    clock.now += TRY_AGAIN
    assert await town.look() == [], "it is well again"


async def test_who_is_disabled_is_not_served_even_when_it_cannot_be_built(town: Town) -> None:
    await town.look()
    town.broken[ACME] = ValueError("a bug")
    town.change(ACME, active=False)
    await town.look()
    assert town.tenants.served == [OTHER]
    assert town.tenants.closed(ACME)


async def test_a_database_that_is_away_leaves_nobody_out(town: Town) -> None:
    """Who could not be read is not taken for done: it is read as soon as the database is back."""
    town.broken[OTHER] = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await town.look()
    town.broken.clear()
    assert await town.look() == [OTHER]
    assert town.tenants.served == [ACME, OTHER]


@pytest.mark.parametrize("gone", [False, True])
async def test_connections_are_let_go_when_nobody_can_be_using_them(
    town: Town, naps: Iterator[list["asyncio.Future[None]"]], *, gone: bool
) -> None:
    """Of who is exchanged, and of who is there no more."""
    (sleeping,) = naps
    await town.look()
    line: Any = town.tenants[ACME].lines[0]
    if gone:
        del town.stored[ACME]
    else:
        town.change(ACME)
    await town.look()
    assert (ACME in town.tenants.served) is not gone
    while not sleeping:
        await asyncio.sleep(0)
    assert not line.closed
    sleeping[0].set_result(None)
    await asyncio.gather(*town.enrolment._leaving)
    assert line.closed


async def test_at_the_end_all_connections_are_let_go(town: Town, naps: Iterator[list["asyncio.Future[None]"]]) -> None:
    (sleeping,) = naps
    await town.look()
    lines: list[Any] = [town.tenants[tenant].lines[0] for tenant in (ACME, OTHER)]
    town.change(ACME)
    await town.look()
    lines.append(town.tenants[ACME].lines[0])
    while not sleeping:
        await asyncio.sleep(0)
    await town.enrolment.close()
    assert [line.closed for line in lines] == [True] * 3
