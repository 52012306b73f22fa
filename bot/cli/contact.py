"""`bot contact export|erase|merge|merges|unmerge`."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.cli.tenant import load_tenant_settings
from bot.config import Settings
from bot.core.errors import ActionError, ConfigError, StorageError
from bot.core.phones import read_phone
from bot.operations.acting import Acting
from bot.operations.erasing import MediaLeftError, erase_person
from bot.operations.people import merge as merge_contacts
from bot.operations.people import merges_of, undo_merge
from bot.operations.privacy import export_person, find_person
from bot.runtime.bootstrap import System, open_system
from storage.crypto import Vault
from storage.postgres import PostgresMedia

_TRIES = 5

Who = Annotated[str, Parameter(help="Number of the contact, or phone number like +9779812345678")]


def export(
    who: Who,
    *,
    to: Annotated[
        Path | None, Parameter(help="File to write, readable by its owner only; unset: standard output")
    ] = None,
) -> None:
    """Write everything kept about a person, as one JSON document."""
    settings = load_tenant_settings()

    async def main() -> str:
        async with _opened(settings) as system, system.office.acting(system.channel.tenant_id, name="cli") as acting:
            try:
                document = await export_person(acting, system.foundation.vault, _plain(who, settings))
            except ActionError as error:
                raise StorageError(str(error)) from None
        return json.dumps(document, indent=2, ensure_ascii=False, default=str)

    text = run(main())
    if to is None:
        sys.stdout.write(text + "\n")
        return
    to.touch(mode=0o600)
    to.write_text(text + "\n", encoding="utf-8")
    Console(highlight=False, stderr=True).print(f"Written to {to}.", style="green", markup=False)


def erase(who: Who, *, yes: Annotated[bool, Parameter(negative="", help="Do not ask")] = False) -> int:
    """Erase a person: name, addresses, words, files. Amounts of bookings and payments stay. It cannot be undone."""
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(["Nobody can be asked here: add --yes to erase."])
        console = Console(highlight=False)
        console.print("Everything that tells of this person is erased for good.", style="yellow")
        if console.input("Type yes to go on: ").strip().lower() != "yes":
            console.print("Nothing was changed.")
            return 1

    settings = load_tenant_settings()

    async def main() -> int:
        async with _opened(settings) as system:
            return await erase_in(system, _plain(who, settings))

    rows = run(main())
    Console(highlight=False).print(f"Erased: {rows} rows were deleted or emptied.", style="green")
    return 0


def merge(
    keep: Annotated[str, Parameter(help="Who goes on: number of the contact, or phone number")],
    gone: Annotated[str, Parameter(help="Who is the same person")],
) -> None:
    """Make one person of two contacts: what belonged to one belongs to the other, roles as well."""
    settings = load_tenant_settings()

    async def main() -> dict[str, Any]:
        async with _acting(settings) as (acting, vault):
            kept, other = [
                await find_person(acting.db, vault, acting.tenant_id, _plain(who, settings)) for who in (keep, gone)
            ]
            return await merge_contacts(acting, keep=kept, gone=other)

    made = run(main())
    told = f"Contact {made['gone']} is part of contact {made['kept']}. To undo it: bot contact unmerge {made['id']}"
    Console(highlight=False).print(told, style="green")


def merges() -> None:
    """Show which contacts were made one, by staff and by what WhatsApp told, newest first."""
    settings = load_tenant_settings()

    async def main() -> list[Any]:
        async with _acting(settings) as (acting, _):
            return await merges_of(acting)

    table = Table("merge", "when", "kept", "gone", "by", "", title="Merged contacts", title_justify="left")
    for row in run(main()):
        told = "undone" if row["status"] == "UNDONE" else ""
        when = f"{row['merged_at']:%Y-%m-%d %H:%M}"
        table.add_row(str(row["merge_id"]), when, str(row["kept_id"]), str(row["gone_id"]), row["merged_by"], told)
    Console(highlight=False).print(table)


def unmerge(number: Annotated[int, Parameter(help="Of the merge, as `bot contact merges` shows it")]) -> None:
    """Make two contacts of one again. What came since stays with who was kept."""
    settings = load_tenant_settings()

    async def main() -> dict[str, Any]:
        async with _acting(settings) as (acting, vault):
            return await undo_merge(acting, vault, number)

    done = run(main())
    told = f"Contacts {done['kept']} and {done['gone']} are two people again."
    Console(highlight=False).print(told, style="green")


async def erase_in(system: System, who: int | str) -> int:
    """Erase somebody's files, then the rest; returns how many rows."""
    tenant, base = system.channel.tenant_id, system.foundation
    try:
        async with system.office.acting(tenant, name="cli") as acting:
            person = await find_person(acting.db, base.vault, tenant, who)
        for _ in range(_TRIES):
            try:
                async with system.office.acting(tenant, name="cli") as acting:
                    return int((await erase_person(acting, base.vault, person))["rows"])
            except MediaLeftError as error:
                await PostgresMedia(base.database).forget(tenant, system.store, error.media)
            except asyncpg.DeadlockDetectedError:
                continue  # somebody was at work there; they have gone on
    except ActionError as error:
        raise StorageError(str(error)) from None
    raise StorageError("The person is busy right now: nothing was erased but files. Try again.")


def _plain(who: str, settings: Settings) -> int | str:
    """A contact's number, or a phone number in E.164."""
    if who.isascii() and who.isdigit() and len(who) < 8:
        return int(who)
    return read_phone(who, settings.whatsapp_phone_number) or who


@asynccontextmanager
async def _acting(settings: Settings) -> AsyncIterator[tuple[Acting, Vault]]:
    """In the name of whoever is at the keyboard; what is refused is told as it is."""
    async with _opened(settings) as system:
        try:
            async with system.office.acting(system.channel.tenant_id, name="cli") as acting:
                yield acting, system.foundation.vault
        except ActionError as error:
            raise StorageError(str(error)) from None


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[System]:
    async with open_system(settings, deploy=False) as system:
        yield system
