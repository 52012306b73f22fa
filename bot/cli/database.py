"""`bot db upgrade`."""

from contextlib import AsyncExitStack

from rich.console import Console

from bot.cli.running import run
from bot.config import load_database_settings
from bot.runtime.opening import database_dsn
from storage.migrations import head, upgrade


def upgrade_database() -> None:
    """Bring the schema of the database up to date; a database that is up to date stays as it is."""
    settings = load_database_settings()

    async def main() -> list[str]:
        async with AsyncExitStack() as stack:
            dsn, _ = await database_dsn(settings, stack)
            return await upgrade(dsn)

    console = Console(highlight=False)
    applied = run(main())
    for revision in applied:
        console.print(f"applied {revision}", style="green")
    console.print(f"The database is at revision {head()}.")
