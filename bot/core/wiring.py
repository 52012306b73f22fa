"""The transitions of a flow, as they are found, and what happens on the way: guards, reasons, traces, timers.

Callbacks are closures made here, never strings: `transitions` would resolve an author's string by import path.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from transitions import EventData
from transitions.core import Transition

from bot.core.compiled import Check, Way
from bot.core.cursor import Cursor
from bot.core.expressions import Expressions
from bot.core.flow import Branch
from bot.core.report import Path, Report
from bot.core.sandbox import Value


@dataclass(slots=True)
class Wiring:
    """The ways found so far. `known` are the flow's states; anything else is reported, with its place."""

    known: frozenset[str]
    report: Report
    expressions: Expressions
    ways: list[Way] = field(default_factory=list)
    _by_source: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

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

    def destinations(self, trigger: str, source: str) -> list[str]:
        """Where an event leads from a state, guards aside; not for the ways back to a question."""
        return list(self._by_source.get((trigger, source), ()))

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
        """One way, a transition from each source."""
        if to not in self.known:
            self.report.unknown(path, "state", to, self.known)
            return
        conditions: list[Check] = []
        if condition is not None:
            guard = self.expressions.condition(condition, (*path, "if"))
            conditions = [_guard(guard, str(condition))]
        before = [_because(reason)] if reason else []
        way = Way(trigger=trigger, sources=tuple(sources), dest=to, conditions=tuple(conditions), before=tuple(before))
        self.ways.append(way)
        if not trigger.startswith("back:"):
            for source in way.sources:
                self._by_source[trigger, source].append(to)


def _moving(event: EventData) -> Cursor:
    """The model of a machine event, which `transitions` types as an object."""
    return cast("Cursor", event.model)


def _edge(event: EventData) -> Transition:
    """The transition under way."""
    return cast("Transition", event.transition)


def _guard(value: Value, source: str) -> Check:
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


def note(event: EventData) -> None:
    """Trace every transition."""
    edge = _edge(event)
    _moving(event).turn.note("transition", event=event.event.name, source=edge.source, to=edge.dest)


def stop_timers(event: EventData) -> None:
    """Leaving a state with timers: those that were started become late."""
    cursor = _moving(event)
    if cursor.came_from == _edge(event).source:  # else passed through within this step: none were started
        cursor.stops_timers = True


def take_back(event: EventData) -> None:
    """Leaving a handoff: the bot talks again, unless the next state hands over too."""
    _moving(event).turn.owner = "bot"


def proceed(cursor: Cursor, step: int = 0) -> None:
    """Run the plan of the cursor's state from `step` on, until something waits, ends or leads on."""
    plan = cursor.flow.states[cursor.state].plan
    while plan[step].run(cursor, step):
        step += 1


def enter(event: EventData) -> None:
    """`on_enter` of every state."""
    cursor = _moving(event)
    cursor.enter()
    proceed(cursor)
