"""What `bot check` proves of any small flow is what walking through it shows: no more, and no less."""

import json
from collections.abc import Iterable, Mapping
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import Talk, blocks, choices_in, fake_actions, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.book import FlowBook
from bot.core.effects import EndRun
from bot.core.messages import ChoiceIn
from bot.core.policy import window_open

DAY = 24
STATES = tuple("abcde")
TARGET = st.sampled_from(STATES)
HOURS = st.sampled_from([1, 11, 13, 23])
STATE: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda to, other: {"ask": "q", "choices": {"x": "Ex", "y": "Why"}, "when": {"x": to}, "next": other},
              TARGET, TARGET),
    st.builds(lambda to: {"say": "q", "next": to}, TARGET),
    st.builds(lambda to, hours: {"say": "q", "after": {f"{hours}h": {"to": to}}}, TARGET, HOURS),
    st.builds(lambda to, late, hours: {"ask": "q", "choices": {"x": "Ex", "y": "Why"}, "next": to,
                                       "after": {f"{hours}h": {"to": late}}}, TARGET, TARGET, HOURS),
    st.just({"say": "q", "end": "done"}),
    st.just({"say": "q", "end": "done"}),
    st.just({"say": "q"}),
)  # fmt: skip
FLOWS = st.tuples(*[STATE for _ in STATES]).map(lambda states: dict(zip(STATES, states, strict=True)))
States = Mapping[str, Mapping[str, Any]]


def steps(state: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Where a state leads, with the hours that this takes since the person last wrote; -1: they have just written."""
    timers = [(timer["to"], int(after[:-1])) for after, timer in state.get("after", {}).items()]
    if "ask" in state:
        return [*[(to, -1) for to in {*state.get("when", {}).values(), state["next"]}], *timers]
    return [*([(state["next"], 0)] if "next" in state else []), *timers]


def reached(states: States, first: Iterable[str] = "a") -> dict[str, int]:
    """The states that can be come to, with the longest silence they may be entered after, up to a few days."""
    found = dict.fromkeys(first, 0)
    while True:
        before = dict(found)
        for name, silence in before.items():
            for to, hours in steps(states[name]):
                then = 0 if hours < 0 else min(silence + hours, 4 * DAY)
                found[to] = max(found.get(to, 0), then)
        if found == before:
            return found


def circles(states: States, among: Mapping[str, int]) -> bool:
    """Whether states that wait for nobody lead back to themselves."""
    ways = {name: states[name]["next"] for name in among if "next" in states[name] and "ask" not in states[name]}
    for start in ways:
        place, seen = start, set()
        while place in ways and place not in seen:
            seen.add(place)
            place = ways[place]
        if place in seen:
            return True
    return False


def ends(states: States) -> set[str]:
    """The states from which an end can be come to."""
    found = {name for name, state in states.items() if "end" in state}
    while more := {name for name in states if name not in found and any(to in found for to, _ in steps(states[name]))}:
        found |= more
    return found


def written(root: Path, states: States) -> Path:
    flow = {"flow": "test", "role": "customer", "start": {"universals": ["help"]}, "states": dict(states)}
    files = {
        "flows/customer/test.yaml": json.dumps(flow),
        "templates/en/customer/test.j2": blocks(q="Well?"),
    }
    return write_content(root, files)


@settings(max_examples=150)
@given(FLOWS)
def test_the_proofs_are_what_walking_shows(tmp_path_factory: pytest.TempPathFactory, states: States) -> None:
    found = check(written(tmp_path_factory.mktemp("flow"), states), fake_actions())
    codes = {one.code for one in found}
    told = [(one.code, one.message) for one in found]
    come_to = reached(states)
    for name in STATES:
        unreachable = any(code == "unreachable" and f"'{name}'" in message for code, message in told)
        assert unreachable == (name not in come_to), (name, told)
    stuck = {name for name, state in states.items() if not steps(state) and "end" not in state}
    assert ("dead_end" in codes) >= bool(stuck & set(come_to)), told
    assert "dead_end" not in codes or stuck, told
    assert ("loop" in codes) >= circles(states, come_to), told
    assert "loop" not in codes or circles(states, dict.fromkeys(STATES, 0)), told
    late = any(silence >= DAY for silence in come_to.values())
    assert ("window" in codes) >= late, told
    # A state that nothing leads to yet is looked at as if something did.
    assert "window" not in codes or any(silence >= DAY for silence in reached(states, STATES).values()), told
    never = set(come_to) - ends(states)
    assert never <= stuck or {"dead_end", "loop", "endless"} & codes, told


@settings(max_examples=60)
@given(FLOWS)
def test_a_flow_without_mistakes_is_walked_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, states: States
) -> None:
    root = tmp_path_factory.mktemp("flow")
    onward = {name: onto(state, to) for (name, state), to in zip(states.items(), (*STATES[1:], "a"), strict=True)}
    come_to = reached(onward)
    whole = {name: onward[name] for name in sorted(come_to)}
    late = any(silence >= DAY for silence in come_to.values())
    found = check(written(root, whole), fake_actions())
    errors = [one for one in found if one.severity == "error"]
    assert bool(errors) == (late or circles(whole, come_to)), errors
    if not errors:
        assert any(one.code == "endless" for one in found) == bool(set(whole) - ends(whole)), found
        assert walk(load_content(root, fake_actions()).book) == set(whole)


def onto(state: Mapping[str, Any], to: str) -> dict[str, Any]:
    """The state with its first way leading to the next one, so that more of them are come to; an end without a way."""
    if not steps(state):
        return {"say": "q", "end": "done"}
    if "next" in state:
        return {**state, "next": to}
    return {**state, "after": {after: {"to": to} for after in state["after"]}}


def walk(book: FlowBook) -> set[str]:
    """Every state that the engine itself comes to, trying all there is to tap and all that time may bring."""
    entered: set[str] = set()
    tried: set[tuple[str, int]] = set()
    first = Talk(book)
    first.text("help")
    ways = [(first, first.at)]
    while ways:
        person, wrote = ways.pop()
        entered |= {str(note["state"]) for note in person.notes("enter")}
        if not person.conversation.frames:
            assert person.of(EndRun)
            continue
        timers, shown = person.timers(), [one for message in person.said for one in choices_in(message)]
        assert timers or shown, "nobody can go on from here"
        key = (person.top.state, (person.at - wrote) // timedelta(hours=1))
        if key in tried:
            continue
        tried.add(key)
        for choice in shown:
            tapping = copy(person)
            tapping.send(ChoiceIn(id=choice.id, title=choice.title))
            ways.append((tapping, tapping.at))
        for timer in timers:
            waiting = copy(person)
            waiting.at = timer.due_at
            waiting.fire(timer)
            assert not waiting.said or window_open(wrote, waiting.at), "said too late"
            ways.append((waiting, wrote))
    return entered
