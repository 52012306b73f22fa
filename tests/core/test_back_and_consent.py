"""Going back past what is done, and saying no to messages."""

from datetime import timedelta
from pathlib import Path

import pytest
from talking import Talk, book_of, titles

from bot.core.effects import EndRun, Invoke, RecordConsent
from bot.core.events import TimerFired

FLOW = """
flow: test
role: customer
start: {universals: [help]}
slots: {people: {type: integer}, month: {type: date, granularity: month}}
states:
  party: {form: [people], next: lead}
  lead:
    do: leads.create
    with: {trek: 1, people: "{{ people }}"}
    once: "lead:{{ run.id }}"
    save: lead
    next: when
  when: {form: [month], next: sure, after: {2h: {say: nudge}, 3h: {to: gone}}}
  sure: {ask: sure, choices: {yes: "Yes", no: "No"}, next: done}
  done: {end: done}
  gone: {say: gone, end: gone}
"""
TEXTS = {"sure": "Sure?", "ask_people": "How many?", "ask_month": "When?", "nudge": "Hello?", "gone": "Bye."}


@pytest.fixture
def person(tmp_path: Path) -> Talk:
    talk = Talk(book_of(tmp_path, FLOW, done_lead="your enquiry {{ lead.code }}", **TEXTS))
    talk.text("help")
    talk.text("3")
    talk.text("december")
    return talk


def test_going_back_past_a_receipt_asks_first_and_says_what_stays(person: Talk) -> None:
    assert person.text("back") == "When?"  # nothing lies between these two
    answer = person.text("back")
    assert answer == "Going back does not undo what is done: your enquiry LEAD17. Go back all the same?"
    assert titles(person.said[0]) == ["Go back", "Stay here"]
    assert person.top.state == "when"
    assert person.tap("Go back") == "How many?"
    assert person.top.state == "party"
    assert person.text("4") == "When?"
    assert [one.receipt for one in person.of(Invoke)] == [f"lead:{person.top.run}"]
    assert person.text("back").startswith("Going back does not undo")


@pytest.mark.parametrize("no", ["no", "Stay here", "2", "nahi"])
def test_staying_asks_the_question_again(person: Talk, no: str) -> None:
    person.text("back")
    person.text("back")
    assert person.text(no) == "When?"
    assert person.top.confirming is None
    assert person.text("january") == "Sure?"


@pytest.mark.parametrize("yes", ["yes", "go back", "1", "ok"])
def test_yes_in_any_words(person: Talk, yes: str) -> None:
    person.text("back")
    person.text("back")
    assert person.text(yes) == "How many?"


def test_anything_else_counts_as_what_it_is(person: Talk) -> None:
    person.text("back")
    person.text("back")
    buttons = person.said[0]
    assert person.text("january") == "Sure?"
    assert "earlier question" in person.tap("Go back", buttons)
    assert person.top.state == "sure"


# --- Consent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["STOP", "Unsubscribe", "opt out", "संदेश बंद करो", "revoke"])
def test_stop_is_recorded_and_timers_keep_still(person: Talk, word: str) -> None:
    person.text("back")
    timers = person.timers()
    assert "no more messages" in person.text(word)
    assert person.of(RecordConsent) == [RecordConsent(allowed=False, words=word)]
    assert person.conversation.scope["stopped"] is True
    person.at = timers[0].due_at
    assert person.fire(timers[0]) == ""
    assert person.notes("ignore")[0]["why"] == "the person wants no messages"
    person.at = timers[1].due_at
    assert person.fire(timers[1]) == ""
    assert person.of(EndRun)[0].outcome == "gone"


def test_start_allows_messages_again_and_goes_on(person: Talk) -> None:
    person.text("STOP")
    answer = person.text("start")
    assert answer.startswith("Thank you. You will get messages from us again")
    assert answer.endswith("Sure?")
    assert "stopped" not in person.conversation.scope
    assert person.text("yes") == ""
    assert person.of(EndRun)[0].outcome == "done"


def test_who_writes_after_stop_is_answered(person: Talk) -> None:
    person.text("STOP")
    assert person.text("back") == "When?"


@pytest.mark.parametrize("word", ["cancel", "quit", "end", "EXIT"])
def test_ambiguous_words_mean_what_they_mean_in_a_form(person: Talk, word: str) -> None:
    person.text(word)
    assert person.of(RecordConsent) == []
    assert person.of(EndRun)[0].outcome == "cancelled"
    assert "send *STOP*" in person.text(word)  # outside of any, we ask
    assert person.of(RecordConsent) == []


def test_a_timer_event_of_another_run_changes_nothing(person: Talk) -> None:
    before = person.conversation
    person.at += timedelta(hours=3)
    event = TimerFired(event_id=99, at=person.at, run="r99", name="2h", epoch=1)  # type: ignore[arg-type]
    person.happen(event)
    assert person.conversation == before
