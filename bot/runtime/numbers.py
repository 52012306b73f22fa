"""Asks the provider now and then how it rates a number: quality has no webhook, and limits may be older than we are.

What it says of limits decides how fast we write, and to how many people (`bot.runtime.sharing`,
`storage.postgres.reaching`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.runtime.intake import Accepts
from providers.base import Provider
from storage.base import Channel, NewHealth, Unread
from storage.postgres import Chores

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=1)
TOPIC = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberKeeper:
    """Asks for one number.

    Attributes:
        provider: Whom to ask.
        channel: About which number.
        intake: Takes what is told like news by webhook.
        chores: Has one process of many do it.
    """

    provider: Provider
    channel: Channel
    intake: Accepts
    chores: Chores

    async def keep(self, now: datetime) -> NewHealth | None:
        """Ask, if it is time; returns what was told."""
        tenant, name = self.channel.tenant_id, f"number {self.channel.channel_id}"
        fence = await self.chores.take(name, now, every=EVERY, tenant=tenant)
        if fence is None:
            return None
        told, health = await self.provider.health(), None
        if told is not None:
            data = {"quality": told.quality, "status": told.status, "reach_limit": told.reach_limit}
            health = NewHealth(
                channel=self.channel,
                topic=TOPIC,
                data={key: value for key, value in data.items() if value is not None},
                at=now,
                reach_limit=told.reach_limit,
                throughput=told.throughput,
            )
            whole = Unread(tenant_id=tenant, kind="not_storable", body=b"{}", received_at=now)
            await self.intake.accept([health], whole)
            if told.quality in ("RED", "LOW"):
                log.warning("people complain about a number", action="tell", channel_id=self.channel.channel_id)
        await self.chores.done(name, fence, now, tenant=tenant)
        return health
