"""Where webhooks become durable: one short transaction per tenant, appends only: it never waits for a worker."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import asyncpg

from bot.core.ids import TenantId
from bot.core.messages import (
    INCOMING,
    OUTGOING,
    EditIn,
    Incoming,
    MediaIn,
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
from storage.postgres.people import Directory

_ACCEPT_MESSAGES = "SELECT accept_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
_PEOPLE_CHANGED = "SD001"
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
_KEEP_UNREAD = """
INSERT INTO webhook_events (tenant_id, received_at, kind, body)
SELECT $1, u.* FROM unnest($2::timestamptz[], $3::text[], $4::bytea[]) AS u
"""


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
        written: list[NewMessage | NewEcho] = [*messages, *echoes]
        places = await self._directory.places(written)
        placed = [(one, place) for one, place in zip(written, places, strict=True) if place is not None]
        files = [(m, p) for m, p in placed if isinstance(m, NewMessage) and isinstance(m.content, MediaIn)]
        unread = [*unread, *(_whole(message) for message in messages if _is_raw(message.content))]
        fresh = 0
        several = bool(files or statuses or unread)  # else accept_messages is a transaction by itself
        transaction = self._database.tenant(tenant) if several else self._database.connection()
        try:
            async with transaction as db:
                if placed:
                    rows = [self._row(tenant, one, place.conversation_id) for one, place in placed]
                    version = self._versions.get(tenant)
                    keys, others, *rest = columns(rows, 12)
                    both = others if self._vault.several else None
                    fresh = await db.fetchval(_ACCEPT_MESSAGES, tenant, version, keys, both, *rest)
                if files:
                    fetch = self._media is None or self._media(tenant)
                    await refer(db, self._vault, tenant, [m for m, _ in files], [p for _, p in files], fetch=fetch)
                if statuses:
                    await self._keep_statuses(db, tenant, statuses)
                if unread:
                    kept = [(u.received_at, u.kind, self._vault.seal(tenant, u.body)) for u in unread]
                    await db.execute(_KEEP_UNREAD, tenant, *columns(kept, 3))
        except asyncpg.PostgresError as error:
            if error.sqlstate != _PEOPLE_CHANGED:
                raise
            self._directory.forget()
            self._versions[tenant] = int(error.detail) if error.detail else None
            return None
        return fresh

    def _row(self, tenant: TenantId, written: NewMessage | NewEcho, conversation: int) -> tuple[object, ...]:
        """The parameters of `accept_messages` from the third on."""
        channel = written.channel.channel_id
        key, *other = self._vault.message_keys(tenant, channel, written.provider_message_id)
        if isinstance(written, NewEcho):
            reply_to, content = None, OUTGOING.dump_json(written.content)
            context: object = {"typed_on_the_phone": True}
            news = business_event("phone.wrote", {"kind": written.content.kind}, None)
        else:
            reply_to, content = written.reply_to, INCOMING.dump_json(self._kept(tenant, written.content))
            context, news = written.context, None
        return (
            key,
            other[0] if other else None,
            conversation,
            channel,
            self._vault.seal_id(tenant, written.provider_message_id),
            reply_to and self._vault.seal_id(tenant, reply_to),
            written.content.kind,
            content.decode(),
            written.sent_at,
            written.received_at,
            json.dumps(context) if context else None,
            news,
        )

    def _kept(self, tenant: TenantId, content: Incoming) -> Incoming:
        """What is stored of a message: addresses and what we cannot read have places of their own."""
        match content:
            case ReactionIn() | EditIn() | RevokeIn():
                return replace(content, message_id=self._vault.seal_id(tenant, content.message_id))
            case SystemIn():  # addresses, old and new, which NewAddress has brought to where they belong
                return replace(content, body="", phone=None, user_id=None)
            case UnsupportedIn():  # kept, sealed, with what is unread
                return replace(content, raw=None)
        return content

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
