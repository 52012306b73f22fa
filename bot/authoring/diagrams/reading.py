"""From a flow to its diagram.

Which transitions there are is read off the compiled machine, so that every trigger the engine knows is in the picture,
whatever the language grows. The words on them come from what the author wrote: the nth transition of a trigger is the
nth branch of the key that the trigger is named after.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from bot.authoring.content import Loader
from bot.authoring.diagrams.facts import facts_of, kind_of, text_of
from bot.authoring.diagrams.model import START, Diagram, Edge, EdgeKind, Key, Node
from bot.authoring.diagrams.words import SAID, plain_delay, plain_guard, plain_length, previews, spaced
from bot.core.compiled import CompiledFlow
from bot.core.expanding import expand
from bot.core.flow import FlowSpec, StateSpec
from bot.core.report import Report
from bot.core.states import AGENT
from bot.core.templates import FALLBACK

_KINDS: Mapping[str, EdgeKind] = {
    "begin": "next", "next": "next", "choice": "choice", "timer": "timer", "event": "event", "command": "command",
    "error": "error", "ladder": "misunderstood", "no_input": "timer", "return": "return", "back": "return",
}  # fmt: skip
_ORDINALS = {1: "once", 2: "twice"}
_MANY_LABELS = 3


def diagrams_in(loader: Loader) -> tuple[Diagram, ...]:
    """The diagram of every flow version in a content folder that compiles, in order of file name.

    Args:
        loader: Has read nothing yet. Afterwards its `findings` tell what is wrong with the flows that are missing here,
            and with those that are not: a flow that compiles is drawn, dead ends and all.
    """
    flows = {(flow.name, flow.version): flow for flow in reversed(loader.read())}
    found = []
    for file in loader.flow_files:
        spec = FlowSpec.model_validate(file.document.value)  # as it was written: nested states are plain in `file.spec`
        flow = flows.get((spec.flow, spec.version))
        if flow is not None:
            name = file.document.file
            found.append(diagram_of(flow, spec, words_of(loader.root, name), file=name))
    return tuple(found)


def words_of(root: Path, file: str) -> dict[str, str]:
    """What the blocks say that a flow may use, by name, for `diagram_of`.

    Args:
        root: Holds `templates/`.
        file: The flow's file, below `root`: `flows/customer/enquiry.yaml`.
    """
    return _words_in(root, "common") | _words_in(root, file.removeprefix("flows/").removesuffix(".yaml"))


def _words_in(root: Path, name: str) -> dict[str, str]:
    """What the blocks of a template file say: in the fallback language, else in the first there is."""
    paths = sorted(
        (root / "templates").glob(f"*/{name}.j2"), key=lambda path: (path.parts[len(root.parts) + 1] != FALLBACK, path)
    )
    return previews(paths[0].read_text(encoding="utf-8")) if paths else {}


def diagram_of(
    flow: CompiledFlow, spec: FlowSpec, words: Mapping[str, str] | None = None, *, file: str = ""
) -> Diagram:
    """A flow's diagram.

    Args:
        flow: The compiled flow: its machine says what leads where.
        spec: What the author wrote: it says why. With nested states as such, they are boxes.
        words: What blocks say, by name; a block that is not there goes by its name.
        file: Where the flow is written.
    """
    return _Reader(flow, spec, words or {}).diagram(file)


class _Reader:
    def __init__(self, flow: CompiledFlow, spec: FlowSpec, words: Mapping[str, str]) -> None:
        self.flow = flow
        self.written = spec
        self.spec = expand(spec, Report())
        self.words = words

    def diagram(self, file: str) -> Diagram:
        nodes = {START: Node(name=START, kind="start")}
        for node in (*self._groups(), *self._states()):
            nodes[node.name] = node
        edges: dict[Key, Edge] = {}
        for edge in self._edges():
            known = edges.get(edge.key)
            edges[edge.key] = edge if known is None else _together(known, edge)
        return Diagram(
            flow=self.flow.name,
            version=self.flow.version,
            roles=self.flow.roles,
            nodes=nodes,
            edges=edges,
            intents=self.flow.intents,
            universals=tuple(sorted(self.flow.universals)),
            events=tuple(self.flow.events),
            slots={name: slot.type for name, slot in self.flow.slots.items()},
            commands=tuple(use.command.source for use in self.flow.commands),
            instance=self.written.instance or "",
            file=file,
        )

    # --- Nodes --------------------------------------------------------------------------------------------------------

    def _groups(self, states: Mapping[str, StateSpec] | None = None, parent: str = "") -> Iterator[Node]:
        """Composed states, outer ones first; the name ends with `/`, for there may be a plain state of that name."""
        for name, state in (self.written.states if states is None else states).items():
            if state.states:
                group = f"{parent}{name}/"
                yield Node(name=group, kind="group", parent=parent)
                yield from self._groups(state.states, group)

    def _states(self) -> Iterator[Node]:
        groups = sorted((group.name for group in self._groups()), key=len, reverse=True)
        for name, state in self.flow.states.items():
            spec = self.spec.states.get(name) or StateSpec()
            parent = next((group for group in groups if f"{name}/".startswith(group)), "")
            yield Node(
                name=name, kind=kind_of(state), parent=parent, text=text_of(spec, self.words),
                facts=tuple(facts_of(state, spec, self.words)),
            )  # fmt: skip

    # --- Edges --------------------------------------------------------------------------------------------------------

    def _edges(self) -> Iterator[Edge]:
        """Every transition that can be taken: by source in the author's order, usual ones before exceptions."""
        order = {name: place for place, name in enumerate((START, *self.flow.states))}
        kinds = list(get_args(EdgeKind))
        found = [
            (order[source], kinds.index(edge.kind), place, edge)
            for place, (trigger, event) in enumerate(self.flow.machine.events.items())
            for source, transitions in event.transitions.items()
            for edge in self._of(trigger, source, _reachable(transitions))
        ]
        yield from (edge for *_, edge in sorted(found, key=lambda one: one[:3]))

    def _of(self, trigger: str, source: str, transitions: Sequence[Any]) -> Iterator[Edge]:
        word, _, rest = trigger.partition(":")
        written = self._written(source, word, rest)
        guarded = False
        for place, transition in enumerate(transitions):
            dest = str(transition.dest)
            branch = written[place] if place < len(written) else None
            condition = getattr(branch, "condition", None)
            label, guard = self._label(source, word, rest), ""
            if condition is not None:
                guard = plain_guard(str(condition))
            elif guarded:
                guard = "otherwise"
            guarded |= condition is not None
            implied = word in {AGENT, "back"} or (word == "ladder" and not self._spec(source).no_match)
            yield Edge(
                source=source, trigger=trigger, dest=dest, kind=_KINDS.get(word, "other"), implied=implied,
                label=_joined(label, guard), condition=str(condition) if condition is not None else "",
            )  # fmt: skip

    def _spec(self, state: str) -> StateSpec:
        return self.spec.states.get(state) or StateSpec()

    def _written(self, source: str, word: str, rest: str) -> Sequence[Any]:
        """The branches the author wrote for a trigger."""
        state = self._spec(source)
        match word:
            case "next":
                return state.next or ()
            case "error":
                return state.error or ()
            case "return":
                return state.back or ()
            case "choice":
                return (state.when or {}).get(rest, ())
            case "event":
                return state.events.get(rest, ())
            case "command":
                rules = next(
                    (r for text, r in self.spec.commands.items() if self._trigger(text) == f"command:{rest}"), []
                )
                return [rule for rule in rules if rule.origins is None or source in rule.origins]
        return ()

    def _trigger(self, command: str) -> str:
        return next((use.command.trigger for use in self.flow.commands if use.command.source == command), "")

    def _label(self, source: str, word: str, rest: str) -> str:
        """When a transition is taken, guards aside."""
        state = self._spec(source)
        match word:
            case "begin":
                return ""
            case "next":
                return self._other_choices(state)
            case "choice":
                option = (state.choices or {}).get(rest)
                return SAID.format(option.label if option else spaced(rest))
            case "timer":
                return f"after {plain_delay(rest)}"
            case "event":
                return spaced(rest)
            case "command":
                return next(
                    (u.command.source for u in self.flow.commands if u.command.trigger == f"command:{rest}"), rest
                )
            case "error":
                return "error"
            case "ladder":
                times = int(rest) if rest.isdigit() else 0
                return f"misunderstood {_ORDINALS.get(times + 1, f'{times + 1} times')}"
            case "return":
                return "handed back"
            case "no_input":
                timers = self.flow.states[source].timers
                delay = next((timer.delay for timer in timers if timer.trigger == f"{word}:{rest}"), None)
                return f"silent for {plain_length(delay)}" if delay else "silent"
        return spaced(f"{word} {rest}")

    def _other_choices(self, state: StateSpec) -> str:
        """What is chosen when `next` is taken from a question with choices."""
        others = [option.label for key, option in (state.choices or {}).items() if key not in (state.when or {})]
        if not others:
            return ""
        if not state.when and len(others) > 1:
            return "any answer"
        return " or ".join(map(SAID.format, others)) if len(others) <= _MANY_LABELS else "any other answer"


def _reachable(transitions: Sequence[Any]) -> Sequence[Any]:
    """Up to the first without a condition: what comes after is never tried."""
    for place, transition in enumerate(transitions):
        if not transition.conditions:
            return transitions[: place + 1]
    return transitions


def _joined(label: str, guard: str) -> str:
    if not label or not guard:
        return label or guard
    if label == "error":
        return (
            "other error"
            if guard == "otherwise"
            else f"error {guard.removeprefix('error code is ').removeprefix('error ')}"
        )
    return f"{label}, {guard}" if guard == "otherwise" else f"{label} if {guard}"


def _together(first: Edge, second: Edge) -> Edge:
    """Two branches of one trigger that lead to the same state."""
    labels = dict.fromkeys(filter(None, (first.label, second.label)))
    conditions = list(filter(None, (first.condition, second.condition)))
    return replace(first, label="; ".join(labels), condition=" or ".join(conditions))
