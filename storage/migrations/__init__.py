"""Bring a database to the revision this code needs.

A revision is a script in `versions/`, `0002_what_changes.sql`, and a few lines of Python of the same name that tell
Alembic its place in the line. Each runs in a transaction of its own together with the version stamp, so a database is
always at one revision or the next, never in between. There is no way back: restore a backup.

`schema.sql` is the truth that people read; a test compares it with what the revisions add up to. For that, columns that
a revision adds stand last in their table there. Revisions that were released are never edited.

Alembic's version table is in a schema of its own, because `GRANT ... ON ALL TABLES IN SCHEMA public` would hand it to
the runtime role.
"""

from pathlib import Path

import asyncpg

from bot.core.errors import StorageError

VERSIONS = Path(__file__).parent / "versions"
VERSION_SCHEMA = "migrations"
VERSION_TABLE = f"{VERSION_SCHEMA}.alembic_version"


async def upgrade(dsn: str, to: str = "head", *, versions: Path = VERSIONS) -> list[str]:
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
    if to == "head" and await current(dsn) == head(versions=versions):
        return []
    from storage.migrations.upgrading import apply_revisions

    return await apply_revisions(dsn, to, versions)


async def current(dsn: str) -> str | None:
    """Return the revision a database is at; None when no revision was ever applied.

    Raises:
        StorageError: The database cannot be reached, or this login may not see its revision.
    """
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageError(f"Cannot connect to PostgreSQL: {error}. Check BOT_DATABASE_URL.") from error
    try:
        if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
            return None
        revision: str | None = await connection.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    except asyncpg.InsufficientPrivilegeError as error:
        login = await connection.fetchval("SELECT quote_ident(session_user)")
        raise StorageError(
            f"The login {login} may not work in this database: {error}. "
            f"As a superuser, in this database: GRANT sirdar_runtime TO {login}"
        ) from error
    finally:
        await connection.close()
    return revision


def head(*, versions: Path = VERSIONS) -> str:
    """Return the newest revision there is: the files' names begin with it, and sort by age."""
    scripts = sorted(path.name for path in versions.glob("[0-9]*.py"))
    if not scripts:
        raise StorageError(f"there are no revisions in {versions}: reinstall sirdar")
    return scripts[-1].partition("_")[0]
