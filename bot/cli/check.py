"""`bot check`: what is wrong with flows, intents and templates, where, and what to do."""

import atexit
import contextlib
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from bot.authoring.carriers import CARRIERS, USUAL, Carrier
from bot.authoring.content import FlowFile, Loader
from bot.authoring.linter import Finding
from bot.authoring.linter import inspect as lint
from bot.authoring.sources import Memory
from bot.authoring.watching import stamp
from bot.config import DatabaseSettings, chosen_provider, load_database_settings
from bot.core.errors import ConfigError, ContentErrors
from bot.operations import standard_actions
from bot.runtime.project import content_dir, keep_models, project_actions

Format = Literal["text", "json", "github"]
Provider = Literal["meta", "twilio", "360dialog"]

WATCH_SECONDS = 0.3
atexit.register(gc.freeze)  # at the end, nobody need look for garbage among a million objects that stay
_STYLES = {"error": "bold red", "warning": "bold yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a content folder; files are relative to where we are."""

    flows: int
    states: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings stop a deploy."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line."""
        counts = {
            "flow": self.flows,
            "state": self.states,
            "error": self.errors,
            "warning": len(self.findings) - self.errors,
        }
        return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def check(
    *,
    as_format: Annotated[Format, Parameter(name="--format", help="github: annotations on a pull request")] = "text",
    provider: Annotated[Provider | None, Parameter(help="whose limits count; unset: as WHATSAPP_PROVIDER says")] = None,
    watch: Annotated[bool, Parameter(negative="", help="check again whenever a file is saved, until Ctrl+C")] = False,
) -> int:
    """Check flows, intents and templates; says what is wrong, where, and what to do.

    Exits with 1 when there are errors.
    """
    settings = load_database_settings()
    root = content_dir(settings)
    keep_models(settings)
    if watch:
        if as_format != "text":
            raise ConfigError(["--watch is for people: leave --format out."])
        return keep_checking(root, settings, _saved(root), provider)
    report = inspect(root, settings, carrier=carrier_of(provider))
    shapes: dict[str, Callable[[Report], None]] = {"text": _print, "json": _print_json, "github": _print_github}
    shapes[as_format](report)
    return 1 if report.errors else 0


def carrier_of(provider: Provider | None) -> Carrier:
    """What the provider carries that is named here, or in the settings."""
    return CARRIERS[provider] if provider is not None else CARRIERS.get(chosen_provider(), USUAL)


def keep_checking(
    root: Path, settings: DatabaseSettings, saved: Iterable[object], provider: Provider | None = None
) -> int:
    """Check now, and whenever something was saved; files that are as they were are not compiled again.

    Args:
        root: The content folder.
        settings: Whose BOT_ACTIONS names the project's actions, which are imported once.
        saved: Yields when there is something new; ends when it is enough.
        provider: Whose limits count.
    """
    memory: Memory[FlowFile] = Memory()
    errors = 0
    with contextlib.suppress(KeyboardInterrupt):
        for _ in itertools.chain([None], saved):
            began = time.perf_counter()
            report = inspect(root, settings, memory, carrier_of(provider))
            errors = report.errors
            _print(report)
            Console(highlight=False).print(f"checked in {time.perf_counter() - began:.2f} s", style="dim")
    return 1 if errors else 0


def _saved(root: Path) -> Iterator[object]:
    seen = stamp(root)
    while True:
        time.sleep(WATCH_SECONDS)
        now = stamp(root)
        if now != seen:
            seen = now
            yield now


def inspect(
    root: Path, settings: DatabaseSettings, memory: Memory[FlowFile] | None = None, carrier: Carrier = USUAL
) -> Report:
    """Check a content folder and count what is in it.

    While the project's own actions are wrong, nothing else is said: every flow that calls them would be wrong, too.
    `memory` has what was compiled before, and afterwards what was compiled now.
    """
    beside = memory is None  # what another process compiles, this one would not remember
    memory = memory or Memory()
    try:
        loader = Loader(root, project_actions(settings, root), known=memory)
        findings = lint(loader, carrier, beside=beside)
    except ContentErrors as mistakes:
        loader = Loader(root, standard_actions())
        loader.read()
        findings = [Finding.of(mistake, "actions") for mistake in mistakes.errors]
    memory.become(loader.made)
    specs = [file.spec for file in (*loader.flow_files, *loader.others)]
    near = root.resolve().is_relative_to(Path.cwd())
    folder = Path(os.path.relpath(root)) if near else root.resolve()
    return Report(
        flows=len(specs),
        states=sum(len(spec.states) for spec in specs),
        findings=tuple(replace(one, file=str(folder / one.file)) for one in findings),
    )


def _print(report: Report) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in report.findings:
        style = _STYLES[finding.severity]
        where = f"{finding.file}:{finding.line}:{finding.column}"
        console.print(
            Text.assemble(
                (where, "bold"), " ", (finding.severity, style), f" {finding.message} ", (f"[{finding.code}]", "dim")
            )
        )
        for line in _quoted(finding):
            console.print(Text(f"    {line}", "dim"))
        if finding.hint:
            console.print(Text.assemble("    ", ("→ ", "cyan"), finding.hint))
    style = _STYLES["error"] if report.errors else _STYLES["warning"] if report.findings else "bold green"
    console.print(Text(report.summary, style))


def _quoted(finding: Finding) -> Sequence[str]:
    """The line the finding is about, with a mark below the place."""
    try:
        lines = Path(finding.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    if not 0 < finding.line <= len(lines) or finding.column == 1:
        return ()  # the whole line, or the whole file, is meant
    line = lines[finding.line - 1]
    cut = len(line) - len(line.lstrip())
    return (line.strip(), " " * (finding.column - 1 - cut) + "^") if finding.column > cut else (line.strip(),)


def _print_json(report: Report) -> None:
    document = {
        "flows": report.flows,
        "states": report.states,
        "errors": report.errors,
        "warnings": len(report.findings) - report.errors,
        "findings": [asdict(finding) for finding in report.findings],
    }
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _print_github(report: Report) -> None:
    """Workflow commands, as GitHub Actions reads them from a job's output."""
    for finding in report.findings:
        place = (
            f"file={_property(finding.file)},line={finding.line},col={finding.column},title={_property(finding.code)}"
        )
        text = f"{finding.message} {finding.hint}".strip()
        sys.stdout.write(f"::{finding.severity} {place}::{_data(text)}\n")
    sys.stdout.write(report.summary + "\n")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
