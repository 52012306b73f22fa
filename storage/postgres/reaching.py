"""WhatsApp's messaging limit: how many people a number may write to outside their 24-hour window, in 24 hours.

Source: Meta, "Messaging limits", September 2026. The limit itself comes from the provider (`reach_limit`); while it is
not known, the provider has the word. A tenant may have a lower one of ours (`reach_quota`).
"""

from datetime import datetime, timedelta

from storage.base import Claim
from storage.postgres.database import Connection

DAY = timedelta(hours=24)
_LOOK_AGAIN = timedelta(minutes=15)
"""After which a template that must wait is looked at again: the person may have written meanwhile."""

# Locked, so that two senders do not both find the last place free.
_CHANNEL = """
SELECT least(reach_limit, reach_quota) AS reach_limit, initiated_after FROM whatsapp_configurations
WHERE tenant_id = $1 AND channel_id = $2 FOR NO KEY UPDATE
"""
_REACHED = """
SELECT count(*) FILTER (WHERE r.conversation_id <> $3) AS others, min(r.reached_at) AS oldest
FROM reached r WHERE r.tenant_id = $1 AND r.channel_id = $2 AND r.reached_at > $4
"""
_NOTE = """
INSERT INTO reached (tenant_id, channel_id, conversation_id, reached_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, channel_id, conversation_id) DO UPDATE SET reached_at = excluded.reached_at
"""


async def reach(db: Connection, claim: Claim, now: datetime) -> tuple[datetime, str] | None:
    """Take a place among the people reached; or say until when to wait for one, and why."""
    tenant, channel = claim.tenant_id, claim.channel_id
    row = await db.fetchrow(_CHANNEL, tenant, channel)
    limit = row["reach_limit"] if row else None
    if row and row["initiated_after"] is not None and row["initiated_after"] > now:
        return min(row["initiated_after"], now + _LOOK_AGAIN), "No conversations may be begun for now."
    if limit is not None:
        reached = await db.fetchrow(_REACHED, tenant, channel, claim.conversation_id, now - DAY)
        if reached is not None and reached["others"] >= limit:
            told = f"The limit of {limit} people in 24 hours outside their window is reached."
            return min((reached["oldest"] or now) + DAY, now + _LOOK_AGAIN), told
    await db.execute(_NOTE, tenant, channel, claim.conversation_id, now)
    return None
