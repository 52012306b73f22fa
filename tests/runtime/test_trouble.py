"""What passes is waited for; what does not is counted against the event that caused it."""

import asyncpg
import pytest

from bot.runtime.trouble import is_outage


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout"),
        asyncpg.InterfaceError("connection is closed"),
        # asyncpg raises it when PostgreSQL is killed while a statement is being prepared.
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_outage_is_nobodys_fault(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        RuntimeError(),
        asyncpg.UniqueViolationError(""),
        asyncpg.UndefinedTableError(""),
        asyncpg.DataError(""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_will_happen_again_is_no_outage(error: Exception) -> None:
    assert not is_outage(error)
