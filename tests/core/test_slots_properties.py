"""Whatever people send: every slot answers quickly, with a value that JSON keeps and that people can repeat."""

import json
import time
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from talking import Talk, book_of

from bot.core.correcting import remainder
from bot.core.entities import extract
from bot.core.report import Report
from bot.core.slots import Ambiguous, AnySlot, Filled, Heard, compile_slot
from bot.core.slotspecs import SlotSpec

TODAY = date(2026, 11, 22)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SPEC: TypeAdapter[Any] = TypeAdapter(SlotSpec)
SPECS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "pattern": "[a-z]+"},
    "integer": {"type": "integer", "of": "people"},
    "nights": {"type": "integer", "of": "nights"},
    "decimal": {"type": "decimal", "of": "kg"},
    "money": {"type": "money", "currency": "USD"},
    "day": {"type": "date", "future": True},
    "birthday": {"type": "date", "past": True},
    "month": {"type": "date", "granularity": "month"},
    "range": {"type": "date", "range": True},
    "time": {"type": "time"},
    "duration": {"type": "duration", "unit": "hours"},
    "phone": {"type": "phone", "region": "IN"},
    "email": {"type": "email"},
    "choice": {"type": "choice", "choices": {"yes": "Yes", "no": "No"}},
    "location": {"type": "location"},
    "media": {"type": "media"},
}
PIECES = (
    "1 ", "for two ", "december ", "15 ", "a", "no ", "{{", "TRP1", "१२ ", "in 3 months ", "1/1/", "\n", "😀", "1,",
    "1.",
    "+1 ",
    "00 ", "a@", "a.", "a@b.", "$1", "₹", "k ", "1 h ", "1h", "and ", "half past ", "at 5 ", "to ", "3-",
    "(1)", ":",
    "से ", "दो ", "do ", "sadhe ", "me and my ", "my wife and ", "2 adults and ", "not ", "not a, ", "change the ",
    "is ",
    "usd ", "1 to 2 january ", "week of march ", "for 5 nights ", "\u0000", "İ", "ﷺ", "ß", "\u200b", "९",
    "²", "½", "-1",
)  # fmt: skip
WORDS = st.sampled_from([piece for piece in PIECES if len(piece) > 1])
TEXTS = st.text(max_size=300) | st.lists(WORDS | st.text(max_size=4), max_size=40).map("".join)


@lru_cache
def slot(name: str) -> AnySlot:
    report = Report()
    made = compile_slot(name, SPEC.validate_python(SPECS[name]), report)
    assert not report.mistakes
    return made


def heard(text: str) -> Heard:
    return Heard(text, extract(text, TODAY), TODAY)


@RELAXED
@given(TEXTS, st.booleans())
def test_any_text_is_read_by_every_slot(text: str, asked: bool) -> None:
    for name in SPECS:
        reading = slot(name).read(heard(text), asked=asked)
        values = [reading.value] if isinstance(reading, Filled) else []
        values += reading.values if isinstance(reading, Ambiguous) else ()
        for value in values:
            assert json.loads(json.dumps(value)) == value
            assert slot(name).show(value, "en")
            assert slot(name).show(value, "hi")
            assert str(slot(name).wrap(value, "fr"))
    remainder(text, "hi")


@pytest.mark.parametrize("piece", PIECES)
def test_100_kb_of_anything_take_no_time(piece: str) -> None:
    """About 7 ms for all slots together on an idle machine; anything worse than linear would take seconds."""
    text = piece * (100_000 // len(piece))
    took = 1.0
    for _ in range(3):
        began = time.process_time()
        message = heard(text)
        for name in SPECS:
            slot(name).read(message, asked=True)
        remainder(text, "en")
        took = min(took, time.process_time() - began)
    assert took < 0.2, took


DAYS = st.dates(TODAY, TODAY + timedelta(days=700))
CURRENCIES = st.sampled_from(["USD", "EUR", "INR", "NPR", "GBP"])
LENGTHS = st.integers(1, 96).map(
    lambda quarters: {"seconds": quarters * 900, "unit": "hour" if quarters > 3 else "minute"}
)
SAME: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(0, 9999),
    "decimal": st.integers(0, 99_999).map(lambda cents: cents // 100 if cents % 100 == 0 else cents / 100),
    "day": DAYS.map(date.isoformat),
    "month": DAYS.map(lambda day: f"{day:%Y-%m}"),
    "time": st.times().map(lambda at: f"{at:%H:%M}"),
    "duration": LENGTHS,
    "money": st.builds(
        lambda cents, currency: {"amount": cents // 100 if cents % 100 == 0 else cents / 100, "currency": currency},
        st.integers(0, 9_999_999), CURRENCIES,
    ),
    "range": st.builds(
        lambda day, nights: {
            "start": day.isoformat(), "end": (day + timedelta(days=nights)).isoformat(), "nights": nights,
        },
        DAYS, st.integers(1, 20),
    ),
    "phone": st.sampled_from(["+919812345678", "+9779801234567", "+14155552671", "+442071838750"]),
}  # fmt: skip


@RELAXED
@given(st.data())
def test_what_we_print_we_read(data: st.DataObject) -> None:
    for name, values in SAME.items():
        value = data.draw(values)
        shown = slot(name).show(value, "en")
        reading = slot(name).read(heard(shown), asked=True)
        assert isinstance(reading, Filled), (name, shown, reading)
        assert reading.value == value, (name, shown)


@RELAXED
@given(DAYS, st.integers(1, 9_999_999).map(lambda whole: {"amount": whole, "currency": "INR"}))
def test_what_we_print_in_hindi_we_read(day: date, price: dict[str, Any]) -> None:
    for name, value in (("day", day.isoformat()), ("money", price)):
        reading = slot(name).read(heard(slot(name).show(value, "hi")), asked=True)
        assert isinstance(reading, Filled)
        assert reading.value == value


FLOW = """
flow: test
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, min: 1, confirm: true}
  day:    {type: date, future: true}
  at:     {type: time, required: false}
  price:  {type: money, currency: USD, sensitive: true}
  scans:  {type: media, max: 2, required: false}
  note:   {type: text, required: false}
rules:
  - {if: "people > 5 and price.amount > 100", say: no, forget: [price]}
states:
  details: {form: [people, day, at, price, scans, note], next: review}
  review:  {ask: review, choices: {yes: "Yes", no: "No"}, next: done}
  done:    {say: done, end: done}
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    review = "{{ people }} {{ day }} {{ at }} {{ price }} {{ inferred | join }}"
    texts = {"no": "No.", "review": review, "done": "Done."}
    return Talk(book_of(tmp_path_factory.mktemp("flow"), FLOW, **texts))


ANSWERS = st.sampled_from(
    ["help", "2", "9", "yes", "no", "15 Dec", "03/04", "at 5", "$500", "50", "skip", "done", "back", "no, 3 people",
     "make it 4",
     "change the day to 3 March", "change the day", "2 or 3 people", "sorry", "cancel", "1", "am", "people: 7"]
)  # fmt: skip


@RELAXED
@given(st.lists(ANSWERS | TEXTS, max_size=14))
def test_any_conversation_with_every_kind_of_slot(talk: Talk, answers: list[str]) -> None:
    talk.text("help")
    for answer in answers:
        talk.text(answer)
        for frame in talk.conversation.frames:
            assert set(frame.inferred) <= set(frame.slots)
            assert len(frame.offers) <= 10
