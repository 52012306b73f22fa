"""`bot dead list|retry`."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.cli.tenant import open_desk
from bot.core.errors import ConfigError, StorageError
from storage.postgres.dead import DeadLetter, dead_letters, revive


def show(*, limit: Annotated[int, Parameter(help="How many at the most")] = 20) -> None:
    """List events that failed again and again, the latest first, and why."""

    async def main() -> list[DeadLetter]:
        async with open_desk() as desk:
            return await dead_letters(desk.db, desk.tenant, limit)

    console = Console(highlight=False)
    found = run(main())
    if not found:
        console.print("Nothing was put aside.", style="green")
        return
    table = Table("event", "what", "message", "tries", "since", "why")
    for one in found:
        message = str(one.message_id) if one.message_id is not None else ""
        since = f"{one.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(one.event_id), one.kind, message, str(one.attempts), since, one.error)
    console.print(table)
    console.print("`bot explain MESSAGE` tells more; `bot dead retry EVENT` tries again.", style="dim")


def retry(
    *events: Annotated[int, Parameter(help="As `bot dead list` shows them")],
    all_: Annotated[bool, Parameter(name="--all", negative="", help="Everything that was put aside")] = False,
) -> None:
    """Process events again, after the cause is mended; they come after what people have written since."""
    if bool(events) == all_:
        raise ConfigError(["Name events, or --all."])

    async def main() -> int:
        async with open_desk() as desk:
            count = await revive(desk.db, desk.tenant, None if all_ else events, desk.now)
            if not count and events:
                raise StorageError(f"There is no such event: {', '.join(map(str, events))}. See `bot dead list`.")
            await desk.note("dead_letters.retried", events=list(events), count=count)
            return count

    Console(highlight=False).print(f"{run(main())} will be tried again.", style="green")
