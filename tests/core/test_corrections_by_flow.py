"""Corrections by `common/correct`, and STOP and START, in every language that ships."""

import pytest
from talking import Talk, choices_in, shipped_book

from bot.core.book import FlowBook
from bot.core.choices import read_tap
from bot.core.effects import RecordConsent
from bot.core.messages import ChoiceIn

LABELS = {"en": ["Name", "Phone"], "hi": ["नाम", "फ़ोन नंबर"], "es": ["Nombre", "Teléfono"], "ne": ["नाम", "फोन"]}


@pytest.fixture(scope="module")
def book() -> FlowBook:
    return shipped_book()


def tap(person: Talk, key: str) -> str:
    """Tap what stands for a choice, whatever it is called."""
    found = next(one for one in choices_in(person.said[-1]) if (tapped := read_tap(one.id)) and tapped.choice == key)
    return person.send(ChoiceIn(id=found.id, title=found.title))


@pytest.mark.parametrize("language", LABELS)
def test_a_called_flow_corrects_one_slot_and_comes_back(book: FlowBook, language: str) -> None:
    person = Talk(book, language=language)
    person.text("please call me back")
    person.text("+977 9801234567")
    assert person.top.state == "review"
    tap(person, "edit")
    assert [one.title for one in choices_in(person.said[-1])] == LABELS[language]
    tap(person, "name")
    person.text("Maya Gurung")
    assert person.top.state == "review"
    assert person.top.slots == {"name": "Maya Gurung", "phone": "+9779801234567"}


@pytest.mark.parametrize("language", LABELS)
def test_stop_and_start_again(book: FlowBook, language: str) -> None:
    person = Talk(book, language=language)
    stopped = person.text("STOP")
    assert "START" in stopped
    assert [one.allowed for one in person.of(RecordConsent)] == [False]
    assert person.text("START") not in ("", stopped)
    assert [one.allowed for one in person.of(RecordConsent)] == [True]
