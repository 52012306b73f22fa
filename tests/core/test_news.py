"""What happens in the business starts flows, in the conversation of whoever it concerns."""

from dataclasses import replace
from pathlib import Path

import pytest
from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.effects import EndRun
from bot.core.errors import ContentErrors

PLAN = """
flow: plan
role: customer
start: {universals: [help]}
slots: {people: {type: integer, min: 1, max: 40}}
states:
  details: {form: [people], template: none, events: {trip.moved: moved}, next: done}
  moved: {say: moved, template: none, next: details}
  done: {end: done}
"""
NEWS = """
flow: news
role: ROLE
start: {events: EVENTS}
states:
  tell: {say: tell, template: none, next: ask}
  ask: {ask: ask, template: none, choices: {ok: Fine, bad: Not good}, next: told}
  told: {say: told, end: told}
"""


def talk(tmp_path: Path, *, role: str = "customer", events: str = "{trip.notice: notice, trip.moved: notice}") -> Talk:
    files = {
        "flows/customer/plan.yaml": PLAN,
        "flows/customer/news.yaml": NEWS.replace("ROLE", role).replace("EVENTS", events),
        "templates/en/customer/plan.j2": blocks(ask_people="How many?", moved="Moved to {{ event.day }}."),
        "templates/en/customer/news.j2": blocks(
            tell="{{ (notice or event).trip }} is late.",
            ask="All right?",
            told="Noted for {{ (notice or event).trip }}.",
        ),
        "intents/customer.yaml": "role: customer\nintents: {greet: {examples: [good morning]}}\n",
    }
    return Talk(load_content(write_content(tmp_path, files), fake_actions()).book)


def test_news_starts_a_flow_that_keeps_what_it_carries(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.change("trip.notice", trip="TRP1") == "TRP1 is late.\n---\nAll right?"
    assert person.text("fine") == "Noted for TRP1.", "kept beyond the turn"
    assert person.of(EndRun)[0].outcome == "told"


def test_news_starts_a_flow_in_the_middle_of_a_question_which_stays_open(tmp_path: Path) -> None:
    person = talk(tmp_path)
    person.text("help")
    assert person.change("trip.notice", trip="TRP1") == "TRP1 is late.\n---\nAll right?"
    assert [frame.flow for frame in person.conversation.frames] == ["plan", "news"]
    assert person.text("fine").endswith("How many?"), "the question beneath is asked again"


def test_a_run_that_listens_comes_first(tmp_path: Path) -> None:
    person = talk(tmp_path)
    person.text("help")
    assert person.change("trip.moved", day="Monday") == "Moved to Monday.\n---\nHow many?"
    person.text("cancel")
    assert person.change("trip.moved", trip="TRP1").startswith("TRP1 is late.")


def test_news_is_told_while_a_person_has_taken_over(tmp_path: Path) -> None:
    person = talk(tmp_path)
    person.conversation = replace(person.conversation, owner="role:sales")
    assert person.change("trip.notice", trip="TRP1").startswith("TRP1 is late.")


@pytest.mark.parametrize(("role", "heard"), [("customer", True), ("field_staff", True), ("manager", False)])
def test_it_starts_for_those_who_may_walk_the_flow_and_everybody_may_be_a_customer(
    tmp_path: Path, role: str, heard: bool
) -> None:
    person = talk(tmp_path, role=role)
    person.conversation = replace(
        person.conversation, contact=replace(person.conversation.contact, roles=("field_staff",))
    )
    assert bool(person.change("trip.notice", trip="TRP1")) is heard


def test_what_nobody_listens_to_is_ignored(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.change("hello.there") == ""
    assert person.trace[-1].detail["why"] == "no run listens to this"


def test_one_event_starts_one_flow(tmp_path: Path) -> None:
    talk(tmp_path)
    (tmp_path / "flows/customer/other.yaml").write_text(
        "flow: other\nrole: customer\nstart: {events: [trip.notice]}\nstates: {a: {end: done}}\n"
    )
    with pytest.raises(ContentErrors, match=r"Event `trip\.notice` starts flow `\w+` already"):
        load_content(tmp_path, fake_actions())
