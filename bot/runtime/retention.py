"""Deletes what is old enough to go: once a day, by one process of all."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from bot.core.errors import StorageError
from bot.core.ids import TenantId
from storage.base import FileStore
from storage.postgres import Chores, PostgresMedia, Upkeep

log = structlog.get_logger(__name__)

CHORE = "retention"
DAILY = timedelta(days=1)
AGAIN = timedelta(minutes=15)
"""After which it is tried again when something was in the way."""
FILES_AT_ONCE = 200
NOBODY = TenantId(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Deletes old messages, why-traces, files and what else tells of them.

    Attributes:
        upkeep: Tables.
        media: Files.
        store: Where these are.
        chores: So that one process does it.
        days: How long things are kept, of tenants that say nothing else.
    """

    upkeep: Upkeep
    media: PostgresMedia
    store: FileStore
    chores: Chores
    days: int

    async def keep(self, now: datetime) -> bool:
        """Do it if a day has passed; returns whether it was done."""
        fence = await self.chores.take(CHORE, now, every=DAILY)
        if fence is None:
            return False
        try:
            await self._delete(now)
        except (StorageError, asyncpg.LockNotAvailableError) as error:
            log.warning("old things could not be deleted", action="try_again", error=str(error))
            await self.chores.give_back(CHORE, fence, now + AGAIN)
            return False
        return await self.chores.done(CHORE, fence, now)

    async def _delete(self, now: datetime) -> None:
        tenants = [NOBODY, *await self.upkeep.tenants()]
        days = {tenant: await self.upkeep.retention_of(tenant) or self.days for tenant in tenants}
        # A month is everybody's: it goes when nobody keeps anything of it. What others have of it goes row by row.
        dropped = await self.upkeep.drop_partitions(now - timedelta(days=max(days.values())))
        rows = files = 0
        for tenant in tenants:
            before = now - timedelta(days=days[tenant])
            rows += await self.upkeep.delete_old(tenant, before)
            while count := await self.media.expire(tenant, self.store, before, now, limit=FILES_AT_ONCE):
                files += count
        log.info("old things are deleted", action="retain", partitions=dropped, rows=rows, files=files)
