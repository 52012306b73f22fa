"""From what an author wrote to a state machine. Everything that can move a run from one state to another is in this file.

Theory of operation
-------------------
A flow version becomes ONE `transitions.Machine`, shared by all runs and holding no state: the model it moves is a `Cursor`,
made for a step and thrown away. Machine events ("triggers") are named after what happens:

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

An ordered list of guarded branches is several transitions of one trigger; the machine takes the first whose `conditions`
hold. Entering a state (`on_enter`) runs its *plan*: `forget`, `enter`, `do`, `say`, `notify`, and last the one operation that
decides what then. Operations only read the cursor and add effects to its turn; whichever wants to move on sets
`cursor.trigger`, and the engine's loop fires it. So no transition ever starts inside another one.

Callbacks are closures made here, never strings: `transitions` would resolve an author's string by import path.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from transitions import EventData, Machine
from transitions.core import State, Transition

from bot.core.asking import Ask, Form, Localised, SlotBlocks, form_options
from bot.core.choices import Option
from bot.core.commands import parse_command
from bot.core.compiled import Collector, CommandUse, CompiledFlow, CompiledState, Op, Question, Rung, Timer
from bot.core.cursor import START, Cursor
from bot.core.flow import UNIVERSALS, Branch, CommandRule, FlowSpec, RefSlot, RungSpec, StateSpec, parse_duration
from bot.core.ops import Do, End, Forget, Go, HandOver, NotifyRole, Rest, Say
from bot.core.patterns import compile_pattern
from bot.core.report import Path, Report
from bot.core.sandbox import ExpressionMistake, Value
from bot.core.slots import AnySlot, compile_slot
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
    names: frozenset[str]
    transitions: list[dict[str, Any]] = field(default_factory=list)

    def branches(self, trigger: str, sources: Iterable[str], branches: Sequence[Branch], path: Path) -> None:
        """Ordered branches of one trigger: the last has no condition, all others have one."""
        if branches[-1].condition is not None and not trigger.startswith("event:"):
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
            guard = self.value("{{ " + condition + " }}" if isinstance(condition, str) else condition, (*path, "if"))
            conditions = [_guard(guard, str(condition))]
        before = [_because(reason)] if reason else []
        for source in sources:
            self.transitions.append(
                {"trigger": trigger, "source": source, "dest": to, "conditions": conditions, "before": before}
            )

    def value(self, source: Any, path: Path) -> Value:
        """Compile an expression or argument, and check the names it reads."""
        try:
            value = Value(source)
        except ExpressionMistake as mistake:
            self.report(path, str(mistake))
            return Value(None)
        for name in sorted(value.names - self.names):
            self.report.unknown(path, "name", name, self.names)
        return value

    def values(self, sources: Mapping[str, Any] | None, path: Path) -> dict[str, Value]:
        """Compile arguments."""
        return {name: self.value(source, (*path, name)) for name, source in (sources or {}).items()}


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
    slots = _slots(spec, report)
    saved = {name for state in spec.states.values() for name in saved_names(state)}
    for name in sorted((saved | set(slots)) & BUILT_IN_NAMES):
        report(("slots", name), f"`{name}` is a name of the framework.", hint="Give it another name.")
    wiring = _Wiring(frozenset(spec.states), report, frozenset(slots) | saved | BUILT_IN_NAMES)
    wiring.edge("begin", [START], next(iter(spec.states)), ("states",))
    commands = _commands(spec, slots, wiring)
    states = {
        name: _StateCompiler(name, state, spec, slots, texts, templates, wiring).compile()
        for name, state in spec.states.items()
    }
    instance = wiring.value(spec.instance, ("instance",)) if spec.instance else None
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


def _slots(spec: FlowSpec, report: Report) -> dict[str, AnySlot]:
    slots: dict[str, AnySlot] = {}
    for name, slot in spec.slots.items():
        pattern = None
        if isinstance(slot, RefSlot) and slot.pattern is not None:
            try:
                pattern = compile_pattern(slot.pattern)
            except ValueError as mistake:
                report(("slots", name, "pattern"), str(mistake), hint=r"Write a plain shape such as `TRP\d+`.")
        slots[name] = compile_slot(name, slot, pattern)
    return slots


def saved_names(state: StateSpec) -> list[str]:
    """The names a state gives to results and files."""
    names = [state.save, *(op.save for op in state.enter)]
    names += [collect.to.split(".")[0] for collect in state.collect.values() if collect.to]
    return [name for name in names if name]


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
    """One state: its plan, its transitions, and what it does while it waits."""

    def __init__(
        self,
        name: str,
        spec: StateSpec,
        flow: FlowSpec,
        slots: Mapping[str, AnySlot],
        texts: Texts,
        templates: Mapping[str, WhatsAppTemplate],
        wiring: _Wiring,
    ) -> None:
        self.name = name
        self.spec = spec
        self.flow = flow
        self.slots = slots
        self.texts = texts
        self.templates = templates
        self.wiring = wiring
        self.report = wiring.report
        self.path: Path = ("states", name)

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
            plan=(*self._ops(), last),
            question=question,
            timers=tuple(self._timers()),
            ladder=tuple(self._ladder()) if question else (),
            universals=frozenset(allowed),
            collects={kind: self._collector(kind) for kind in spec.collect},
            parks=isinstance(last, Rest) and self.flow.instance is not None,
            hands_over=isinstance(last, HandOver),
        )

    def _ops(self) -> list[Op]:
        spec = self.spec
        ops: list[Op] = [Forget(slots=tuple(spec.forget))] if spec.forget else []
        for place, entry in enumerate(spec.enter):
            path = (*self.path, "enter", place) if len(spec.enter) > 1 else (*self.path, "enter")
            kinds = [key for key in ("do", "say", "notify") if getattr(entry, key)]
            if len(kinds) != 1:
                self.report(path, "Each entry of `enter:` is one of `do`, `say` and `notify`.", hint="Split it in two.")
            ops += self._steps(entry, path)
        for name in spec.forget:
            if name not in self.slots:
                self.report.unknown((*self.path, "forget"), "slot", name, self.slots)
        return ops + self._steps(spec, self.path)

    def _steps(self, spec: Any, path: Path) -> list[Op]:
        """`do`, `say` and `notify` of a state or an entry, in this order."""
        ops: list[Op] = []
        if spec.do:
            once = self.wiring.value(spec.once, (*path, "once")) if spec.once else None
            arguments = self.wiring.values(spec.arguments, (*path, "with"))
            ops.append(Do(action=spec.do, arguments=arguments, once=once, save=spec.save))
        for word in ("arguments", "once", "save"):
            if not spec.do and getattr(spec, word) is not None:
                word = "with" if word == "arguments" else word
                self.report((*path, word), f"`{word}:` belongs to `do:`, and there is none.", hint="Add `do:`.")
        ops += [Say(block=block) for block in spec.say]
        if spec.notify:
            ops += self._notify(spec.notify, (*path, "notify"))
        return ops

    def _notify(self, spec: Any, path: Path) -> list[Op]:
        template = self.templates.get(spec.template)
        if template is None:
            self.report.unknown((*path, "template"), "WhatsApp template", spec.template, self.templates)
            return []
        if len(spec.parameters) != template.parameter_count:
            self.report(
                (*path, "with") if spec.parameters else path,
                f"WhatsApp template `{spec.template}` takes {template.parameter_count} parameters, "
                f"but `with:` has {len(spec.parameters)}.",
                hint=f"Its body is: {template.body}",
            )
        values = tuple(self.wiring.value(value, (*path, "with", place)) for place, value in enumerate(spec.parameters))
        return [NotifyRole(role=spec.role, template=template, parameters=values)]

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
            return self._form(spec.form)
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

    def _form(self, names: Sequence[str]) -> Form:
        known: list[str] = []
        for place, name in enumerate(names):
            if name in self.slots:
                known.append(name)
            else:
                self.report.unknown((*self.path, "form", place), "slot", name, self.slots)
        if self.spec.next is None:
            self.report((*self.path, "form"), f"State '{self.name}' has no way out.", hint="Give it `next:`.")
        blocks = {name: self._slot_blocks(name) for name in known}
        return Form(slots=tuple(known), blocks=blocks, options=form_options([self.slots[name] for name in known]))

    def _slot_blocks(self, name: str) -> SlotBlocks:
        own, kind = self.texts.has_own, self.slots[name].type
        return SlotBlocks(
            ask=f"ask_{name}" if own(f"ask_{name}") else f"ask_{kind}",
            invalid=f"invalid_{name}" if own(f"invalid_{name}") else f"invalid_{kind}",
            explain=f"explain_{name}" if own(f"explain_{name}") else "explain",
        )

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

    def _collector(self, kind: Any) -> Collector:
        spec, path = self.spec.collect[kind], (*self.path, "collect", kind)
        if spec.to is None and spec.do is None:
            self.report(path, "Nothing becomes of what is collected.", hint="Give it `to:` or `do:`.")
        return Collector(
            kind=kind,
            many=spec.many,
            path=tuple(spec.to.split(".")) if spec.to else (),
            action=spec.do,
            arguments=self.wiring.values(spec.arguments, (*path, "with")),
            once=self.wiring.value(spec.once, (*path, "once")) if spec.once else None,
            say=spec.say,
        )


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
