"""A person may have a conversation instead of the bot, at any moment, and the bot goes on where it was."""

from bot.core.effects import GiveBack, TakeOver
from tests.core.conftest import Talk

SEED = "Everest base camp trek for 2 people"


def test_a_colleague_takes_over_in_the_middle_and_the_question_comes_again(customer: Talk) -> None:
    customer.text(SEED)
    assert customer.change("handoff.taken", by="contact:7") == ""
    assert customer.conversation.owner == "person:contact:7"
    assert customer.of(TakeOver) == [TakeOver(by="contact:7")]
    assert customer.text("December") == ""
    assert "month" not in customer.top.slots
    assert "Which month" in customer.change("handoff.returned")
    assert customer.of(GiveBack) == [GiveBack()]
    assert customer.conversation.owner == "bot"
    customer.text("December")
    assert "month" in customer.top.slots


def test_what_is_written_on_the_business_phone_takes_over(customer: Talk) -> None:
    customer.text(SEED)
    customer.change("phone.wrote", kind="text")
    assert customer.conversation.owner == "person:phone"
    assert customer.text("hello?") == ""


def test_a_paused_conversation_is_nobodys(customer: Talk) -> None:
    customer.text(SEED)
    customer.change("handoff.paused")
    assert customer.conversation.owner == "paused"
    assert customer.of(TakeOver) == [TakeOver(by=None)]


def test_who_asked_for_a_person_and_got_one_goes_on_at_back(customer: Talk) -> None:
    customer.text(SEED)
    customer.text("I want to talk to a person")
    customer.change("handoff.taken", by="contact:7")
    assert "I am back" in customer.change("handoff.returned")
    assert customer.conversation.owner == "bot"


def test_what_the_bot_has_cannot_be_given_back_to_it(customer: Talk) -> None:
    customer.text(SEED)
    assert customer.change("handoff.returned") == ""
    assert customer.of(GiveBack) == []
