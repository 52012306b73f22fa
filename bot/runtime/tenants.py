"""Who is served: the tenants of this process, their numbers, and what serves each of them.

One worker, sender and clock serve all tenants. They keep nothing of a tenant's themselves: whatever differs between
tenants they look up here, by tenant or by number, each time they need it. What is looked up never changes; a tenant
whose settings have changed is exchanged as a whole, between two looks. The mappings stay the same objects and always
show who is served at the moment.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bot.config import Settings
from bot.core.actions import Actions
from bot.core.ids import ChannelId, TenantId
from bot.operations.outside import OutsideSpec
from bot.runtime.library import Library
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.turn import TurnTaker
from providers.base import MediaClient, Provider, TemplateClient
from storage.base import Channel

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A number in service.

    Attributes:
        channel: Which.
        settings: Its own, and the deployment's.
        provider: Verifies and reads its webhooks.
        outlet: Sends its messages.
        taker: Takes the turns of its conversations.
        desk: Where message templates are handed in; None when nobody is asked.
        media: Where files are fetched; None when nobody is asked.
    """

    channel: Channel
    settings: Settings
    provider: Provider
    outlet: Outlet
    taker: TurnTaker
    desk: TemplateClient | None = None
    media: MediaClient | None = None

    async def close(self) -> None:
        """Let go of connections."""
        for one in (self.provider, self.desk, self.media):
            if one is not None:
                await one.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A business that is served.

    Attributes:
        tenant_id: Which.
        slug: What people call it.
        settings: Its own, and the deployment's; those of numbers are on their lines.
        lines: Its numbers, the oldest first; never empty.
        library: Its flows.
        actions: What these may call.
        outside: The other systems that they ask.
        api_pace: How often each of its API tokens may ask.
        active: Whether it is served. What comes for one that is not is kept, and nothing else is done for it.
    """

    tenant_id: TenantId
    slug: str
    settings: Settings
    lines: tuple[Line, ...]
    library: Library
    actions: Actions
    outside: OutsideSpec
    api_pace: Pacer
    active: bool = True


class Tenants:
    """The tenants of this process.

    Attributes:
        outlets: Who sends the messages of each number that is served.
        media: Who fetches the files of each number that is served.
        outside: Which other systems each tenant asks.
        edition: Another number whenever anything has changed.
    """

    def __init__(self, tenants: Iterable[Tenant] = ()) -> None:
        self._by_id: dict[TenantId, Tenant] = {}
        self._served: list[TenantId] = []
        self._lines: dict[ChannelId, Line] = {}
        self.outlets: dict[ChannelId, Outlet] = {}
        self.media: dict[ChannelId, MediaClient] = {}
        self.outside: dict[TenantId, OutsideSpec] = {}
        self.edition = 0
        for tenant in tenants:
            self.put(tenant)

    def __iter__(self) -> Iterator[Tenant]:
        """Those that are served, the oldest first."""
        return iter([self._by_id[tenant] for tenant in self._served])

    def __getitem__(self, tenant: TenantId) -> Tenant:
        """One of them, served or not."""
        return self._by_id[tenant]

    def get(self, tenant: TenantId) -> Tenant | None:
        """One of them, served or not; None when this process does not know it."""
        return self._by_id.get(tenant)

    @property
    def known(self) -> Mapping[TenantId, Tenant]:
        """All of them, served or not."""
        return self._by_id

    @property
    def served(self) -> list[TenantId]:
        """Who is served, the oldest first."""
        return self._served

    @property
    def lines(self) -> Mapping[ChannelId, Line]:
        """The numbers that are served."""
        return self._lines

    def intake_rate(self, tenant: TenantId) -> float:
        """How many items of webhooks per second are taken from a tenant; 0: as many as come, as from one alone."""
        known = self._by_id.get(tenant)
        return known.settings.bot_tenant_rate if known is not None and len(self._served) > 1 else 0.0

    def closed(self, tenant: TenantId) -> bool:
        """Whether a tenant is known not to be served."""
        known = self._by_id.get(tenant)
        return known is not None and not known.active

    def takes_files(self, tenant: TenantId) -> bool:
        """Whether files that people send to a tenant are fetched."""
        known = self._by_id.get(tenant)
        return known is None or known.settings.whatsapp_enable_media

    def taker(self, tenant: TenantId, channel: ChannelId) -> TurnTaker:
        """Who takes the turns of a number; one that another process serves is answered like the tenant's first."""
        line = self._lines.get(channel)
        return line.taker if line is not None else self._by_id[tenant].lines[0].taker

    def put(self, tenant: Tenant) -> Tenant | None:
        """Serve a tenant from now on, in place of what it was, which is returned."""
        before = self._by_id.get(tenant.tenant_id)
        self._by_id[tenant.tenant_id] = tenant
        self._refresh()
        return before

    def drop(self, tenant: TenantId) -> Tenant | None:
        """Know nothing of a tenant any more; returns what it was."""
        gone = self._by_id.pop(tenant, None)
        self._refresh()
        return gone

    def _refresh(self) -> None:
        served = [self._by_id[number] for number in sorted(self._by_id) if self._by_id[number].active]
        lines = [line for tenant in served for line in tenant.lines]
        self._served = [tenant.tenant_id for tenant in served]
        self._lines = {line.channel.channel_id: line for line in lines}
        _become(self.outlets, {line.channel.channel_id: line.outlet for line in lines})
        with_files = [line for line in lines if line.media is not None and line.settings.whatsapp_enable_media]
        _become(self.media, {line.channel.channel_id: line.media for line in with_files if line.media is not None})
        _become(self.outside, {tenant.tenant_id: tenant.outside for tenant in served})
        self.edition += 1


def _become(mapping: dict[_Key, _Value], other: Mapping[_Key, _Value]) -> None:
    mapping.clear()
    mapping.update(other)
