"""Telling an outage, which passes, from an error that will happen again."""

import asyncio

import asyncpg

_PASSING = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg stumbles over when a connection dies in the middle of a statement
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, or our transaction was idle for too long
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # serialisation failure, deadlock
    asyncpg.InvalidTransactionStateError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover is under way
)
_OURS = (asyncpg.DataError,)  # asyncpg's own DataError is an InterfaceError, but trying again will not help


def is_outage(error: BaseException) -> bool:
    """Whether the database, not what we asked of it, is the reason; the same work may succeed later."""
    return isinstance(error, _PASSING) and not isinstance(error, _OURS)
