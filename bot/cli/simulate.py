"""`bot simulate`: chat with the flows in this terminal."""

import contextlib
import importlib.util
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from bot.authoring.simulator import Input, SimulatorMistake, read_script
from bot.cli import replaying
from bot.cli.bubbles import PLAIN_WIDTH, Bubbles, Lines
from bot.cli.cast import BUSINESS, CAST, Player, Troupe, player, troupe_of
from bot.cli.lines import Stage
from bot.cli.logs import configure_logs
from bot.cli.opening import open_session
from bot.cli.running import run
from bot.config import DatabaseSettings, load_database_settings
from bot.core.errors import SirdarError
from bot.runtime.project import content_dir
from storage.postgres.history import History

if TYPE_CHECKING:
    from bot.cli.recording import Recorder


def simulate(
    *,
    role: Annotated[str, Parameter(help="Whose phone to begin with: customer, guide, sales, manager")] = "customer",
    name: Annotated[str, Parameter(help="What that person is called")] = "",
    at: Annotated[str, Parameter(help="When it is, like 2026-11-22T09:00")] = "",
    script: Annotated[Path | None, Parameter(help="Play the lines of a file; `? text` checks the last reply")] = None,
    plain: Annotated[bool, Parameter(negative=(), help="Line by line, as in a pipe; no phone on the screen")] = False,
    record: Annotated[Path | None, Parameter(help="Write what is played as a test for `bot test`")] = None,
    replay: Annotated[
        str, Parameter(help="Play a real conversation up to this message: our number, wamid…, or latest")
    ] = "",
) -> int:
    """Chat with the flows on your content folder; no server needed, and nothing is kept.

    Exits with 1 when a script's check fails.
    """
    settings = load_database_settings()
    troupe = troupe_of(content_dir(settings))
    who = player(role, troupe.people)
    if who is None:
        raise SirdarError(f"Nobody here is {role}: there are {', '.join(one.part for one in troupe.people)}.")
    configure_logs("debug" if settings.bot_log_level == "debug" else "critical", settings.bot_log_format)
    steps = _read_file(script) if script is not None else None
    show = _Show.planned(who, name, _moment(at), troupe)
    if replay:
        show = show.after(run(replaying.fetch(settings, replay)))
    recorder = _recorder(record, show) if record is not None else None
    console = Console(highlight=False)
    if steps is None and not plain and _whole_terminal(console):
        if importlib.util.find_spec("textual") is not None:
            return run(_on_screen(settings, show, recorder))
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            "The phone on the whole screen needs textual: pip install 'sirdar[simulator]'. Until then, line by line.",
            style="yellow",
            markup=False,
        )
    return run(_in_lines(settings, show, recorder, steps, drawn=console.is_terminal and not plain))


def _whole_terminal(console: Console) -> bool:
    """Whether somebody sits at it: textual reads keys from stdin and draws on stderr."""
    return console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty() and sys.stderr.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Show:
    """Who plays, when it begins, and what has been said before."""

    who: Player
    cast: tuple[Player, ...] = CAST
    now: datetime | None = None
    past: History | None = None
    business: str = BUSINESS

    @classmethod
    def planned(cls, who: Player, name: str, now: datetime | None, troupe: Troupe) -> "_Show":
        """With a name of one's own, if one is given."""
        called = replace(who, name=name) if name else who
        cast = tuple(called if one is who else one for one in troupe.people)
        return cls(who=called, cast=cast, now=now, business=troupe.business)

    def after(self, past: History) -> "_Show":
        """Begins with what was said before."""
        cast, who = replaying.casting(past, self.cast)
        return replace(self, who=who, cast=cast, now=replaying.beginning(past), past=past)


async def _on_screen(settings: DatabaseSettings, show: _Show, recorder: "Recorder | None") -> int:
    from bot.cli.screen.app import PhoneApp  # an extra, and slow to import

    async with AsyncExitStack() as stack:
        app = PhoneApp(
            lambda: stack.enter_async_context(open_session(settings, show.who, show.now, cast=show.cast)),
            show.cast,
            show.who,
            recorder=recorder,
            past=show.past,
            business=show.business,
        )
        await app.run_async()
    if app.failure is not None:
        raise app.failure
    return 0


async def _in_lines(
    settings: DatabaseSettings, show: _Show, recorder: "Recorder | None", steps: list[tuple[int, Input]] | None,
    *, drawn: bool,
) -> int:  # fmt: skip
    console = Console(highlight=False) if drawn else Console(highlight=False, no_color=True, width=PLAIN_WIDTH)
    if drawn:
        with contextlib.suppress(ImportError):  # not on every platform
            import readline  # noqa: F401  gives `input` a history and editing
    own = steps is not None or show.past is not None
    screen = Bubbles(console, own=own, business=show.business) if drawn else Lines(console, business=show.business)
    stage = Stage(screen, recorder)
    stage.opening(show.who, settings.bot_data_dir)
    async with open_session(settings, show.who, show.now, cast=show.cast) as session:
        if show.past is not None:
            await stage.replay(session, show.past)
        if steps is not None:
            return await stage.play(session, steps)
        await stage.chat(session)
        return 0


def _recorder(path: Path, show: _Show) -> "Recorder":
    from bot.cli.recording import Recorder  # needs the conversation tests, which nobody else does

    if path.suffix != ".yaml":
        raise SirdarError(f"--record {path}: a conversation test is a .yaml file.")
    if path.exists():
        raise SirdarError(f"--record {path}: this file exists already; choose another name.")
    return Recorder(path, show.cast, show.who)


def _read_file(path: Path) -> list[tuple[int, Input]]:
    try:
        return list(read_script(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SirdarError(f"{path} cannot be read: {error}") from error
    except SimulatorMistake as mistake:
        raise SirdarError(f"{path}: {mistake}") from mistake


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SirdarError(f"--at {text}: write it like 2026-11-22T09:00") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
