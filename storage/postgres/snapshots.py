"""A small database as it was: every row of every table, kept in memory, to go back to and to compare with.

For the simulator, whose database is its own and holds a few hundred rows. Copies are PostgreSQL's own text format, so
what is restored is what was there: business tables, tables of somebody's own actions, numbers of sequences.
"""

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

# Partitions are tables of their own here; `family` is what people call them. Computed columns cannot be written.
_TABLES = """
SELECT c.relname::text AS name, coalesce(p.relname, c.relname)::text AS family,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             ORDER BY a.attnum) AS columns
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname
"""
_SEQUENCES = """
SELECT c.relname::text AS name FROM pg_class c
WHERE c.relkind = 'S' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""
# Foreign keys and triggers were obeyed when the rows were written; put back all at once, they need not be checked.
_UNCHECKED = "SET LOCAL session_replication_role = replica"


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    family: str
    columns: tuple[str, ...]
    rows: bytes


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """All rows of a database at one moment."""

    tables: Mapping[str, _Table]
    sequences: Mapping[str, tuple[int, bool]]

    def rows(self) -> Counter[tuple[str, bytes]]:
        """Every row, with what its table is called."""
        return Counter((table.family, line) for table in self.tables.values() for line in table.rows.splitlines())

    def counts(self) -> Counter[str]:
        """How many rows each table has."""
        found: Counter[str] = Counter()
        for table in self.tables.values():
            found[table.family] += table.rows.count(b"\n")
        return +found


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """How a table differs: rows that are new, other than before, and gone."""

    table: str
    added: int = 0
    changed: int = 0
    removed: int = 0


def changes(before: DatabaseCopy, after: DatabaseCopy) -> list[TableChange]:
    """What became different, by table."""
    old, new = before.rows(), after.rows()
    gone = Counter(family for family, _ in (old - new).elements())
    come = Counter(family for family, _ in (new - old).elements())
    found = []
    for family in sorted(gone | come):
        changed = min(gone[family], come[family])
        found.append(
            TableChange(table=family, added=come[family] - changed, changed=changed, removed=gone[family] - changed)
        )
    return found


class Snapshots:
    """Copies a database and puts it back.

    Args:
        connection: Of a superuser: row-level security must not hide anything from it.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._db = connection

    async def take(self) -> DatabaseCopy:
        """Copy everything, as of one moment."""
        async with self._db.transaction(isolation="repeatable_read", readonly=True):
            tables = [await self._copy(row) for row in await self._db.fetch(_TABLES)]
            sequences = {}
            for row in await self._db.fetch(_SEQUENCES):
                state = await self._db.fetchrow(f'SELECT last_value, is_called FROM "{row["name"]}"')  # noqa: S608  from the catalogue
                sequences[row["name"]] = (state["last_value"], state["is_called"]) if state else (1, False)
        return DatabaseCopy({table.name: table for table in tables}, sequences)

    async def restore(self, copy: DatabaseCopy) -> None:
        """Put everything back, at once or not at all; nobody else may be writing."""
        now = await self.take()
        async with self._db.transaction():
            await self._db.execute(_UNCHECKED)
            different = [name for name, table in now.tables.items() if _rows(copy, name) != table.rows]
            for name in different:
                await self._db.execute(f'DELETE FROM "{name}"')  # noqa: S608  from the catalogue
            for name in different:
                if (table := copy.tables.get(name)) is not None and table.rows:
                    await self._db.copy_to_table(name, source=io.BytesIO(table.rows), columns=table.columns)
            for name, (value, called) in copy.sequences.items():
                if now.sequences.get(name) != (value, called):
                    await self._db.execute("SELECT setval($1::text::regclass, $2, $3)", f'"{name}"', value, called)

    async def _copy(self, row: Any) -> _Table:
        held = io.BytesIO()
        await self._db.copy_from_table(row["name"], columns=row["columns"], output=held)
        return _Table(row["name"], row["family"], tuple(row["columns"]), held.getvalue())


def _rows(copy: DatabaseCopy, name: str) -> bytes:
    table = copy.tables.get(name)
    return table.rows if table is not None else b""
