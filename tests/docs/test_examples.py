"""What the pages show works: flows load and are clean, Python runs, commands and make targets exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pages import ROOT, Fence, Section, fences, pages, section, sections, without_fences

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.cli import app
from bot.core.actions import Actions
from bot.operations import standard_actions
from bot.runtime.project import own_actions

LANGUAGE = ROOT / "docs" / "flow-language.md"
SLOTS = ROOT / "docs" / "language" / "slots.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"  # its files are made by test_tutorial.py
INTEGRATIONS = ROOT / "docs" / "integrations.md"  # its files are loaded by test_integrations_page.py
QUIET = {name: value for name, value in os.environ.items() if not name.startswith("BOT_")} | {"NO_COLOR": "1"}
CONTENT = {"yaml", "jinja"}
BROKEN = "What the linter proves"
COMMAND = re.compile(r"(?:^|[ =/])((?:bot|make) \S.*)")
ELIDED = re.compile(r"^ *# …$", re.MULTILINE)


def examples() -> list[Section]:
    """Sections of the language's page that show content: each is a content folder of its own."""
    found = [one for page in (LANGUAGE, SLOTS) for one in sections(page)]
    return [one for one in found if one.title != BROKEN and any(f.language in CONTENT for f in one.fences)]


def content(root: Path, blocks: tuple[Fence, ...]) -> Path:
    """A content folder with what a section shows, and what every project has."""
    shutil.copytree(ROOT / "templates" / "whatsapp", root / "templates" / "whatsapp")
    (root / "templates" / "en").mkdir()
    shutil.copy(ROOT / "templates" / "en" / "common.j2", root / "templates" / "en")
    for block in blocks:
        if block.language in CONTENT:
            assert block.path is not None, f"{block.where} does not begin with the name of its file"
            path = root / block.path
            assert not path.exists(), f"{block.where}: {block.path} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return root


def actions_of(shown: Section) -> Actions:
    """What the flows of a section may call: the standard actions, and those that it shows in Python."""
    found = standard_actions()
    for block in shown.fences:
        if block.language == "python":
            module = ModuleType("actions")
            exec(compile(block.text, block.where, "exec"), vars(module))
            found = found.including(own_actions(module, ROOT))
    return found


def english(findings: list[str]) -> list[str]:
    """Without what a language of one example lacks; a page shows no five examples of everything, and shows pages."""
    shown = ("translat", "too few examples", "they are shown in pages")
    return [finding for finding in findings if not any(words in finding for words in shown)]


@pytest.mark.parametrize("shown", examples(), ids=str)
def test_the_flows_of_a_section_load_and_are_clean(shown: Section, tmp_path: Path) -> None:
    root = content(tmp_path, shown.fences)
    actions = actions_of(shown)
    found = english([str(finding) for finding in check(root, actions)])
    assert not found, "\n".join(found)
    assert load_content(root, actions).book.flows()


def test_the_linter_says_what_its_section_shows(tmp_path: Path) -> None:
    shown = section(LANGUAGE, BROKEN)
    content(tmp_path, shown.fences)
    bot = Path(sys.executable).with_name("bot")
    done = subprocess.run([bot, "check"], cwd=tmp_path, env=QUIET, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    said = done.stdout
    assert said == next(block.text for block in shown.fences if block.language == "text")


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if page not in (LANGUAGE, SLOTS, TUTORIAL, INTEGRATIONS)],
    ids=lambda page: page.name,
)
def test_excerpts_are_what_the_files_say(page: Path) -> None:
    for block in fences(page):
        if block.language not in CONTENT:
            continue
        assert block.path is not None, f"{block.where} does not begin with the name of its file"
        file = (ROOT / block.path).read_text(encoding="utf-8")
        for part in ELIDED.split(block.text.split("\n", 1)[1]):
            assert part.strip("\n") in file, f"{block.where} is not in {block.path}:\n{part}"


@pytest.mark.parametrize(
    "block", [f for page in pages() for f in fences(page) if f.language == "python"], ids=lambda f: f.where
)
def test_python_runs(block: Fence) -> None:
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(block.text, block.where, "exec"), names)
    made = names.get("ACTIONS")
    assert made is None or (isinstance(made, Actions) and {"huts.find", "leads.create"} <= set(made.by_name))


def commands() -> list[tuple[str, str]]:
    """Every `bot …` and `make …` in a fenced shell block, or in the text."""
    found = []
    for page in pages():
        for block in fences(page):
            if block.language in {"sh", "ini"}:
                lines = [line.split("#")[0] for line in block.text.split("\n")]
                found += [(block.where, match[1]) for line in lines if (match := COMMAND.search(line))]
        text = without_fences(page.read_text(encoding="utf-8"))
        found += [(page.name, match[1]) for match in re.finditer(r"`((?:bot|make) [^`]+)`", text)]
    return found


@pytest.mark.parametrize(("where", "line"), sorted(set(commands())))
def test_commands_exist(where: str, line: str) -> None:
    program, *words = line.split()
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert all(word in targets for word in words if "=" not in word), f"{where}: {line}"
        return
    chain, apps, _ = app.parse_commands(words)
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    assert chain or options in (["--help"], ["--version"]), f"{where}: there is no `{line}`"
    if options and chain:
        known = {name for argument in apps[-1].assemble_argument_collection() for name in argument.names}
        assert set(options) <= known | {"--help"}, f"{where}: {line}"
