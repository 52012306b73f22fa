"""Where workers take turns: claim conversations by row lock, read their events, write the outcome in one statement."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from bot.core.actions import Seals
from bot.core.conversation import SNAPSHOT, Contact, Conversation, Snapshot
from bot.core.errors import StorageError
from bot.core.events import BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.ids import ChannelId, ContactId, ConversationId, EventId, MessageId, RunId, TenantId
from bot.core.messages import INCOMING, OUTGOING, ReactionOut, TemplateOut
from bot.core.whereabouts import timezone_of
from storage.base import Berth, Claim, InboxEvent, Outcome, StaffMember, Work
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.correlation import claimed
from storage.postgres.database import Connection, Postgres, columns, savepoint
from storage.postgres.handoffs import write_owners
from storage.postgres.holding import release_held
from storage.postgres.people import conversations
from storage.postgres.templates import await_templates, vet

_LOCK = "SELECT * FROM lock_turns($1, $2, $3, $4, $5)"
# Everything a batch of turns changed. Outbound messages get their numbers in the order in which they were said. Those
# that a sender here can take at once (`hand`) are claimed on the way, as claim_outbox would: nothing else of their
# conversation waits, and their channel is not paused. That spares them a transaction of their own.
_WRITE = """
WITH moved AS (
    -- By place in the arrays instead of a join, which would compare all with all.
    UPDATE whatsapp_conversations c
    SET (snapshot, state, last_inbound_at) = (
            SELECT ($4::text[])[place]::jsonb, ($5::text[])[place],
                   greatest(c.last_inbound_at, ($6::timestamptz[])[place])
            FROM array_position($3::bigint[], c.conversation_id) AS place),
        status = 'ACTIVE', updated_at = $2
    WHERE c.tenant_id = $1 AND c.conversation_id = ANY ($3)
), done AS (
    DELETE FROM inbox i -- an event's number is its own in the whole database
    WHERE i.tenant_id = $1 AND i.conversation_id = ANY ($7::bigint[]) AND i.event_id = ANY ($8::bigint[])
    RETURNING 1
), said AS (
    SELECT nextval('message_ids') AS message_id, CASE WHEN o.hand THEN nextval('fences') END AS fence, o.* FROM (
        SELECT u.conversation_id, u.channel_id, u.kind, u.content, u.held, u.reply_to, u.place,
               -- Values and not EXISTS, which a plan made on an empty table answers by reading all of it.
               u.hand AND (SELECT x.message_id FROM outbox x
                           WHERE x.tenant_id = $1 AND x.conversation_id = u.conversation_id LIMIT 1) IS NULL
                      AND (SELECT w.channel_id FROM whatsapp_configurations w
                           WHERE w.tenant_id = $1 AND w.channel_id = u.channel_id AND w.paused_until > $2) IS NULL
                   AS hand
        FROM unnest($9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::boolean[], $27::text[])
            WITH ORDINALITY AS u (conversation_id, channel_id, kind, content, held, hand, reply_to, place)
        ORDER BY u.place) AS o
), stored AS (
    INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status,
                                   kind, content, error_detail, reply_to)
    SELECT $1, s.message_id, $2, s.conversation_id, s.channel_id, 'OUTBOUND',
           CASE WHEN s.held IS NULL THEN 'QUEUED' ELSE 'HELD' END, s.kind, s.content::jsonb, s.held, s.reply_to
    FROM said s
), queued AS (
    INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at, state, attempt,
                        fence, lease_until)
    SELECT $1, s.conversation_id, s.message_id, $2, s.channel_id, $2,
           CASE WHEN s.fence IS NULL THEN 'READY' ELSE 'SENDING' END, CASE WHEN s.fence IS NULL THEN 0 ELSE 1 END,
           coalesce(s.fence, 0), CASE WHEN s.fence IS NOT NULL THEN $2 + $26::interval END
    FROM said s WHERE s.held IS NULL
), traced AS (
    INSERT INTO turn_traces (tenant_id, event_id, created_at, conversation_id, message_id, trace)
    SELECT $1, t.event_id, $2, t.conversation_id, t.message_id, t.trace::jsonb
    FROM unnest($15::bigint[], $16::bigint[], $17::bigint[], $18::text[])
        AS t (event_id, conversation_id, message_id, trace)
), cancelled AS (
    DELETE FROM timers t USING unnest($19::text[], $20::integer[]) AS c (run, epoch)
    WHERE t.tenant_id = $1 AND t.run = ANY ($19) AND t.run = c.run AND t.epoch < c.epoch
), started AS (
    INSERT INTO timers (tenant_id, run, name, epoch, conversation_id, due_at)
    SELECT $1, t.run, t.name, t.epoch, t.conversation_id, t.due_at
    FROM unnest($21::text[], $22::text[], $23::integer[], $24::bigint[], $25::timestamptz[])
        AS t (run, name, epoch, conversation_id, due_at)
    ON CONFLICT (tenant_id, run, name, epoch) DO UPDATE SET due_at = excluded.due_at
), ran AS (
    INSERT INTO flow_runs (tenant_id, run, flow, version, role, conversation_id, instance, frame, status, outcome,
                           started_at, ended_at)
    SELECT $1, r.run, r.flow, r.version, r.role, r.conversation_id, r.instance, r.frame::jsonb,
           CASE WHEN r.ended_at IS NULL THEN 'ACTIVE' ELSE 'ENDED' END, r.outcome, r.started_at, r.ended_at
    FROM unnest($28::text[], $29::text[], $30::integer[], $31::text[], $32::bigint[], $33::text[], $34::text[],
                $35::text[], $36::timestamptz[], $37::timestamptz[])
        AS r (run, flow, version, role, conversation_id, instance, frame, outcome, started_at, ended_at)
    ON CONFLICT (tenant_id, run) DO UPDATE
    SET version = greatest(excluded.version, flow_runs.version), -- a migration moves a run on, its end does not know
        conversation_id = excluded.conversation_id, instance = coalesce(excluded.instance, flow_runs.instance),
        frame = excluded.frame, status = excluded.status, outcome = excluded.outcome, ended_at = excluded.ended_at
)
SELECT (SELECT count(*) FROM done) AS done, s.place, s.message_id, s.fence
FROM (SELECT) AS one LEFT JOIN said s ON s.fence IS NOT NULL
"""
_SET_LANGUAGES = """
UPDATE contacts c SET language = n.language FROM unnest($2::bigint[], $3::text[]) AS n (contact_id, language)
WHERE c.tenant_id = $1 AND c.contact_id = ANY ($2) AND c.contact_id = n.contact_id
"""
_WRITE_CONSENTS = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, proof, created_at)
SELECT $1, n.contact_id, 'all', n.allowed, 'WHATSAPP', n.proof::jsonb, n.created_at
FROM unnest($2::bigint[], $3::boolean[], $4::text[], $5::timestamptz[]) AS n (contact_id, allowed, proof, created_at)
"""
_FRAME_OF = """
SELECT frame FROM flow_runs WHERE tenant_id = $1 AND run = $2 AND status = 'ACTIVE' AND frame IS NOT NULL
FOR UPDATE
"""
# Two conversations that speak of the same object take turns: the advisory lock covers the moment before the row exists.
_LOCK_INSTANCE = "SELECT pg_advisory_xact_lock(hashtextextended($2 || ':' || $3, $1))"
_ATTACH = """
SELECT frame FROM flow_runs
WHERE tenant_id = $1 AND flow = $2 AND instance = $3 AND status = 'ACTIVE' AND run <> $4 AND frame IS NOT NULL
FOR UPDATE
"""
_QUEUE = "SELECT * FROM queue_conversations($1, $2, $3, $4)"
_RECEIPT = "SELECT result FROM receipts WHERE tenant_id = $1 AND key = $2"
_KEEP_RECEIPT = """
INSERT INTO receipts (tenant_id, key, action, result, created_at) VALUES ($1, $2, $3, $4::jsonb, $5)
"""
_MEMBERS = "SELECT contact_id FROM contact_roles WHERE tenant_id = $1 AND role = $2"
_STAFF = """
SELECT c.contact_id, c.conversation_id, p.language, c.last_inbound_at
FROM whatsapp_conversations c JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = c.contact_id
WHERE c.tenant_id = $1 AND c.conversation_id = ANY ($2::bigint[])
ORDER BY c.contact_id
"""
_RETRY = """
UPDATE inbox SET attempts = attempts + 1, last_error = $4, due_at = $5
WHERE tenant_id = $1 AND conversation_id = $2 AND event_id = $3
"""
_BURY = """
WITH dead AS (
    DELETE FROM inbox WHERE tenant_id = $1 AND conversation_id = $2 AND event_id = $3 RETURNING *
), marked AS (
    UPDATE whatsapp_messages m SET status = 'DEAD', error_detail = $4 FROM dead d
    WHERE m.tenant_id = $1 AND m.message_id = d.message_id AND m.created_at = d.happened_at
)
INSERT INTO dead_letters (tenant_id, event_id, conversation_id, kind, event, message_id, attempts, error, created_at)
SELECT $1, d.event_id, d.conversation_id, d.kind, d.event, d.message_id, d.attempts + 1, $4, $5 FROM dead d
"""


class _Recipient(NamedTuple):
    """Whom a handed message is for: a phone number (E.164), a business-scoped user id, when they last wrote."""

    phone: str | None
    user_id: str | None
    last_inbound_at: datetime | None


class PostgresTurns:
    """Finds waiting conversations and opens the transactions in which they are advanced."""

    def __init__(self, database: Postgres, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def waiting(
        self, now: datetime, limit: int, *, share: int | None = None, tenants: Sequence[TenantId] | None = None
    ) -> list[tuple[TenantId, list[ConversationId]]]:
        """Conversations with due events, by tenant, the longest waiting tenant first.

        Args:
            now: The time.
            limit: How many at the most; tenants take turns, so that each has some among them.
            share: How many of one tenant at the most; unset: `limit`.
            tenants: Whose; unset: of all that are served.
        """
        async with self._database.connection() as db:
            rows = await db.fetch(_QUEUE, now, limit, share or limit, tenants)
        found: dict[TenantId, list[ConversationId]] = {}
        for tenant, conversation in rows:
            found.setdefault(tenant, []).append(conversation)
        return list(found.items())

    @asynccontextmanager
    async def transaction(self, tenant_id: TenantId) -> AsyncIterator["PostgresTurnStore"]:
        """A transaction in which to take turns."""
        async with self._database.tenant(tenant_id) as db:
            yield PostgresTurnStore(tenant_id, db, self._vault)

    async def fail(
        self,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        event_id: EventId,
        error: str,
        *,
        now: datetime,
        retry_at: datetime | None,
    ) -> None:
        """Count a failure; without `retry_at` the event goes to the dead letters."""
        async with self._database.tenant(tenant_id) as db:
            if retry_at is None:
                await db.execute(_BURY, tenant_id, conversation_id, event_id, error, now)
            else:
                await db.execute(_RETRY, tenant_id, conversation_id, event_id, error, retry_at)


class PostgresTurnStore:
    """One transaction of one tenant."""

    def __init__(self, tenant_id: TenantId, db: Connection, vault: Vault) -> None:
        self.tenant_id = tenant_id
        self.db = db
        self._vault = vault
        self._addresses: dict[ConversationId, tuple[str | None, bytes | None]] = {}

    @property
    def seals(self) -> Seals:
        """Encrypts secrets, for actions."""
        return self._vault

    async def lock(self, conversations: Sequence[ConversationId], limit: int, events: int) -> list[Work]:
        """Lock those conversations that nobody else holds, at most `limit`; read at most `events` events of each."""
        return await self._lock(None, conversations, limit, events)

    async def lock_due(self, now: datetime, limit: int, events: int) -> list[Work]:
        """The same, with those that wait the longest: what `waiting` would find is found on the way."""
        return await self._lock(now, None, limit, events)

    async def _lock(
        self, now: datetime | None, conversations: Sequence[ConversationId] | None, limit: int, events: int
    ) -> list[Work]:
        works: list[Work] = []
        rows = await self.db.fetch(_LOCK, self.tenant_id, now, conversations, limit, events)
        for conversation_id, theirs in groupby(rows, itemgetter("conversation_id")):
            waiting = list(theirs)
            row = waiting[0]
            number = self._number(row["phone"])
            self._addresses[conversation_id] = (number, row["user_id"])
            works.append(
                Work(
                    channel_id=ChannelId(row["channel_id"]),
                    conversation=_conversation(row, number or ""),
                    events=tuple(_event(one) for one in waiting),
                )
            )
        return works

    def _number(self, sealed: bytes | None) -> str | None:
        """A contact's phone number; empty when there is none, None when it was sealed with another key."""
        try:
            return self._vault.decrypt(self.tenant_id, sealed) if sealed is not None else ""
        except StorageError:
            return None

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo only what happens inside, when it raises."""
        return savepoint(self.db)

    async def frame_of(self, run: RunId) -> str | None:
        """The stored frame of a live instance run, locked."""
        frame: str | None = await self.db.fetchval(_FRAME_OF, self.tenant_id, run)
        return frame

    async def attach(self, flow: str, instance: str, run: RunId) -> str | None:
        """Lock a business object's run and return its frame, or None when there is none but `run` itself."""
        await self.db.execute(_LOCK_INSTANCE, self.tenant_id, flow, instance)
        frame: str | None = await self.db.fetchval(_ATTACH, self.tenant_id, flow, instance, run)
        return frame

    async def receipt(self, key: str) -> tuple[str] | None:
        """The stored result of a receipt."""
        row = await self.db.fetchrow(_RECEIPT, self.tenant_id, key)
        return (row["result"],) if row else None

    async def keep_receipt(self, key: str, action: str, result: str, at: datetime) -> None:
        """Remember that an effect happened."""
        await self.db.execute(_KEEP_RECEIPT, self.tenant_id, key, action, result, at)

    async def staff(self, role: str, channel_id: ChannelId) -> list[StaffMember]:
        """Everybody with a role, with their conversation on this channel."""
        members = [row["contact_id"] for row in await self.db.fetch(_MEMBERS, self.tenant_id, role)]
        theirs = await conversations(self.db, self.tenant_id, channel_id, members)
        rows = await self.db.fetch(_STAFF, self.tenant_id, list(theirs.values()))
        return [
            StaffMember(
                contact_id=ContactId(row["contact_id"]),
                conversation_id=ConversationId(row["conversation_id"]),
                language=row["language"],
                last_inbound_at=row["last_inbound_at"],
            )
            for row in rows
        ]

    async def write(self, outcome: Outcome, at: datetime, berth: Berth | None = None) -> list[Claim]:
        """Write what the turns changed; returns what was claimed for a sender in this process."""
        outcome.outbound = await vet(self.db, self.tenant_id, outcome.outbound)
        handed = self._handed(outcome, berth) if berth is not None else {}
        lease = berth.lease if berth is not None else None
        if outcome.reopened:
            await release_held(self.db, self.tenant_id, outcome.reopened, at)
        replies = [said.reply_to for said in outcome.outbound]
        runs = [
            (r.run, r.flow, r.version, r.role, r.conversation_id, r.instance, r.frame, r.outcome, r.started_at,
             r.ended_at)
            for r in outcome.runs.values()
        ]  # fmt: skip
        rows = await self.db.fetch(
            _WRITE, self.tenant_id, at, *_columns_of(outcome, handed), lease, replies, *columns(runs, 10)
        )
        if (done := rows[0]["done"]) != len(outcome.done):
            # Only possible when the row lock was lost, which PostgreSQL turns into a failed commit; say so early.
            raise RuntimeError(f"{len(outcome.done) - done} events were processed by somebody else")
        await await_templates(self.db, self.tenant_id, outcome.outbound, at)
        if outcome.languages:
            await self.db.execute(_SET_LANGUAGES, self.tenant_id, *columns(outcome.languages.items(), 2))
        if outcome.consents:
            consents = [(c.contact_id, c.allowed, json.dumps({"words": c.words}), c.at) for c in outcome.consents]
            await self.db.execute(_WRITE_CONSENTS, self.tenant_id, *columns(consents, 4))
        if outcome.owners:
            await write_owners(self.db, self.tenant_id, outcome.owners)
        await write_audit(self.db, self._vault, self.tenant_id, outcome.audit)
        return [self._claimed(row, outcome, handed, at) for row in rows if row["place"] is not None]

    def _handed(self, outcome: Outcome, berth: Berth) -> dict[int, _Recipient]:
        """Which outbound messages a sender here takes at once, by place: the first of each conversation we hold.

        Only theirs, because nobody else can claim for them meanwhile. No templates: what is claimed when a process dies
        is UNKNOWN, and a template is not repeated then. No reactions: whether the message they are to can be named is
        the senders' to find out.
        """
        ours = {conversation.conversation_id: conversation for conversation in outcome.conversations}
        rooms = dict(berth.rooms)
        handed: dict[int, _Recipient] = {}
        for place, said in enumerate(outcome.outbound, 1):
            conversation = ours.pop(said.conversation_id, None)
            if conversation is None or said.held is not None or isinstance(said.content, TemplateOut | ReactionOut):
                continue
            if rooms.get(said.channel_id, 0) > 0 and (recipient := self._recipient(conversation)) is not None:
                handed[place] = recipient
                rooms[said.channel_id] -= 1
        return handed

    def _recipient(self, conversation: Conversation) -> _Recipient | None:
        """Whom a conversation is with; None when that cannot be read: the sender knows what to do about it."""
        phone, sealed = self._addresses[conversation.conversation_id]
        try:
            user_id = self._vault.decrypt(self.tenant_id, sealed) if sealed else None
        except StorageError:
            return None
        return _Recipient(phone or None, user_id, conversation.last_inbound_at) if phone is not None else None

    def _claimed(self, row: Any, outcome: Outcome, handed: Mapping[int, _Recipient], at: datetime) -> Claim:
        said, recipient = outcome.outbound[row["place"] - 1], handed[row["place"]]
        return claimed(
            self._vault,
            self.tenant_id,
            conversation_id=said.conversation_id,
            message_id=MessageId(row["message_id"]),
            created_at=at,
            channel_id=said.channel_id,
            attempt=1,
            fence=row["fence"],
            content=said.content,
            phone=recipient.phone,
            user_id=recipient.user_id,
            reply_to=said.reply_to,
            last_inbound_at=recipient.last_inbound_at,
        )


def _columns_of(outcome: Outcome, handed: Collection[int]) -> list[list[Any]]:
    """The parameters $3 to $25 of `_WRITE`."""
    conversations = [
        (
            c.conversation_id,
            SNAPSHOT.dump_json(Snapshot(frames=c.frames, owner=c.owner, scope=c.scope)).decode(),
            f"{c.frames[-1].flow}.{c.frames[-1].state}" if c.frames else "",
            c.last_inbound_at,
        )
        for c in outcome.conversations
    ]
    outbound = [
        (
            o.conversation_id,
            o.channel_id,
            o.content.kind,
            OUTGOING.dump_json(o.content).decode(),
            o.held,
            place in handed,
        )
        for place, o in enumerate(outcome.outbound, 1)
    ]
    traces = [(t.event_id, t.conversation_id, t.message_id, t.trace) for t in outcome.traces]
    timers = [(t.run, t.name, t.epoch, t.conversation_id, t.due_at) for t in outcome.timers.values()]
    return [
        *columns(conversations, 4),
        *columns(outcome.done, 2),
        *columns(outbound, 6),
        *columns(traces, 4),
        *columns(outcome.cancelled, 2),
        *columns(timers, 5),
    ]


def _conversation(row: Any, phone: str) -> Conversation:
    snapshot = SNAPSHOT.validate_json(row["snapshot"])
    expired = row["status"] == "EXPIRED"
    return Conversation(
        conversation_id=ConversationId(row["conversation_id"]),
        contact=Contact(
            contact_id=ContactId(row["contact_id"]),
            name=row["name"],
            language=row["language"],
            timezone=row["timezone"] or timezone_of(phone),
            phone=phone,
            roles=_roles(row["roles"], row["active_role"]),
        ),
        frames=() if expired else snapshot.frames,
        owner="bot" if expired else snapshot.owner,
        scope=snapshot.scope,
        last_inbound_at=row["last_inbound_at"],
    )


def _roles(held: Sequence[str], active: str | None) -> tuple[str, ...]:
    """The roles somebody speaks in, the one they switched to first. Everybody may be a customer."""
    roles = sorted(held)
    if active == "customer" or (active is not None and active in roles):
        roles = [active, *(role for role in roles if role != active)]
    return tuple(roles) or ("customer",)


def _event(row: Any) -> InboxEvent:
    body = json.loads(row["event"])
    event_id, at = EventId(row["event_id"]), row["happened_at"]
    event: Event
    sent_at = None
    match row["kind"]:
        case "message":
            sent_at = datetime.fromisoformat(body["sent_at"])
            event = MessageReceived(
                event_id=event_id,
                at=at,
                message_id=MessageId(row["message_id"]),
                content=INCOMING.validate_python(body["content"]),
                reply_to=body["reply_to"],
                referral=(body.get("context") or {}).get("referral"),
                file=str(row["message_id"]) if body["content"]["kind"] == "media" else None,
                sent_as=body.get("sent_as"),
            )
        case "timer":
            event = TimerFired(event_id=event_id, at=at, run=RunId(body["run"]), name=body["name"], epoch=body["epoch"])
        case _:
            run = RunId(body["run"]) if body["run"] else None
            event = BusinessChanged(event_id=event_id, at=at, name=body["name"], data=body["data"], run=run)
    return InboxEvent(event=event, kind=row["kind"], due_at=row["due_at"], attempts=row["attempts"], sent_at=sent_at)
