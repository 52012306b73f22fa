"""`bot new`: a project of one's own, complete enough to be talked to at once."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.config import Settings
from bot.core.errors import SirdarError
from bot.runtime.project import example_dir

SCAFFOLD = Path(__file__).parents[1] / "scaffold"
_COMMON = "templates/en/common.j2"
_HIDDEN = "dot-"  # begins the names of files that begin with a dot: packaging tools have views of their own on these
_NAME = "@@name@@"
_LONGEST = 60  # characters of a name; WhatsApp's footer has no room for more
_SPECIAL = re.compile(r'["\\{}\x00-\x1f]')  # would end a text in YAML or begin one in Jinja
_NEXT = (
    ("bot demo", "two phones in your browser, and nothing to set up"),
    ("bot simulate", "chat here in the terminal"),
    ("bot check", "what is wrong, where, and what to do"),
    ("bot test", "play the conversations in tests/"),
    ("bot graph", "the flows as pictures"),
)


def new(
    folder: Annotated[Path, Parameter(name="DIR", help="The folder to make")],
    /,
    *,
    name: Annotated[str, Parameter(help="What the business is called; unset: as the folder")] = "",
) -> None:
    """Make a project of your own: flows, words, actions and tests of a small business, ready to be changed.

    It runs as it is: a workshop that repairs bikes; customers choose a free time and the mechanic sees who comes.
    """
    name = " ".join((name or called(folder)).split())
    if not name or len(name) > _LONGEST or _SPECIAL.search(name):
        raise SirdarError(f"--name: at most {_LONGEST} characters, and no quotes, braces or backslashes among them.")
    files = make(folder, name)
    console = Console(highlight=False)
    console.print(Text.assemble(("✓ ", "bold green"), (name, "bold"), f" is in {folder}: {len(files)} files"))
    console.print(_what_next(folder))


def make(folder: Path, name: str) -> list[Path]:
    """Write all files of a new project.

    Args:
        folder: Made if need be; has to be empty.
        name: What the business is called.

    Returns:
        What was written.

    Raises:
        SirdarError: There is something in the folder already, or it cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SirdarError(f"{folder} is not empty. Choose another folder; nothing was written.")
        written = []
        for path, text in project_files(name):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
            written.append(target)
    except OSError as error:
        raise SirdarError(f"{folder} cannot be written: {error}") from error
    return written


def project_files(name: str) -> Iterator[tuple[str, str]]:
    """Paths and texts of a new project."""
    for path in sorted(SCAFFOLD.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield _visible(path.relative_to(SCAFFOLD)), path.read_text(encoding="utf-8").replace(_NAME, name)
    yield _COMMON, (example_dir() / _COMMON).read_text(encoding="utf-8")
    yield ".env.example", env_example()
    yield "requirements.txt", f"{requirement()}\n"


def called(folder: Path) -> str:
    """What a business in such a folder may be called: `bike-shop` → `Bike Shop`."""
    return re.sub(r"[-_.\s]+", " ", folder.resolve().name).strip().title()


def env_example() -> str:
    """Every setting with its meaning and default, all of them commented out."""
    fields = Settings.model_fields
    needed = [name for name, field in fields.items() if field.default is PydanticUndefined]
    lines = ["# Settings: copy this file to .env and fill in what you need. The environment wins over .env.", ""]
    lines.append(
        "# --- `bot serve` needs these; everything else works without --------------------------------------------"
    )
    for name in needed:
        lines += ["", f"# {_sentence(fields[name])}", f"# {name.upper()}="]
    lines += [
        "",
        "# --- What may be left as it is ---------------------------------------------------------------------------",
    ]
    for name, field in fields.items():
        if name not in needed:
            lines += ["", f"# {_sentence(field)}", f"# {name.upper()}={_shown(field.default)}"]
    return "\n".join(lines) + "\n"


def requirement() -> str:
    """This very Sirdar, as pip takes it: from where it was installed, by PEP 610, else its version."""
    found = metadata.distribution("sirdar")
    extras = "sirdar[embedded,simulator,testing]"
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return f"{extras}=={found.version}"
    vcs = origin.get("vcs_info")
    url = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    return f"{extras} @ {url}"


def _sentence(field: FieldInfo) -> str:
    text = str(field.description)
    return f"{text[:1].upper()}{text[1:]}."


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _visible(path: Path) -> str:
    """The path with its hidden names as they are meant."""
    return "/".join(f".{part.removeprefix(_HIDDEN)}" if part.startswith(_HIDDEN) else part for part in path.parts)


def _what_next(folder: Path) -> Padding:
    steps = Table.grid(padding=(0, 2))
    if folder.resolve() != Path.cwd():
        steps.add_row(Text(f"cd {shlex.quote(str(folder))}", "bold cyan"))
    for command, meaning in _NEXT:
        steps.add_row(Text(command, "bold cyan"), Text(meaning, "dim"))
    panel = Panel(steps, title=Text("What next", "bold"), title_align="left", padding=(1, 2), expand=False)
    return Padding(panel, (1, 0, 0, 0))
