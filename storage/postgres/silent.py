"""Messages of ours that were accepted and of which nothing was heard since."""

from dataclasses import dataclass
from datetime import datetime

from storage.base import Channel
from storage.crypto import Vault
from storage.postgres.database import Postgres

_SILENT = """
SELECT m.provider_message_id, m.sent_at FROM whatsapp_messages m
WHERE m.tenant_id = $1 AND m.channel_id = $2 AND m.sent_at BETWEEN $3 AND $4 AND m.direction = 'OUTBOUND'
  AND m.status = 'ACCEPTED' AND m.provider_message_id IS NOT NULL
ORDER BY m.sent_at LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class Silent:
    """A message, and when it was accepted."""

    provider_message_id: str
    sent_at: datetime


async def silent_messages(
    database: Postgres, vault: Vault, channel: Channel, since: datetime, until: datetime, limit: int
) -> list[Silent]:
    """Messages that were accepted between `since` and `until` and have had no status, the oldest first."""
    async with database.tenant(channel.tenant_id) as db:
        rows = await db.fetch(_SILENT, channel.tenant_id, channel.channel_id, since, until, limit)
    tenant = channel.tenant_id
    return [Silent(vault.open_id(tenant, row["provider_message_id"]), row["sent_at"]) for row in rows]
