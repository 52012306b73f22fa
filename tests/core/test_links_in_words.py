"""Addresses in messages: their words are not what the person says."""

import pytest
from talking import Talk

from bot.core.nlu.tokens import LINK, words_of
from bot.core.words import without_addresses


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/trek",
        "HTTPS://EXAMPLE.COM/EBC-TREK?ref=book",
        "www.facebook.com/ebc-trek",
        "trek.com",
        "trek.com.np",
        "youtu.be/book-a-trek",
        "asha@trek.com",
        "https://example.com/trek http://example.org/everest",
    ],
)
def test_a_link_alone_says_nothing_of_what_is_wanted(customer: Talk, text: str) -> None:
    customer.text(text)
    assert customer.conversation.frames == ()
    assert customer.said
    assert words_of(text)[0] == LINK


def test_a_link_beside_words_changes_nothing(customer: Talk) -> None:
    customer.text("I want to go trekking, like here: https://example.com/cancel-my-booking")
    assert customer.top.flow == "enquiry"


@pytest.mark.parametrize(
    "text", ["3.30 pm", "15.12.2026", "yes.ok", "interested.in december", "e.g. a trek", "Mr.Rai", "Rs.500/-", "@asha"]
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert without_addresses(text) == text
