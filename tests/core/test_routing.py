"""What happens to a message outside of any question, and in which order things are tried."""

import pytest
from talking import Talk

from bot.core.book import FlowBook
from bot.core.conversation import Conversation
from bot.core.effects import EndRun, Handoff, RecordConsent
from bot.core.engine import step
from bot.core.events import ActionDone, ActionFailed, MessageReceived, TimerFired
from bot.core.messages import (
    ChoiceIn,
    ContactsIn,
    EditIn,
    MediaIn,
    ReactionIn,
    RevokeIn,
    SystemIn,
    TextIn,
    TextOut,
    UnsupportedIn,
)


def test_hi_says_what_one_can_do(customer: Talk) -> None:
    answer = customer.text("Hi")
    assert "Namaste Asha" in answer
    assert "EBC trek for 2 people in December" in answer
    assert customer.conversation.frames == ()


@pytest.mark.parametrize("text", ["help", "HELP!", "menu", "what can you do", "madad", "मदद", "halp me", "helpp"])
def test_help_in_any_words(customer: Talk, text: str) -> None:
    customer.text(text)
    assert customer.of(EndRun) or "Here you can" in customer.said[0].body  # type: ignore[union-attr]


def test_what_we_do_not_understand_names_what_one_can_do_and_leads_to_a_person(customer: Talk) -> None:
    first = customer.text("qwertz yxcvb")
    assert first.startswith("Sorry, I didn't get that. Here you can:\n• ")
    assert "• plan a trek" in first
    assert customer.text("colourless green ideas").startswith("I still don't understand")
    customer.text("sleep furiously")
    assert customer.of(Handoff)[0].reason == "not_understood"
    assert customer.conversation.scope == {}


def test_what_one_can_do_is_in_the_order_of_the_intents(customer: Talk) -> None:
    lines = customer.text("qwertz yxcvb").splitlines()
    assert lines[1].startswith("• plan a trek")
    assert lines.index("• pay for your booking") < lines.index("• tell us how it was")


@pytest.mark.parametrize("text", ["restart", "start over", "back", "वापस"])
def test_with_nothing_open_a_restart_is_a_fresh_start(customer: Talk, text: str) -> None:
    assert "Namaste Asha" in customer.text(text)
    assert customer.conversation.scope == {}


def test_being_understood_forgets_earlier_misunderstandings(customer: Talk) -> None:
    customer.text("colourless green ideas")
    assert customer.conversation.scope == {"unmatched": 1}
    customer.text("hello")
    assert customer.conversation.scope == {}


def test_a_role_without_flows_is_answered(book: FlowBook) -> None:
    cook = Talk(book, roles=("cook",))
    assert cook.text("qwertz yxcvb").startswith("Sorry, I didn't get that.")
    cook.text("agent")
    assert cook.of(Handoff)[0].role == "operations"
    nobody = Talk(book, roles=())
    assert nobody.text("hello") != ""


@pytest.mark.parametrize(
    ("text", "word"), [("STOP", "stop"), ("stop.", "stop"), ("Unsubscribe", "stop"), ("START", "start")]
)
def test_words_of_consent_come_before_everything(customer: Talk, text: str, word: str) -> None:
    customer.text("Everest base camp for 2 people")
    before = customer.conversation.frames
    said = customer.text(text)
    assert ("no more messages" in said) == (word == "stop")
    assert customer.of(RecordConsent) == [RecordConsent(allowed=word == "start", words=text)]
    assert customer.notes("route")[0] == {"rule": "consent", "word": word}
    assert customer.conversation.frames == before


@pytest.mark.parametrize(
    "content",
    [
        ReactionIn(message_id="m", emoji="👍"),
        SystemIn(change="user_changed_number"),
        EditIn(message_id="m", text="x"),
        RevokeIn(message_id="m"),
    ],
)
def test_what_needs_no_answer_gets_none(customer: Talk, content: ReactionIn | SystemIn | EditIn | RevokeIn) -> None:
    customer.text("Everest base camp for 2 people")
    before = customer.conversation
    assert customer.send(content) == ""
    assert customer.conversation.frames == before.frames
    assert customer.effects == []


def test_what_we_cannot_use_is_answered_and_the_question_repeated(customer: Talk) -> None:
    photo = MediaIn(media="image", media_id="m", mime_type="image/jpeg")
    assert customer.send(photo) == "Thanks, but I can't use that here. Please write it as text."
    customer.text("Everest base camp for 2 people")
    assert customer.send(photo).endswith("Which month would you like to go?")
    assert customer.send(ContactsIn(cards=())).endswith("Which month would you like to go?")
    assert customer.send(UnsupportedIn(original_kind="poll")).startswith("I can't read that kind")


def test_a_caption_counts_as_words(customer: Talk) -> None:
    customer.text("Everest base camp for 2 people")
    customer.send(MediaIn(media="image", media_id="m", mime_type="image/jpeg", caption="december"))
    assert customer.top.state == "review"


def test_a_templates_button_counts_as_its_words(customer: Talk) -> None:
    customer.text("Everest base camp for 2 people in May 2027")
    customer.send(ChoiceIn(id="payload-of-a-template", title="Change details", origin="template"))
    assert customer.top.state == "change"


def test_the_window_is_the_workers_business(customer: Talk) -> None:
    """Only the worker knows when a message was sent, which may be long before its event."""
    customer.text("hi")
    assert customer.conversation.last_inbound_at is None


def test_a_run_in_a_version_that_is_gone_is_ended_and_the_person_answered(customer: Talk, book: FlowBook) -> None:
    customer.text("Everest base camp for 2 people")
    later = FlowBook([flow for flow in book.flows() if flow.name != "enquiry"], book.intents, book.texts)
    customer.book = later
    assert "Namaste" in customer.text("hello")
    assert customer.of(EndRun)[0].outcome == "lost"


def test_answers_nobody_waits_for_are_ignored(customer: Talk) -> None:
    customer.text("Everest base camp for 2 people")
    before = customer.conversation
    customer.happen(ActionDone(event_id=9, at=customer.at, result={}))
    customer.happen(ActionFailed(event_id=9, at=customer.at, code="x", message="x"))
    customer.happen(TimerFired(event_id=9, at=customer.at, run="r77", name="2h", epoch=1))  # type: ignore[arg-type]
    assert customer.conversation == before


def test_two_runs_of_one_event_have_different_ids(customer: Talk) -> None:
    customer.text("Everest base camp for 2 people")
    customer.text("restart")
    assert customer.top.run == f"r{customer.business.event_id}"
    customer.text("restart")
    assert len({frame.run for frame in customer.conversation.frames}) == 1


def test_step_moves_one_flow_without_a_book(customer: Talk, book: FlowBook) -> None:
    """The engine alone: what flow tests and benchmarks use."""
    flow = book.latest["welcome"]
    empty = Conversation(conversation_id=customer.conversation.conversation_id, contact=customer.conversation.contact)
    event = MessageReceived(event_id=1, at=customer.at, message_id=1, content=TextIn(body="hi"))  # type: ignore[arg-type]
    done = step(flow, empty, event)
    assert done.conversation.frames == ()
    assert [type(one).__name__ for one in done.effects] == ["StartRun", "Send", "EndRun"]
    assert isinstance(done.effects[1].content, TextOut)  # type: ignore[union-attr]
    assert step(flow, empty, event) == done


def test_the_trace_tells_why(customer: Talk) -> None:
    customer.text("Hi, interested in EBC Trek for 2 people in December")
    understood = customer.notes("understand")[0]
    assert understood["chosen"] == "enquire_trip"
    assert understood["tried"][0]["because"]
    assert {"slot": "people", "value": 2, "reason": None} in customer.notes("slot")
    assert [note["state"] for note in customer.notes("enter")] == ["details", "review"]
    assert customer.notes("transition")[-1] == {"event": "next", "source": "details", "to": "review"}
