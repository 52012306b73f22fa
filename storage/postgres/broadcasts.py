"""Feeds broadcasts to the outbox: portion by portion, each person once.

A portion is one transaction: the list's row lock keeps other feeders away, and recipients become HANDED in the commit
that puts their message into the outbox. Killed at any moment, a portion has happened or it has not. From there the
sender's promises hold; a template whose fate is unknown is never repeated.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.core.ids import ChannelId, ContactId, TenantId
from bot.core.messages import OUTGOING, TemplateOut
from bot.core.shapes import filled
from bot.operations.segments import CONSENT, WHO, Segment
from storage.base import Fed, NewOutbound
from storage.postgres.database import Connection, Postgres, columns
from storage.postgres.people import conversations
from storage.postgres.templates import vet

MOST = 500
"""Recipients per portion: short transactions, and no more memory than that."""
AHEAD = 200
"""Messages waiting on a channel, from which on none are added: replies come first, a paused number gathers no heap."""
_SECONDS = 2.0  # of pacing that may be caught up on: after a pause, no burst

_DUE = """
SELECT broadcast_id, segment, marketing, started_at FROM whatsapp_broadcast_lists
WHERE tenant_id = $1 AND status = 'SCHEDULED' AND scheduled_at <= $2
ORDER BY scheduled_at, broadcast_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_INVITE = f"""
INSERT INTO broadcast_recipients (tenant_id, broadcast_id, contact_id, language, name)
SELECT $1, $10, c.contact_id, c.language, c.name {WHO}
ON CONFLICT DO NOTHING
"""
_BEGIN = """
UPDATE whatsapp_broadcast_lists
SET status = 'RUNNING', started_at = coalesce(started_at, $3), fed_at = coalesce(fed_at, $3)
WHERE tenant_id = $1 AND broadcast_id = $2
"""
_RUNNING = """
SELECT broadcast_id FROM whatsapp_broadcast_lists WHERE tenant_id = $1 AND status = 'RUNNING' ORDER BY fed_at
"""
_TAKE = """
SELECT * FROM whatsapp_broadcast_lists
WHERE tenant_id = $1 AND broadcast_id = $2 AND status = 'RUNNING' FOR UPDATE SKIP LOCKED
"""
_WAITING = """
SELECT count(*) FROM (SELECT FROM outbox o WHERE o.tenant_id = $1 AND o.channel_id = $2 LIMIT $3) AS waiting
"""
# Asked again for each person at the last moment: may we still write to them?
_NEXT = f"""
SELECT r.contact_id, r.language, r.name, CASE
    WHEN c.merged_into IS NOT NULL THEN 'They are somebody else by now.'
    WHEN every.allowed IS FALSE THEN 'They have asked for no messages.'
    WHEN $3 AND offers.allowed IS FALSE AND (every.created_at IS NULL OR every.created_at < offers.created_at)
        THEN 'They have asked for no offers.'
    END AS reason
FROM broadcast_recipients r
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = r.contact_id
{CONSENT}WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.status = 'PENDING'
ORDER BY r.contact_id LIMIT $4
"""  # noqa: S608  no text from outside
_HAND_ON = """
WITH said AS (
    SELECT nextval('message_ids') AS message_id, u.*
    FROM unnest($5::bigint[], $6::bigint[], $7::text[]) AS u (contact_id, conversation_id, content)
), stored AS (
    INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status,
                                   kind, content)
    SELECT $1, s.message_id, $3, s.conversation_id, $4, 'OUTBOUND', 'QUEUED', 'template', s.content::jsonb FROM said s
), queued AS (
    INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at)
    SELECT $1, s.conversation_id, s.message_id, $3, $4, $3 FROM said s
)
UPDATE broadcast_recipients r
SET status = 'HANDED', tries = r.tries + 1, message_id = s.message_id, message_created_at = $3
FROM said s
WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.contact_id = s.contact_id
"""
_SKIP = """
UPDATE broadcast_recipients r SET status = 'SKIPPED', reason = n.reason
FROM unnest($3::bigint[], $4::text[]) AS n (contact_id, reason)
WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.contact_id = n.contact_id
"""
_FED = "UPDATE whatsapp_broadcast_lists SET fed_at = $3 WHERE tenant_id = $1 AND broadcast_id = $2"
_PAUSE = """
UPDATE whatsapp_broadcast_lists SET status = 'PAUSED', reason = $3 WHERE tenant_id = $1 AND broadcast_id = $2
"""
_FINISH = """
UPDATE whatsapp_broadcast_lists b SET status = 'DONE', finished_at = $3
WHERE b.tenant_id = $1 AND b.broadcast_id = $2
  AND NOT EXISTS (SELECT FROM broadcast_recipients r
                  WHERE r.tenant_id = $1 AND r.broadcast_id = $2 AND r.status = 'PENDING')
RETURNING 1
"""

# What a template is made of tells which of the texts stands above, in and below its body.
_COMPONENTS = """
SELECT t.components FROM whatsapp_templates t
JOIN whatsapp_configurations w ON w.tenant_id = $1 AND w.channel_id = $2 AND w.provider = t.provider
WHERE t.tenant_id = $1 AND t.name = $3 AND t.components IS NOT NULL
ORDER BY t.language LIMIT 1
"""

_FIELD = re.compile(r"\{(name|first_name)(?::([^{}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipient:
    contact: ContactId
    content: TemplateOut


class PostgresBroadcasts:
    """Begins broadcasts that are due, and hands on the next recipients of those under way."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def feed(self, tenant: TenantId, now: datetime) -> Fed:
        """One round: every broadcast under way gets the portion that its pace allows by now."""
        fed = Fed()
        while await self._begin(tenant, now):
            fed += Fed(begun=1)
        async with self._database.tenant(tenant) as db:
            running = [row["broadcast_id"] for row in await db.fetch(_RUNNING, tenant)]
        fed += Fed(running=len(running))
        for broadcast in running:
            fed += await self._portion(tenant, broadcast, now)
        return fed

    async def _begin(self, tenant: TenantId, now: datetime) -> bool:
        async with self._database.tenant(tenant) as db:
            row = await db.fetchrow(_DUE, tenant, now)
            if row is None:
                return False
            if row["started_at"] is None:
                whom = Segment.of(row["segment"])
                await db.execute(_INVITE, tenant, *whom.arguments(), row["marketing"], now, row["broadcast_id"])
            await db.execute(_BEGIN, tenant, row["broadcast_id"], now)
        return True

    async def _portion(self, tenant: TenantId, broadcast: int, now: datetime) -> Fed:
        async with self._database.tenant(tenant) as db:
            row = await db.fetchrow(_TAKE, tenant, broadcast)
            if row is None:  # another feeder is at it, or it was paused just now
                return Fed()
            room = _room(row, now)
            if room and await db.fetchval(_WAITING, tenant, row["channel_id"], AHEAD) >= AHEAD:
                room = 0
            if not room:
                return Fed()
            return await self._hand_on(db, tenant, row, now, room)

    async def _hand_on(self, db: Connection, tenant: TenantId, row: Any, now: datetime, room: int) -> Fed:
        broadcast, texts = row["broadcast_id"], json.loads(row["parameters"])
        made_of = await db.fetchval(_COMPONENTS, tenant, row["channel_id"], row["template"])
        components = json.loads(made_of) if made_of else []
        skipped: list[tuple[int, str]] = []
        chosen: list[_Recipient] = []
        for one in await db.fetch(_NEXT, tenant, broadcast, row["marketing"], room):
            parameters = [_filled(text, one["name"]) for text in texts]
            if one["reason"] is not None:
                skipped.append((one["contact_id"], one["reason"]))
            elif None in parameters:
                skipped.append((one["contact_id"], "Their name is not known, and the text has no other for it."))
            else:
                values = [text for text in parameters if text is not None]
                try:
                    content = filled(components, row["template"], one["language"], values)
                except ValueError as error:
                    await db.execute(_PAUSE, tenant, broadcast, f"{error}.")
                    return Fed(paused=1)
                chosen.append(_Recipient(contact=ContactId(one["contact_id"]), content=content))
        held = await self._store(db, tenant, row, now, chosen) if chosen else None
        if held is not None:
            await db.execute(_PAUSE, tenant, broadcast, held)
            return Fed(paused=1)
        if skipped:
            await db.execute(_SKIP, tenant, broadcast, *columns(skipped, 2))
        await db.execute(_FED, tenant, broadcast, now)
        finished = await db.fetchval(_FINISH, tenant, broadcast, now) is not None
        return Fed(handed=len(chosen), skipped=len(skipped), finished=int(finished))

    async def _store(
        self, db: Connection, tenant: TenantId, row: Any, now: datetime, chosen: Sequence[_Recipient]
    ) -> str | None:
        """Put messages into the outbox; or say why the template may not be sent, and store nothing."""
        channel = ChannelId(row["channel_id"])
        places = await conversations(db, tenant, channel, [one.contact for one in chosen])
        outbound = [
            NewOutbound(conversation_id=places[one.contact], channel_id=channel, content=one.content) for one in chosen
        ]
        vetted = await vet(db, tenant, outbound)
        held = next((one.held for one in vetted if one.held), None)
        if held is not None:
            return held
        rows = [
            (one.contact, said.conversation_id, OUTGOING.dump_json(said.content).decode())
            for one, said in zip(chosen, vetted, strict=True)
        ]
        await db.execute(_HAND_ON, tenant, row["broadcast_id"], now, channel, *columns(rows, 3))
        return None


def _room(row: Any, now: datetime) -> int:
    """How many recipients a broadcast's pace and hours allow now."""
    hour = now.astimezone(ZoneInfo(row["timezone"])).time().replace(tzinfo=None)
    first, last = row["not_before"], row["not_after"]
    awake = first <= hour < last if first < last else hour >= first or hour < last
    if not awake:
        return 0
    seconds = min((now - row["fed_at"]).total_seconds(), max(_SECONDS, 60 / row["per_minute"]))
    return min(int(seconds * row["per_minute"] / 60 + 1e-9), MOST)


def _filled(text: str, name: str) -> str | None:
    """A parameter for one person; None when it needs their name, which nobody knows."""
    values = {"name": name.strip(), "first_name": name.strip().partition(" ")[0]}
    unknown = False

    def value(field: re.Match[str]) -> str:
        nonlocal unknown
        known = values[field[1]] or (field[2] or "").strip()
        unknown = unknown or not known
        return known

    filled = _FIELD.sub(value, text)
    return None if unknown else filled
