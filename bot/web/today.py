"""Today's numbers for Prometheus: the same as the reports', at most a few seconds old."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from bot.core.ids import TenantId
from bot.runtime.metrics import METRICS
from storage.postgres import Postgres
from storage.postgres.metrics import Report, report

_FRESH = timedelta(seconds=15)
"""Several scrapers, or an impatient one, cost one count."""
_AT_ONCE = 50
"""Tenants that are counted for one scrape."""


@dataclass(slots=True, kw_only=True)
class Today:
    """Sets the gauges of every tenant that is served.

    Attributes:
        database: Where it is counted.
        tenants: Whose, with what the label says.
        clock: The time.
    """

    database: Postgres
    tenants: Callable[[], Mapping[TenantId, str]]
    clock: Callable[[], datetime]
    _counted_at: dict[TenantId, datetime] = field(default_factory=dict, init=False)
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def refresh(self) -> None:
        """Count those that were not counted a moment ago, once for all who ask; of very many, some each time."""
        async with self._counting:
            await self._count()

    async def _count(self) -> None:
        now, tenants = self.clock(), self.tenants()
        if self._counted_at.keys() - tenants.keys():  # somebody is not served any more
            METRICS.today.clear()
            self._counted_at.clear()
        due = [one for one in tenants if one not in self._counted_at or now - self._counted_at[one] >= _FRESH]
        for tenant in sorted(due, key=lambda one: (one in self._counted_at, self._counted_at.get(one)))[:_AT_ONCE]:
            async with self.database.tenant(tenant) as db:
                found = await report(db, now.date(), now.date())
            for metric, value in _numbers(found).items():
                METRICS.today.labels(tenants[tenant], metric).set(value)
            self._counted_at[tenant] = now


def _numbers(found: Report) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for row in (*found.messages, *found.conversations, *found.sales):
        numbers |= {name: float(value) for name, value in row.items() if isinstance(value, int | float | Decimal)}
    for one in found.responses:
        about = f"{one.kind}_{one.role}"
        numbers |= {f"{about}_answered": one.answered, f"{about}_unanswered": one.unanswered}
        if one.mean_seconds is not None:
            numbers[f"{about}_mean_seconds"] = one.mean_seconds
    return numbers
