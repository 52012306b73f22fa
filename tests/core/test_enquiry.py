"""The shipped enquiry, from the first message to the lead."""

from datetime import timedelta

import pytest
from talking import Talk, titles

from bot.core.effects import CancelTimers, EndRun, Handoff, Invoke, Notify, StartRun
from bot.core.messages import ButtonsOut

SEED = "Hi, interested in EBC Trek for 2 people in December"


def test_the_seeds_sentence_fills_everything_at_once(customer: Talk) -> None:
    answer = customer.text(SEED)
    assert customer.top.state == "review"
    assert customer.top.slots["trek"]["id"] == 1
    assert customer.top.slots["people"] == 2
    assert customer.top.slots["month"] == "2026-12"
    assert "*Everest Base Camp Trek*" in answer
    assert "2 people" in answer
    assert "December 2026" in answer
    assert titles(customer.said[0]) == ["Send me a quote", "Change details", "Talk to a person"]


def test_yes_creates_the_lead_once_thanks_and_tells_sales(customer: Talk) -> None:
    customer.text(SEED)
    run = customer.top.run
    answer = customer.tap("Send me a quote")
    invoke = customer.of(Invoke)[0]
    assert (invoke.name, invoke.receipt) == ("leads.create", f"lead:{run}")
    assert invoke.arguments == {"trek": 1, "people": 2, "month": "2026-12"}
    assert "Thank you, Asha!" in answer
    assert "LEAD17" in answer
    notify = customer.of(Notify)[0]
    assert notify.role == "sales"
    assert notify.template == "new_lead"
    assert notify.parameters == ("Asha Rai", "Everest Base Camp Trek", "2", "December 2026", "LEAD17")
    assert notify.text.startswith("*New lead*\nCustomer Asha Rai is interested in Everest Base Camp Trek")
    assert customer.of(EndRun)[0].outcome == "converted"
    assert customer.conversation.frames == ()


def test_effects_come_in_the_order_people_should_see_them(customer: Talk) -> None:
    customer.text(SEED)
    customer.tap("Send me a quote")
    assert [type(one).__name__ for one in customer.effects] == ["Invoke", "Send", "Notify", "CancelTimers", "EndRun"]


@pytest.mark.parametrize(
    "yes", ["yes", "Yes please!", "ok", "1", "1.", "send me a quote", "Send me a qoute", "haan ji", "👍"]
)
def test_every_way_of_saying_yes(customer: Talk, yes: str) -> None:
    customer.text(SEED)
    customer.text(yes)
    assert customer.of(EndRun)[0].outcome == "converted"


def test_what_is_missing_is_asked_for_in_order(customer: Talk) -> None:
    assert "Which trek" in customer.text("I want to go trekking")
    assert customer.of(StartRun)[0].flow == "enquiry"
    assert "How many people" in customer.text("everest")
    assert "Which month" in customer.text("just the two of us")
    assert customer.top.slots["people"] == 2
    assert "March 2027" in customer.text("march")


def test_one_answer_may_fill_several_slots(customer: Talk) -> None:
    customer.text("I want to go trekking")
    customer.text("Everest, 4 people in April 2027")
    assert customer.top.state == "review"
    assert customer.top.slots["people"] == 4
    assert customer.top.slots["month"] == "2027-04"


def test_several_candidates_are_offered_and_may_be_tapped_typed_or_numbered(customer: Talk) -> None:
    for choose in ("Annapurna Circuit", "2", "anapurna base camp"):
        customer.text("cancel")
        customer.text("I want to go trekking")
        customer.text("annapurna")
        assert isinstance(customer.said[0], ButtonsOut)
        assert titles(customer.said[0]) == ["Annapurna Circuit", "Annapurna Base Camp"]
        customer.text(choose)
        assert customer.top.slots["trek"]["id"] == (2 if "Circuit" in choose else 3)
        assert customer.top.offers == ()


def test_a_correction_in_the_form_changes_the_slot_it_names(customer: Talk) -> None:
    customer.text("Everest base camp for 3 people")
    assert customer.top.asking == "month"
    answer = customer.text("no, 4 people")
    assert customer.top.slots["people"] == 4
    assert "Which month" in answer


def test_a_correction_at_the_review_shows_it_again(customer: Talk) -> None:
    customer.text(SEED)
    answer = customer.text("no, 3 people")
    assert "Got it, changed." in answer
    assert "3 people" in answer
    answer = customer.text("sorry, make it January")
    assert "January 2027" in answer
    answer = customer.text("actually annapurna circuit")
    assert "*Annapurna Circuit*" in answer
    assert customer.top.state == "review"


def test_wrong_answers_climb_the_ladder_to_a_person(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    assert "number of people, from 1 to 40" in customer.text("lots of us")
    assert "still don't understand" in customer.text("as I said, lots")
    answer = customer.text("many many")
    assert "A colleague will take over" in answer
    handoff = customer.of(Handoff)[0]
    assert (handoff.role, handoff.reason, handoff.sla) == ("sales", "stuck", timedelta(minutes=15))
    assert customer.conversation.owner == "role:sales"
    assert customer.text("hello?") == ""
    assert customer.notes("ignore")[0]["owner"] == "role:sales"


def test_values_that_will_not_do_are_named(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    assert "Up to 40 people" in customer.text("75")
    customer.text("10")
    assert "over already" in customer.text("March 2020")
    customer.text("2 or 3 months from now")
    assert customer.top.asking == "month"
    assert customer.top.slots["people"] == 10


def test_a_right_answer_starts_the_ladder_afresh(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    customer.text("lots")
    customer.text("4")
    assert customer.top.counters == {}


def test_big_groups_go_to_a_person_with_their_lead(customer: Talk) -> None:
    customer.text("Everest base camp trek for 20 people in May 2027")
    answer = customer.text("yes")
    assert customer.of(Invoke)[0].name == "leads.create"
    assert "A group of 20" in answer
    assert customer.of(Handoff)[0].reason == "big_group"


def test_a_refused_action_leads_to_a_person(customer: Talk) -> None:
    customer.text("Everest base camp trek for 13 people in May 2027")
    customer.text("yes")
    assert customer.of(Handoff)[0].reason == "lead_failed"


def test_the_nudge_says_what_is_missing_and_the_run_is_dropped_in_the_end(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    timers = customer.timers()
    assert [(one.name, one.due_at - customer.at) for one in timers] == [
        ("2h", timedelta(hours=2)),
        ("22h", timedelta(hours=22)),
    ]
    assert customer.wait(hours=2) == "Still planning, Asha? I only need the number of people and month."
    assert customer.top.state == "details"
    customer.at += timedelta(hours=20)
    assert customer.fire(timers[1]) == ""
    assert customer.of(EndRun)[0].outcome == "dropped"


def test_an_answer_makes_earlier_timers_late(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    late = customer.timers()[0]
    customer.text("4")
    assert customer.of(CancelTimers)[0].epoch == customer.top.epoch
    before = customer.conversation
    assert customer.fire(late) == ""
    assert customer.conversation == before
    assert customer.notes("ignore")[0]["why"] == "late timer"


def test_a_wrong_answer_does_not_restart_timers(customer: Talk) -> None:
    customer.text("Everest base camp trek")
    customer.text("lots")
    assert customer.timers() == []


def test_an_old_button_is_recognised_and_the_open_question_repeated(customer: Talk) -> None:
    customer.text(SEED)
    old = customer.said[0]
    customer.text("no, 3 people")
    answer = customer.tap("Send me a quote", old)
    assert answer.startswith("That button belongs to an earlier question.")
    assert "3 people" in answer
    assert customer.top.state == "review"
    assert customer.of(Invoke) == []


def test_a_button_of_an_ended_run_does_nothing(customer: Talk) -> None:
    customer.text(SEED)
    old = customer.said[0]
    customer.tap("Send me a quote")
    assert customer.tap("Send me a quote", old) == "That button belongs to an earlier question."
    assert customer.of(Invoke) == []
    customer.text("Annapurna circuit for 4 people in May 2027")
    customer.tap("Talk to a person", old)
    assert customer.top.state == "review"


def test_change_details_asks_only_for_what_is_to_change(customer: Talk) -> None:
    customer.text(SEED)
    customer.tap("Change details")
    assert titles(customer.said[0]) == ["The trek", "How many of us", "The month"]
    assert "How many people" in customer.tap("How many of us")
    answer = customer.text("6")
    assert "6 people" in answer
    assert "December 2026" in answer


def test_universals(customer: Talk) -> None:
    customer.text("Everest base camp trek for 2 people")
    assert "Which month" in customer.text("repeat")
    help_text = customer.text("help")
    assert "*cancel*" in help_text
    assert "Which month" in help_text
    assert "no way back" in customer.text("back")
    customer.text("april 2027")
    assert customer.top.state == "review"
    assert "Which month" in customer.text("go back")
    assert "month" not in customer.top.slots
    assert "Which trek" in customer.text("start over")
    assert customer.of(EndRun)[0].outcome == "restarted"
    assert "cancelled" in customer.text("Cancle")
    assert customer.of(EndRun)[0].outcome == "cancelled"
    assert customer.conversation.frames == ()


def test_back_goes_through_the_questions_that_were_asked(customer: Talk) -> None:
    customer.text("I want to go trekking")
    customer.text("everest")
    customer.text("4")
    assert "How many people" in customer.text("back")
    assert "Which trek" in customer.text("wapas")
    assert customer.top.slots == {}
    assert "no way back" in customer.text("back")


def test_agent_hands_over_and_the_bot_comes_back_when_it_is_returned(customer: Talk) -> None:
    customer.text(SEED)
    assert "colleague" in customer.text("I want to talk to a person")
    assert customer.of(Handoff)[0].reason == "asked"
    assert "I am back" in customer.change("handoff.returned")
    assert customer.conversation.owner == "bot"
    assert customer.of(EndRun)[0].outcome == "handed_back"


def test_a_greeting_in_the_middle_is_answered_and_the_question_repeated(customer: Talk) -> None:
    customer.text("Everest base camp trek for 2 people")
    answer = customer.text("good morning")
    assert "Namaste" in answer
    assert "Which month" in answer
    assert [frame.flow for frame in customer.conversation.frames] == ["enquiry"]
    assert customer.top.counters == {}
