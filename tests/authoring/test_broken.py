"""Every mistake an author can make has its place, its sentence and its remedy.

One file per mistake in `broken/`, with what `bot check` says about it in the `.txt` beside it. `--update` rewrites
those; read the diff. A line `#=== path` in a file begins another file of the same content folder; `# provider: twilio`
at its beginning says who carries the messages.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from talking import ROOT, blocks, fake_actions, write_content

from bot.authoring.carriers import CARRIERS, USUAL
from bot.authoring.content import Loader
from bot.authoring.linter import inspect
from bot.authoring.mistakes import Finding
from bot.core.actions import Action, Actions
from bot.core.report import Report

BROKEN = Path(__file__).parent / "broken"
CASES = sorted(BROKEN.glob("*.yaml"))
NAME = "flows/customer/broken.yaml"
REPLIES = "templates/en/customer/broken.j2"
TEMPLATE = """
name: new_lead
category: UTILITY
body: "A lead: {{1}} for {{2}}."
examples: [Asha, EBC]
"""
INTENTS = """
role: customer
intents: {go: {label: {en: Go, hi: चलो}, examples: [go, go on, let us go, off we go, go now]}}
"""
_PROVIDER = re.compile(r"# provider: (\S+)\n")
_PART = re.compile(r"^#=== (\S+)\n", re.MULTILINE)
CHECKED = [
    *(ROOT / "bot" / "authoring" / f"{name}.py" for name in (
        "calls", "content", "examples", "guards", "limits", "linter", "rules", "silences", "succession", "translations",
        "unheard", "windows",
    )),
    *(ROOT / "bot" / "core" / f"{name}.py" for name in (
        "compiler", "expanding", "expressions", "migrations", "planning", "sending", "states", "wiring",
        "slots/compiling",
    )),
]  # fmt: skip
"""Where mistakes are found."""
_REPORTING = {"report", "finding", "_finding", "unknown", "add"}


def actions() -> Actions:
    known = fake_actions()

    @known.action("trips.close", roles=("operations", "manager"))
    async def close(call: Any) -> None:
        return None

    @known.action("permits.list", reads=True)
    async def permits(call: Any) -> None:
        return None

    async def apply(call: Any) -> None:
        return None

    known.add(Action(name="permits.apply", function=apply, outside=True))

    @known.lookup("staff.find", roles=("operations", "manager"))
    async def find(call: Any, text: str) -> list[Any]:
        return []

    return known


def content(root: Path, text: str) -> Path:
    """A content folder with one mistake in it."""
    first, *more = _PART.split(text)
    files = {
        REPLIES: blocks(hello="Hello"),
        "templates/whatsapp/new_lead.yaml": TEMPLATE,
        "intents/customer.yaml": INTENTS,
        **dict(zip(more[::2], more[1::2], strict=True)),
    }
    files = {path: words for path, words in files.items() if path.partition("/")[0] not in files or "/" not in path}
    if "languages:" in text and "templates/en/common.j2" not in files:
        files["templates/hi/common.j2"] = (ROOT / "templates/hi/common.j2").read_text(encoding="utf-8")
    return write_content(root, {NAME: first} | files if first.strip() else files)


def findings(root: Path, text: str) -> list[Finding]:
    """What is said, without the block that most cases never say, and the silence in which most of them end."""
    provider = _PROVIDER.match(text)
    found = inspect(Loader(content(root, text), actions()), CARRIERS[provider[1]] if provider else USUAL)
    found = [one for one in found if (one.file, one.code) != (REPLIES, "unused") or REPLIES in text]
    return found if "# silent" in text else [one for one in found if one.code != "silent"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_broken(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = findings(tmp_path, path.read_text(encoding="utf-8"))
    said = "".join(f"{finding}\n" for finding in found)
    expected = path.with_suffix(".txt")
    if request.config.getoption("--update", default=False):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert found
    assert [one for one in found if not one.hint] == [], "what is to be done?"
    only_warnings = path.stem.startswith("warning_")
    assert any(finding.severity == "error" for finding in found) != only_warnings


def test_every_place_that_finds_a_mistake_has_a_broken_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a rule adds a case."""
    seen: set[tuple[str, int]] = set()

    def noting(function: Any) -> Any:
        def noted(*given: Any, **named: Any) -> Any:
            frame = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename == Report.unknown.__code__.co_filename:
                frame = frame.f_back  # type: ignore[assignment]
            if frame is not None:
                seen.add((frame.f_code.co_filename, frame.f_lineno))
            return function(*given, **named)

        return noted

    monkeypatch.setattr(Report, "__call__", noting(Report.__call__))
    monkeypatch.setattr(Report, "unknown", noting(Report.unknown))
    monkeypatch.setattr(Loader, "finding", noting(Loader.finding))
    monkeypatch.setattr(Loader, "add", noting(Loader.add))
    monkeypatch.setattr("bot.authoring.linter._finding", noting(sys.modules["bot.authoring.linter"]._finding))
    for path in CASES:
        findings(tmp_path / path.stem, path.read_text(encoding="utf-8"))
    lacking = [
        f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)[:90]}"
        for file in CHECKED
        for node in calls(file)
        if not any((str(file), line) in seen for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
    ]
    assert not lacking, "\n".join(["no broken flow for:", *lacking])
    assert len(CASES) >= 60


def calls(file: Path) -> Iterator[ast.Call]:
    """Where a file reports something."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        said = any(isinstance(one, ast.Constant | ast.JoinedStr | ast.BinOp) for one in node.args)
        own = name != "add" or ast.unparse(called) == "self.add"
        if name in _REPORTING and own and (said or name == "unknown"):
            yield node
