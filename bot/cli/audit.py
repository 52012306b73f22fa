"""`bot audit verify`."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.cli.running import run
from bot.config import load_database_settings
from bot.core.errors import ConfigError, StorageError
from bot.runtime.loop import utc_now
from bot.runtime.opening import open_foundation
from storage.postgres.audit import Anchor, AuditChain, Checked, Finding
from storage.postgres.inspection import Inspection

_MOST_SHOWN = 50


def verify(
    *,
    anchor: Annotated[
        Path | None, Parameter(help="File that remembers the last head; unset: audit-anchor.json in the data directory")
    ] = None,
) -> int:
    """Go through the whole audit log and find what was edited, removed, cut off or put in.

    Exits with 1 when something was. The head of a log that is whole is kept in a file, so that next time nobody can
    have set the log back to an older state. Keep that file out of reach of those who administer the database.
    """
    settings = load_database_settings()
    path = anchor or settings.bot_data_dir / "audit-anchor.json"
    known = _read(path)
    findings: list[Finding] = []
    console = Console(highlight=False, soft_wrap=True)

    async def main() -> tuple[int, Anchor]:
        async with open_foundation(settings) as foundation:
            tenant = await Inspection(foundation.database).tenant(settings.bot_tenant)
            if tenant is None:
                raise StorageError(f"There is no tenant {settings.bot_tenant}: BOT_TENANT says whose log to verify.")
            chain = AuditChain(foundation.database, foundation.vault)
            while await chain.seal(tenant, utc_now()):
                pass
            return await _go_through(chain.verify(tenant, known.get(settings.bot_tenant)), findings, console)

    checked, head = run(main())
    for finding in findings[:_MOST_SHOWN]:
        console.print(f"{finding.place}: {finding.told}", style="red", markup=False)
    if findings:
        more = f" The first {_MOST_SHOWN} are shown." if len(findings) > _MOST_SHOWN else ""
        console.print(f"The audit log was tampered with: {len(findings)} findings.{more}", style="bold red")
        return 1
    _write(path, {**known, settings.bot_tenant: head})
    console.print(f"The audit log is whole: {checked} entries in {head.seal} seals.", style="green")
    return 0


async def _go_through(
    items: AsyncIterator[Finding | Checked | Anchor], findings: list[Finding], console: Console
) -> tuple[int, Anchor]:
    checked, head = 0, Anchor(seal=0, chain="")
    looks = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*looks, console=console, transient=True) as progress:
        bar = progress.add_task("verify", total=None)
        async for item in items:
            match item:
                case Finding():
                    findings.append(item)
                case Checked(entries=entries, of=total):
                    checked = entries
                    progress.update(bar, completed=entries, total=total)
                case Anchor():
                    head = item
    return checked, head


def _read(path: Path) -> dict[str, Anchor]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {tenant: Anchor(**head) for tenant, head in document.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError([f"{path} is not an anchor of the audit log. Move it away to begin anew."]) from error


def _write(path: Path, heads: Mapping[str, Anchor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = json.dumps({tenant: asdict(head) for tenant, head in heads.items()}, indent=2)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(document + "\n", encoding="utf-8")
    fresh.replace(path)
