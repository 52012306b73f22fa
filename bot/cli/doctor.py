"""`bot doctor`: a checklist, and what to do about what is not well."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from bot.cli.checkups import examine
from bot.cli.findings import Check
from bot.cli.logs import configure_logs
from bot.cli.running import run

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "bold yellow"), "fail": ("✗", "bold red")}
_NAME_WIDTH = 12


def doctor(
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="For programs")] = False,
) -> int:
    """Check settings, database, provider and webhook, and say what to do.

    Changes nothing. Exits with 1 when something is wrong.
    """
    configure_logs("critical", "console")
    checks = run(examine())
    failed = any(check.verdict == "fail" for check in checks)
    if as_json:
        document = {"ok": not failed, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(checks, Console(highlight=False, soft_wrap=True))
    return 1 if failed else 0


def _print(checks: list[Check], console: Console) -> None:
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            console.print(Text(group, "bold"))
        mark, style = _MARKS[check.verdict]
        told = (check.told, "" if check.verdict == "ok" else style)
        console.print(Text.assemble("  ", (mark, style), f" {check.name:<{_NAME_WIDTH}}", told))
        if check.remedy:
            console.print(Text(f"{'':{4 + _NAME_WIDTH}}→ {check.remedy}"))
    count = Counter(check.verdict for check in checks)
    words = f"{count['ok']} fine, {count['warn']} to look at, {count['fail']} wrong."
    console.print(Text(words, "bold red" if count["fail"] else "bold yellow" if count["warn"] else "bold green"))
