"""`bot webhooks add|list|remove|replay`."""

import re
import secrets
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.cli.tenant import open_desk
from bot.core.errors import ConfigError, StorageError
from storage.postgres.outside import add_endpoint, dead_jobs, endpoints, remove_endpoint
from storage.postgres.outside import replay as replay_jobs

_SECRET_BYTES = 32
_URL = re.compile(r"https://[^\s/@?#]+(/\S*)?|http://(localhost|127\.0\.0\.1)(:\d+)?(/\S*)?")
_ACTION = re.compile(r"[A-Z][A-Z0-9_]*")


def add(
    url: Annotated[str, Parameter(help="https://…; plain http only on this computer")],
    *,
    action: Annotated[
        list[str] | None, Parameter(help="What to tell of, as on the timeline: LEAD_CREATED… Unset: everything")
    ] = None,
) -> None:
    """Have a URL told of what happens to business objects. The secret is shown now and never again."""
    if not _URL.fullmatch(url):
        raise ConfigError(["That is not an https:// address without a user name and password."])
    wrong = [one for one in action or () if not _ACTION.fullmatch(one)]
    if wrong:
        raise ConfigError([f"{', '.join(wrong)}: actions are written like LEAD_CREATED."])
    secret = secrets.token_hex(_SECRET_BYTES)

    async def main() -> int:
        async with open_desk() as desk:
            number = await add_endpoint(desk.db, desk.vault, desk.tenant, url, secret.encode(), action or (), desk.now)
            await desk.note("webhooks.added", endpoint=number)
            return number

    number = run(main())
    Console(highlight=False, stderr=True).print(
        f"Endpoint {number}. The secret that signs is not shown again:", style="yellow"
    )
    Console(highlight=False, soft_wrap=True).print(secret, markup=False)


def show(*, limit: Annotated[int, Parameter(help="How many of those given up")] = 20) -> None:
    """List who is told, how much waits for them, and what was given up."""

    async def main() -> tuple[Table, Table]:
        told, dead = (
            Table("number", "url", "actions", "waiting", "given up"),
            Table("job", "for", "tries", "why", "since"),
        )
        async with open_desk() as desk:
            for one in await endpoints(desk.db, desk.tenant):
                actions = " ".join(one.actions) or "all"
                told.add_row(str(one.endpoint_id), one.url, actions, str(one.waiting), str(one.dead))
            for job in await dead_jobs(desk.db, desk.tenant, limit):
                since = f"{job['created_at']:%Y-%m-%d %H:%M}"
                about = job["call"] or job["lane"]
                dead.add_row(str(job["job_id"]), about, str(job["attempts"]), job["last_error"] or "", since)
        return told, dead

    told, dead = run(main())
    console = Console(highlight=False)
    console.print(told)
    if dead.row_count:
        console.print("Given up; `bot webhooks replay` tries again:", style="bold")
        console.print(dead)


def remove(number: Annotated[int, Parameter(help="As `bot webhooks list` shows it")]) -> None:
    """Tell a URL no more; what waits for it is dropped."""

    async def main() -> None:
        async with open_desk() as desk:
            if not await remove_endpoint(desk.db, desk.tenant, number, desk.now):
                raise StorageError(f"There is no endpoint {number}.")
            await desk.note("webhooks.removed", endpoint=number)

    run(main())
    Console(highlight=False).print(f"Endpoint {number} is told no more.", style="green")


def replay(job: Annotated[int | None, Parameter(help="One job; unset: all that were given up")] = None) -> None:
    """Try again what was given up, in order; calls of other systems too."""

    async def main() -> int:
        async with open_desk() as desk:
            count = await replay_jobs(desk.db, desk.tenant, desk.now, job)
            await desk.note("webhooks.replayed", jobs=count)
            return count

    Console(highlight=False).print(f"{run(main())} will be tried again.", style="green")
