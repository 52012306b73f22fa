"""`bot keys rotate|status`."""

import os
from collections.abc import AsyncIterator
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot.cli.running import run
from bot.config import DatabaseSettings, load_database_settings
from bot.core.errors import StorageError
from bot.runtime.bootstrap import listen
from bot.runtime.failpoints import failpoint
from bot.runtime.foundation import Foundation
from bot.runtime.loop import utc_now
from bot.runtime.opening import open_foundation, secret_keys
from storage.crypto import KEY_BYTES, check_value, keep_secrets
from storage.postgres.keys import Processes, Ring, begin_rotating, open_ring, processes
from storage.postgres.rotation import Progress as Step
from storage.postgres.rotation import Rotation

_TOLD = {
    "READY": "next: blind indexes are written under it as well",
    "CURRENT": "encrypts",
    "RETIRING": "is being replaced: what it encrypted is encrypted anew",
    "LEAVING": "is being replaced: nothing is looked up under it any more",
    "RETIRED": "not used any more",
}


def rotate(
    *, wait: Annotated[float, Parameter(help="Seconds to wait for servers that have not taken a step yet")] = 60.0
) -> None:
    """Put the next secret key in the place of the current one, while everything runs.

    Begin with the next key in BOT_SECRET_KEY on every host, after a comma, and all servers restarted. Without
    BOT_SECRET_KEY it is made and kept in the data directory, and servers find it by themselves. Killed, it goes on
    where it was.
    """
    settings = load_database_settings()
    console = Console(highlight=False, soft_wrap=True)

    async def main() -> Ring:
        async with open_foundation(settings) as base:
            own = await listen(base.dsn)
            try:
                if not await begin_rotating(own):
                    raise StorageError("Somebody else is replacing the key at this moment.")
                if settings.bot_secret_key is None:
                    await _make_next(settings, base)
                rotation = Rotation(base.database, secret_keys(settings), utc_now, patience=wait, stop=_stop)
                await _show(rotation.run(), console)
                ring = await open_ring(base.database, secret_keys(settings))
                if settings.bot_secret_key is None:
                    keep_secrets(settings.bot_data_dir, [ring.keys.secrets[ring.keys.seal]])
                return ring
            finally:
                own.terminate()

    ring = run(main())
    console.print(
        f"Key {ring.keys.seal} is in force, and nothing is left that was made with the one before.", style="green"
    )
    if settings.bot_secret_key is not None and (gone := _places(settings, ring, "RETIRED")):
        console.print(f"In BOT_SECRET_KEY, remove key {gone[0]} of {gone[1]}, on every host.")


def status() -> None:
    """Show which secret keys this database knows, which are in BOT_SECRET_KEY here, and whether servers keep up."""
    settings = load_database_settings()

    async def main() -> tuple[Ring, Processes]:
        async with open_foundation(settings) as base:
            ring = await open_ring(base.database, secret_keys(settings))
            async with base.database.connection() as db:
                return ring, await processes(db, ring.version)

    ring, who = run(main())
    given = [check_value(secret) for secret in secret_keys(settings)]
    table = Table("key", "since", "check", "here", "", title="Secret keys", title_justify="left")
    for key in ring.known:
        told = "nothing is left of it" if key.gone_at else _TOLD[key.state]
        here = str(given.index(key.check_value) + 1) if key.check_value in given else "no"
        table.add_row(str(key.number), f"{key.created_at:%Y-%m-%d}", key.check_value.hex(), here, told)
    strange = [one for one in given if one not in {key.check_value for key in ring.known}]
    for one in strange:
        table.add_row("–", "", one.hex(), str(given.index(one) + 1), "given here, not used yet: `bot keys rotate`")
    console = Console(highlight=False)
    console.print(table)
    lack = f", {who.lacking} lack a key" if who.lacking else ""
    console.print(f"{who.all} servers, {who.all - who.behind} of them go by this{lack}.")


async def _make_next(settings: DatabaseSettings, base: Foundation) -> None:
    """Make the next key in the data directory, unless there is one."""
    secrets = secret_keys(settings)
    ring = await open_ring(base.database, secrets)
    if len(secrets) == 1 and all(key.state == "CURRENT" or key.gone_at for key in ring.known):
        keep_secrets(settings.bot_data_dir, [*secrets, os.urandom(KEY_BYTES)])


async def _show(steps: AsyncIterator[Step], console: Console) -> None:
    looks = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*looks, console=console, transient=True) as progress:
        bar = progress.add_task("replacing the key", total=None)
        async for step in steps:
            progress.update(bar, description=step.step, completed=step.done, total=step.of)


async def _stop(place: str) -> None:
    failpoint(f"keys.{place.replace(' ', '_')}")


def _places(settings: DatabaseSettings, ring: Ring, state: str) -> tuple[int, int] | None:
    """Which of the keys given here has a state, and how many are given."""
    given = [check_value(secret) for secret in secret_keys(settings)]
    found = [given.index(key.check_value) + 1 for key in ring.known if key.state == state and key.check_value in given]
    return (found[0], len(given)) if found else None
