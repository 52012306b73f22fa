"""`bot check` says what is wrong, where, and what to do: to people, programs and GitHub."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.authoring import content as reading
from bot.cli.check import _data, _property, check, keep_checking
from bot.config import load_database_settings
from bot.core.errors import ConfigError
from tests.cli.conftest import REPOSITORY, Run

FLOW = "flows/customer/enquiry.yaml"


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, in the folder we are in."""
    for folder in ("flows", "intents", "templates"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_CONTENT_DIR", raising=False)
    return tmp_path


def break_flow(content: Path) -> tuple[int, int]:
    """Lead somewhere that is not there; returns line and column."""
    path = content / FLOW
    lines = path.read_text().splitlines()
    number = next(place for place, line in enumerate(lines) if line.strip() == "yes: lead")
    lines[number] = lines[number].replace("lead", "lede")
    path.write_text("\n".join(lines))
    return number + 1, lines[number].index("yes") + 1


def test_the_example_is_without_fault(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0
    flows = len(list((content / "flows").rglob("*.yaml")))
    shown = capsys.readouterr().out
    assert shown.startswith(f"{flows} flows, ")
    assert shown.endswith(" states, 0 errors, 0 warnings\n")


def test_a_mistake_has_place_line_remedy_and_code(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, column = break_flow(content)
    assert check() == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"{FLOW}:{line}:{column} error There is no state `lede`.")
    assert shown[0].endswith("]")
    assert shown[1] == "    yes: lede"
    assert shown[2] == "    ^"
    assert shown[3] == "    → Did you mean `lead`?"
    assert ", 1 error, " in shown[-1]


BOTH_WAYS = """
import json, os, sys
from dataclasses import asdict
from pathlib import Path
from bench.content import write
from bot.authoring import beside, linter
from bot.authoring.content import Loader
from bot.config import load_database_settings
from bot.runtime.project import project_actions

os.cpu_count = lambda: 2
root = Path.cwd()
write(root, 40)
flows = root / "flows"
flow = lambda number: next(flows.rglob(f"flow_{number}.yaml"))
def change(number, old, new):
    text = flow(number).read_text()
    assert old in text
    flow(number).write_text(text.replace(old, new, 1))
change(1, "want_1]", "want_6]")            # another flow starts with it
change(2, "call: common/correct", "call: flow_30")
change(3, "call: common/correct", "call: flow_x")
change(4, "say: thanks", "say: thankss")
change(5, "flow: flow_5", "flow: flow_35")  # the same flow twice
change(36, "flow: flow_36", "flow: flow_7")
change(8, "states:", "states")
change(9, "version: 1", "version: one")
change(10, "count_0: {type: integer", "count_0: {type: intger")
def found(**how):
    loader = Loader(root, project_actions(load_database_settings(), root))
    told = [asdict(one) for one in linter.inspect(loader, **how)]
    return told, len(loader.flow_files), len(loader.others)
alone, own, other = found()
assert (own, other) == (35, 0)
both, own, other = found(beside=True)
assert own + other == 35, (own, other)
beside._work = lambda *_: os._exit(1)       # it dies over it
left, own, other = found(beside=True)
assert (own, other) == (35, 0)
print(json.dumps([alone, both, left]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system forks safely")
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    """Across files too: who starts twice, who calls whom, what is there twice; also when the other process dies."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "BOT_DATA_DIR": str(tmp_path / "var")}
    (tmp_path / "big").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BOTH_WAYS], cwd=tmp_path / "big", env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone, both, left = json.loads(done.stdout)
    assert both == alone
    assert left == alone
    told = "\n".join(one["message"] for one in alone)
    for wanted in ("starts flow `flow_1` already", "no flow `flow_x`", "Role `operations` may not walk flow `flow_30`",
                   "`flow_35` version 1 exists already", "`flow_7` version 1 exists already", "no block `thankss`",
                   "no slot type `intger`"):  # fmt: skip
        assert wanted in told


def test_programs_get_json(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, column = break_flow(content)
    assert check(as_format="json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["errors"] == 1
    (finding,) = document["findings"]
    assert (finding["file"], finding["line"], finding["column"]) == (FLOW, line, column)
    assert finding["hint"] == "Did you mean `lead`?"


def test_github_gets_annotations(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, column = break_flow(content)
    assert check(as_format="github") == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"::error file={FLOW},line={line},col={column},title=")
    assert first.endswith("::There is no state `lede`. Did you mean `lead`?")


def test_what_would_break_an_annotation_is_escaped() -> None:
    assert _data("50 %\nmore") == "50 %25%0Amore"
    assert _property("a:b,c") == "a%3Ab%2Cc"


def test_the_exit_code_stops_a_deploy(bot: Run, content: Path) -> None:
    break_flow(content)
    assert bot("check", BOT_CONTENT_DIR=str(content)).returncode == 1
    assert bot("check").returncode == 0


def test_watching_checks_again_and_compiles_only_what_was_saved(
    content: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    compile_flow = reading.compile_flow

    def counted(spec: Any, *more: Any) -> Any:
        compiled.append(spec.flow)
        return compile_flow(spec, *more)

    monkeypatch.setattr(reading, "compile_flow", counted)
    shown: list[str] = []

    def saved() -> Iterator[None]:
        everything = len(compiled)
        assert everything == len(list((content / "flows").rglob("*.yaml")))
        break_flow(content)
        yield
        assert compiled[everything:] == ["enquiry"]
        shown.append(capsys.readouterr().out)
        (content / FLOW).write_text((REPOSITORY / FLOW).read_text())
        yield

    assert keep_checking(content, load_database_settings(), saved()) == 0
    assert "There is no state `lede`." in shown[0]
    assert " 0 errors" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="leave --format out"):
        check(as_format="json", watch=True)
