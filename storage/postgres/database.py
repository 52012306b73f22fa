"""Connections, and the tenant's transaction."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from bot.core.errors import StorageError
from bot.core.ids import TenantId

RUNTIME_ROLE = "sirdar_runtime"

IDLE_LEASE_SECONDS = 15.0
"""A process that sleeps inside a transaction for longer loses it: PostgreSQL rolls back and frees the row locks.

That is the worker's lease: a conversation is held by a row lock, and who slept past this cannot commit."""

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"


class Postgres:
    """A pool of connections that run as the runtime role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn

    @classmethod
    async def connect(
        cls, dsn: str, *, size: int = 8, role: str = RUNTIME_ROLE, idle_lease_seconds: float = IDLE_LEASE_SECONDS
    ) -> "Postgres":
        """Open the pool.

        Args:
            dsn: Any user that is a member of `role`.
            size: Connections at the most.
            role: What to run as.
            idle_lease_seconds: How long a transaction may sleep before it is taken away.

        Raises:
            StorageError: The database cannot be reached, or has no such role yet.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                reset=_keep,
                server_settings=session_settings(role, idle_lease_seconds),
                command_timeout=30,
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StorageError(
                f"Cannot connect to PostgreSQL as {role}: {error}. "
                "Check BOT_DATABASE_URL, and run `bot db upgrade` if the database is new."
            ) from error
        return cls(pool, dsn)

    async def close(self) -> None:
        """Close all connections, waiting for what runs on them."""
        await self._pool.close()

    def terminate(self) -> None:
        """Close all connections at once."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside of any tenant: it sees no rows, but may call the queue functions."""
        async with self._pool.acquire() as connection:
            yield connection

    def tenant(self, tenant_id: TenantId) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees the rows of one tenant. Commits at the end; any exception rolls back."""
        return self._transaction(f"BEGIN; {_see(tenant_id)}")  # one round trip for both

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees no rows until it enters a tenant, and may call the queue functions."""
        return self._transaction("BEGIN")

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[Connection]:
        async with self._pool.acquire() as connection:
            try:
                await connection.execute(begin)
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise
            await commit(connection)


async def enter(connection: Connection, tenant_id: TenantId) -> None:
    """See the rows of this tenant, and only these, for the rest of the transaction."""
    await connection.execute(_see(tenant_id))


def _see(tenant_id: TenantId) -> str:
    return f"SELECT set_config('app.tenant_id', '{int(tenant_id)}', true)"  # true: it ends with the transaction


async def commit(connection: Connection) -> None:
    """Commit.

    Raises:
        StorageError: PostgreSQL rolled back instead, because a statement had failed.
    """
    if await connection.execute("COMMIT") != "COMMIT":
        raise StorageError("The transaction was rolled back instead of committed.")


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """Undo only what happens inside, when it raises."""
    await connection.execute("SAVEPOINT inner_work")
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK TO SAVEPOINT inner_work; RELEASE SAVEPOINT inner_work")
        raise
    await connection.execute("RELEASE SAVEPOINT inner_work")


def session_settings(role: str, idle_lease_seconds: float = IDLE_LEASE_SECONDS) -> dict[str, str]:
    """Settings of every session of ours."""
    return {
        "role": role,
        "application_name": "sirdar",
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": f"{round(idle_lease_seconds * 1000)}ms",
        "jit": "off",  # our statements are short; compiling them takes longer than running them
        # Statistics of queues lag behind, so statements say themselves which keys they are about (`= ANY`, LATERAL) and
        # are planned once: a plan then costs no more than the batch is large, whatever the planner believes.
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
    }


def columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Turn rows into the `width` columns that `unnest` takes; no rows give empty columns."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def by_tenant(rows: Sequence[Any]) -> dict[TenantId, list[Any]]:
    """Rows of several tenants, apart."""
    found: dict[TenantId, list[Any]] = {}
    for row in rows:
        found.setdefault(row["tenant_id"], []).append(row)
    return found


async def _keep(connection: Any) -> None:
    """What the pool does to a returned connection: nothing, since only SET LOCAL is ever used."""
