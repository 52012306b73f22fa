"""Where senders find messages, and where what became of them is written down.

An attempt is committed (state SENDING, a fence, a lease) before any HTTP. Its answer is written only with that fence:
a sender that slept past its lease finds its attempt declared UNKNOWN, and cannot say otherwise, except that a message
the provider did take is a fact whoever reports it.

Senders and the settler meet at the same rows. Everybody locks outbox rows before messages, and each kind by ascending
message id, so that they wait for each other but never in a circle. What a decision rests on is read by the statement
part that takes the lock (FOR UPDATE returns the newest version), not from the snapshot, which may be older.

`= ANY` beside a join and LATERAL instead of a join look superfluous and are not: a plan made while a table was new and
empty, and kept, would otherwise walk through all rows of the tenant.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, ConversationId, MessageId, TenantId
from bot.core.messages import OUTGOING, TemplateOut
from bot.core.policy import window_open
from storage.base import Claim, Result, Verdict
from storage.crypto import Vault
from storage.postgres.correlation import claimed
from storage.postgres.database import Connection, Postgres, by_tenant, columns, enter
from storage.postgres.entailing import Failure, entail
from storage.postgres.reaching import reach
from storage.postgres.settling import Settling

OPTED_OUT = "They have asked for no messages, so no template is sent."

_CLAIM = "SELECT * FROM claim_outbox($1, $2, $3, $4)"
_CONTENT = """
SELECT m.message_id, m.content, m.reply_to, p.phone, p.user_id, p.language, p.last_inbound_at,
       m.kind = 'template' AND p.opted_out AS opted_out
FROM unnest($2::bigint[], $3::timestamptz[]) AS c (message_id, created_at)
CROSS JOIN LATERAL (
    SELECT m.message_id, m.content, m.kind, m.reply_to, m.conversation_id FROM whatsapp_messages m
    WHERE m.tenant_id = $1 AND m.message_id = c.message_id AND m.created_at = c.created_at OFFSET 0) AS m
CROSS JOIN LATERAL (
    SELECT p.phone, p.user_id, p.language, w.last_inbound_at, NOT coalesce((
        SELECT o.allowed FROM whatsapp_opt_ins o
        WHERE m.kind = 'template' AND o.tenant_id = $1 AND o.contact_id = p.contact_id AND o.purpose = 'all'
        ORDER BY o.created_at DESC, o.opt_in_id DESC LIMIT 1), true) AS opted_out
    FROM whatsapp_conversations w
    JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = w.contact_id
    WHERE w.tenant_id = $1 AND w.conversation_id = m.conversation_id OFFSET 0) AS p
"""
# Before several statements of the next two: who locks rows of the outbox does it in the order of messages.
_LOCK = """
SELECT FROM unnest($2::bigint[], $3::bigint[]) AS a (message_id, conversation_id)
CROSS JOIN LATERAL (
    SELECT o.message_id FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = a.conversation_id AND o.message_id = a.message_id
    FOR UPDATE) AS o
"""
# What nearly all answers say: the provider has it. That settles the attempt whose fence is still the outbox row's, and
# what was declared UNKNOWN meanwhile, or is about to be repeated, as well. Where a status was faster than the answer,
# the message keeps what it said. Rows of the outbox go before those of messages, in order, as statuses lock them.
_ACCEPTED = """
WITH accepted AS (
    SELECT a.* FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::bigint[], $7::text[],
                           $8::bytea[], $9::text[], $10::timestamptz[])
        AS a (conversation_id, message_id, created_at, attempt, fence, provider_message_id, key, detail, at)
    ORDER BY a.message_id
), held AS (
    SELECT o.* FROM accepted a
    CROSS JOIN LATERAL (
        SELECT o.message_id, o.fence = a.fence AS in_time FROM outbox o
        WHERE o.tenant_id = $1 AND o.conversation_id = a.conversation_id AND o.message_id = a.message_id
          AND (o.fence = a.fence OR (o.state <> 'SENDING' AND o.attempt = a.attempt))
        FOR UPDATE) AS o
), finished AS (
    DELETE FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY ($2) AND o.message_id = ANY (ARRAY(SELECT message_id FROM held))
), told AS (
    UPDATE whatsapp_messages m
    SET status = CASE WHEN m.status IN ('QUEUED', 'UNKNOWN') THEN 'ACCEPTED' ELSE m.status END,
        provider_message_id = coalesce(a.provider_message_id, m.provider_message_id),
        sent_at = coalesce(m.sent_at, a.at),
        failed_at = CASE WHEN m.status NOT IN ('QUEUED', 'UNKNOWN') THEN m.failed_at END,
        error_code = CASE WHEN m.status NOT IN ('QUEUED', 'UNKNOWN') THEN m.error_code END,
        error_detail = CASE WHEN m.status NOT IN ('QUEUED', 'UNKNOWN') THEN m.error_detail END
    FROM accepted a
    WHERE m.tenant_id = $1 AND m.message_id = a.message_id AND m.created_at = a.created_at AND m.message_id = ANY ($3)
      AND (m.context ? 'erased') IS NOT TRUE -- nothing is told of them any more
      AND (SELECT count(*) FROM held) >= 0 -- always true: locks the outbox rows first
), keyed AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, a.key, a.message_id, a.created_at FROM accepted a WHERE a.key IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO send_attempts (tenant_id, message_id, attempt, fence, outcome, detail, finished_at)
SELECT $1, a.message_id, a.attempt, a.fence, CASE WHEN a.in_time THEN 'ACCEPTED' ELSE 'LATE' END,
       nullif(concat_ws(': ', CASE WHEN NOT a.in_time THEN 'DONE' END, nullif(a.detail, '')), ''), a.at
FROM (SELECT a.*, (a.message_id IN (SELECT h.message_id FROM held h WHERE h.in_time)) IS TRUE AS in_time
      FROM accepted a) AS a
ON CONFLICT DO NOTHING
"""
# All other answers. Those whose fence is still the outbox row's are ours to write; a late one is only noted. Where a
# status was faster than the answer, the message keeps what the status said, and nothing is tried again.
_RECORD = """
WITH answered AS (
    SELECT a.* FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::bigint[], $7::text[],
                           $8::integer[], $9::integer[], $10::text[], $11::timestamptz[], $12::timestamptz[])
        AS a (conversation_id, message_id, created_at, attempt, fence, verdict, http_status, error_code, detail, at,
              retry_at)
), held AS (
    SELECT a.*, m.status NOT IN ('QUEUED', 'UNKNOWN') AS status_told
    FROM (SELECT * FROM answered ORDER BY message_id) AS a
    CROSS JOIN LATERAL (
        SELECT o.message_id FROM outbox o
        WHERE o.tenant_id = $1 AND o.conversation_id = a.conversation_id AND o.message_id = a.message_id
          AND o.fence = a.fence
        FOR UPDATE) AS o
    CROSS JOIN LATERAL (
        SELECT m.status FROM whatsapp_messages m
        WHERE m.tenant_id = $1 AND m.message_id = o.message_id AND m.created_at = a.created_at
        FOR UPDATE) AS m
), finished AS (
    DELETE FROM outbox o
    WHERE o.tenant_id = $1 AND o.conversation_id = ANY ($2) AND o.message_id = ANY (ARRAY(
        SELECT h.message_id FROM held h WHERE h.status_told OR h.verdict IN ('FAILED', 'HELD')))
), again AS (
    UPDATE outbox o
    SET state = CASE WHEN h.verdict = 'UNKNOWN' THEN 'UNKNOWN' ELSE 'READY' END,
        due_at = coalesce(h.retry_at, o.due_at), fence = 0, lease_until = coalesce(h.retry_at, h.at),
        attempt = o.attempt - CASE WHEN h.verdict = 'DEFER' THEN 1 ELSE 0 END
    FROM held h
    WHERE o.tenant_id = $1 AND o.conversation_id = h.conversation_id AND o.message_id = h.message_id
      AND NOT h.status_told AND h.verdict IN ('RETRY', 'DEFER', 'UNKNOWN')
      AND o.conversation_id = ANY ($2)
      AND o.message_id = ANY (ARRAY(SELECT w.message_id FROM held w WHERE w.verdict IN ('RETRY', 'DEFER', 'UNKNOWN')))
), told AS (
    UPDATE whatsapp_messages m
    SET status = CASE WHEN h.verdict = 'RETRY' THEN m.status ELSE h.verdict END,
        failed_at = CASE WHEN h.verdict = 'FAILED' THEN h.at END,
        error_code = h.error_code,
        error_detail = nullif(h.detail, '')
    FROM held h
    WHERE m.tenant_id = $1 AND m.message_id = h.message_id AND m.created_at = h.created_at
      AND m.message_id = ANY ($3) AND h.verdict <> 'DEFER' AND NOT h.status_told
      AND (m.context ? 'erased') IS NOT TRUE -- nothing is told of them any more
)
INSERT INTO send_attempts (tenant_id, message_id, attempt, fence, outcome, http_status, error_code, detail, finished_at)
SELECT $1, a.message_id, a.attempt, a.fence,
       CASE WHEN a.late THEN 'LATE' WHEN a.verdict = 'UNKNOWN' THEN 'UNKNOWN'
            WHEN a.http_status IS NULL THEN 'NOT_SENT' ELSE 'REFUSED' END,
       a.http_status, a.error_code,
       nullif(concat_ws(': ', CASE WHEN a.late THEN a.verdict END, nullif(a.detail, '')), ''), a.at
FROM (SELECT a.*, (a.message_id IN (SELECT h.message_id FROM held h)) IS NOT TRUE AS late FROM answered a) AS a
WHERE a.verdict NOT IN ('DEFER', 'HELD') OR a.http_status IS NOT NULL
ON CONFLICT DO NOTHING
"""
# The same keys under the other secret, while one takes another's place.
_KEY_ALSO = """
INSERT INTO message_keys (tenant_id, key, message_id, created_at)
SELECT $1, k.* FROM unnest($2::bytea[], $3::bigint[], $4::timestamptz[]) AS k (key, message_id, created_at)
ORDER BY k.key ON CONFLICT DO NOTHING
"""
# What was sent instead of what was asked for: the history shows what the person got.
_SAID = """
UPDATE whatsapp_messages SET content = $4::jsonb, kind = $5
WHERE tenant_id = $1 AND message_id = $2 AND created_at = $3 AND (context ? 'erased') IS NOT TRUE
"""
_PAUSE = """
UPDATE whatsapp_configurations
SET paused_until = greatest(paused_until, $3), alarm = CASE WHEN $4 = '' THEN NULL ELSE coalesce($4, alarm) END
WHERE tenant_id = $1 AND channel_id = $2
"""
_ANSWERS = 64  # per statement: its time grows with the square where the planner guesses badly
_UNREADABLE = timedelta(minutes=1)  # until a message whose recipient cannot be decrypted is tried again


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
        self._settling = Settling(database, repeats)

    async def exchange(
        self, results: Sequence[Result], now: datetime, *, rooms: Mapping[ChannelId, int], lease: timedelta
    ) -> list[Claim]:
        """Record how attempts ended and claim new ones, of each number as many as there is room for, in one commit."""
        answers: dict[TenantId, list[Result]] = {}
        for result in results:
            answers.setdefault(result.claim.tenant_id, []).append(result)
        tenants = sorted(answers)
        async with self._database.tenant(tenants[0]) if tenants else self._database.transaction() as db:
            for tenant in tenants:
                if tenant != tenants[0]:
                    await enter(db, tenant)
                await self._record(db, tenant, answers[tenant])
            return await self._claim(db, now, rooms, lease) if rooms else []

    async def settle(self, now: datetime, *, wait: timedelta) -> dict[str, int]:
        """Apply waiting statuses, declare expired attempts UNKNOWN, and decide about overdue unknowns."""
        return await self._settling.settle(now, wait=wait)

    async def _record(self, db: Connection, tenant: TenantId, results: Sequence[Result]) -> None:
        accepted: list[tuple[Any, ...]] = []
        others: list[tuple[Any, ...]] = []
        also: list[tuple[object, ...]] = []
        for r in results:
            claim = r.claim
            attempt = (claim.conversation_id, claim.message_id, claim.created_at, claim.attempt, claim.fence)
            if r.verdict is Verdict.DONE:
                sealed: str | None = None
                keys: list[bytes | None] = [None]
                if wamid := r.provider_message_id:
                    sealed = self._vault.seal_id(tenant, wamid)
                    keys = [*self._vault.message_keys(tenant, claim.channel_id, wamid)]
                accepted.append((*attempt, sealed, keys[0], r.detail[:500], r.at))
                also += [(other, claim.message_id, claim.created_at) for other in keys[1:]]
            else:
                others.append(
                    (*attempt, r.verdict.value, r.http_status, r.error_code, r.detail[:500], r.at, r.retry_at)
                )
        batches = [(_ACCEPTED, rows) for rows in _batches(accepted)] + [(_RECORD, rows) for rows in _batches(others)]
        if len(batches) > 1:
            await db.execute(_LOCK, tenant, *columns(sorted((r[1], r[0]) for _, rows in batches for r in rows), 2))
        for statement, rows in batches:
            await db.execute(statement, tenant, *columns(rows, len(rows[0])))
        if also:
            await db.execute(_KEY_ALSO, tenant, *columns(also, 3))
        for r in sorted(results, key=lambda r: r.claim.channel_id):
            if r.pause_until or r.alarm is not None:
                await db.execute(_PAUSE, tenant, r.claim.channel_id, r.pause_until, r.alarm)
        for r in results:
            if r.content is not None:
                content = OUTGOING.dump_json(r.content).decode()
                await db.execute(_SAID, tenant, r.claim.message_id, r.claim.created_at, content, r.content.kind)
            if r.effect:
                await entail(db, tenant, Failure.of(r), r.at)

    async def _claim(
        self, db: Connection, now: datetime, rooms: Mapping[ChannelId, int], lease: timedelta
    ) -> list[Claim]:
        claims: list[Claim] = []
        claimed = await db.fetch(_CLAIM, now, lease, list(rooms), list(rooms.values()))
        for tenant, rows in by_tenant(claimed).items():
            await enter(db, tenant)
            keys = [(row["message_id"], row["message_created_at"]) for row in rows]
            contents = {row["message_id"]: row for row in await db.fetch(_CONTENT, tenant, *columns(keys, 2))}
            for row in rows:
                try:
                    if contents[row["message_id"]]["opted_out"]:  # they said STOP after it was queued, or long before
                        await self._set_aside(db, tenant, row, now, None, OPTED_OUT, alarm=False)
                        continue
                    claim = self._claimed(tenant, row, contents[row["message_id"]])
                    if (turned := await self._turned_away(db, claim, now)) is not None:
                        await self._set_aside(db, tenant, row, now, *turned)
                    else:
                        claims.append(claim)
                except (KeyError, ValidationError) as error:
                    await self._set_aside(db, tenant, row, now, None, f"It cannot be sent: {type(error).__name__}.")
                except StorageError as error:
                    await self._set_aside(db, tenant, row, now, now + _UNREADABLE, str(error))
        return claims

    async def _turned_away(self, db: Connection, claim: Claim, now: datetime) -> tuple[datetime, str] | None:
        """Until when a template must wait that begins a conversation, and why; None when it may go out."""
        if not isinstance(claim.content, TemplateOut) or window_open(claim.last_inbound_at, now):
            return None
        return await reach(db, claim, now)

    async def _set_aside(
        self, db: Connection, tenant: TenantId, row: Any, now: datetime, retry_at: datetime | None, reason: str,
        *, alarm: bool = True,
    ) -> None:  # fmt: skip
        """Keep a message that cannot be read from holding up the others: fail it, or put it back until `retry_at`."""
        verdict = Verdict.FAILED if retry_at is None else Verdict.DEFER
        answer = (row["conversation_id"], row["message_id"], row["message_created_at"], row["attempt"], row["fence"],
                  verdict.value, None, None, reason, now, retry_at)  # fmt: skip
        await db.execute(_RECORD, tenant, *columns([answer], 11))
        if alarm:
            await db.execute(_PAUSE, tenant, row["channel_id"], None, reason)

    def _claimed(self, tenant: TenantId, row: Any, content: Any) -> Claim:
        return claimed(
            self._vault,
            tenant,
            conversation_id=ConversationId(row["conversation_id"]),
            message_id=MessageId(row["message_id"]),
            created_at=row["message_created_at"],
            channel_id=ChannelId(row["channel_id"]),
            attempt=row["attempt"],
            fence=row["fence"],
            content=OUTGOING.validate_json(content["content"]),
            phone=self._vault.decrypt(tenant, content["phone"]) if content["phone"] else None,
            user_id=self._vault.decrypt(tenant, content["user_id"]) if content["user_id"] else None,
            reply_to=content["reply_to"],
            last_inbound_at=content["last_inbound_at"],
            language=content["language"],
        )


def _batches(rows: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows for a statement each. Two attempts at one message may end together, one of them late: not in the same."""
    while rows:
        once = {row[1]: row for row in reversed(rows[:_ANSWERS])}
        yield list(once.values())
        rows = [row for row in rows if once.get(row[1]) is not row]
