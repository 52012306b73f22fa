"""The composition root: the only place that knows which classes stand behind the protocols."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import asyncpg
import structlog

from bot.authoring.content import Content, FlowFile, load_content
from bot.authoring.sources import Memory
from bot.config import DatabaseSettings, Settings
from bot.core.actions import Actions
from bot.core.errors import ConfigError, StorageError
from bot.core.whatsapp import WhatsAppTemplate
from bot.operations import expire_what_is_over, handoffs
from bot.operations.outside import load_outside
from bot.runtime.bells import OUTBOX, Bells
from bot.runtime.carriers import make_desk, make_media, make_provider, make_store
from bot.runtime.clock import Ticker
from bot.runtime.courtesy import Courtesy
from bot.runtime.failpoints import failpoint
from bot.runtime.files import MediaLibrary
from bot.runtime.intake import GroupCommit
from bot.runtime.library import Library
from bot.runtime.links import Links
from bot.runtime.loop import Clock, Stopping, utc_now
from bot.runtime.media import MediaKeeper
from bot.runtime.metrics import METRICS
from bot.runtime.office import Office
from bot.runtime.outgoing import WithFiles
from bot.runtime.outside import OutsideRunner
from bot.runtime.pacing import Pacer
from bot.runtime.parts import Part, PartLoop
from bot.runtime.project import content_dir, keep_models, project_actions
from bot.runtime.reconciling import Reconciler
from bot.runtime.retention import Retention
from bot.runtime.rounds import Round
from bot.runtime.sender import Sender, SendRules
from bot.runtime.templates import TemplateKeeper
from bot.runtime.turn import TurnTaker
from bot.runtime.worker import Worker
from providers.base import MediaClient, Provider, TemplateClient
from providers.planning import plan
from storage.base import Channel, FileStore
from storage.crypto import Vault, parse_secret, secret_in
from storage.migrations import current, head, upgrade
from storage.postgres import (
    Chores,
    ConversationRepository,
    Directory,
    FlowVersions,
    Postgres,
    PostgresBroadcasts,
    PostgresIntake,
    PostgresMedia,
    PostgresOutbox,
    PostgresTurns,
    TemplateBook,
    Upkeep,
)
from storage.postgres.audit import AuditChain
from storage.postgres.database import RUNTIME_ROLE, session_settings
from storage.postgres.metrics import MetricsStore
from storage.postgres.outside import OutsideJobs

log = structlog.get_logger(__name__)

_DATABASE_CHECK_SECONDS = 1.0
_ASK_SECONDS = 60.0
_FEED_SECONDS = 0.5  # between two portions of a broadcast
_SUM_SECONDS = 30.0  # between two looks whether days are to be summed up
_MIND_SECONDS = 5.0  # how late a colleague hears that somebody waits for them
_SEAL_SECONDS = 2.0  # how long an audit entry may wait for its seal, about

PARTS = ("web", "worker", "sender", "clock")

UNKNOWN_REPEATS = 3
"""How often a reply is sent again when neither answer nor status tells what became of it: silence would be worse."""

INCOMING = "incoming"
"""Folder of the data directory in which files lie while they are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The database, opened and up to date."""

    database: Postgres
    vault: Vault
    dsn: str
    keep: PartLoop | None = None
    """Starts the embedded PostgreSQL again when it dies; None when the database is somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything that serves one number, composed and ready to run."""

    settings: Settings
    foundation: Foundation
    channel: Channel
    provider: Provider
    library: Library
    actions: Actions
    bells: Bells
    intake: GroupCommit
    courtesy: Courtesy
    upkeep: Upkeep
    clock: Clock
    desk: TemplateClient | None = None
    """Where message templates are handed in; None when nobody is asked."""
    media_client: MediaClient | None = None
    """Where files are fetched; None when nobody is asked."""
    store: FileStore
    """Where files are kept."""

    @property
    def content(self) -> Content:
        """The flows in force."""
        return self.library.content

    @property
    def window_template(self) -> str:
        """The template for what comes too late for words; empty when there is none, or templates are not sent."""
        return self.settings.whatsapp_window_template if self.settings.whatsapp_enable_templates else ""

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The background parts among `names`; the web part is composed by bot/web."""
        watch = self.settings.bot_watch and "worker" in names
        parts = [
            Part("bells", lambda stopping: stopping.first(self.bells.run())),
            Part("content", lambda stopping: self.library.run(stopping, watch=watch)),
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
            if self.media_client is not None and self.settings.whatsapp_enable_media:
                parts.append(Part("media", self.media_keeper(self.media_client).run))
            parts.append(Part("outside", self.outside().run))
        if "clock" in names:
            ticker = Ticker(timers=self.upkeep, chores=self.chores, bells=self.bells, clock=self.clock)
            parts.append(Part("clock", ticker.run))
            sealing = Round(name="seal", seconds=_SEAL_SECONDS, do=self.audit.seal_all, clock=self.clock)
            parts.append(Part("sealer", sealing.run))
            feeding = Round(name="broadcasts", seconds=_FEED_SECONDS, do=self.feed_broadcasts, clock=self.clock)
            parts.append(Part("broadcasts", feeding.run))
            summing = Round(name="sum up", seconds=_SUM_SECONDS, do=self.metrics.sum_up, clock=self.clock)
            parts.append(Part("summing", summing.run))
            if self.provider.capabilities.loses_statuses:
                asking = Round(name="statuses", seconds=_ASK_SECONDS, do=self.reconciler.reconcile, clock=self.clock)
                parts.append(Part("statuses", asking.run))
            minding = Round(name="handoffs", seconds=_MIND_SECONDS, do=self.mind_handoffs, clock=self.clock)
            parts.append(Part("handoffs", minding.run))
        return parts

    @property
    def reconciler(self) -> Reconciler:
        """What asks for statuses that were lost."""
        return Reconciler(
            provider=self.provider,
            channel=self.channel,
            database=self.foundation.database,
            intake=self.intake,
            chores=Chores(self.foundation.database),
        )

    @property
    def metrics(self) -> MetricsStore:
        """What the days came to."""
        return MetricsStore(self.foundation.database)

    @property
    def audit(self) -> AuditChain:
        """The audit log's chain."""
        return AuditChain(self.foundation.database, self.foundation.vault)

    def worker(self, neighbour: Sender | None = None) -> Worker:
        """A worker; `neighbour` is the sender that runs in the same process."""
        return Worker(
            turns=PostgresTurns(self.foundation.database, self.foundation.vault),
            taker=TurnTaker(
                brain=self.library,
                actions=self.actions,
                templates=self.settings.whatsapp_enable_templates,
                media=self.settings.whatsapp_enable_media,
                window_template=bool(self.window_template),
                fit=lambda content: plan(content, self.provider.capabilities),
            ),
            bells=self.bells,
            clock=self.clock,
            attempts=self.settings.bot_event_attempts,
            neighbour=neighbour,
        )

    def sender(self) -> Sender:
        """A sender."""
        s = self.settings
        rules = SendRules(
            concurrency=s.bot_send_concurrency,
            lease=timedelta(seconds=2 * s.bot_send_timeout),
            unknown_wait=timedelta(seconds=s.bot_unknown_wait),
            channel=Pacer(1 / s.bot_channel_rate if s.bot_channel_rate else 0, max(int(s.bot_channel_rate), 1)),
            pair=Pacer(s.bot_pair_interval, s.bot_pair_burst),
            window_template=self.window_template,
        )
        outbox = PostgresOutbox(self.foundation.database, self.foundation.vault, repeats=UNKNOWN_REPEATS)
        return Sender(outbox, {self.channel.channel_id: self.carrier()}, rules, self.bells, self.clock)

    def carrier(self) -> Provider:
        """The provider, sending files of ours as well."""
        if self.media_client is None:
            return self.provider
        return WithFiles(
            provider=self.provider,
            client=self.media_client,
            files=self.files,
            links=self.links,
            tenant=self.channel.tenant_id,
            channel=self.channel.channel_id,
            patience=self.settings.bot_send_timeout / 2,
            clock=self.clock,
        )

    @property
    def links(self) -> Links | None:
        """Makes links to files for others; None when they cannot reach us."""
        base_url = self.settings.bot_public_url
        return Links(base_url=base_url, ticket=self.foundation.vault.ticket) if base_url else None

    @property
    def office(self) -> Office:
        """Where services are called from outside of flows."""
        base = self.foundation
        return Office(database=base.database, vault=base.vault, bells=self.bells, clock=self.clock)

    async def mind_handoffs(self, now: datetime) -> None:
        """Tell who is waited for in vain, and take back conversations that a person has left."""
        async with self.office.acting(self.channel.tenant_id) as acting:
            await handoffs.look_after(acting)

    async def feed_broadcasts(self, now: datetime) -> None:
        """Hand on the next recipients of the broadcasts under way."""
        fed = await PostgresBroadcasts(self.foundation.database).feed(self.channel.tenant_id, now)
        failpoint("clock.after_feed")
        METRICS.broadcasts.labels("handed").inc(fed.handed)
        METRICS.broadcasts.labels("skipped").inc(fed.skipped)
        if fed.handed:
            self.bells.ring(OUTBOX)
        if fed.paused:
            log.warning("a broadcast has paused: its template may not be sent", action="pause")

    def media_keeper(self, client: MediaClient) -> MediaKeeper:
        """What fetches files."""
        return MediaKeeper(
            media=PostgresMedia(self.foundation.database),
            clients={self.channel.channel_id: client},
            store=self.store,
            folder=self.settings.bot_data_dir / INCOMING,
            limit=self.settings.bot_media_max_bytes,
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

    @property
    def files(self) -> MediaLibrary:
        """The files there are."""
        return MediaLibrary(
            media=PostgresMedia(self.foundation.database),
            store=self.store,
            folder=self.settings.bot_data_dir / INCOMING,
            clock=self.clock,
        )

    def outside(self) -> OutsideRunner:
        """Who tells and asks other systems."""
        jobs = OutsideJobs(self.foundation.database, self.foundation.vault)
        spec = load_outside(content_dir(self.settings))
        return OutsideRunner(jobs=jobs, spec=spec, bells=self.bells, clock=self.clock)

    async def chores(self, now: datetime) -> None:
        """What has to be done now and then."""
        await self.upkeep.ensure_partitions(now)
        await self.retention.keep(now)
        await self.audit.found(self.channel.tenant_id)
        async with self.office.acting(self.channel.tenant_id) as acting:
            await expire_what_is_over(acting)
        idle = timedelta(hours=self.settings.bot_conversation_idle_hours)
        conversations = ConversationRepository(self.foundation.database, self.foundation.vault, self.channel.tenant_id)
        while await conversations.expire_old_conversations(now - idle, now):
            pass
        if self.desk is not None and self.settings.whatsapp_enable_templates:
            keeper = TemplateKeeper(desk=self.desk, book=self.templates, chores=Chores(self.foundation.database))
            if any(move.released for move in await keeper.keep(self.channel.tenant_id, self.ours, self.clock)):
                self.bells.ring(OUTBOX)

    @property
    def templates(self) -> TemplateBook:
        """What is known of message templates."""
        return TemplateBook(self.foundation.database, self.channel.tenant_id, self.channel.provider)

    @property
    def ours(self) -> Mapping[tuple[str, str], WhatsAppTemplate]:
        """The message templates of the content in force, by name and language."""
        return self.content.whatsapp_templates


@asynccontextmanager
async def open_foundation(
    settings: DatabaseSettings, *, connections: int = 8, migrate: bool | None = None
) -> AsyncIterator[Foundation]:
    """Open the database: the embedded one, unless settings name another.

    Args:
        settings: Where it is.
        connections: Pool size.
        migrate: Whether to bring the schema up to date. Unset: only the embedded one, which is nobody else's.

    Raises:
        StorageError: The database cannot be reached, or its schema is not the one this version needs.
    """
    async with AsyncExitStack() as stack:
        dsn, keep = await database_dsn(settings, stack)
        embedded = keep is not None
        if migrate if migrate is not None else embedded:
            await upgrade(dsn)
        elif await current(dsn) != head():
            raise StorageError(
                f"The database is at schema revision {await current(dsn) or 'none'} and this version needs {head()}. "
                "Run: bot db upgrade"
            )
        key = _secret_key(settings)
        database = await Postgres.connect(dsn, size=connections, idle_lease_seconds=settings.bot_worker_lease)
        stack.push_async_callback(database.close)
        yield Foundation(database=database, vault=Vault(key), dsn=dsn, keep=keep)


def _secret_key(settings: DatabaseSettings) -> bytes:
    if settings.bot_secret_key is None:
        return secret_in(settings.bot_data_dir)
    try:
        return parse_secret(settings.bot_secret_key.get_secret_value())
    except ValueError as error:
        raise ConfigError([f"BOT_SECRET_KEY {error}"]) from error


async def database_dsn(settings: DatabaseSettings, stack: AsyncExitStack) -> tuple[str, PartLoop | None]:
    """Where the database is; starts the embedded one and keeps it until `stack` closes.

    Returns:
        The DSN, and for the embedded one a part that starts it again when it dies.
    """
    if settings.bot_database_url is not None:
        return settings.bot_database_url.get_secret_value(), None
    from storage.embedded import EmbeddedPostgres  # an extra: servers with a database of their own do without

    embedded = await stack.enter_async_context(await EmbeddedPostgres.start(settings.bot_data_dir))

    async def keep(stopping: Stopping) -> None:
        while not stopping.is_set():
            try:
                embedded.postmaster_pid()
            except StorageError:
                log.warning("the embedded PostgreSQL has died", action="start_again")
                await embedded.revive()
            await stopping.sleep(_DATABASE_CHECK_SECONDS)

    return embedded.dsn(), keep


@asynccontextmanager
async def open_system(
    settings: Settings,
    *,
    actions: Actions | None = None,
    clock: Clock = utc_now,
    migrate: bool | None = None,
    provider: Provider | None = None,
    deploy: bool = True,
) -> AsyncIterator[System]:
    """Compose everything that serves the number in `settings`.

    Args:
        settings: Which number, database, flows.
        actions: What flows may call; unset: the standard actions and the project's own.
        clock: The time.
        migrate: Whether to bring the schema up to date, as for `open_foundation`.
        provider: Who carries the messages, for `bot simulate`; unset: the one in `settings`.
        deploy: Whether the flows are put into force; commands that only look at things do not.

    Raises:
        ContentErrors: The flows, intents, templates or the project's own actions are wrong, or would leave somebody in
            a state that is gone.
        StorageError: The database is not usable.
    """
    root = content_dir(settings)
    keep_models(settings)
    known = actions or project_actions(settings, root)
    memory: Memory[FlowFile] = Memory()
    content = load_content(root, known, memory)
    async with AsyncExitStack() as stack:
        foundation = await stack.enter_async_context(open_foundation(settings, migrate=migrate))
        upkeep = Upkeep(foundation.database)
        await upkeep.ensure_partitions(clock())
        channel = await upkeep.register_channel(
            settings.bot_tenant,
            settings.bot_tenant,
            settings.whatsapp_provider,
            settings.address,
            settings.whatsapp_phone_number,
        )
        if settings.whatsapp_business_account_id:
            channel = await upkeep.name_account(channel, settings.whatsapp_business_account_id)
        versions = FlowVersions(foundation.database, channel.tenant_id)
        library = Library(root, known, versions, clock, content, memory)
        if deploy:
            await library.register()
        desk = make_desk(settings) if provider is None else None
        if desk is not None:
            stack.push_async_callback(desk.close)
        media_client = make_media(settings) if provider is None else None
        if media_client is not None:
            stack.push_async_callback(media_client.close)
        store = make_store(settings)
        stack.push_async_callback(store.close)
        provider = provider or make_provider(settings)
        stack.push_async_callback(provider.close)
        bells = Bells(partial(_listen, foundation.dsn))
        directory = Directory(foundation.database, foundation.vault)
        intake = PostgresIntake(foundation.database, foundation.vault, directory, media=settings.whatsapp_enable_media)
        yield System(
            settings=settings,
            foundation=foundation,
            channel=channel,
            provider=provider,
            library=library,
            actions=known,
            bells=bells,
            intake=GroupCommit(intake, bells),
            courtesy=Courtesy(provider, settings.bot_read_marks),
            upkeep=upkeep,
            clock=clock,
            desk=desk,
            media_client=media_client,
            store=store,
        )


async def _listen(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    settings = {**session_settings(RUNTIME_ROLE), "application_name": "sirdar bells"}
    return await asyncpg.connect(dsn, server_settings=settings)
