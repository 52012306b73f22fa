"""Sealing providers' message ids, a page at a time: those kept before ids were sealed, and those of an older key.

Meta's ids hold the person's number in base64. They stand in columns of their own, in what somebody reacted to, changed
or took back, and in events that wait.
"""

import json
from collections.abc import Callable
from typing import Any

from bot.core.ids import ChannelId, TenantId
from storage.crypto import Vault, id_mark
from storage.postgres.anew import Page, Step
from storage.postgres.database import Connection

_PAGE = 500
_LONG = 3600.0  # seconds that looking everywhere may take
NAMING = ("reaction", "edit", "revoke")
"""Kinds of messages whose content names another one."""

_MESSAGES = """
SELECT message_id AS number, created_at, channel_id, provider_message_id, reply_to,
       CASE WHEN kind = ANY ($4) THEN content ->> 'message_id' END AS named
FROM whatsapp_messages WHERE tenant_id = $1 AND message_id > $2 ORDER BY message_id LIMIT $3 FOR NO KEY UPDATE
"""
_SEAL_MESSAGES = """
UPDATE whatsapp_messages m
SET provider_message_id = n.provider_message_id, reply_to = n.reply_to,
    content = CASE WHEN n.named IS NULL THEN m.content
                   ELSE jsonb_set(m.content, '{message_id}', to_jsonb(n.named)) END
FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
    AS n (message_id, created_at, provider_message_id, reply_to, named)
WHERE m.tenant_id = $1 AND m.message_id = n.message_id AND m.created_at = n.created_at AND m.message_id = ANY ($2)
"""
_KEY = """
INSERT INTO message_keys (tenant_id, key, message_id, created_at)
SELECT $1, k.* FROM unnest($2::bytea[], $3::bigint[], $4::timestamptz[]) AS k (key, message_id, created_at)
ORDER BY k.key ON CONFLICT DO NOTHING
"""
_UPDATES = """
SELECT update_id AS number, provider_message_id FROM delivery_updates
WHERE tenant_id = $1 AND update_id > $2 ORDER BY update_id LIMIT $3 FOR UPDATE
"""
_SEAL_UPDATES = """
UPDATE delivery_updates u SET provider_message_id = n.fresh
FROM unnest($2::bigint[], $3::text[]) AS n (update_id, fresh)
WHERE u.tenant_id = $1 AND u.update_id = n.update_id
"""


def _events(table: str) -> str:
    return f"""
    SELECT event_id AS number, event FROM {table}
    WHERE tenant_id = $1 AND event_id > $2 AND kind = 'message' ORDER BY event_id LIMIT $3 FOR UPDATE
    """  # noqa: S608  our own names


def _seal_events(table: str) -> str:
    return f"""
    UPDATE {table} e SET event = n.fresh::jsonb FROM unnest($2::bigint[], $3::text[]) AS n (event_id, fresh)
    WHERE e.tenant_id = $1 AND e.event_id = n.event_id
    """  # noqa: S608  our own names


_LEFT = {
    "whatsapp_messages": f"""
        SELECT EXISTS (SELECT FROM whatsapp_messages WHERE tenant_id = $1 AND (
            NOT starts_with(provider_message_id, $2) OR NOT starts_with(reply_to, $2)
            OR (kind IN {NAMING} AND NOT starts_with(content ->> 'message_id', $2))))""",  # noqa: S608
    "delivery_updates": """
        SELECT EXISTS (SELECT FROM delivery_updates WHERE tenant_id = $1 AND NOT starts_with(provider_message_id, $2))
        """,
    **{
        table: f"""
        SELECT EXISTS (SELECT FROM {table} WHERE tenant_id = $1 AND kind = 'message' AND (
            NOT starts_with(event ->> 'sent_as', $2) OR NOT starts_with(event ->> 'reply_to', $2)
            OR NOT starts_with(event -> 'content' ->> 'message_id', $2)))"""  # noqa: S608
        for table in ("inbox", "dead_letters")
    },
}


def id_steps(vault: Vault) -> list[tuple[str, str, Step]]:
    """What seals the ids of everything that waits, in this order: name of the step, table, step.

    What is put aside is walked through twice: an event may have been put aside while the inbox was.
    """
    dead = _events_step(vault, "dead_letters")
    return [
        ("ids of statuses", "delivery_updates", _updates_step(vault)),
        ("ids put aside", "dead_letters", dead),
        ("ids that wait", "inbox", _events_step(vault, "inbox")),
        ("ids put aside since", "dead_letters", dead),
    ]


def messages_step(vault: Vault) -> Step:
    """Seal the ids of messages; while a key is replaced, remember them under the new one as well.

    After `id_steps`, and after whoever was at it meanwhile has ended: an event brings its ids into messages.
    """

    async def step(db: Connection, tenant: TenantId, position: int) -> Page:
        rows = await db.fetch(_MESSAGES, tenant, position, _PAGE, NAMING)
        fresh: list[tuple[Any, ...]] = []
        keys: list[tuple[Any, ...]] = []
        for row in rows:
            sealed = [_sealed(vault, tenant, row[name]) for name in ("provider_message_id", "reply_to", "named")]
            if any(sealed):
                old = (row["provider_message_id"], row["reply_to"], row["named"])
                fresh.append((row["number"], row["created_at"], *(n or o for n, o in zip(sealed, old, strict=True))))
            if vault.several and row["provider_message_id"]:
                plain = vault.open_id(tenant, row["provider_message_id"])
                key = vault.message_keys(tenant, ChannelId(row["channel_id"]), plain)[-1]
                keys.append((key, row["number"], row["created_at"]))
        if keys:
            await db.execute(_KEY, tenant, *map(list, zip(*keys, strict=True)))
        if fresh:
            await db.execute(_SEAL_MESSAGES, tenant, *map(list, zip(*fresh, strict=True)))
        return _page(rows, position)

    return step


async def ids_left(db: Connection, vault: Vault, tenant: TenantId) -> str:
    """A table in which an id is that was not sealed with the present key; empty when there is none."""
    for table, query in _LEFT.items():
        if await db.fetchval(query, tenant, id_mark(vault.keys.seal), timeout=_LONG):
            return table
    return ""


def _updates_step(vault: Vault) -> Step:
    async def step(db: Connection, tenant: TenantId, position: int) -> Page:
        rows = await db.fetch(_UPDATES, tenant, position, _PAGE)
        fresh = [(row["number"], _sealed(vault, tenant, row["provider_message_id"])) for row in rows]
        fresh = [(number, sealed) for number, sealed in fresh if sealed]
        if fresh:
            await db.execute(_SEAL_UPDATES, tenant, *map(list, zip(*fresh, strict=True)))
        return _page(rows, position)

    return step


def _events_step(vault: Vault, table: str) -> Step:
    read, write = _events(table), _seal_events(table)

    async def step(db: Connection, tenant: TenantId, position: int) -> Page:
        rows = await db.fetch(read, tenant, position, _PAGE)
        fresh = []
        for row in rows:
            event = json.loads(row["event"])
            if _seal_event(event, lambda value: _sealed(vault, tenant, value)):
                fresh.append((row["number"], json.dumps(event)))
        if fresh:
            await db.execute(write, tenant, *map(list, zip(*fresh, strict=True)))
        return _page(rows, position)

    return step


def _seal_event(event: dict[str, Any], sealed: Callable[[str | None], str | None]) -> bool:
    """Seal the ids in an event; returns whether there were any to seal."""
    changed = False
    for place, name in ((event, "sent_as"), (event, "reply_to"), (event.get("content") or {}, "message_id")):
        if (fresh := sealed(place.get(name))) is not None:
            place[name], changed = fresh, True
    return changed


def _sealed(vault: Vault, tenant: TenantId, value: str | None) -> str | None:
    """The id as it should be; None when it is so already."""
    if not value or vault.is_sealed_now(value):
        return None
    return vault.seal_id(tenant, vault.open_id(tenant, value))


def _page(rows: Any, position: int) -> Page:
    return Page(rows[-1]["number"] if rows else position, len(rows), len(rows) < _PAGE)
