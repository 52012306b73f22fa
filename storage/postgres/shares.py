"""How many senders serve a number: they divide its rate among them, whatever host they are on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from bot.core.ids import ChannelId
from storage.base import Share
from storage.postgres.chores import EVERYBODY
from storage.postgres.database import Postgres

GONE_AFTER = timedelta(seconds=10)
"""A sender that was not heard of for so long is dead; one is heard of every two seconds."""

_SHARE = "SELECT * FROM share_channels($1, $2, $3)"
_LEAVE = "DELETE FROM live_senders WHERE tenant_id = 0 AND sender_id = $1"


class SenderShares:
    """The senders of one database. Times are the database's, so that hosts need not agree on theirs."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def share(self, sender: UUID, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Share]:
        """Say that a sender lives; returns its share of each of its numbers."""
        async with self._database.connection() as db:
            rows = await db.fetch(_SHARE, sender, channels, GONE_AFTER)
        return {
            ChannelId(row["channel_id"]): Share(senders=row["senders"], throughput=row["throughput"]) for row in rows
        }

    async def leave(self, sender: UUID) -> None:
        """Say that a sender has stopped: the others get its share at once."""
        async with self._database.tenant(EVERYBODY) as db:
            await db.execute(_LEAVE, sender)
