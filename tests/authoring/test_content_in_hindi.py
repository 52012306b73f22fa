"""The shipped flows as somebody who speaks Hindi goes through them: all, and with no English among the words."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from talking import ROOT

from bot.authoring.testing.reading import ConversationTest
from bot.authoring.testing.runner import Observed, observe_test
from bot.authoring.testing.suite import Suite, open_suite
from bot.operations import standard_actions

DATA = (
    "Vehicle breakdown at checkpoint", "Quote QUO12 of USD 9000", "New tents",  # what colleagues wrote, as they did
    "Everest Base Camp", "Annapurna Circuit", "Annapurna", "Langtang Valley", "Langtang", "Mardi Himal", "Gokyo", "EBC",
    "Maya Lindqvist", "Maya", "Pasang Sherpa", "Mingma Sherpa", "Ravi Kumar", "Ravi", "Anita",
    "sleeping bags", "sleeping bag", "tent",
    "English", "Español", "Which language do you prefer?",  # whoever is in the wrong language has to find out
    "Travel Management System",
)  # fmt: skip
"""Names of things and people, and what people wrote: none of it is ours to translate."""
WORDS = {"USD", "STOP", "START"}
_CODE = re.compile(r"https?://\S+|\b\S+@\S+|(?<![A-Za-z])[A-Z]{2,5}\d+")
_LATIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ]+")


@pytest.fixture(scope="module")
def suite() -> Suite:
    return open_suite(ROOT, standard_actions())


@pytest.fixture(scope="module")
def played(suite: Suite) -> list[tuple[Path, Observed]]:
    """Every step of the conversations in which somebody speaks Hindi."""
    return list(_play(suite))


def _play(suite: Suite) -> Iterator[tuple[Path, Observed]]:
    for path in sorted(suite.folder.glob("*.yaml")):
        if "language: hi" not in path.read_text(encoding="utf-8"):
            continue
        test = suite.read(path)
        assert isinstance(test, ConversationTest), path
        yield from ((path, step) for step in observe_test(test, suite.project)[1] if step.place)


def english_in(text: str) -> list[str]:
    """Latin words that are neither names, codes, links nor units."""
    for given in DATA:
        text = text.replace(given, " ")
    return [word for word in _LATIN.findall(_CODE.sub(" ", text)) if word not in WORDS]


def test_every_flow_is_walked_in_hindi(suite: Suite, played: list[tuple[Path, Observed]]) -> None:
    walked = {
        str(note.detail["flow"])
        for _, step in played
        for turn in step.moment.turns
        if turn.after.contact.language == "hi"
        for note in turn.trace
        if note.kind == "enter"
    }
    assert {flow.name for flow in suite.project.book.flows()} - walked == set()


def test_nobody_who_speaks_hindi_reads_english(played: list[tuple[Path, Observed]]) -> None:
    leaks = [
        (path.name, text, words)
        for path, step in played
        for phone, talk in step.moment.stage.conversations.items()
        if talk.contact.language == "hi"
        for text in step.moment.words(phone)
        if (words := english_in(text))
    ]
    assert leaks == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("यह नहीं हुआ: It was sent already.", ["It", "was", "sent", "already"]),
        ("*BKG1042* (Everest Base Camp), *USD 2,900*: https://pay.example.com/p9", []),
        ("*book it* लिखिए", ["book", "it"]),
        ("• sleeping bag: *12* piece", ["piece"]),
    ],
)
def test_english_is_found(text: str, found: list[str]) -> None:
    assert english_in(text) == found
