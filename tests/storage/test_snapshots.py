"""Copies of a whole database: what is put back is what was there, and differences are told by table."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from storage.postgres.snapshots import Snapshots, TableChange, changes


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def make_tenant(db: "asyncpg.Connection[asyncpg.Record]", slug: str) -> int:
    await db.execute("SELECT register_channel($1, $1, 'meta', $1, '+15550100200')", slug)
    tenant: int = await db.fetchval("SELECT tenant_id FROM tenants WHERE slug = $1", slug)
    return tenant


ADD_TREK = "INSERT INTO treks (tenant_id, name, synonyms, days, price) VALUES ($1, $2, '{}', 9, 100)"


async def test_everything_is_put_back(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    tenant = await make_tenant(owner, "acme")
    await owner.execute(ADD_TREK, tenant, "Line\nbreak, tab\t and \\ backslash")
    snapshots = Snapshots(owner)
    before = await snapshots.take()
    await owner.execute("UPDATE treks SET days = 10")
    await owner.execute(ADD_TREK, tenant, "Another")
    await make_tenant(owner, "other")
    await snapshots.restore(before)
    assert changes(before, await snapshots.take()) == []
    assert [row["name"] for row in await owner.fetch("SELECT name FROM treks")] == [
        "Line\nbreak, tab\t and \\ backslash"
    ]
    assert await make_tenant(owner, "third") == tenant + 1  # the sequence went back, too


async def test_a_table_of_somebody_elses_is_restored_as_well(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    await owner.execute("CREATE TABLE porters (name text, load int, double int GENERATED ALWAYS AS (load * 2) STORED)")
    await owner.execute("INSERT INTO porters VALUES ('Pemba', 20)")
    snapshots = Snapshots(owner)
    before = await snapshots.take()
    await owner.execute("UPDATE porters SET load = 25; INSERT INTO porters VALUES ('Mingma', 15)")
    assert changes(before, await snapshots.take()) == [TableChange(table="porters", added=1, changed=1)]
    await snapshots.restore(before)
    assert [tuple(row) for row in await owner.fetch("SELECT * FROM porters")] == [("Pemba", 20, 40)]


async def test_partitions_count_as_their_table(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    tenant = await make_tenant(owner, "acme")
    snapshots = Snapshots(owner)
    before = await snapshots.take()
    await owner.execute(
        "INSERT INTO turn_traces (tenant_id, event_id, created_at, conversation_id, trace) VALUES "
        "($1, 1, '2026-11-22', 1, '[]'), ($1, 2, '2031-01-01', 1, '[]')",
        tenant,
    )
    after = await snapshots.take()
    assert changes(before, after) == [TableChange(table="turn_traces", added=2)]
    assert after.counts()["turn_traces"] == 2
