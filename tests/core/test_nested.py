"""States inside states: what holds for all of them is said once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import Talk, blocks, book_of, fake_actions, write_content

from bot.authoring.linter import check
from bot.core.effects import EndRun
from bot.core.expanding import expand
from bot.core.flow import FlowSpec
from bot.core.report import Report

FLOW = """
flow: test
role: customer
start: {universals: [help]}
slots:
  people: {type: integer}
  month:  {type: date, granularity: month}
commands:
  STATUS: {from: trip, to: status, else: nothing}
states:
  trip:
    say: welcome
    after: {22h: {to: dropped}}
    events: {trip.cancelled: sorry}
    universals: [back, cancel]
    no_match: [{to: sorry, reason: stuck}]
    next: review
    states:
      party: {form: [people], next: [{if: people > 10, to: big}, when]}
      big:   {ask: big, choices: {fine: Fine}, next: when, after: {1h: {say: nudge}}}
      when:  {form: [month]}
  review:
    ask: review
    choices: {again: Again, month: Month, done: Done}
    when: {again: trip, month: trip/when, done: bye}
  status:  {say: status, next: trip/when}
  sorry:   {say: sorry, template: none, end: sorry}
  dropped: {end: dropped}
  bye:     {end: done}
"""
TEXTS = {
    "welcome": "Welcome", "big": "Big group", "review": "All right?", "status": "Halfway", "nothing": "No.",
    "sorry": "Sorry{% if event %}, {{ event.why }}{% endif %}", "nudge": "Hello?", "ask_people": "How many?",
    "ask_month": "When?",
}  # fmt: skip


@pytest.fixture
def person(tmp_path: Path) -> Talk:
    talk = Talk(book_of(tmp_path, FLOW, **TEXTS))
    talk.text("help")
    return talk


def test_entering_a_composed_state_enters_its_first_child(person: Talk) -> None:
    assert person.notes("enter")[-1]["state"] == "trip/party"
    assert [getattr(one, "body", "") for one in person.said] == ["Welcome", "How many?"]


def test_neighbours_are_known_by_their_short_names_and_the_parents_next_leads_on(person: Talk) -> None:
    person.text("12")
    assert person.top.state == "trip/big"
    person.text("fine")
    assert person.top.state == "trip/when"
    assert person.text("december") == "All right?"
    assert person.top.state == "review"


def test_coming_back_into_a_child_skips_what_entering_the_whole_does(person: Talk) -> None:
    person.text("2")
    person.text("december")
    assert person.text("month") == "All right?"  # filled already, so it goes on at once
    assert person.text("again") == "Welcome\n---\nAll right?"


def test_timers_events_and_ladders_of_the_parent_hold_inside(person: Talk) -> None:
    assert [one.name for one in person.timers()] == ["22h"]
    person.text("12")
    assert sorted(one.name for one in person.timers()) == ["1h", "22h"]
    assert person.text("what?") == "Sorry"
    assert person.of(EndRun)[0].outcome == "sorry"
    person.text("help")
    assert person.change("trip.cancelled", why="snow") == "Sorry, snow"
    person.text("help")
    person.wait(hours=23)
    assert person.of(EndRun)[0].outcome == "dropped"


def test_universals_of_the_parent_hold_inside(person: Talk) -> None:
    assert person.text("repeat") == "Sorry"
    person.text("help")
    assert "cancelled" in person.text("cancel")


def test_a_command_from_the_whole_works_in_every_child(person: Talk) -> None:
    person.text("12")
    assert person.text("STATUS") == "Halfway\n---\nWhen?"
    person.text("december")
    assert person.text("STATUS") == "No."


def test_back_goes_through_children(person: Talk) -> None:
    person.text("12")
    person.text("fine")
    assert person.text("back") == "Big group"
    assert person.text("back") == "How many?"


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (
            "{a: {ask: q, states: {b: {end: x}}}}",
            "6:7: error: `ask:` does nothing beside `states:`. Give it",
        ),
        ("{a: {states: {b: {next: c}}}}", "6:20: error: There is no state `c`. There is `a/b`."),
        ("{a: {states: {b: {say: q}}}}", "6:16: error: State 'a/b' has no way out. Give it `next:` or `end:`."),
        ("{a: {states: {}}}", "6:7: error: `states:` is empty."),
        ("{a: {next: b, states: {c: {end: x}, d: {end: y}}}, b: {end: z}}", "error: State 'a/d' cannot be reached."),
    ],
)
def test_mistakes_inside_are_named_where_they_are(tmp_path: Path, states: str, message: str) -> None:
    flow = f"flow: test\nrole: customer\nstart: {{universals: [help]}}\n\nstates:\n {states}\n"
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(q="Q")}
    found = [str(one) for one in check(write_content(tmp_path, files), fake_actions())]
    assert any(message in one for one in found), found


NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.fixed_dictionaries({"next": st.sampled_from(["a", "b", "c", "a/b", "b/c/a"])})
TREES = st.recursive(
    LEAVES, lambda inner: st.fixed_dictionaries({"states": st.dictionaries(NAMES, inner, min_size=1)}), max_leaves=12
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(NAMES, TREES, min_size=1))
def test_any_tree_becomes_plain_states_with_places(states: dict[str, object]) -> None:
    spec = FlowSpec.model_validate({"flow": "x", "role": "customer", "states": states})
    report = Report()
    flat = expand(spec, report)
    assert all(state.states is None for state in flat.states.values())
    for name in flat.states:
        assert report.places.get(name, ("states", name))[-1] == name.rpartition("/")[2]
        there: object = {"states": states}
        for step in report.places.get(name, ("states", name)):
            there = there[step]  # type: ignore[index]
    assert expand(flat, Report()).states == flat.states
