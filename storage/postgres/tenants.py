"""Tenants as they are stored: who is served, with which numbers, settings and secrets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from storage.base import Channel
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres

_STATES = "SELECT * FROM tenant_states()"
_TENANT = """
SELECT tenant_id, slug, name, status, settings, language, revision, created_at FROM tenants WHERE tenant_id = $1
"""
_NUMBERS = """
SELECT channel_id, provider, address, phone_number, account, settings, secrets, reach_quota, alarm
FROM whatsapp_configurations WHERE tenant_id = $1 ORDER BY channel_id
"""
_KEEP_TENANT = """
UPDATE tenants SET name = $2, settings = $3::jsonb, language = $4, revision = revision + 1 WHERE tenant_id = $1
"""
# Whatever the provider refused was perhaps refused for what has changed now: it is tried again at once.
_KEEP_NUMBER = """
UPDATE whatsapp_configurations
SET settings = $3::jsonb, secrets = $4, account = $5, reach_quota = $6, paused_until = NULL, alarm = NULL
WHERE tenant_id = $1 AND channel_id = $2
"""
_SET_STATUS = "UPDATE tenants SET status = $2, revision = revision + 1 WHERE tenant_id = $1"
_LOCK = "SELECT revision FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE"
_TIMEZONE = """
INSERT INTO business_settings (tenant_id, timezone) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET timezone = excluded.timezone, updated_at = now()
"""
_TIMEZONE_OF = "SELECT timezone FROM business_settings WHERE tenant_id = $1"
_TELL = "SELECT pg_notify('sirdar', 'tenants')"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantState:
    """Who there is; `revision` is another one whenever anything about them has changed."""

    tenant_id: TenantId
    slug: str
    active: bool
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNumber:
    """A number as it is stored. `sealed`: its secrets; None when its settings are in some server's environment."""

    channel: Channel
    phone_number: str
    settings: Mapping[str, str] = field(default_factory=dict)
    sealed: Mapping[str, str] | None = field(default=None, repr=False)
    reach_quota: int | None = None
    alarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTenant:
    """A tenant as it is stored."""

    state: TenantState
    name: str
    settings: Mapping[str, str]
    language: str
    timezone: str
    numbers: Sequence[StoredNumber]


class TenantStore:
    """Reads and changes tenants. Secrets are sealed with the tenant's key, together with the number they belong to.

    Args:
        database: Where they are.
        vault: Seals secrets.
    """

    def __init__(self, database: Postgres, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def states(self) -> list[TenantState]:
        """Everybody, the oldest first."""
        async with self._database.connection() as db:
            rows = await db.fetch(_STATES)
        return [_state(row) for row in rows]

    async def find(self, slug: str) -> StoredTenant | None:
        """A tenant by its slug."""
        state = next((one for one in await self.states() if one.slug == slug), None)
        return await self.read(state.tenant_id) if state is not None else None

    async def read(self, tenant: TenantId) -> StoredTenant:
        """A tenant with everything.

        Raises:
            StorageError: There is none, or its secrets were sealed with another key.
        """
        async with self._database.tenant(tenant) as db:
            return await self._read(db, tenant)

    async def keep(
        self, tenant: TenantId, *, name: str, settings: Mapping[str, str], language: str, timezone: str | None,
        number: StoredNumber | None = None, seen: int | None = None,
    ) -> None:  # fmt: skip
        """Store what a tenant has of its own, and one of its numbers, at once; whoever serves it is told.

        Raises:
            StorageError: It has another revision than was `seen`: somebody else has changed it.
        """
        async with self._database.tenant(tenant) as db:
            if await db.fetchval(_LOCK, tenant) != seen and seen is not None:
                raise StorageError("Somebody else has changed the tenant at the same time: look, and try again.")
            await db.execute(_KEEP_TENANT, tenant, name, json.dumps(dict(settings)), language)
            if timezone is not None:
                await db.execute(_TIMEZONE, tenant, timezone)
            if number is not None:
                channel = number.channel
                secrets = self._seal(tenant, channel.channel_id, number.sealed)
                await db.execute(
                    _KEEP_NUMBER, tenant, channel.channel_id, json.dumps(dict(number.settings)), secrets,
                    channel.account, number.reach_quota,
                )  # fmt: skip
            await db.execute(_TELL)

    async def set_active(self, tenant: TenantId, *, active: bool) -> None:
        """Serve a tenant, or do not; whoever serves it is told."""
        async with self._database.tenant(tenant) as db:
            await db.execute(_SET_STATUS, tenant, "ACTIVE" if active else "DISABLED")
            await db.execute(_TELL)

    async def _read(self, db: Connection, tenant: TenantId) -> StoredTenant:
        row = await db.fetchrow(_TENANT, tenant)
        if row is None:
            raise StorageError("The tenant is gone.")
        return StoredTenant(
            state=_state(row),
            name=row["name"],
            settings=json.loads(row["settings"]),
            language=row["language"],
            timezone=await db.fetchval(_TIMEZONE_OF, tenant) or "UTC",
            numbers=[self._number(tenant, number) for number in await db.fetch(_NUMBERS, tenant)],
        )

    def _number(self, tenant: TenantId, row: Any) -> StoredNumber:
        channel = Channel(
            tenant_id=tenant, channel_id=ChannelId(row["channel_id"]), provider=row["provider"],
            address=row["address"], account=row["account"],
        )  # fmt: skip
        return StoredNumber(
            channel=channel,
            phone_number=row["phone_number"],
            settings=json.loads(row["settings"]),
            sealed=self._unseal(tenant, channel.channel_id, row["secrets"]),
            reach_quota=row["reach_quota"],
            alarm=row["alarm"],
        )

    def _seal(self, tenant: TenantId, channel: ChannelId, sealed: Mapping[str, str] | None) -> bytes | None:
        if sealed is None:
            return None
        document = {"channel": channel, "sealed": dict(sealed)}
        return self._vault.seal(tenant, json.dumps(document).encode())

    def _unseal(self, tenant: TenantId, channel: ChannelId, kept: bytes | None) -> Mapping[str, str] | None:
        if kept is None:
            return None
        document = json.loads(self._vault.unseal(tenant, kept))
        if document["channel"] != channel:
            raise StorageError("Secrets of one number were put beside another.")
        found: dict[str, str] = document["sealed"]
        return found


def _state(row: Any) -> TenantState:
    return TenantState(
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        active=row["status"] == "ACTIVE",
        revision=row["revision"],
    )
