"""What a provider's refusal entails besides the fate of the message: pauses, alarms, opt-outs, templates, another try.

It is the same for a refusal in the provider's answer and for one that a status tells later, except that in the second
case the message counted as sent: if it may succeed now, it is queued again. A failure is final at the provider, so
nobody gets it twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import ChannelId, ConversationId, MessageId, TenantId
from storage.base import Result
from storage.postgres.database import Connection

MOST_ATTEMPTS = 4
"""How often a message is given to the provider at all, whatever it says."""

_PAUSED = timedelta(seconds=10)
_STOPPED = timedelta(minutes=10)
_NOT_INITIATED = timedelta(hours=6)
_AGAIN = {
    "retry": timedelta(seconds=15),
    "pause_channel": timedelta(seconds=5),
    "pause_pair": timedelta(seconds=60),
    "use_template": timedelta(),
}

_PAUSE = """
UPDATE whatsapp_configurations
SET paused_until = greatest(paused_until, $3::timestamptz),
    initiated_after = greatest(initiated_after, $4::timestamptz), alarm = coalesce($5::text, alarm)
WHERE tenant_id = $1 AND channel_id = $2
"""
# The newest word counts, so saying the same again would only be longer.
_OPT_OUT = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, proof, created_at)
SELECT $1, c.contact_id, $3, false, 'PROVIDER', $4::jsonb, $5 FROM whatsapp_conversations c
WHERE c.tenant_id = $1 AND c.conversation_id = $2
  AND (SELECT o.allowed FROM whatsapp_opt_ins o
       WHERE o.tenant_id = $1 AND o.contact_id = c.contact_id AND o.purpose = $3
       ORDER BY o.created_at DESC, o.opt_in_id DESC LIMIT 1) IS NOT FALSE
"""
_TEMPLATE = """
UPDATE whatsapp_templates t SET status = $4, reason = $5, updated_at = $6
FROM whatsapp_messages m JOIN whatsapp_configurations w ON w.tenant_id = $1 AND w.channel_id = m.channel_id
WHERE t.tenant_id = $1 AND t.provider = w.provider AND t.name = m.content->>'name'
  AND t.language = m.content->>'language' AND t.status NOT IN ($4, 'DISABLED')
  AND m.tenant_id = $1 AND m.message_id = $2 AND m.created_at = $3 AND m.kind = 'template'
"""
_CLOSE_WINDOW = """
UPDATE whatsapp_conversations SET last_inbound_at = least(last_inbound_at, $3::timestamptz - interval '24 hours')
WHERE tenant_id = $1 AND conversation_id = $2
"""
_AGAIN_LATER = """
WITH again AS (
    UPDATE whatsapp_messages m SET status = 'QUEUED', failed_at = NULL
    WHERE m.tenant_id = $1 AND m.message_id = $3 AND m.created_at = $4 AND m.status = 'FAILED'
      AND ($6 OR m.kind <> 'template')
      AND (SELECT count(*) FROM send_attempts s WHERE s.tenant_id = $1 AND s.message_id = $3) < $7
    RETURNING m.channel_id
), queued AS (
    INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at, attempt)
    SELECT $1, $2, $3, $4, a.channel_id, $5,
           (SELECT coalesce(max(s.attempt), 0) FROM send_attempts s WHERE s.tenant_id = $1 AND s.message_id = $3)
    FROM again a
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM again
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A message the provider refused, and what that entails. `answered`: by the answer to the send, not by a status."""

    conversation_id: ConversationId
    message_id: MessageId
    created_at: datetime
    channel_id: ChannelId
    effect: str
    code: int | None
    answered: bool = False

    @classmethod
    def of(cls, result: Result) -> "Failure":
        """Of an attempt that ended."""
        claim = result.claim
        return cls(
            conversation_id=claim.conversation_id,
            message_id=claim.message_id,
            created_at=claim.created_at,
            channel_id=claim.channel_id,
            effect=result.effect,
            code=result.error_code,
            answered=True,
        )

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Failure":
        """Of a status, as JSON has it."""
        return cls(**{**row, "created_at": datetime.fromisoformat(row["created_at"])})


async def entail(db: Connection, tenant: TenantId, failure: Failure, now: datetime) -> int:
    """Do what a failure entails; returns how many messages were queued again: 0 or 1."""
    effect = failure.effect
    told = f"code {failure.code}" if failure.code is not None else "the provider refused a message"
    match effect:
        case "pause_channel" if not failure.answered:  # the sender has paused it already, for as long as it was told
            await _pause(db, tenant, failure, paused_until=now + _PAUSED)
        case "stop_channel" if not failure.answered:
            await _pause(db, tenant, failure, paused_until=now + _STOPPED, alarm=told)
        case "stop_initiated":
            alarm = f"{told}: no conversations are begun until {now + _NOT_INITIATED:%Y-%m-%d %H:%M} UTC"
            await _pause(db, tenant, failure, initiated_after=now + _NOT_INITIATED, alarm=alarm)
        case "alarm":
            await _pause(db, tenant, failure, alarm=told)
        case "opt_out" | "opt_out_marketing":
            purpose = "all" if effect == "opt_out" else "marketing"
            proof = json.dumps({"code": failure.code, "message_id": failure.message_id})
            await db.execute(_OPT_OUT, tenant, failure.conversation_id, purpose, proof, now)
        case "pause_template" | "disable_template":
            status = "PAUSED" if effect == "pause_template" else "DISABLED"
            await db.execute(_TEMPLATE, tenant, failure.message_id, failure.created_at, status, told, now)
        case "use_template":
            await db.execute(_CLOSE_WINDOW, tenant, failure.conversation_id, now)
    if failure.answered or effect not in _AGAIN:
        return 0
    templates_too = effect != "use_template"
    return int(
        await db.fetchval(
            _AGAIN_LATER, tenant, failure.conversation_id, failure.message_id, failure.created_at,
            now + _AGAIN[effect], templates_too, MOST_ATTEMPTS,
        )
    )  # fmt: skip


async def _pause(
    db: Connection,
    tenant: TenantId,
    failure: Failure,
    *,
    paused_until: datetime | None = None,
    initiated_after: datetime | None = None,
    alarm: str | None = None,
) -> None:
    await db.execute(_PAUSE, tenant, failure.channel_id, paused_until, initiated_after, alarm)
