"""Which secret keys this database was written with, and which of them are in use.

Theory of operation. Keys themselves are in BOT_SECRET_KEY; here is what each is called (its number), and its state. All
processes follow the states, which `bot keys rotate` moves on (storage/postgres/rotation.py):

    state of the old key    CURRENT    CURRENT    RETIRING    LEAVING    RETIRED
    state of the new key    –          READY      CURRENT     CURRENT    CURRENT
    values are encrypted    old        old        new         new        new
    values are decrypted    old        both       both        both       new
    indexes are written     old        both       both        both       new
    indexes are looked up   old        old        old         new        new

From one column to the next, processes change one after the other, and in between a process of the one never writes what
a process of the other does not find: that is why there are five. Before each step all processes must have made the one
before. They say so with an advisory lock on the connection of their own (`announce`), so that the word of a process
that is killed goes with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from bot.core.errors import StorageError
from bot.core.ids import TenantId
from storage.crypto import KEY_BYTES, Keys, Vault, check_value
from storage.postgres.database import Connection, Postgres

EVERYBODY = TenantId(0)
_PLACES = {"READY": 1, "CURRENT": 2, "RETIRING": 3, "LEAVING": 4, "RETIRED": 5}
_ANNOUNCED = 7265627  # class of the advisory locks, beside that of partitions
_ROTATING = 7265628

_KEYS = """
SELECT number, state, check_value, created_at, retired_at, gone_at FROM secret_keys WHERE tenant_id = $1 ORDER BY number
"""
_FIRST = """
INSERT INTO secret_keys (tenant_id, number, state, check_value, created_at) VALUES ($1, 1, 'CURRENT', $2, now())
ON CONFLICT DO NOTHING
"""
_ADD = """
INSERT INTO secret_keys (tenant_id, number, state, check_value, created_at) VALUES ($1, $2, 'READY', $3, $4)
"""
_MOVE = """
UPDATE secret_keys SET state = $3, retired_at = CASE WHEN $3 = 'RETIRED' THEN $4 ELSE retired_at END
WHERE tenant_id = $1 AND number = $2
"""
_GONE = "UPDATE secret_keys SET gone_at = $3 WHERE tenant_id = $1 AND number = $2"
_KEPT = "SELECT number, sealed FROM kept_keys WHERE tenant_id = $1 AND purpose = $2 ORDER BY number"
_KEEP = """
INSERT INTO kept_keys (tenant_id, number, purpose, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, number, purpose) DO UPDATE SET sealed = excluded.sealed
"""
_WHO = """
SELECT count(*) AS processes, count(*) FILTER (WHERE l.objid::bigint <> $2) AS behind,
       count(*) FILTER (WHERE l.objid::bigint = 0) AS lacking
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.classid::bigint = $1 AND l.objsubid = 2 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """What is known of a secret key."""

    number: int
    state: str
    check_value: bytes
    created_at: datetime
    retired_at: datetime | None
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys of a database, and what a process with certain secrets can do with them.

    Attributes:
        known: All there ever were.
        keys: Those in use, with their secrets.
        version: Grows with each change of a state.
        complete: Whether the process has the secrets of all keys in use, the next one's included.
    """

    known: tuple[SecretKey, ...]
    keys: Keys
    version: int
    complete: bool

    def only(self, *states: str) -> SecretKey | None:
        """The key in one of these states; there is one at most."""
        return next((key for key in self.known if key.state in states), None)


@dataclass(frozen=True, slots=True)
class Processes:
    """How many servers there are, how many have not made the last step, and how many lack a key for it."""

    all: int
    behind: int
    lacking: int


async def open_ring(database: Postgres, secrets: Sequence[bytes]) -> Ring:
    """The keys in use, for a process that has these secrets. The first of them all is the key of an empty database.

    Raises:
        StorageError: A key in use is not among them.
    """
    async with database.tenant(EVERYBODY) as db:
        known = await _known(db)
        if not known:
            await db.execute(_FIRST, EVERYBODY, check_value(secrets[0]))
            known = await _known(db)
    return ring_of(known, secrets)


def ring_of(known: Sequence[SecretKey], secrets: Iterable[bytes]) -> Ring:
    """What a process with these secrets can do.

    Raises:
        StorageError: A key in use is not among them.
    """
    given = {check_value(secret): secret for secret in secrets}
    used = [key for key in known if key.state != "RETIRED"]
    missing = [key for key in used if key.check_value not in given]
    if needed := [key for key in missing if key.state != "READY"]:
        raise StorageError(
            f"BOT_SECRET_KEY lacks key {needed[0].number} of this database, which is in use. "
            "`bot keys status`, on a host that has it, shows which keys there are."
        )
    have = {key.number: given[key.check_value] for key in used if key.check_value in given}
    seal = next(key.number for key in used if key.state == "CURRENT")
    old = next((key.number for key in used if key.state == "RETIRING"), seal)
    version = sum(_PLACES[key.state] for key in known)
    return Ring(known=tuple(known), keys=Keys(secrets=have, seal=seal, find=old), version=version, complete=not missing)


async def add_key(db: Connection, number: int, secret: bytes, at: datetime) -> None:
    """Make a secret known as the next key."""
    await db.execute(_ADD, EVERYBODY, number, check_value(secret), at)


async def move_key(db: Connection, number: int, state: str, at: datetime) -> None:
    """Give a key its next state."""
    await db.execute(_MOVE, EVERYBODY, number, state, at)


async def key_is_gone(db: Connection, number: int, at: datetime) -> None:
    """Nothing that was made with a key is left."""
    await db.execute(_GONE, EVERYBODY, number, at)


# --- Keys that are kept ----------------------------------------------------------------------------------------------


async def keep_key(db: Connection, vault: Vault, tenant: TenantId, purpose: str, number: int, until: int = 0) -> None:
    """Keep a derived key beyond its secret, encrypted with the present one.

    Args:
        db: The tenant's transaction.
        vault: Has the secret still.
        tenant: Whose.
        purpose: `audit`, `token` or `index`.
        number: Of the secret.
        until: Of an audit key: the last seal that may have been made with it.
    """
    key = vault.key_of(tenant, purpose, number)
    if key is None:
        raise StorageError(f"Key {number} is not in use.")
    await db.execute(_KEEP, tenant, number, purpose, vault.seal(tenant, key + until.to_bytes(8)))


async def kept_keys(db: Connection, vault: Vault, tenant: TenantId, purpose: str) -> Mapping[int, tuple[bytes, int]]:
    """Keys for a purpose of secrets that are not used any more, by number: each with its `until`."""
    found = {}
    for row in await db.fetch(_KEPT, tenant, purpose):
        told = vault.unseal(tenant, row["sealed"])
        found[int(row["number"])] = (told[:KEY_BYTES], int.from_bytes(told[KEY_BYTES:]))
    return found


# --- Who is how far --------------------------------------------------------------------------------------------------


class Announcement:
    """What a process says of itself on a connection of its own: the version of the ring it goes by; 0: it lacks a key.

    Args:
        connection: In no transaction; nobody else uses it.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._said: int | None = None

    async def say(self, version: int) -> None:
        """Say it, instead of what was said before."""
        if version == self._said:
            await self._connection.execute("SELECT 1")  # raises when the connection is gone, and the word with it
            return
        await self._connection.execute("SELECT pg_advisory_lock_shared($1::integer, $2::integer)", _ANNOUNCED, version)
        if self._said is not None:
            await self._connection.execute(
                "SELECT pg_advisory_unlock_shared($1::integer, $2::integer)", _ANNOUNCED, self._said
            )
        self._said = version


async def processes(db: Connection, version: int) -> Processes:
    """How many go by this version."""
    row = await db.fetchrow(_WHO, _ANNOUNCED, version)
    assert row is not None  # noqa: S101  it counts
    return Processes(row["processes"], row["behind"], row["lacking"])


async def begin_rotating(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Be the only one who rotates, as long as this connection lives; False when somebody else is."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1::bigint)", _ROTATING))


async def _known(db: Connection) -> list[SecretKey]:
    return [SecretKey(**dict(row.items())) for row in await db.fetch(_KEYS, EVERYBODY)]
