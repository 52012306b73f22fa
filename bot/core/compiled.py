"""What a flow is once compiled: plain objects the engine walks, shared by every conversation, never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

from transitions import EventData, Machine

from bot.core.calling import Call
from bot.core.commands import Command
from bot.core.cursor import Cursor, Said
from bot.core.ops import Filled
from bot.core.ruling import Rule
from bot.core.sandbox import Value
from bot.core.slots import AnySlot
from bot.core.templates import Texts
from bot.core.waiting import Quiet


class Op(Protocol):
    """One thing a state does. A state's plan is a tuple of them; the last one waits, ends, hands over or goes on."""

    def run(self, cursor: Cursor, step: int) -> bool:
        """Do it. True: go on with the next; False: the plan stops here, for an answer or for good."""


class Question(Op, Protocol):
    """An operation that asks somebody something, and hears the answers."""

    def put(self, cursor: Cursor, before: str = "") -> None:
        """Ask (again), with the words `before` in front."""

    def hear(self, cursor: Cursor, said: Said) -> None:
        """Make something of typed words; sets `cursor.unmatched` when they mean nothing here."""

    def tap(self, cursor: Cursor, choice: str) -> bool:
        """Take a tapped choice of the current epoch; False when there is no such choice."""

    def chosen(self, cursor: Cursor, said: Said) -> bool:
        """Take words that are exactly one of the choices on offer, before anything else is made of them."""

    def explain(self, cursor: Cursor, reason: str, *, fully: bool) -> None:
        """Say what is wrong with the last answer, and ask again."""

    def context(self, cursor: Cursor) -> dict[str, Any]:
        """Variables about the question, for whatever is said while it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Something that happens when nothing happens.

    Attributes:
        delay: After the state began to wait; with `silence`, after the person last said something.
        say: A block.
        trigger: Leads on. Without either, the question is put again.
        instead: What is sent when the person's 24-hour window has closed.
        speaks: It makes itself heard, at once or in the states it leads through; quiet hours hold it back.
        ends: It leads to an end without a word, after which a flow that called this one may speak.
    """

    name: str
    delay: timedelta
    say: str | None
    trigger: str | None
    silence: bool = False
    speaks: bool = True
    ends: bool = False
    instead: Filled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """What becomes of a file or place: `path` in the run's data, and an action."""

    kind: str
    many: int
    path: tuple[str, ...]
    action: str | None
    arguments: Mapping[str, Value]
    once: Value | None
    say: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A rung of the no-match ladder. `trigger` for those that lead elsewhere."""

    kind: Literal["reprompt", "explain", "leave"]
    trigger: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledState:
    """A state.

    Attributes:
        call: It waits for another flow.
        digress: Words that mean nothing here may start another flow.
        resumes: After a digression the person is told where they were.
        choices_style: Whether choices are `buttons`, `numbers`, or (`auto`) both for people who never tap.
        parks: A business object's run rests here, asking nobody.
    """

    name: str
    plan: tuple[Op, ...]
    question: Question | None = None
    timers: tuple[Timer, ...] = ()
    ladder: tuple[Rung, ...] = ()
    universals: frozenset[str] = frozenset()
    collects: Mapping[str, Collector] = field(default_factory=dict)
    call: Call | None = None
    digress: bool = True
    resumes: bool = True
    choices_style: str = "auto"
    parks: bool = False
    hands_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandUse:
    """A command of a flow; `otherwise` is said where it leads nowhere."""

    command: Command
    otherwise: str | None


Check = Callable[[EventData], bool]
"""A guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A transition that an author wrote or the engine adds, from each of its sources to one state.

    Attributes:
        trigger: The machine event.
        conditions: Guards, all of which must hold.
        before: What happens on the way.
    """

    trigger: str
    sources: tuple[str, ...]
    dest: str
    conditions: tuple[Check, ...] = ()
    before: tuple[Callable[[EventData], None], ...] = ()


class Machinery:
    """A flow's state machine, built when somebody first walks through it.

    `transitions` wants one object for each pair of states, which takes longer than all the rest of compiling; most
    flows of a project are only looked at, by the linter or by a process that reloads.
    """

    __slots__ = ("_build", "_machine")

    def __init__(self, build: Callable[[], Machine]) -> None:
        self._build = build
        self._machine: Machine | None = None

    def machine(self) -> Machine:
        """The machine."""
        if self._machine is None:
            self._machine = self._build()
        return self._machine


ENDS = "end"
"""Where `orphans: end` sends runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """How runs of an older version come into this one.

    Attributes:
        origin: The older version.
        states: Old state → new state; states of the same name need not be in it.
        slots: What becomes of the values, computed from those of the old run.
        drop: Slots and results that are forgotten.
        orphans: Where runs go whose state has no successor: a state, or `ENDS`; None when nobody said.
    """

    origin: int
    states: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, Value] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    orphans: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFlow:
    """A flow version: states, slots, words, and one state machine for all its runs.

    Attributes:
        roles: Who may walk it.
        intents: Which intents start it.
        universals: Which universal words start it when nothing is going on.
        events: What in the business starts it, each with the name under which the run keeps what it carries.
        unset: Every slot with None, so that templates may ask whether one is filled.
        inputs: The slots a caller fills, each with whether it has to.
        outputs: What a caller gets back.
        instance: The expression for the business object a run belongs to; `instance_slots` are the slots it needs.
        quiet: When timers keep still.
        variants: Wordings that are tried against each other, with their weights.
        machinery: Has the machine: shared and stateless, runs pass through it as cursors.
        ways: All transitions.
        edges: Machine event → states it can leave from; what `transitions` knows, without its bookkeeping.
        prints: Slots whose values are wrapped for templates, so that they print as people read them.
        sensitive: Slots whose values traces do not show.
        hidden: What called flows give back that traces do not show either: outputs, by the name of the result.
        rules: All rules across slots, those of forms included.
        migrations: How runs of older versions come into this one, by version.
    """

    name: str
    version: int
    roles: tuple[str, ...]
    intents: tuple[str, ...]
    universals: frozenset[str]
    slots: Mapping[str, AnySlot]
    unset: Mapping[str, Any]
    states: Mapping[str, CompiledState]
    commands: tuple[CommandUse, ...]
    texts: Texts
    machinery: Machinery
    ways: tuple[Way, ...]
    edges: Mapping[str, frozenset[str]]
    inputs: Mapping[str, bool] = field(default_factory=dict)
    outputs: Mapping[str, Value] = field(default_factory=dict)
    instance: Value | None = None
    instance_slots: tuple[str, ...] = ()
    events: Mapping[str, str | None] = field(default_factory=dict)
    has_timers: bool = False
    has_silence: bool = False
    prints: tuple[str, ...] = ()
    sensitive: frozenset[str] = frozenset()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    quiet: Quiet | None = None
    variants: Mapping[str, int] = field(default_factory=dict)
    migrations: Mapping[int, Migration] = field(default_factory=dict)

    def secrets(self, slots: Mapping[str, Any], results: Mapping[str, Any]) -> list[Any]:
        """The values that are sensitive: of slots, and of what called flows gave back, by the name of the result."""
        given = [slots.get(name) for name in self.sensitive]
        for name, outputs in self.hidden.items():
            result = results.get(name)
            given += [result.get(key) for key in outputs] if isinstance(result, Mapping) else []
        return [value for value in given if value is not None]

    @property
    def machine(self) -> Machine:
        """The state machine."""
        return self.machinery.machine()

    def can(self, trigger: str, state: str) -> bool:
        """Whether the machine event leads anywhere from the state, guards aside."""
        return state in self.edges.get(trigger, ())

    def fire(self, trigger: str, cursor: Cursor) -> bool:
        """Put an event to the machine. False when no guard let it through."""
        return bool(self.machine.events[trigger].trigger(cursor))
