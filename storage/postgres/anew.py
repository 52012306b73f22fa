"""Making rows anew under the present secret key, a page at a time (storage/postgres/rotation.py)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.core.ids import TenantId
from bot.operations.merging import LOCK_PEOPLE
from storage.crypto import Vault
from storage.postgres.database import Connection
from storage.postgres.sealed import Sealed

_PEOPLE = 500  # at once

_CONTACTS = """
SELECT contact_id, phone, user_id FROM contacts WHERE tenant_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3
"""
# Whose an address is, is said by the old index: after a merge it is not the contact that it is written in.
_IDENTIFY = """
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
SELECT $1, n.fresh, i.contact_id, i.kind FROM unnest($2::bytea[], $3::bytea[]) AS n (old, fresh)
CROSS JOIN LATERAL (SELECT i.contact_id, i.kind FROM contact_identities i
                    WHERE i.tenant_id = $1 AND i.identity = n.old OFFSET 0) AS i
ORDER BY n.fresh ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were made anew, up to a position. Those that come after the `last` are new: they need nothing."""

    position: int
    rows: int
    last: bool


Step = Callable[[Connection, TenantId, int], Awaitable[Page]]
"""Makes the rows after a position anew."""


def people_step(vault: Vault) -> Step:
    """Index people's addresses under the new key."""

    async def step(db: Connection, tenant: TenantId, position: int) -> Page:
        await db.execute(LOCK_PEOPLE, tenant)  # nobody's address moves meanwhile
        rows = await db.fetch(_CONTACTS, tenant, position, _PEOPLE)
        values = [vault.decrypt(tenant, one) for row in rows for one in (row["phone"], row["user_id"]) if one]
        pairs = [vault.identities(tenant, value) for value in values]  # under the old one first: it is looked up
        await db.execute(_IDENTIFY, tenant, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        return Page(rows[-1]["contact_id"] if rows else position, len(rows), len(rows) < _PEOPLE)

    return step


def sealed_step(vault: Vault, one: Sealed) -> Step:
    """Encrypt columns with the new key. A row that somebody has changed meanwhile was encrypted with it by them."""
    key = one.key or "0"
    by_key = f" AND t.{key} = n.key AND t.{key} = ANY ($2)" if one.key else ""
    page = (
        f"SELECT {key} AS key, {', '.join(one.columns)} FROM {one.table} "  # noqa: S608  our own names
        f"WHERE tenant_id = $1 {f'AND {key} > $2 ORDER BY {key}' if one.key else 'AND $2::bigint IS NOT NULL'} LIMIT $3"
    )
    change = {
        column: f"UPDATE {one.table} t SET {column} = n.fresh "  # noqa: S608
        f"FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS n (key, old, fresh) "
        f"WHERE t.tenant_id = $1 AND t.{column} = n.old{by_key}"
        for column in one.columns
    }

    async def step(db: Connection, tenant: TenantId, position: int) -> Page:
        rows = await db.fetch(page, tenant, position, one.at_once if one.key else None)
        for column, statement in change.items():
            old = [
                (row["key"], row[column])
                for row in rows
                if row[column] and (row[column][0] != vault.keys.seal or len(row[column]) == one.plain)
            ]
            fresh = [
                vault.seal(tenant, value if len(value) == one.plain else vault.unseal(tenant, value))
                for _, value in old
            ]
            if old:
                await db.execute(statement, tenant, [k for k, _ in old], [sealed for _, sealed in old], fresh)
        last = one.key is None or len(rows) < one.at_once
        return Page(rows[-1]["key"] if rows and one.key else position, len(rows), last)

    return step
