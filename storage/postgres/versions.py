"""Flow versions as they were deployed, and which of them somebody is in."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from bot.core.ids import TenantId
from storage.base import LiveState, StoredVersion
from storage.postgres.database import Connection, Postgres, columns

# Deployments of a tenant take turns: several processes start, or notice changed files, at the same moment.
_LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended('flow_versions', $1))
"""
_FINGERPRINTS = """
SELECT flow, version, fingerprint FROM flow_versions WHERE tenant_id = $1
"""
_READ = """
SELECT v.flow, v.version, v.fingerprint, v.source
FROM flow_versions v JOIN unnest($2::text[], $3::integer[]) AS w (flow, version) USING (flow, version)
WHERE v.tenant_id = $1
ORDER BY v.flow, v.version
"""
_KEEP = """
INSERT INTO flow_versions (tenant_id, flow, version, fingerprint, source, deployed_at)
SELECT $1, v.flow, v.version, v.fingerprint, v.source::jsonb, $2
FROM unnest($3::text[], $4::integer[], $5::text[], $6::text[]) AS v (flow, version, fingerprint, source)
ON CONFLICT (tenant_id, flow, version) DO UPDATE
SET fingerprint = excluded.fingerprint, source = excluded.source, deployed_at = excluded.deployed_at
"""
# The stored frame of a business object's run is its only truth: its copy on a conversation's stack does not count.
_LIVE = """
SELECT f.frame ->> 'flow' AS flow, (f.frame ->> 'version')::integer AS version, f.frame ->> 'state' AS state,
       count(*) FILTER (WHERE NOT f.instance) AS conversations, count(*) FILTER (WHERE f.instance) AS instances
FROM (SELECT s.frame, false AS instance
      FROM whatsapp_conversations c CROSS JOIN jsonb_array_elements(c.snapshot -> 'frames') AS s (frame)
      WHERE c.tenant_id = $1 AND c.status = 'ACTIVE' AND s.frame ->> 'instance' IS NULL
      UNION ALL
      SELECT r.frame, true FROM flow_runs r
      WHERE r.tenant_id = $1 AND r.status = 'ACTIVE' AND r.instance IS NOT NULL AND r.frame IS NOT NULL) AS f
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""
# At several providers: one at which it may not be sent counts.
_TEMPLATES = """
SELECT DISTINCT ON (name, language) name, language, status FROM whatsapp_templates WHERE tenant_id = $1
ORDER BY name, language, status = 'APPROVED'
"""

Key = tuple[str, int]
"""Name and version of a flow."""


class Deployment:
    """One look at the versions of a tenant, and changes to them, in one transaction.

    Args:
        db: The tenant's transaction.
        tenant_id: Whose flows.
    """

    def __init__(self, db: Connection, tenant_id: TenantId) -> None:
        self._db = db
        self._tenant = tenant_id

    async def fingerprints(self) -> dict[Key, str]:
        """The fingerprint of every version there is."""
        rows = await self._db.fetch(_FINGERPRINTS, self._tenant)
        return {(row["flow"], row["version"]): row["fingerprint"] for row in rows}

    async def read(self, keys: Collection[Key]) -> list[StoredVersion]:
        """Those of the versions that there are, by name and number."""
        rows = await self._db.fetch(_READ, self._tenant, *columns(sorted(keys), 2))
        return [
            StoredVersion(
                flow=row["flow"],
                version=row["version"],
                fingerprint=row["fingerprint"],
                files=json.loads(row["source"]),
            )
            for row in rows
        ]

    async def live(self) -> list[LiveState]:
        """Where running conversations and business objects are. Reads every conversation of the tenant once."""
        return [LiveState(**row) for row in await self._db.fetch(_LIVE, self._tenant)]

    async def keep(self, versions: Sequence[StoredVersion], at: datetime) -> None:
        """Store versions, in place of what they were."""
        rows = [(one.flow, one.version, one.fingerprint, json.dumps(dict(one.files))) for one in versions]
        if rows:
            await self._db.execute(_KEEP, self._tenant, at, *columns(rows, 4))

    async def template_statuses(self) -> Mapping[tuple[str, str], str]:
        """What the provider says of message templates, by (name, language)."""
        rows = await self._db.fetch(_TEMPLATES, self._tenant)
        return {(row["name"], row["language"]): row["status"] for row in rows}


class FlowVersions:
    """The flow versions of one tenant."""

    def __init__(self, database: Postgres, tenant_id: TenantId) -> None:
        self._database = database
        self._tenant = tenant_id

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[tuple[Connection, TenantId]]:
        """The tenant, and a transaction of theirs to read in."""
        async with self._database.tenant(self._tenant) as db:
            yield db, self._tenant

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Deployment]:
        """Look at them, without keeping others from deploying."""
        async with self._database.tenant(self._tenant) as db:
            yield Deployment(db, self._tenant)

    @asynccontextmanager
    async def deploying(self) -> AsyncIterator[Deployment]:
        """Change them; whoever else wants to deploy waits until this transaction has ended."""
        async with self._database.tenant(self._tenant) as db:
            await db.execute(_LOCK, self._tenant)
            yield Deployment(db, self._tenant)
