"""Puts tenants into service and takes them out of it, as the database says, while everything runs.

The tenant that BOT_TENANT names is served with the settings of the environment, unless numbers are stored for it. Every
other tenant is served when the database has secrets for at least one of its numbers. Whoever changes a tenant
(`bot tenants`) rings a bell, and everybody looks by themselves every few seconds: what has another revision is read,
built anew and exchanged as a whole. A tenant that cannot be built stays as it was, and keeps nobody else from anything.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.config import Settings
from bot.core.errors import ConfigError, ContentErrors, SirdarError
from bot.core.ids import TenantId
from bot.runtime.bells import TENANTS, Bells
from bot.runtime.carriers import make_desk, make_media, make_provider
from bot.runtime.files import MediaLibrary
from bot.runtime.foundation import Foundation
from bot.runtime.library import Library
from bot.runtime.links import Links
from bot.runtime.loop import Clock, Stopping
from bot.runtime.outgoing import WithFiles
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sharing import pace_of
from bot.runtime.shelf import Shelf
from bot.runtime.tenants import Line, Tenant, Tenants
from bot.runtime.trouble import is_outage
from bot.runtime.turn import TurnTaker
from bot.tenancy import settings_of
from providers.base import MediaClient, Provider
from providers.planning import plan
from storage.base import Channel, Share
from storage.postgres import FlowVersions
from storage.postgres.tenants import StoredTenant, TenantState, TenantStore

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How late a change is noticed when no bell was heard."""
TRY_AGAIN = timedelta(minutes=1)
"""After which a tenant that could not be built is tried again."""


@dataclass(slots=True, kw_only=True)
class Enrolment:
    """Keeps `tenants` as the database says.

    Attributes:
        tenants: Who is served.
        base: The deployment's settings, and those of the tenant at home.
        foundation: The database.
        store: Where tenants are.
        shelf: Content folders.
        files: The files there are.
        links: Makes links to them; None when nobody outside can reach us.
        bells: Rings when somebody has changed a tenant.
        clock: The time.
        at_home: The number in the environment; None when all numbers are stored.
        provider: Who carries its messages in a simulation; unset: the one in the settings.
        deploy: Whether flows are put into force.
        learn: Whether messages are understood in this process, which takes training.
    """

    tenants: Tenants
    base: Settings
    foundation: Foundation
    store: TenantStore
    shelf: Shelf
    files: MediaLibrary
    links: Links | None
    bells: Bells
    clock: Clock
    at_home: Channel | None = None
    provider: Provider | None = None
    deploy: bool = True
    learn: bool = False
    _seen: dict[TenantId, TenantState] = field(default_factory=dict)
    _failed: dict[TenantId, datetime] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _leaving: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, stopping: Stopping) -> None:
        """Follow the database until `stopping`."""
        while not stopping.is_set():
            await stopping.first(self.bells.wait(TENANTS, LOOK_SECONDS))
            if stopping.is_set():
                return
            try:
                await self.refresh()
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("tenants could not be looked at", action="go_on")

    async def refresh(self) -> None:
        """Look who there is now, and exchange whoever has changed."""
        async with self._turn:
            states = await self.store.states()
            for state in states:
                if self._seen.get(state.tenant_id) != state or self._may_try_again(state.tenant_id):
                    await self._take(state)
            for gone in self._seen.keys() - {state.tenant_id for state in states}:
                del self._seen[gone]
                self._retire(self.tenants.drop(gone))

    async def enrol(self, tenant: TenantId) -> Tenant:
        """Build one tenant now, and serve it.

        Raises:
            SirdarError: It cannot be built.
        """
        async with self._turn:
            stored = await self.store.read(tenant)
            made = await self._make(stored)
            if made is None:
                raise ConfigError([f"The tenant {stored.state.slug} has no number that could be served."])
            self._seen[tenant] = stored.state
            self._retire(self.tenants.put(made))
            return made

    async def close(self) -> None:
        """Let go of everybody's connections."""
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for tenant in list(self.tenants.known.values()):
            for line in tenant.lines:
                await line.close()

    def _may_try_again(self, tenant: TenantId) -> bool:
        failed = self._failed.get(tenant)
        return failed is not None and self.clock() - failed >= TRY_AGAIN

    async def _take(self, state: TenantState) -> None:
        tenant, known = state.tenant_id, self.tenants.get(state.tenant_id)
        try:
            made = await self._make(await self.store.read(tenant))
        except Exception as error:
            if is_outage(error):
                raise
            self._seen[tenant], self._failed[tenant] = state, self.clock()
            if known is not None and known.active and not state.active:
                self.tenants.put(replace(known, active=False))
            log.error(  # noqa: TRY400  the problems say it all, and may not say more
                "a tenant cannot be served as it is",
                action="leave_out" if known is None else "keep_old_tenant",
                tenant=state.slug,
                problems=_problems(error),
            )
            return
        self._seen[tenant] = state
        self._failed.pop(tenant, None)
        before = self.tenants.put(made) if made is not None else self.tenants.drop(tenant)
        self._retire(before)
        if made is not None:
            log.info("a tenant", action="serve" if made.active else "stop_serving", tenant=state.slug,
                     numbers=len(made.lines))  # fmt: skip

    async def _make(self, stored: StoredTenant) -> Tenant | None:
        """What serves a tenant; None when no number of it is ours to serve."""
        numbers = await asyncio.to_thread(self._numbers, stored)
        if not numbers:
            return None
        settings = next(iter(numbers.values()))
        tenant, active = stored.state.tenant_id, stored.state.active
        library = await self._library(tenant, settings, active=active)
        lines = tuple(self._line(channel, own, library) for channel, own in numbers.items())
        return Tenant(
            tenant_id=tenant,
            slug=stored.state.slug,
            settings=settings,
            lines=lines,
            library=library,
            actions=library.folder.actions,
            outside=library.folder.outside,
            api_pace=Pacer(1 / settings.bot_api_rate if settings.bot_api_rate else 0, settings.bot_api_burst),
            active=active,
        )

    def _numbers(self, stored: StoredTenant) -> Mapping[Channel, Settings]:
        """The settings of each number that is served from here."""
        found = {}
        for number in stored.numbers:
            if number.sealed is not None:
                own = {**number.settings, "whatsapp_provider": number.channel.provider,
                       "whatsapp_phone_number": number.phone_number}  # fmt: skip
                found[number.channel] = settings_of(
                    self.base, stored.state.slug, tenant=stored.settings, number=own, sealed=number.sealed
                )
        if not found and self.at_home is not None and self.at_home.tenant_id == stored.state.tenant_id:
            return {self.at_home: self.base}
        return found

    async def _library(self, tenant: TenantId, settings: Settings, *, active: bool) -> Library:
        """The tenant's flows: as they are, when the folder is the same; else taken from it."""
        folder = self.shelf.take(settings) if active else self.shelf.take(self.base)
        known = self.tenants.get(tenant)
        if known is not None and known.library.folder is folder and (known.active or not active):
            return known.library
        content = await asyncio.to_thread(folder.read)
        if self.learn and active:
            await asyncio.to_thread(content.book.learn)
        library = Library(folder, FlowVersions(self.foundation.database, tenant), self.clock, content)
        if self.deploy and active:
            await library.register()
        return library

    def _line(self, channel: Channel, settings: Settings, library: Library) -> Line:
        simulated = self.provider if channel == self.at_home else None
        provider = simulated or make_provider(settings)
        media = None if simulated else make_media(settings)
        template = settings.whatsapp_window_template if settings.whatsapp_enable_templates else ""
        rate = settings.bot_channel_rate
        return Line(
            channel=channel,
            settings=settings,
            provider=provider,
            outlet=Outlet(
                provider=self._carrier(channel, settings, provider, media),
                concurrency=settings.bot_send_concurrency,
                channel=Pacer(*pace_of(rate, Share(senders=1))) if rate != 0 else Pacer(0, 1),
                rate=rate,
                pair=Pacer(settings.bot_pair_interval, settings.bot_pair_burst),
                window_template=template,
            ),
            taker=TurnTaker(
                brain=library,
                actions=library.folder.actions,
                templates=settings.whatsapp_enable_templates,
                media=settings.whatsapp_enable_media,
                window_template=bool(template),
                fit=lambda content: plan(content, provider.capabilities),
            ),
            desk=None if simulated else make_desk(settings),
            media=media,
        )

    def _carrier(
        self, channel: Channel, settings: Settings, provider: Provider, client: MediaClient | None
    ) -> Provider:
        """The provider, sending files of ours as well."""
        if client is None:
            return provider
        return WithFiles(
            provider=provider,
            client=client,
            files=self.files,
            links=self.links,
            tenant=channel.tenant_id,
            channel=channel.channel_id,
            patience=settings.bot_send_timeout / 2,
            clock=self.clock,
        )

    def _retire(self, tenant: Tenant | None) -> None:
        """Let go of a tenant's connections once nobody can be using them any more."""
        if tenant is None:
            return

        async def leave(lines: tuple[Line, ...]) -> None:
            try:
                await asyncio.sleep(2 * self.base.bot_send_timeout)
            finally:
                for line in lines:
                    await line.close()

        task = asyncio.create_task(leave(tenant.lines))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _problems(error: Exception) -> list[str]:
    match error:
        case ConfigError():
            return list(error.problems)
        case ContentErrors():
            return [str(one) for one in error.errors]
        case SirdarError():
            return [str(error)]
        case _:
            return [type(error).__name__]
