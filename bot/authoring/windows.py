"""Words that would come too late: free text is taken by WhatsApp only within 24 hours of a person's last message.

For every state of every flow we compute how long the person may have been silent when a run comes there without a word
of theirs: by timers, the longest way up to the end of the window, through called flows as well. Quiet hours move a
timer that makes itself heard, once on such a way: who is moved to the morning is not moved again before the evening.
What happens in the business (`events:`, of a state or at the start) and a colleague who gives the conversation back may
come at any time, so what follows them counts as late.

What a state says to somebody who has been silent for so long would be held back, unless a `template:` says it instead,
or `template: none` says that it may wait until they write.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.flow import FlowSpec, OpSpec, QuietSpec, StateSpec, parse_duration
from bot.core.policy import MARGIN, SERVICE_WINDOW
from bot.core.report import Path, Report

LIMIT = SERVICE_WINDOW - MARGIN
_ROUNDS = 40
"""A state that is found to be older so often is on a circle of timers: it gets as old as one likes."""
_NONE = timedelta(0)
_NEVER = timedelta(-1)
_MOST_CALLS = 10
_IN_TIME = "Let it fire within 23h55m of their last message, quiet hours included, or say it with `template:`."
_STAND_IN = "Give it `template:` for then, or `template: none` if they may wait until the person writes."

Place = tuple[str, str]
"""A flow and a state."""
Flows = Mapping[str, FlowSpec]


@dataclass(frozen=True, slots=True)
class _Timer:
    """A timer of a state; `to` leads on, `heard` is what quiet hours wait for."""

    path: Path
    delay: timedelta
    says: bool
    to: str | None
    heard: bool


@dataclass(slots=True)
class _Ages:
    """How long the person may have been silent when a state is entered, at most: as it is, and moved by quiet hours."""

    still: dict[Place, timedelta] = field(default_factory=lambda: defaultdict(lambda: _NEVER))
    moved: dict[Place, timedelta] = field(default_factory=lambda: defaultdict(lambda: _NEVER))
    changes: dict[Place, int] = field(default_factory=lambda: defaultdict(int))

    def at(self, place: Place) -> timedelta:
        return max(self.still[place], self.moved[place])

    def older(self, place: Place, still: timedelta, moved: timedelta) -> bool:
        """Take note of a way to a state; True when somebody comes there after a longer silence than was known."""
        if still <= self.still[place] and moved <= self.moved[place]:
            return False
        if self.still[place] >= SERVICE_WINDOW:
            return False
        self.changes[place] += 1
        endless = self.changes[place] > _ROUNDS
        self.still[place] = SERVICE_WINDOW if endless else min(max(still, self.still[place]), SERVICE_WINDOW)
        self.moved[place] = min(max(moved, self.moved[place]), SERVICE_WINDOW)
        return True


class Windows:
    """The proof, for all flows together."""

    def __init__(self, flows: Flows) -> None:
        self.flows = flows
        self._timers: dict[Place, list[_Timer]] = {}
        self._called = {state.call for spec in flows.values() for state in spec.states.values() if state.call}
        self._exits: dict[str, tuple[timedelta, timedelta]] = {}
        self._ages = self._computed()

    def check(self, spec: FlowSpec, report: Report) -> None:
        """Report what a flow would say after the window has closed."""
        name = spec.flow
        told: set[Place] = set()
        for state, one in spec.states.items():
            for timer in self._of(name, state):
                silent = self._silence(spec, (name, state), timer)
                if silent < LIMIT:
                    continue
                if timer.says:
                    _too_late(report, timer.path, "what it says", silent)
                elif timer.to is not None:
                    for late in self._spoken([(name, timer.to)]):
                        told.add(late)
                        _too_late(report, timer.path, f"what {_called(late, name)} says", silent)
                        break
            if one.call in self.flows:
                self._check_return(spec, state, told, report)
        for targets, why, path in _news(spec):
            for late in self._spoken((name, target) for target in targets):
                if late not in told:
                    told.add(late)
                    _may_be_late(report, late, name, path, why)

    def _check_return(self, spec: FlowSpec, state: str, told: set[Place], report: Report) -> None:
        """What is said when a called flow has come to its end by timers."""
        called = spec.states[state].call or ""
        own, through = self._exit(called)
        silent = max(own, self._ages.at((spec.flow, state)) + through if through >= _NONE else _NONE)
        entered = self._ages.at((spec.flow, state))
        if silent < LIMIT or entered >= LIMIT:
            return  # what is late already is told where that begins
        for late in self._spoken((spec.flow, target) for target in _targets(spec.states[state], "next", "error"))[:1]:
            told.add(late)
            _may_be_late(report, late, spec.flow, ("states", state, "call"), f"flow `{called}` may end by a timer then")

    # --- How long the person has been silent --------------------------------------------------------------------------

    def _silence(self, spec: FlowSpec, place: Place, timer: _Timer) -> timedelta:
        """How long, at most, when a timer fires."""
        still, moved = self._after(spec, place, timer)
        return max(still, moved)

    def _after(self, spec: FlowSpec, place: Place, timer: _Timer) -> tuple[timedelta, timedelta]:
        """The silence after a timer: where quiet hours did not move anything on the way, and where they did."""
        return _later(self._ages, spec, place, timer)

    def _computed(self) -> _Ages:
        ages = _Ages()
        todo = [(name, state) for name, spec in self.flows.items() for state in spec.states]
        for place in todo:
            ages.still[place] = _NONE
        for name, spec in self.flows.items():
            for targets, _, _ in _news(spec):
                todo += [one for to in targets if ages.older(one := (name, to), SERVICE_WINDOW, _NEVER)]
        self._relax(ages, todo)
        return ages

    def _relax(self, ages: _Ages, todo: list[Place], within: str | None = None) -> None:
        while todo:
            place = todo.pop()
            for target, still, moved in self._onward(ages, place):
                if (within is None or target[0] == within) and ages.older(target, still, moved):
                    todo.append(target)

    def _onward(self, ages: _Ages, place: Place) -> Iterator[tuple[Place, timedelta, timedelta]]:
        """Where a run goes without the person saying anything, and how long they have been silent then."""
        name, state = place
        spec = self.flows[name]
        one, still, moved = spec.states[state], ages.still[place], ages.moved[place]
        for timer in self._of(name, state):
            if timer.to is not None:
                yield (name, timer.to), *_later(ages, spec, place, timer)
        for target in _at_once(spec, state):
            yield (name, target), still, moved
        called = self.flows.get(one.call or "")
        if called is not None:
            yield (called.flow, next(iter(called.states))), still, moved
            own, through = self._exit(called.flow)
            for target in _targets(one, "next", "error"):
                if target in spec.states:
                    if own > _NONE:
                        yield (name, target), own, _NEVER
                    if through >= _NONE:
                        yield (name, target), still + through, moved + through if moved >= _NONE else _NEVER

    def _exit(self, flow: str, depth: int = 0) -> tuple[timedelta, timedelta]:
        """How old the silence is at the end of a called flow: of its own, and what it adds when nobody says a word."""
        if flow not in self._exits:
            self._exits[flow] = (_NONE, _NEVER)  # for flows that call each other
            spec = self.flows[flow]
            ends = [(flow, state) for state, one in spec.states.items() if one.end is not None]
            own, through = _Ages(), _Ages()
            first = (flow, next(iter(spec.states)))
            for state in spec.states:
                own.still[flow, state] = _NONE
            self._relax(own, [(flow, state) for state in spec.states], flow)
            through.still[first] = _NONE
            self._relax(through, [first], flow)
            reached = max((through.at(end) for end in ends), default=_NEVER)
            self._exits[flow] = max((own.at(end) for end in ends), default=_NONE), reached
        return self._exits[flow]

    def _of(self, flow: str, state: str) -> list[_Timer]:
        if (flow, state) not in self._timers:
            self._timers[flow, state] = list(_timers(self.flows[flow], state, called=flow in self._called))
        return self._timers[flow, state]

    # --- What is said -------------------------------------------------------------------------------------------------

    def _spoken(self, places: Iterable[Place]) -> list[Place]:
        """The states, from these on and without anybody saying anything, that say something no template stands for."""
        found: list[Place] = []
        seen: set[tuple[Place, ...]] = set()
        todo: list[tuple[Place, ...]] = [(place,) for place in places]
        while todo:
            here = todo.pop(0)
            (name, state), callers = here[0], here[1:]
            if here[:2] in seen or name not in self.flows or state not in self.flows[name].states:
                continue
            seen.add(here[:2])  # by whom the flow was called, not by whom that was: else there were too many ways
            spec = self.flows[name]
            one = spec.states[state]
            if _speaks(one) and (name, state) not in found:
                found.append((name, state))
            todo += [((name, target), *callers) for target in _at_once(spec, state)]
            if one.call in self.flows and len(callers) < _MOST_CALLS:
                called = self.flows[str(one.call)]
                todo.append(((called.flow, next(iter(called.states))), (name, state), *callers))
            if one.end is not None and callers:
                (caller, calling), *others = callers
                ways = _targets(self.flows[caller].states[calling], "next", "error")
                todo += [((caller, target), *others) for target in ways]
        return found


def _later(ages: _Ages, spec: FlowSpec, place: Place, timer: _Timer) -> tuple[timedelta, timedelta]:
    still, moved = ages.still[place], ages.moved[place]
    after = moved + timer.delay if moved >= _NONE else _NEVER
    if timer.heard and spec.quiet is not None:
        return _NEVER, max(still + timer.delay + _length(spec.quiet) if still >= _NONE else _NEVER, after)
    return still + timer.delay if still >= _NONE else _NEVER, after


def _length(quiet: QuietSpec) -> timedelta:
    """How long quiet hours are."""
    day = datetime(2026, 1, 1)  # noqa: DTZ001  any day: only the difference counts
    length = datetime.combine(day, quiet.ends) - datetime.combine(day, quiet.begins)
    return length if length > _NONE else length + timedelta(days=1)


# --- What a flow says where -------------------------------------------------------------------------------------------


def _news(spec: FlowSpec) -> Iterator[tuple[list[str], str, Path]]:
    """What leads to states without the person having said anything just before: where to, why, and where it stands."""
    if spec.start.events:
        event = next(iter(spec.start.events))
        yield [next(iter(spec.states))], f"event `{event}` begins the flow", ("start", "events", event)
    for name, state in spec.states.items():
        for event, branches in state.events.items():
            targets = [branch.to for branch in branches if branch.to in spec.states]
            yield targets, f"event `{event}` leads to it", ("states", name, "events", event)
        if state.back:
            targets = [branch.to for branch in state.back if branch.to in spec.states]
            yield targets, "a colleague may give the conversation back days later", ("states", name, "back")


def _timers(spec: FlowSpec, name: str, *, called: bool) -> Iterator[_Timer]:
    state = spec.states[name]
    for key, timer in state.after.items():
        try:
            delay = parse_duration(key)
        except ValueError:
            continue  # said where it is compiled
        to = timer.to if timer.to in spec.states else None
        says = timer.say is not None and timer.template is None
        heard = timer.say is not None or (to is not None and _heard(spec, to, called=called))
        yield _Timer(("states", name, "after", key), delay, says, to, heard)
    for place, rung in enumerate(state.no_input or ()):
        to = rung.to if rung.to in spec.states else None
        says = rung.template is None and (rung.say is not None or rung.to is None)
        heard = rung.say is not None or to is None or _heard(spec, to, called=called)
        yield _Timer(("states", name, "no_input", place), rung.length, says, to, heard)


def _heard(spec: FlowSpec, name: str, *, called: bool) -> bool:
    """Whether a state, or one that follows at once, makes itself heard; at the end of a called flow its caller may."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        one = spec.states[name]
        parts: list[StateSpec | OpSpec] = [one, *one.enter]
        if (
            any(part.say or part.send or part.notify for part in parts)
            or one.ask
            or one.form
            or one.call
            or one.handoff
            or (called and one.end is not None)
        ):
            return True
        todo += _at_once(spec, name)
    return False


def _at_once(spec: FlowSpec, name: str) -> list[str]:
    """The states that a state leads to without waiting for anybody, calls aside."""
    state = spec.states[name]
    if state.call is not None:
        return []
    waits = state.end is not None or state.handoff or state.ask or state.form
    acts = bool(state.do) or any(op.do for op in state.enter)
    found = [] if waits else _targets(state, "next")
    return [one for one in [*found, *(_targets(state, "error") if acts else ())] if one in spec.states]


def _targets(state: StateSpec, *words: str) -> list[str]:
    return [branch.to for word in words for branch in getattr(state, word) or ()]


def _speaks(state: StateSpec) -> bool:
    """Whether a state says something that no template stands for."""
    parts: list[StateSpec | OpSpec] = [state, *state.enter]
    said = [op for op in parts if (op.say or op.send) and op.template is None]
    asks = state.ask is not None or state.form is not None
    covered = state.template is not None and not state.say and not state.send
    return bool(said) or (asks and not covered) or (state.handoff is not None and not state.say)


# --- Telling ----------------------------------------------------------------------------------------------------------


def _called(place: Place, flow: str) -> str:
    return f"state '{place[1]}'" if place[0] == flow else f"state '{place[1]}' of flow `{place[0]}`"


def _too_late(report: Report, path: Path, what: str, silent: timedelta) -> None:
    hours = "24 hours or more" if silent >= SERVICE_WINDOW else "nearly 24 hours"
    report(path, f"When this timer fires, the person may have been silent for {hours}: WhatsApp takes no free text "
           f"then, so {what} would be held back.", code="window", hint=_IN_TIME)  # fmt: skip


def _may_be_late(report: Report, late: Place, flow: str, path: Path, why: str) -> None:
    own = late[0] == flow
    what = f"State '{late[1]}'" if own else f"State '{late[1]}' of flow `{late[0]}`"
    report(("states", late[1]) if own else path, f"{what} may speak long after the person has: {why}, and outside of "
           "WhatsApp's 24 hours its words would be held back.", code="window", hint=_STAND_IN)  # fmt: skip
