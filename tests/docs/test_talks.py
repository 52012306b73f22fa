"""Every example of the language's reference is talked to, and every way through it is taken.

`talks/<page>/<section>/` has the conversations of a section, as `bot test` plays them; in its folder `content` is what
the example needs besides, such as another flow to digress into.
"""

import shutil
from pathlib import Path

import pytest
from pages import ROOT, Section, sections
from test_examples import BROKEN, LANGUAGE, SLOTS, actions_of, content

from bot.authoring.testing.coverage import Hit, measure
from bot.authoring.testing.suite import Broken, open_suite
from bot.cli.reports import plain_failure

TALKS = Path(__file__).parent / "talks"
ELSEWHERE = {
    BROKEN: "tests/docs/test_examples.py::test_the_linter_says_what_its_section_shows",
    "Words kept for later": "tests/docs/test_reference.py::test_words_kept_for_later_are_those_that_are_refused",
}
"""Sections in which nobody talks, with the test that runs what they show."""


def folder_of(shown: Section) -> Path:
    """Where the conversations of a section are."""
    plain = "".join(letter if letter.isalnum() else " " for letter in shown.title.lower().replace("'", ""))
    return TALKS / shown.page.stem / "_".join(plain.split())


def reference() -> list[Section]:
    """Every section of the language's reference."""
    return [one for page in (LANGUAGE, SLOTS) for one in sections(page)]


def talks(shown: Section) -> list[Path]:
    """The conversations of a section."""
    return sorted(folder_of(shown).glob("*.yaml"))


def test_every_section_of_the_reference_has_an_example_that_a_test_runs() -> None:
    silent = [str(one) for one in reference() if not talks(one)]
    assert silent == [f"{LANGUAGE.stem}: {title}" for title in ELSEWHERE], "write a conversation below tests/docs/talks"
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    folders = {path.parent for path in TALKS.rglob("*.yaml") if "content" not in path.parts}
    assert folders == {folder_of(one) for one in reference() if talks(one)}, "a folder belongs to no section"


@pytest.mark.parametrize("shown", [one for one in reference() if talks(one)], ids=str)
def test_the_example_of_a_section_is_walked_on_every_way(shown: Section, tmp_path: Path) -> None:
    root = content(tmp_path, shown.fences)
    besides = folder_of(shown) / "content"
    if besides.is_dir():
        shutil.copytree(besides, root, dirs_exist_ok=True)
    suite = open_suite(root, actions_of(shown), folder_of(shown))
    taken: set[Hit] = set()
    for path in talks(shown):
        outcome = suite.play(path)
        assert not isinstance(outcome, Broken), "\n".join(map(str, outcome.findings))  # type: ignore[union-attr]
        assert outcome.failure is None, plain_failure(outcome, outcome.failure)  # type: ignore[arg-type]
        taken |= outcome.hits
    covers = measure(suite.project.book, suite.files, taken)
    missing = [f"{edge.at}: {edge.source} → {edge.to} on {edge.trigger}" for one in covers for edge in one.missing]
    assert not missing, "\n".join(missing)
