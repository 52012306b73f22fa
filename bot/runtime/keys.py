"""Keeps a process to the secret keys that are in use, while `bot keys rotate` replaces one by another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import structlog

from bot.core.errors import StorageError
from bot.runtime.trouble import is_outage
from storage.crypto import Vault
from storage.postgres.database import Postgres
from storage.postgres.keys import Announcement, open_ring

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the states of keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKeeper:
    """Follows the states of keys, and says how far it is.

    Attributes:
        database: Where the states are.
        vault: Is told which keys to use.
        secrets: Those this process has; asked again each time, since a file may have got one more.
        connect: Opens the connection on which it says how far it is.
        seconds: Between two looks.
    """

    database: Postgres
    vault: Vault
    secrets: Callable[[], Sequence[bytes]]
    connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]
    seconds: float = LOOK_SECONDS

    async def run(self) -> None:
        """Follow until cancelled: as long as anything in this process writes."""
        while True:
            try:
                await self._follow(await self.connect())
            except Exception as error:
                if is_outage(error):
                    log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                else:
                    log.exception("the states of keys cannot be followed", action="try_again")
            await asyncio.sleep(self.seconds)

    async def _follow(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        announcement = Announcement(connection)
        try:
            while True:
                await announcement.say(await self._look())
                await asyncio.sleep(self.seconds)
        finally:
            connection.terminate()

    async def _look(self) -> int:
        """Use the keys of the moment; returns the version this process goes by, 0 when it lacks a key.

        Raises:
            Exception: The database is out of reach; which keys are missing then, nobody can say.
        """
        try:
            secrets = self.secrets()
        except (StorageError, ValueError, OSError) as error:
            return _lacking(error)
        try:
            ring = await open_ring(self.database, secrets)
        except StorageError as error:
            return _lacking(error)
        if ring.keys != self.vault.keys:
            self.vault.use(ring.keys)
            log.info("the secret keys in use have changed", action="follow", version=ring.version)
        return ring.version if ring.complete else 0


def _lacking(error: Exception) -> int:
    log.error("a secret key is missing here: restart with all of them", action="go_on", exc_info=error)
    return 0
