"""`bot test --explore`: what trying found, and files for what no test covers yet."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot.authoring.testing.coverage import Hit
from bot.authoring.testing.explore import Exploration, Explorer
from bot.authoring.testing.reading import read_shared
from bot.authoring.testing.runner import Result
from bot.authoring.testing.showing import inline
from bot.authoring.testing.suite import Suite, files_among
from bot.core.errors import FlowError
from bot.core.report import did_you_mean


def run_explore(suite: Suite, console: Console, flow: str, write: Path | None, paths: Sequence[Path]) -> int:
    """Try a flow.

    Returns:
        The exit code: 1 when something the author wrote was not reached, or made the flow misbehave.
    """
    files = [file for file in suite.files if file.spec.flow == flow]
    if not files:
        raise FlowError(f"There is no flow `{flow}`.", hint=did_you_mean(flow, suite.project.book.latest))
    file = max(files, key=lambda one: one.spec.version)
    folder = write or suite.folder
    shared = read_shared(folder, suite.folder)
    explorer = Explorer(suite.project, file, shared, folder, suite.files)
    with console.status(f"Trying {flow}…"):
        exploration = explorer.explore()
    _show(console, explorer, exploration)
    if write is not None:
        with suite.running(files_among(suite, paths)) as outcomes:
            covered = {hit for one in outcomes if isinstance(one, Result) and one.passed for hit in one.hits}
        _write(console, explorer, exploration, covered, write)
    return 1 if exploration.unreached or exploration.faults else 0


def _show(console: Console, explorer: Explorer, exploration: Exploration) -> None:
    wanted = explorer.written()
    reached = len(wanted) - len(exploration.unreached)
    style = "bold green" if not exploration.unreached else "bold yellow"
    text = f"{reached} of {len(wanted)} ways reached"
    console.print(
        Text.assemble(
            (exploration.flow, "bold"), "  ", (text, style), (f"  {exploration.worlds} situations tried", "dim")
        )
    )
    for _, trigger, source, to in exploration.unreached:
        console.print(Text.assemble(f"  {source} → {to}", (f"  on {trigger}", "cyan"), ("  not reached", "yellow")))
    for steps, fault in exploration.faults:
        console.print(Text(f"  ✗ {fault}", "bold red"), soft_wrap=True)
        for step in steps:
            console.print(Text(f"      - {inline(step)[1:-1]}", "dim"), soft_wrap=True)


def _write(console: Console, explorer: Explorer, exploration: Exploration, covered: set[Hit], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, text in explorer.tests(exploration, covered):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        console.print(Text.assemble(("  + ", "bold green"), str(path)), soft_wrap=True)
        written += 1
    left = len(explorer.unwritten)
    if left:
        console.print(Text(f"{left} ways are not written down: the flow misbehaves on the way there.", "yellow"))
    if written or not left:
        count = f"{written} test{'' if written == 1 else 's'} written"
        console.print(Text(count if written else "Every way reached has a test already.", "bold"))
