"""Where senders find messages, and where what became of them is written down.

An attempt is committed (state SENDING, a fence, a lease) before any HTTP. Its answer is written only with that fence:
a sender that slept past its lease finds its attempt declared UNKNOWN, and cannot say otherwise, except that a message
the provider did take is a fact whoever reports it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import ChannelId, ConversationId, MessageId, TenantId
from bot.core.messages import OUTGOING
from storage.base import Claim, Result
from storage.crypto import Vault
from storage.postgres.correlation import Correlation
from storage.postgres.database import Connection, Postgres, columns, commit

_CLAIM = "SELECT * FROM claim_outbox($1, $2, $3, $4)"
_CONTENT = """
SELECT m.message_id, m.content, p.phone, p.user_id
FROM unnest($2::bigint[], $3::timestamptz[]) AS c (message_id, created_at)
JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = c.message_id AND m.created_at = c.created_at
JOIN whatsapp_conversations w ON w.tenant_id = $1 AND w.conversation_id = m.conversation_id
JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = w.contact_id
"""
# Answers whose fence is still the outbox row's are ours to write. A late ACCEPTED for an attempt that was declared
# UNKNOWN in the meantime settles it; any other late answer is only noted.
_RECORD = """
WITH answered AS (
    SELECT a.* FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::bigint[], $7::text[],
                           $8::text[], $9::bytea[], $10::integer[], $11::integer[], $12::text[], $13::timestamptz[],
                           $14::timestamptz[])
        AS a (conversation_id, message_id, created_at, attempt, fence, verdict, provider_message_id, key, http_status,
              error_code, detail, at, retry_at)
), held AS (
    SELECT a.*, o.fence = a.fence AS in_time FROM answered a
    JOIN outbox o ON o.tenant_id = $1 AND o.conversation_id = a.conversation_id AND o.message_id = a.message_id
    WHERE o.fence = a.fence OR (o.state = 'UNKNOWN' AND o.attempt = a.attempt AND a.verdict = 'DONE')
    ORDER BY a.message_id FOR UPDATE OF o
), finished AS (
    DELETE FROM outbox o USING held h
    WHERE o.tenant_id = $1 AND o.conversation_id = h.conversation_id AND o.message_id = h.message_id
      AND h.verdict IN ('DONE', 'FAILED')
), again AS (
    UPDATE outbox o
    SET state = CASE WHEN h.verdict = 'UNKNOWN' THEN 'UNKNOWN' ELSE 'READY' END,
        due_at = coalesce(h.retry_at, o.due_at), fence = 0, lease_until = h.retry_at,
        attempt = o.attempt - CASE WHEN h.verdict = 'DEFER' THEN 1 ELSE 0 END
    FROM held h
    WHERE o.tenant_id = $1 AND o.conversation_id = h.conversation_id AND o.message_id = h.message_id
      AND h.verdict IN ('RETRY', 'DEFER', 'UNKNOWN')
), told AS (
    UPDATE whatsapp_messages m
    SET status = CASE h.verdict WHEN 'DONE' THEN CASE WHEN m.status IN ('QUEUED', 'UNKNOWN') THEN 'ACCEPTED'
                                                      ELSE m.status END
                                WHEN 'FAILED' THEN 'FAILED' WHEN 'UNKNOWN' THEN 'UNKNOWN' ELSE m.status END,
        provider_message_id = coalesce(h.provider_message_id, m.provider_message_id),
        sent_at = CASE WHEN h.verdict = 'DONE' THEN coalesce(m.sent_at, h.at) ELSE m.sent_at END,
        failed_at = CASE WHEN h.verdict = 'FAILED' THEN h.at END,
        error_code = CASE WHEN h.verdict <> 'DONE' THEN h.error_code END,
        error_detail = CASE WHEN h.verdict <> 'DONE' THEN nullif(h.detail, '') END
    FROM held h
    WHERE m.tenant_id = $1 AND m.message_id = h.message_id AND m.created_at = h.created_at AND h.verdict <> 'DEFER'
), keyed AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, h.key, h.message_id, h.created_at FROM held h WHERE h.key IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO send_attempts (tenant_id, message_id, attempt, fence, outcome, http_status, error_code, detail, finished_at)
SELECT $1, a.message_id, a.attempt, a.fence,
       CASE WHEN NOT coalesce(h.in_time, false) THEN 'LATE' WHEN a.verdict = 'DONE' THEN 'ACCEPTED'
            WHEN a.verdict = 'UNKNOWN' THEN 'UNKNOWN' WHEN a.http_status IS NULL THEN 'NOT_SENT' ELSE 'REFUSED' END,
       a.http_status, a.error_code, nullif(a.detail, ''), a.at
FROM answered a LEFT JOIN held h USING (message_id, fence)
WHERE a.verdict <> 'DEFER'
ON CONFLICT DO NOTHING
"""
_PAUSE = """
UPDATE whatsapp_configurations
SET paused_until = greatest(paused_until, $3), alarm = CASE WHEN $4 = '' THEN NULL ELSE coalesce($4, alarm) END
WHERE tenant_id = $1 AND channel_id = $2
"""
_EXPIRED_LEASE = """
WITH late AS (
    SELECT * FROM unnest($2::bigint[], $3::timestamptz[], $4::smallint[], $5::bigint[])
        AS l (message_id, created_at, attempt, fence)
), told AS (
    UPDATE whatsapp_messages m SET status = 'UNKNOWN', error_detail = 'The sender stopped before the answer came.'
    FROM late l
    WHERE m.tenant_id = $1 AND m.message_id = l.message_id AND m.created_at = l.created_at AND m.status = 'QUEUED'
), known AS (
    -- A status was faster than the answer: there is nothing to find out.
    DELETE FROM outbox o USING late l JOIN whatsapp_messages m
        ON m.tenant_id = $1 AND m.message_id = l.message_id AND m.created_at = l.created_at
    WHERE o.tenant_id = $1 AND o.conversation_id = m.conversation_id AND o.message_id = m.message_id
      AND m.status IN ('ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED', 'FAILED')
)
INSERT INTO send_attempts (tenant_id, message_id, attempt, fence, outcome, detail, finished_at)
SELECT $1, l.message_id, l.attempt, l.fence, 'UNKNOWN', 'lease expired', $6 FROM late l
ON CONFLICT DO NOTHING
"""
# Policy for sends that stay unknown. What a person waits for in a conversation is said again, once: after this long
# without any status the provider almost surely never had it, and silence would be worse. A template costs money and
# may annoy: it stays UNKNOWN for a person to look at.
_SETTLE_UNKNOWN = """
WITH due AS (
    SELECT o.conversation_id, o.message_id, m.kind, o.attempt
    FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::bigint[])
        AS u (conversation_id, message_id, created_at, fence)
    JOIN outbox o ON o.tenant_id = $1 AND o.conversation_id = u.conversation_id AND o.message_id = u.message_id
                 AND o.fence = u.fence AND o.state = 'UNKNOWN'
    JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = u.message_id AND m.created_at = u.created_at
    ORDER BY o.message_id FOR UPDATE OF o
), repeated AS (
    UPDATE outbox o SET state = 'READY', due_at = $6, lease_until = NULL FROM due d
    WHERE o.tenant_id = $1 AND o.conversation_id = d.conversation_id AND o.message_id = d.message_id
      AND d.kind <> 'template' AND d.attempt <= $7
    RETURNING 1
), given_up AS (
    DELETE FROM outbox o USING due d
    WHERE o.tenant_id = $1 AND o.conversation_id = d.conversation_id AND o.message_id = d.message_id
      AND NOT (d.kind <> 'template' AND d.attempt <= $7)
    RETURNING 1
)
SELECT (SELECT count(*) FROM repeated) AS repeated, (SELECT count(*) FROM given_up) AS given_up
"""
# Statuses only ever move a message up. One for a message we do not know is looked at again for ten minutes (the answer
# to our send may still be on its way), then dropped: it belongs to somebody else on the same account.
_APPLY_UPDATES = """
WITH batch AS (
    SELECT u.* FROM delivery_updates u WHERE u.tenant_id = $1 AND u.due_at <= $2
    ORDER BY u.due_at, u.update_id LIMIT 1000 FOR UPDATE SKIP LOCKED
), known AS (
    SELECT b.update_id, b.provider_message_id, b.key, b.status, b.happened_at, b.error_code, b.error_detail,
           coalesce(b.message_id, k.message_id) AS message_id,
           coalesce(b.message_created_at, k.created_at) AS created_at
    FROM batch b LEFT JOIN message_keys k ON b.message_id IS NULL AND k.tenant_id = $1 AND k.key = b.key
), ranked AS (
    SELECT k.message_id, k.created_at, max(r.rank) FILTER (WHERE k.status <> 'FAILED') AS rank,
           min(k.happened_at) FILTER (WHERE k.status = 'SENT') AS sent_at,
           min(k.happened_at) FILTER (WHERE k.status = 'DELIVERED') AS delivered_at,
           min(k.happened_at) FILTER (WHERE k.status IN ('READ', 'PLAYED')) AS read_at,
           min(k.happened_at) FILTER (WHERE k.status = 'FAILED') AS failed_at,
           max(k.error_code) AS error_code, max(k.error_detail) AS error_detail,
           min(k.provider_message_id) AS provider_message_id
    FROM known k JOIN (VALUES ('ACCEPTED', 1), ('SENT', 2), ('DELIVERED', 3), ('READ', 4), ('PLAYED', 5), ('FAILED', 0))
        AS r (status, rank) USING (status)
    WHERE k.message_id IS NOT NULL
    GROUP BY k.message_id, k.created_at
), current AS (
    SELECT m.message_id, m.created_at, m.conversation_id,
           array_position(ARRAY['QUEUED', 'ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED'], m.status) - 1 AS rank
    FROM ranked r JOIN whatsapp_messages m ON m.tenant_id = $1 AND m.message_id = r.message_id
                                          AND m.created_at = r.created_at AND m.direction = 'OUTBOUND'
    ORDER BY m.message_id FOR UPDATE OF m
), told AS (
    UPDATE whatsapp_messages m
    SET status = CASE
            WHEN r.rank > coalesce(c.rank, 0) AND (m.status <> 'FAILED' OR r.rank >= 3)
                THEN (ARRAY['ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED'])[r.rank]
            WHEN r.failed_at IS NOT NULL AND coalesce(c.rank, 0) < 3 AND coalesce(r.rank, 0) < 3 THEN 'FAILED'
            ELSE m.status END,
        sent_at = coalesce(m.sent_at, r.sent_at, r.delivered_at, r.read_at),
        delivered_at = coalesce(m.delivered_at, r.delivered_at, r.read_at),
        read_at = coalesce(m.read_at, r.read_at),
        failed_at = coalesce(m.failed_at, r.failed_at),
        provider_message_id = coalesce(m.provider_message_id, r.provider_message_id),
        error_code = coalesce(r.error_code, m.error_code),
        error_detail = coalesce(r.error_detail, CASE WHEN m.status <> 'UNKNOWN' THEN m.error_detail END)
    FROM ranked r JOIN current c USING (message_id, created_at)
    WHERE m.tenant_id = $1 AND m.message_id = r.message_id AND m.created_at = r.created_at
), resolved AS (
    DELETE FROM outbox o USING current c
    WHERE o.tenant_id = $1 AND o.conversation_id = c.conversation_id AND o.message_id = c.message_id
      AND o.state <> 'SENDING'
    RETURNING 1
), parked AS (
    UPDATE delivery_updates u SET due_at = $2 + interval '20 seconds' FROM known k
    WHERE u.tenant_id = $1 AND u.update_id = k.update_id AND k.message_id IS NULL AND u.received_at >= $3
), gone AS (
    DELETE FROM delivery_updates u USING known k
    WHERE u.tenant_id = $1 AND u.update_id = k.update_id AND (k.message_id IS NOT NULL OR u.received_at < $3)
    RETURNING k.message_id
)
SELECT (SELECT count(*) FROM gone WHERE message_id IS NOT NULL) AS applied,
       (SELECT count(*) FROM gone WHERE message_id IS NULL) AS foreign_statuses,
       (SELECT count(*) FROM resolved) AS resolved
"""
_PARKED = timedelta(minutes=10)


class PostgresOutbox:
    """The queue of messages to send.

    Args:
        database: Where it is.
        vault: Decrypts phone numbers, signs correlation texts.
        repeats: How often a send whose fate is unknown is repeated, for messages that policy repeats.
    """

    def __init__(self, database: Postgres, vault: Vault, *, repeats: int = 1) -> None:
        self._database = database
        self._vault = vault
        self._repeats = repeats

    async def exchange(
        self, results: Sequence[Result], now: datetime, *, room: int, lease: timedelta, shut: Sequence[ChannelId]
    ) -> list[Claim]:
        """Record how attempts ended and claim up to `room` new ones, in one commit."""
        by_tenant: dict[TenantId, list[Result]] = {}
        for result in results:
            by_tenant.setdefault(result.claim.tenant_id, []).append(result)
        async with self._database.connection() as db:
            await db.execute("BEGIN")
            try:
                for tenant, group in by_tenant.items():
                    await _enter(db, tenant)
                    await self._record(db, tenant, group)
                claims = await self._claim(db, now, room, lease, shut) if room else []
            except BaseException:
                if not db.is_closed():
                    await db.execute("ROLLBACK")
                raise
            await commit(db)
        return claims

    async def settle(self, now: datetime, *, wait: timedelta) -> dict[str, int]:
        """Apply waiting statuses, declare expired attempts UNKNOWN, and decide about overdue unknowns."""
        counts: Counter[str] = Counter()
        async with self._database.connection() as db:
            updated = [row[0] for row in await db.fetch("SELECT tenants_with_updates($1)", now)]
        for tenant in updated:
            async with self._database.tenant(tenant) as db:
                counts.update(await _counted(db, _APPLY_UPDATES, tenant, now, now - _PARKED))
        counts["expired"] = await self._expire(now, wait)
        async with self._database.connection() as db:
            due = await db.fetch("SELECT * FROM due_unknowns($1)", now)
        for tenant, rows in _by_tenant(due).items():
            keys = [(r["conversation_id"], r["message_id"], r["message_created_at"], r["fence"]) for r in rows]
            async with self._database.tenant(tenant) as db:
                counts.update(await _counted(db, _SETTLE_UNKNOWN, tenant, *columns(keys, 4), now, self._repeats))
        return dict(counts)

    async def _expire(self, now: datetime, wait: timedelta) -> int:
        async with self._database.connection() as db:
            await db.execute("BEGIN")
            try:
                late = await db.fetch("SELECT * FROM expire_leases($1, $2)", now, wait)
                for tenant, rows in _by_tenant(late).items():
                    await _enter(db, tenant)
                    keys = [(r["message_id"], r["message_created_at"], r["attempt"], r["fence"]) for r in rows]
                    await db.execute(_EXPIRED_LEASE, tenant, *columns(keys, 4), now)
            except BaseException:
                if not db.is_closed():
                    await db.execute("ROLLBACK")
                raise
            await commit(db)
        return len(late)

    async def _record(self, db: Connection, tenant: TenantId, results: Sequence[Result]) -> None:
        rows = []
        for r in results:
            claim, wamid = r.claim, r.provider_message_id
            key = self._vault.message_key(tenant, claim.channel_id, wamid) if wamid else None
            rows.append(
                (claim.conversation_id, claim.message_id, claim.created_at, claim.attempt, claim.fence,
                 r.verdict.value, wamid, key, r.http_status, r.error_code, r.detail[:500], r.at, r.retry_at)
            )  # fmt: skip
        await db.execute(_RECORD, tenant, *columns(rows, 13))
        for r in results:
            if r.pause_until or r.alarm is not None:
                await db.execute(_PAUSE, tenant, r.claim.channel_id, r.pause_until, r.alarm)

    async def _claim(
        self, db: Connection, now: datetime, room: int, lease: timedelta, shut: Sequence[ChannelId]
    ) -> list[Claim]:
        claims: list[Claim] = []
        for tenant, rows in _by_tenant(await db.fetch(_CLAIM, now, room, lease, shut)).items():
            await _enter(db, tenant)
            keys = [(row["message_id"], row["message_created_at"]) for row in rows]
            contents = {row["message_id"]: row for row in await db.fetch(_CONTENT, tenant, *columns(keys, 2))}
            claims.extend(self._claimed(tenant, row, contents[row["message_id"]]) for row in rows)
        return claims

    def _claimed(self, tenant: TenantId, row: Any, content: Any) -> Claim:
        vault, message_id, created_at = self._vault, MessageId(row["message_id"]), row["message_created_at"]
        named = Correlation(tenant_id=tenant, message_id=message_id, created_at=created_at, attempt=row["attempt"])
        return Claim(
            tenant_id=tenant,
            conversation_id=ConversationId(row["conversation_id"]),
            message_id=message_id,
            created_at=created_at,
            channel_id=ChannelId(row["channel_id"]),
            attempt=row["attempt"],
            fence=row["fence"],
            content=OUTGOING.validate_json(content["content"]),
            phone=vault.decrypt(tenant, content["phone"]) if content["phone"] else None,
            user_id=vault.decrypt(tenant, content["user_id"]) if content["user_id"] else None,
            correlation=named.write(vault),
        )


async def _enter(db: Connection, tenant: TenantId) -> None:
    """See another tenant's rows for the rest of the transaction."""
    await db.execute(f"SELECT set_config('app.tenant_id', '{int(tenant)}', true)")


async def _counted(db: Connection, statement: str, *args: object) -> dict[str, int]:
    row = await db.fetchrow(statement, *args)
    return dict(row.items()) if row else {}


def _by_tenant(rows: Sequence[Any]) -> dict[TenantId, list[Any]]:
    found: dict[TenantId, list[Any]] = {}
    for row in rows:
        found.setdefault(row["tenant_id"], []).append(row)
    return found
