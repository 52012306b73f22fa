"""`bot demo`: everything at once, with phones in the browser and nothing to set up."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.cli.backstage import SystemBackstage
from bot.cli.bubbles import PLAIN_WIDTH, Bubbles, Lines
from bot.cli.cast import troupe_of
from bot.cli.logs import configure_logs
from bot.cli.running import run
from bot.cli.script import BUILT_IN, Hear, Rehearsal, read_steps
from bot.cli.theatre import Theatre, open_demo, open_rehearsal
from bot.config import DatabaseSettings, load_database_settings
from bot.core.errors import SirdarError
from bot.runtime.project import content_dir
from providers.emulator.settings import ProviderName
from storage.postgres.tokens import create_token

STORY = (
    (
        "On Maya's phone (customer), write, and tap what is offered",
        ("Hi, interested in EBC Trek for 2 people in December",),
    ),
    (
        "Be sales: on the desk below, or in a terminal",
        ("{bot} act quotes.draft lead=LEAD1 trip=TRP123", "{bot} act quotes.send quote=QUO1"),
    ),
    ("On Maya's phone again, and pay behind the link that comes", ("Looks good, how do I book?",)),
    ("On Pasang's phone (guide)", ("ISSUE TRP123 Vehicle breakdown at checkpoint",)),
    (
        "Be the manager: on the desk, or in a terminal",
        ("{bot} act incidents.update incident=INC1 text='A jeep comes at 14:00' public='We go on an hour later'",),
    ),
    ("On Pasang's phone again", ("RESOLVED TRP123",)),
)
"""What to do with the example's phones, one after the other, and in whose place."""

_MANAGER = "SELECT min(contact_id) FROM contact_roles WHERE tenant_id = $1 AND role = 'manager'"


def demo(
    file: Annotated[
        Path | None,
        Parameter(name="FILE", help="With --script: the script; unset: the one in demo.yaml, or a built-in one"),
    ] = None,
    /,
    *,
    port: Annotated[int, Parameter(help="Where the phones are; the server takes the next one")] = 8080,
    provider: Annotated[
        Literal["meta", "twilio", "360dialog"], Parameter(help="Whose API the phones speak with the bot")
    ] = "meta",
    script: Annotated[
        bool, Parameter(negative=(), help="Play a conversation here, check the answers, and stop")
    ] = False,
) -> int:
    """Start everything, with phones in the browser and nothing to set up.

    Database, server, worker, sender and phones run in this process and talk over HTTP as WhatsApp would. Whose phones
    they are stands in demo.yaml, beside your flows; without it, a small trekking business is played.
    """
    settings = load_database_settings()
    configure_logs("debug" if settings.bot_log_level == "debug" else "warning", settings.bot_log_format)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, no_color=True, width=PLAIN_WIDTH)
    if script or file is not None:
        return _play(settings, console, file, port, provider)
    try:
        run(_serve(settings, console, port, provider))
    except KeyboardInterrupt:  # while it was starting
        console.print()
    console.print("Stopped.", style="dim")
    return 0


async def _serve(settings: DatabaseSettings, console: Console, port: int, provider: ProviderName) -> None:
    async with open_demo(settings, Spinners(console), port, provider) as theatre:
        console.print(_welcome(theatre, port, settings.bot_data_dir / "demo"))
        # In no panel, and never cut: it is there to be clicked or copied.
        console.print(f"\nThe manager's desk: {await _desk(theatre)}", style="dim", soft_wrap=True)
        await theatre.running
        console.print("\nStopping…", style="dim")


def _play(settings: DatabaseSettings, console: Console, file: Path | None, port: int, provider: ProviderName) -> int:
    troupe = troupe_of(content_dir(settings))
    if file is None and troupe.file is not None and not troupe.scripted:
        raise SirdarError(f"{troupe.file} has no script. Give it `script:`, or name a file: bot demo --script FILE")
    steps = read_steps(file or troupe.file or BUILT_IN, troupe.people)
    screen: Bubbles | Lines
    if console.is_terminal:
        screen = Bubbles(console, business=troupe.business)
    else:
        screen = Lines(console, times=True, business=troupe.business)

    async def main() -> str | None:
        async with open_rehearsal(settings, Spinners(console), port, provider) as theatre:
            console.print()
            backstage = SystemBackstage(theatre.system)
            return await Rehearsal(theatre.emulator, screen, people=troupe.people, backstage=backstage).play(steps)

    began = time.monotonic()
    missing = run(main())
    if missing is not None:
        console.print(f"✗ {missing}", style="bold red", markup=False)
        return 1
    expected = sum(isinstance(step, Hear) for step in steps)
    console.print(
        f"✓ All {expected} expected answers came; {time.monotonic() - began:.1f} s in all.", style="bold green"
    )
    return 0


_CARRIERS: dict[ProviderName, str] = {
    "meta": "Meta's Cloud API, emulated",
    "twilio": "Twilio, emulated",
    "360dialog": "360dialog, emulated",
}


class Spinners:
    """A line per step: a spinner while it is under way, a tick when it is done.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Show a step."""
        ended = ""

        def done(how: str) -> None:
            nonlocal ended
            ended = how

        with self._console.status(f"{name}…", spinner="dots"):
            yield done
        self._console.print(Text.assemble(("✓ ", "green"), f"{name:<10}", (ended, "dim")))


async def _desk(theatre: Theatre) -> str:
    """The address of the web desk, with a token for a day in the name of whoever manages, if anybody does."""
    system = theatre.system
    tenant, now = system.channel.tenant_id, system.clock()
    async with system.foundation.database.tenant(tenant) as db:
        manager = await db.fetchval(_MANAGER, tenant)
        _, token = await create_token(
            db, system.foundation.vault, tenant, name="Demo", role="manager", scopes=["*:read", "*:write"], at=now,
            expires_at=now + timedelta(days=1), contact_id=manager,
        )  # fmt: skip
    return f"{theatre.server_url.replace('127.0.0.1', 'localhost')}/desk#{token}"


def _welcome(theatre: Theatre, wanted: int, folder: Path) -> Group:
    phones = theatre.emulator.base_url.replace("127.0.0.1", "localhost")
    server = theatre.server_url.replace("127.0.0.1", "localhost")
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row(Text("Phones", "bold"), Text(phones, "bold cyan underline"), Text("← open this", "dim"))
    addresses.add_row(Text("Provider", "bold"), Text(_CARRIERS[theatre.emulator.settings.provider]), Text())
    addresses.add_row(Text("Server", "bold"), Text(f"{server}/healthz", "cyan"), Text(f"{server}/metrics", "cyan"))
    lines: list[Table | Text | Padding] = [addresses, Text()]
    troupe = theatre.troupe
    command = f"BOT_DATA_DIR={folder} {_command()}"
    if troupe.file is None:
        steps = [(told, tuple(one.format(bot=command) for one in deeds)) for told, deeds in STORY]
    else:
        steps = [(f"On {one.name}'s phone ({one.part}), write", (one.hint,)) for one in troupe.people if one.hint]
    steps.append(("See why it answered as it did", (f"{command} explain latest",)))
    for place, (told, deeds) in enumerate(steps, 1):
        lines.append(Text.assemble((f"{place}  ", "bold"), told))
        lines += [Padding(Text(deed, "green"), (0, 0, 0, 5)) for deed in deeds]
    lines += [Text(), Text("Ctrl-C stops everything. Nothing leaves this computer.", "dim")]
    panel = Panel(Group(*lines), title=Text("Sirdar demo", "bold"), title_align="left", padding=(1, 2), expand=False)
    bound = int(theatre.emulator.base_url.rpartition(":")[2])
    taken = [Text(f"Port {wanted} is taken, so the phones are on {bound}.", "yellow")] if bound != wanted else []
    return Group(Text(), *taken, panel)


def _command() -> str:
    """How to call us in the reader's shell."""
    if shutil.which("bot"):
        return "bot"
    return os.path.relpath(sys.argv[0])
