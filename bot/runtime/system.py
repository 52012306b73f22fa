"""Everything composed: what serves the tenants, and the loops that do it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.authoring.content import WHATSAPP, Content
from bot.config import Settings
from bot.core.actions import Actions
from bot.core.ids import TenantId
from bot.core.whatsapp import WhatsAppTemplate
from bot.operations import expire_what_is_over, handoffs
from bot.runtime.bells import OUTBOX, Bells
from bot.runtime.clock import Ticker
from bot.runtime.courtesy import Courtesy
from bot.runtime.enrolment import Enrolment
from bot.runtime.failpoints import failpoint
from bot.runtime.files import MediaLibrary
from bot.runtime.foundation import Foundation
from bot.runtime.lanes import Lanes
from bot.runtime.library import Library
from bot.runtime.links import Links
from bot.runtime.loop import Clock, Stopping
from bot.runtime.media import MediaKeeper
from bot.runtime.metrics import METRICS
from bot.runtime.numbers import NumberKeeper
from bot.runtime.office import Office
from bot.runtime.outside import OutsideRunner
from bot.runtime.parts import Part
from bot.runtime.project import content_dir
from bot.runtime.reconciling import Reconciler
from bot.runtime.retention import Retention
from bot.runtime.rounds import Round
from bot.runtime.samples import Samples
from bot.runtime.sealing import Sealing
from bot.runtime.sender import Sender, SendRules
from bot.runtime.sharing import SharedRate
from bot.runtime.templates import TemplateKeeper
from bot.runtime.tenants import Line, Tenant, Tenants
from bot.runtime.trouble import is_outage
from bot.runtime.turnabout import Turnabout
from bot.runtime.worker import Worker
from providers.base import Provider, TemplateClient
from storage.base import Channel, FileStore
from storage.postgres import (
    Chores,
    ConversationRepository,
    PostgresBroadcasts,
    PostgresMedia,
    PostgresOutbox,
    PostgresTurns,
    TemplateBook,
    Upkeep,
)
from storage.postgres.audit import AuditChain
from storage.postgres.leftovers import Leftovers
from storage.postgres.metrics import MetricsStore
from storage.postgres.outside import OutsideJobs
from storage.postgres.shares import SenderShares

log = structlog.get_logger(__name__)

_ASK_SECONDS = 60.0
_FEED_SECONDS = 0.5  # between two portions of a broadcast
_FEED_AT_ONCE = 50  # tenants without a broadcast that are looked at between two portions of the others
_FEW, _BREATH_SECONDS = 10, 0.005  # with more tenants than a few, a round stops so long before each
_LOOK_SECONDS, _WATCH_SECONDS = 0.25, 1.0  # between two looks whether content is to be read again
_SUM_SECONDS = 30.0  # between two looks whether days are to be summed up
_MIND_SECONDS = 5.0  # how late a colleague hears that somebody waits for them
_SEAL_SECONDS = 2.0  # how long an audit entry may wait for its seal, about

UNKNOWN_REPEATS = 3
"""How often a reply is sent again when neither answer nor status tells what became of it: silence would be worse."""

INCOMING = "incoming"
"""Folder of the data directory in which files lie while they are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything that serves the tenants, composed and ready to run.

    `channel`, `provider`, `library` and the like are those of `home`: the tenant that BOT_TENANT names, or the first.
    """

    settings: Settings
    foundation: Foundation
    tenants: Tenants
    enrolment: Enrolment
    home: TenantId
    bells: Bells
    intake: Lanes
    courtesy: Courtesy
    upkeep: Upkeep
    clock: Clock
    store: FileStore
    """Where files are kept."""
    feeding: Turnabout[TenantId] = field(default_factory=lambda: Turnabout(_FEED_AT_ONCE))
    """Whose broadcasts are looked at."""

    # --- The tenant at home -------------------------------------------------------------------------------------------

    @property
    def line(self) -> Line:
        """Its first number."""
        return self.tenants[self.home].lines[0]

    @property
    def channel(self) -> Channel:
        """Its first number, as the database knows it."""
        return self.line.channel

    @property
    def provider(self) -> Provider:
        """Who carries its messages."""
        return self.line.provider

    @property
    def desk(self) -> TemplateClient | None:
        """Where message templates are handed in; None when nobody is asked."""
        return self.line.desk

    @property
    def library(self) -> Library:
        """Its flows."""
        return self.tenants[self.home].library

    @property
    def actions(self) -> Actions:
        """What its flows may call."""
        return self.tenants[self.home].actions

    @property
    def content(self) -> Content:
        """Its flows in force."""
        return self.library.content

    @property
    def templates(self) -> TemplateBook:
        """What is known of its message templates."""
        return self._book(self.line)

    @property
    def ours(self) -> Mapping[tuple[str, str], WhatsAppTemplate]:
        """The message templates of its content in force, by name and language."""
        return self.content.whatsapp_templates

    # --- Parts --------------------------------------------------------------------------------------------------------

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The background parts among `names`; the web part is composed by bot/web."""
        parts = [
            Part("bells", lambda stopping: stopping.first(self.bells.run())),
            Part("tenants", self.enrolment.run),
            Part("content", lambda stopping: self._follow_content(stopping, names)),
        ]
        if self.foundation.keep is not None:
            parts.append(Part("database", self.foundation.keep))
        sender = self.sender() if "sender" in names else None
        if "web" in names:
            parts.append(Part("courtesy", self.courtesy.run))
        if "worker" in names:
            parts.append(Part("worker", self.worker(sender).run))
        if sender is not None:
            parts += [Part("sender", sender.run), Part("settler", sender.settle)]
            parts += [Part("media", self.media_keeper().run), Part("outside", self.outside().run)]
        if "clock" in names:
            ticker = Ticker(
                timers=self.upkeep,
                chores=self.chores,
                served=lambda: self.tenants.served,
                bells=self.bells,
                clock=self.clock,
            )
            parts.append(Part("clock", ticker.run))
            parts.append(self._round("sealer", "seal", _SEAL_SECONDS, self.audit.seal_all))
            parts.append(self._round("broadcasts", "broadcasts", _FEED_SECONDS, self.feed_broadcasts))
            parts.append(self._round("summing", "sum up", _SUM_SECONDS, self.metrics.sum_up))
            parts.append(self._round("statuses", "statuses", _ASK_SECONDS, self.ask_for_statuses))
            parts.append(self._round("handoffs", "handoffs", _MIND_SECONDS, self.mind_handoffs))
        return parts

    def _round(self, part: str, name: str, seconds: float, do: Callable[[datetime], Awaitable[object]]) -> Part:
        return Part(part, Round(name=name, seconds=seconds, do=do, clock=self.clock).run)

    def ask_for_reload(self) -> None:
        """Read everybody's content again, soon; for signal handlers."""
        for tenant in self.tenants:
            tenant.library.ask_for_reload()

    async def _follow_content(self, stopping: Stopping, names: Sequence[str]) -> None:
        watch = self.settings.bot_watch and "worker" in names
        while not stopping.is_set():
            for tenant in self.tenants:
                try:
                    await tenant.library.look(watch=watch)
                except Exception:
                    log.exception("content could not be read again", action="keep_old_flows", tenant=tenant.slug)
            await stopping.sleep(_WATCH_SECONDS if watch else _LOOK_SECONDS)

    def worker(self, neighbour: Sender | None = None) -> Worker:
        """A worker; `neighbour` is the sender that runs in the same process."""
        return Worker(
            turns=PostgresTurns(self.foundation.database, self.foundation.vault),
            takers=self.tenants,
            bells=self.bells,
            clock=self.clock,
            attempts=self.settings.bot_event_attempts,
            neighbour=neighbour,
        )

    def sender(self) -> Sender:
        """A sender."""
        rules = SendRules(
            lease=timedelta(seconds=2 * self.settings.bot_send_timeout),
            unknown_wait=timedelta(seconds=self.settings.bot_unknown_wait),
        )
        outbox = PostgresOutbox(self.foundation.database, self.foundation.vault, repeats=UNKNOWN_REPEATS)
        shared = SharedRate(shares=SenderShares(self.foundation.database))
        return Sender(outbox, self.tenants.outlets, rules, self.bells, self.clock, shared)

    def media_keeper(self) -> MediaKeeper:
        """What fetches files."""
        return MediaKeeper(
            media=PostgresMedia(self.foundation.database),
            clients=self.tenants.media,
            store=self.store,
            folder=self.settings.bot_data_dir / INCOMING,
            limit=self.settings.bot_media_max_bytes,
            clock=self.clock,
        )

    def outside(self) -> OutsideRunner:
        """Who tells and asks other systems."""
        jobs = OutsideJobs(self.foundation.database, self.foundation.vault)
        return OutsideRunner(jobs=jobs, specs=self.tenants.outside, bells=self.bells, clock=self.clock)

    # --- What the clock does for each tenant --------------------------------------------------------------------------

    async def _for_each(
        self, what: str, do: Callable[[Tenant], Awaitable[object]], whom: Iterable[Tenant] | None = None
    ) -> None:
        """Do something for every tenant that is served, or for some; what fails for one is told, all have theirs.

        With many tenants a round takes its time: most have nothing to do, and their number must not be felt.
        """
        tenants = list(self.tenants if whom is None else whom)
        for tenant in tenants:
            if len(tenants) > _FEW:
                await asyncio.sleep(_BREATH_SECONDS)
            try:
                await do(tenant)
            except Exception as error:
                if is_outage(error):
                    raise
                log.exception("a chore failed", action="go_on", chore=what, tenant=tenant.slug)

    async def mind_handoffs(self, now: datetime) -> None:
        """Tell who is waited for in vain, and take back conversations that a person has left."""

        async def mind(tenant: Tenant) -> None:
            async with self.office.acting(tenant.tenant_id) as acting:
                await handoffs.look_after(acting)

        await self._for_each("handoffs", mind)

    async def feed_broadcasts(self, now: datetime) -> None:
        """Hand on the next recipients of the broadcasts under way; of tenants without any, look at some in turn."""
        served = {tenant.tenant_id: tenant for tenant in self.tenants}

        async def feed(tenant: Tenant) -> None:
            fed = await PostgresBroadcasts(self.foundation.database).feed(tenant.tenant_id, now)
            self.feeding.note(tenant.tenant_id, busy=bool(fed.running or fed.begun))
            failpoint("clock.after_feed")
            METRICS.broadcasts.labels("handed").inc(fed.handed)
            METRICS.broadcasts.labels("skipped").inc(fed.skipped)
            if fed.handed:
                self.bells.ring(OUTBOX)
            if fed.paused:
                log.warning("a broadcast has paused: its template may not be sent", action="pause", tenant=tenant.slug)

        await self._for_each("broadcasts", feed, [served[one] for one in self.feeding.choose(served)])

    async def ask_for_statuses(self, now: datetime) -> None:
        """Ask for statuses that were lost, where the provider does not tell them again."""

        async def ask(tenant: Tenant) -> None:
            for line in tenant.lines:
                if line.provider.capabilities.loses_statuses:
                    await self.reconciler(line).reconcile(now)

        await self._for_each("statuses", ask)

    async def chores(self, now: datetime) -> None:
        """What has to be done now and then."""
        await self.upkeep.ensure_partitions(now)
        await self.retention.keep(now)
        await self._for_each("chores", lambda tenant: self._chores_of(tenant, now))
        base = self.foundation
        await Sealing(leftovers=Leftovers(base.database, base.vault), chores=Chores(base.database)).keep(now)

    async def _chores_of(self, tenant: Tenant, now: datetime) -> None:
        base = self.foundation
        await self.audit.found(tenant.tenant_id)
        async with self.office.acting(tenant.tenant_id) as acting:
            await expire_what_is_over(acting)
        idle = timedelta(hours=tenant.settings.bot_conversation_idle_hours)
        conversations = ConversationRepository(base.database, base.vault, tenant.tenant_id)
        while await conversations.expire_old_conversations(now - idle, now):
            pass
        for line in tenant.lines:
            await self._rate(line, now)
            if tenant.settings.whatsapp_enable_templates:
                await self._follow_templates(tenant, line)

    async def _rate(self, line: Line, now: datetime) -> None:
        """Ask how the provider rates a number, where there is one that can be asked."""
        if line.media is not None:
            chores = Chores(self.foundation.database)
            keeper = NumberKeeper(provider=line.provider, channel=line.channel, intake=self.intake, chores=chores)
            await keeper.keep(now)

    async def _follow_templates(self, tenant: Tenant, line: Line) -> None:
        if line.desk is None:
            return
        keeper = TemplateKeeper(desk=line.desk, book=self._book(line), chores=Chores(self.foundation.database))
        ours = tenant.library.content.whatsapp_templates
        if any(move.released for move in await keeper.keep(tenant.tenant_id, ours, self.clock)):
            self.bells.ring(OUTBOX)

    def _book(self, line: Line) -> TemplateBook:
        return TemplateBook(self.foundation.database, line.channel.tenant_id, line.channel.provider)

    def reconciler(self, line: Line) -> Reconciler:
        """What asks for statuses of a number that were lost."""
        return Reconciler(
            provider=line.provider,
            channel=line.channel,
            database=self.foundation.database,
            vault=self.foundation.vault,
            intake=self.intake,
            chores=Chores(self.foundation.database),
        )

    # --- What everybody uses ------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> MetricsStore:
        """What the days came to."""
        return MetricsStore(self.foundation.database)

    @property
    def audit(self) -> AuditChain:
        """The audit log's chain."""
        return AuditChain(self.foundation.database, self.foundation.vault)

    @property
    def office(self) -> Office:
        """Where services are called from outside of flows."""
        base = self.foundation
        return Office(database=base.database, vault=base.vault, bells=self.bells, clock=self.clock)

    @property
    def links(self) -> Links | None:
        """Makes links to files for others; None when they cannot reach us."""
        return self.enrolment.links

    @property
    def files(self) -> MediaLibrary:
        """The files there are."""
        return self.enrolment.files

    @property
    def samples(self) -> Samples:
        """Samples of the files above the message templates of the tenant at home."""
        return Samples(
            folder=content_dir(self.line.settings) / "templates" / WHATSAPP,
            files=self.files,
            links=self.links,
            tenant=self.channel.tenant_id,
            channel=self.channel.channel_id,
            clock=self.clock,
        )

    @property
    def retention(self) -> Retention:
        """What deletes old things."""
        return Retention(
            upkeep=self.upkeep,
            media=PostgresMedia(self.foundation.database),
            store=self.store,
            chores=Chores(self.foundation.database),
            days=self.settings.whatsapp_message_retention_days,
        )
