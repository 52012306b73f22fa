"""Applying revisions with Alembic. Imported only when there is something to apply: it is half of a server's start."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from bot.core.errors import StorageError
from storage.migrations import VERSION_SCHEMA, VERSION_TABLE

# Any number that nothing else in the database locks.
_ADVISORY_LOCK = 0x5157_DA12

# Roles belong to all databases of a server, the advisory lock to one: upgrades of two databases can collide over them.
_ATTEMPTS = 10
_RETRY_SECONDS = 0.1

# Alembic keeps the migration it is running in module globals. Not an asyncio.Lock: those belong to one event loop.
_alembic = threading.Lock()
_POLL_SECONDS = 0.01


async def apply_revisions(dsn: str, to: str, versions: Path) -> list[str]:
    """Apply the revisions that a database lacks.

    Any number of processes may call this at once; one works, the others wait and find nothing left to do.

    Args:
        dsn: Connection string for asyncpg, of a user who owns the database and may create roles.
        to: Revision to stop at. One that is already applied does nothing.
        versions: Directory of the revisions.

    Returns:
        The revisions applied by this call, oldest first.

    Raises:
        StorageError: A script failed, and the message names it; its revision left no trace, earlier ones stay. Or the
            database belongs to a newer version of the code.
    """
    applied: list[str] = []
    config = _config(versions)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with _connected(dsn) as connection:
                await _upgrade_locked(connection, config, to, applied)
        except StorageError as error:
            if attempt == _ATTEMPTS or not _collided(error.__cause__):
                raise
        else:
            return applied
        await asyncio.sleep(_RETRY_SECONDS * attempt)
    raise AssertionError("the last attempt returns or raises")


def run_script(revision_file: str) -> None:
    """Run the SQL script that lies beside a revision's Python file; revisions call this with their `__file__`.

    The whole script goes to the server as it is, so it may hold many statements and bodies in `$$`, but no `COMMIT` and
    nothing that only psql understands.
    """
    path = Path(revision_file).with_suffix(".sql")
    script = path.read_text(encoding="utf-8")
    bind = op.get_bind()
    # What an earlier script SET must not depend on whether both run in one session. It also makes SQLAlchemy begin the
    # transaction, which it would not do for a statement that goes around it.
    bind.execute(text("RESET ALL"))
    driver = bind.connection.driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101  narrows the type
    try:
        await_only(driver.execute(script))
        # Deferred constraints are checked now, while we can still tell whose fault it is.
        await_only(driver.execute("SET CONSTRAINTS ALL IMMEDIATE"))
    except asyncpg.PostgresError as error:
        position = getattr(error, "position", None)
        line = f":{script.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
        raise StorageError(f"{path}{line}: {error}") from error
    if not driver.is_in_transaction():
        raise StorageError(f"{path}: it ends its transaction, so half of it may be applied: remove COMMIT or ROLLBACK")


def _config(versions: Path) -> Config:
    config = Config()
    options = {
        "script_location": str(Path(__file__).parent),
        # Else Alembic splits the next one at spaces and colons.
        "path_separator": "newline",
        "version_locations": str(versions),
    }
    for name, setting in options.items():
        config.set_main_option(name, setting.replace("%", "%%"))
    return config


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, dsn), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _upgrade_locked(connection: AsyncConnection, config: Config, to: str, applied: list[str]) -> None:
    # Held by the session, across the transactions of several revisions, until the connection closes.
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
    before = await _current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        raise StorageError(
            f"the database is at revision {before}, which this version of sirdar does not know: "
            "a newer version has upgraded it; install that one, or restore a backup"
        )
    if before is None:
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
    await connection.commit()
    while not _alembic.acquire(blocking=False):  # noqa: ASYNC110  an event cannot be shared between loops
        await asyncio.sleep(_POLL_SECONDS)
    try:
        await connection.run_sync(_run_alembic, config, to, applied)
        # A server logs in as a mere member of the runtime role, and asks which revision it finds.
        await connection.execute(text(f"GRANT USAGE ON SCHEMA {VERSION_SCHEMA} TO sirdar_runtime"))
        await connection.execute(text(f"GRANT SELECT ON {VERSION_TABLE} TO sirdar_runtime"))
        await connection.commit()
    except StorageError as error:
        await connection.rollback()
        stays = await _current(connection)
        raise StorageError(f"{error}\nThe database stays at revision {stays or 'none'}.") from error.__cause__
    finally:
        _alembic.release()


def _run_alembic(connection: Connection, config: Config, to: str, applied: list[str]) -> None:
    config.attributes["connection"] = connection
    config.attributes["applied"] = applied
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise StorageError(str(error)) from error


async def _current(connection: AsyncConnection) -> str | None:
    exists = await connection.scalar(text("SELECT to_regclass(:table)"), {"table": VERSION_TABLE})
    if exists is None:
        return None
    revision: str | None = await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return revision


def _collided(error: BaseException | None) -> bool:
    match error:
        case asyncpg.DeadlockDetectedError():
            return True
        case asyncpg.UniqueViolationError(table_name="pg_authid" | "pg_auth_members"):
            return True
        case asyncpg.InternalServerError():
            return "tuple concurrently updated" in str(error)
    return False
