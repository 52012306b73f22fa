"""Whose business a command is about: the tenant that BOT_TENANT names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.cli.running import run
from bot.config import REQUIRED, DatabaseSettings, Settings, load_database_settings, load_settings, names_given
from bot.core.errors import StorageError
from bot.core.ids import TenantId
from bot.runtime.loop import utc_now
from bot.runtime.opening import open_foundation
from bot.tenancy import settings_of
from storage.base import AuditEntry
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.database import Connection
from storage.postgres.inspection import Inspection
from storage.postgres.tenants import StoredTenant, TenantStore

_A_NUMBER = {"whatsapp_provider", "whatsapp_phone_number", *(name for names in REQUIRED.values() for name in names)}
_A_NUMBER -= {"bot_public_url"}


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


def load_tenant_settings() -> Settings:
    """The settings of the tenant that BOT_TENANT names: the environment's, or those that are stored for it.

    Raises:
        ConfigError: The environment's are not complete, and none are stored.
    """
    given = names_given()
    if given & _A_NUMBER and "bot_tenant" not in given:
        return load_settings()
    return run(_stored_or_given())


def load_serving_settings() -> Settings:
    """The settings of a server: the environment's; where it names no number, the deployment's, to serve stored tenants.

    Raises:
        ConfigError: They are not complete, and no tenant is stored.
    """
    return load_settings() if names_given() & _A_NUMBER else run(_stored_or_given(anybody=True))


async def _stored_or_given(*, anybody: bool = False) -> Settings:
    settings = load_database_settings()
    stored = await _stored(settings, anybody=anybody) if _has_database(settings) else None
    if stored is None:
        return load_settings()
    number = next(number for number in stored.numbers if number.sealed is not None)
    own = {**number.settings, "whatsapp_provider": number.channel.provider,
           "whatsapp_phone_number": number.phone_number}  # fmt: skip
    return settings_of(None, stored.state.slug, tenant={}, number=own, sealed=number.sealed or {})


async def _stored(settings: DatabaseSettings, *, anybody: bool) -> StoredTenant | None:
    """The tenant that BOT_TENANT names, if numbers are stored for it; with `anybody`, else the first that has any."""
    async with open_foundation(settings) as base:
        store = TenantStore(base.database, base.vault)
        states = sorted(await store.states(), key=lambda state: (state.slug != settings.bot_tenant, not state.active))
        for state in states if anybody else states[:1]:
            found = await store.read(state.tenant_id)
            if any(number.sealed is not None for number in found.numbers) and (
                anybody or state.slug == settings.bot_tenant
            ):
                return found
    return None


def _has_database(settings: DatabaseSettings) -> bool:
    return settings.bot_database_url is not None or (settings.bot_data_dir / "pg").exists()
