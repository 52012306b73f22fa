"""What the picture of a state says about it: what it is for, its words, and small lines for all else it does."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from bot.authoring.diagrams.model import Fact, NodeKind
from bot.authoring.diagrams.words import SAID, listed, plain_delay, plain_length, spaced
from bot.core.compiled import CompiledState
from bot.core.flow import LANGUAGE, NotifySpec, OpSpec, StateSpec
from bot.core.ops import Do, End, Go
from bot.core.parts import label_in
from bot.core.templates import FALLBACK

_SHOWN = frozenset(
    {
        "forget", "enter", "do", "arguments", "once", "save", "error", "say", "send", "reply", "notify", "ask",
        "choices", "when", "form", "next", "after", "collect", "events", "no_match", "universals", "end",
        "handoff", "sla", "back", "states", "call", "no_input",
    }
)  # fmt: skip
"""Keys of a state that the picture shows in its own way, or on purpose not at all; any other is shown as written."""


def kind_of(state: CompiledState) -> NodeKind:
    """What a state is for, read off its plan."""
    last = state.plan[-1]
    if isinstance(last, End):
        return "end"
    if state.hands_over:
        return "handoff"
    if state.question is not None:
        return "question"
    if any(isinstance(op, Do) for op in state.plan) or getattr(state, "call", None) is not None:
        return "action"
    return "say" if isinstance(last, Go) else "wait"


def text_of(spec: StateSpec, words: Mapping[str, str]) -> str:
    """What a state asks, else what it says first."""
    if spec.ask:
        return SAID.format(words.get(spec.ask) or spec.ask)
    if spec.form and words.get(f"ask_{spec.form[0]}"):
        return SAID.format(words[f"ask_{spec.form[0]}"])
    blocks = [*(block for op in spec.enter for block in op.say), *spec.say]
    return SAID.format(words.get(blocks[0]) or blocks[0]) if blocks else ""


def facts_of(state: CompiledState, spec: StateSpec, words: Mapping[str, str]) -> Iterator[Fact]:
    """All else a state does, in the order in which it happens."""
    if spec.forget:
        yield Fact(kind="forget", text=f"forgets {listed(spec.forget)}")
    for op in spec.enter:
        yield from _steps(op)
    yield from _steps(spec)
    if spec.form:
        yield Fact(kind="form", text=f"asks for {listed(map(spaced, spec.form), 3)}")
    if spec.call:
        yield Fact(kind="action", text=f"calls {spec.call}")
    yield from _waits(spec, words)
    if spec.handoff:
        within = f", within {plain_length(spec.sla)}" if spec.sla else ""
        yield Fact(kind="handoff", text=f"to {spaced(spec.handoff)}{within}", role=spec.handoff)
    last = state.plan[-1]
    if isinstance(last, End):
        yield Fact(kind="end", text=spaced(last.outcome))
    for name in sorted(spec.model_fields_set - _SHOWN):
        yield Fact(kind="note", text=f"{_key(spec, name)}: {_short(getattr(spec, name))}")


def _waits(spec: StateSpec, words: Mapping[str, str]) -> Iterator[Fact]:
    """What happens in a state while it waits, without leaving it."""
    for kind, collect in spec.collect.items():
        many = f", up to {collect.many}" if collect.many > 1 else ""
        yield Fact(kind="collect", text=f"takes {spaced(kind)}{many}")
    for delay, timer in spec.after.items():
        if timer.say:
            yield Fact(
                kind="timer", text=f"after {plain_delay(delay)}: {SAID.format(words.get(timer.say) or timer.say)}"
            )
    for rung in spec.no_input or ():
        if not rung.to:
            what = SAID.format(words.get(rung.say) or rung.say) if rung.say else "asks again"
            yield Fact(kind="timer", text=f"silent for {plain_length(rung.length)}: {what}")


def _steps(op: OpSpec | StateSpec) -> Iterator[Fact]:
    if op.do:
        yield Fact(kind="action", text=op.do)
    if op.send:
        words = (word for one in op.send for word in one.words)
        yield Fact(kind="note", text=f"sends {listed((spaced(word) for word in words), 3)}")
    if isinstance(op.notify, NotifySpec):
        yield Fact(
            kind="notify", text=f"tells {spaced(op.notify.role)}: {spaced(op.notify.template)}", role=op.notify.role
        )


def _key(spec: BaseModel, name: str) -> str:
    return type(spec).model_fields[name].alias or name


def _short(value: Any) -> str:
    """A value of a key the picture knows nothing about."""
    match value:
        case BaseModel():
            given = ((_key(value, name), getattr(value, name)) for name in sorted(value.model_fields_set))
            return ", ".join(f"{name} {_short(inner)}" for name, inner in given)
        case dict() if value and all(LANGUAGE.fullmatch(str(key)) and isinstance(value[key], str) for key in value):
            return label_in(value, FALLBACK)
        case Mapping():
            return listed((str(key) for key in value), 3)
        case list() | tuple():
            return listed((_short(item) for item in value), 3)
    return str(value)
