"""Silence, quiet hours, and timers that come late."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import Talk, blocks, book_of, fake_actions, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.conversation import Contact
from bot.core.effects import EndRun, StartTimer
from bot.core.waiting import Quiet

FLOW = """
flow: test
role: customer
start: {universals: [help]}
%s
slots: {people: {type: integer}}
commands: {WARN: {to: warned}, LEAVE: {to: gone}}
states:
  ask:
    form: [people]
    %s
    next: done
  done: {end: done}
  warned: {say: warned, end: warned}
  gone: {end: gone}
"""
SILENCE = "no_input: [{after: 10m}, {after: 30m, say: nudge}, {after: 2h, to: gone}]"
AFTER = "after: {2h: {say: nudge}, 22h: {to: gone}}"
TEXTS = {"ask_people": "How many?", "nudge": "Hello?", "warned": "Bye."}


def talk(tmp_path: Path, state: str, flow: str = "") -> Talk:
    person = Talk(book_of(tmp_path, FLOW % (flow, state), **TEXTS))
    person.text("help")
    return person


def due(person: Talk) -> dict[str, datetime]:
    return {one.name: one.due_at for one in person.timers()}


def fire(person: Talk, timer: StartTimer, at: datetime | None = None) -> str:
    person.at = at or timer.due_at
    return person.fire(timer)


# --- Silence ----------------------------------------------------------------------------------------------------------


def test_a_silent_person_is_asked_again_then_nudged_then_let_go(tmp_path: Path) -> None:
    person = talk(tmp_path, SILENCE)
    timers = person.timers()
    assert [(one.name, one.due_at - person.at) for one in timers] == [
        ("no_input:0", timedelta(minutes=10)),
        ("no_input:1", timedelta(minutes=30)),
        ("no_input:2", timedelta(hours=2)),
    ]
    assert fire(person, timers[0]) == "Are you still there?\n\nHow many?"
    assert person.timers() == []
    assert fire(person, timers[1]) == "Hello?"
    assert fire(person, timers[2]) == ""
    assert person.of(EndRun)[0].outcome == "gone"


def test_a_wrong_answer_is_no_silence(tmp_path: Path) -> None:
    person = talk(tmp_path, SILENCE)
    early = person.timers()[0]
    person.at += timedelta(minutes=5)
    person.text("lots")
    assert due(person)["no_input:0"] == person.at + timedelta(minutes=10)
    assert person.top.counters == {"no_match": 1}
    assert fire(person, early) == ""
    assert person.notes("timer")[0]["postponed"] == "the person has written since"
    person.text("3")
    assert person.conversation.frames == ()


def test_after_still_counts_from_the_question(tmp_path: Path) -> None:
    person = talk(tmp_path, SILENCE + "\n    " + AFTER)
    person.text("lots")
    assert set(due(person)) == {"no_input:0", "no_input:1", "no_input:2"}


# --- Late -------------------------------------------------------------------------------------------------------------


def test_of_overdue_timers_only_the_last_acts(tmp_path: Path) -> None:
    person = talk(tmp_path, AFTER)
    nudge, gone = person.timers()
    late = person.at + timedelta(days=2)
    assert fire(person, nudge, late) == ""
    assert person.notes("ignore")[0] == {
        "why": "a later timer is due as well",
        "name": "2h",
        "instead": "22h",
    }
    assert fire(person, gone, late) == ""
    assert person.of(EndRun)[0].outcome == "gone"


def test_a_timer_that_is_only_a_little_late_acts(tmp_path: Path) -> None:
    person = talk(tmp_path, AFTER)
    assert fire(person, person.timers()[0], person.at + timedelta(hours=21)) == "Hello?"


# --- Quiet hours ------------------------------------------------------------------------------------------------------

QUIET = 'quiet: {from: "21:00", to: "07:00", timezone: Asia/Kathmandu}'  # UTC+5:45


def test_what_would_be_heard_at_night_waits_for_the_morning(tmp_path: Path) -> None:
    person = talk(tmp_path, "after: {7h: {say: nudge}, 8h: {to: gone}, 9h: {to: warned}}", QUIET)
    assert person.at == datetime(2026, 11, 22, 9, 1, tzinfo=UTC)  # 14:46 there
    morning = datetime(2026, 11, 23, 1, 15, tzinfo=UTC)
    assert due(person) == {"7h": morning, "8h": person.at + timedelta(hours=8), "9h": morning}


def test_a_timer_that_comes_late_into_the_night_waits_too(tmp_path: Path) -> None:
    person = talk(tmp_path, "after: {6h: {say: nudge}}", QUIET)
    timer = person.timers()[0]
    assert timer.due_at == person.at + timedelta(hours=6)
    night = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
    assert fire(person, timer, night) == ""
    again = person.timers()[0]
    assert (again.name, again.epoch, again.due_at) == ("6h", timer.epoch, datetime(2026, 11, 23, 1, 15, tzinfo=UTC))
    assert fire(person, again) == "Hello?"


def test_a_person_who_writes_at_night_is_answered_at_night(tmp_path: Path) -> None:
    person = talk(tmp_path, AFTER, QUIET)
    person.at = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
    assert person.text("lots") != ""


def test_the_persons_own_clock(tmp_path: Path) -> None:
    flow = FLOW % ('quiet: {from: "21:00", to: "07:00", otherwise: Asia/Kathmandu}', "after: {12h: {say: nudge}}")
    book = book_of(tmp_path, flow, **TEXTS)
    for zone, at, waited in (
        ("America/New_York", 14, timedelta(hours=21, minutes=14)),  # 9:46 there
        ("", 9, timedelta(hours=15, minutes=29)),
        ("Nowhere/Land", 9, timedelta(hours=15, minutes=29)),
    ):
        person = Talk(book)
        contact = Contact(contact_id=1, timezone=zone)  # type: ignore[arg-type]
        person.conversation = type(person.conversation)(conversation_id=1, contact=contact)  # type: ignore[arg-type]
        person.at = datetime(2026, 11, 22, at, 45, tzinfo=UTC)
        person.text("help")
        assert person.timers()[0].due_at - person.at == waited


def test_the_end_of_a_called_flow_waits_for_the_morning(tmp_path: Path) -> None:
    """What calls it may speak then; where nothing has called it, it ends on time."""
    caller = """
flow: caller
role: customer
start: {universals: [agent]}
states:
  first: {call: test, next: over}
  over: {say: warned, end: over}
"""
    files = {
        "flows/customer/test.yaml": FLOW % (QUIET, "after: {8h: {to: gone}}"),
        "templates/en/customer/test.j2": blocks(**TEXTS),
        "flows/customer/caller.yaml": caller,
        "templates/en/customer/caller.j2": blocks(warned="Over."),
    }
    book = load_content(write_content(tmp_path, files), fake_actions()).book
    alone, called = Talk(book), Talk(book)
    alone.text("help")
    assert due(alone) == {"8h": alone.at + timedelta(hours=8)}
    called.text("agent")
    assert due(called) == {"8h": datetime(2026, 11, 23, 1, 15, tzinfo=UTC)}
    assert fire(called, called.timers()[0]) == "Over."


def test_a_project_may_be_quiet_and_a_flow_may_not(tmp_path: Path) -> None:
    for own, moved in (("", True), ("quiet: false", False)):
        files = {
            "project.yaml": QUIET,
            "flows/customer/test.yaml": FLOW % (own, "after: {7h: {say: nudge}}"),
            "templates/en/customer/test.j2": blocks(**TEXTS),
        }
        person = Talk(load_content(write_content(tmp_path, files), fake_actions()).book)
        person.text("help")
        assert (person.timers()[0].due_at > person.at + timedelta(hours=7)) is moved


@settings(max_examples=300, deadline=None)
@given(
    st.times(), st.times(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Apia", "Europe/London"]),
)  # fmt: skip
def test_quiet_hours_end_when_they_say(begins: time, ends: time, naive: datetime, zone: str) -> None:
    at = naive.replace(tzinfo=UTC)
    quiet = Quiet(begins=begins, ends=ends, zone=zone, otherwise="UTC")
    until = quiet.until(at, "")
    if until is not None:
        local = until.astimezone(ZoneInfo(zone))
        assert local.replace(fold=0).time() == ends or local.utcoffset() != at.astimezone(ZoneInfo(zone)).utcoffset()
        assert at - timedelta(hours=1) <= until <= at + timedelta(hours=25)


@pytest.mark.parametrize(
    ("flow", "state", "message"),
    [
        ('quiet: {from: "9pm", to: "07:00"}', "", "4:15: error: `9pm` is not a time of day. Write for example 21:00."),
        (
            'quiet: {from: "21:00", to: "07:00", timezone: Nepal}',
            "",
            "There is no time zone `Nepal`. Write for example",
        ),
        ("", "no_input: [{after: 2h}, {after: 1h}]", "This rung comes no later than the one before it."),
        ("", "no_input: [{after: 2h, to: nowhere}]", "There is no state `nowhere`."),
    ],
)
def test_mistakes_are_named(tmp_path: Path, flow: str, state: str, message: str) -> None:
    files = {
        "flows/customer/test.yaml": (FLOW % (flow, state)).lstrip(),
        "templates/en/customer/test.j2": blocks(**TEXTS),
    }
    found = [str(one) for one in check(write_content(tmp_path, files), fake_actions())]
    assert any(message in one for one in found), found
