"""Jobs for other systems: webhooks that tell them, calls that ask them. Claimed with a fence, like messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import TenantId
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres
from storage.postgres.intake import post_event

_CLAIM = "SELECT * FROM claim_outside($1, $2, $3, $4)"
_JOB = """
SELECT j.job_id, j.kind, j.lane, j.call, j.payload, j.conversation_id, j.run, j.entry_id, j.endpoint_id, j.created_at,
       e.url, e.secret, e.removed_at, t.object_type, t.object_id, t.content, t.source, t.created_at AS happened_at
FROM outside_jobs j
LEFT JOIN webhook_endpoints e ON e.tenant_id = $1 AND e.endpoint_id = j.endpoint_id
LEFT JOIN timeline_entries t ON t.tenant_id = $1 AND t.entry_id = j.entry_id
WHERE j.tenant_id = $1 AND j.job_id = $2 AND j.fence = $3
"""
# Only who has the newest fence may say how it ended.
_HELD = """
SELECT conversation_id, run FROM outside_jobs
WHERE tenant_id = $1 AND job_id = $2 AND fence = $3 AND state = 'SENDING' FOR UPDATE
"""
_DONE = "DELETE FROM outside_jobs WHERE tenant_id = $1 AND job_id = $2"
_AGAIN = """
UPDATE outside_jobs SET state = 'READY', due_at = $3, lease_until = NULL, last_error = $4
WHERE tenant_id = $1 AND job_id = $2
"""
_DEAD = """
UPDATE outside_jobs SET state = 'DEAD', lease_until = NULL, last_error = $3 WHERE tenant_id = $1 AND job_id = $2
"""
_ADD = """
INSERT INTO webhook_endpoints (tenant_id, url, secret, actions, created_at) VALUES ($1, $2, $3, $4, $5)
RETURNING endpoint_id
"""
_REMOVE = """
WITH gone AS (
    UPDATE webhook_endpoints SET removed_at = $3 WHERE tenant_id = $1 AND endpoint_id = $2 AND removed_at IS NULL
    RETURNING endpoint_id
), dropped AS (
    DELETE FROM outside_jobs j USING gone WHERE j.tenant_id = $1 AND j.endpoint_id = gone.endpoint_id
)
SELECT endpoint_id FROM gone
"""
_ENDPOINTS = """
SELECT e.endpoint_id, e.url, e.actions, e.created_at,
       count(j.job_id) FILTER (WHERE j.state <> 'DEAD') AS waiting,
       count(j.job_id) FILTER (WHERE j.state = 'DEAD') AS dead
FROM webhook_endpoints e
LEFT JOIN outside_jobs j ON j.tenant_id = $1 AND j.endpoint_id = e.endpoint_id
WHERE e.tenant_id = $1 AND e.removed_at IS NULL GROUP BY e.tenant_id, e.endpoint_id ORDER BY e.endpoint_id
"""
_DEAD_ONES = """
SELECT j.job_id, j.kind, j.lane, j.call, j.attempts, j.last_error, j.created_at FROM outside_jobs j
WHERE j.tenant_id = $1 AND j.state = 'DEAD' ORDER BY j.job_id LIMIT $2
"""
_REPLAY = """
UPDATE outside_jobs SET state = 'READY', due_at = $2, attempts = 0, last_error = NULL
WHERE tenant_id = $1 AND state = 'DEAD' AND ($3::bigint IS NULL OR job_id = $3) RETURNING job_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideJob:
    """One thing to tell or ask now. `key` is the same on every try, so that the receiver can tell a repetition."""

    tenant_id: TenantId
    job_id: int
    fence: int
    attempts: int
    kind: str
    key: str
    call: str | None
    payload: dict[str, Any]
    url: str | None
    secret: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Somebody who is told, and how many jobs wait for them or were given up."""

    endpoint_id: int
    url: str
    actions: tuple[str, ...]
    created_at: datetime
    waiting: int
    dead: int


class OutsideJobs:
    """The jobs of all tenants."""

    def __init__(self, database: Postgres, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def claim(self, now: datetime, rooms: Mapping[TenantId, int], lease: timedelta) -> list[OutsideJob]:
        """Take jobs, so many of each tenant; nobody else does, until the lease ends."""
        async with self._database.connection() as db:
            claimed = await db.fetch(_CLAIM, now, lease, list(rooms), list(rooms.values()))
        jobs = []
        for row in claimed:
            tenant = TenantId(row["tenant_id"])
            async with self._database.tenant(tenant) as db:
                found = await db.fetchrow(_JOB, tenant, row["job_id"], row["fence"])
                if found is None:
                    continue
                if found["kind"] == "webhook" and found["content"] is None:
                    await db.execute(_DONE, tenant, row["job_id"])  # the entry is not there any more: nothing to tell
                    continue
                jobs.append(self._job(tenant, row, found))
        return jobs

    async def done(self, job: OutsideJob, now: datetime, event: str | None = None, data: Any = None) -> bool:
        """It was answered; `event` is told to the run that asked. False when the lease was lost."""
        async with self._database.tenant(job.tenant_id) as db:
            held = await db.fetchrow(_HELD, job.tenant_id, job.job_id, job.fence)
            if held is None:
                return False
            if event is not None and held["conversation_id"] is not None:
                await post_event(
                    db, job.tenant_id, held["conversation_id"], event, data, run=held["run"], at=now
                )  # fmt: skip
            await db.execute(_DONE, job.tenant_id, job.job_id)
        return True

    async def again(self, job: OutsideJob, at: datetime, error: str) -> None:
        """It failed, and is to be tried again at a time."""
        async with self._database.tenant(job.tenant_id) as db:
            if await db.fetchrow(_HELD, job.tenant_id, job.job_id, job.fence) is not None:
                await db.execute(_AGAIN, job.tenant_id, job.job_id, at, error[:500])

    async def give_up(self, job: OutsideJob, now: datetime, error: str, event: str | None, data: Any) -> None:
        """It failed for good; `event` is told to the run that asked."""
        async with self._database.tenant(job.tenant_id) as db:
            held = await db.fetchrow(_HELD, job.tenant_id, job.job_id, job.fence)
            if held is None:
                return
            if event is not None and held["conversation_id"] is not None:
                await post_event(
                    db, job.tenant_id, held["conversation_id"], event, data, run=held["run"], at=now
                )  # fmt: skip
            await db.execute(_DEAD, job.tenant_id, job.job_id, error[:500])

    def _job(self, tenant: TenantId, claim: Any, row: Any) -> OutsideJob:
        if row["kind"] == "webhook":
            content = json.loads(row["content"])
            payload = {
                "id": row["entry_id"],
                "action": content.get("action"),
                "object": {"type": row["object_type"], "id": row["object_id"]},
                "source": row["source"],
                "happened_at": row["happened_at"].isoformat(),
                "content": content,
            }
        else:
            payload = json.loads(row["payload"])
        return OutsideJob(
            tenant_id=tenant,
            job_id=row["job_id"],
            fence=claim["fence"],
            attempts=claim["attempts"],
            kind=row["kind"],
            key=f"{row['kind']}-{tenant}-{row['job_id']}",
            call=row["call"],
            payload=payload,
            url=row["url"],
            secret=self._vault.unseal(tenant, row["secret"]) if row["secret"] is not None else None,
        )


async def add_endpoint(
    db: Connection, vault: Vault, tenant: TenantId, url: str, secret: bytes, actions: Sequence[str], at: datetime
) -> int:
    """Have somebody told of timeline entries with these actions, or of all; returns the endpoint's number."""
    number: int = await db.fetchval(_ADD, tenant, url, vault.seal(tenant, secret), list(actions), at)
    return number


async def remove_endpoint(db: Connection, tenant: TenantId, number: int, at: datetime) -> bool:
    """Tell somebody no more, and drop what waits for them; False when there is no such endpoint."""
    return await db.fetchval(_REMOVE, tenant, number, at) is not None


async def endpoints(db: Connection, tenant: TenantId) -> list[Endpoint]:
    """Who is told."""
    rows = await db.fetch(_ENDPOINTS, tenant)
    return [Endpoint(**{**dict(row.items()), "actions": tuple(row["actions"])}) for row in rows]


async def dead_jobs(db: Connection, tenant: TenantId, limit: int) -> list[dict[str, Any]]:
    """`job_id`, `kind`, `lane`, `call`, `attempts`, `last_error`, `created_at` of what was given up, oldest first."""
    return [dict(row.items()) for row in await db.fetch(_DEAD_ONES, tenant, limit)]


async def replay(db: Connection, tenant: TenantId, at: datetime, job: int | None = None) -> int:
    """Try again what was given up, all or one; returns how many."""
    return len(await db.fetch(_REPLAY, tenant, at, job))
