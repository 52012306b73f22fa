"""Runs of an older version come into a newer one: at the same question, with the same values, and never lost."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.book import FlowBook
from bot.core.effects import CancelTimers, EndRun, MoveRun, StartTimer
from bot.core.errors import ContentErrors

V1 = """
flow: test
role: customer
start: {universals: [help]}
slots:
  party: {type: integer, min: 1, max: 40}
  town:  {type: text}
states:
  details: {form: [party, town], after: {2h: {say: nudge}}, next: review}
  review:
    ask: review
    choices: {yes: "Yes", no: "No"}
    when: {yes: done, no: details}
  done: {say: done, end: booked}
"""
V2 = """
flow: test
role: customer
version: 2
start: {universals: [help]}
slots:
  people: {type: integer, min: 1, max: 40}
  town:   {type: text}
states:
  collect: {form: [people, town], after: {2h: {say: nudge}, 5h: {say: nudge}}, next: check}
  check:
    ask: check
    choices: {yes: "Yes", no: "No"}
    when: {yes: done, no: collect}
  done: {say: done, end: booked}
migrations:
  - from: 1
    states: {details: collect, review: check}
    slots: {people: "{{ party }}"}
"""
TEXTS = {"ask_town": "Which town?", "nudge": "Still there?", "done": "Done."}
OLD = TEXTS | {"ask_party": "How many?", "review": "{{ party }} to {{ town }}?"}
NEW = TEXTS | {"ask_people": "How many of you?", "check": "{{ people }} of you to {{ town }}?"}


def book_of(root: Path, flow: str) -> FlowBook:
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(**(OLD if flow is V1 else NEW))}
    return load_content(write_content(root, files), fake_actions()).book


def books(tmp_path: Path, old: str, new: str) -> tuple[FlowBook, FlowBook]:
    """The book before, and the one after with the old version beside the new one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = book_of(tmp_path / "a", old)
    return before, book_of(tmp_path / "b", new).beside(before.flows())


def on_v1(tmp_path: Path, *said: str, new: str = V2) -> Talk:
    """Somebody who has begun on the old version when the new one comes."""
    before, after = books(tmp_path, V1, new)
    person = Talk(before)
    person.text("help")
    for text in said:
        person.text(text)
    person.book = after
    return person


def reason(person: Talk, rule: str = "migrated") -> Mapping[str, Any]:
    return next(one.detail for one in person.trace if one.detail.get("rule") == rule)


def test_the_answer_to_a_renamed_question_is_taken_in_the_new_version(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3")
    assert person.text("Pokhara") == "3 of you to Pokhara?"
    assert (person.top.version, person.top.state) == (2, "check")
    assert person.top.slots == {"people": 3, "town": "Pokhara"}
    assert reason(person)["version"] == [1, 2]
    assert reason(person)["state"] == ["details", "collect"]
    assert person.of(MoveRun)[0].version == 2


def test_a_run_without_a_declared_migration_stays_on_its_version(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", new=V2[: V2.index("migrations:")])
    assert person.text("Pokhara") == "3 to Pokhara?"
    assert person.top.version == 1


def test_whoever_starts_afterwards_starts_on_the_new_version(tmp_path: Path) -> None:
    _, after = books(tmp_path, V1, V2)
    person = Talk(after)
    assert person.text("help") == "How many of you?"
    assert person.top.version == 2


def test_a_slot_that_is_asked_for_no_more_is_asked_for_under_its_new_name(tmp_path: Path) -> None:
    """The message answered a question that has gone, so it is not taken for an answer to the new one."""
    person = on_v1(tmp_path)
    assert person.text("4") == "How many of you?"
    assert person.text("5") == "Which town?"
    assert person.top.slots == {"people": 5}


def test_old_buttons_are_stale_and_old_timers_cancelled(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara")
    epoch = person.top.epoch
    person.tap("Yes")
    assert person.top.state == "check"
    assert person.top.epoch > epoch
    assert person.of(CancelTimers)[0].epoch == person.top.epoch
    assert person.text("yes") == "Done."


def test_timers_of_the_new_state_count_from_when_the_question_was_put(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3")
    asked = person.at
    person.at += timedelta(hours=3)
    person.text("gibberish that is a town")
    started = [timer for timer in person.of(StartTimer) if timer.name == "5h"]
    assert started[0].due_at == asked + timedelta(hours=5)
    assert not [timer for timer in person.of(StartTimer) if timer.name == "2h"], "it would be overdue"


def test_values_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=V2.replace("{{ party }}", "{{ town }}"))
    person.text("no")
    assert "people" not in person.top.slots


def test_dropped_values_are_forgotten(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=V2 + "    drop: [town]\n")
    person.text("no")
    assert person.top.slots == {"people": 3}


ORPHANED = V2.replace("review: check", "").replace("states: {details: collect, }", "states: {details: collect}")


def test_an_orphan_is_sent_to_the_state_that_was_named_for_it(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=ORPHANED + "    orphans: check\n")
    assert person.text("yes") == "3 of you to Pokhara?"
    assert person.text("yes") == "Done."


def test_an_orphan_may_end(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=ORPHANED + "    orphans: end\n")
    person.text("hello")
    assert person.of(EndRun)[0].outcome == "migrated"
    assert person.conversation.frames == ()


def test_an_orphan_of_which_nobody_said_anything_stays_where_it_is(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=ORPHANED)
    assert person.text("yes") == "Done."


def test_nobody_is_sent_elsewhere_while_a_colleague_talks_to_them(tmp_path: Path) -> None:
    person = on_v1(tmp_path, "3", "Pokhara", new=ORPHANED + "    orphans: check\n")
    person.conversation = replace(person.conversation, owner="role:sales")
    assert person.text("yes") == ""
    assert person.top.version == 1


def test_a_migration_works_without_the_old_version(tmp_path: Path) -> None:
    """Only what is done in a question needs its version; what is brought over does not."""
    person = on_v1(tmp_path, "3")
    person.book = book_of(tmp_path / "b", V2)
    assert person.text("Pokhara") == "3 of you to Pokhara?"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("from: 1", "from: 2", "not older"),
        ("details: collect,", "details: colect,", "no state `colect`"),
        ("slots: {people:", "slots: {peopel:", "no slot `peopel`"),
        ("{{ party }}", "{{ party", "not a valid"),
        ("    slots:", "    orphans: nowhere\n    slots:", "no state `nowhere`"),
        ("  - from: 1", "  - from: 1\n  - from: 1", "two migrations"),
    ],
)
def test_mistakes_in_a_migration_are_found(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ContentErrors, match=message):
        book_of(tmp_path, V2.replace(old, new))
