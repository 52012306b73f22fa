"""`send:` and `reply:`: messages that are more than words."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import Talk, book_of

from bot.core.effects import Effect, Send
from bot.core.errors import ContentErrors
from bot.core.events import MessageReceived
from bot.core.messages import (
    OUTGOING,
    ContactCard,
    ContactRequestOut,
    ContactsIn,
    ContactsOut,
    FormOut,
    FormReplyIn,
    LocationIn,
    LocationOut,
    LocationRequestOut,
    MediaOut,
    ReactionOut,
    TextIn,
    TextOut,
    UrlOut,
)
from bot.core.sandbox import Value
from bot.core.sending import Spot
from bot.core.turn import advance

START = """
flow: test
role: customer
start: {universals: [help]}
"""


def talk(tmp_path: Path, flow: str, **texts: str) -> Talk:
    return Talk(book_of(tmp_path, START + flow, **texts))


def effects_of(person: Talk, sent_as: str | None = "wamid.7") -> tuple[Effect, ...]:
    """What a first message leads to that the provider has a name for."""
    event = MessageReceived(event_id=1, at=person.at, message_id=1, content=TextIn(body="help"), sent_as=sent_as)
    return advance(person.book, person.conversation, event).effects


def test_each_word_of_send_is_a_message_in_the_authors_order(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        """
states:
  a:
    say: hello
    send:
      - location: {latitude: 27.6869, longitude: "{{ 86.7314 }}", name: Lukla}
      - photo: {link: "https://example.com/{{ run.id }}.jpg", caption: gate}
      - document: {file: "{{ 17 }}", filename: List.pdf}
      - audio: {id: "890", voice: true}
      - contacts:
          - {name: Pemba Sherpa, phone: ["+9779812345678"], email: p@example.com, company: Sirdar}
          - {name: Ang, phone: "+1"}
      - link: {say: gate, button: open, url: "https://example.com"}
      - ask_location: gate
      - ask_number: gate
    next: b
  b: {end: done}
""",
        hello="Hello", gate="The gate", open="Open it, this label is far too long",
    )  # fmt: skip
    person.text("help")
    assert person.said == [
        TextOut(body="Hello"),
        LocationOut(latitude=27.6869, longitude=86.7314, name="Lukla"),
        MediaOut(media="image", link="https://example.com/r1.jpg", caption="The gate"),
        MediaOut(media="document", file="17", filename="List.pdf"),
        MediaOut(media="audio", media_id="890", voice=True),
        ContactsOut(
            cards=(
                ContactCard(
                    name="Pemba Sherpa", first_name="Pemba", last_name="Sherpa", phones=("+9779812345678",),
                    emails=("p@example.com",), company="Sirdar",
                ),
                ContactCard(name="Ang", first_name="Ang", phones=("+1",)),
            )
        ),
        UrlOut(body="The gate", label="Open it, this label…"[:20], url="https://example.com"),
        LocationRequestOut(body="The gate"),
        ContactRequestOut(body="The gate"),
    ]  # fmt: skip
    for message in person.said:
        assert OUTGOING.validate_json(OUTGOING.dump_json(message)) == message


def test_reactions_and_quotes_name_the_message_that_is_answered(tmp_path: Path) -> None:
    flow = """
states:
  a:
    reply: true
    say: [one, two]
    send: {reaction: "👍"}
    next: b
  b: {end: done}
"""
    person = talk(tmp_path, flow, one="One", two="Two")
    first, second, reaction = (one for one in effects_of(person) if isinstance(one, Send))
    assert (first.reply_to, second.reply_to, reaction.reply_to) == ("wamid.7", None, None)
    assert reaction.content == ReactionOut(message_id="wamid.7", emoji="👍")
    assert [one.reply_to for one in effects_of(person, None) if isinstance(one, Send)] == [None, None]


def test_what_an_action_answers_still_quotes_the_message_before_it(tmp_path: Path) -> None:
    flow = """
states:
  a:
    enter:
      - {do: leads.create, with: {trek: 1, people: 2}, once: "lead:{{ run.id }}"}
      - {say: one, reply: true}
      - {send: {reaction: "🎉"}}
    next: b
  b: {end: done}
"""
    person = talk(tmp_path, flow, one="One")
    event = MessageReceived(event_id=5, at=person.at, message_id=1, content=TextIn(body="help"), sent_as="wamid.9")
    person.happen(event)
    sent = [one for one in person.effects if isinstance(one, Send)]
    assert [one.reply_to for one in sent] == ["wamid.9", None]
    assert sent[1].content == ReactionOut(message_id="wamid.9", emoji="🎉")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ('location: "{{ spot }}"', "it has no latitude"),
        ('photo: "{{ spot.url }}"', "is no https address"),
        ('reaction: "{{ spot.url }}"', "is no emoji"),
        ('contacts: {name: "{{ spot.nobody }}", phone: "1"}', "cannot be"),
    ],
)
def test_what_cannot_be_made_is_left_out_and_the_rest_happens(tmp_path: Path, what: str, why: str) -> None:
    flow = f"""
slots: {{spot: {{type: text, default: x}}}}
states:
  a: {{form: [spot], next: b}}
  b:
    enter:
      - {{do: leads.create, with: {{trek: 1, people: 2}}, once: "lead:1", save: lead}}
      - send: {{{what.replace("spot.url", "lead.code").replace("spot", "lead")}}}
      - say: one
    next: c
  c: {{end: done}}
"""
    person = talk(tmp_path, flow, one="One")
    assert person.text("help") == "One"
    assert any(why in str(note["error"]) for note in person.notes("error"))


def test_slots_with_a_button_ask_with_it_and_take_what_it_sends(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        """
slots: {spot: {type: location, button: true}, phone: {type: phone, button: true}}
states:
  a: {form: [spot, phone], next: b}
  b: {send: {location: "{{ spot }}"}, say: got, end: done}
""",
        ask_spot="Where?",
        ask_phone="Number?",
        got="{{ phone }}",
    )
    person.text("help")
    assert person.said == [LocationRequestOut(body="Where?")]
    person.send(LocationIn(latitude=27.7, longitude=85.3, name="Thamel"))
    assert person.said == [ContactRequestOut(body="Number?")]
    person.send(ContactsIn(cards=({"phones": [{"phone": "+977 981-2345678"}]},), requested=True))
    assert person.said[0] == TextOut(body="+9779812345678")
    assert person.said[1] == LocationOut(latitude=27.7, longitude=85.3, name="Thamel")


def test_a_card_is_no_answer_to_anything_else(tmp_path: Path) -> None:
    person = talk(tmp_path, "slots: {n: {type: integer}}\nstates: {a: {form: [n], next: b}, b: {end: done}}")
    person.text("help")
    person.send(ContactsIn(cards=({"phones": [{"phone": "+9779812345678"}]},)))
    assert "n" not in person.top.slots


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans(), st.lists(st.floats())),
       st.one_of(st.none(), st.text(), st.floats(), st.integers()))  # fmt: skip
def test_a_location_is_on_the_map_or_refused(latitude: Any, longitude: Any) -> None:
    spot = Spot(values={"place": Value("{{ place }}")})

    class Here:
        def evaluate(self, value: Value, what: str) -> Any:
            return {"latitude": latitude, "longitude": longitude}

    try:
        made = spot.message(Here())  # type: ignore[arg-type]  # all it asks of a cursor
    except ValueError:
        return
    assert isinstance(made, LocationOut)
    assert -90 <= made.latitude <= 90
    assert -180 <= made.longitude <= 180


FORM = """
slots:
  people: {type: integer}
states:
  ask:
    send:
      form: {say: words, button: fill, id: 4711, screen: TRAVELLERS, data: {trek: "{{ 'EBC' }}", most: "{{ 12 }}"}}
    ask: waiting
    choices: {skip: Skip it}
    collect:
      form: {to: travellers, say: got_it}
    when: {skip: done}
  done: {say: thanks, end: done}
"""


SAYS = {"words": "Who travels?", "fill": "Fill in", "waiting": "Or skip it:", "got_it": "{{ form.lead }}!"}


def filled_in(person: Talk, **answers: Any) -> None:
    person.send(FormReplyIn(data=answers))


def test_a_form_is_sent_with_the_run_as_its_token_and_what_comes_back_is_kept(tmp_path: Path) -> None:
    person = talk(tmp_path, FORM, **SAYS, thanks="{{ travellers.lead }} and {{ travellers.people }}")
    person.text("help")
    (sent,) = (one for one in person.said if isinstance(one, FormOut))
    assert sent == FormOut(body="Who travels?", label="Fill in", flow_id="4711", token=sent.token,
                           screen="TRAVELLERS", data={"trek": "EBC", "most": 12})  # fmt: skip
    assert OUTGOING.validate_json(OUTGOING.dump_json(sent)) == sent
    filled_in(person, flow_token=sent.token, lead="Maya", people=3)
    assert person.said[0] == TextOut(body="Maya!")
    person.text("Skip it")
    assert person.said[0] == TextOut(body="Maya and 3")


def test_a_form_of_another_run_is_for_nobody_any_more(tmp_path: Path) -> None:
    person = talk(tmp_path, FORM, **SAYS, thanks="Bye")
    person.text("help")
    filled_in(person, flow_token="r999", lead="Maya")
    assert TextOut(body="Maya!") not in person.said
    filled_in(person, lead="Maya")  # Twilio does not say whose it is
    assert person.said[0] == TextOut(body="Maya!")


def test_a_form_with_data_and_no_screen_is_a_mistake(tmp_path: Path) -> None:
    broken = FORM.replace(", screen: TRAVELLERS", "")
    with pytest.raises(ContentErrors, match="names none"):
        talk(tmp_path, broken, words="a", fill="b", waiting="c", got_it="d", thanks="e")
