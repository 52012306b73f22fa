"""One state, compiled: the transitions that leave it, around the plan it runs."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from bot.core.asking import Ask, Localised
from bot.core.calling import Call
from bot.core.choices import Option
from bot.core.compiled import CompiledState, Op, Question, Rung, Timer
from bot.core.flow import UNIVERSALS, FlowSpec, RungSpec, SilenceSpec, TimerSpec, parse_duration
from bot.core.forms import Form
from bot.core.ops import End, Filled, Go, HandOver, Rest
from bot.core.planning import Planner
from bot.core.report import Path
from bot.core.sandbox import Expression, ExpressionError
from bot.core.wiring import Wiring

AGENT = "agent"
CORRECT_WHICH = "correct_which"
"""The block with which `common/correct` asks which slot to change."""
_TO_AGENT = RungSpec(to=AGENT, reason="not_understood")


class StateCompiler:
    """One state: the transitions that leave it, around the plan it runs."""

    def __init__(self, flow: FlowSpec, wiring: Wiring, planner: Planner) -> None:
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
        waits = question is not None or isinstance(last, Rest | HandOver | Call)
        self._ways_out(last, waits=waits)
        allowed = UNIVERSALS if spec.universals is None else spec.universals or ()
        return CompiledState(
            name=self.name,
            plan=(*self.planner.ops(), last),
            question=question,
            timers=(*self._timers(), *self._silence()),
            ladder=tuple(self._ladder()) if question else (),
            universals=frozenset(allowed),
            collects={kind: self.planner.collector(kind) for kind in spec.collect},
            call=last if isinstance(last, Call) else None,
            digress=self.flow.digress if spec.digress is None else spec.digress,
            choices_style=spec.choices_style or self.flow.choices_style,
            resumes=(spec.resume or self.flow.resume) == "ask",
            parks=isinstance(last, Rest) and self.flow.instance is not None,
            hands_over=isinstance(last, HandOver),
        )

    def _last(self) -> Op:
        """The operation that decides what happens when the rest is done."""
        spec = self.spec
        kinds = [key for key in ("end", "handoff", "ask", "form", "call") if getattr(spec, key) is not None]
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
        if spec.call is not None:
            return self._call(spec.call)
        return Go() if spec.next is not None else Rest()

    def _call(self, flow: str) -> Call:
        spec = self.spec
        if spec.do:
            self.report((*self.path, "do"), "A state has `call:` or `do:`, not both.", hint="Put `do:` into `enter:`.")
        if spec.next is None:
            self.report((*self.path, "call"), f"State '{self.name}' has no way out.", hint="Give it `next:`.")
        read = frozenset().union(*(_names_in(branch.condition) for branch in spec.next or ()))
        return Call(
            flow=flow,
            arguments=self.planner.expressions.values(spec.arguments, (*self.path, "with")),
            save=spec.save,
            asks_outcome=bool(read & {"result", spec.save}),
        )

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
        slots = {name: slot.label for name, slot in self.flow.slots.items()} if block == CORRECT_WHICH else {}
        return Ask(
            block=block, choices=Localised(options, slots), triggers=triggers, instead=self.planner.of_question()
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
            "error": spec.do or spec.call or any(entry.do for entry in spec.enter),
            "rules": spec.form, "no_match": spec.ask or spec.form, "no_input": spec.ask or spec.form,
            "resume": spec.ask or spec.form, "after": waits, "events": waits, "collect": waits,
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
                self.report.wrong(path, mistake)
                continue
            if timer.say is None and timer.to is None:
                self.report(path, "This timer does nothing.", hint="Give it `say:` or `to:`.")
            trigger = None
            if timer.to is not None:
                trigger = f"timer:{name}"
                self.wiring.edge(trigger, [self.name], timer.to, (*path, "to"), reason=timer.reason)
            instead = self._instead(timer, path)
            yield Timer(name=name, delay=delay, say=timer.say, trigger=trigger, instead=instead)

    def _silence(self) -> Iterable[Timer]:
        before = timedelta(0)
        for place, rung in enumerate(self.spec.no_input or ()):
            path = (*self.path, "no_input", place)
            if rung.length <= before:
                self.report((*path, "after"), "This rung comes no later than the one before it.",
                            hint="All count from the person's last word, so each needs a longer time.")  # fmt: skip
            before = rung.length
            name = f"no_input:{place}"
            if rung.to is not None:
                self.wiring.edge(name, [self.name], rung.to, (*path, "to"), reason=rung.reason or "no_input")
            yield Timer(
                name=name, delay=rung.length, say=rung.say, trigger=name if rung.to is not None else None, silence=True,
                instead=self._instead(rung, path),
            )  # fmt: skip

    def _instead(self, spec: TimerSpec | SilenceSpec, path: Path) -> Filled | None:
        if spec.template is not None and spec.say is None:
            self.report((*path, "template"), "`template:` stands for one `say:`.",
                        hint="Add `say:`: the words for people who wrote lately.")  # fmt: skip
        return self.planner.instead(spec.template, (*path, "template"))

    def _ladder(self) -> Iterable[Rung]:
        rungs = self.spec.no_match or self._default_ladder()
        leading = [isinstance(rung, RungSpec) for rung in rungs]
        if True in leading[:-1]:
            self.report((*self.path, "no_match", leading.index(True) + 1), "This rung is never reached: the one before "
                        "it leads elsewhere.", hint="Put the rung with `to:` last.")  # fmt: skip
        for place, rung in enumerate(rungs):
            if not isinstance(rung, RungSpec):
                yield Rung(kind=rung)
                continue
            trigger = f"ladder:{place}"
            self.wiring.edge(trigger, [self.name], rung.to, (*self.path, "no_match", place, "to"), reason=rung.reason)
            yield Rung(kind="leave", trigger=trigger)

    def _default_ladder(self) -> list[Any]:
        agent = self.flow.states.get(AGENT)
        return ["reprompt", "explain", *([_TO_AGENT] if agent and agent.handoff else ())]


def _names_in(condition: str | bool | None) -> frozenset[str]:
    """The variables a guard reads; mistakes in it are reported where it is compiled."""
    try:
        return Expression(condition).names if isinstance(condition, str) else frozenset()
    except ExpressionError:
        return frozenset()


_NEEDS = {
    "choices": "It belongs to `ask:`.",
    "when": "It belongs to `ask:`.",
    "sla": "It belongs to `handoff:`.",
    "back": "It belongs to `handoff:`.",
    "error": "It belongs to `do:`.",
    "rules": "It belongs to `form:`, or to the flow.",
    "no_match": "It belongs to `ask:` or `form:`.",
    "no_input": "It belongs to `ask:` or `form:`.",
    "resume": "It belongs to `ask:` or `form:`.",
    "after": "The state goes on at once; timers need a state that waits.",
    "events": "The state goes on at once; events need a state that waits.",
    "collect": "The state goes on at once; collecting needs a state that waits.",
}
