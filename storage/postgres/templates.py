"""Message templates: what each provider says of them, and the messages that wait for one.

A status moves by what a provider says, in an answer (`bot templates push` and `sync`) or in a webhook; `record` is the
one way in for both. Where nothing is known of a template, it is sent, and the provider has the word; where its status
is known and forbids it, the message is kept as HELD with the reason, and queued again by the news that it may be sent.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import ChannelId, TenantId
from bot.core.messages import TemplateOut
from bot.core.whatsapp import current_category, normal_status, sendable
from storage.base import NewOutbound, StoredTemplate, TemplateMove, TemplateNews
from storage.postgres.database import Connection, Postgres, columns

USEFUL = timedelta(hours=24)
"""How long a message is worth sending once its template may be used."""

_CATEGORIES = {"UTILITY", "MARKETING", "AUTHENTICATION"}

_ALL = """
SELECT name, language, category, status, components, provider_template_id, reason, quality, fingerprint, updated_at
FROM whatsapp_templates WHERE tenant_id = $1 AND provider = $2 ORDER BY name, language
"""
# Locked, so that what one webhook says is not undone by another that was read before it.
_CONCERNED = """
SELECT name, language, category, status, components, provider_template_id, reason, quality, fingerprint, updated_at
FROM whatsapp_templates
WHERE tenant_id = $1 AND provider = $2 AND (name = ANY ($3) OR provider_template_id = ANY ($4))
ORDER BY template_id FOR UPDATE
"""
_KEEP = """
INSERT INTO whatsapp_templates (tenant_id, provider, updated_at, name, language, category, status, components,
                                provider_template_id, reason, quality, fingerprint)
SELECT $1, $2, $3, n.name, n.language, n.category, n.status, n.components::jsonb, n.provider_template_id, n.reason,
       n.quality, n.fingerprint
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
            $12::text[])
    AS n (name, language, category, status, components, provider_template_id, reason, quality, fingerprint)
ON CONFLICT (tenant_id, provider, name, language) DO UPDATE
SET category = excluded.category, status = excluded.status, components = excluded.components,
    provider_template_id = excluded.provider_template_id, reason = excluded.reason, quality = excluded.quality,
    fingerprint = excluded.fingerprint, updated_at = excluded.updated_at
"""
_STATUSES = """
SELECT t.name, t.language, t.status, t.reason, w.channel_id
FROM whatsapp_configurations w JOIN whatsapp_templates t ON t.tenant_id = $1 AND t.provider = w.provider
WHERE w.tenant_id = $1 AND w.channel_id = ANY ($2) AND t.name = ANY ($3)
"""
_WAIT = """
INSERT INTO template_waits (tenant_id, provider, name, language, message_id, message_created_at, conversation_id,
                            channel_id)
SELECT $1, w.provider, m.content->>'name', m.content->>'language', m.message_id, m.created_at, m.conversation_id,
       m.channel_id
FROM whatsapp_messages m JOIN whatsapp_configurations w ON w.tenant_id = $1 AND w.channel_id = m.channel_id
WHERE m.tenant_id = $1 AND m.conversation_id = ANY ($2) AND m.created_at = $3 AND m.status = 'HELD'
  AND m.kind = 'template'
ON CONFLICT DO NOTHING
"""
# What has waited for longer than it is useful stays HELD.
_RELEASE = """
WITH ended AS (
    DELETE FROM template_waits w USING unnest($3::text[], $4::text[]) AS n (name, language)
    WHERE w.tenant_id = $1 AND w.provider = $2 AND w.name = n.name AND w.language = n.language
    RETURNING w.*
), released AS (
    UPDATE whatsapp_messages m SET status = 'QUEUED', error_detail = NULL
    FROM (SELECT * FROM ended e WHERE e.message_created_at > $5::timestamptz - $6::interval ORDER BY e.message_id) AS e
    WHERE m.tenant_id = $1 AND m.message_id = e.message_id AND m.created_at = e.message_created_at
      AND m.status = 'HELD'
    RETURNING m.message_id, m.created_at, m.conversation_id, m.channel_id, e.name, e.language
), queued AS (
    INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at)
    SELECT $1, r.conversation_id, r.message_id, r.created_at, r.channel_id, $5 FROM released r
)
SELECT r.name, r.language, count(*) AS messages FROM released r GROUP BY r.name, r.language
"""

Key = tuple[str, str]
"""Name and language of a template."""


class TemplateBook:
    """The templates of one tenant at one provider."""

    def __init__(self, database: Postgres, tenant_id: TenantId, provider: str) -> None:
        self._database = database
        self._tenant = tenant_id
        self._provider = provider

    async def all(self) -> list[StoredTemplate]:
        """Every template that is known, by name and language."""
        async with self._database.tenant(self._tenant) as db:
            return [_stored(row) for row in await db.fetch(_ALL, self._tenant, self._provider)]

    async def record(self, news: Sequence[TemplateNews], at: datetime) -> list[TemplateMove]:
        """Take what the provider says of templates; messages that waited for one that may be sent now are queued.

        Args:
            news: What it says. Templates nobody knew become known.
            at: When it said so.

        Returns:
            Those whose status moved, with how many messages that released.
        """
        async with self._database.tenant(self._tenant) as db:
            return await self._record(db, news, at)

    async def sync(
        self, news: Sequence[TemplateNews], drafts: Sequence[StoredTemplate], at: datetime
    ) -> list[TemplateMove]:
        """Take the provider's whole list: what is not on it is DELETED there, or was never handed in.

        Args:
            news: The whole list.
            drafts: Our own templates; those that the provider has never seen are kept as DRAFT.
            at: When it was asked. What was handed in after that is not on the list, and yet not gone.
        """
        listed = {(one.name, one.language) for one in news}
        async with self._database.tenant(self._tenant) as db:
            known = {(one.name, one.language): one for one in map(_stored, await db.fetch(_ALL, *self._key()))}
            gone = [
                TemplateNews(name=one.name, language=one.language, status="DELETED")
                for key, one in known.items()
                if key not in listed and one.provider_template_id and one.status != "DELETED" and one.updated_at <= at
            ]
            moves = await self._record(db, [*news, *gone], at)
            fresh = [one for one in drafts if (one.name, one.language) not in listed | known.keys()]
            await self._keep(db, fresh, at)
        return moves

    async def handed_in(self, template: StoredTemplate, at: datetime) -> None:
        """Note that a template of ours was handed in, and what the provider answered."""
        async with self._database.tenant(self._tenant) as db:
            await self._keep(db, [template], at)
            if sendable(template.status):
                await self._release(db, [(template.name, template.language)], at)

    async def _record(self, db: Connection, news: Sequence[TemplateNews], at: datetime) -> list[TemplateMove]:
        names = [one.name for one in news]
        ids = [one.provider_template_id for one in news if one.provider_template_id]
        before = [_stored(row) for row in await db.fetch(_CONCERNED, *self._key(), names, ids)]
        after = {(one.name, one.language): one for one in before}
        by_id = {one.provider_template_id: (one.name, one.language) for one in before if one.provider_template_id}
        for one in news:
            # A webhook may leave the language out, and then only the id tells which one is meant.
            key = (one.name, one.language) if one.language else by_id.get(one.provider_template_id or "")
            if key is not None:
                after[key] = _merged(after.get(key), one, key, at)
        was = {(one.name, one.language): one for one in before}
        changed = [one for key, one in after.items() if replace(one, updated_at=at) != _at(was.get(key), at)]
        await self._keep(db, changed, at)
        released = await self._release(db, [(c.name, c.language) for c in changed if sendable(c.status)], at)
        moves = []
        for moved in changed:
            key = (moved.name, moved.language)
            old = was[key].status if key in was else None
            if old != moved.status:
                moves.append(
                    TemplateMove(
                        name=moved.name, language=moved.language, before=old, after=moved.status, reason=moved.reason,
                        released=released.get(key, 0),
                    )
                )  # fmt: skip
        return moves

    async def _keep(self, db: Connection, templates: Iterable[StoredTemplate], at: datetime) -> None:
        rows = [
            (t.name, t.language, t.category, t.status, json.dumps(t.components), t.provider_template_id, t.reason,
             t.quality, t.fingerprint)
            for t in templates
        ]  # fmt: skip
        if rows:
            await db.execute(_KEEP, *self._key(), at, *columns(rows, 9))

    async def _release(self, db: Connection, keys: Collection[Key], at: datetime) -> dict[Key, int]:
        if not keys:
            return {}
        rows = await db.fetch(_RELEASE, *self._key(), *columns(sorted(keys), 2), at, USEFUL)
        return {(row["name"], row["language"]): row["messages"] for row in rows}

    def _key(self) -> tuple[TenantId, str]:
        return self._tenant, self._provider


async def vet(db: Connection, tenant: TenantId, outbound: Sequence[NewOutbound]) -> list[NewOutbound]:
    """Choose the language in which each template may be sent, and hold those that may not be sent in any.

    Asks the database only when there is a template among the messages.
    """
    asked = [(o.channel_id, o.content.name) for o in outbound if isinstance(o.content, TemplateOut) and not o.held]
    if not asked:
        return list(outbound)
    channels, names = zip(*asked, strict=True)
    known: dict[tuple[ChannelId, str], dict[str, tuple[str, str | None]]] = {}
    for row in await db.fetch(_STATUSES, tenant, list(set(channels)), list(set(names))):
        key = (ChannelId(row["channel_id"]), row["name"])
        known.setdefault(key, {})[row["language"]] = (row["status"], row["reason"])
    vetted = []
    for one in outbound:
        if isinstance(one.content, TemplateOut) and not one.held:
            content, held = choose(one.content, known.get((one.channel_id, one.content.name), {}))
            vetted.append(replace(one, content=content, held=held))
        else:
            vetted.append(one)
    return vetted


async def await_templates(db: Connection, tenant: TenantId, outbound: Sequence[NewOutbound], at: datetime) -> None:
    """Note which of the messages just stored wait for their template."""
    waiting = {o.conversation_id for o in outbound if o.held and isinstance(o.content, TemplateOut)}
    if waiting:
        await db.execute(_WAIT, tenant, sorted(waiting), at)


def choose(content: TemplateOut, known: Mapping[str, tuple[str, str | None]]) -> tuple[TemplateOut, str | None]:
    """The template in a language in which it may be sent, and why it may not when there is none.

    Args:
        content: In the language the person would like best.
        known: Status and reason of this template in each language that is known.
    """
    if not known:
        return content, None
    wanted = content.language
    order = sorted(known, key=lambda code: (code != wanted, _base(code) != _base(wanted), _base(code) != "en", code))
    language = next((code for code in order if sendable(known[code][0])), None)
    if language is not None:
        return replace(content, language=language), None
    language = order[0]
    status, reason = known[language]
    told = f": {reason}" if reason else ""
    remedy = " Hand it in: bot templates push." if status == "DRAFT" else " It goes out once WhatsApp approves it."
    return replace(content, language=language), f"Template {content.name} ({language}) is {status}{told}.{remedy}"


def _base(language: str) -> str:
    return language.replace("-", "_").split("_")[0].lower()


def _merged(before: StoredTemplate | None, news: TemplateNews, key: Key, at: datetime) -> StoredTemplate:
    """What is known of a template once the provider has said something."""
    category = current_category(news.category) if news.category else None
    if before is None:
        before = StoredTemplate(
            name=key[0], language=key[1], category="UTILITY", status="PENDING", components=[], updated_at=at
        )
    status = normal_status(news.status) if news.status else before.status
    reason = news.reason if news.status else before.reason
    return replace(
        before,
        category=category if category in _CATEGORIES else before.category,
        status=status,
        reason=None if sendable(status) else reason,
        quality=news.quality or before.quality,
        components=news.components if news.components is not None else before.components,
        provider_template_id=news.provider_template_id or before.provider_template_id,
    )


def _at(template: StoredTemplate | None, at: datetime) -> StoredTemplate | None:
    return replace(template, updated_at=at) if template is not None else None


def _stored(row: Any) -> StoredTemplate:
    return StoredTemplate(**{**dict(row.items()), "components": json.loads(row["components"])})
