"""`bot check` says what is wrong, where, and what to do: to people, programs and GitHub."""

import json
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


LEARNING = """
import os, sys
from pathlib import Path
from bot.authoring.modelfolder import ModelFolder
from bot.authoring.content import Loader
from bot.authoring.examples import check_together
from bot.cli.apprentice import learning_beside
from bot.core.actions import Actions
from bot.core.models import MODELS

os.cpu_count = lambda: int(sys.argv[3])
root, kept = Path(sys.argv[1]), ModelFolder(Path(sys.argv[2]))
MODELS.store = kept
with learning_beside(root):
    list(check_together(Loader(root, Actions()).read_intents(), ()))
assert MODELS.store is kept
print(MODELS.learnt)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system forks safely")
def test_examples_are_learnt_beside_where_there_is_a_core_for_it(content: Path, tmp_path: Path) -> None:
    def learnt(folder: str, cores: int) -> int:
        command = [sys.executable, "-c", LEARNING, str(content), str(tmp_path / folder), str(cores)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return int(done.stdout)

    assert learnt("alone", 1) > 1
    assert learnt("beside", 2) == 0
    assert len(list((tmp_path / "beside").iterdir())) == len(list((tmp_path / "alone").iterdir()))


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
