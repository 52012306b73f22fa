"""What the actions of the business add to a turn: `python -m bench.business`.

Each action runs as the worker runs it, in a savepoint and with a receipt, on a real PostgreSQL that syncs every commit;
the commit itself belongs to the turn and is not counted. The goal is 3 ms, the median, for leads, bookings, incidents.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.core.actions import ActionCall
from bot.core.conversation import Contact
from bot.core.ids import ContactId, ConversationId, RunId
from bot.operations import standard_actions
from bot.operations.acting import Acting
from bot.operations.example import seed
from bot.operations.terms import take_payments
from storage.base import Person
from storage.crypto import Vault
from storage.embedded import EmbeddedPostgres
from storage.migrations import upgrade
from storage.postgres import Directory, Postgres, Upkeep, grant_role
from storage.postgres.turns import PostgresTurnStore

GOAL_MS = 3.0
_WARM_UP = 20

Took = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds that an action takes: undisturbed (the fastest in ten), the median, and 95 in 100."""

    quick_ms: float
    median_ms: float
    p95_ms: float
    calls: int


async def measure(dsn: str, calls: int) -> dict[str, Cost]:
    """Time the actions on an empty database with the current schema."""
    database, vault = await Postgres.connect(dsn, size=2), Vault(bytes(32))
    try:
        channel = await Upkeep(database).register_channel("bench", "Bench", "meta", "1", "+15550100200")
        guide = await grant_role(database, vault, channel, _person(1), "field_staff")
        for number in range(2, 8):
            await grant_role(database, vault, channel, _person(number), "sales")
        places = [await Directory(database, vault).place(channel, _person(100 + n)) for n in range(50)]
        now = datetime.now(UTC)
        async with database.tenant(channel.tenant_id) as db:
            await seed(db, channel.tenant_id, guide=guide, today=now.date())
            await db.execute("UPDATE trips SET seats = NULL")
            acting = Acting(tenant_id=channel.tenant_id, db=db, at=now, role="system", source="SYSTEM", seals=vault)
            await take_payments(acting, "demo", "https://pay.example")
        took: Took = {}
        for number in range(calls + _WARM_UP):
            async with database.tenant(channel.tenant_id) as db:
                place = places[number % len(places)]
                call = ActionCall(
                    tenant_id=channel.tenant_id, channel_id=channel.channel_id, conversation_id=place.conversation_id,
                    contact=Contact(contact_id=place.contact_id, name=place.name), role="customer",
                    run=RunId(f"r{number}"), at=now, db=db, seals=vault,
                )  # fmt: skip
                store = PostgresTurnStore(channel.tenant_id, db, vault)
                await _deal(call, store, guide, took if number >= _WARM_UP else {})
        return {name: _cost(times) for name, times in took.items()}
    finally:
        await database.close()


async def _deal(call: ActionCall, store: PostgresTurnStore, guide: ContactId, took: Took) -> None:
    """One customer from lead to payment link, and a guide's incident."""
    sales = replace(call, role="sales")
    field = replace(call, role="field_staff", contact=Contact(contact_id=guide), conversation_id=ConversationId(1))
    lead = await _timed("leads.create", call, store, took, trek=1, people=2, month="2026-12")
    quote = await _timed("quotes.draft", sales, store, took, lead=lead["id"], trip="TRP130")
    await _timed("quotes.send", sales, store, took, quote=quote["id"])
    booking = await _timed("bookings.create", call, store, took, quote=quote["id"])
    await _timed("payments.request", call, store, took, booking=booking["id"])
    incident = await _timed("incidents.create", field, store, took, trip=1, text="Vehicle breakdown")
    await _timed("incidents.resolve", field, store, took, incident=incident["id"])


async def _timed(name: str, call: ActionCall, store: PostgresTurnStore, took: Took, **arguments: Any) -> Any:
    function: Callable[..., Awaitable[Any]] = standard_actions().by_name[name].function
    receipt = f"{name}:{call.run}"
    began = time.perf_counter()
    await store.receipt(receipt)
    async with store.savepoint():
        result = await function(call, **arguments)
        await store.keep_receipt(receipt, name, "{}", call.at)
    took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return result


def _cost(times: list[float]) -> Cost:
    twentieths = statistics.quantiles(times, n=20)
    return Cost(twentieths[1], statistics.median(times), twentieths[-1], len(times))


def _person(number: int) -> Person:
    return Person(phone=f"+1555010{number:04d}", user_id=None, name=f"Person {number}")


async def _report(data_dir: Path, calls: int) -> None:
    async with await EmbeddedPostgres.start(data_dir) as server:
        await upgrade(server.dsn())
        for action, cost in (await measure(server.dsn(), calls)).items():
            ok = "✓" if cost.median_ms <= GOAL_MS else "✗"
            figures = f"{cost.quick_ms:6.2f} ms undisturbed, {cost.median_ms:6.2f} ms median, {cost.p95_ms:6.2f} ms p95"
            print(f"{ok} {action:<20} {figures}")


def main(calls: int = 300) -> None:
    """Measure on a PostgreSQL of our own."""
    with tempfile.TemporaryDirectory(prefix="sirdar-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL never runs as root, and has to pass through
        asyncio.run(_report(Path(name) / "data", calls))


if __name__ == "__main__":
    main()
