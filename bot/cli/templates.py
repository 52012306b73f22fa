"""`bot templates`: check, hand in, ask for and show message templates."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.authoring.content import Content
from bot.authoring.whatsapp import CheckedTemplates, check_templates, users_of
from bot.cli.running import run
from bot.cli.tenant import load_tenant_settings
from bot.config import load_database_settings
from bot.core.errors import SirdarError
from bot.core.whatsapp import WhatsAppTemplate, sendable
from bot.runtime.bootstrap import System, open_system
from bot.runtime.project import content_dir, project_actions
from bot.runtime.templates import Pushed, fingerprint, named, push, sync, would_push
from providers.base import TemplateClient
from providers.templates import build_template
from storage.base import StoredTemplate, TemplateMove

Format = Literal["text", "json"]
AsFormat = Annotated[Format, Parameter(name="--format", help="json: for scripts")]

_STYLES = {
    "APPROVED": "green", "FLAGGED": "yellow", "PENDING": "cyan", "IN_APPEAL": "cyan", "DRAFT": "dim",
    "handed in": "cyan", "changed": "cyan", "as it was": "dim", "would hand in": "cyan", "would change": "cyan",
}  # fmt: skip


# --- check ----------------------------------------------------------------------------------------------------------


def check(*, as_format: AsFormat = "text") -> int:
    """Check templates/whatsapp/ against WhatsApp's rules; asks nobody. Exits with 1 when a file is wrong."""
    settings = load_database_settings()
    root = content_dir(settings)
    checked = check_templates(root, project_actions(settings, root))
    if as_format == "json":
        _write(
            {
                "templates": [build_template(one) for one in checked.templates.values()],
                "errors": checked.errors,
                "findings": [asdict(one) for one in checked.findings],
            }
        )
    else:
        _print_checked(checked, root, Console(highlight=False))
    return 1 if checked.errors else 0


def _print_checked(checked: CheckedTemplates, root: Path, console: Console) -> None:
    table = _table("Template", "Language", "Category", "Parameters", "Buttons")
    for (name, language), template in sorted(checked.templates.items()):
        parameters = ", ".join(template.parameter_names) if template.named else str(template.parameter_count)
        table.add_row(name, language, template.category, parameters, ", ".join(one.text for one in template.buttons))
    if checked.templates:
        console.print(table)
    for one in checked.findings:
        style = "bold red" if one.severity == "error" else "bold yellow"
        where = f"{root / one.file}:{one.line}:{one.column}"
        console.print(
            Text.assemble((where, "bold"), " ", (one.severity, style), f" {one.message} {one.hint}".rstrip()),
            soft_wrap=True,
        )
    style = "bold red" if checked.errors else "bold green"
    count, warnings = len(checked.templates), len(checked.findings) - checked.errors
    console.print(Text(f"{count} usable, {checked.errors} errors, {warnings} warnings", style))


# --- push, sync -----------------------------------------------------------------------------------------------------


def hand_in(
    *names: Annotated[str, Parameter(help="Which; all when none is named")],
    dry_run: Annotated[bool, Parameter(negative=(), help="Only tell what would be handed in")] = False,
    as_format: AsFormat = "text",
) -> int:
    """Hand in what the provider does not have, and other words where it takes them.

    Exits with 1 when the provider refused one, or has other words and keeps them.
    """
    settings = load_tenant_settings()

    async def main() -> list[Pushed]:
        async with open_system(settings, deploy=False) as system:
            ours = named(system.ours.values(), names)
            if dry_run:
                return await would_push(_desk(system), ours)
            return await push(_desk(system), system.templates, ours, system.clock, system.samples.of)

    outcomes = run(main())
    if as_format == "json":
        _write([asdict(one) for one in outcomes])
    else:
        table = _table("Template", "Language", "Done", "Status", "")
        for one in outcomes:
            style = _STYLES.get(one.deed, "bold red")
            table.add_row(one.name, one.language, Text(one.deed, style), _status(one.status), one.told)
        Console(highlight=False).print(table)
    return 1 if any(one.deed in ("refused", "differs") for one in outcomes) else 0


def ask(*, as_format: AsFormat = "text") -> None:
    """Ask the provider for every template and record what it says."""
    settings = load_tenant_settings()

    async def main() -> tuple[list[TemplateMove], list[Line]]:
        async with open_system(settings, deploy=False) as system:
            moves = await sync(_desk(system), system.templates, system.ours, system.clock)
            return moves, await _lines(system)

    moves, lines = run(main())
    if as_format == "json":
        _write({"moved": [asdict(one) for one in moves], "templates": [asdict(one) for one in lines]})
        return
    console = Console(highlight=False)
    for move in moves:
        waited = f", {move.released} messages that had waited go out" if move.released else ""
        console.print(
            Text.assemble(f"{move.name} ({move.language}): {move.before or 'new'} → ", _status(move.after), waited)
        )
    _print_lines(lines, console)


def _desk(system: System) -> TemplateClient:
    if system.desk is None:
        raise SirdarError("This number has no provider that could be asked.")
    return system.desk


# --- status ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One template in one language: ours, the provider's, or both."""

    name: str
    language: str
    category: str
    status: str
    sendable: bool
    quality: str | None
    flows: list[str]
    note: str
    asked_at: datetime | None


def status(*, as_format: AsFormat = "text") -> int:
    """Show what is known of each template, and which flows need it; asks nobody.

    Exits with 1 when a flow needs a template that may not be sent.
    """
    settings = load_tenant_settings()

    async def main() -> list[Line]:
        async with open_system(settings, deploy=False) as system:
            return await _lines(system)

    lines = run(main())
    if as_format == "json":
        _write([asdict(one) for one in lines])
    else:
        _print_lines(lines, Console(highlight=False))
    return 1 if any(one.flows and not one.sendable for one in lines) else 0


async def _lines(system: System) -> list[Line]:
    return list(lines_of(system.content, await system.templates.all()))


def lines_of(content: Content, known: Sequence[StoredTemplate]) -> list[Line]:
    """Our templates beside what the database knows."""
    theirs = {(one.name, one.language): one for one in known}
    ours = content.whatsapp_templates
    return [_line(content, key, ours.get(key), theirs.get(key)) for key in sorted({*ours, *theirs})]


def _line(content: Content, key: tuple[str, str], ours: WhatsAppTemplate | None, theirs: StoredTemplate | None) -> Line:
    notes = []
    if theirs is None:
        notes.append("Not known yet: bot templates sync.")
    elif theirs.status == "DRAFT":
        notes.append("Not handed in: bot templates push.")
    elif theirs.reason:
        notes.append(theirs.reason)
    if ours is None:
        notes.append("There is no file for it.")
    elif theirs is not None:
        if theirs.fingerprint is not None and theirs.fingerprint != fingerprint(ours):
            notes.append("The file has changed since: bot templates push.")
        if theirs.category != ours.category and theirs.status != "DRAFT":
            notes.append(f"WhatsApp takes it for {theirs.category}; the file says {ours.category}.")
    found = theirs.status if theirs is not None else "UNKNOWN"
    named_category = theirs.category if theirs is not None else ours.category if ours is not None else ""
    return Line(
        name=key[0],
        language=key[1],
        category=named_category,
        status=found,
        sendable=sendable(found),
        quality=theirs.quality if theirs is not None else None,
        flows=users_of(content, key[0]) if ours is not None else [],
        note=" ".join(notes),
        asked_at=theirs.updated_at if theirs is not None else None,
    )


def _print_lines(lines: Sequence[Line], console: Console) -> None:
    if not lines:
        console.print("There are no message templates.", style="dim")
        return
    table = _table("Template", "Language", "Category", "Status", "Quality", "Needed by", "")
    for one in lines:
        table.add_row(
            one.name, one.language, one.category, _status(one.status), one.quality or "", ", ".join(one.flows), one.note
        )
    console.print(table)


def _status(word: str) -> Text:
    return Text(word, _STYLES.get(word, "bold red"))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _write(document: Mapping[str, Any] | Sequence[Any]) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=2, default=lambda value: value.isoformat())
    sys.stdout.write(text + "\n")
