"""Everything we know about one message: for `bot explain`."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, MessageId, TenantId
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres

_MESSAGE = "SELECT * FROM whatsapp_messages WHERE tenant_id = $1 AND message_id = $2"
_BY_KEY = "SELECT message_id FROM message_keys WHERE tenant_id = $1 AND key = ANY ($2::bytea[])"
_CHANNELS = "SELECT channel_id FROM whatsapp_configurations WHERE tenant_id = $1"
_TURNS = (
    "SELECT event_id, created_at, trace FROM turn_traces WHERE tenant_id = $1 AND message_id = $2 ORDER BY event_id"
)
_ATTEMPTS = "SELECT * FROM send_attempts WHERE tenant_id = $1 AND message_id = $2 ORDER BY finished_at, attempt"
_WAITING = "SELECT attempts, last_error, due_at FROM inbox WHERE tenant_id = $1 AND message_id = $2"
_DEAD = "SELECT attempts, error, created_at FROM dead_letters WHERE tenant_id = $1 AND message_id = $2"
_QUEUED = """
SELECT q.state, q.due_at, q.attempt, c.alarm, c.paused_until
FROM outbox q LEFT JOIN whatsapp_configurations c ON c.tenant_id = $1 AND c.channel_id = q.channel_id
WHERE q.tenant_id = $1 AND q.conversation_id = $2 AND q.message_id = $3
"""
_FILE = """
SELECT media_id, status, mime_type, size_bytes, reason, due_at, attempts FROM whatsapp_media
WHERE tenant_id = $1 AND message_id = $2
"""
# What was said in the turn: the messages written in the same commit have its very time.
_ANSWERS = """
SELECT message_id, status, kind, content FROM whatsapp_messages
WHERE tenant_id = $1 AND conversation_id = $2 AND created_at = ANY ($3::timestamptz[]) AND direction = 'OUTBOUND'
ORDER BY message_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A message, the turns it caused, and what became of it. All values are as stored."""

    message: dict[str, Any]
    turns: list[tuple[datetime, list[dict[str, Any]]]]
    answers: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    waiting: dict[str, Any] | None
    dead: dict[str, Any] | None
    queued: dict[str, Any] | None
    file: dict[str, Any] | None = None


async def find_message(db: Connection, vault: Vault, tenant: TenantId, message: str) -> Any:
    """The row of a message, by our number or by the provider's id; None when it is not known."""
    message_id = MessageId(int(message)) if message.isdecimal() and len(message) < 19 else None
    if message_id is None:
        channels = [ChannelId(row["channel_id"]) for row in await db.fetch(_CHANNELS, tenant)]
        keys = [vault.message_key(tenant, channel, message) for channel in channels]
        message_id = await db.fetchval(_BY_KEY, tenant, keys)
    return await db.fetchrow(_MESSAGE, tenant, message_id) if message_id is not None else None


async def explain(database: Postgres, vault: Vault, tenant: TenantId, message: str) -> Explanation | None:
    """Look a message up by our number or by the provider's id; None when it is not known."""
    async with database.tenant(tenant) as db:
        row = await find_message(db, vault, tenant, message)
        if row is None:
            return None
        message_id = MessageId(row["message_id"])
        turns = await db.fetch(_TURNS, tenant, message_id)
        times = [turn["created_at"] for turn in turns]
        return Explanation(
            message=_opened(vault, tenant, _plain(row)),
            turns=[(turn["created_at"], json.loads(turn["trace"])) for turn in turns],
            answers=[_plain(a) for a in await db.fetch(_ANSWERS, tenant, row["conversation_id"], times)],
            attempts=[_plain(a) for a in await db.fetch(_ATTEMPTS, tenant, message_id)],
            waiting=_maybe(await db.fetchrow(_WAITING, tenant, message_id)),
            dead=_maybe(await db.fetchrow(_DEAD, tenant, message_id)),
            queued=_maybe(await db.fetchrow(_QUEUED, tenant, row["conversation_id"], message_id)),
            file=_maybe(await db.fetchrow(_FILE, tenant, message_id)),
        )


def _plain(row: Any) -> dict[str, Any]:
    found = dict(row.items())
    if "content" in found:
        found["content"] = json.loads(found["content"])
    return found


def _opened(vault: Vault, tenant: TenantId, message: dict[str, Any]) -> dict[str, Any]:
    """A message with the providers' ids as they are at the provider; as they are stored, when they cannot be read."""
    with suppress(StorageError):
        for column in ("provider_message_id", "reply_to"):
            if message[column]:
                message[column] = vault.open_id(tenant, message[column])
        if (named := message["content"].get("message_id")) is not None:
            message["content"]["message_id"] = vault.open_id(tenant, named)
    return message


def _maybe(row: Any) -> dict[str, Any] | None:
    return _plain(row) if row is not None else None
