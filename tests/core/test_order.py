"""The order in which a message is tried: a test for each step, and for who wins of each two that follow each other."""

from pathlib import Path

import pytest
from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.effects import RecordConsent
from bot.core.messages import ButtonsOut, ChoiceIn
from bot.core.order import Tried

FLOW = """
flow: main
role: customer
start: {intents: [want_main]}
slots:
  text: {type: text}
commands:
  HELP {text}: {to: got}
  CODE {text}: {to: got}
states:
  pick: {ask: pick, choices: {cancel: Cancel, one: CODE one, two: Two}, when: {two: words}, next: got}
  words: {form: [text], next: got}
  got: {say: got, end: got}
"""
OTHER = """
flow: other
role: customer
start: {intents: [want_other]}
states: {a: {say: other, end: told}}
"""
INTENTS = """
role: customer
intents:
  want_main:
    examples: [I want the main thing, give me the main thing please, the main thing now, main, start the main thing]
  want_other:
    examples: [something else entirely, tell me about the weather, is it raining, cold outside, snow on the pass]
    patterns: ['other \\d+']
"""
STEPS = [step.name.lower() for step in Tried]


@pytest.fixture
def person(tmp_path: Path) -> Talk:
    files = {
        "flows/customer/main.yaml": FLOW, "flows/customer/other.yaml": OTHER, "intents/customer.yaml": INTENTS,
        "templates/en/customer/main.j2": blocks(pick="Which?", ask_text="Write.", got="Got {{ text or answer }}."),
        "templates/en/customer/other.j2": blocks(other="Another matter."),
        "templates/en/common.j2": blocks(
            help="What we do.", help_here="Help.", not_understood="Pardon?", not_understood_again="Still no.",
            consent_withdrawn="No more.", consent_given="Again.", cancelled="Cancelled.", did_you_mean="Did you mean?",
            stale_choice="That was before.", reprompt="Not that.",
        ),
    }  # fmt: skip
    return Talk(load_content(write_content(tmp_path, files), fake_actions()).book)


def tried(person: Talk) -> list[str]:
    """The steps of the last turn; each trace has all of them up to the one that took the message."""
    assert person.trace[0].kind == "order"
    found: list[str] = person.trace[0].detail["tried"]
    assert found == STEPS[: len(found)]
    return found


def took(person: Talk, text: str) -> str:
    person.text(text)
    return tried(person)[-1]


def at_words(person: Talk) -> None:
    person.text("main")
    assert person.text("two") == "Write."


# --- Each step --------------------------------------------------------------------------------------------------------


def test_owner_a_person_has_the_conversation(person: Talk) -> None:
    person.change("handoff.taken", by="contact:7")
    assert took(person, "main") == "owner"
    assert person.said == []


def test_consent(person: Talk) -> None:
    assert took(person, "STOP") == "consent"
    assert person.of(RecordConsent)


def test_universal(person: Talk) -> None:
    assert took(person, "help") == "universal"


def test_command_with_a_typing_mistake_only_before_an_id() -> None:
    """Shared with the shipped flows: `ISSUE {trip}` knows what an id looks like."""
    from talking import shipped_book

    guide = Talk(shipped_book(), roles=("field_staff",))
    guide.text("ISUE TRP123 the bus broke down")
    assert tried(guide)[-1] == "command"
    assert guide.notes("route")[0]["exact"] is False
    other = Talk(shipped_book(), roles=("field_staff",))
    other.text("issues with my boots")
    assert tried(other)[-1] != "command"


def test_payload(person: Talk) -> None:
    person.text("main")
    asked = person.said[-1]
    assert isinstance(asked, ButtonsOut)
    person.send(ChoiceIn(id=asked.buttons[2].id, title="Two"))
    assert tried(person)[-1] == "payload"
    assert [getattr(message, "body", "") for message in person.said] == ["Write."]


def test_expected(person: Talk) -> None:
    at_words(person)
    assert took(person, "whatever I like") == "expected"


def test_example(person: Talk) -> None:
    assert took(person, "Is it RAINING?!") == "example"
    assert took(person, "other 17") == "example"


def test_classifier(person: Talk) -> None:
    assert took(person, "I really want the main thing now please") == "classifier"
    assert person.notes("understand")[0]["tried"][0]["how"] == "classifier"


def test_ladder(person: Talk) -> None:
    assert took(person, "xyzzy plugh") == "ladder"
    person.text("main")
    assert took(person, "xyzzy plugh") == "ladder"


# --- Who wins ---------------------------------------------------------------------------------------------------------


def test_owner_before_all_but_consent_which_is_recorded_whoever_has_the_conversation(person: Talk) -> None:
    person.change("handoff.taken", by="contact:7")
    for text in ("help", "CODE 5", "main", "is it raining", "xyzzy"):
        assert took(person, text) == "owner", text
    assert took(person, "STOP") == "consent"
    assert person.conversation.owner == "person:contact:7"


def test_consent_before_universals(person: Talk) -> None:
    """*stop* would cancel what is open, if it did not end all messages."""
    person.text("main")
    assert took(person, "stop") == "consent"
    assert person.conversation.frames != ()


def test_universals_before_commands(person: Talk) -> None:
    assert took(person, "help") == "universal"
    assert took(person, "help 5") == "command"
    at_words(person)
    assert took(person, "HELP") == "universal"


def test_commands_before_payloads_and_payloads_are_no_commands(person: Talk) -> None:
    """The title on a button is not read: only a tap that is not ours counts as its words."""
    person.text("main")
    asked = person.said[-1]
    assert isinstance(asked, ButtonsOut)
    assert person.send(ChoiceIn(id="a-template's reply", title="CODE nine")) == "Got nine."
    assert tried(person)[-1] == "command"
    person.text("main")
    asked = person.said[-1]
    assert isinstance(asked, ButtonsOut)
    assert person.send(ChoiceIn(id=asked.buttons[1].id, title="CODE nine")) == "Got one."
    assert tried(person)[-1] == "payload"


def test_commands_before_what_is_expected(person: Talk) -> None:
    at_words(person)
    assert person.text("code 5") == "Got 5."
    assert tried(person)[-1] == "command"


def test_payloads_before_what_is_expected(person: Talk) -> None:
    """An old button is no answer to the question that is open now, whatever it is called."""
    person.text("main")
    asked = person.said[-1]
    assert isinstance(asked, ButtonsOut)
    person.text("two")
    person.send(ChoiceIn(id=asked.buttons[0].id, title="Cancel"))
    assert tried(person)[-1] == "payload"
    assert "text" not in person.top.slots


def test_what_is_expected_before_examples(person: Talk) -> None:
    at_words(person)
    assert person.text("is it raining") == "Got is it raining."
    assert tried(person)[-1] == "expected"


def test_a_choice_on_offer_before_the_universal_of_the_same_name(person: Talk) -> None:
    person.text("main")
    assert person.text("Cancel") == "Got cancel."
    assert tried(person)[-1] == "expected"
    assert person.notes("pass") == [
        {"step": "universal", "word": "cancel", "because": "a choice on offer is called so"}
    ]


def test_examples_before_the_classifier(person: Talk) -> None:
    person.text("is it raining")
    assert [one["how"] for one in person.notes("understand")[0]["tried"]] == ["example"]
    assert took(person, "is it raining on the pass") == "classifier"


def test_the_classifier_before_the_ladder(person: Talk) -> None:
    person.text("main")
    assert "Another matter." in person.text("is there snow on the pass outside")
    assert tried(person)[-1] == "classifier"
    assert took(person, "xyzzy plugh") == "ladder"


def test_a_universal_that_is_switched_off_is_told(tmp_path: Path) -> None:
    files = {
        "flows/customer/main.yaml": "flow: main\nrole: customer\nstart: {intents: [go]}\nslots: {t: {type: text}}\n"
        "states:\n  a: {form: [t], universals: false, next: b}\n  b: {end: done}\n",
        "intents/customer.yaml": "role: customer\nintents: {go: {examples: [go]}}\n",
        "templates/en/customer/main.j2": blocks(ask_t="Write."),
    }
    person = Talk(load_content(write_content(tmp_path, files), fake_actions()).book)
    person.text("go")
    person.text("help")
    assert tried(person)[-1] == "expected"
    assert person.notes("pass") == [{"step": "universal", "word": "help", "because": "it is switched off here"}]
