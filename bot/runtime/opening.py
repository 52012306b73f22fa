"""Opening what everything stands on: the database, and the keys.

Apart from `bootstrap`, so that commands that only ask the database import neither providers nor a web server.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bot.config import DatabaseSettings
from bot.core.errors import ConfigError, StorageError
from bot.runtime.foundation import Foundation
from bot.runtime.loop import Stopping
from bot.runtime.parts import PartLoop
from storage.crypto import Vault, parse_secrets, secrets_in
from storage.migrations import current, head, upgrade
from storage.postgres import Postgres
from storage.postgres.keys import open_ring

log = structlog.get_logger(__name__)

_DATABASE_CHECK_SECONDS = 1.0


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
