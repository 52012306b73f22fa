"""Metrics: summing up days, and reading the reports. What the numbers mean is told by the views (schema.sql)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bot.core.ids import TenantId
from storage.postgres.chores import Chores
from storage.postgres.database import Connection, Postgres

SOON = timedelta(minutes=10)
"""How often the last days are summed up again: most replies, reads and bookings come then."""

LATE = timedelta(days=1)
"""How often the last weeks are."""

SETTLED_DAYS = 35
"""After so many days a day's numbers stand: a lead has 30 days to be booked, and a few to be confirmed."""

FIRST_DAYS = 100
"""How far back the first summing up of a tenant goes at the most: else to its first conversation."""

_TENANTS = "SELECT DISTINCT tenant_id FROM channels()"
_LAST = "SELECT max(day) FROM metric_days WHERE tenant_id = $1"
_BEGAN = "SELECT created_at FROM whatsapp_conversations WHERE tenant_id = $1 ORDER BY conversation_id LIMIT 1"
_SUM_UP = "SELECT sum_up_day($1, $2)"
_MESSAGES = """
SELECT day, sent, received, delivered, read, failed, delivery_rate, read_rate FROM metric_messages
WHERE day BETWEEN $1 AND $2 ORDER BY day
"""
_CONVERSATIONS = """
SELECT day, active_conversations, runs, runs_ended, runs_completed, completion_rate, mean_seconds
FROM metric_conversations WHERE day BETWEEN $1 AND $2 ORDER BY day
"""
_SALES = """
SELECT day, enquiries, enquiries_with_lead, enquiry_to_lead_rate, leads, leads_booked, lead_to_booking_rate
FROM metric_sales WHERE day BETWEEN $1 AND $2 ORDER BY day
"""
_RESPONSES = """
SELECT kind, role, answered, unanswered, seconds, histogram FROM metric_response_times
WHERE day BETWEEN $1 AND $2 ORDER BY day, kind, role
"""
_QUANTILES = """
SELECT response_quantile(u.histogram::bigint[], 0.5) AS p50, response_quantile(u.histogram::bigint[], 0.95) AS p95
FROM unnest($1::text[]) WITH ORDINALITY AS u (histogram, place) ORDER BY u.place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTime:
    """How long it took, in seconds; quantiles are upper ends of classes, infinite above the last."""

    kind: str
    role: str
    answered: int
    unanswered: int
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A span of days: rows of the views by day, and response times over all of them."""

    messages: Sequence[dict[str, Any]]
    conversations: Sequence[dict[str, Any]]
    sales: Sequence[dict[str, Any]]
    responses: Sequence[ResponseTime]


class MetricsStore:
    """Sums up days, of all tenants."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._chores = Chores(database)

    async def sum_up(self, now: datetime) -> int:
        """Sum up what is due, of every tenant; returns how many days."""
        async with self._database.connection() as db:
            tenants = [TenantId(row["tenant_id"]) for row in await db.fetch(_TENANTS)]
        done = 0
        for tenant in tenants:
            done += await self._take(tenant, "metrics_weeks", LATE, now)
            done += await self._take(tenant, "metrics_days", SOON, now)
        return done

    async def _take(self, tenant: TenantId, name: str, every: timedelta, now: datetime) -> int:
        fence = await self._chores.take(name, now, every=every, tenant=tenant)
        if fence is None:
            return 0
        async with self._database.tenant(tenant) as db:
            last: date | None = await db.fetchval(_LAST, tenant)
            began: datetime | None = await db.fetchval(_BEGAN, tenant)
        today = now.date()
        most = max((now - began).days + 1, 2) if began is not None else 2  # before that there is nothing to sum up
        back = FIRST_DAYS if last is None else SETTLED_DAYS if every == LATE else max((today - last).days, 2)
        back = min(back, most)
        for days in range(back, 0, -1):
            async with self._database.tenant(tenant) as db:
                await db.execute(_SUM_UP, today - timedelta(days=days), now, timeout=600)
        await self._chores.done(name, fence, now, tenant=tenant)
        return back


async def report(db: Connection, first: date, last: date) -> Report:
    """What the days from `first` to `last` came to, for the transaction's tenant."""
    found = [
        [dict(row.items()) for row in await db.fetch(query, first, last)]
        for query in (_MESSAGES, _CONVERSATIONS, _SALES, _RESPONSES)
    ]
    return Report(messages=found[0], conversations=found[1], sales=found[2], responses=await _merged(db, found[3]))


async def _merged(db: Connection, rows: Iterable[dict[str, Any]]) -> list[ResponseTime]:
    """Response times of many days as one, by kind and role."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["role"]), []).append(row)
    ordered = sorted(groups.items())
    histograms = [
        "{" + ",".join(str(sum(column)) for column in zip(*(r["histogram"] for r in members), strict=True)) + "}"
        for _, members in ordered
    ]
    quantiles = await db.fetch(_QUANTILES, histograms) if histograms else []
    merged = []
    for ((kind, role), members), quantile in zip(ordered, quantiles, strict=True):
        answered = sum(row["answered"] for row in members)
        seconds = sum(row["seconds"] for row in members)
        merged.append(
            ResponseTime(
                kind=kind, role=role, answered=answered, unanswered=sum(row["unanswered"] for row in members),
                mean_seconds=round(seconds / answered, 1) if answered else None,
                p50_seconds=quantile["p50"], p95_seconds=quantile["p95"],
            )
        )  # fmt: skip
    return merged
