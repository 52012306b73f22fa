"""Asks for statuses that were lost.

Meta and 360dialog repeat a webhook for days. Twilio tells a status once: while our server was away, it is gone, and a
message that failed would look as if it were on its way for ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.runtime.intake import Accepts
from providers.base import Delivery, Provider
from storage.base import Channel, NewStatus, Unread
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.chores import Chores
from storage.postgres.silent import silent_messages

EVERY = timedelta(minutes=5)
PATIENCE = timedelta(minutes=10)
"""How long a status may be under way before it is asked for."""
GIVEN_UP = timedelta(hours=6)
"""After which a message is not asked for any more; Twilio keeps one in its queue for four."""
MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Asks the provider what became of messages that nothing was heard of.

    Attributes:
        provider: Whom to ask.
        channel: Whose messages.
        database: Where they are.
        vault: Reads their ids.
        intake: Takes what is told like any other status.
        chores: Has one process of many do it.
    """

    provider: Provider
    channel: Channel
    database: Postgres
    vault: Vault
    intake: Accepts
    chores: Chores

    async def reconcile(self, now: datetime) -> int:
        """Ask, if it is time; returns how many statuses were found."""
        tenant = self.channel.tenant_id
        name = f"statuses {self.channel.channel_id}"
        fence = await self.chores.take(name, now, every=EVERY, tenant=tenant)
        if fence is None:
            return 0
        found: list[NewStatus] = []
        silent = await silent_messages(self.database, self.vault, self.channel, now - GIVEN_UP, now - PATIENCE, MOST)
        for message in silent:
            update = await self.provider.look_up(message.provider_message_id)
            if update is None or update.status is Delivery.ACCEPTED:
                continue
            problem = update.problem
            found.append(
                NewStatus(
                    channel=self.channel,
                    provider_message_id=message.provider_message_id,
                    status=update.status.value,
                    happened_at=update.at,
                    received_at=now,
                    error_code=problem.code if problem else None,
                    error_detail=problem.detail if problem else None,
                    effect=problem.effect.value if problem else "",
                )
            )
        if found:
            whole = Unread(tenant_id=tenant, kind="not_storable", body=b"{}", received_at=now)
            await self.intake.accept(found, whole)
        await self.chores.done(name, fence, now, tenant=tenant)
        return len(found)
