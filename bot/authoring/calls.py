"""What the linter proves about flows that start and call others: it needs all flows at once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bot.authoring.circles import circles
from bot.authoring.examples import check_groups
from bot.authoring.guards import check_outcomes
from bot.authoring.reader import Document
from bot.authoring.silences import Silences
from bot.authoring.succession import check_migrations
from bot.authoring.windows import Windows
from bot.core.book import ANY
from bot.core.calling import NOT_DONE
from bot.core.expanding import CORRECT, branches_of
from bot.core.flow import FlowSpec, StateSpec
from bot.core.intents import IntentSpec
from bot.core.report import Path, Report, did_you_mean

_OUTCOMES = NOT_DONE | {"handed_off", "left", "migrated", "refused", "restarted"}
"""How any run may end, whatever its states say."""


class Written(Protocol):
    """A flow file: what its states are once expanded, and where they stand."""

    @property
    def document(self) -> Document:
        """The file."""

    @property
    def report(self) -> Report:
        """Knows where states stand."""

    @property
    def spec(self) -> FlowSpec:
        """The flow."""


def check_across(
    files: Sequence[Written],
    intents: Mapping[str, Mapping[str, IntentSpec]],
    unreadable: Collection[str],
    *,
    all_intents: bool = True,
) -> Iterator[tuple[Document, Report]]:
    """What only all flows together show, for each file.

    Args:
        files: All flow files that could be read.
        intents: By role.
        unreadable: Flows that are there, with mistakes for which they could not be read.
        all_intents: Whether every intents file could be read; else nobody knows which intent is missing.
    """
    starts: dict[tuple[str, str], str] = {}
    flows = newest(file.spec for file in files)
    versions = {(file.spec.flow, file.spec.version): file.spec for file in files}
    passing = _passing(flows)
    around = _around(flows, passing)
    windows = Windows(flows)
    silences = Silences(flows)
    for file in files:
        report = Report(places=file.report.places)
        _check_starts(file.spec, intents, starts, report, all_intents=all_intents)
        check_migrations(file.spec, versions, report)
        check_calls(file.spec, flows, report, unreadable)
        if file.spec is flows[file.spec.flow] and (circle := around.get(file.spec.flow)):
            state = next(name for name in _at_once(file.spec, passing) if file.spec.states[name].call == circle[1])
            report(("states", state, "call"), "These flows call each other without waiting for anybody: "
                   f"{' → '.join(circle)}.", code="loop", hint="Ask or wait before one of these calls.")  # fmt: skip
        _check_circles(file.spec, flows, passing, report)
        if file.spec is flows[file.spec.flow]:
            windows.check(file.spec, report)
            silences.check(file.spec, report)
        yield file.document, report


def _check_starts(
    spec: FlowSpec,
    intents: Mapping[str, Mapping[str, IntentSpec]],
    starts: dict[tuple[str, str], str],
    report: Report,
    *,
    all_intents: bool,
) -> None:
    """What starts a flow exists, and starts no other."""
    for place, intent in enumerate(spec.start.intents):
        path: Path = ("start", "intents", place)
        for role in spec.roles:
            mistyped = role not in intents and "mean" in did_you_mean(role, intents)  # said where the role stands
            if all_intents and not mistyped and intent not in {**intents.get(ANY, {}), **intents.get(role, {})}:
                near = did_you_mean(intent, intents.get(role, {}))
                report(path, f"Role `{role}` has no intent `{intent}`.", code="unknown",
                       hint=near or f"Write it, in intents/{role}.yaml.")  # fmt: skip
            check_groups(spec, intents.get(role, {}).get(intent), path, report)
            other = starts.setdefault((role, intent), spec.flow)
            if other != spec.flow:
                report(path, f"Intent `{intent}` starts flow `{other}` already, for role `{role}`.",
                       hint="One intent starts one flow.", code="duplicate")  # fmt: skip
    begun: list[tuple[Path, str, str, str]] = [
        *((("start", "events", event), "Event", event, "starts") for event in spec.start.events),
        *((("start", "universals", place), "Word", word, "starts") for place, word in enumerate(spec.start.universals)),
        *((("commands", source), "Command", _verb(source), "is one of") for source in spec.commands),
    ]
    for path, what, name, does in begun:
        for role in spec.roles:
            other = starts.setdefault((role, f"{what} {name}"), spec.flow)
            if other != spec.flow:
                report(path, f"{what} `{name}` {does} flow `{other}` already, for role `{role}`.", code="duplicate",
                       hint=f"One {what.lower()} belongs to one flow.")  # fmt: skip


def _verb(command: str) -> str:
    """The words of a command before its arguments."""
    return " ".join(command.partition("{")[0].split()).upper()


def _around(flows: Mapping[str, FlowSpec], passing: Collection[str]) -> dict[str, list[str]]:
    """The circles of flows that call each other at once, each under its first name."""
    called = {
        name: [
            call for state in _at_once(spec, passing) if (call := spec.states[state].call) is not None and call in flows
        ]
        for name, spec in flows.items()
    }
    return {circle[0]: circle for circle in circles(called)}


def _check_circles(spec: FlowSpec, flows: Mapping[str, FlowSpec], passing: Collection[str], report: Report) -> None:
    """No circle of states leads through flows that wait for nobody; circles without calls are found beforehand."""
    onward = {name: _onward(spec, name, passing) for name in spec.states}
    for circle in circles(onward):
        calls = [(name, call) for name in circle if (call := spec.states[name].call)]
        if calls:
            calling, called = calls[0]
            ever = any(_waits(state) for _, call in calls for state in flows[call].states.values())
            report(("states", calling, "call"), f"These states go round, and `{called}` "
                   f"{'can end' if ever else 'ends'} without waiting for anybody: {' → '.join(circle)}.",
                   severity="warning" if ever else "error", code="loop",
                   hint="Ask or wait in one of them, or in the flow that is called.")  # fmt: skip


def _passing(flows: Mapping[str, FlowSpec]) -> set[str]:
    """The flows that can come to their end without waiting for anybody, perhaps through others that can."""
    passing: set[str] = set()
    while fresh := {
        name
        for name, spec in flows.items()
        if name not in passing and any(spec.states[state].end for state in _at_once(spec, passing))
    }:
        passing |= fresh
    return passing


def _at_once(spec: FlowSpec, passing: Collection[str]) -> list[str]:
    """The states a run comes to without anybody being waited for, as far as the guards are not looked at."""
    first = next(iter(spec.states))
    found, todo = [first], [first]
    while todo:
        fresh = [name for name in _onward(spec, todo.pop(), passing) if name not in found]
        found += fresh
        todo += fresh
    return found


def _waits(state: StateSpec) -> bool:
    """Whether somebody is waited for in a state, if only by a flow that it calls."""
    return bool(state.ask or state.form or state.call or state.handoff)


def _onward(spec: FlowSpec, name: str, passing: Collection[str]) -> list[str]:
    """Where a state leads without anybody being waited for."""
    state = spec.states[name]
    if state.end or (state.call not in passing if state.call else _waits(state)):
        return []
    ways = (branches for place, branches in branches_of(state) if place[0] in {"next", "error"})
    return list(dict.fromkeys(one.to for branches in ways for one in branches if one.to in spec.states))


def check_calls(
    spec: FlowSpec, flows: Mapping[str, FlowSpec], report: Report, unreadable: Collection[str] = ()
) -> None:
    """Every called flow exists, may be called, and gets what it takes.

    Args:
        spec: The calling flow, expanded.
        flows: The newest version of every flow, by name.
        report: Takes mistakes.
        unreadable: Flows that are there, though not among these.
    """
    for name, state in spec.states.items():
        if state.call is None or state.call == CORRECT:
            continue
        path: Path = ("states", name)
        called = flows.get(state.call)
        if called is None and state.call in unreadable:
            continue
        if called is None:
            report.unknown((*path, "call"), "flow", state.call, flows)
            continue
        _may_call(spec, called, (*path, "call"), report)
        _inputs(spec, state, called, path, report)
        ends = {one.end for one in called.states.values() if one.end is not None}
        check_outcomes(state, path, ends | _OUTCOMES, report)


def _may_call(spec: FlowSpec, called: FlowSpec, path: Path, report: Report) -> None:
    if called.instance is not None:
        report(path, f"Flow `{called.flow}` belongs to a business object and cannot be called.",
               hint="Lead there with a command or an intent.")  # fmt: skip
    lacking = [role for role in spec.roles if role not in called.roles and ANY not in called.roles]
    if lacking:
        report(path, f"Role `{lacking[0]}` may not walk flow `{called.flow}`.", code="permission",
               hint=f"Add it to `role:` there, or write `role: {ANY}`.")  # fmt: skip


def _inputs(spec: FlowSpec, state: StateSpec, called: FlowSpec, path: Path, report: Report) -> None:
    known = {written.removesuffix("?"): not written.endswith("?") for written in called.inputs}
    given = state.arguments or {}
    for name, value in given.items():
        where = (*path, "with", name)
        if name not in known:
            hint = did_you_mean(name, known) or f"Declare it there: `inputs: [{name}]`."
            report(where, f"Flow `{called.flow}` takes no `{name}`.", code="arguments", hint=hint)
        elif name in called.slots and isinstance(value, str):
            own = spec.slots.get(value.removeprefix("{{").removesuffix("}}").strip())
            if value.startswith("{{") and own is not None and own.type != called.slots[name].type:
                report(where, f"`{name}` of flow `{called.flow}` is of type {called.slots[name].type}, "
                       f"not {own.type}.", code="arguments", hint="Give it a value of that type.")  # fmt: skip
    missing = [name for name, required in known.items() if required and name not in given]
    if missing:
        report((*path, "call"), f"Flow `{called.flow}` needs `{'`, `'.join(missing)}`.", code="arguments",
               hint="Add it to `with:`.")  # fmt: skip


def newest(specs: Iterable[FlowSpec]) -> dict[str, FlowSpec]:
    """The highest version of every flow."""
    found: dict[str, FlowSpec] = {}
    for spec in sorted(specs, key=lambda one: (one.flow, one.version)):
        found[spec.flow] = spec
    return found
