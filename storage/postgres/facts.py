"""What providers tell besides messages and statuses, written down where it is acted on."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from bot.core.ids import TenantId
from storage.base import NewAddress, NewFact, NewHealth, NewPreference, NewTemplateNews, Unread
from storage.crypto import Vault
from storage.postgres.database import Postgres
from storage.postgres.identities import move_address
from storage.postgres.people import Directory
from storage.postgres.templates import TemplateBook

_KEEP_PREFERENCE = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, proof, created_at)
SELECT $1, $2, 'marketing', $3, 'WHATSAPP', $4::jsonb, $5
WHERE NOT EXISTS (SELECT FROM whatsapp_opt_ins o WHERE o.tenant_id = $1 AND o.contact_id = $2
                  AND o.purpose = 'marketing' AND o.created_at = $5 AND o.allowed = $3)
"""
_KEEP_HEALTH = """
UPDATE whatsapp_configurations
SET health = jsonb_set(health, ARRAY[$3::text], $4::jsonb),
    reach_limit = CASE WHEN $5::integer IS NULL THEN reach_limit WHEN $5 < 0 THEN NULL ELSE $5 END,
    alarm = coalesce($6::text, alarm), paused_until = greatest(paused_until, $7::timestamptz),
    initiated_after = greatest(initiated_after, $8::timestamptz), throughput = coalesce($9::integer, throughput)
WHERE tenant_id = $1 AND channel_id = $2
"""


class Facts:
    """Takes what providers tell. Each fact is a commit of its own: they are rare, and some wait for a worker.

    Args:
        database: Where it is written.
        vault: Encrypts addresses.
        directory: Finds people; forgets them when an address changes hands.
    """

    def __init__(self, database: Postgres, vault: Vault, directory: Directory) -> None:
        self._database = database
        self._vault = vault
        self._directory = directory

    async def take(self, tenant: TenantId, facts: Sequence[NewFact]) -> list[Unread]:
        """Write down facts of one tenant, in their order. Taken twice they are taken once.

        Returns:
            What concerns nobody we know, to be kept as it came.
        """
        strange: list[Unread] = []
        for fact in facts:
            match fact:
                case NewAddress():
                    async with self._database.tenant(tenant) as db:
                        moved = await move_address(db, self._vault, fact)
                    self._directory.forget()
                    if moved is None:
                        strange.append(_strange(fact))
                case NewPreference():
                    place = await self._directory.place_since(fact.channel, fact.person, fact.at)
                    if place is None:
                        continue
                    async with self._database.tenant(tenant) as db:
                        await db.execute(
                            _KEEP_PREFERENCE, tenant, place.contact_id, fact.marketing, json.dumps(fact.proof), fact.at
                        )
                case NewTemplateNews():
                    await TemplateBook(self._database, tenant, fact.channel.provider).record([fact.news], fact.at)
                case NewHealth():
                    await self._keep_health(tenant, fact)
        return strange

    async def _keep_health(self, tenant: TenantId, fact: NewHealth) -> None:
        news = json.dumps({**fact.data, "at": fact.at.isoformat()})
        async with self._database.tenant(tenant) as db:
            await db.execute(
                _KEEP_HEALTH,
                tenant,
                fact.channel.channel_id,
                fact.topic,
                news,
                fact.reach_limit,
                fact.alarm,
                fact.pause_until,
                fact.initiated_after,
                fact.throughput,
            )


def _strange(change: NewAddress) -> Unread:
    """A change of somebody's address who has never written to us."""
    people = {"old": asdict(change.old), "new": asdict(change.new), "at": change.at.isoformat()}
    return Unread(
        tenant_id=change.channel.tenant_id,
        kind="IdentityChanged of nobody we know",
        body=json.dumps(people).encode(),
        received_at=change.at,
    )
