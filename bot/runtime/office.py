"""Where people who are not in a chat work: a transaction in somebody's name, with its audit and its wake-up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.core.ids import ContactId, TenantId
from bot.operations.acting import SYSTEM, Acting, Source
from bot.runtime.bells import INBOX, Bells
from bot.runtime.loop import Clock
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.audit import write_audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Opens transactions for services called by the API, the desk, gateways and the clock."""

    database: Postgres
    vault: Vault
    bells: Bells
    clock: Clock

    @asynccontextmanager
    async def acting(
        self,
        tenant_id: TenantId,
        *,
        role: str = SYSTEM,
        source: Source = "SYSTEM",
        contact_id: ContactId | None = None,
        name: str = "",
    ) -> AsyncIterator[Acting]:
        """Act for a tenant. What services do inside is committed together with its audit, or not at all.

        Args:
            tenant_id: Whose business.
            role: In which role.
            source: Where it comes from.
            contact_id: Who.
            name: What the audit calls them, when they are no contact.
        """
        async with self.database.tenant(tenant_id) as db:
            acting = Acting(
                tenant_id=tenant_id,
                db=db,
                at=self.clock(),
                role=role,
                source=source,
                contact_id=contact_id,
                name=name,
                seals=self.vault,
                trail=[],
            )
            yield acting
            await write_audit(db, self.vault, tenant_id, acting.trail or ())
        self.bells.ring(INBOX)
