"""`bot test --update`: what was rewritten where."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot.authoring.testing.reading import read_shared
from bot.authoring.testing.suite import Broken, Suite
from bot.authoring.testing.update import update_test
from bot.cli import verdicts


def run_update(suite: Suite, console: Console, files: Sequence[Path]) -> int:
    """Rewrite the expectations of tests.

    Returns:
        The exit code: 1 when a test fails still, or cannot be read.
    """
    failed = changed = 0
    for path in files:
        test = suite.read(path)
        if isinstance(test, Broken):
            failed += 1
            for finding in test.findings:
                verdicts.show_finding(console, finding)
            continue
        update = update_test(test, suite.project, read_shared(path.parent, suite.folder))
        if update.text != test.text:
            path.write_text(update.text, encoding="utf-8")
            changed += 1
            counts = f"{update.rewritten} rewritten, {update.added} added"
            console.print(Text.assemble(("~ ", "bold yellow"), str(path), (f"  {counts}", "dim")), soft_wrap=True)
        if update.result.failure is not None:
            failed += 1
            verdicts.show_failure(console, update.result, update.result.failure)
    style = "bold red" if failed else "bold green"
    left = f", {failed} fail still" if failed else ""
    console.print(Text(f"{changed} of {len(files)} files changed{left}. Read the diff before you keep it.", style))
    return 1 if failed else 0
