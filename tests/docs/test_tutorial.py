"""The tutorial works: every command on it is run, in its order, and every change it shows is made.

How the page speaks to this test:

- a `sh` block is run; the `text` block below it says what it prints, a line each, and what is typed (`customer: …`)
- `<!-- exits: 1 -->` above a block: it is meant to fail
- `<!-- runs until: words -->` above a block: it goes on running once it has printed the words, until `<!-- stopped -->`
- `<!-- where: source -->`: in the source folder. Its environment is the one that runs this test, so of `make setup`
  only the plan is made
- a `diff` block changes the file that its first line names; a `yaml` block is a new file
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pages import ROOT

from bench.processes import free_port

TUTORIAL = ROOT / "docs" / "tutorial.md"
PART = re.compile(
    r"^<!-- (?P<note>where|exits|runs until|stopped)(?:: (?P<value>.+?))? -->$"
    r"|^```(?P<language>[a-z]+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
STARTS_WITHIN, STOPS_WITHIN, COMMAND_TAKES = 300.0, 120.0, 600.0  # seconds, on a busy machine


@dataclass(slots=True)
class Command:
    """A block of shell, and what is said about it."""

    line: int
    text: str
    notes: dict[str, str]
    told: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Change:
    """A file that is made or changed."""

    line: int
    language: str
    text: str


def parts() -> Iterator[Command | Change | None]:
    """What the page does, in its order; None: what runs is stopped."""
    page = TUTORIAL.read_text(encoding="utf-8")
    notes: dict[str, str] = {}
    last: Command | None = None
    for match in PART.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        match match["language"]:
            case None if match["note"] == "stopped":
                if last is not None:
                    yield last
                last = None
                yield None
            case None:
                notes[match["note"]] = match["value"]
            case "text":
                assert last is not None, f"line {line}: whose output is this?"
                last.told = match["text"].splitlines()
            case "sh":
                if last is not None:
                    yield last
                last, notes = Command(line, match["text"], notes), {}
            case language:
                if last is not None:
                    yield last
                last = None
                yield Change(line, language, match["text"])
    if last is not None:
        yield last


@dataclass(slots=True)
class Reader:
    """Somebody who does what the page says."""

    folder: Path
    environment: dict[str, str]
    running: "subprocess.Popen[str] | None" = None
    log: Path | None = None

    def do(self, command: Command) -> None:
        """Run a block and look at what it prints."""
        if command.notes.get("where") == "source":
            self._plan(command)
        elif "runs until" in command.notes:
            self._start(command)
        else:
            self._run(command)

    def change(self, change: Change) -> None:
        """Make or change a file."""
        first, _, rest = change.text.partition("\n")
        path = self.folder / first.removeprefix("# ")
        where = f"line {change.line}, {path.name}"
        if change.language != "diff":
            assert not path.exists(), f"{where} is there already"
            path.write_text(change.text, encoding="utf-8")
            return
        lines = rest.splitlines()
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{where}: this stands there {text.count(before)} times:\n{before}"
        path.write_text(text.replace(before, after), encoding="utf-8")

    def stop(self) -> None:
        """Ctrl-C."""
        if self.running is None:
            return
        self.running.send_signal(signal.SIGINT)
        assert self.running.wait(timeout=STOPS_WITHIN) == 0
        self.running = None

    def _plan(self, command: Command) -> None:
        make, activate = command.text.splitlines()
        subprocess.run(["make", "--dry-run", *make.split()[1:]], cwd=ROOT, check=True, capture_output=True)
        assert activate == "source .venv/bin/activate"

    def _run(self, command: Command) -> None:
        typed = [line.split(": ", 1)[1] for line in command.told if re.match(r"\w+: ", line)]
        here = self.folder / ".here"
        done = subprocess.run(
            ["bash", "-e", "-c", f'{command.text}\npwd > "{here}"'],
            input="".join(f"{line}\n" for line in typed),
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=COMMAND_TAKES,
            check=False,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == int(command.notes.get("exits", 0)), f"line {command.line}: {command.text}\n{shown}"
        for line in command.told:
            assert line.strip() in shown, f"line {command.line}: “{line}” is not in\n{shown}"
        if here.exists():
            moved = here.read_text(encoding="utf-8").strip()
            here.unlink()
            self.folder = Path(moved)

    def _start(self, command: Command) -> None:
        self.log = self.folder.parent / f"line-{command.line}.log"
        with self.log.open("w") as log:
            self.running = subprocess.Popen(
                ["bash", "-c", f"exec {command.text.strip()}"],
                stdout=log, stderr=subprocess.STDOUT, env=self.environment, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        wanted = re.compile(command.notes["runs until"])
        until = time.monotonic() + STARTS_WITHIN
        while not wanted.search(self.log.read_text(encoding="utf-8")):
            shown = self.log.read_text(encoding="utf-8")
            assert self.running.poll() is None, f"line {command.line}: it ended.\n{shown}"
            assert time.monotonic() < until, f"line {command.line}: not up within {STARTS_WITHIN:g} s.\n{shown}"
            time.sleep(0.1)


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Somebody with an empty folder and none of our settings.

    Not pytest's folder: each session that starts shuts these to other accounts, and PostgreSQL never runs as root.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BOT_", "WHATSAPP_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    with tempfile.TemporaryDirectory(prefix="tutorial-", ignore_cleanup_errors=True) as folder:
        reader = Reader(Path(folder), kept | {"PATH": path, "NO_COLOR": "1", "BOT_PORT": str(free_port())})
        yield reader
        if reader.running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(reader.running.pid, signal.SIGKILL)
            reader.running.wait()


def test_everything_on_the_page_works(reader: Reader) -> None:
    for part in parts():
        match part:
            case None:
                reader.stop()
            case Command():
                reader.do(part)
            case Change():
                reader.change(part)
    assert reader.running is None


def test_every_shell_block_is_run() -> None:
    page = TUTORIAL.read_text(encoding="utf-8")
    assert sum(isinstance(part, Command) for part in parts()) == len(re.findall(r"^```sh$", page, re.MULTILINE))
