"""Files: what people sent and what we send, where the bytes are, and the queue of those that are still to be fetched.

A file's row comes with its message, in the same commit, and is its own queue entry: `due_at` says when it is to be
fetched next. Who claims one moves that to the end of the lease and gets a fence, without which nothing is written.

Files with the same bytes share one key per tenant. So that nobody deletes what another is about to refer to, both take
the key's advisory lock: to mark a file as stored one must see it there under the lock, to delete it there must be no
row left that refers to it. The key is noted before the file is put in its place, so that what a crash leaves behind is
found again by its row.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.ids import ChannelId, MessageId, TenantId
from bot.core.messages import MediaIn
from storage.base import FileStore, MediaClaim, MediaRow, NewMessage
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres, columns
from storage.postgres.people import Place

_NEVER = datetime(1, 1, 1, tzinfo=UTC)

# Only of messages that this commit brought: a re-delivery keeps the time of the first one.
_REFER = """
INSERT INTO whatsapp_media (tenant_id, media_id, message_id, created_at, channel_id, conversation_id, kind, mime_type,
                            declared_type, sha256, provider_media_id, url, filename, due_at, reason)
SELECT $1, k.message_id, k.message_id, n.received_at, n.channel_id, n.conversation_id, n.kind, n.mime_type, n.mime_type,
       n.sha256, n.provider_media_id, n.url, n.filename, CASE WHEN $2 THEN n.received_at END,
       CASE WHEN NOT $2 THEN 'WHATSAPP_ENABLE_MEDIA is off.' END
FROM unnest($3::bytea[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bytea[],
            $10::text[], $11::text[], $12::text[])
    AS n (key, received_at, channel_id, conversation_id, kind, mime_type, sha256, provider_media_id, url, filename)
CROSS JOIN LATERAL (
    SELECT k.message_id, k.created_at FROM message_keys k WHERE k.tenant_id = $1 AND k.key = n.key OFFSET 0) AS k
WHERE k.created_at = n.received_at
ON CONFLICT DO NOTHING
"""
_CLAIM = "SELECT * FROM claim_media($1, $2, $3, $4)"
_ROW = """
SELECT media_id, message_id, channel_id, kind, mime_type, status, created_at, stored_at, size_bytes, provider_media_id,
       encode(sha256, 'hex') AS sha256, url, declared_type, filename, reason
FROM whatsapp_media WHERE tenant_id = $1 AND media_id = $2
"""
_RESERVE = """
UPDATE whatsapp_media SET stored_at = $4 WHERE tenant_id = $1 AND media_id = $2 AND fence = $3 AND status = 'REFERENCED'
RETURNING 1
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('media:' || $2, $1))"
_STORED = """
UPDATE whatsapp_media SET status = 'STORED', sha256 = $4, size_bytes = $5, mime_type = $6, due_at = NULL, url = NULL,
       reason = NULL
WHERE tenant_id = $1 AND media_id = $2 AND fence = $3 AND status = 'REFERENCED'
RETURNING 1
"""
_PUT_OFF = """
UPDATE whatsapp_media SET due_at = $4, reason = $5,
       status = CASE WHEN $4::timestamptz IS NULL THEN 'FAILED' ELSE status END
WHERE tenant_id = $1 AND media_id = $2 AND fence = $3 AND status = 'REFERENCED'
"""
_ADD = """
INSERT INTO whatsapp_media (tenant_id, created_at, channel_id, kind, mime_type, declared_type, sha256, size_bytes,
                            filename, stored_at, status)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, 'STORED')
RETURNING media_id
"""
_OLD = """
SELECT DISTINCT m.stored_at FROM (
    SELECT stored_at FROM whatsapp_media
    WHERE tenant_id = $1 AND status <> 'EXPIRED' AND created_at < $2 ORDER BY created_at LIMIT $3) AS m
"""
_NAMED = """
SELECT DISTINCT stored_at FROM whatsapp_media WHERE tenant_id = $1 AND media_id = ANY ($2) AND status <> 'EXPIRED'
"""
# What is told of the file goes with it.
_EXPIRE = """
UPDATE whatsapp_media SET status = 'EXPIRED', due_at = NULL, url = NULL, filename = NULL, provider_media_id = NULL,
       reason = NULL, fence = nextval('fences')
WHERE tenant_id = $1 AND status <> 'EXPIRED' AND stored_at IS NOT DISTINCT FROM $2
  AND (created_at < $3 OR media_id = ANY ($4))
"""
_REFERRED = """
SELECT EXISTS (SELECT FROM whatsapp_media WHERE tenant_id = $1 AND stored_at = $2 AND status <> 'EXPIRED')
"""
_UPLOAD = """
SELECT provider_media_id FROM media_uploads
WHERE tenant_id = $1 AND channel_id = $2 AND sha256 = $3 AND mime_type = $4 AND expires_at > $5
"""
_KEEP_UPLOAD = """
INSERT INTO media_uploads (tenant_id, channel_id, sha256, mime_type, provider_media_id, uploaded_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, channel_id, sha256, mime_type) DO UPDATE
SET provider_media_id = excluded.provider_media_id, uploaded_at = excluded.uploaded_at, expires_at = excluded.expires_at
"""
_FORGET_UPLOAD = """
DELETE FROM media_uploads WHERE tenant_id = $1 AND channel_id = $2 AND provider_media_id = $3
"""
_OVER = "DELETE FROM media_uploads WHERE tenant_id = $1 AND expires_at <= $2"


async def refer(
    db: Connection, vault: Vault, tenant: TenantId, messages: Sequence[NewMessage], places: Sequence[Place], *,
    fetch: bool,
) -> None:  # fmt: skip
    """Note the files of messages that were just stored, to be fetched; asks the database only when there are any."""
    rows = []
    for message, place in zip(messages, places, strict=True):
        if isinstance(file := message.content, MediaIn):
            channel = message.channel.channel_id
            key = vault.message_key(tenant, channel, message.provider_message_id)
            digest = bytes.fromhex(file.sha256) if file.sha256 else None
            rows.append(
                (key, message.received_at, channel, place.conversation_id, file.media, file.mime_type, digest,
                 file.media_id, file.url, file.filename)
            )  # fmt: skip
    if rows:
        await db.execute(_REFER, tenant, fetch, *columns(rows, 10))


class PostgresMedia:
    """The files of all tenants."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def claim(self, now: datetime, *, lease: timedelta, rooms: Mapping[ChannelId, int]) -> list[MediaClaim]:
        """Take files to be fetched, so many of each channel; nobody else gets them before the lease is over."""
        async with self._database.connection() as db:
            rows = await db.fetch(_CLAIM, now, lease, list(rooms), list(rooms.values()))
        return [MediaClaim(**dict(row.items())) for row in rows]

    async def row(self, tenant: TenantId, media_id: int) -> MediaRow | None:
        """What is known of a file; None when there is none of that number."""
        async with self._database.tenant(tenant) as db:
            row = await db.fetchrow(_ROW, tenant, media_id)
        return _row(row) if row is not None else None

    async def reserve(self, claim: MediaClaim, key: str) -> bool:
        """Note where a file is about to be put; False when somebody else has it by now."""
        async with self._database.tenant(claim.tenant_id) as db:
            return await db.fetchval(_RESERVE, claim.tenant_id, claim.media_id, claim.fence, key) is not None

    async def stored(
        self, claim: MediaClaim, store: FileStore, *, key: str, sha256: str, size_bytes: int, mime_type: str
    ) -> bool | None:
        """Mark a file as stored.

        Returns:
            True when it is; None when it is not in the store any more and must be put there again; False when somebody
            else has the file by now.
        """
        tenant = claim.tenant_id
        async with self._database.tenant(tenant) as db:
            await db.execute(_LOCK, tenant, key)
            if not await store.has(key):
                return None
            digest = bytes.fromhex(sha256)
            done = await db.fetchval(_STORED, tenant, claim.media_id, claim.fence, digest, size_bytes, mime_type)
            return done is not None

    async def put_off(self, claim: MediaClaim, reason: str, retry_at: datetime | None) -> None:
        """Note why a file could not be fetched: again at `retry_at`, or FAILED for good when that is None."""
        async with self._database.tenant(claim.tenant_id) as db:
            await db.execute(_PUT_OFF, claim.tenant_id, claim.media_id, claim.fence, retry_at, reason)

    async def add(
        self, tenant: TenantId, channel: ChannelId, store: FileStore, *, key: str, sha256: str, size_bytes: int,
        kind: str, mime_type: str, filename: str | None, at: datetime,
    ) -> int | None:  # fmt: skip
        """Note a file of our own that was put into the store; its number, or None when it is not there any more."""
        async with self._database.tenant(tenant) as db:
            await db.execute(_LOCK, tenant, key)
            if not await store.has(key):
                return None
            number: int = await db.fetchval(
                _ADD, tenant, at, channel, kind, mime_type, bytes.fromhex(sha256), size_bytes, filename, key
            )
            return number

    async def expire(self, tenant: TenantId, store: FileStore, before: datetime, now: datetime, *, limit: int) -> int:
        """Delete files that came before a time, with what was told of them; returns how many keys were looked at.

        Bytes that a newer message has as well stay until that one is old.
        """
        async with self._database.tenant(tenant) as db:
            await db.execute(_OVER, tenant, now)
            keys = [row["stored_at"] for row in await db.fetch(_OLD, tenant, before, limit)]
        for key in keys:
            await self._expire(tenant, store, key, before, [])
        return len(keys)

    async def forget(self, tenant: TenantId, store: FileStore, media: Collection[int]) -> None:
        """Delete these files at once, with what was told of them; bytes that others have as well stay theirs."""
        async with self._database.tenant(tenant) as db:
            keys = [row["stored_at"] for row in await db.fetch(_NAMED, tenant, list(media))]
        for key in keys:
            await self._expire(tenant, store, key, _NEVER, list(media))

    async def _expire(
        self, tenant: TenantId, store: FileStore, key: str | None, before: datetime, media: list[int]
    ) -> None:
        async with self._database.tenant(tenant) as db:
            if key is not None:
                await db.execute(_LOCK, tenant, key)
            await db.execute(_EXPIRE, tenant, key, before, media)
            if key is not None and not await db.fetchval(_REFERRED, tenant, key):
                await store.delete(key)

    async def upload_of(
        self, tenant: TenantId, channel: ChannelId, sha256: str, mime_type: str, now: datetime
    ) -> str | None:
        """The provider's id of a file it keeps for us, unless that is over."""
        async with self._database.tenant(tenant) as db:
            found: str | None = await db.fetchval(_UPLOAD, tenant, channel, bytes.fromhex(sha256), mime_type, now)
        return found

    async def keep_upload(
        self, tenant: TenantId, channel: ChannelId, sha256: str, mime_type: str, provider_media_id: str, *,
        at: datetime, expires_at: datetime,
    ) -> None:  # fmt: skip
        """Remember that a provider keeps a file for us."""
        digest = bytes.fromhex(sha256)
        async with self._database.tenant(tenant) as db:
            await db.execute(_KEEP_UPLOAD, tenant, channel, digest, mime_type, provider_media_id, at, expires_at)

    async def forget_upload(self, tenant: TenantId, channel: ChannelId, provider_media_id: str) -> None:
        """The provider does not have it any more, whatever it promised."""
        async with self._database.tenant(tenant) as db:
            await db.execute(_FORGET_UPLOAD, tenant, channel, provider_media_id)


def _row(row: Any) -> MediaRow:
    return MediaRow(
        **{
            **dict(row.items()),
            "channel_id": ChannelId(row["channel_id"]),
            "message_id": MessageId(row["message_id"]) if row["message_id"] is not None else None,
        }
    )
