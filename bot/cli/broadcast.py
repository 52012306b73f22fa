"""`bot broadcast`: one template to many people."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bot.cli.running import run
from bot.cli.tenant import load_tenant_settings
from bot.core.errors import ActionError, ConfigError, SirdarError
from bot.operations import broadcasts
from bot.operations.acting import Acting
from bot.runtime.bootstrap import open_system
from bot.runtime.office import Office

_WATCH_SECONDS = 1.0
_PAGE = 500
_STYLES = {"delivered": "green", "read": "bold green", "failed": "red", "unknown": "yellow", "skipped": "dim"}

Code = Annotated[str, Parameter(help="Id or code, like BRC7")]


def draft(
    name: Annotated[str, Parameter(help="What to call it")],
    template: Annotated[str, Parameter(help="Name of an approved message template")],
    *,
    to: Annotated[str, Parameter(help='Whom: JSON, like {"languages": ["en"]}; or a file with it')] = "{}",
    parameter: Annotated[list[str] | None, Parameter(help="Text for {{1}}, {{2}}…, in turn")] = None,
    marketing: Annotated[bool, Parameter(help="Only to who agreed; else to all who did not forbid it")] = True,
    per_minute: Annotated[int, Parameter(help="How many at the most")] = 600,
    timezone: Annotated[str, Parameter(help="Of the hours, like Asia/Kathmandu")] = "UTC",
    hours: Annotated[str, Parameter(help="When it may go out")] = "09:00-20:00",
) -> None:
    """Prepare a broadcast and show how many it would go to; nothing is sent."""
    first, dash, last = hours.partition("-")
    if not dash:
        raise ConfigError([f"--hours {hours}: write it like 09:00-20:00."])
    segment = Path(to).read_text(encoding="utf-8") if not to.lstrip().startswith("{") else to

    async def work(acting: Acting) -> dict[str, Any]:
        return await broadcasts.draft(
            acting, name=name, template=template, segment=segment, parameters=parameter or [], marketing=marketing,
            per_minute=per_minute, timezone=timezone, not_before=first, not_after=last,
        )  # fmt: skip

    made = _do(work)
    _console().print(f"{made['code']}: {made['people']:,} people. Send it: bot broadcast start {made['code']}")


def start(code: Code, *, at: Annotated[str, Parameter(help="When: 2026-12-01T09:00+05:45; else now")] = "") -> None:
    """Send a broadcast, now or later."""
    moved = _do(lambda acting: broadcasts.start(acting, broadcast=code, at=at))
    _console().print(f"{moved['code']} is {moved['status'].lower()}, to {moved['people']:,} people.")


def pause(code: Code) -> None:
    """Stop handing on; what is on its way still goes out."""
    _say(_do(lambda acting: broadcasts.pause(acting, broadcast=code)))


def resume(code: Code) -> None:
    """Go on where it paused."""
    _say(_do(lambda acting: broadcasts.resume(acting, broadcast=code)))


def cancel(code: Code) -> None:
    """End it; who was not written to yet will not be."""
    _say(_do(lambda acting: broadcasts.cancel(acting, broadcast=code)))


def retry(code: Code) -> None:
    """Try again with those whose message failed for certain."""
    moved = _do(lambda acting: broadcasts.retry(acting, broadcast=code))
    _console().print(f"{moved['code']}: {moved['people']:,} people are tried again.")


def status(
    code: Annotated[str, Parameter(help="Id or code; without one, the latest are listed")] = "",
    *,
    watch: Annotated[bool, Parameter(help="Stay, and show how it goes on")] = False,
    failed: Annotated[bool, Parameter(help="List who was skipped or not reached, and why")] = False,
) -> None:
    """Show how far a broadcast is."""
    console = _console()
    if not code:
        console.print(_latest(_do(lambda acting: broadcasts.list_broadcasts(acting, most=20))["items"]))
    elif watch:
        _with_office(lambda office: _watch(office, code, console))
    else:
        console.print(_progress_of(_do(lambda acting: broadcasts.status(acting, broadcast=code))))
    if code and failed:
        _with_office(lambda office: _show_failed(office, code, console))


async def _watch(office: "_Desk", code: str, console: Console) -> None:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(), console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task(code, total=None, told="")
        while True:
            seen = await office.do(lambda acting: broadcasts.status(acting, broadcast=code))
            counts = seen["progress"]
            told = ", ".join(f"{counts[what]:,} {what}" for what in counts if counts[what] and what != "pending")
            done = seen["people"] - counts["pending"] - counts["queued"]
            bar.update(task, description=f"{seen['code']} {seen['status'].lower()}", total=seen["people"] or None,
                       completed=done, told=told)  # fmt: skip
            if seen["status"] in {"DRAFT", "PAUSED", "CANCELLED"} or (
                seen["status"] == "DONE" and not counts["queued"]
            ):
                return
            await asyncio.sleep(_WATCH_SECONDS)


async def _show_failed(office: "_Desk", code: str, console: Console) -> None:
    """Page by page: a list may be long."""
    after = 0
    while True:
        page = (await office.do(_page(code, after)))["items"]
        for one in page:
            told = f"{one['reason'] or ''}" + (f" (code {one['error_code']})" if one["error_code"] else "")
            console.print(f"  contact {one['contact_id']}  {one['status'].lower():<8} {told}", markup=False)
        if len(page) < _PAGE:
            return
        after = page[-1]["contact_id"]


def _page(code: str, after: int) -> Callable[[Acting], Awaitable[dict[str, Any]]]:
    return lambda acting: broadcasts.people(acting, broadcast=code, after=after, failed=True, most=_PAGE)


class _Desk:
    def __init__(self, office: Office, tenant: Any) -> None:
        self._office = office
        self._tenant = tenant

    async def do(self, work: Callable[[Acting], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        async with self._office.acting(self._tenant, name="command line") as acting:
            return await work(acting)


def _with_office(work: Callable[[_Desk], Awaitable[Any]]) -> Any:
    settings = load_tenant_settings()

    async def main() -> Any:
        async with open_system(settings, deploy=False) as system:
            base = system.foundation
            office = Office(database=base.database, vault=base.vault, bells=system.bells, clock=system.clock)
            return await work(_Desk(office, system.channel.tenant_id))

    try:
        return run(main())
    except ActionError as error:
        raise SirdarError(str(error)) from error


def _do(work: Callable[[Acting], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    result: dict[str, Any] = _with_office(lambda desk: desk.do(work))
    return result


def _say(moved: dict[str, Any]) -> None:
    _console().print(f"{moved['code']} is {moved['status'].lower()}.")


def _progress_of(seen: dict[str, Any]) -> Table:
    table = Table(title=f"{seen['code']} “{seen['name']}”: {seen['status'].lower()}", title_justify="left")
    table.add_column("")
    table.add_column("people", justify="right")
    for what, people in seen["progress"].items():
        table.add_row(what, f"{people:,}", style=_STYLES.get(what, "") if people else "dim")
    table.add_section()
    table.add_row("in all", f"{seen['people']:,}", style="bold")
    if seen["reason"]:
        table.caption = seen["reason"]
    return table


def _latest(items: list[dict[str, Any]]) -> Table:
    table = Table("code", "name", "template", "status", title="Broadcasts", title_justify="left")
    for one in items:
        table.add_row(one["code"], one["name"], one["template"], one["status"].lower())
    return table


def _console() -> Console:
    return Console(highlight=False)
