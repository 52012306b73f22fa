"""The composition root: the only place that knows which classes stand behind the protocols."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg
import structlog

from bot.config import DatabaseSettings, Settings
from bot.core.actions import Actions
from bot.runtime.bells import Bells
from bot.runtime.carriers import make_store
from bot.runtime.courtesy import Courtesy
from bot.runtime.enrolment import Enrolment
from bot.runtime.files import MediaLibrary
from bot.runtime.foundation import Foundation
from bot.runtime.keys import KeyKeeper
from bot.runtime.lanes import Lanes
from bot.runtime.links import Links
from bot.runtime.loop import Clock, utc_now
from bot.runtime.opening import open_foundation, secret_keys
from bot.runtime.project import keep_models
from bot.runtime.shelf import Shelf
from bot.runtime.system import INCOMING, System
from bot.runtime.tenants import Tenants
from providers.base import Provider
from storage.base import Channel
from storage.crypto import Vault
from storage.postgres import Directory, PostgresIntake, PostgresMedia, Upkeep
from storage.postgres.database import RUNTIME_ROLE, session_settings
from storage.postgres.tenants import TenantStore

__all__ = ["PARTS", "System", "listen", "open_system"]

log = structlog.get_logger(__name__)

PARTS = ("web", "worker", "sender", "clock")


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
