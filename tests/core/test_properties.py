"""Whatever people send, in whatever order things happen: no crash, no endless turn, and a snapshot that survives JSON.

`Talk` checks purity and JSON between every two steps.
"""

import time
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import Talk, choices_in, shipped_book

from bot.core.choices import read_tap
from bot.core.cursor import MAX_STATES
from bot.core.entities import counted, extract
from bot.core.events import ActionDone, ActionFailed
from bot.core.messages import (
    MAX_TEXT,
    ChoiceIn,
    EditIn,
    Incoming,
    LocationIn,
    MediaIn,
    ReactionIn,
    TextIn,
    UnsupportedIn,
)
from bot.core.splitting import split_text
from bot.core.understanding import IntentUnderstanding
from bot.core.words import normalise, universal_in, without_correction

BOOK = shipped_book()
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

PHRASES = st.sampled_from(
    [
        "hi",
        "help",
        "back",
        "cancel",
        "restart",
        "repeat",
        "agent",
        "stop",
        "yes",
        "no",
        "1",
        "2",
        "3",
        "99",
        "december",
        "EBC Trek for 2 people in December",
        "I want to go trekking",
        "annapurna",
        "everest",
        "no, 3 people",
        "make it may",
        "ISSUE TRP123 broken axle",
        "ISSUE",
        "ISSUE TRP666",
        "RESOLVED TRP123",
        "RESOLVED",
        "we had an accident",
        "TRP124",
        "change details",
        "the month",
        "13 people",
        "20 people",
        "",
        " ",
        "{{ 7 * 7 }}",
        "%s %d",
        "r1.1.yes",
    ]
)
TEXTS = PHRASES | st.text(max_size=200)
CONTENTS: st.SearchStrategy[Incoming] = st.one_of(
    TEXTS.map(lambda body: TextIn(body=body)),
    st.builds(ChoiceIn, id=st.text(max_size=30) | st.just("r1.1.yes") | st.just("r2.3.0"), title=TEXTS),
    st.builds(
        MediaIn,
        media=st.sampled_from(["image", "audio", "video", "document", "sticker"]),
        media_id=st.just("m"),
        mime_type=st.just("x/y"),
        caption=st.none() | TEXTS,
    ),
    st.builds(LocationIn, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180)),
    st.builds(ReactionIn, message_id=st.text(max_size=5)),
    st.builds(EditIn, message_id=st.just("m"), text=TEXTS),
    st.builds(UnsupportedIn, original_kind=st.text(max_size=5)),
)
WHATEVER = st.one_of(
    CONTENTS.map(lambda content: ("send", content)),
    st.just(("tap", None)),
    st.just(("timer", None)),
    st.sampled_from(["handoff.returned", "incident.updated", "incident.resolved", "nonsense"]).map(
        lambda name: ("change", name)
    ),
    st.just(("done", None)),
    st.just(("failed", None)),
)


@RELAXED
@given(
    st.lists(WHATEVER, max_size=12), st.sampled_from([("customer",), ("field_staff",), ("customer", "field_staff"), ()])
)
def test_any_order_of_events(happenings: list[tuple[str, object]], roles: tuple[str, ...]) -> None:
    talk = Talk(BOOK, roles=roles)
    timers = []
    tappable = []
    for kind, what in happenings:
        match kind:
            case "send":
                talk.send(what)  # type: ignore[arg-type]
            case "tap" if tappable:
                talk.send(ChoiceIn(id=tappable[-1].id, title=tappable[-1].title))
            case "timer" if timers:
                talk.at += timedelta(hours=1)
                talk.fire(timers.pop())
            case "change":
                parked = next(iter(talk.business.parked), None)
                talk.change(str(what), instance=parked)
            case "done":
                talk.happen(ActionDone(event_id=0, at=talk.at, result=[{"id": 1}]))  # type: ignore[arg-type]
            case "failed":
                talk.happen(ActionFailed(event_id=0, at=talk.at, code="x", message="y"))  # type: ignore[arg-type]
        timers += talk.timers()
        tappable += [choice for message in talk.said for choice in choices_in(message)]
        assert len(talk.notes("enter")) <= MAX_STATES
        assert all(frame.pending is None for frame in talk.conversation.frames)
        assert all(len(choice.id) <= 200 and read_tap(choice.id) for choice in tappable)
        assert all(len(getattr(message, "body", "")) <= MAX_TEXT for message in talk.said)


@RELAXED
@given(st.text(max_size=400) | TEXTS)
def test_any_text_is_read(text: str) -> None:
    found = extract(text, date(2026, 11, 22))
    counted(found, "people")
    counted(found, "nights")
    for one in found.dates:
        date(one.year, one.month, one.day or 1)
    normal = normalise(text)
    assert normalise(normal) == normal
    universal_in(normal, "en")
    without_correction(normal, "hi")
    read_tap(text)


@RELAXED
@given(st.text(min_size=1, max_size=500), st.integers(1, 120))
def test_split_text_keeps_the_words_and_the_limit(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_huge_texts_take_no_time() -> None:
    """100 kB of anything: under 5 ms to read, in any of our grammars."""
    understanding = IntentUnderstanding(BOOK.intents["customer"])
    understanding.understand("anything at all that is no example")  # which trains it
    for piece in (
        "1 ",
        "for two ",
        "december ",
        "15 ",
        "a",
        "no ",
        "{{",
        "TRP1",
        "१२ ",
        "in 3 months ",
        "1/1/",
        "\n",
        "😀",
    ):
        text = piece * (100_000 // len(piece))
        began = time.process_time()
        counted(extract(text, date(2026, 11, 22)), "people")
        universal_in(normalise(text), "en")
        understanding.understand(text)
        took = time.process_time() - began
        assert took < 0.2, (piece, took)  # 5 ms on an idle machine; anything worse than linear takes seconds
    talk = Talk(BOOK, roles=("customer", "field_staff"))
    for state in ("hi", "I want to go trekking"):
        talk.text(state)
        talk.text("word " * 20_000)
    talk.text("ISSUE TRP123 " + "x" * 100_000)
    assert talk.top.asking == "text"
