"""Timers, partitions, channels, and how much waits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, ContactId, TenantId
from storage.base import Backlog, Channel, Person
from storage.crypto import Vault
from storage.postgres.database import Postgres
from storage.postgres.people import Directory

MONTHS_AHEAD = 2

_AT_ONCE = 5000
# In bites, so that nobody waits for long. Months are dropped as a whole once they are old to the last day; until then,
# what is old in them goes by the day.
_OLD_OF_A_MONTH = tuple(
    f"""
    DELETE FROM {table} t USING (
        SELECT o.{key}, o.created_at FROM {table} o WHERE o.tenant_id = $1 AND o.created_at < $2 LIMIT $3
        FOR UPDATE SKIP LOCKED) AS o
    WHERE t.tenant_id = $1 AND t.{key} = o.{key} AND t.created_at = o.created_at AND t.created_at < $2
    """  # noqa: S608  our own names
    for table, key in (("whatsapp_messages", "message_id"), ("turn_traces", "event_id"))
)


def _old_rows(table: str, moment: str, which: str = "true") -> str:
    return f"""
    DELETE FROM {table} t USING (
        SELECT o.ctid FROM {table} o WHERE o.tenant_id = $1 AND o.{moment} < $2 AND {which} LIMIT $3
        FOR UPDATE SKIP LOCKED) AS o
    WHERE t.tenant_id = $1 AND t.ctid = o.ctid
    """  # noqa: S608  our own names


_OLD = (
    *_OLD_OF_A_MONTH,
    _old_rows("webhook_events", "received_at"),
    _old_rows("dead_letters", "created_at"),
    _old_rows("template_waits", "message_created_at"),
    _old_rows("send_attempts", "finished_at"),
    _old_rows("outside_jobs", "created_at", "o.state = 'DEAD'"),
    # Answers of the API, whole as they were given. A flow's receipts stay: `once` means once.
    _old_rows("receipts", "created_at", "starts_with(o.key, 'api:')"),
)
_OLD_KEYS = _old_rows("message_keys", "created_at")

SUPPRESSED = timedelta(days=8)
"""How much longer than anything else erased addresses and the keys of messages are known.

Meta and 360dialog deliver a webhook again for up to 7 days (Meta, webhooks overview, 2026), Twilio at once or never. A
key is as old as the first delivery we took, which no later one follows by more; a day is for clocks and whoever stores.
As long as its message is there, statuses and `bot explain` find it by its key.
"""
_RETENTION = "SELECT settings ->> 'whatsapp_message_retention_days' FROM tenants WHERE tenant_id = $1"
_FORGET_ERASED = "DELETE FROM erased_addresses WHERE tenant_id = $1 AND erased_at < $2"

_MOST_DAYS = 36_500
_NAME_ACCOUNT = "UPDATE whatsapp_configurations SET account = $3 WHERE tenant_id = $1 AND channel_id = $2"


class Upkeep:
    """What keeps the queues moving and the tables in shape."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def fire(self, now: datetime, share: int, tenants: Sequence[TenantId] | None = None) -> int:
        """Move due timers to the inbox; returns how many.

        Args:
            now: The time.
            share: How many of one tenant at the most.
            tenants: Whose; unset: of all that are served.
        """
        async with self._database.connection() as db:
            return int(await db.fetchval("SELECT fire_timers($1, $2, $3)", now, share, tenants))

    async def ensure_partitions(self, now: datetime) -> int:
        """Make this month's and the next months' partitions; returns how many were missing."""
        async with self._database.connection() as db:
            return int(await db.fetchval("SELECT ensure_partitions($1, $2)", now, MONTHS_AHEAD))

    async def drop_partitions(self, before: datetime) -> int:
        """Drop the months of messages and why-traces that ended before a time; returns how many tables.

        Raises:
            asyncpg.LockNotAvailableError: They are read or written: it has to wait.
        """
        async with self._database.connection() as db:
            return int(await db.fetchval("SELECT drop_partitions($1)", before))

    async def delete_old(self, tenant: TenantId, before: datetime) -> int:
        """Delete what a tenant's rows outside of monthly partitions tell of the time before; returns how many rows."""
        deleted = 0
        async with self._database.tenant(tenant) as db:
            await db.execute(_FORGET_ERASED, tenant, before - SUPPRESSED)
        for statement, until in (*((one, before) for one in _OLD), (_OLD_KEYS, before - SUPPRESSED)):
            while True:
                async with self._database.tenant(tenant) as db:
                    count = int((await db.execute(statement, tenant, until, _AT_ONCE)).rpartition(" ")[2])
                deleted += count
                if count < _AT_ONCE:
                    break
        return deleted

    async def retention_of(self, tenant: TenantId) -> int | None:
        """For how many days a tenant keeps messages; None when it has no word of its own."""
        async with self._database.tenant(tenant) as db:
            days: str | None = await db.fetchval(_RETENTION, tenant)
        return int(days) if days is not None and days.isdecimal() and 0 < int(days) < _MOST_DAYS else None

    async def tenants(self) -> list[TenantId]:
        """Every tenant that has a number."""
        return sorted({channel.tenant_id for channel in await self.channels()})

    async def backlog(self) -> Backlog:
        """How much waits, of all tenants that are served and of each."""
        async with self._database.connection() as db:
            rows = [dict(row.items()) for row in await db.fetch("SELECT * FROM backlog()")]
        tenants = {row.pop("slug"): Backlog(**row) for row in rows}
        return Backlog.sum(tenants)

    async def revision(self, table: str) -> str | None:
        """Which schema the database has now, by the table that tells; it may be newer than when we started."""
        async with self._database.connection() as db:
            found: str | None = await db.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608  ours
        return found

    async def channels(self) -> list[Channel]:
        """Every number this deployment serves."""
        async with self._database.connection() as db:
            rows = await db.fetch("SELECT * FROM channels()")
        return [Channel(**dict(row.items())) for row in rows]

    async def name_account(self, channel: Channel, account: str) -> Channel:
        """Note which account at the provider a number belongs to: news of the account concern it."""
        async with self._database.tenant(channel.tenant_id) as db:
            await db.execute(_NAME_ACCOUNT, channel.tenant_id, channel.channel_id, account)
        return replace(channel, account=account)

    async def register_channel(self, tenant: str, name: str, provider: str, address: str, phone: str) -> Channel:
        """Register a tenant (by slug) and its number, or find them."""
        async with self._database.connection() as db:
            try:
                row = await db.fetchrow(
                    "SELECT * FROM register_channel($1, $2, $3, $4, $5)", tenant, name, provider, address, phone
                )
            except asyncpg.RaiseError as error:
                raise StorageError(str(error)) from error
        if row is None:
            raise StorageError("register_channel() returned nothing: run `bot db upgrade`.")
        return Channel(
            tenant_id=TenantId(row["tenant_id"]),
            channel_id=ChannelId(row["channel_id"]),
            provider=provider,
            address=address,
            phone_number=phone,
        )


_UNREAD = """
SELECT webhook_id, received_at, kind, body FROM webhook_events WHERE tenant_id = $1 ORDER BY webhook_id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWebhook:
    """A webhook, or part of one, that nothing was made of. `body` is as it came."""

    webhook_id: int
    received_at: datetime
    kind: str
    body: bytes


async def kept_webhooks(database: Postgres, vault: Vault, tenant: TenantId, limit: int) -> list[KeptWebhook]:
    """The latest webhooks nothing was made of, newest first."""
    async with database.tenant(tenant) as db:
        rows = await db.fetch(_UNREAD, tenant, limit)
    return [KeptWebhook(**{**dict(row.items()), "body": vault.unseal(tenant, row["body"])}) for row in rows]


_GRANT = """
INSERT INTO contact_roles (tenant_id, contact_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""


async def grant_role(database: Postgres, vault: Vault, channel: Channel, person: Person, role: str) -> ContactId:
    """Give somebody a role, making the contact when they have never written."""
    place = await Directory(database, vault).place(channel, person)
    async with database.tenant(channel.tenant_id) as db:
        await db.execute(_GRANT, channel.tenant_id, place.contact_id, role)
    return place.contact_id


_SPEAK = "UPDATE contacts SET language = $3 WHERE tenant_id = $1 AND contact_id = $2"


async def set_language(database: Postgres, vault: Vault, channel: Channel, person: Person, language: str) -> None:
    """Note which language somebody wants to be answered in, making the contact when they have never written."""
    place = await Directory(database, vault).place(channel, person)
    async with database.tenant(channel.tenant_id) as db:
        await db.execute(_SPEAK, channel.tenant_id, place.contact_id, language)
