"""From what an author wrote to a state machine: everything that can move a run from one state to another.

Theory of operation
-------------------
A flow version becomes ONE `transitions.Machine`, shared by all runs and holding no state: the model it moves is a
`Cursor`, made for a step and thrown away. Machine events ("triggers") are named after what happens:

    begin               a run starts                                   (new) → first state
    next                a state has done what it had to, or the        guarded, in the author's order
                        flow it called has ended
    choice:KEY          a choice of `ask:` was made                    from `when:`
    error               an action of the state was refused             from `error:`
    timer:2h            a timer of `after:` with `to:` is due
    no_input:N          so has rung N of `no_input:`
    event:NAME          the business did something                     from `events:`
    command:VERB        a command was typed                            from `commands:`, from (new) as well
    ladder:N            rung N of `no_match:` leads elsewhere
    agent               the person wants to talk to somebody           any waiting state → state `agent`
    back:STATE          the person goes back to an earlier question    any question → that question
    return              a person hands the conversation back           from `handoff:`'s `back:`

An ordered list of guarded branches is several transitions of one trigger; the machine takes the first whose
`conditions` hold. Entering a state (`on_enter`) runs its *plan*: `forget`, `enter`, `do`, `say`, `send`, `notify`,
and last the one operation that decides what then. Operations only read the cursor and add effects to its turn;
whichever wants to move on sets `cursor.trigger`, and the engine's loop fires it. So no transition ever starts inside
another one.

Nested states and calls inside branches are plain states by now (`bot.core.expanding`). `bot.core.states` finds the
transitions of each state, `bot.core.wiring` keeps them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from transitions import Machine

from bot.core.commands import Command, parse_command
from bot.core.compiled import CommandUse, CompiledFlow, CompiledState, Machinery, Way
from bot.core.cursor import START
from bot.core.expressions import Expressions
from bot.core.flow import CommandRule, FlowSpec
from bot.core.forms import Form
from bot.core.machines import FlowMachine, FlowState
from bot.core.migrations import compile_migrations
from bot.core.ops import Do, End, Forget, Go, Rest, Speak, Split
from bot.core.planning import Planner, compile_rules, compile_slots, kept_names
from bot.core.report import Path, Report
from bot.core.ruling import Rule
from bot.core.sending import Quote
from bot.core.slots import AnySlot
from bot.core.states import AGENT, StateCompiler
from bot.core.templates import Texts
from bot.core.waiting import Quiet
from bot.core.whatsapp import WhatsAppTemplate
from bot.core.wiring import Wiring, enter, note, stop_timers, take_back

BUILT_IN_NAMES = frozenset(
    {
        "contact",
        "role",
        "today",
        "run",
        "answer",
        "reason",
        "error",
        "event",
        "media",
        "location",
        "form",
        "result",
        "variant",
        "inferred",
    }
)
"""Variables every expression and template may use, besides slots and saved results."""


def compile_flow(
    spec: FlowSpec, texts: Texts, templates: Mapping[str, WhatsAppTemplate], report: Report
) -> CompiledFlow | None:
    """Compile a flow version.

    Args:
        spec: What the author wrote, well-formed and expanded.
        texts: The blocks it can say.
        templates: WhatsApp templates by name, in the fallback language.
        report: Takes every mistake, with its path in the file.

    Returns:
        The flow, or None when there was any mistake.
    """
    before = len(report.mistakes)
    slots = compile_slots(spec, report)
    saved = kept_names(spec)
    for name in sorted((saved | set(slots)) & BUILT_IN_NAMES):
        report(("slots", name), f"`{name}` is a name of the framework.", hint="Give it another name.")
    expressions = Expressions(frozenset(slots) | saved | BUILT_IN_NAMES, report)
    wiring = Wiring(frozenset(spec.states), report, expressions)
    wiring.edge("begin", [START], next(iter(spec.states)), ("states",))
    flow_rules = compile_rules(spec.rules, slots, texts, expressions, ("rules",))
    commands = _commands(spec, slots, texts, wiring)
    states: dict[str, CompiledState] = {}
    for name, state in spec.states.items():
        planner = Planner(
            name=name,
            spec=state,
            slots=slots,
            texts=texts,
            templates=templates,
            variants=spec.variants or (),
            expressions=expressions,
            rules=flow_rules,
        )
        states[name] = StateCompiler(spec, wiring, planner).compile()
    instance = expressions.value(spec.instance, ("instance",)) if spec.instance else None
    if instance is not None and not instance.names & set(slots):
        report(("instance",), "`instance:` names no slot.", hint='Write for example `instance: "{{ trip.code }}"`.')
    outputs = expressions.values(spec.outputs, ("outputs",))
    inputs = _inputs(spec, slots, report)
    _from_everywhere(states, wiring)
    migrations = compile_migrations(spec, slots, report)
    states = {name: _audible(state, states, wiring) for name, state in states.items()}
    if len(report.mistakes) > before:
        return None
    edges: dict[str, set[str]] = {}
    for way in wiring.ways:
        edges.setdefault(way.trigger, set()).update(way.sources)
    return CompiledFlow(
        name=spec.flow,
        version=spec.version,
        roles=tuple(spec.roles),
        intents=tuple(spec.start.intents),
        universals=frozenset(spec.start.universals),
        events=spec.start.events,
        slots=slots,
        unset=dict.fromkeys([*sorted(BUILT_IN_NAMES), *saved, *slots]),
        states=states,
        commands=commands,
        texts=texts,
        machinery=Machinery(partial(_machine, spec.flow, states, wiring.ways)),
        ways=tuple(wiring.ways),
        edges={trigger: frozenset(sources) for trigger, sources in edges.items()},
        inputs=inputs,
        outputs=outputs,
        instance=instance,
        instance_slots=tuple(name for name in slots if instance is not None and name in instance.names),
        quiet=_quiet(spec),
        variants=spec.variants or {},
        has_silence=any(timer.silence for state in states.values() for timer in state.timers),
        has_timers=any(state.timers for state in states.values()),
        migrations=migrations,
        prints=tuple(name for name, slot in slots.items() if slot.prints),
        sensitive=frozenset(name for name, slot in slots.items() if slot.sensitive),
        rules=(*flow_rules, *_form_rules(states, flow_rules)),
    )


def _quiet(spec: FlowSpec) -> Quiet | None:
    hours = spec.quiet
    if hours is None:
        return None
    return Quiet(begins=hours.begins, ends=hours.ends, zone=hours.timezone, otherwise=hours.otherwise)


def _audible(state: CompiledState, states: Mapping[str, CompiledState], wiring: Wiring) -> CompiledState:
    """Find out which timers make themselves heard in the states they lead through."""
    if not state.timers:
        return state
    timers = []
    for timer in state.timers:
        speaks, ends = True, False
        if timer.trigger is not None and timer.say is None:
            speaks, ends = _heard(timer.trigger, state.name, states, wiring)
        timers.append(replace(timer, speaks=speaks, ends=ends))
    return replace(state, timers=tuple(timers))


def _heard(trigger: str, source: str, states: Mapping[str, CompiledState], wiring: Wiring) -> tuple[bool, bool]:
    """Whether a trigger makes itself heard, and whether it leads to an end otherwise."""
    seen: set[str] = set()
    ends = False
    todo = wiring.destinations(trigger, source)
    while todo:
        name = todo.pop()
        if name in seen or name not in states:
            continue
        seen.add(name)
        plan = states[name].plan
        if any(not isinstance(op, Do | Forget | Speak | Split | Quote | Go | End | Rest) for op in plan):
            return True, False
        ends = ends or isinstance(plan[-1], End)
        todo += [*wiring.destinations("next", name), *wiring.destinations("error", name)]
    return False, ends


def _form_rules(states: Mapping[str, CompiledState], flow_rules: Sequence[Rule]) -> Iterator[Rule]:
    """Rules that a form has of its own."""
    for state in states.values():
        if isinstance(state.question, Form):
            yield from (rule for rule in state.question.rules if rule not in flow_rules)


def _inputs(spec: FlowSpec, slots: Mapping[str, AnySlot], report: Report) -> dict[str, bool]:
    """The slots a caller fills, each with whether it has to."""
    inputs: dict[str, bool] = {}
    for place, written in enumerate(spec.inputs):
        name = written.removesuffix("?")
        if name not in slots:
            report.unknown(("inputs", place), "slot", name, slots)
        inputs[name] = name == written
    return inputs


def _machine(name: str, states: Mapping[str, CompiledState], ways: Sequence[Way]) -> Machine:
    machine = FlowMachine(
        model=None,
        states=[FlowState(START), *(_state(state) for state in states.values())],
        initial=START,
        auto_transitions=False,
        send_event=True,
        queued=False,
        name=name,
        before_state_change=[note],
    )
    for way in ways:
        for source in way.sources:
            machine.add_transition(
                way.trigger, source, way.dest, conditions=list(way.conditions), before=list(way.before)
            )
    return machine


def _state(state: CompiledState) -> FlowState:
    leaving: list[Any] = [stop_timers] if state.timers else []
    return FlowState(state.name, on_enter=[enter], on_exit=[*leaving, take_back] if state.hands_over else leaving)


def _translations(command: Command, texts: Texts) -> Iterable[Command]:
    """The same command in other languages: block `command_issue` has the verbs, separated by commas."""
    block = "command_" + "_".join(command.verb).replace("-", "_")
    for file in texts.own.values():
        if block in file.blocks:
            for verb in (file.blocks[block].static or "").split(","):
                if words := tuple(verb.casefold().split()):
                    yield replace(command, verb=words)


def _commands(spec: FlowSpec, slots: Mapping[str, AnySlot], texts: Texts, wiring: Wiring) -> tuple[CommandUse, ...]:
    uses: list[CommandUse] = []
    for source, rules in spec.commands.items():
        path: Path = ("commands", source)
        try:
            command = parse_command(source)
        except ValueError as mistake:
            wiring.report.wrong(path, mistake)
            continue
        commands = [command, *_translations(command, texts)]
        for argument in command.arguments:
            if argument.slot not in slots:
                wiring.report.unknown(path, "slot", argument.slot, slots)
        for place, rule in enumerate(rules):
            here = (*path, place) if len(rules) > 1 else path
            _command_rule(command.trigger, rule, here, wiring)
        otherwise = next((rule.otherwise for rule in rules if rule.otherwise), None)
        uses += [CommandUse(command=one, otherwise=otherwise) for one in commands]
    return tuple(uses)


def _command_rule(trigger: str, rule: CommandRule, path: Path, wiring: Wiring) -> None:
    for origin in rule.origins or ():
        if origin not in wiring.known:
            wiring.report.unknown((*path, "from"), "state", origin, wiring.known)
    origins = rule.origins if rule.origins is not None else [START, *sorted(wiring.known)]
    wiring.edge(trigger, origins, rule.to, (*path, "to"), condition=rule.condition, reason=rule.reason)


def _from_everywhere(states: Mapping[str, CompiledState], wiring: Wiring) -> None:
    """Universals that lead to a state: back to a question, and to a person."""
    questions = [state.name for state in states.values() if state.question is not None or state.call is not None]
    for name in questions:
        wiring.edge(f"back:{name}", [other for other in questions if other != name], name, ("states", name))
    if AGENT in states and states[AGENT].hands_over:
        others = [state.name for state in states.values() if state.name != AGENT]
        wiring.edge(AGENT, others, AGENT, ("states", AGENT))
