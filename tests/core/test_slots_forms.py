"""Forms with every kind of slot: asking back, skipping, confirming, correcting, rules, files and places."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from talking import Talk, book_of, titles

from bot.core.effects import Invoke
from bot.core.messages import LocationIn, MediaIn

BOOKING = """
flow: test
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, min: 1, max: 40, label: number of people}
  day:    {type: date, future: true, label: day}
  pickup: {type: time, label: pick-up time}
  budget: {type: money, currency: USD}
  stay:   {type: duration}
  phone:  {type: phone, region: IN, label: phone number}
states:
  details:
    form: [people, day, pickup, budget, stay, phone]
    next: review
  review:
    ask: review
    choices: {yes: "Yes", no: "No"}
    next: done
  done: {say: done, end: done}
"""
TEXTS = {
    "review": "{{ people }}; {{ day | date }}; {{ pickup }}; {{ budget }}; {{ stay }}; {{ phone | phone }}",
    "done": "Done.",
}


def begin(root: Path, flow: str, **texts: str) -> Talk:
    """A conversation at the first question of a flow that *help* starts."""
    talk = Talk(book_of(root, flow, **texts))
    talk.text("help")
    return talk


@pytest.fixture
def booking(tmp_path: Path) -> Talk:
    return begin(tmp_path, BOOKING, **TEXTS)


def form(slots: str, *, names: str, rules: str = "", more: str = "") -> str:
    return f"""
flow: test
role: customer
start: {{universals: [help]}}
slots:
{slots}
states:
  details:
    form: [{names}]
    {rules}
    next: done
{more}
  done: {{say: done, end: done}}
"""


# --- Filling ----------------------------------------------------------------------------------------------------------


def test_one_sentence_fills_slots_of_every_kind(booking: Talk) -> None:
    said = booking.text("2 adults and a child on 15 Dec at 3:30pm for 5 nights, budget $1,450, call me on 9812345678")
    assert booking.top.slots == {
        "people": 3,
        "day": "2026-12-15",
        "pickup": "15:30",
        "budget": {"amount": 1450, "currency": "USD"},
        "stay": {"seconds": 432_000, "unit": "night"},
        "phone": "+919812345678",
    }
    assert said == "3; 15 December 2026; 3:30 pm; USD 1,450; 5 nights; +91 98123 45678"


def test_values_print_in_the_persons_language(tmp_path: Path) -> None:
    talk = Talk(book_of(tmp_path, BOOKING, **TEXTS), language="hi")
    talk.text("madad")
    said = talk.text("2 log 15 Dec ko shaam 5 baje, 2 lakh inr, dedh ghanta, 9812345678")
    assert "15 दिसंबर 2026; 5:00 pm; INR 2,00,000; 1 घं॰ 30 मि॰" in said


def test_words_that_fill_one_slot_fill_no_other(tmp_path: Path) -> None:
    slots = "  start: {type: date}\n  end: {type: date}\n  people: {type: integer}"
    talk = begin(tmp_path, form(slots, names="start, end, people"), done="Done.")
    talk.text("from 3 to 8 January")
    assert talk.top.slots == {"start": "2027-01-03", "end": "2027-01-08"}
    assert talk.top.asking == "people"


def test_what_was_worked_out_is_marked_and_what_was_said_is_not(booking: Talk) -> None:
    booking.text("me and my wife, 15 Dec, rs 500")
    assert booking.top.inferred == ("people", "day", "budget")
    booking.text("no, 2 people")
    assert "people" not in booking.top.inferred


def test_a_review_may_show_what_was_worked_out(tmp_path: Path) -> None:
    flow = form("  day: {type: date}", names="day")
    talk = begin(tmp_path, flow, done="{{ day | date }}{% if 'day' in inferred %} (is that the year?){% endif %}")
    assert talk.text("15 Dec") == "15 December 2026 (is that the year?)"


def test_templates_and_guards_ask_whether_a_value_was_worked_out(tmp_path: Path) -> None:
    flow = form("  day: {type: date}", names="day").replace(
        "next: done", "next: [{if: day is inferred, to: sure}, done]\n  sure: {say: sure, end: done}", 1
    )
    texts = {"sure": "{% if day is inferred %}{{ day | date }}?{% endif %}", "done": "{{ day | date }}"}
    assert begin(tmp_path, flow, **texts).text("15 Dec") == "15 December 2026?"
    assert begin(tmp_path, flow, **texts).text("15 Dec 2026") == "15 December 2026"


@pytest.mark.parametrize(
    ("words", "worked_out"),
    [("next month", True), ("december 2026", False), ("in 2 weeks", True), ("on friday", True), ("tomorrow", False)],
)
def test_what_follows_from_today_is_worked_out(tmp_path: Path, words: str, worked_out: bool) -> None:
    flow = form("  when: {type: date, granularity: month}", names="when")
    talk = begin(tmp_path, flow, done="{{ when is inferred }}")
    assert talk.text(words) == str(worked_out)


# --- Asking back ------------------------------------------------------------------------------------------------------


def test_an_ambiguous_day_is_asked_back_with_two_buttons(booking: Talk) -> None:
    booking.text("2")
    assert booking.text("03/04") == "Which one do you mean?"
    assert titles(booking.said[0]) == ["3 April 2027", "4 March 2027"]
    booking.tap("4 March 2027")
    assert booking.top.slots["day"] == "2027-03-04"


def test_an_ambiguous_answer_may_be_chosen_in_words(booking: Talk) -> None:
    booking.text("2 people on 15 Dec")
    assert booking.top.asking == "pickup"
    booking.text("half past 4")
    assert titles(booking.said[0]) == ["4:30 am", "4:30 pm"]
    booking.text("in the evening")
    assert booking.top.slots["pickup"] == "16:30"


def test_numbers_that_are_offered_are_not_taken_for_places_in_the_list(booking: Talk) -> None:
    booking.text("2 or 3 people")
    assert titles(booking.said[0]) == ["2", "3"]
    booking.text("2")
    assert booking.top.slots["people"] == 2


def test_a_doubt_in_an_unasked_slot_is_cleared_first(booking: Talk) -> None:
    booking.text("3 to 4 people on 15 Dec")
    assert booking.top.slots == {"day": "2026-12-15"}
    assert titles(booking.said[0]) == ["3", "4"]


def test_the_flows_own_blocks_for_doubtful_and_wrong_answers(tmp_path: Path) -> None:
    texts = {"ambiguous_people": "Two or three?", "invalid_people": "{{ reason }}!", "done": "Done."}
    talk = begin(tmp_path, form("  people: {type: integer, max: 9}", names="people"), **texts)
    assert talk.text("2 or 3") == "Two or three?"
    assert talk.text("99") == "too_big!"


def test_each_type_says_what_is_wrong(booking: Talk) -> None:
    assert "from 1 to 40" in booking.text("99")
    booking.text("2")
    assert "in the past" in booking.text("yesterday")
    booking.text("15 Dec")
    assert "3:30 pm" in booking.text("whenever")
    booking.text("noon")
    assert "USD 500" in booking.text("cheap please")
    booking.text("500")
    assert "Minutes, hours or days?" in booking.text("3")
    booking.text("3 days")
    assert "not a phone number" in booking.text("12345")


# --- Options ----------------------------------------------------------------------------------------------------------


def test_an_optional_slot_may_be_skipped_by_button_or_word(tmp_path: Path) -> None:
    flow = form("  floor: {type: integer, required: false}\n  wish: {type: text, required: false}", names="floor, wish")
    talk = begin(tmp_path, flow, done="{{ floor }}/{{ wish }}")
    assert titles(talk.said[0]) == ["Skip"]
    assert talk.text("1")
    assert talk.top.slots == {"floor": 1}
    assert talk.text("no thanks") == "1/"
    talk.text("help")
    talk.tap("Skip")
    assert talk.top.slots == {"floor": None}


def test_a_default_is_not_asked_for_but_may_be_said(tmp_path: Path) -> None:
    slots = "  day: {type: date}\n  people: {type: integer, default: 2}\n  at: {type: time, default: 9am}"
    done = "{{ people }} {{ at }} {{ inferred | join(' ') }}"
    talk = begin(tmp_path, form(slots, names="day, people, at"), done=done)
    assert talk.text("15 Dec 2026") == "2 9:00 am people at"
    talk.text("help")
    assert talk.text("15 Dec 2026 for 4 people") == "4 9:00 am at"


def test_a_prompt_of_ones_own_and_none_at_all(tmp_path: Path) -> None:
    slots = "  day: {type: date, prompt: when_then}\n  people: {type: integer, required: false, prompt: false}"
    talk = begin(tmp_path, form(slots, names="day, people"), when_then="When?", done="{{ people or 'nobody' }}")
    assert talk.said[0].body == "When?"  # type: ignore[union-attr]
    assert talk.text("15 Dec") == "nobody"


def test_a_value_to_be_confirmed_is_taken_after_yes(tmp_path: Path) -> None:
    flow = form("  price: {type: money, currency: USD, confirm: true}", names="price")
    talk = begin(tmp_path, flow, done="{{ price }}")
    assert talk.text("$500") == "Price: *USD 500*. Is that right?"
    assert talk.top.slots == {}
    assert "USD 600" in talk.text("no, 600")
    assert "How much" in talk.text("no")
    talk.text("700")
    assert talk.text("haan") == "USD 700"


def test_what_is_known_about_the_contact_is_filled_in(tmp_path: Path) -> None:
    slots = "  name: {type: text, from: contact.name}\n  phone: {type: phone, from: contact.phone, confirm: true}"
    talk = Talk(book_of(tmp_path, form(slots, names="name, phone"), done="{{ name }} {{ phone }}"))
    contact = replace(talk.conversation.contact, phone="+919812345678")
    talk.conversation = replace(talk.conversation, contact=contact)
    assert "98123 45678" in talk.text("help")
    assert talk.text("yes") == "Asha Rai +919812345678"


def test_numbers_without_country_code_are_of_the_contacts_country(tmp_path: Path) -> None:
    talk = Talk(book_of(tmp_path, form("  phone: {type: phone, region: IN}", names="phone"), done="{{ phone }}"))
    contact = replace(talk.conversation.contact, phone="+9779801234567")
    talk.conversation = replace(talk.conversation, contact=contact)
    talk.text("help")
    assert talk.text("9841234567") == "+9779841234567"


def test_traces_do_not_show_sensitive_values(tmp_path: Path) -> None:
    flow = form(
        "  passport: {type: text, sensitive: true}",
        names="passport",
        more="  unused: {do: incidents.resolve, with: {incident: 5, note: 'No {{ passport }}'}, once: x, next: done}",
    ).replace("next: done\n  unused", "next: unused\n  unused")
    talk = begin(tmp_path, flow, done="Done.")
    talk.text("P1234567")
    assert talk.of(Invoke)[0].arguments["note"] == "No P1234567"
    assert "P1234567" not in str(talk.trace)
    assert talk.notes("slot")[0]["value"] == "•••"


# --- Corrections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correction", "slot", "value"),
    [
        ("no, 3 people", "people", 3),
        ("make it 4 people", "people", 4),
        ("sorry, 3 people", "people", 3),
        ("nahi, 3 log", "people", 3),
        ("नहीं, तीन लोग", "people", 3),
        ("actually 20 Dec", "day", "2026-12-20"),
        ("20 Dec instead", "day", "2026-12-20"),
        ("not 15 Dec, 20 Dec", "day", "2026-12-20"),
        ("change the day to 20 Dec", "day", "2026-12-20"),
        ("please change the day to 20 Dec", "day", "2026-12-20"),
        ("day: 20 Dec", "day", "2026-12-20"),
        ("the number of people is 5", "people", 5),
        ("change people to 5", "people", 5),
        ("change the number of people to five", "people", 5),
        ("sorry, at 4:15 pm", "pickup", "16:15"),
        ("change the pick-up time to 9am", "pickup", "09:00"),
    ],
)
def test_corrections_at_a_later_question(booking: Talk, correction: str, slot: str, value: Any) -> None:
    booking.text("2 people on 15 Dec at 3pm")
    assert booking.top.asking == "budget"
    said = booking.text(correction)
    assert booking.top.slots[slot] == value
    assert said.startswith("Got it, changed.")
    assert booking.top.asking == "budget"


def test_make_it_means_what_was_filled_last(booking: Talk) -> None:
    booking.text("2")
    booking.text("make it 4")
    assert booking.top.slots["people"] == 4
    assert booking.top.asking == "day"


def test_change_without_a_value_asks_again(booking: Talk) -> None:
    booking.text("2 people on 15 Dec")
    assert booking.text("change the day") == "Which day?"
    booking.text("20 Dec")
    assert booking.top.slots["day"] == "2026-12-20"
    assert booking.top.asking == "pickup"


def test_corrections_at_a_review_say_what_has_changed(booking: Talk) -> None:
    booking.text("2 people on 15 Dec at 3:30pm for 5 nights, $1,450, 9812345678")
    said = booking.text("actually 20 December")
    assert said.startswith("Got it, changed.\nDay: *20 December 2026*")
    assert "2; 20 December 2026" in said
    assert "€900" not in booking.text("budget should be 900 euros")
    assert booking.top.slots["budget"] == {"amount": 900, "currency": "EUR"}


@pytest.mark.parametrize("words", ["not EBC, Annapurna Circuit", "change the trek to Annapurna Circuit"])
def test_a_reference_is_corrected_in_the_form(customer: Talk, words: str) -> None:
    customer.text("Everest base camp trek")
    assert customer.top.asking == "people"
    said = customer.text(words)
    assert customer.top.slots["trek"]["id"] == 2
    assert "Trek: *Annapurna Circuit*" in said
    assert customer.top.asking == "people"


def test_free_words_are_corrections_only_when_they_name_a_slot(tmp_path: Path) -> None:
    flow = form("  people: {type: integer}\n  note: {type: text}", names="people, note")
    talk = begin(tmp_path, flow, done="{{ people }}: {{ note }}")
    talk.text("2")
    assert "*3*" in talk.text("change the people to 3")
    assert talk.text("no, 4 people is too many for us") == "3: no, 4 people is too many for us"


# --- Rules ------------------------------------------------------------------------------------------------------------

RULES = """
flow: test
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, min: 1}
  month:  {type: date, granularity: month}
rules:
  - {if: "people > 10 and month == '2026-12'", say: too_many, forget: [people]}
states:
  details:
    form: [people, month]
    next: review
  review:
    ask: review
    choices: {yes: "Yes"}
    next: done
  done: {say: done, end: done}
"""


def test_a_rule_is_tried_when_all_its_slots_are_filled(tmp_path: Path) -> None:
    texts = {"too_many": "At most 10 in December.", "review": "{{ people }} in {{ month | date }}?", "done": "Done."}
    talk = begin(tmp_path, RULES, **texts)
    talk.text("12")
    assert talk.text("December") == "At most 10 in December.\n\nPlease tell me the people."
    assert talk.top.slots == {"month": "2026-12"}
    assert talk.text("8") == "8 in December 2026?"
    assert talk.text("no, 12 people").startswith("At most 10 in December.")
    assert talk.top.slots["people"] == 8
    assert talk.text("make it January") == "Got it, changed.\nMonth: *January 2027*\n\n8 in January 2027?"
    talk.text("no, 12 people")
    assert talk.top.slots["people"] == 12


# --- Files and places -------------------------------------------------------------------------------------------------


def photo(number: int) -> MediaIn:
    return MediaIn(media="image", media_id=f"m{number}", mime_type="image/jpeg")


def test_files_are_collected_until_done(tmp_path: Path) -> None:
    flow = form("  scans: {type: media, kinds: [photo, document], max: 3}", names="scans")
    talk = begin(tmp_path, flow, done="{{ scans | length }}")
    assert "up to 3 files" in talk.said[0].body  # type: ignore[union-attr]
    assert "1 of up to 3" in talk.send(photo(1))
    more = talk.said[0]
    talk.send(photo(2))
    assert [one["id"] for one in talk.top.offers[0]["value"]] == ["m1", "m2"]
    assert talk.tap("Done", more) == "2"


def test_the_last_file_that_fits_ends_the_question(tmp_path: Path) -> None:
    talk = begin(tmp_path, form("  scan: {type: media}", names="scan"), done="{{ scan.kind }}")
    assert "file" in talk.text("here it is")
    assert talk.send(photo(1)) == "photo"


def test_too_few_files_are_not_enough(tmp_path: Path) -> None:
    talk = begin(tmp_path, form("  scans: {type: media, min: 2, max: 3}", names="scans"), done="{{ scans | length }}")
    talk.send(photo(1))
    assert "1 of up to 3" in talk.text("done")
    talk.send(photo(2))
    assert talk.text("done") == "2"


def test_a_place_is_shared_or_linked_to(tmp_path: Path) -> None:
    flow = form("  hotel: {type: location}", names="hotel")
    talk = begin(tmp_path, flow, done="{{ hotel }} {{ hotel.latitude }}")
    assert "Location" in talk.text("the blue one")
    assert talk.send(LocationIn(latitude=27.7, longitude=85.3, name="Hotel Shanker")) == "Hotel Shanker 27.7"
    talk.text("help")
    assert talk.text("https://maps.google.com/?q=27.7172,85.3240") == "27.7172, 85.324 27.7172"
