"""The shipped issue flow: its runs belong to a trip, not to a chat."""

import pytest
from talking import Business, Talk

from bot.core.book import FlowBook
from bot.core.commands import lone
from bot.core.effects import ATTACH_RUN, EndRun, Invoke, Notify, ParkRun, StartRun
from bot.core.messages import LocationIn, MediaIn

ISSUE = "ISSUE TRP123 Vehicle breakdown at checkpoint"
PHOTO = MediaIn(media="image", media_id="m1", mime_type="image/jpeg")


def test_the_seeds_command_logs_the_incident_and_tells_operations(guide: Talk) -> None:
    answer = guide.text(ISSUE)
    assert [one.name for one in guide.of(Invoke)] == ["trips.assigned_to_me", ATTACH_RUN, "incidents.create"]
    assert guide.of(Invoke)[2].arguments == {"trip": 7, "text": "Vehicle breakdown at checkpoint"}
    assert "*INC5* logged for *TRP123*" in answer
    notify = guide.of(Notify)[0]
    assert (notify.role, notify.template) == ("operations", "trip_issue")
    assert notify.parameters == ("TRP123", "INC5", "Pasang Sherpa", "Vehicle breakdown at checkpoint")


def test_the_run_is_parked_with_the_trip_and_leaves_the_chat_free(guide: Talk) -> None:
    guide.text(ISSUE)
    assert guide.conversation.frames == ()
    parked = guide.of(ParkRun)[-1].frame
    assert (parked.instance, parked.state) == ("TRP123", "open")
    assert guide.of(StartRun)[0].run == parked.run
    assert "Namaste" in guide.text("hi")


def test_resolved_goes_on_in_the_trips_run(guide: Talk) -> None:
    guide.text(ISSUE)
    run = guide.business.parked["issue", "TRP123"].run
    answer = guide.text("RESOLVED TRP123 towed away")
    assert guide.of(Invoke)[-1].arguments == {"incident": 5, "note": "towed away"}
    assert guide.of(Invoke)[-1].receipt == f"resolve:{run}"
    assert "is resolved" in answer
    end = guide.of(EndRun)
    assert [(one.run, one.outcome, one.instance) for one in end] == [(run, "resolved", "TRP123")]
    assert guide.business.parked == {}


def test_another_guide_of_the_trip_meets_the_same_run(book: FlowBook) -> None:
    business = Business()
    pasang = Talk(book, roles=("field_staff",), name="Pasang", business=business)
    mingma = Talk(book, roles=("field_staff",), name="Mingma", business=business)
    pasang.text(ISSUE)
    run = business.parked["issue", "TRP123"].run
    assert "already has the open incident *INC5*" in mingma.text("ISSUE TRP123 and now it rains")
    assert mingma.of(Notify)[0].parameters[3] == "and now it rains"
    assert "incidents.create" not in [one.name for one in mingma.of(Invoke)]
    mingma.text("RESOLVED TRP123")
    assert mingma.of(EndRun)[0].run == run


def test_a_question_another_guide_has_answered_is_not_open_any_more(book: FlowBook) -> None:
    business = Business()
    pasang = Talk(book, roles=("field_staff",), name="Pasang", business=business)
    mingma = Talk(book, roles=("field_staff",), name="Mingma", business=business)
    assert "What happened on *TRP123*" in pasang.text("ISSUE TRP123")
    mingma.text("ISSUE TRP123 broken axle")
    assert business.parked["issue", "TRP123"].state == "open"
    pasang.text("the axle is broken")
    assert pasang.of(Invoke) == []
    assert pasang.conversation.frames == ()


@pytest.mark.parametrize(
    "text",
    [
        "issue trp123 broken axle",
        "Issue   TRP123   broken axle",
        "ISSUE: TRP123 - broken axle",
        "isue TRP123 broken axle",
        "ISSUE #trp123 broken axle",
        "issue at TRP123 broken axle",
    ],
)
def test_commands_are_read_tolerantly(guide: Talk, text: str) -> None:
    guide.text(text)
    assert guide.of(Invoke)[-1].name == "incidents.create"
    assert guide.of(Invoke)[-1].arguments["trip"] == 7
    assert guide.of(Invoke)[-1].arguments["text"].endswith("broken axle")


@pytest.mark.parametrize("text", ["issues with my boots", "isue with TRIP", "the issue is TRP123", "resolve it"])
def test_what_only_resembles_a_command_is_none(guide: Talk, text: str) -> None:
    guide.text(text)
    assert [note for note in guide.notes("route") if note["rule"] == "command"] == []


def test_a_command_asks_for_what_it_lacks(guide: Talk) -> None:
    assert "What happened on *TRP123*?" in guide.text("ISSUE TRP123")
    assert guide.top.asking == "text"
    assert "a few words" in guide.text("x")
    guide.text("landslide on the road")
    assert guide.of(Invoke)[-1].arguments["text"] == "landslide on the road"


def test_a_trip_that_is_not_mine_is_asked_for_again(guide: Talk) -> None:
    assert "can't find that trip" in guide.text("ISSUE TRP999 broken axle")
    assert guide.top.asking == "trip"
    assert guide.top.slots["text"] == "broken axle"
    guide.text("trp123")
    assert guide.of(Invoke)[-1].name == "incidents.create"


def test_an_intent_starts_the_flow_as_well(guide: Talk) -> None:
    assert "Which trip is it?" in guide.text("there was an accident")
    assert "What happened on *TRP124*?" in guide.text("TRP124")
    guide.text("a porter fell")
    assert guide.business.parked["issue", "TRP124"].state == "open"


def test_an_intent_on_a_trip_with_an_open_incident_finds_it(guide: Talk) -> None:
    guide.text(ISSUE)
    guide.text("we had an accident")
    assert "already something open for TRP123" in guide.text("TRP123")
    assert guide.of(EndRun)[0].outcome == "merged"
    assert guide.conversation.frames == ()


def test_resolved_without_an_open_issue_says_so(guide: Talk) -> None:
    assert guide.text("RESOLVED TRP123") == "There is no open issue on *TRP123*."
    assert guide.of(StartRun) == guide.of(EndRun) == []
    assert guide.conversation.frames == ()


def test_resolved_alone_means_the_only_open_one(guide: Talk) -> None:
    assert "Which trip is it?" in guide.text("RESOLVED")
    guide.text(ISSUE)
    assert "*INC5* on *TRP123* is resolved" in guide.text("Resolved")
    assert guide.conversation.scope == {}


def test_a_refusal_says_why(guide: Talk) -> None:
    assert "not assigned to *TRP666*" in guide.text("ISSUE TRP666 broken axle")
    assert guide.of(EndRun)[0].outcome == "refused"
    assert guide.business.parked == {}


def test_photos_and_places_go_to_the_trips_incident(guide: Talk) -> None:
    guide.text(ISSUE)
    run = guide.business.parked["issue", "TRP123"].run
    assert "Added to *INC5*" in guide.send(PHOTO)
    assert guide.of(Invoke)[-1].arguments == {"incident": 5, "media_id": "m1"}
    assert guide.of(Invoke)[-1].receipt == f"photo:{run}:m1"
    assert "Location added" in guide.send(LocationIn(latitude=27.98, longitude=86.92))
    assert guide.of(StartRun) == guide.of(EndRun) == []
    for _ in range(4):
        guide.send(PHOTO)
    assert guide.send(PHOTO) == "Thank you, that is enough."


def test_a_photo_after_the_end_has_nowhere_to_go(guide: Talk) -> None:
    guide.text(ISSUE)
    guide.business.parked.clear()  # resolved by somebody else
    assert "can't use that" in guide.send(PHOTO)
    assert guide.conversation.scope == {}
    assert guide.conversation.frames == ()


def test_what_the_desk_does_reaches_the_parked_run(guide: Talk) -> None:
    guide.text(ISSUE)
    answer = guide.change("incident.updated", instance=("issue", "TRP123"), note="A jeep is on its way.")
    assert answer == "*INC5* on *TRP123*: A jeep is on its way."
    assert guide.conversation.frames == ()
    assert guide.business.parked["issue", "TRP123"].state == "open"
    assert "resolved" in guide.change("incident.resolved", instance=("issue", "TRP123"))
    assert guide.business.parked == {}


def test_an_event_nobody_listens_to_changes_nothing(guide: Talk) -> None:
    guide.text(ISSUE)
    before = guide.business.parked["issue", "TRP123"]
    assert guide.change("weather.changed", instance=("issue", "TRP123")) == ""
    assert guide.of(ParkRun) == []
    assert guide.conversation.frames == ()
    assert guide.business.parked["issue", "TRP123"] == before


def test_a_command_interrupts_another_flow_which_then_goes_on(book: FlowBook) -> None:
    both = Talk(book, roles=("customer", "field_staff"))
    both.text("Everest base camp for 2 people")
    answer = both.text(ISSUE)
    assert "logged" in answer
    assert [frame.flow for frame in both.conversation.frames] == ["enquiry"]
    answer = both.text("RESOLVED TRP123")
    assert answer.endswith("Which month would you like to go?")


def test_staff_commands_work_while_a_person_has_taken_over(book: FlowBook) -> None:
    both = Talk(book, roles=("field_staff", "customer"))
    both.text("agent")
    assert both.conversation.owner == "role:sales"
    assert "logged" in both.text(ISSUE)
    assert both.text("hello") == ""


def test_a_lone_word_is_only_a_command_when_it_is_its_verb() -> None:
    """Nothing is forgiven in a verb alone; and which words are verbs alone is known beforehand."""
    assert lone("  Undo ") == "undo"
    assert lone("undo it") is None
    assert lone(" \n") is None
