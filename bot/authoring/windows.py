"""Words that would come too late: free text is taken by WhatsApp only within 24 hours of a person's last message.

For every state we compute how long the person may have been silent when a run comes there by timers alone: the longest
way, up to the end of the window. What a state says with an older silence would be held back, unless a `template:` says
it instead. A business event may come at any time, so what follows it counts as late; that is a warning, since the
person may as well have written a minute ago.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from bot.core.asking import Ask
from bot.core.compiled import CompiledFlow, CompiledState, Timer
from bot.core.cursor import START
from bot.core.flow import FlowSpec
from bot.core.forms import Form
from bot.core.ops import End, Go, HandOver, Say
from bot.core.policy import MARGIN, SERVICE_WINDOW
from bot.core.report import Path, Report
from bot.core.sending import Post

LIMIT = SERVICE_WINDOW - MARGIN
_AT_ONCE = frozenset({"next", "error"})
_ROUNDS = 40
"""A state that is found to be older so often is on a circle of timers: it gets as old as one likes."""

Edges = Mapping[str, Mapping[str, set[str]]]


def check_windows(flow: CompiledFlow, spec: FlowSpec, edges: Edges, report: Report) -> None:
    """Report what would be said after the window has closed."""
    ages = _ages(flow, edges)
    for name, state in flow.states.items():
        for timer in state.timers:
            silent = _silence(ages[name], timer)
            if silent < LIMIT:
                continue
            path = _place(name, timer)
            if timer.trigger is None:
                if timer.instead is None:
                    _too_late(report, path, "what it says", silent)
                continue
            for target in sorted(_spoken(flow, edges, edges.get(name, {}).get(timer.trigger, ()))):
                _too_late(report, path, f"what state '{target}' says", silent)
                break
        for event in spec.states[name].events if name in spec.states else ():
            targets = edges.get(name, {}).get(f"event:{event}", ())
            for target in sorted(_spoken(flow, edges, targets)):
                report(("states", target), f"State '{target}' may speak long after the person has: event `{event}` "
                       "leads to it, and outside of WhatsApp's 24 hours its words would be held back.",
                       severity="warning", code="window", hint="Give it `template:` for then.")  # fmt: skip


def _too_late(report: Report, path: Path, what: str, silent: timedelta) -> None:
    hours = "24 hours or more" if silent >= SERVICE_WINDOW else "nearly 24 hours"
    report(path, f"This timer fires when the person has been silent for {hours}: WhatsApp takes no free text then, so "
           f"{what} would be held back.", code="window",
           hint="Let it fire within 23h55m of their last message, or say it with `template:`.")  # fmt: skip


def _place(name: str, timer: Timer) -> Path:
    kind, _, place = timer.name.partition(":")
    return ("states", name, "no_input", int(place)) if kind == "no_input" else ("states", name, "after", timer.name)


def _silence(entered: timedelta, timer: Timer) -> timedelta:
    """How long the person has been silent when a timer fires; `no_input` counts from their last word."""
    return max(entered, timer.delay) if timer.silence else entered + timer.delay


def _ages(flow: CompiledFlow, edges: Edges) -> dict[str, timedelta]:
    """How long the person may have been silent when a state is entered, at most."""
    ages = dict.fromkeys((START, *flow.states), timedelta(0))
    changes = dict.fromkeys(ages, 0)
    todo = list(flow.states)
    while todo:
        name = todo.pop()
        for target, age in _onward(flow.states[name], ages[name], edges.get(name, {})):
            if age > ages[target] and ages[target] < SERVICE_WINDOW:
                changes[target] += 1
                ages[target] = SERVICE_WINDOW if changes[target] > _ROUNDS else min(age, SERVICE_WINDOW)
                todo.append(target)
    return ages


def _onward(state: CompiledState, age: timedelta, ways: Mapping[str, set[str]]) -> Iterator[tuple[str, timedelta]]:
    """Where a run goes without the person saying anything, and how old their silence is then."""
    for timer in state.timers:
        for target in ways.get(timer.trigger or "", ()):
            yield target, _silence(age, timer)
    for trigger in _AT_ONCE if isinstance(state.plan[-1], Go) else ():
        for target in ways.get(trigger, ()):
            yield target, age


def _spoken(flow: CompiledFlow, edges: Edges, targets: "set[str] | tuple[()]") -> set[str]:
    """The states, from these on and without anybody saying anything, that say something no template stands for."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = list(targets)
    while todo:
        name = todo.pop()
        if name in seen or name not in flow.states:
            continue
        seen.add(name)
        state = flow.states[name]
        if any(_speaks(op) for op in state.plan):
            found.add(name)
        if isinstance(state.plan[-1], Go):
            todo += [one for trigger in _AT_ONCE for one in edges.get(name, {}).get(trigger, ())]
    return found


def _speaks(op: object) -> bool:
    match op:
        case Say(instead=instead) | Post(instead=instead):
            return instead is None
        case HandOver(block=block):
            return block is not None
        case Ask() | Form():
            return True
        case End():
            return False
    return False
