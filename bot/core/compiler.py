"""From what an author wrote to a state machine: everything that can move a run from one state to another.

Theory of operation
-------------------
A flow version becomes ONE `transitions.Machine`, shared by all runs and holding no state: the model it moves is a
`Cursor`, made for a step and thrown away. Machine events ("triggers") are named after what happens:

    begin               a run starts                                   (new) → first state
    next                a state has done what it had to                guarded, in the author's order
    choice:KEY          a choice of `ask:` was made                    from `when:`
    error               an action of the state was refused             from `error:`
    timer:2h            a timer of `after:` with `to:` is due
    event:NAME          the business did something                     from `events:`
    command:VERB        a command was typed                            from `commands:`, from (new) as well
    ladder:N            rung N of `no_match:` leads elsewhere
    agent               the person wants to talk to somebody           any waiting state → state `agent`
    back:STATE          the person goes back to an earlier question    any question → that question
    return              a person hands the conversation back           from `handoff:`'s `back:`

An ordered list of guarded branches is several transitions of one trigger; the machine takes the first whose
`conditions` hold. Entering a state (`on_enter`) runs its *plan*: `forget`, `enter`, `do`, `say`, `notify`, and last
the one operation that decides what then. Operations only read the cursor and add effects to its turn; whichever wants
to move on sets `cursor.trigger`, and the engine's loop fires it. So no transition ever starts inside another one.

Callbacks are closures made here, never strings: `transitions` would resolve an author's string by import path.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from transitions import EventData, Machine
from transitions.core import State, Transition

from bot.core.asking import Ask, Form, Localised
from bot.core.choices import Option
from bot.core.commands import parse_command
from bot.core.compiled import CommandUse, CompiledFlow, CompiledState, Op, Question, Rung, Timer
from bot.core.cursor import START, Cursor
from bot.core.flow import UNIVERSALS, Branch, CommandRule, FlowSpec, RungSpec, parse_duration
from bot.core.ops import End, Go, HandOver, Rest
from bot.core.planning import Expressions, Planner, compile_slots, saved_names
from bot.core.report import Path, Report
from bot.core.sandbox import Value
from bot.core.slots import AnySlot
from bot.core.templates import Texts
from bot.core.whatsapp import WhatsAppTemplate

AGENT = "agent"
BUILT_IN_NAMES = frozenset(
    {"contact", "role", "today", "run", "answer", "reason", "error", "event", "media", "location"}
)
"""Variables every expression and template may use, besides slots and saved results."""


@dataclass(slots=True)
class _Wiring:
    """The transitions found so far. `known` are the flow's states; anything else is reported, with its place."""

    known: frozenset[str]
    report: Report
    expressions: Expressions
    transitions: list[dict[str, Any]] = field(default_factory=list)

    def branches(self, trigger: str, sources: Iterable[str], branches: Sequence[Branch], path: Path) -> None:
        """Ordered branches of one trigger: the last has no condition, all others have one."""
        if all(branch.condition is not None for branch in branches) and not trigger.startswith("event:"):
            self.report(
                path,
                "No branch is left when none of the conditions holds.",
                hint="End the list with a state name alone.",
            )
        for place, branch in enumerate(branches):
            here = (*path, place) if len(branches) > 1 else path
            if branch.condition is None and place < len(branches) - 1:
                self.report((*path, place + 1), "This branch is never reached: the one before it has no `if:`.",
                            hint="Put the branch without `if:` last.")  # fmt: skip
            self.edge(trigger, sources, branch.to, here, condition=branch.condition, reason=branch.reason)

    def edge(
        self,
        trigger: str,
        sources: Iterable[str],
        to: str,
        path: Path,
        *,
        condition: str | bool | None = None,
        reason: str | None = None,
    ) -> None:
        """One transition from each source."""
        if to not in self.known:
            self.report.unknown(path, "state", to, self.known)
            return
        conditions = []
        if condition is not None:
            guard = self.expressions.value(
                "{{ " + condition + " }}" if isinstance(condition, str) else condition, (*path, "if")
            )
            conditions = [_guard(guard, str(condition))]
        before = [_because(reason)] if reason else []
        for source in sources:
            self.transitions.append(
                {"trigger": trigger, "source": source, "dest": to, "conditions": conditions, "before": before}
            )


def _moving(event: EventData) -> Cursor:
    """The model of a machine event, which `transitions` types as an object."""
    return cast("Cursor", event.model)


def _edge(event: EventData) -> Transition:
    """The transition under way."""
    return cast("Transition", event.transition)


def _guard(value: Value, source: str) -> Callable[[EventData], bool]:
    def holds(event: EventData) -> bool:
        cursor = _moving(event)
        result = bool(cursor.evaluate(value, "`if:`"))
        cursor.turn.note("guard", condition=source, value=result, to=_edge(event).dest)
        return result

    return holds


def _because(reason: str) -> Callable[[EventData], None]:
    def remember(event: EventData) -> None:
        _moving(event).extra["reason"] = reason

    return remember


def _note(event: EventData) -> None:
    """Trace every transition."""
    edge = _edge(event)
    _moving(event).turn.note("transition", event=event.event.name, source=edge.source, to=edge.dest)


def _stop_timers(event: EventData) -> None:
    """Leaving a state with timers: those that were started become late."""
    cursor = _moving(event)
    if cursor.came_from == _edge(event).source:  # else passed through within this step: none were started
        cursor.stops_timers = True


def _take_back(event: EventData) -> None:
    """Leaving a handoff: the bot talks again, unless the next state hands over too."""
    _moving(event).turn.owner = "bot"


def proceed(cursor: Cursor, step: int = 0) -> None:
    """Run the plan of the cursor's state from `step` on, until something waits, ends or leads on."""
    plan = cursor.flow.states[cursor.state].plan
    while plan[step].run(cursor, step):
        step += 1


def _enter(event: EventData) -> None:
    """`on_enter` of every state."""
    cursor = _moving(event)
    cursor.enter()
    proceed(cursor)


def compile_flow(
    spec: FlowSpec, texts: Texts, templates: Mapping[str, WhatsAppTemplate], report: Report
) -> CompiledFlow | None:
    """Compile a flow version.

    Args:
        spec: What the author wrote, well-formed.
        texts: The blocks it can say.
        templates: WhatsApp templates by name, in the fallback language.
        report: Takes every mistake, with its path in the file.

    Returns:
        The flow, or None when there was any mistake.
    """
    before = len(report.mistakes)
    slots = compile_slots(spec, report)
    saved = {name for state in spec.states.values() for name in saved_names(state)}
    for name in sorted((saved | set(slots)) & BUILT_IN_NAMES):
        report(("slots", name), f"`{name}` is a name of the framework.", hint="Give it another name.")
    expressions = Expressions(frozenset(slots) | saved | BUILT_IN_NAMES, report)
    wiring = _Wiring(frozenset(spec.states), report, expressions)
    wiring.edge("begin", [START], next(iter(spec.states)), ("states",))
    commands = _commands(spec, slots, wiring)
    states: dict[str, CompiledState] = {}
    for name, state in spec.states.items():
        planner = Planner(name=name, spec=state, slots=slots, texts=texts, templates=templates, expressions=expressions)
        states[name] = _StateCompiler(spec, wiring, planner).compile()
    instance = expressions.value(spec.instance, ("instance",)) if spec.instance else None
    if instance is not None and not instance.names & set(slots):
        report(("instance",), "`instance:` names no slot.", hint='Write for example `instance: "{{ trip.code }}"`.')
    _from_everywhere(states, wiring)
    if len(report.mistakes) > before:
        return None
    edges: dict[str, set[str]] = {}
    for transition in wiring.transitions:
        edges.setdefault(transition["trigger"], set()).add(transition["source"])
    return CompiledFlow(
        name=spec.flow,
        version=spec.version,
        roles=tuple(spec.roles),
        intents=tuple(spec.start.intents),
        universals=frozenset(spec.start.universals),
        slots=slots,
        unset=dict.fromkeys([*saved, *slots]),
        states=states,
        commands=commands,
        texts=texts,
        machine=_machine(spec.flow, states, wiring),
        edges={trigger: frozenset(sources) for trigger, sources in edges.items()},
        instance=instance,
        instance_slots=tuple(name for name in slots if instance is not None and name in instance.names),
        has_timers=any(state.timers for state in states.values()),
    )


def _machine(name: str, states: Mapping[str, CompiledState], wiring: _Wiring) -> Machine:
    machine = Machine(
        model=None,
        states=[State(START), *(_state(state) for state in states.values())],
        initial=START,
        auto_transitions=False,
        send_event=True,
        queued=False,
        name=name,
        before_state_change=[_note],
    )
    for transition in wiring.transitions:
        machine.add_transition(**transition)
    return machine


def _state(state: CompiledState) -> State:
    leaving: list[Any] = [_stop_timers] if state.timers else []
    return State(state.name, on_enter=[_enter], on_exit=[*leaving, _take_back] if state.hands_over else leaving)


def _commands(spec: FlowSpec, slots: Mapping[str, AnySlot], wiring: _Wiring) -> tuple[CommandUse, ...]:
    uses: list[CommandUse] = []
    for source, rules in spec.commands.items():
        path: Path = ("commands", source)
        try:
            command = parse_command(source)
        except ValueError as mistake:
            wiring.report(path, str(mistake))
            continue
        for argument in command.arguments:
            if argument.slot not in slots:
                wiring.report.unknown(path, "slot", argument.slot, slots)
        for place, rule in enumerate(rules):
            here = (*path, place) if len(rules) > 1 else path
            _command_rule(command.trigger, rule, here, wiring)
        uses.append(
            CommandUse(command=command, otherwise=next((rule.otherwise for rule in rules if rule.otherwise), None))
        )
    return tuple(uses)


def _command_rule(trigger: str, rule: CommandRule, path: Path, wiring: _Wiring) -> None:
    for origin in rule.origins or ():
        if origin not in wiring.known:
            wiring.report.unknown((*path, "from"), "state", origin, wiring.known)
    origins = rule.origins if rule.origins is not None else [START, *sorted(wiring.known)]
    wiring.edge(trigger, origins, rule.to, (*path, "to"), condition=rule.condition, reason=rule.reason)


def _from_everywhere(states: Mapping[str, CompiledState], wiring: _Wiring) -> None:
    """Universals that lead to a state: back to a question, and to a person."""
    questions = [state.name for state in states.values() if state.question is not None]
    for name in questions:
        wiring.edge(f"back:{name}", [other for other in questions if other != name], name, ("states", name))
    if AGENT in states and states[AGENT].hands_over:
        others = [state.name for state in states.values() if state.name != AGENT]
        wiring.edge(AGENT, others, AGENT, ("states", AGENT), reason="asked")


class _StateCompiler:
    """One state: the transitions that leave it, around the plan it runs."""

    def __init__(self, flow: FlowSpec, wiring: _Wiring, planner: Planner) -> None:
        self.name = planner.name
        self.spec = planner.spec
        self.path = planner.path
        self.flow = flow
        self.wiring = wiring
        self.planner = planner
        self.report = wiring.report

    def compile(self) -> CompiledState:
        """Compile it; mistakes go to the report."""
        spec = self.spec
        last = self._last()
        question: Question | None = last if isinstance(last, Ask | Form) else None
        waits = question is not None or isinstance(last, Rest | HandOver)
        self._ways_out(last, waits=waits)
        allowed = UNIVERSALS if spec.universals is None else spec.universals or ()
        return CompiledState(
            name=self.name,
            plan=(*self.planner.ops(), last),
            question=question,
            timers=tuple(self._timers()),
            ladder=tuple(self._ladder()) if question else (),
            universals=frozenset(allowed),
            collects={kind: self.planner.collector(kind) for kind in spec.collect},
            parks=isinstance(last, Rest) and self.flow.instance is not None,
            hands_over=isinstance(last, HandOver),
        )

    def _last(self) -> Op:
        """The operation that decides what happens when the rest is done."""
        spec = self.spec
        kinds = [key for key in ("end", "handoff", "ask", "form") if getattr(spec, key) is not None]
        if len(kinds) > 1:
            self.report((*self.path, kinds[1]), f"A state has `{kinds[0]}:` or `{kinds[1]}:`, not both.",
                        hint="Make two states of it.")  # fmt: skip
        if spec.end is not None:
            return End(outcome=spec.end)
        if spec.handoff is not None:
            return HandOver(role=spec.handoff, sla=spec.sla, block=None if spec.say else "handoff")
        if spec.ask is not None:
            return self._ask(spec.ask)
        if spec.form is not None:
            if spec.next is None:
                self.report((*self.path, "form"), f"State '{self.name}' has no way out.", hint="Give it `next:`.")
            return self.planner.form(spec.form)
        return Go() if spec.next is not None else Rest()

    def _ask(self, block: str) -> Ask:
        spec = self.spec
        if not spec.choices:
            self.report(
                (*self.path, "ask"), "`ask:` needs `choices:`.", hint="To ask for a value, use `form:` with a slot."
            )
        choices = spec.choices or {}
        triggers: dict[str, str] = {}
        for key in choices:
            if spec.when and key in spec.when:
                triggers[key] = f"choice:{key}"
                self.wiring.branches(triggers[key], [self.name], spec.when[key], (*self.path, "when", key))
            else:
                triggers[key] = "next"
                if spec.next is None:
                    self.report((*self.path, "choices", key), f"Choice `{key}` leads nowhere.",
                                hint=f"Add `{key}:` to `when:`, or give the state a `next:`.")  # fmt: skip
        options = [Option.of(key, option) for key, option in choices.items()]
        return Ask(block=block, choices=Localised(options), triggers=triggers)

    def _ways_out(self, last: Op, *, waits: bool) -> None:
        """The transitions of the state, and keys that make no sense where they are."""
        spec, path, wiring = self.spec, self.path, self.wiring
        if spec.next is not None and not isinstance(last, End | HandOver):
            wiring.branches("next", [self.name], spec.next, (*path, "next"))
        for event, branches in spec.events.items():
            wiring.branches(f"event:{event}", [self.name], branches, (*path, "events", event))
        if spec.error is not None:
            wiring.branches("error", [self.name], spec.error, (*path, "error"))
        if spec.back is not None:
            wiring.branches("return", [self.name], spec.back, (*path, "back"))
        needs = {
            "choices": spec.ask, "when": spec.ask, "sla": spec.handoff, "back": spec.handoff,
            "error": spec.do or any(entry.do for entry in spec.enter),
            "no_match": spec.ask or spec.form, "after": waits, "events": waits, "collect": waits,
        }  # fmt: skip
        for word, needed in needs.items():
            if getattr(spec, word) and not needed:
                self.report((*path, word), f"`{word}:` does nothing in this state.", hint=_NEEDS[word])
        if spec.next is not None and isinstance(last, End | HandOver):
            self.report((*path, "next"), "`next:` does nothing in a state that ends or hands over.", hint="Remove it.")
        for key in set(spec.when or ()) - set(spec.choices or ()):
            self.report.unknown((*path, "when", key), "choice", key, spec.choices or {})

    def _timers(self) -> Iterable[Timer]:
        for name, timer in self.spec.after.items():
            path = (*self.path, "after", name)
            try:
                delay = parse_duration(name)
            except ValueError as mistake:
                self.report(path, f"{str(mistake)[0].upper()}{str(mistake)[1:]}.")
                continue
            if timer.say is None and timer.to is None:
                self.report(path, "This timer does nothing.", hint="Give it `say:` or `to:`.")
            trigger = None
            if timer.to is not None:
                trigger = f"timer:{name}"
                self.wiring.edge(trigger, [self.name], timer.to, (*path, "to"), reason=timer.reason)
            yield Timer(name=name, delay=delay, say=timer.say, trigger=trigger)

    def _ladder(self) -> Iterable[Rung]:
        for place, rung in enumerate(self.spec.no_match or self._default_ladder()):
            if not isinstance(rung, RungSpec):
                yield Rung(kind=rung)
                continue
            trigger = f"ladder:{place}"
            self.wiring.edge(trigger, [self.name], rung.to, (*self.path, "no_match", place, "to"), reason=rung.reason)
            yield Rung(kind="leave", trigger=trigger)

    def _default_ladder(self) -> list[Any]:
        agent = self.flow.states.get(AGENT)
        leave = [RungSpec(to=AGENT, reason="not_understood")] if agent and agent.handoff else []
        return ["reprompt", "explain", *leave]


_NEEDS = {
    "choices": "It belongs to `ask:`.",
    "when": "It belongs to `ask:`.",
    "sla": "It belongs to `handoff:`.",
    "back": "It belongs to `handoff:`.",
    "error": "It belongs to `do:`.",
    "no_match": "It belongs to `ask:` or `form:`.",
    "after": "The state goes on at once; timers need a state that waits.",
    "events": "The state goes on at once; events need a state that waits.",
    "collect": "The state goes on at once; collecting needs a state that waits.",
}
