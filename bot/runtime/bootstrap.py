"""The composition root: the only place that knows which classes stand behind the protocols."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg
import structlog

from bot.config import DatabaseSettings, Settings
from bot.core.actions import Actions
from bot.core.errors import ConfigError, StorageError
from bot.runtime.bells import Bells
from bot.runtime.carriers import make_store
from bot.runtime.courtesy import Courtesy
from bot.runtime.enrolment import Enrolment
from bot.runtime.files import MediaLibrary
from bot.runtime.foundation import Foundation
from bot.runtime.keys import KeyKeeper
from bot.runtime.lanes import Lanes
from bot.runtime.links import Links
from bot.runtime.loop import Clock, Stopping, utc_now
from bot.runtime.parts import PartLoop
from bot.runtime.project import keep_models
from bot.runtime.shelf import Shelf
from bot.runtime.system import INCOMING, System
from bot.runtime.tenants import Tenants
from providers.base import Provider
from storage.base import Channel
from storage.crypto import Vault, parse_secrets, secrets_in
from storage.migrations import current, head, upgrade
from storage.postgres import Directory, Postgres, PostgresIntake, PostgresMedia, Upkeep
from storage.postgres.database import RUNTIME_ROLE, session_settings
from storage.postgres.keys import open_ring
from storage.postgres.tenants import TenantStore

__all__ = ["PARTS", "Foundation", "System", "database_dsn", "listen", "open_foundation", "open_system", "secret_keys"]

log = structlog.get_logger(__name__)

_DATABASE_CHECK_SECONDS = 1.0

PARTS = ("web", "worker", "sender", "clock")


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
        secrets = secret_keys(settings)
        database = await Postgres.connect(dsn, size=connections, idle_lease_seconds=settings.bot_worker_lease)
        stack.push_async_callback(database.close)
        ring = await open_ring(database, secrets)
        yield Foundation(database=database, vault=Vault(ring.keys), dsn=dsn, keep=keep)


def secret_keys(settings: DatabaseSettings) -> list[bytes]:
    """The secret keys this process has: one, or several while one is replaced.

    Raises:
        ConfigError: One is malformed.
    """
    if settings.bot_secret_key is None:
        return secrets_in(settings.bot_data_dir)
    try:
        return parse_secrets(settings.bot_secret_key.get_secret_value())
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
    """Compose everything that serves the number in `settings`, and with `deploy` every stored tenant.

    Args:
        settings: The deployment's, and the number of the tenant at home; stored numbers of that tenant come before it.
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
    keep_models(settings)
    shelf = Shelf(actions)
    shelf.take(settings).read()  # what is wrong is told before anything is started
    async with AsyncExitStack() as stack:
        foundation = await stack.enter_async_context(open_foundation(settings, migrate=migrate))
        await stack.enter_async_context(_keeping_keys(settings, foundation))
        upkeep = Upkeep(foundation.database)
        await upkeep.ensure_partitions(clock())
        tenants, bells = TenantStore(foundation.database, foundation.vault), Bells(partial(listen, foundation.dsn))
        stored = await tenants.find(settings.bot_tenant) if provider is None else None
        if stored is not None and any(number.sealed is not None for number in stored.numbers):
            home, at_home = stored.state.tenant_id, None
        else:
            at_home = await _register(upkeep, settings)
            home = at_home.tenant_id
        store = make_store(settings)
        stack.push_async_callback(store.close)
        files = MediaLibrary(
            media=PostgresMedia(foundation.database), store=store, folder=settings.bot_data_dir / INCOMING, clock=clock
        )
        url = settings.bot_public_url
        enrolment = Enrolment(
            tenants=Tenants(),
            base=settings,
            foundation=foundation,
            store=tenants,
            shelf=shelf,
            files=files,
            links=_links(url, foundation.vault) if url else None,
            bells=bells,
            clock=clock,
            at_home=at_home,
            provider=provider,
            deploy=deploy,
        )
        stack.push_async_callback(enrolment.close)
        await enrolment.enrol(home)
        if deploy and provider is None:
            await enrolment.refresh()
        directory = Directory(foundation.database, foundation.vault)
        yield System(
            settings=settings,
            foundation=foundation,
            tenants=enrolment.tenants,
            enrolment=enrolment,
            home=home,
            bells=bells,
            intake=Lanes(
                PostgresIntake(foundation.database, foundation.vault, directory, media=enrolment.tenants.takes_files),
                bells,
                enrolment.tenants.intake_rate,
            ),
            courtesy=Courtesy(),
            upkeep=upkeep,
            clock=clock,
            store=store,
        )


async def _register(upkeep: Upkeep, settings: Settings) -> Channel:
    """The number in the settings, made known to the database."""
    slug, address = settings.bot_tenant, settings.address
    phone = settings.whatsapp_phone_number
    channel = await upkeep.register_channel(slug, slug, settings.whatsapp_provider, address, phone)
    account = settings.whatsapp_business_account_id
    return await upkeep.name_account(channel, account) if account else channel


def _links(url: str, vault: Vault) -> Links:
    return Links(base_url=url, ticket=vault.ticket, ticketed=vault.ticketed)


@asynccontextmanager
async def _keeping_keys(settings: DatabaseSettings, foundation: Foundation) -> AsyncIterator[None]:
    """As long as anything writes, follow which keys are in use."""
    keeper = KeyKeeper(
        database=foundation.database,
        vault=foundation.vault,
        secrets=partial(secret_keys, settings),
        connect=partial(listen, foundation.dsn),
    )
    task = asyncio.create_task(keeper.run(), name="keys")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def listen(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of its own, outside of the pool. It only rings, so nothing of it has to be on disk first."""
    bells = {"application_name": "sirdar bells", "synchronous_commit": "off"}
    settings = {**session_settings(RUNTIME_ROLE), **bells}
    return await asyncpg.connect(dsn, server_settings=settings)
