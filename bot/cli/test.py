"""`bot test`: conversations that the flows must get right."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from bot.authoring.testing.coverage import FlowCover, measure, percent
from bot.authoring.testing.runner import Result
from bot.authoring.testing.suite import Broken, Outcome, Suite, files_among, open_suite
from bot.cli import reports, verdicts
from bot.cli.bubbles import PLAIN_WIDTH
from bot.config import load_database_settings
from bot.core.errors import SirdarError
from bot.runtime.project import content_dir, keep_models, project_actions

Format = Literal["text", "json", "github"]
_FEW = 60
"""Tests up to which each gets a line of its own."""


def play(
    *paths: Annotated[Path, Parameter(help="Files or folders; none: <content>/tests")],
    select: Annotated[
        str, Parameter(name=["-k", "--select"], help="Only tests like this: `enquiry and not slow`")
    ] = "",
    update: Annotated[bool, Parameter(negative=(), help="Rewrite what is expected; read the diff afterwards")] = False,
    jobs: Annotated[int, Parameter(help="Processes; 0: as many as are worth it")] = 0,
    junit: Annotated[Path | None, Parameter(help="Write a report for a CI server")] = None,
    coverage: Annotated[bool, Parameter(negative=(), help="Say which ways through the flows no test takes")] = False,
    coverage_html: Annotated[Path | None, Parameter(help="Write that as a page, into this folder")] = None,
    fail_under: Annotated[float, Parameter(help="Fail when fewer of a hundred ways are taken")] = 0,
    as_format: Annotated[Format, Parameter(name="--format", help="github: annotations on a pull request")] = "text",
    explore: Annotated[str, Parameter(help="Find ways through this flow by trying; no test is run")] = "",
    write: Annotated[Path | None, Parameter(help="With --explore: write the missing tests into this folder")] = None,
    verbose: Annotated[bool, Parameter(name=["-v", "--verbose"], negative=(), help="A line for every test")] = False,
) -> int:
    """Play the conversation tests of your flows; no server or database needed.

    Exits with 1 when a test fails, cannot be read, or coverage is too low; with 2 when there is nothing to run.
    """
    settings = load_database_settings()
    keep_models(settings)
    content = _near(content_dir(settings))
    folder = next((path for path in paths if path.is_dir()), None)
    suite = open_suite(content, project_actions(settings, content), folder)
    console = Console(highlight=False, stderr=as_format != "text")
    if not console.is_terminal:
        console.width = PLAIN_WIDTH  # a log has no edge at which names would have to end
    if explore:
        from bot.cli.exploring import run_explore

        return run_explore(suite, console, explore, write, paths)
    files = suite.select(files_among(suite, paths), select)
    if not files:
        raise SirdarError(_nothing_to_run(suite, select))
    if update:
        from bot.cli.updating import run_update

        return run_update(suite, console, files)
    began = time.perf_counter()
    outcomes = _run(suite, console, files, jobs, each=as_format == "text" and (verbose or len(files) <= _FEW))
    seconds = time.perf_counter() - began
    wants = bool(coverage or coverage_html is not None or fail_under)
    covers = covered(suite, outcomes, select) if wants else []
    failed = any(isinstance(one, Broken) or not one.passed for one in outcomes)
    if as_format == "text":
        _show(console, outcomes, covers if coverage else [], seconds)
    elif as_format == "json":
        reports.print_json(outcomes, covers, seconds)
    else:
        reports.print_github(outcomes, covers)
    if junit is not None:
        reports.write_junit(junit, outcomes, covers, seconds)
    if coverage_html is not None:
        from bot.authoring.testing.coverage_page import write_page

        console.print(
            Text.assemble(
                "Coverage: ", (str(write_page(coverage_html, covers, suite.project.book, suite.files)), "bold")
            ),
            soft_wrap=True,
        )
    if covers and percent(covers) < fail_under:
        text = f"✗ The tests take {percent(covers):.1f} of a hundred ways; --fail-under wants {fail_under:g}."
        console.print(Text(text, "bold red"))
        failed = True
    return 1 if failed else 0


def _near(path: Path) -> Path:
    """The path as people would write it from here."""
    return Path(os.path.relpath(path)) if path.resolve().is_relative_to(Path.cwd()) else path


def covered(suite: Suite, outcomes: Sequence[Outcome], select: str = "") -> list[FlowCover]:
    """What the tests went through. Of a selection, only the flows it is about."""
    results = [one for one in outcomes if isinstance(one, Result)]
    covers = measure(suite.project.book, suite.files, (hit for one in results for hit in one.hits))
    about = {one.flow for one in results}
    return [cover for cover in covers if not select or cover.flow in about]


def _show(console: Console, outcomes: Sequence[Outcome], covers: Sequence[FlowCover], seconds: float) -> None:
    """Whatever went wrong, coverage, and the summary."""
    results = [one for one in outcomes if isinstance(one, Result)]
    broken = [one for one in outcomes if isinstance(one, Broken)]
    for result in results:
        if result.failure is not None:
            verdicts.show_failure(console, result, result.failure)
    for one in broken:
        for finding in one.findings:
            verdicts.show_finding(console, finding)
    if covers:
        verdicts.show_coverage(console, covers)
        console.print()
    passed = sum(one.passed for one in results)
    console.print(verdicts.summary(passed, len(results) - passed, len(broken), seconds))


def _nothing_to_run(suite: Suite, select: str) -> str:
    if select:
        return f"No test is like `{select}`."
    tip = f"let `bot test --explore FLOW --write {suite.folder}` do it."
    return f"There are no conversation tests in {suite.folder}. Write one, or {tip}"


def _run(suite: Suite, console: Console, files: Sequence[Path], jobs: int, *, each: bool) -> list[Outcome]:
    """Run all, with something to look at meanwhile."""
    outcomes: list[Outcome] = []
    with suite.running(files, jobs) as coming, _progress(console, len(files), each=each) as step:
        for outcome in coming:
            outcomes.append(outcome)
            if each and isinstance(outcome, Result):
                verdicts.show_result(console, outcome)
            step(outcome)
    order = {str(path): place for place, path in enumerate(files)}
    return sorted(outcomes, key=lambda one: order.get(one.at.file if isinstance(one, Result) else str(one.path), 0))


@contextmanager
def _progress(console: Console, total: int, *, each: bool) -> Iterator[Callable[[Outcome], None]]:
    """A bar on a terminal, when there is no line for each test."""
    if each or not console.is_terminal:
        yield lambda outcome: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), MofNCompleteColumn())
    failed = 0
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Talking", total=total)

        def step(outcome: Outcome) -> None:
            nonlocal failed
            failed += isinstance(outcome, Broken) or not outcome.passed
            bar.update(task, advance=1, description=f"[red]{failed} failed[/]" if failed else "Talking")

        yield step
