"""Patterns of authors: RE2, in every script; what their groups pick out fills the slots of the same name."""

from pathlib import Path

import pytest
from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.patterns import compile_pattern

FLOW = """
flow: pay
role: customer
start: {intents: [pay]}
slots:
  amount: {type: integer, min: 1}
  trip: {type: ref, lookup: trips.assigned_to_me}
  nights: {type: integer, min: 1}
states:
  {first}
  form: {form: [amount, trip, nights], next: done}
  done: {say: done, end: done}
"""
INTENTS = r"""
role: customer
intents:
  pay:
    examples: [I want to pay]
    patterns:
      - 'pay (?P<amount>\w+) for (?P<trip>TRP\d+)(?: (?P<unknown>now))?'
      - '(?P<trip>TRP\d+) (?P<amount>\d+)(?: for \d+ nights)?'
      - '(?P<amount>\w+) रुपये (?P<trip>\w+)'
"""


def talk(tmp_path: Path, first: str = "") -> Talk:
    files = {
        "flows/customer/pay.yaml": FLOW.replace("{first}", first),
        "intents/customer.yaml": INTENTS,
        "templates/en/customer/pay.j2": blocks(
            ask_amount="How much?", ask_trip="Which trip?", ask_nights="Nights?",
            done="{{ amount }} for {{ trip.code }}",
            hello="So {{ amount }}.", invalid_trip="No such trip.", invalid_amount="That is no amount.",
        ),
    }  # fmt: skip
    return Talk(load_content(write_content(tmp_path, files), fake_actions()).book)


@pytest.mark.parametrize("first", ["", "hello: {say: hello, next: form}"], ids=["a form", "words before it"])
def test_named_groups_fill_the_slots_of_the_same_name(tmp_path: Path, first: str) -> None:
    person = talk(tmp_path, first)
    said = person.text("Pay 500 for trp123")
    assert said.endswith("Nights?")
    assert person.top.slots["amount"] == 500
    assert person.top.slots["trip"]["code"] == "TRP123"
    assert person.text("3") == "500 for TRP123"


def test_what_a_group_has_picked_out_fills_nothing_else_and_the_rest_may(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.text("TRP124 700 for 4 nights") == "700 for TRP124"
    assert person.conversation.frames == ()


def test_words_of_other_scripts_are_words(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.text("पाँच रुपये TRP123") == "Nights?"
    assert person.top.slots["amount"] == 5


def test_what_a_group_has_picked_out_may_be_wrong(tmp_path: Path) -> None:
    person = talk(tmp_path)
    assert person.text("pay 20 for TRP999 now") == "No such trip."
    assert person.text("TRP123") == "Nights?"
    assert talk(tmp_path).text("pay lots for TRP123") == "That is no amount."


def test_a_pattern_is_the_form_of_the_whole_message(tmp_path: Path) -> None:
    person = talk(tmp_path)
    person.text("when do I have to pay 500 for TRP123 in cash?")
    assert all("amount" not in frame.slots for frame in person.conversation.frames)


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        (r"TRP\d+", "on trp123 today", ("trp123", 3)),
        (r"TRP\d+", "é TRP१२ नमस्ते", ("TRP१२", 2)),
        (r"मेरी (?P<what>\w+)", "कहाँ मेरी बुकिंग है", ("मेरी बुकिंग", 5)),
        (r"[\w-]+@x", "it is क-ख@x", ("क-ख@x", 6)),
        (r"[]\d]\s\S", "a ]\u00a0b", ("]\u00a0b", 2)),
        (r"\[\d\]", "x [7]", ("[7]", 2)),
        (r"[^\d]{3}", "12ab\ud800", ("ab?", 2)),
        (r"ÉTÉ", "en été", ("été", 3)),
    ],
)
def test_kinds_of_characters_are_those_of_all_scripts(source: str, text: str, found: tuple[str, int]) -> None:
    match = compile_pattern(source).search(text)
    assert match is not None
    assert (match.found, match.start) == found
    assert match.end == match.start + len(match.found)


@pytest.mark.parametrize("source", ["(a+)+$", "(a|aa)*b", r"\d*\d*\d*x", "(a?){9}b", r"(?:a{1,50}){2}"])
def test_what_would_take_seconds_elsewhere_does_not(source: str) -> None:
    """Twice the text takes about twice the work: a megabyte is read, where backtracking would not end."""
    assert compile_pattern(source).fullmatch("a" * 1_000_000 + "!") is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (r"(\w+)\1", "refers back"), (r"(?P<a>x)(?P=a)", "refers back"), ("(?=a)a", "looks around"),
        ("(?<!a)b", "looks around"), ("(", "not a regular expression"), ("x*", "matches nothing"),
        ("a" * 201, "longer than 200"), (r"(?P<a>x)(?P<a>y)", "two groups"), (r"\bमेरी\b", "Latin letters only"),
        ("a{2000}", "not a regular expression"), (r"a\Z", "not a regular expression"),
    ],
)  # fmt: skip
def test_patterns_that_cannot_be_are_refused(source: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=why):
        compile_pattern(source)
    assert capfd.readouterr() == ("", "")  # RE2 itself would write to the error output
