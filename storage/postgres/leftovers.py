"""What older versions kept in the clear, sealed in place: message ids of providers, keys of payment links.

Each tenant is walked through once, a page at a time, and how far is noted, so that who is killed goes on there.
"""

import asyncpg

from bot.core.ids import TenantId
from storage.crypto import Vault
from storage.postgres.anew import Step, sealed_step
from storage.postgres.database import Postgres
from storage.postgres.ids import id_steps, messages_step
from storage.postgres.sealed import SEALED

_NO_KEY = 0
"""In the place of a key's number: this is done once, whichever key there is."""

_TENANTS = "SELECT * FROM all_tenants()"
_PROGRESS = "SELECT step, position, finished FROM key_progress WHERE tenant_id = $1 AND number = $2"
_PROGRESSED = """
INSERT INTO key_progress (tenant_id, number, step, position, done, finished) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, number, step) DO UPDATE
SET position = excluded.position, done = key_progress.done + excluded.done, finished = excluded.finished
"""


class Leftovers:
    """Seals them.

    Args:
        database: Where they are.
        vault: Seals.
    """

    def __init__(self, database: Postgres, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def seal(self) -> int:
        """Go on wherever it is, to the end; returns how many rows were looked at."""
        async with self._database.connection() as db:
            tenants = [TenantId(row[0]) for row in await db.fetch(_TENANTS)]
        return sum([await self._seal(tenant) for tenant in tenants])

    async def _seal(self, tenant: TenantId) -> int:
        steps = [(name, step) for name, _, step in id_steps(self._vault)]
        steps.append(("messages", messages_step(self._vault)))
        steps += [(one.table, sealed_step(self._vault, one)) for one in SEALED if one.plain is not None]
        async with self._database.tenant(tenant) as db:
            known = {row["step"]: row for row in await db.fetch(_PROGRESS, tenant, _NO_KEY)}
        rows = 0
        for name, step in steps:
            if name not in known or not known[name]["finished"]:
                rows += await self._walk(tenant, name, step, known[name]["position"] if name in known else 0)
        return rows

    async def _walk(self, tenant: TenantId, name: str, step: Step, position: int) -> int:
        rows, last = 0, False
        while not last:
            try:
                async with self._database.tenant(tenant) as db:
                    page = await step(db, tenant, position)
                    await db.execute(_PROGRESSED, tenant, _NO_KEY, name, page.position, page.rows, page.last)
            except asyncpg.DeadlockDetectedError:
                continue  # somebody else goes first
            position, last = page.position, page.last
            rows += page.rows
        return rows
