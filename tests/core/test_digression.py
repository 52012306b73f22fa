"""Something else in between, and back to where we were."""

from pathlib import Path

from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.effects import EndRun
from bot.core.starting import MAX_FRAMES

PLAN = """
flow: plan
role: customer
start: {{universals: [help]}}
{flow}
slots:
  people: {{type: integer, min: 1, max: 40}}
  month: {{type: date, granularity: month}}
states:
  details: {{form: [people, month], next: done{state}}}
  done: {{end: done}}
"""
PRICES = """
flow: prices
role: customer
start: {intents: [ask_price]}
states:
  which: {ask: which, choices: {ebc: EBC, abc: ABC}, next: told}
  told: {say: told, end: told}
"""
INTENTS = """
role: customer
intents:
  ask_price: {examples: [what does it cost]}
  greet: {examples: [good morning]}
"""
HELLO = "flow: hello\nrole: customer\nstart: {intents: [greet]}\nstates: {a: {say: hello, end: greeted}}\n"


def talk(tmp_path: Path, flow: str = "", state: str = "") -> Talk:
    files = {
        "flows/customer/plan.yaml": PLAN.format(flow=flow, state=state),
        "flows/customer/prices.yaml": PRICES,
        "flows/customer/hello.yaml": HELLO,
        "templates/en/customer/plan.j2": blocks(ask_people="How many?", ask_month="When?"),
        "templates/en/customer/prices.j2": blocks(which="Of which?", told="{{ answer }}: a lot."),
        "templates/en/customer/hello.j2": blocks(hello="Hello!"),
        "intents/customer.yaml": INTENTS,
    }
    person = Talk(load_content(write_content(tmp_path, files), fake_actions()).book)
    assert person.text("help") == "How many?"
    return person


def test_another_question_is_dealt_with_and_the_open_one_asked_again(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.text("what does it cost?") == "Of which?"
    assert [frame.flow for frame in person.conversation.frames] == ["plan", "prices"]
    assert person.text("ebc") == "ebc: a lot.\n---\nBack to where we were:\n\nHow many?"
    assert person.text("3") == "When?"


def test_a_flow_may_say_in_its_own_words_where_the_person_was(tmp_path: Path) -> None:
    person = talk(tmp_path)
    path = tmp_path / "templates/en/customer/plan.j2"
    path.write_text(path.read_text() + "{% block resume %}Your plan lacks {{ missing | human_list }}.{% endblock %}")
    person.book = load_content(tmp_path, fake_actions()).book
    assert person.text("good morning") == "Hello!\n---\nYour plan lacks people and month.\n\nHow many?"


def test_silence_afterwards(tmp_path: Path) -> None:
    for place, person in enumerate(
        (talk(tmp_path / "1", "resume: silent"), talk(tmp_path / "2", "", ", resume: silent"))
    ):
        assert person.text("good morning") == "Hello!", place
        assert person.text("3") == "When?"
    person = talk(tmp_path / "3", "resume: silent", ", resume: ask")
    assert person.text("good morning").endswith("How many?")


def test_no_digression_where_it_is_switched_off(tmp_path: Path) -> None:
    for person in (talk(tmp_path / "1", "digress: false"), talk(tmp_path / "2", "", ", digress: false")):
        assert person.text("good morning").startswith("Please send me one number")
        assert person.notes("understand") == []
    person = talk(tmp_path / "3", "digress: false", ", digress: true")
    assert person.text("good morning").startswith("Hello!")


def test_cancel_and_back_leave_the_digression_only(tmp_path: Path) -> None:
    for word, outcome in (("cancel", "cancelled"), ("back", "left")):
        person = talk(tmp_path / word)
        person.text("what does it cost?")
        assert person.text(word).endswith("Back to where we were:\n\nHow many?")
        assert [(end.flow, end.outcome) for end in person.of(EndRun)] == [("prices", outcome)]
        assert [frame.flow for frame in person.conversation.frames] == ["plan"]


def test_a_flow_that_is_under_way_already_is_not_begun_again(tmp_path: Path) -> None:
    person = talk(tmp_path)
    person.text("what does it cost?")
    assert person.text("what does it cost?").startswith("Sorry, I didn't get that.")
    assert len(person.conversation.frames) == 2
    assert len(person.conversation.frames) < MAX_FRAMES
