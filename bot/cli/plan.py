"""`bot plan`: what the content folder would do to the conversations under way, before it is deployed."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.authoring.content import Content, load_content
from bot.authoring.whatsapp import users_of
from bot.cli.running import run
from bot.config import DatabaseSettings, load_database_settings
from bot.core.errors import StorageError
from bot.core.whatsapp import sendable
from bot.runtime.opening import open_foundation
from bot.runtime.plan import STRANDED, StatePlan, plan
from bot.runtime.project import content_dir, project_actions
from storage.postgres import FlowVersions
from storage.postgres.inspection import Inspection

Format = Literal["text", "json"]

_STYLES = {
    "kept": "green", "renamed": "cyan", "migrated": "cyan", "moved": "yellow", "ended": "yellow",
    "orphaned": "bold red", "lost": "bold red",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen.

    Attributes:
        states: What happens to the runs in each state, by flow and version.
        fresh: Flow versions that the database has not seen yet.
        warnings: What would not stop a deploy.
    """

    states: Sequence[StatePlan]
    fresh: Sequence[tuple[str, int]]
    warnings: Sequence[str]

    @property
    def stranded(self) -> int:
        """Runs that have nowhere to go."""
        return sum(one.live.runs for one in self.states if one.outcome in STRANDED)


def show_plan(
    *,
    as_format: Annotated[Format, Parameter(name="--format", help="json: for scripts")] = "text",
) -> int:
    """Show what the flows of this folder would do to the conversations under way; changes nothing.

    Exits with 1 when some of them have nowhere to go.
    """
    settings = load_database_settings()
    found = run(preview(settings))
    if as_format == "json":
        sys.stdout.write(json.dumps(_document(found), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(found, Console(highlight=False))
    return 1 if found.stranded else 0


async def preview(settings: DatabaseSettings) -> Preview:
    """Compare the content folder with the database.

    Raises:
        StorageError: The database does not know the tenant yet.
    """
    root = content_dir(settings)
    content = load_content(root, project_actions(settings, root))
    async with open_foundation(settings, connections=2) as foundation:
        tenant = await Inspection(foundation.database).tenant(settings.bot_tenant)
        if tenant is None:
            raise StorageError(
                f"There is no number of tenant {settings.bot_tenant} yet: `bot serve` enters it when it starts."
            )
        async with FlowVersions(foundation.database, tenant).look() as deployment:
            known = await deployment.fingerprints()
            states = plan(content, known, await deployment.live())
            statuses = await deployment.template_statuses()
    fresh = sorted(key for key in content.sources if key not in known)
    return Preview(states=states, fresh=fresh, warnings=_unapproved(content, statuses))


def _unapproved(content: Content, statuses: Mapping[tuple[str, str], str]) -> list[str]:
    """WhatsApp templates that cannot be sent, with the flows that name them; one line while no status is known."""
    templates = sorted(content.whatsapp_templates)
    needed = {key: users for key in templates if (users := users_of(content, key[0]))}
    if not statuses:
        names = ", ".join(dict.fromkeys(name for name, _ in needed))
        told = f"Flows need WhatsApp templates ({names}), of which no status is known: bot templates sync."
        return [told] if needed else []
    found = []
    for name, language in templates:
        status = statuses.get((name, language), "DRAFT")
        if not sendable(status):
            users, word = needed.get((name, language), ["no flow"]), "not handed in" if status == "DRAFT" else status
            found.append(f"WhatsApp template {name} ({language}) is {word}; used by {', '.join(users)}.")
    return found


def _document(found: Preview) -> dict[str, Any]:
    return {
        "stranded": found.stranded,
        "states": [
            {
                "flow": one.live.flow,
                "version": one.live.version,
                "state": one.live.state,
                "conversations": one.live.conversations,
                "instances": one.live.instances,
                "outcome": one.outcome,
                "to_version": one.version,
                "to_state": one.state,
                "slots": list(one.slots),
                "drop": list(one.drop),
                "hint": one.hint,
            }
            for one in found.states
        ],
        "new_versions": [{"flow": flow, "version": version} for flow, version in found.fresh],
        "warnings": list(found.warnings),
    }


def _print(found: Preview, console: Console) -> None:
    if found.states:
        console.print(_table(found.states))
    else:
        console.print("Nobody is in any flow.", style="dim")
    for flow, version in found.fresh:
        console.print(Text.assemble(("new", "green"), f"  {flow} v{version}"))
    for warning in found.warnings:
        console.print(Text.assemble(("warning", "bold yellow"), f"  {warning}"))
    if found.stranded:
        console.print(Text(f"{found.stranded} running with nowhere to go.", "bold red"))
    else:
        console.print(Text("Nobody is left behind.", "bold green"))


def _table(states: Sequence[StatePlan]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("Flow", "Version", "State"):
        table.add_column(name, overflow="fold")
    table.add_column("Running", justify="right")
    table.add_column("What happens", overflow="fold")
    before = ("", 0)
    for one in states:
        key = (one.live.flow, one.live.version)
        shown = (key[0] if key[0] != before[0] else "", f"v{key[1]}" if key != before else "")
        table.add_row(*shown, one.live.state, _count(one), _told(one))
        before = key
    return table


def _count(one: StatePlan) -> str:
    live = one.live
    if not live.instances:
        return str(live.conversations)
    objects = f"{live.instances} object{'' if live.instances == 1 else 's'}"
    return f"{live.conversations} + {objects}" if live.conversations else objects


def _told(one: StatePlan) -> Text:
    on = f"v{one.version}"
    stays = one.version == one.live.version
    told = {
        "kept": f"stays on {on}" if stays else f"goes on in {on}",
        "renamed": f"goes on in {on} as {one.state}",
        "migrated": f"goes on in {on}",
        "moved": f"is sent to {one.state} of {on}",
        "ended": "ends",
        "orphaned": "orphaned: the state is gone",
        "lost": "lost: the version is gone",
    }
    parts = [told[one.outcome]]
    if one.slots:
        parts.append(f"new values: {', '.join(one.slots)}")
    if one.drop:
        parts.append(f"forgotten: {', '.join(one.drop)}")
    text = Text("; ".join(parts), _STYLES[one.outcome])
    return Text.assemble(text, "\n", (f"→ {one.hint}", "dim")) if one.hint else text
