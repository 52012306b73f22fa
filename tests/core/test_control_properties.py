"""Whatever people do amid calls, nested states, digressions and timers: nothing crashes, nothing is left over."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import Talk, blocks, choices_in, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.book import FlowBook
from bot.core.calling import MAX_CALLS
from bot.core.effects import EndRun, Invoke, StartRun, StartTimer
from bot.core.messages import ChoiceIn, TextIn

PLAN = """
flow: plan
role: customer
start: {intents: [plan_trip], universals: [help]}
quiet: {from: "21:00", to: "07:00", timezone: Asia/Kathmandu}
variants: {warm: 1, short: 1}
slots:
  people: {type: integer, min: 1, max: 40}
  month:  {type: date, granularity: month}
commands: {STATUS: {from: trip, to: trip/when}, ALARM: {to: agent}}
states:
  trip:
    say: welcome
    no_input: [{after: 10m}, {after: 1h, to: gone}]
    after: {22h: {to: gone}}
    events: {trip.cancelled: gone, trip.moved: [{if: event.far, to: place}]}
    next: lead
    states:
      party: {form: [people], next: when}
      when:  {form: [month]}
  lead:
    do: leads.create
    with: {trek: 1, people: "{{ people }}"}
    once: "lead:{{ run.id }}"
    error: agent
    next: place
  place:
    call: common/place
    with: [people]
    save: place
    after: {3h: {to: gone}}
    next: [{if: result.outcome == 'unknown', to: trip/party}, review]
  review:
    ask: review
    template: none
    choices: {yes: "Yes", edit: Edit, lang: Language, again: Place again}
    when:
      yes: done
      edit: {call: common/correct, with: [people, month], to: review}
      lang: {call: common/tongue, to: review}
      again: place
    after: {2h: {say: nudge, template: none}, 22h: {to: gone}}
  done: {say: done, end: done}
  gone: {say: gone, template: none, end: gone}
  agent: {handoff: sales, back: review}
"""
PLACE = """
flow: common/place
role: any
inputs: [people?]
outputs: [town]
slots: {people: {type: integer}, town: {type: text}}
states:
  a: {form: [town], template: none, next: [{if: town == 'deep', to: deeper}, {if: town == 'mars', to: b}, c]}
  deeper: {call: common/place, with: [people], save: inner, next: c}
  b: {end: unknown}
  c: {end: found}
"""
TONGUE = """
flow: common/tongue
role: any
start: {intents: [change_tongue]}
states:
  a: {ask: a, choices: {en: English, hi: Hindi}, next: b}
  b: {language: "{{ answer }}", say: b, end: changed}
"""
INTENTS = """
role: any
intents:
  plan_trip: {examples: [plan a trip]}
  change_tongue: {examples: [another language]}
"""
TEXTS = {"a": "Which?", "b": "Good.", "review": "{{ people }} in {{ month | date }}?", "done": "Done.", "gone": "Gone.",
         "nudge": "Hm?", "welcome__warm": "Dear!", "welcome": "Hi."}  # fmt: skip


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> FlowBook:
    files = {
        "flows/customer/plan.yaml": PLAN,
        "flows/common/place.yaml": PLACE,
        "flows/common/tongue.yaml": TONGUE,
        "templates/en/customer/plan.j2": blocks(**{k: v for k, v in TEXTS.items() if k not in "ab"}, x__short="x"),
        "templates/en/common/tongue.j2": blocks(a=TEXTS["a"], b=TEXTS["b"]),
        "intents/customer.yaml": INTENTS,
    }
    return load_content(write_content(tmp_path_factory.mktemp("rich"), files), fake_actions()).book


WORDS = st.sampled_from(
    ["help", "back", "cancel", "restart", "repeat", "agent", "STOP", "START", "yes", "no", "1", "2", "4", "13", "may",
     "december", "Lukla", "mars", "deep", "plan a trip", "another language", "edit", "STATUS", "ALARM", "place again",
     "go back", "stay here", "english", "quit", "number of people", "no, 5 people", "what"]
)  # fmt: skip
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), WORDS),
        st.tuples(st.just("tap"), st.integers(0, 9)),
        st.tuples(st.just("timer"), st.integers(0, 30)),
        st.tuples(st.just("change"), st.sampled_from(["trip.cancelled", "trip.moved", "handoff.returned"])),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(HAPPENINGS)
def test_any_order_of_events(rich: FlowBook, happenings: list[tuple[str, object]]) -> None:
    talk = Talk(rich)
    begun: set[str] = set()
    ended: list[str] = []
    receipts: set[str | None] = set()
    timers: list[StartTimer] = []
    shown: list[ChoiceIn] = []
    for kind, what in happenings:
        match kind:
            case "say":
                talk.send(TextIn(body=str(what)))
            case "tap" if shown:
                talk.send(shown[-1 - int(what) % len(shown)])  # type: ignore[call-overload]
            case "timer" if timers:
                timer = timers.pop(int(what) % len(timers))  # type: ignore[call-overload]
                talk.at = max(talk.at + timedelta(minutes=int(what)), timer.due_at)  # type: ignore[call-overload]
                talk.fire(timer)
            case "change":
                talk.change(str(what), far=True)
            case _:  # nothing to tap, no timer to fire: nothing happened
                continue
        timers += talk.timers()
        shown += [ChoiceIn(id=one.id, title=one.title) for message in talk.said for one in choices_in(message)]
        begun |= {one.run for one in talk.of(StartRun)}
        ended += [one.run for one in talk.of(EndRun)]
        receipts |= {one.receipt for one in talk.of(Invoke)}
        frames = talk.conversation.frames
        assert len(set(ended)) == len(ended), "a run ended twice"
        assert {frame.run for frame in frames} == begun - set(ended), "a run was lost"
        assert all(frame.pending is None for frame in frames)
        assert len(frames) <= 5 + MAX_CALLS
        waiting = {(frame.run, frame.epoch) for frame in frames}
        assert all((frame.caller, frame.caller_epoch) in waiting for frame in frames if frame.caller), "an orphan"
        for below, frame in pairwise(frames):
            if frame.caller == below.run:
                state = rich.flow(below.flow, below.version).states[below.state]  # type: ignore[union-attr]
                assert state.call is not None
        top = frames[-1] if frames else None
        if top is not None:
            state = rich.flow(top.flow, top.version).states[top.state]  # type: ignore[union-attr]
            assert state.call is None, "the topmost run waits for nobody"
    assert len(talk.business.receipts) <= len(begun)
