"""Variants of a text, and choices for people who never tap."""

from pathlib import Path

import pytest
from talking import Talk, blocks, book_of, fake_actions, titles, write_content

from bot.authoring.linter import check
from bot.core.conversation import Contact
from bot.core.messages import ButtonsOut, TextOut

AB = """
flow: test
role: customer
start: {universals: [help]}
states:
  a:
    ask: q
    variants: {warm: 50, short: 50}
    choices: {x: X, y: Y}
    after: {2h: {say: nudge}}
    next: [{if: variant == 'warm', to: b}, c]
  b: {say: b, end: b}
  c: {say: c, end: c}
"""
TEXTS = {
    "q__warm": "Dear friend, X or Y?", "q__short": "X/Y?", "b": "Warm it was.", "c": "Short it was.",
    "nudge__warm": "Take your time.", "nudge__short": "Well?",
}  # fmt: skip


def person_of(book: object, number: int) -> Talk:
    person = Talk(book)  # type: ignore[arg-type]
    contact = Contact(contact_id=number, name="Asha")  # type: ignore[arg-type]
    person.conversation = type(person.conversation)(conversation_id=1, contact=contact)  # type: ignore[arg-type]
    return person


def test_each_person_keeps_one_variant_and_they_are_split_as_weighted(tmp_path: Path) -> None:
    book = book_of(tmp_path, AB, **TEXTS)
    warm = 0
    for number in range(400):
        person = person_of(book, number)
        first = person.text("help")
        assert first in (TEXTS["q__warm"], TEXTS["q__short"])
        warm += first == TEXTS["q__warm"]
        if number < 20:
            assert person.top.data["variant"] == ("warm" if first == TEXTS["q__warm"] else "short")
            assert person.notes("variant")[0]["among"] == {"warm": 50, "short": 50}
            assert person.wait(hours=2) == ("Take your time." if "Dear" in first else "Well?")
            assert person.text("x") == ("Warm it was." if "Dear" in first else "Short it was.")
            assert person.text("help") == first
    assert 150 < warm < 250


def test_a_flow_may_vary_all_its_words(tmp_path: Path) -> None:
    flow = """
flow: test
role: customer
start: {universals: [help]}
variants: {warm: 1, short: 1000}
slots: {people: {type: integer}}
states: {a: {say: hi, next: b}, b: {form: [people], next: c}, c: {end: x}}
"""
    book = book_of(tmp_path, flow, hi="Hi", hi__warm="Dear", ask_people="?", ask_people__short="How many?")
    assert {person_of(book, number).text("help") for number in range(20)} == {"Hi\n---\nHow many?"}


def test_variants_stand_for_a_block_that_is_not_there_itself(tmp_path: Path) -> None:
    """In forms, too: it is not asked in the general words of `ask_integer`."""
    flow = """
flow: test
role: customer
start: {universals: [help]}
variants: {warm: 1, short: 1000}
slots: {people: {type: integer}}
states: {a: {say: hi, next: b}, b: {form: [people], next: c}, c: {end: x}}
"""
    words = {"hi__warm": "Dear", "hi__short": "Hi", "ask_people__warm": "Who?", "ask_people__short": "How many?"}
    book = book_of(tmp_path, flow, **words)
    assert {person_of(book, number).text("help") for number in range(20)} == {"Hi\n---\nHow many?"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"short: 50": "cold: 50"}, "There is no block `q__cold`."),
        ({"{warm: 50, short: 50}": "{warm: 50}"}, "`variants:` needs at least two. Write for example"),
        ({"short: 50": "short: 0"}, "error"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    flow = AB
    for old, new in change.items():
        flow = flow.replace(old, new)
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(**TEXTS)}
    found = [str(one) for one in check(write_content(tmp_path, files), fake_actions())]
    assert any(message in one for one in found), found


def test_a_flow_variant_without_words_is_named(tmp_path: Path) -> None:
    head = "flow: test\nrole: customer\nvariants: {warm: 1, cold: 1}\nstart: {universals: [help]}\n"
    flow = head + "states: {a: {say: hi, end: x}}"
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(hi="Hi", hi__warm="Dear")}
    found = [str(one) for one in check(write_content(tmp_path, files), fake_actions())]
    assert [one for one in found if "No block has a variant `cold`. Add for example block `hello__cold`." in one], found


# --- Choices ----------------------------------------------------------------------------------------------------------

CHOICES = """
flow: test
role: customer
start: {{universals: [help]}}
{style}
states: {{a: {{ask: q, choices: {{x: Go on, y: Stop it}}, when: {{x: a, y: b}}}}, b: {{end: x}}}}
"""


def test_who_never_taps_gets_numbers_as_well(tmp_path: Path) -> None:
    person = Talk(book_of(tmp_path, CHOICES.format(style=""), q="Well?"))
    person.text("help")
    for typed in ("go on", "1", "Go on"):
        assert isinstance(person.said[0], ButtonsOut)
        assert person.said[0].body == "Well?"
        person.text(typed)
    assert person.conversation.scope["typed"] == 3
    assert person.said[0].body == "Well?\n\n1. Go on\n2. Stop it"  # type: ignore[union-attr]
    assert titles(person.said[0]) == ["Go on", "Stop it"]
    person.tap("Go on")
    assert person.said[0].body == "Well?"  # type: ignore[union-attr]
    assert person.conversation.scope == {}


def test_the_author_may_settle_it(tmp_path: Path) -> None:
    person = Talk(book_of(tmp_path, CHOICES.format(style="choices_style: numbers"), q="Well?"))
    person.text("help")
    assert isinstance(person.said[0], TextOut)
    assert person.said[0].body == "Well?\n\n1. Go on\n2. Stop it"
    person = Talk(book_of(tmp_path, CHOICES.format(style="choices_style: buttons"), q="Well?"))
    for typed in ("help", "1", "1", "1", "1"):
        person.text(typed)
    assert person.said[0].body == "Well?"  # type: ignore[union-attr]


def test_descriptions_of_choices_are_in_the_persons_language(tmp_path: Path) -> None:
    flow = """
flow: test
role: customer
start: {universals: [help]}
slots:
  size: {type: choice, choices: {s: {label: S, description: {en: Small, hi: छोटा}}, m: M, l: L, x: X}}
states:
  ask:
    ask: hello
    choices: {a: {label: A, description: {en: First, hi: पहला}}, b: {label: B, description: Second}, c: C, d: D}
    next: form
  form: {form: [size], next: done}
  done: {end: done}
"""
    book = book_of(tmp_path, flow, hello="Which?", ask_size="Which size?")
    for language, described in (("hi", ["पहला", "Second", "छोटा"]), ("en_GB", ["First", "Second", "Small"])):
        person = Talk(book, language=language)
        person.text("help")
        rows = [row.description for row in person.said[-1].rows]  # type: ignore[union-attr]
        assert rows == [*described[:2], None, None]
        person.text("1")
        rows = [row.description for row in person.said[-1].rows]  # type: ignore[union-attr]
        assert rows == [described[2], None, None, None]
