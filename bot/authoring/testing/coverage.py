"""Which states and transitions the tests went through, and which they did not.

What can be gone through is what the compiled machines have; what was, is in the why-traces. The ways that the engine
adds by itself, back to a question (`back:`) and to a person (`agent`), are counted apart: nobody wrote them. Ways
that cannot be taken are not counted: from states that never wait, and behind a branch without a condition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.authoring.content import FlowFile
from bot.authoring.reader import Document
from bot.core.book import FlowBook
from bot.core.compiled import CompiledFlow
from bot.core.cursor import START
from bot.core.effects import Trace
from bot.core.errors import Mark
from bot.core.ops import HandOver, Rest
from bot.core.report import Path

Hit = tuple[str, str, str, str]
"""A transition gone through: flow, trigger, source, destination."""

_AT_ONCE = ("next", "error")
"""Triggers of states that need not wait for anybody."""

_WRITTEN: Mapping[str, Path] = {
    "next": ("next",), "error": ("error",), "return": ("back",), "choice": ("when",), "timer": ("after",),
    "event": ("events",), "ladder": ("no_match",), "no_input": ("no_input",),
}  # fmt: skip
"""The key of a state that each trigger is written at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one state to another. `built_in`: the engine's, not the author's. `at` is where it is written."""

    flow: str
    trigger: str
    source: str
    to: str
    built_in: bool
    at: Mark | None
    covered: bool

    @property
    def hit(self) -> Hit:
        """Its name in traces."""
        return self.flow, self.trigger, self.source, self.to


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCover:
    """A state, and whether it was entered."""

    name: str
    at: Mark | None
    covered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCover:
    """What the tests went through of a flow."""

    flow: str
    version: int
    file: str
    states: tuple[StateCover, ...]
    edges: tuple[Edge, ...]
    document: Document | None = None

    @property
    def written(self) -> tuple[Edge, ...]:
        """The ways the author wrote."""
        return tuple(edge for edge in self.edges if not edge.built_in)

    @property
    def missing(self) -> tuple[Edge, ...]:
        """The ways the author wrote that no test took."""
        return tuple(edge for edge in self.written if not edge.covered)

    @property
    def unvisited(self) -> tuple[StateCover, ...]:
        """The states that no test entered, in the order of the file."""
        return tuple(state for state in self.states if not state.covered)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """States entered, states, ways taken, ways."""
        written = self.written
        return (
            sum(state.covered for state in self.states), len(self.states),
            sum(edge.covered for edge in written), len(written),
        )  # fmt: skip


def hits(traces: Iterable[Sequence[Trace]]) -> Iterable[Hit]:
    """The transitions in why-traces. The flow is told by the state entered next."""
    for trace in traces:
        open_ones: list[Mapping[str, Any]] = []
        for note in trace:
            if note.kind == "transition":
                open_ones.append(note.detail)
            elif note.kind == "enter":
                for way in open_ones:
                    yield str(note.detail["flow"]), str(way["event"]), str(way["source"]), str(way["to"])
                open_ones = []


def percent(covers: Iterable[FlowCover]) -> float:
    """How many of a hundred ways were taken; 100 when there are none."""
    counts = [cover.counts for cover in covers]
    taken, all_of_them = sum(one[2] for one in counts), sum(one[3] for one in counts)
    return 100.0 * taken / all_of_them if all_of_them else 100.0


def measure(book: FlowBook, files: Iterable[FlowFile], taken: Iterable[Hit]) -> list[FlowCover]:
    """Compare what was gone through with what there is, for the newest version of each flow.

    Args:
        book: The flows.
        files: Their files, for places.
        taken: What tests went through.
    """
    by_flow = {(file.spec.flow, file.spec.version): file for file in files}
    known = set(taken)
    found = []
    for flow in book.latest.values():
        file = by_flow.get((flow.name, flow.version))
        document = file.document if file is not None else None
        places = file.report.places if file is not None else {}
        entered = {to for name, _, _, to in known if name == flow.name}
        states = tuple(
            StateCover(
                name=name,
                at=document.mark(_path_of(places, name)) if document else None,
                covered=name in entered,
            )
            for name in flow.states
        )
        edges = tuple(
            Edge(flow=flow.name, trigger=trigger, source=source, to=to, built_in=built_in(trigger),
                 at=place_of(document, places, trigger, source, to) if document else None,
                 covered=(flow.name, trigger, source, to) in known)
            for trigger, source, to in ways(flow)
        )  # fmt: skip
        found.append(
            FlowCover(
                flow=flow.name,
                version=flow.version,
                file=document.file if document else "",
                states=states,
                edges=edges,
                document=document,
            )
        )
    return found


def built_in(trigger: str) -> bool:
    """Whether the engine adds this way by itself."""
    return trigger == "agent" or trigger.startswith("back:")


def ways(flow: CompiledFlow) -> list[tuple[str, str, str]]:
    """Every (trigger, source, destination) of a flow that can be taken, in the order of its machine."""
    found: dict[tuple[str, str, str], None] = {}
    for trigger, event in flow.machine.events.items():
        for source, transitions in event.transitions.items():
            if not _can_happen(flow, trigger, source):
                continue
            for transition in transitions:
                found[trigger, source, str(transition.dest)] = None
                if not transition.conditions:
                    break  # those behind it are never reached
    return list(found)


def _can_happen(flow: CompiledFlow, trigger: str, source: str) -> bool:
    if trigger == "begin" and flow.commands:
        return bool(flow.intents or flow.universals or flow.events)  # else its commands begin it, and nothing else does
    if source == START or trigger in _AT_ONCE:
        return True
    state = flow.states.get(source)
    if state is None:
        return True
    last = state.plan[-1]
    waits = state.question is not None or isinstance(last, Rest | HandOver)
    if trigger == "agent":
        return waits and not state.parks and not state.hands_over and "agent" in state.universals
    if trigger.startswith("back:"):
        return state.question is not None and "back" in state.universals
    return waits or not trigger.startswith("command:")


# --- Places -----------------------------------------------------------------------------------------------------------


def place_of(document: Document, places: Mapping[str, Path], trigger: str, source: str, to: str) -> Mark:
    """Where a way is written in a flow file; at worst, where its state is. `places` are those of nested states."""
    kind, _, name = trigger.partition(":")
    if kind == "begin":
        return document.mark(_path_of(places, to))
    if kind == "command":
        return document.mark(_branch(document, _command(document, name), to))
    below = _WRITTEN.get(kind, ())
    if name:
        below = (*below, int(name) if name.isdecimal() and kind in {"ladder", "no_input"} else name)
    state = _path_of(places, source)
    while (*state, *below) not in document.values and len(state) > 2:
        state = state[:-2]  # a state around it may say so for all within
    path = (*state, *below)
    return document.mark(_branch(document, path, to) if path in document.values else _path_of(places, source))


def _command(document: Document, verb: str) -> Path:
    commands = document.value.get("commands") if isinstance(document.value, dict) else None
    for source in commands if isinstance(commands, dict) else ():
        if str(source).split()[0].split("{")[0].upper() == verb.upper():
            return ("commands", source)
    return ("commands",)


def _branch(document: Document, path: Path, to: str) -> Path:
    """The branch that leads to a state, among several."""
    value: Any = document.value
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return path
    if isinstance(value, list):
        for place, branch in enumerate(value):
            if branch == to or (isinstance(branch, dict) and branch.get("to") == to):
                return (*path, place)
    return path


def _path_of(places: Mapping[str, Path], state: str) -> Path:
    """Where a state stands in its file."""
    return places.get(state, ("states", state))
