"""Where webhooks become durable: one short transaction per tenant, appends only: it never waits for a worker."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.core.ids import TenantId
from bot.core.messages import (
    INCOMING,
    OUTGOING,
    EditIn,
    Incoming,
    ReactionIn,
    RevokeIn,
    SystemIn,
    UnsupportedIn,
)
from storage.base import NewEcho, NewFact, NewItem, NewMessage, NewStatus, Taken, Unread
from storage.crypto import Vault
from storage.postgres.correlation import read_correlation
from storage.postgres.database import Connection, Postgres, columns
from storage.postgres.facts import Facts
from storage.postgres.media import refer
from storage.postgres.people import PEOPLE_VERSION, Directory

# A message whose key is known is a re-delivery: nothing of it is stored again. Messages and events get their numbers in
# the order of the batch, so a person's messages are processed in the order in which they came. Keys are written in
# their own order: two processes that are given the same messages wait for each other, but never in a circle.
_ACCEPT_MESSAGES = """
WITH incoming AS (
    SELECT nextval('message_ids') AS message_id, m.* FROM (
        SELECT * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
                             $9::timestamptz[], $10::timestamptz[], $11::text[]) WITH ORDINALITY
            AS u (key, conversation_id, channel_id, provider_message_id, reply_to, kind, content, sent_at, received_at,
                  context, place)
        ORDER BY u.place) AS m
), fresh AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, i.key, i.message_id, i.received_at FROM incoming i ORDER BY i.key, i.place
    ON CONFLICT DO NOTHING
    RETURNING message_id
), numbered AS (
    -- IS TRUE makes it a lookup in a hash table instead of a join, for which our sessions would compare all with all.
    SELECT i.* FROM incoming i WHERE (i.message_id IN (SELECT f.message_id FROM fresh f)) IS TRUE
), stored AS (
    INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status,
                                   kind, content, provider_message_id, reply_to, sent_at, context)
    SELECT $1, n.message_id, n.received_at, n.conversation_id, n.channel_id, 'INBOUND', 'RECEIVED', n.kind,
           n.content::jsonb, n.provider_message_id, n.reply_to, n.sent_at, n.context::jsonb
    FROM numbered n
), queued AS (
    INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at, message_id)
    SELECT $1, n.conversation_id, n.received_at, 'message',
           jsonb_build_object('content', n.content::jsonb, 'reply_to', n.reply_to, 'sent_at', n.sent_at,
                              'context', n.context::jsonb, 'sent_as', n.provider_message_id),
           n.received_at, n.message_id
    FROM numbered n ORDER BY n.place
    RETURNING 1
)
SELECT count(*) FROM queued
"""
# While one secret key takes another's place: a message is new when it is under neither. The lower key goes first in
# every process, so that of those who are given the same message one is the first.
_FRESH = """fresh AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, i.key, i.message_id, i.received_at FROM incoming i ORDER BY i.key, i.place
    ON CONFLICT DO NOTHING
    RETURNING message_id
)"""
_FRESH_UNDER_BOTH = f"""{_FRESH.replace("fresh", "first", 1)}, fresh AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, i.other_key, i.message_id, i.received_at FROM incoming i
    WHERE (i.message_id IN (SELECT f.message_id FROM first f)) IS TRUE ORDER BY i.other_key, i.place
    ON CONFLICT DO NOTHING
    RETURNING message_id
)"""  # noqa: S608  our own words


def _under_both(statement: str) -> str:
    """The same statement, with the key under the other secret as the last parameter."""
    last = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    return (
        statement.replace(_FRESH, _FRESH_UNDER_BOTH)
        .replace(") WITH ORDINALITY", f", ${last + 1}::bytea[]) WITH ORDINALITY")
        .replace("place)\n        ORDER BY", "other_key, place)\n        ORDER BY")
    )


_ACCEPT_STATUSES = """
INSERT INTO delivery_updates (tenant_id, key, message_id, message_created_at, provider_message_id, status, happened_at,
                              received_at, due_at, error_code, error_detail, effect)
SELECT $1, s.key, s.message_id, s.created_at, s.provider_message_id, s.status, s.happened_at, s.received_at,
       s.received_at, s.error_code, s.error_detail, s.effect
FROM unnest($2::bytea[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::timestamptz[],
                           $8::timestamptz[], $9::integer[], $10::text[], $11::text[])
    AS s (key, message_id, created_at, provider_message_id, status, happened_at, received_at, error_code, error_detail,
          effect)
"""
# What a colleague typed on the phone: in the history like any message of ours, and news for the flows. An echo of what
# we sent ourselves has a key already.
_ACCEPT_ECHOES = """
WITH incoming AS (
    SELECT nextval('message_ids') AS message_id, m.* FROM (
        SELECT * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                             $8::timestamptz[], $9::timestamptz[], $10::text[]) WITH ORDINALITY
            AS u (key, conversation_id, channel_id, provider_message_id, kind, content, sent_at, received_at, event,
                  place)
        ORDER BY u.place) AS m
), fresh AS (
    INSERT INTO message_keys (tenant_id, key, message_id, created_at)
    SELECT $1, i.key, i.message_id, i.received_at FROM incoming i ORDER BY i.key, i.place
    ON CONFLICT DO NOTHING
    RETURNING message_id
), numbered AS (
    SELECT i.* FROM incoming i WHERE (i.message_id IN (SELECT f.message_id FROM fresh f)) IS TRUE
), stored AS (
    INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status,
                                   kind, content, provider_message_id, sent_at, context)
    SELECT $1, n.message_id, n.received_at, n.conversation_id, n.channel_id, 'OUTBOUND', 'SENT', n.kind,
           n.content::jsonb, n.provider_message_id, n.sent_at, '{"typed_on_the_phone": true}'
    FROM numbered n
)
INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
SELECT $1, n.conversation_id, n.received_at, 'business', n.event::jsonb, n.received_at FROM numbered n ORDER BY n.place
"""
_ACCEPT_MESSAGES_UNDER_BOTH = _under_both(_ACCEPT_MESSAGES)
_ACCEPT_ECHOES_UNDER_BOTH = _under_both(_ACCEPT_ECHOES)
_KEEP_UNREAD = """
INSERT INTO webhook_events (tenant_id, received_at, kind, body)
SELECT $1, u.* FROM unnest($2::timestamptz[], $3::text[], $4::bytea[]) AS u
"""


class _PeopleChanged(Exception):  # noqa: N818  it is no error, and stays in here
    """What is remembered of people may be out of date."""

    def __init__(self, version: int | None) -> None:
        super().__init__()
        self.version = version


class PostgresIntake:
    """Stores what webhooks bring.

    Args:
        database: Where.
        vault: Encrypts it.
        directory: Knows the people.
        media: Whether files of a tenant are to be fetched; unset: of all.
    """

    def __init__(
        self, database: Postgres, vault: Vault, directory: Directory, *, media: Callable[[TenantId], bool] | None = None
    ) -> None:
        self._database = database
        self._vault = vault
        self._directory = directory
        self._media = media
        self._facts = Facts(database, vault, directory)
        self._versions: dict[TenantId, int | None] = {}

    async def accept(self, items: Sequence[NewItem]) -> Taken:
        """Store all items; returning means they are committed. Items of several tenants take a commit each."""
        by_tenant: dict[TenantId, list[NewItem]] = {}
        for item in items:
            tenant = item.tenant_id if isinstance(item, Unread) else item.channel.tenant_id
            by_tenant.setdefault(tenant, []).append(item)
        taken = [await self._accept(tenant, group) for tenant, group in by_tenant.items()]
        return Taken(
            messages=sum(t.messages for t in taken),
            duplicates=sum(t.duplicates for t in taken),
            statuses=sum(t.statuses for t in taken),
            unread=sum(t.unread for t in taken),
            facts=sum(t.facts for t in taken),
        )

    async def _accept(self, tenant: TenantId, items: Sequence[NewItem]) -> Taken:
        messages = [item for item in items if isinstance(item, NewMessage)]
        statuses = [item for item in items if isinstance(item, NewStatus)]
        unread = [item for item in items if isinstance(item, Unread)]
        echoes = [item for item in items if isinstance(item, NewEcho)]
        facts = [item for item in items if isinstance(item, NewFact)]
        if facts:  # before anybody's place is looked for: their address may be new
            unread += await self._facts.take(tenant, facts)
        fresh: int | None = None
        while fresh is None:
            fresh = await self._store(tenant, messages, echoes, statuses, unread)
        return Taken(
            messages=fresh,
            duplicates=len(messages) - fresh,
            statuses=len(statuses),
            unread=len(unread),
            facts=len(facts) + len(echoes),
        )

    async def _store(
        self, tenant: TenantId, messages: Sequence[NewMessage], echoes: Sequence[NewEcho],
        statuses: Sequence[NewStatus], unread: Sequence[Unread],
    ) -> int | None:  # fmt: skip
        """Store what was read; returns how many messages are new.

        None when somebody was erased, or an address changed hands, since the directory was asked: nothing is stored,
        and it has to be asked again.
        """
        heard = [(m, p) for m, p in zip(messages, await self._directory.places(messages), strict=True) if p is not None]
        typed = [(e, p) for e, p in zip(echoes, await self._directory.places(echoes), strict=True) if p is not None]
        fresh = 0
        try:
            async with self._database.tenant(tenant) as db:
                if heard:
                    rows = [self._message_row(tenant, message, place.conversation_id) for message, place in heard]
                    statement = _ACCEPT_MESSAGES_UNDER_BOTH if self._vault.several else _ACCEPT_MESSAGES
                    fresh = await db.fetchval(statement, tenant, *columns(rows, len(rows[0])))
                    await refer(
                        db, self._vault, tenant, [m for m, _ in heard], [p for _, p in heard],
                        fetch=self._media is None or self._media(tenant),
                    )  # fmt: skip
                if statuses:
                    await self._keep_statuses(db, tenant, statuses)
                if typed:
                    rows = [self._echo_row(tenant, echo, place.conversation_id) for echo, place in typed]
                    statement = _ACCEPT_ECHOES_UNDER_BOTH if self._vault.several else _ACCEPT_ECHOES
                    await db.execute(statement, tenant, *columns(rows, len(rows[0])))
                unread = [*unread, *(_whole(message) for message in messages if _is_raw(message.content))]
                if unread:
                    kept = [(u.received_at, u.kind, self._vault.seal(tenant, u.body)) for u in unread]
                    await db.execute(_KEEP_UNREAD, tenant, *columns(kept, 3))
                if heard or typed:
                    # Last: an erasure waits for whoever has written keys, and is waited for by who has not yet.
                    version = await db.fetchval(PEOPLE_VERSION, tenant)
                    if version != self._versions.get(tenant):
                        raise _PeopleChanged(version)  # noqa: TRY301  undoes the transaction
        except _PeopleChanged as news:
            self._directory.forget()
            self._versions[tenant] = news.version
            return None
        return fresh

    def _message_row(self, tenant: TenantId, message: NewMessage, conversation: int) -> tuple[object, ...]:
        channel = message.channel.channel_id
        key, *other = self._vault.message_keys(tenant, channel, message.provider_message_id)
        content = message.content
        match content:
            case ReactionIn() | EditIn() | RevokeIn():
                content = replace(content, message_id=self._vault.seal_id(tenant, content.message_id))
            case SystemIn():  # addresses, old and new, which NewAddress has brought to where they belong
                content = replace(content, body="", phone=None, user_id=None)
            case UnsupportedIn():  # kept, sealed, with what is unread
                content = replace(content, raw=None)
        return (
            key,
            conversation,
            channel,
            self._vault.seal_id(tenant, message.provider_message_id),
            message.reply_to and self._vault.seal_id(tenant, message.reply_to),
            content.kind,
            INCOMING.dump_json(content).decode(),
            message.sent_at,
            message.received_at,
            json.dumps(message.context) if message.context else None,
            *other,
        )

    def _echo_row(self, tenant: TenantId, echo: NewEcho, conversation: int) -> tuple[object, ...]:
        channel = echo.channel.channel_id
        key, *other = self._vault.message_keys(tenant, channel, echo.provider_message_id)
        return (
            key,
            conversation,
            channel,
            self._vault.seal_id(tenant, echo.provider_message_id),
            echo.content.kind,
            OUTGOING.dump_json(echo.content).decode(),
            echo.sent_at,
            echo.received_at,
            business_event("phone.wrote", {"kind": echo.content.kind}, None),
            *other,
        )

    async def _keep_statuses(self, db: Connection, tenant: TenantId, statuses: Sequence[NewStatus]) -> None:
        rows = []
        for status in statuses:
            named = read_correlation(status.correlation, self._vault)
            ours = named is not None and named.tenant_id == tenant
            rows.append(
                (
                    self._vault.message_key(tenant, status.channel.channel_id, status.provider_message_id),
                    named.message_id if named and ours else None,
                    named.created_at if named and ours else None,
                    self._vault.seal_id(tenant, status.provider_message_id),
                    status.status,
                    status.happened_at,
                    status.received_at,
                    status.error_code,
                    status.error_detail,
                    status.effect,
                )
            )
        await db.execute(_ACCEPT_STATUSES, tenant, *columns(rows, 10))


def _is_raw(content: Incoming) -> bool:
    return isinstance(content, UnsupportedIn) and content.raw is not None


def _whole(message: NewMessage) -> Unread:
    """A message of a kind we cannot read, as it came."""
    assert isinstance(message.content, UnsupportedIn)  # noqa: S101  see _is_raw
    body = json.dumps(message.content.raw, default=str).encode()
    kind = f"InboundMessage of kind {message.content.original_kind}"[:200]
    return Unread(tenant_id=message.channel.tenant_id, kind=kind, body=body, received_at=message.received_at)


def business_event(name: str, data: object, run: str | None) -> str:
    """The inbox row of news from the business, as JSON."""
    return json.dumps({"name": name, "data": data, "run": run})


POST_EVENT = """
INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
VALUES ($1, $2, $3, 'business', $4::jsonb, $3)
"""


async def post_event(
    db: Connection, tenant: TenantId, conversation: int, name: str, data: object, *, run: str | None, at: datetime
) -> None:
    """Tell a conversation, or an instance run, what happened in the business."""
    await db.execute(POST_EVENT, tenant, conversation, at, business_event(name, data, run))
