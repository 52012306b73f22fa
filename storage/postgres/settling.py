"""What becomes of sends later: statuses that providers report, attempts whose answer never came."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import TenantId
from storage.postgres.database import Connection, Postgres, by_tenant, columns, enter
from storage.postgres.entailing import Failure, entail

# The outbox rows are locked already, by expire_leases.
_EXPIRED_LEASE = """
WITH late AS (
    SELECT l.*, m.conversation_id, m.status
    FROM unnest($2::bigint[], $3::timestamptz[], $4::smallint[], $5::bigint[])
        AS l (message_id, created_at, attempt, fence)
    JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = l.message_id AND m.created_at = l.created_at
                            AND m.message_id = ANY ($2)
    ORDER BY l.message_id FOR UPDATE OF m
), told AS (
    UPDATE whatsapp_messages m SET status = 'UNKNOWN', error_detail = 'The sender stopped before the answer came.'
    FROM late l
    WHERE m.tenant_id = $1 AND m.message_id = l.message_id AND m.created_at = l.created_at AND l.status = 'QUEUED'
      AND m.message_id = ANY ($2)
), known AS (
    -- A status was faster than the answer: there is nothing to find out.
    DELETE FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY (ARRAY(SELECT l.conversation_id FROM late l))
      AND o.message_id = ANY (ARRAY(SELECT l.message_id FROM late l WHERE l.status NOT IN ('QUEUED', 'UNKNOWN')))
)
INSERT INTO send_attempts (tenant_id, message_id, attempt, fence, outcome, detail, finished_at)
SELECT $1, l.message_id, l.attempt, l.fence, 'UNKNOWN', 'lease expired', $6 FROM late l
ON CONFLICT DO NOTHING
"""
# Policy for sends that stay unknown. What a person waits for in a conversation is said again: after this long
# without any status the provider almost surely never had it, and silence would be worse. A template costs money and
# may annoy: it stays UNKNOWN for a person to look at.
_SETTLE_UNKNOWN = """
WITH due AS (
    SELECT o.conversation_id, o.message_id, m.status NOT IN ('QUEUED', 'UNKNOWN') AS status_told,
           coalesce(m.kind <> 'template' AND m.status IN ('QUEUED', 'UNKNOWN')
                    AND (SELECT count(*) FROM send_attempts s WHERE s.tenant_id = $1 AND s.message_id = u.message_id
                                                                AND s.outcome = 'UNKNOWN') <= $6, false) AS repeat
    FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[]) AS u (conversation_id, message_id, created_at)
    JOIN outbox o ON o.tenant_id = $1 AND o.conversation_id = u.conversation_id AND o.message_id = u.message_id
                 -- Still: others may have had it repeated meanwhile, and that is unknown again.
                 AND o.state = 'UNKNOWN' AND o.lease_until <= $5 AND o.conversation_id = ANY ($2)
    LEFT JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = u.message_id AND m.created_at = u.created_at
                                 AND m.message_id = ANY ($3)
    ORDER BY o.message_id FOR UPDATE OF o
), repeated AS (
    UPDATE outbox o SET state = 'READY', due_at = $5, lease_until = NULL
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY ($2)
      AND o.message_id = ANY (ARRAY(SELECT d.message_id FROM due d WHERE d.repeat))
), over AS (
    DELETE FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY ($2)
      AND o.message_id = ANY (ARRAY(SELECT d.message_id FROM due d WHERE NOT d.repeat))
)
SELECT count(*) FILTER (WHERE d.repeat) AS repeated,
       count(*) FILTER (WHERE NOT d.repeat AND d.status_told IS NOT TRUE) AS given_up,
       count(*) FILTER (WHERE NOT d.repeat AND d.status_told) AS resolved
FROM due d
"""
# Statuses only ever move a message up: where it ends depends on which ones came, not on their order. One for a message
# we do not know is looked at again for ten minutes, less and less often (the answer to our send may still be on its
# way), then dropped: it belongs to somebody else on the same account.
_APPLY_UPDATES = """
WITH batch AS (
    SELECT u.* FROM delivery_updates u WHERE u.tenant_id = $1 AND u.due_at <= $2
    ORDER BY u.due_at, u.update_id LIMIT $4 FOR UPDATE SKIP LOCKED
), known AS (
    SELECT b.update_id, b.provider_message_id, b.status, b.happened_at, b.received_at, b.error_code, b.error_detail,
           b.effect,
           coalesce(b.message_id, k.message_id) AS message_id,
           coalesce(b.message_created_at, k.created_at) AS created_at
    FROM batch b LEFT JOIN LATERAL (
        SELECT k.message_id, k.created_at FROM message_keys k
        WHERE b.message_id IS NULL AND k.tenant_id = $1 AND k.key = b.key OFFSET 0) AS k ON true
), ranked AS (
    SELECT k.message_id, k.created_at,
           max(array_position(ARRAY['ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED'], k.status)) AS rank,
           min(k.happened_at) FILTER (WHERE k.status = 'SENT') AS sent_at,
           min(k.happened_at) FILTER (WHERE k.status = 'DELIVERED') AS delivered_at,
           min(k.happened_at) FILTER (WHERE k.status IN ('READ', 'PLAYED')) AS read_at,
           min(k.happened_at) FILTER (WHERE k.status = 'FAILED') AS failed_at,
           max(k.error_code) AS error_code, max(k.error_detail) AS error_detail, max(k.effect) AS effect,
           min(k.provider_message_id) AS provider_message_id
    FROM known k WHERE k.message_id IS NOT NULL
    GROUP BY k.message_id, k.created_at ORDER BY k.message_id
), queued AS (
    SELECT o.conversation_id, o.message_id, o.state
    FROM ranked r
    CROSS JOIN LATERAL (
        SELECT m.conversation_id FROM whatsapp_messages m
        WHERE m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.created_at OFFSET 0) AS m
    CROSS JOIN LATERAL (
        SELECT o.* FROM outbox o
        WHERE o.tenant_id = $1 AND o.conversation_id = m.conversation_id AND o.message_id = r.message_id
        FOR UPDATE) AS o
), current AS (
    SELECT r.*, m.status AS old_status, m.conversation_id, m.channel_id, greatest(
               r.rank, array_position(ARRAY['ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED'], m.status)) AS highest
    FROM ranked r
    CROSS JOIN LATERAL (
        SELECT m.status, m.conversation_id, m.channel_id, m.sent_at, m.provider_message_id FROM whatsapp_messages m
        WHERE m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.created_at
          AND m.direction = 'OUTBOUND' AND (m.context ? 'erased') IS NOT TRUE
        FOR UPDATE) AS m
    WHERE (SELECT count(*) FROM queued) >= 0 -- always true: locks the outbox rows first
      -- A failure of an earlier attempt, told again after the message was sent anew, says nothing about this one. Ids
      -- that were sealed with different keys cannot be compared: while a key is replaced, such a failure counts.
      AND (r.rank IS NOT NULL OR NOT (m.sent_at IS NOT NULL AND m.status IN ('QUEUED', 'HELD')
                                      OR coalesce(m.provider_message_id <> r.provider_message_id
                                                  AND split_part(m.provider_message_id, '.', 1)
                                                      = split_part(r.provider_message_id, '.', 1), false)))
), judged AS (
    SELECT c.*, CASE WHEN c.highest >= 3 OR (c.failed_at IS NULL AND c.old_status <> 'FAILED')
                     THEN (ARRAY['ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED'])[c.highest]
                     ELSE 'FAILED' END AS status
    FROM current c
), told AS (
    UPDATE whatsapp_messages m
    SET status = j.status,
        sent_at = coalesce(m.sent_at, j.sent_at, j.delivered_at, j.read_at),
        delivered_at = least(m.delivered_at, j.delivered_at, j.read_at),
        read_at = least(m.read_at, j.read_at),
        failed_at = CASE WHEN j.status = 'FAILED' THEN least(m.failed_at, j.failed_at) END,
        provider_message_id = coalesce(m.provider_message_id, j.provider_message_id),
        error_code = CASE WHEN j.status = 'FAILED' THEN coalesce(j.error_code, m.error_code) END,
        error_detail = CASE WHEN j.status = 'FAILED' THEN coalesce(j.error_detail, m.error_detail) END
    FROM judged j
    WHERE m.tenant_id = $1 AND m.message_id = j.message_id AND m.created_at = j.created_at
      AND m.message_id = ANY (ARRAY(SELECT c.message_id FROM current c))
), waiting AS (
    SELECT array_agg(q.conversation_id) AS conversations, array_agg(q.message_id) AS messages
    FROM queued q WHERE q.state <> 'SENDING' AND q.message_id = ANY (ARRAY(SELECT c.message_id FROM current c))
), resolved AS (
    DELETE FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY ((SELECT w.conversations FROM waiting w)::bigint[])
      AND o.message_id = ANY ((SELECT w.messages FROM waiting w)::bigint[])
    RETURNING 1
), parked AS (
    UPDATE delivery_updates u SET due_at = $2 + greatest(interval '5 seconds', $2 - u.received_at)
    WHERE u.tenant_id = $1
      AND u.update_id = ANY (ARRAY(SELECT k.update_id FROM known k WHERE k.message_id IS NULL AND k.received_at >= $3))
), gone AS (
    DELETE FROM delivery_updates u
    WHERE u.tenant_id = $1
      AND u.update_id = ANY (ARRAY(
          SELECT k.update_id FROM known k WHERE k.message_id IS NOT NULL OR k.received_at < $3))
)
SELECT (SELECT count(*) FROM known k WHERE k.message_id IS NOT NULL) AS applied,
       (SELECT count(*) FROM known k WHERE k.message_id IS NULL AND k.received_at < $3) AS foreign_statuses,
       (SELECT count(*) FROM resolved) AS resolved,
       (SELECT count(*) FROM batch) AS looked_at,
       (SELECT json_agg(json_build_object('conversation_id', j.conversation_id, 'message_id', j.message_id,
                                          'created_at', j.created_at, 'channel_id', j.channel_id, 'effect', j.effect,
                                          'code', j.error_code)) FROM judged j
        WHERE j.status = 'FAILED' AND j.old_status <> 'FAILED' AND j.effect <> '') AS entailed
"""
_PARKED = timedelta(minutes=10)
_UPDATES = 250  # statuses per commit
_ROUNDS = 40  # commits of statuses per tenant, before the others have their turn


class Settling:
    """Settles what is not known of sends.

    Args:
        database: Where the outbox is.
        repeats: How often a send whose fate is unknown is repeated, for messages that policy repeats.
    """

    def __init__(self, database: Postgres, repeats: int) -> None:
        self._database = database
        self._repeats = repeats

    async def settle(self, now: datetime, *, wait: timedelta) -> dict[str, int]:
        """Apply waiting statuses, declare expired attempts UNKNOWN, and decide about overdue unknowns."""
        counts: Counter[str] = Counter()
        async with self._database.connection() as db:
            updated = [row[0] for row in await db.fetch("SELECT tenants_with_updates($1)", now)]
        for tenant in updated:
            counts.update(await self._apply_updates(tenant, now))
        counts["expired"] = await self._expire(now, wait)
        async with self._database.connection() as db:
            due = await db.fetch("SELECT * FROM due_unknowns($1)", now)
        for tenant, rows in by_tenant(due).items():
            keys = [(r["conversation_id"], r["message_id"], r["message_created_at"]) for r in rows]
            async with self._database.tenant(tenant) as db:
                counts.update(await _counted(db, _SETTLE_UNKNOWN, tenant, *columns(keys, 3), now, self._repeats))
        return dict(counts)

    async def _apply_updates(self, tenant: TenantId, now: datetime) -> Counter[str]:
        counts: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            async with self._database.tenant(tenant) as db:
                done: dict[str, Any] = await _counted(db, _APPLY_UPDATES, tenant, now, now - _PARKED, _UPDATES)
                for failure in json.loads(done.pop("entailed") or "[]"):
                    counts["resent"] += await entail(db, tenant, Failure.read(failure), now)
            full = done.pop("looked_at") == _UPDATES
            counts.update(done)
            if not full:
                break
        return counts

    async def _expire(self, now: datetime, wait: timedelta) -> int:
        async with self._database.transaction() as db:
            late = await db.fetch("SELECT * FROM expire_leases($1, $2)", now, wait)
            for tenant, rows in by_tenant(late).items():
                await enter(db, tenant)
                keys = [(r["message_id"], r["message_created_at"], r["attempt"], r["fence"]) for r in rows]
                await db.execute(_EXPIRED_LEASE, tenant, *columns(keys, 4), now)
        return len(late)


async def _counted(db: Connection, statement: str, *args: object) -> dict[str, int]:
    row = await db.fetchrow(statement, *args)
    return dict(row.items()) if row else {}
