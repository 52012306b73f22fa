"""The tenant's transaction, for commands that change settings in the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.config import load_database_settings
from bot.core.errors import StorageError
from bot.core.ids import TenantId
from bot.runtime.bootstrap import open_foundation
from bot.runtime.loop import utc_now
from storage.base import AuditEntry
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.database import Connection
from storage.postgres.inspection import Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A transaction in the name of whoever is at the keyboard."""

    tenant: TenantId
    db: Connection
    vault: Vault
    now: datetime

    async def note(self, action: str, **detail: Any) -> None:
        """Note in the audit log what was done."""
        entry = AuditEntry(at=self.now, actor="cli", action=action, conversation_id=None, detail=detail)
        await write_audit(self.db, self.vault, self.tenant, [entry])


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    """A transaction of the tenant that BOT_TENANT names; it commits at the end.

    Raises:
        StorageError: There is no such tenant.
    """
    settings = load_database_settings()
    async with open_foundation(settings) as base:
        tenant = await Inspection(base.database).tenant(settings.bot_tenant)
        if tenant is None:
            raise StorageError(f"There is no tenant {settings.bot_tenant}: start the server once, or set BOT_TENANT.")
        async with base.database.tenant(tenant) as db:
            yield Desk(tenant=tenant, db=db, vault=base.vault, now=utc_now())
