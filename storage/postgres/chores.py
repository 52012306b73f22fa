"""What has to be done once in a while, by one process of many: a fenced lease per chore."""

from datetime import datetime, timedelta

from bot.core.ids import TenantId
from storage.postgres.database import Postgres

EVERYBODY = TenantId(0)
"""Whose chores concern all tenants."""

LEASE = timedelta(minutes=30)
"""After which a process that took a chore is taken for dead."""

# A chore is free when its time has come and nobody is at it; who takes it gets the newest fence.
_TAKE = """
INSERT INTO chores (tenant_id, name, fence, lease_until)
VALUES ($1, $2, nextval('fences'), $3::timestamptz + $5::interval)
ON CONFLICT (tenant_id, name) DO UPDATE SET fence = excluded.fence, lease_until = excluded.lease_until
WHERE (chores.done_at IS NULL OR chores.done_at <= $3 - $4::interval)
  AND (chores.lease_until IS NULL OR chores.lease_until <= $3)
RETURNING fence
"""
_DONE = """
UPDATE chores SET done_at = $4, lease_until = NULL WHERE tenant_id = $1 AND name = $2 AND fence = $3 RETURNING 1
"""
_GIVE_BACK = """
UPDATE chores SET lease_until = $4 WHERE tenant_id = $1 AND name = $2 AND fence = $3
"""


class Chores:
    """The chores of all processes on one database."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def take(
        self, name: str, now: datetime, *, every: timedelta, tenant: TenantId = EVERYBODY, lease: timedelta = LEASE
    ) -> int | None:
        """Take a chore that is due; its fence, or None when it was done lately or somebody is at it."""
        async with self._database.tenant(tenant) as db:
            fence: int | None = await db.fetchval(_TAKE, tenant, name, now, every, lease)
        return fence

    async def done(self, name: str, fence: int, now: datetime, *, tenant: TenantId = EVERYBODY) -> bool:
        """Note that it is done; False when it took so long that somebody else has it."""
        async with self._database.tenant(tenant) as db:
            return await db.fetchval(_DONE, tenant, name, fence, now) is not None

    async def give_back(self, name: str, fence: int, until: datetime, *, tenant: TenantId = EVERYBODY) -> None:
        """Let it rest until a time and then be tried again: it failed."""
        async with self._database.tenant(tenant) as db:
            await db.execute(_GIVE_BACK, tenant, name, fence, until)
