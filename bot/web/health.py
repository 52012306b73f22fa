"""What an operator's machines ask: alive, ready, and how busy."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aiohttp import web
from prometheus_client import generate_latest

from bot.runtime.metrics import METRICS
from storage.base import Backlog
from storage.migrations import VERSION_TABLE

FRESH_SECONDS = 1.0
"""Balancers and scrapers together, however many and however often they ask, cost the database one look a second."""


class HasToday(Protocol):
    """Who counts today's numbers."""

    async def refresh(self) -> None:
        """Set their gauges."""


class HasBacklog(Protocol):
    """Where the queues are."""

    async def backlog(self) -> Backlog:
        """How much waits."""

    async def revision(self, table: str) -> str | None:
        """Which schema the database has, by the table that tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the database said: how much waits and which schema it has, or the kind of `trouble` there was."""

    backlog: Backlog | None = None
    revision: str | None = None
    trouble: str = ""


@dataclass(slots=True, kw_only=True)
class Lookout:
    """Looks at the database for everybody who asks: once a second, and never twice at the same time.

    Attributes:
        queues: Where the queues are.
        ticks: Seconds that only grow.
    """

    queues: HasBacklog
    ticks: Callable[[], float] = time.monotonic
    _seen: Look = field(default_factory=Look, init=False)
    _until: float = field(default=float("-inf"), init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def look(self) -> Look:
        """What it says now, or said less than a second ago."""
        async with self._looking:
            if self.ticks() >= self._until:
                self._seen = await self._ask()
                self._until = self.ticks() + FRESH_SECONDS
            return self._seen

    async def _ask(self) -> Look:
        try:
            return Look(backlog=await self.queues.backlog(), revision=await self.queues.revision(VERSION_TABLE))
        except Exception as error:  # noqa: BLE001  any reason means: not ready
            return Look(trouble=type(error).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Answers `/healthz`, `/readyz` and `/metrics`.

    Attributes:
        lookout: Who looks at the queues.
        clock: The time.
        limit_seconds: How long the oldest event may wait before we say we are not ready.
        today: Today's numbers.
        revision: The schema that this version of the code needs.
    """

    lookout: Lookout
    clock: Callable[[], datetime]
    limit_seconds: float
    today: HasToday
    revision: str

    async def live(self, _: web.Request) -> web.Response:
        """Say that the process runs and its loop turns; whatever else is wrong, restarting it would not help."""
        return web.json_response({"status": "alive"})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when webhooks can be stored and events are processed in time, else 503 with the reason."""
        look = await self.lookout.look()
        backlog = look.backlog
        if backlog is None:
            reason = f"the database does not answer ({look.trouble})"
            return web.json_response({"status": "not ready", "reason": reason}, status=503)
        if look.revision != self.revision:
            reason = (
                f"the schema is at revision {look.revision}, this version needs {self.revision}: upgrade, then restart"
            )
            return web.json_response({"status": "not ready", "reason": reason}, status=503)
        now = self.clock()
        age = _age(backlog.inbox_oldest, now)
        body = {
            "status": "ready",
            "inbox": backlog.inbox_events,
            "inbox_age_seconds": round(age, 3),
            "outbox": backlog.outbox_ready,
            "unknown": backlog.outbox_unknown,
            "dead_letters": backlog.dead_letters,
        }
        late = [one for one in backlog.tenants.values() if _age(one.inbox_oldest, now) > self.limit_seconds]
        waiting = [one for one in backlog.tenants.values() if one.inbox_oldest is not None and one.inbox_oldest <= now]
        if len(backlog.tenants) > 1:
            body["tenants"], body["tenants_late"] = len(backlog.tenants), len(late)
        # One tenant that has more to do than it gets done is no reason to send everybody else elsewhere.
        if age > self.limit_seconds and len(late) >= len(waiting):
            body["status"] = "not ready"
            body["reason"] = f"the oldest event has waited {age:.0f} s; is a worker running?"
            return web.json_response(body, status=503)
        return web.json_response(body)

    async def metrics(self, _: web.Request) -> web.Response:
        """Everything we count, in Prometheus' text format."""
        backlog = (await self.lookout.look()).backlog
        if backlog is None or not await self._counted():
            # The other metrics are worth having, above all when the database is down.
            METRICS.backlog.clear()
            METRICS.today.clear()
            METRICS.tenant_backlog.clear()
            METRICS.tenant_backlog_age.clear()
        else:
            now = self.clock()
            METRICS.backlog.labels("inbox").set(backlog.inbox_events)
            METRICS.backlog.labels("outbox").set(backlog.outbox_ready)
            METRICS.backlog.labels("unknown").set(backlog.outbox_unknown)
            METRICS.backlog.labels("dead_letters").set(backlog.dead_letters)
            METRICS.backlog_age.labels("inbox").set(_age(backlog.inbox_oldest, now))
            METRICS.backlog_age.labels("outbox").set(_age(backlog.outbox_oldest, now))
            _show_tenants(backlog.tenants, now)
        return web.Response(body=generate_latest(METRICS.registry), content_type="text/plain", charset="utf-8")

    async def _counted(self) -> bool:
        """Have today's numbers set; False when they cannot be had."""
        try:
            await self.today.refresh()
        except Exception:  # noqa: BLE001  whatever the reason, we answer without them
            return False
        return True


def _show_tenants(tenants: Mapping[str, Backlog], now: datetime) -> None:
    METRICS.tenant_backlog.clear()
    METRICS.tenant_backlog_age.clear()
    for slug, backlog in tenants.items():
        METRICS.tenant_backlog.labels(slug, "inbox").set(backlog.inbox_events)
        METRICS.tenant_backlog.labels(slug, "outbox").set(backlog.outbox_ready)
        METRICS.tenant_backlog_age.labels(slug, "inbox").set(_age(backlog.inbox_oldest, now))
        METRICS.tenant_backlog_age.labels(slug, "outbox").set(_age(backlog.outbox_oldest, now))


def _age(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) if since is not None else 0.0
