"""Finding ways through a flow by trying: breadth first, over everything that might happen, refusals included.

Theory of operation
-------------------
A node is a world (`Stage`) and the steps that led there. From each, every move of `moves` is played in a copy of the
world; a move that calls actions is played again with each of them refusing. A way (transition) seen for the first time
keeps the steps that led to it, which are the fewest, since the search is breadth first. Worlds that differ in nothing
a condition looks at are one: of slots that no condition mentions it only counts whether they are filled.

For writing, the longest paths come first; whatever they pass on their way needs no file of its own.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.authoring.content import FlowFile
from bot.authoring.testing.acting import Play
from bot.authoring.testing.checks import faults
from bot.authoring.testing.coverage import Hit, built_in, hits, ways
from bot.authoring.testing.moves import Sampler, Step, begin, commands, following
from bot.authoring.testing.reading import ConversationTest, Shared, read_test
from bot.authoring.testing.runner import observe_test, run_test
from bot.authoring.testing.showing import inline
from bot.authoring.testing.spec import SharedSpec, StepSpec
from bot.authoring.testing.stage import Mishap, Project, Stage, Taken
from bot.authoring.testing.stubs import Refusal, always
from bot.authoring.testing.writing import file_text, suggested
from bot.core.actions import Action
from bot.core.book import ANY
from bot.core.compiled import CompiledFlow
from bot.core.errors import ContentErrors, EngineError

_MOST_WORLDS = 4000
_DEEPEST = 16

Overrides = tuple[tuple[str, int, str], ...]
"""Refusals on the way: action, which of its calls, code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A way, and the steps that lead to it."""

    hit: Hit
    steps: tuple[Step, ...]
    refused: Overrides
    passed: frozenset[Hit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What trying found.

    Attributes:
        found: By way, the fewest steps to it.
        unreached: Ways the author wrote that nothing led to.
        faults: Steps that made the flow misbehave, with what it said.
        worlds: How many situations were tried.
    """

    flow: str
    found: Mapping[Hit, Found]
    unreached: tuple[Hit, ...]
    faults: tuple[tuple[tuple[Step, ...], str], ...]
    worlds: int


@dataclass(slots=True)
class Explorer:
    """Tries a flow.

    Args:
        project: Flows and actions.
        file: The flow's file.
        files: All flow files, to see which flows call this one when nothing else starts it.
        shared: What tests begin with.
        folder: Where tests are.
    """

    project: Project
    file: FlowFile
    shared: Sequence[Shared]
    folder: Path
    files: Sequence[FlowFile] = ()
    unwritten: list[Hit] = field(default_factory=list)
    _flow: CompiledFlow = field(init=False)
    _sampler: Sampler = field(init=False)
    _head: dict[str, Any] = field(init=False)
    _seen: set[str] = field(default_factory=set)
    _found: dict[Hit, Found] = field(default_factory=dict)
    _faults: dict[str, tuple[tuple[Step, ...], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        flow = self.project.book.flow(self.file.spec.flow, self.file.spec.version)
        if flow is None:
            raise ValueError(f"flow {self.file.spec.flow} is not in the book")
        self._flow = flow
        specs: list[SharedSpec] = [one.spec for one in self.shared]
        fixtures = {name: records for one in specs for name, records in one.fixtures.items()}
        self._sampler = Sampler(flow, _conditions(self.file.document.value), fixtures)
        self._head = {"test": f"{flow.name} explored", "flow": flow.name}
        roles = {role for one in specs for phone in one.phones.values() for role in phone.roles}
        if not roles or not (ANY in flow.roles or roles & set(flow.roles)):
            role = "customer" if ANY in flow.roles else flow.roles[0]
            self._head["phones"] = {role: {"role": role, "name": "Maya Lindqvist"}}
        stubbed = {name for one in specs for name in one.stubs}
        invented = {name: _invented(action) for name, action in self._called().items() if name not in stubbed}
        if invented:
            self._head["stubs"] = invented

    def _called(self) -> dict[str, Action]:
        """The actions and lookups that the flow's file mentions."""
        text = inline(self.file.document.value)
        return {name: action for name, action in self.project.actions.by_name.items() if name in text}

    # --- Searching ----------------------------------------------------------------------------------------------------

    def explore(self) -> Exploration:
        """Try everything, up to a limit of situations."""
        test = self._test([{"wait": "1s"}])
        start = test.stage(self.project)
        queue: deque[tuple[Stage, tuple[Step, ...], Overrides, frozenset[Hit]]] = deque([(start, (), (), frozenset())])
        wanted = set(self.written())
        worlds = 0
        while queue and worlds < _MOST_WORLDS and not wanted <= self._found.keys():
            stage, steps, refused, passed = queue.popleft()
            for step in self._moves(stage, test.user, steps):
                for world, turns, refusals in self._played(test, stage, step, (*steps, step), refused):
                    worlds += 1
                    through = frozenset(hits(turn.trace for turn in turns))
                    self._note(through, (*steps, step), refusals, passed | through)
                    if len(steps) + 1 < _DEEPEST and self._is_new(world, test.user) and through | passed:
                        queue.append((world, (*steps, step), refusals, passed | through))
        unreached = tuple(hit for hit in self.written() if hit not in self._found)
        return Exploration(
            flow=self._flow.name,
            found=dict(self._found),
            unreached=unreached,
            faults=tuple(self._faults.values()),
            worlds=worlds,
        )

    def written(self) -> list[Hit]:
        """The ways the author wrote."""
        name = self._flow.name
        return [(name, trigger, source, to) for trigger, source, to in ways(self._flow) if not built_in(trigger)]

    def _moves(self, stage: Stage, phone: str, steps: Sequence[Step]) -> Iterator[Step]:
        frame = stage.standing(phone)
        if frame is None:
            if not steps:
                for starter in self._starters():
                    yield from begin(replace(self._sampler, flow=starter), self._examples(starter))
            elif stage.conversations[phone].owner == "bot":
                yield from commands(self._sampler)
            return
        flow = self.project.book.flow(frame.flow, frame.version)
        state = flow.states.get(frame.state) if flow is not None else None
        if flow is None or state is None:
            return
        sampler = self._sampler if flow.name == self._flow.name else replace(self._sampler, flow=flow)
        yield from following(sampler, stage, phone, frame, state)

    def _starters(self) -> list[CompiledFlow]:
        """The flow, when something starts it; else those that call it, and those that call them."""
        found, names = [self._flow], [self._flow.name]
        for name in names:
            flow = self.project.book.latest[name]
            if flow.intents or flow.universals or flow.commands or flow.events:
                continue
            called = (f"call: {name},", f"call: {name}}}", f"flow: {name}}}", f"flow: {name},")
            for file in self.files:
                text = inline(file.document.value)
                if file.spec.flow not in names and any(one in text for one in called):
                    names.append(file.spec.flow)
                    found.append(self.project.book.latest[file.spec.flow])
        return found

    def _examples(self, flow: CompiledFlow) -> list[str]:
        """What people say that want a flow: a bare wish, and the one that says most."""
        found = []
        for role in flow.roles:
            for intent in flow.intents:
                spec = self.project.book.intents.get(role, {}).get(intent)
                found += sorted(spec.texts, key=len) if spec is not None else []
        return found if len(found) <= 3 else [found[len(found) // 2], found[-1], found[0]]

    def _played(
        self, test: ConversationTest, stage: Stage, step: Step, steps: tuple[Step, ...], refused: Overrides
    ) -> Iterator[tuple[Stage, Sequence[Taken], Overrides]]:
        """Play a move, and again with each action it calls refusing."""
        first = self._attempt(test, stage, step, steps)
        if first is None:
            return
        yield *first, refused
        actions = [call.name for turn in first[1] for call in turn.calls if call.kind == "action" and not call.reused]
        for name in dict.fromkeys(actions):
            for code in self._sampler.codes():
                refusal = Refusal(code=code, message="Refused, to see what follows.")
                world = stage.fork()
                world.stubs = {**stage.stubs, name: always(refusal)}
                again = self._attempt(test, world, step, steps)
                if again is not None:
                    again[0].stubs = stage.stubs
                    yield *again, (*refused, (name, stage.counts.get(name, 0), code))

    def _attempt(
        self, test: ConversationTest, stage: Stage, step: Step, steps: tuple[Step, ...]
    ) -> tuple[Stage, Sequence[Taken]] | None:
        play = Play(test, stage.fork())
        try:
            _, turns = play.act(StepSpec.model_validate(step))
        except EngineError as fault:
            self._faults.setdefault(str(fault), (steps, str(fault)))
            return None
        except Mishap:
            return None
        for problem in faults(turns):
            self._faults.setdefault(problem.sentence, (steps, problem.sentence))
        return play.stage, turns

    def _note(
        self, through: Collection[Hit], steps: tuple[Step, ...], refused: Overrides, passed: frozenset[Hit]
    ) -> None:
        for hit in through:
            if hit not in self._found:
                self._found[hit] = Found(hit=hit, steps=steps, refused=refused, passed=passed)

    def _is_new(self, stage: Stage, phone: str) -> bool:
        telling = self._sampler.telling
        frames = [*stage.conversations[phone].frames, *stage.objects.values()]
        about = [
            (f.flow, f.state, f.asking, bool(f.offers), f.counters, f.instance,
             sorted((name, repr(value) if name in telling else "") for name, value in {**f.slots, **f.data}.items()))
            for f in frames
        ]  # fmt: skip
        key = repr((stage.conversations[phone].owner, about, stage.timers_of(phone)))
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    # --- Writing ------------------------------------------------------------------------------------------------------

    def tests(self, exploration: Exploration, covered: Collection[Hit]) -> Iterator[tuple[str, str]]:
        """Files (name and text) for the ways that are not covered yet; each passes.

        Ways whose test would not pass, since the flow misbehaves there, go to `unwritten`.
        """
        known = set(covered)
        order = sorted(exploration.found.values(), key=lambda found: (-len(found.steps), found.hit))
        for found in order:
            if found.hit in known or built_in(found.hit[1]) or found.hit[0] != self._flow.name:
                continue
            made = self._file(found)
            if made is None:
                self.unwritten.append(found.hit)
                continue
            name, text, through = made
            known |= through
            yield name, text

    def _file(self, found: Found) -> tuple[str, str, frozenset[Hit]] | None:
        _, trigger, source, to = found.hit
        head = self._head | {"test": described(trigger, source, to, self._flow.name)}
        stubs = dict(self._head.get("stubs", {})) | self._refusing(found.refused)
        head |= {"stubs": stubs} if stubs else {}
        draft = self._test(found.steps, head)
        _, observed = observe_test(draft, self.project)
        last = len(found.steps) - 1
        steps = [
            (step, suggested(one.moment, whole=place == last))
            for place, (step, one) in enumerate(zip(found.steps, observed, strict=False))
        ]
        text = file_text(head, steps, f"Found by `bot test --explore {self._flow.name}`; change it as you like.")
        name = f"{self._flow.name}_{source}_{trigger}_{to}".replace("(new)", "new")
        name = "".join(c if c.isalnum() else "_" for c in name) + ".yaml"
        try:
            result = run_test(read_test(self.folder / name, self.project, self.shared, text), self.project)
        except ContentErrors:
            return None
        return (name, text, result.hits) if result.passed else None

    def _refusing(self, refused: Overrides) -> dict[str, Any]:
        """Stubs for the actions that refuse on the way."""
        base: dict[str, Any] = {name: value for one in self.shared for name, value in one.spec.stubs.items()}
        base |= self._head.get("stubs", {})
        found: dict[str, Any] = {}
        for name in dict.fromkeys(one[0] for one in refused):
            codes = {count: code for action, count, code in refused if action == name}
            row = [{"error": codes[n]} if n in codes else base.get(name) for n in range(max(codes) + 2)]
            found[name] = row[0] if len(codes) == 1 and 0 in codes else {"in_turn": row}
        return found

    def _test(self, steps: Sequence[Step], head: Mapping[str, Any] | None = None) -> ConversationTest:
        text = file_text(head or self._head, [(step, None) for step in steps])
        return read_test(self.folder / "explored.yaml", self.project, self.shared, text)


def _invented(action: Action) -> Any:
    """What an action or lookup that nobody stubbed may answer."""
    word = action.name.partition(".")[0]
    record = {"id": 1, "code": f"{word[:3].upper()}1", "name": f"The first of {word}"}
    return [record] if action.kind == "lookup" else record


def _conditions(value: Any) -> list[str]:
    """Every `if:` in a flow file."""
    if isinstance(value, dict):
        own = [str(value["if"])] if "if" in value else []
        return own + [one for inner in value.values() for one in _conditions(inner)]
    return [one for inner in value for one in _conditions(inner)] if isinstance(value, list) else []


def described(trigger: str, source: str, to: str, flow: str) -> str:
    """A way as a sentence."""
    kind, _, name = trigger.partition(":")
    sentences = {
        "begin": f"{flow} begins at {to}",
        "next": f"{source} goes on to {to}",
        "choice": f"{name} at {source} leads to {to}",
        "error": f"a refusal in {source} leads to {to}",
        "timer": f"{name} without an answer at {source} lead to {to}",
        "event": f"{name} takes {source} to {to}",
        "command": f"{name} takes {'a new run' if source == '(new)' else source} to {to}",
        "ladder": f"what {source} does not understand leads to {to}",
        "return": f"handing back from {source} leads to {to}",
    }
    return sentences.get(kind, f"{trigger} takes {source} to {to}")
