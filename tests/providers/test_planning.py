"""What a provider cannot carry is said in another way; nothing is dropped in silence."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.messages import (
    ButtonsOut,
    Choice,
    ContactCard,
    ContactRequestOut,
    ContactsOut,
    FormOut,
    ListOut,
    LocationOut,
    LocationRequestOut,
    MediaOut,
    Outgoing,
    ReactionOut,
    TemplateOut,
    TextOut,
    UrlOut,
)
from bot.core.plain import plain_text
from providers.base import Capabilities
from providers.meta.provider import CAPABILITIES as META
from providers.planning import plan
from providers.twilio.provider import CAPABILITIES as TWILIO

PLAIN = Capabilities(
    **{field.name: False if field.type is bool or field.type == "bool" else 200 for field in fields(Capabilities)}
)
CARD = ContactCard(name="Ada L", first_name="Ada", phones=("+15550142233",), company="Sirdar")


def choices(number: int, title: str = "Option") -> tuple[Choice, ...]:
    return tuple(Choice(id=f"r1.0.{n}", title=f"{title} {n}") for n in range(number))


EVERYTHING: list[Outgoing] = [
    TextOut(body="hello"),
    ButtonsOut(body="Sure?", buttons=choices(3)),
    ListOut(body="Which?", label="Open", rows=choices(10)),
    UrlOut(body="Pay here", label="Pay", url="https://pay.example.com/1"),
    LocationOut(latitude=1, longitude=2, name="Camp"),
    LocationRequestOut(body="Where are you?"),
    ContactRequestOut(body="Your number?"),
    ContactsOut(cards=(CARD,)),
    MediaOut(media="image", link="https://x/a.png", caption="look"),
    FormOut(body="Fill in", label="Open", flow_id="1", token="t"),
    TemplateOut(name="t", language="en"),
]


@pytest.mark.parametrize("content", EVERYTHING, ids=lambda content: content.kind)
def test_what_can_be_carried_stays_as_it_is(content: Outgoing) -> None:
    assert plan(content, META) == [content]


@pytest.mark.parametrize("content", EVERYTHING[:-1], ids=lambda content: content.kind)
def test_what_cannot_is_said_in_words(content: Outgoing) -> None:
    planned = plan(content, PLAIN)
    assert planned
    said = "\n".join(plain_text(one) for one in planned)
    assert plain_text(content).split("\n")[0] in said
    assert all(isinstance(one, TextOut | MediaOut | LocationOut) for one in planned)


def test_choices_without_buttons_are_numbered() -> None:
    able = replace(META, buttons=False, lists=False)
    for content in (ButtonsOut(body="Sure?", buttons=choices(2)), ListOut(body="Sure?", label="x", rows=choices(2))):
        assert plan(content, able) == [TextOut(body="Sure?\n\n1. Option 0\n2. Option 1")]


def test_too_many_or_too_long_buttons_become_a_list_or_numbers() -> None:
    (listed,) = plan(ButtonsOut(body="Sure?", buttons=choices(5)), META)
    assert isinstance(listed, ListOut)
    (text,) = plan(ButtonsOut(body="Sure?", buttons=choices(1, "A title of more than twenty")), META)
    assert isinstance(text, TextOut)


def test_a_long_list_has_pages() -> None:
    planned = plan(ListOut(body="Which?", label="Open", rows=choices(25)), META)
    assert [len(one.rows) for one in planned if isinstance(one, ListOut)] == [10, 10, 5]


def test_twilio_splits_at_1600_and_meta_at_4096() -> None:
    text = TextOut(body="word " * 900)
    assert [len(plan(text, able)) for able in (META, TWILIO)] == [2, 3]


def test_a_long_text_above_buttons_goes_before_them() -> None:
    body = "\n\n".join(f"Paragraph {n}. " + "x" * 300 for n in range(5))
    first, last = plan(ButtonsOut(body=body, buttons=choices(2)), META)
    assert isinstance(first, TextOut)
    assert isinstance(last, ButtonsOut)
    assert len(last.body) <= 1024
    assert "".join((first.body + last.body).split()) == "".join(body.split())


def test_captions_go_where_there_is_room_for_them() -> None:
    document = MediaOut(media="document", link="https://x/a.pdf", caption="The plan")
    assert plan(document, META) == [document]
    assert plan(document, TWILIO) == [replace(document, caption=None), TextOut(body="The plan")]
    voice = MediaOut(media="audio", link="https://x/a.ogg", caption="Listen")
    assert len(plan(voice, META)) == 2
    long = MediaOut(media="image", link="https://x/a.png", caption="x" * 1025)
    assert [type(one) for one in plan(long, META)] == [MediaOut, TextOut]


def test_twilio_asks_for_places_in_words_and_does_not_react() -> None:
    assert plan(LocationRequestOut(body="Where?"), TWILIO) == [TextOut(body="Where?")]
    assert plan(ReactionOut(message_id="SM1", emoji="👍"), TWILIO) == []
    assert plan(ReactionOut(message_id="w", emoji="👍"), META) == [ReactionOut(message_id="w", emoji="👍")]
    (card,) = plan(ContactsOut(cards=(CARD,)), TWILIO)
    assert card == TextOut(body="Ada L (Sirdar)\n+15550142233")


def test_many_cards_are_several_messages() -> None:
    assert len(plan(ContactsOut(cards=(CARD,) * 12), META)) == 3


@given(st.text(min_size=1, max_size=9000), st.sampled_from([META, TWILIO]))
def test_every_part_of_a_text_is_within_the_limit(body: str, able: Capabilities) -> None:
    for one in plan(TextOut(body=body), able):
        assert isinstance(one, TextOut)
        assert len(one.body) <= able.max_text or not body.strip()
