"""Somebody left without any answer: a message after which nothing is said.

A run may end, or rest, without a word; that is right after a timer. But who has just written waits for something. So we
start from every state to which a message leads (what starts a flow, commands, choices, forms, rungs of `no_match:`),
and follow the states that say nothing and wait for nobody, into called flows and back to those that called them. Where
that stops, the person is left without an answer. `say: []` in any state on the way tells that silence is meant.

What is found is true, and something may be missed: a form counts as speaking, also when it has everything already, and
branches behind a call, which may depend on how it ended, count when none of them speaks.

What was silent before a call is kept apart from what somebody said inside of the called flow: only the latter holds for
all that call it. So each state is visited twice at most.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from bot.core.flow import FlowSpec, OpSpec, RungSpec, StateSpec
from bot.core.report import Report

_HINT = "Give it `say:`, or `say: []` if silence is meant."

Flows = Mapping[str, FlowSpec]


class Silences:
    """The proof, for all flows together."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._callers: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, spec in flows.items():
            for state, one in spec.states.items():
                if one.call is not None:
                    self._callers[one.call].append((name, state))
        self._passing: dict[str, bool] = {}
        self._left: dict[str, dict[str, None]] = defaultdict(dict)
        self._follow()

    def check(self, spec: FlowSpec, report: Report) -> None:
        """Report where a flow leaves somebody without an answer."""
        for state in self._left.get(spec.flow, ()):
            ends = spec.states[state].end is not None
            report(("states", state), f"Who has just written is left without any answer: state '{state}' "
                   f"{'ends' if ends else 'waits'}, and nothing was said on the way.", severity="warning",
                   code="silent", hint=_HINT)  # fmt: skip

    def _follow(self) -> None:
        """Follow every silent way from a message; `own`: it was said in this flow, or in one that it called."""
        todo = [(name, state, True) for name, spec in self._flows.items() for state in _after_a_message(spec)]
        seen: set[tuple[str, str, bool]] = set()
        while todo:
            place = todo.pop()
            name, state, own = place
            spec = self._flows[name]
            if place in seen or state not in spec.states or (not own and (name, state, True) in seen):
                continue
            seen.add(place)
            one = spec.states[state]
            todo += [(name, target, own) for target in _onward(one)]
            if _speaks(one):
                continue
            if one.end is not None:
                if own and _on_its_own(spec, called=name in self._callers):
                    self._left[name][state] = None
                for caller, calling in self._callers[name] if own else ():
                    todo += [(caller, target, True) for target in self._behind(caller, calling)]
            elif one.call in self._flows:
                called = str(one.call)
                todo.append((called, _first(self._flows[called]), False))
                if self._passes(called):
                    todo += [(name, target, own) for target in self._behind(name, state)]
            elif one.call is None and one.next is None:
                self._left[name][state] = None

    def _behind(self, name: str, state: str) -> list[str]:
        """The states behind a call that say nothing, however it ended."""
        spec = self._flows[name]
        branches = spec.states[state].next or ()
        targets = [branch.to for branch in branches if branch.to in spec.states]
        alone = len(branches) == 1 and branches[0].condition is None
        return targets if alone or not any(_speaks(spec.states[target]) for target in targets) else []

    def _passes(self, flow: str) -> bool:
        """Whether a called flow may come to its end without a word and without waiting for anybody."""
        if flow not in self._passing:
            self._passing[flow] = False  # for flows that call each other
            spec = self._flows[flow]
            seen: set[str] = set()
            todo = [_first(spec)]
            while todo:
                state = todo.pop()
                if state in seen or state not in spec.states:
                    continue
                seen.add(state)
                one = spec.states[state]
                todo += _onward(one)
                if one.end is not None and not _speaks(one):
                    self._passing[flow] = True
                    break
                if one.call in self._flows and not _speaks(one) and self._passes(str(one.call)):
                    todo += self._behind(flow, state)
        return self._passing[flow]


def _first(spec: FlowSpec) -> str:
    return next(iter(spec.states))


def _on_its_own(spec: FlowSpec, *, called: bool) -> bool:
    """Whether a flow may run without being called, so that nobody speaks after its end."""
    anywhere = any(rule.origins is None for rules in spec.commands.values() for rule in rules)
    start = spec.start
    return not called or bool(start.intents or start.universals or start.events) or anywhere


def _after_a_message(spec: FlowSpec) -> Iterator[str]:
    """The states to which something leads that a person says."""
    if spec.start.intents or spec.start.universals:
        yield _first(spec)
    for rules in spec.commands.values():
        yield from (rule.to for rule in rules)
    for one in spec.states.values():
        for branches in (one.when or {}).values():
            yield from (branch.to for branch in branches)
        if one.form or (one.ask and set(one.choices or ()) - set(one.when or ())):
            yield from (branch.to for branch in one.next or ())
        yield from (rung.to for rung in one.no_match or () if isinstance(rung, RungSpec))


def _onward(one: StateSpec) -> list[str]:
    """Where a state leads without having said anything or called a flow: what its actions refuse is not said yet."""
    acts = one.do is not None or any(op.do for op in one.enter)
    mute = acts and not _meant(one) and not any(_said(op) for op in one.enter)
    onward = [branch.to for branch in one.error or ()] if mute else []
    goes = one.end is None and one.call is None and not _speaks(one)
    return [*onward, *(branch.to for branch in one.next or ())] if goes else onward


def _speaks(one: StateSpec) -> bool:
    """Whether whoever comes to a state hears something, or silence is meant."""
    parts: list[StateSpec | OpSpec] = [one, *one.enter]
    return any(_said(part) for part in parts) or bool(one.ask or one.form or one.handoff) or _meant(one)


def _said(part: StateSpec | OpSpec) -> bool:
    return bool(part.say or part.send)


def _meant(one: StateSpec) -> bool:
    """Whether an author has written `say: []`."""
    return not one.say and "say" in one.model_fields_set
