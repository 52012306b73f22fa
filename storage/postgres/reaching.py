"""WhatsApp's messaging limit: how many people a business may write to outside their 24-hour window, in 24 hours.

The numbers of an account share it. The limit itself comes from the provider (`reach_limit`); while it is not known, the
provider has the word. A number may have a lower one of ours (`reach_quota`).
Source: Meta, "Messaging limits", September 2026.
"""

from datetime import datetime, timedelta

from storage.base import Claim
from storage.postgres.database import Connection

DAY = timedelta(hours=24)
_LOOK_AGAIN = timedelta(minutes=15)
"""After which a template that must wait is looked at again: the person may have written meanwhile."""

# Locked, in order, so that two senders do not both find the last place free.
_CHANNELS = """
SELECT w.channel_id, w.reach_limit, w.reach_quota, w.initiated_after FROM whatsapp_configurations w
WHERE w.tenant_id = $1 AND (w.channel_id = $2 OR (w.provider, w.account) = (
    SELECT o.provider, o.account FROM whatsapp_configurations o WHERE o.tenant_id = $1 AND o.channel_id = $2))
ORDER BY w.channel_id FOR NO KEY UPDATE
"""
_REACHED = """
SELECT count(*) FILTER (WHERE r.conversation_id <> $3) AS all_together, min(r.reached_at) AS oldest,
       count(*) FILTER (WHERE r.conversation_id <> $3 AND r.channel_id = $5) AS from_here
FROM reached r WHERE r.tenant_id = $1 AND r.channel_id = ANY ($2) AND r.reached_at > $4
"""
_NOTE = """
INSERT INTO reached (tenant_id, channel_id, conversation_id, reached_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, channel_id, conversation_id) DO UPDATE SET reached_at = excluded.reached_at
"""


async def reach(db: Connection, claim: Claim, now: datetime) -> tuple[datetime, str] | None:
    """Take a place among the people reached; or say until when to wait for one, and why."""
    tenant, channel = claim.tenant_id, claim.channel_id
    rows = {row["channel_id"]: row for row in await db.fetch(_CHANNELS, tenant, channel)}
    here = rows.get(channel)
    limit, quota = (here["reach_limit"], here["reach_quota"]) if here is not None else (None, None)
    if here is not None and here["initiated_after"] is not None and here["initiated_after"] > now:
        return min(here["initiated_after"], now + _LOOK_AGAIN), "No conversations may be begun for now."
    if limit is not None or quota is not None:
        reached = await db.fetchrow(_REACHED, tenant, list(rows), claim.conversation_id, now - DAY, channel)
        if reached is not None:
            for most, used in ((limit, reached["all_together"]), (quota, reached["from_here"])):
                if most is not None and used >= most:
                    told = f"The limit of {most} people in 24 hours outside their window is reached."
                    return min((reached["oldest"] or now) + DAY, now + _LOOK_AGAIN), told
    await db.execute(_NOTE, tenant, channel, claim.conversation_id, now)
    return None
