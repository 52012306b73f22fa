"""The metrics are what a person counts from the same events."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.runtime.metrics import METRICS
from bot.web.today import Today
from storage.postgres.metrics import MetricsStore, report
from tests.metrics.golden import Log, logs, write
from tests.storage.support import World, build_world

VIEWS = {"messages": "metric_messages", "conversations": "metric_conversations", "sales": "metric_sales"}
LOGS = pytest.mark.parametrize("log", logs(), ids=lambda log: log.name)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Values as the golden files write them."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}


async def of_day(world: World, log: Log) -> dict[str, Any]:
    """What the views say of the log's day."""
    found: dict[str, Any] = {}
    for name, view in VIEWS.items():
        columns = ", ".join(log.document["expected"][name])
        (row,) = await world.rows(f"SELECT {columns} FROM {view} WHERE day = $1", log.day)
        found[name] = plain(dict(row.items()))
    rows = await world.rows(
        """SELECT kind, role, answered, unanswered, mean_seconds, p50_seconds, p95_seconds FROM metric_response_times
           WHERE day = $1 ORDER BY kind, role""",
        log.day,
    )
    found["responses"] = [plain(dict(row.items())) for row in rows]
    return found


async def compare(world: World, log: Log) -> None:
    """The views say what was counted by hand."""
    found = await of_day(world, log)
    for name, expected in log.document["expected"].items():
        told, counted = found[name], expected
        if isinstance(expected, list):
            assert len(told) == len(counted), name
            for one, other in zip(told, counted, strict=True):
                assert one == other
        else:
            assert told == counted


@LOGS
async def test_a_day_summed_up_comes_to_what_was_counted_by_hand(world: World, log: Log) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await write(world, log)
    await write(other, log)  # and another tenant's day is not among it
    for _ in range(2):  # summing up again changes nothing
        await world.rows("SELECT sum_up_day($1, now())", log.day)
    await compare(world, log)


@pytest.mark.usefixtures("one_day")
@LOGS
async def test_today_is_counted_as_it_is_asked_for(world: World, log: Log) -> None:
    """Without any summing up. What is told of times to come on that day is in the future, and counts all the same."""
    today = replace(log, day=datetime.now(UTC).date())
    await write(world, today)
    await compare(world, today)
    assert await world.value("SELECT count(*) FROM metric_days") == 0


async def test_the_chore_sums_up_what_is_missing_and_what_may_still_change(world: World) -> None:
    log = next(log for log in logs() if log.name == "one_day")
    await write(world, log)
    store = MetricsStore(world.database)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert await store.sum_up(noon) > 0
    await compare(world, log)
    assert await store.sum_up(noon + timedelta(minutes=9)) == 0
    await world.rows("UPDATE whatsapp_messages SET status = 'READ' WHERE status = 'DELIVERED'")
    assert await store.sum_up(noon + timedelta(minutes=11)) == 2
    assert (await of_day(world, log))["messages"]["read"] == 2
    days = [row["day"] for row in await world.rows("SELECT day FROM metric_days ORDER BY day DESC LIMIT 2")]
    assert days == [date(2026, 11, 21), date(2026, 11, 20)]


async def test_two_processes_do_not_sum_up_at_once(world: World) -> None:
    store = MetricsStore(world.database)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    taken = await store._chores.take("metrics_days", noon, every=timedelta(minutes=10), tenant=world.tenant)
    assert taken is not None
    await store.sum_up(noon)
    last = await world.value("SELECT done_at FROM chores WHERE name = 'metrics_days'")
    assert last is None


async def test_a_report_adds_up_days(world: World) -> None:
    log = next(log for log in logs() if log.name == "one_day")
    await write(world, log)
    later = replace(log, day=log.day + timedelta(days=40))
    await write_second(world, later)
    for day in (log.day, later.day):
        await world.rows("SELECT sum_up_day($1, now())", day)
    async with world.database.tenant(world.tenant) as db:
        found = await report(db, log.day, later.day)
    assert [row["received"] for row in found.messages if row["received"]] == [6, 6]
    replies = next(one for one in found.responses if (one.kind, one.role) == ("reply", "customer"))
    assert (replies.answered, replies.mean_seconds, replies.p50_seconds, replies.p95_seconds) == (6, 47.0, 10, 300)


async def write_second(world: World, log: Log) -> None:
    """The same day once more; treks have names of their own."""
    document = {**log.document, "incidents": []}
    await write(world, replace(log, document=document))


@pytest.mark.parametrize(
    ("histogram", "share", "expected"),
    [
        ([0] * 14, 0.5, None),
        ([1] + [0] * 13, 0.5, 1),
        ([1, 1] + [0] * 12, 0.5, 1),
        ([1, 1] + [0] * 12, 0.51, 2),
        ([0] * 13 + [1], 0.5, float("inf")),
        ([95, 0, 0, 5] + [0] * 10, 0.95, 1),
        ([94, 0, 0, 6] + [0] * 10, 0.95, 10),
    ],
)
async def test_quantiles_are_upper_ends_of_classes(
    world: World, histogram: list[int], share: float, expected: float | None
) -> None:
    assert await world.value("SELECT response_quantile($1::bigint[], $2)", histogram, share) == expected


async def test_every_view_says_what_its_numbers_mean(world: World) -> None:
    rows = await world.rows(
        """SELECT c.relname AS name, obj_description(c.oid) AS told,
                  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
           FROM pg_class c WHERE c.relkind = 'v' AND c.relname LIKE 'metric%'"""
    )
    assert len(rows) == 4
    for row in rows:
        for column in set(row["columns"]) - {"day", "kind", "role", "answered", "seconds", "histogram"}:
            assert column in row["told"] or column.endswith("_rate") or column == "mean_seconds", (row["name"], column)


@pytest.mark.usefixtures("one_day")
async def test_prometheus_is_told_what_the_reports_say(world: World) -> None:
    log = next(log for log in logs() if log.name == "one_day")
    now = datetime.now(UTC)
    await write(world, replace(log, day=now.date()))
    today = Today(database=world.database, tenants=lambda: {world.tenant: "acme"}, clock=lambda: now)
    await today.refresh()

    def told(metric: str) -> float | None:
        return METRICS.registry.get_sample_value("sirdar_today", {"tenant": "acme", "metric": metric})

    assert (told("received"), told("delivery_rate"), told("leads_booked")) == (6, 0.6667, 1)
    assert (told("reply_customer_mean_seconds"), told("reply_sales_unanswered")) == (47.0, 2)
    await world.rows("DELETE FROM whatsapp_messages")
    await today.refresh()
    assert told("received") == 6, "it was counted a moment ago"
    now += timedelta(seconds=15)
    await today.refresh()
    assert told("received") == 0
