"""What the linter proves about flows that call others: it needs all flows at once."""

from collections.abc import Iterable, Mapping

from bot.core.book import ANY
from bot.core.expanding import CORRECT
from bot.core.flow import FlowSpec, StateSpec
from bot.core.report import Path, Report, did_you_mean


def check_calls(spec: FlowSpec, flows: Mapping[str, FlowSpec], report: Report) -> None:
    """Every called flow exists, may be called, and gets what it takes.

    Args:
        spec: The calling flow, expanded.
        flows: The newest version of every flow, by name.
        report: Takes mistakes.
    """
    for name, state in spec.states.items():
        if state.call is None or state.call == CORRECT:
            continue
        path: Path = ("states", name)
        called = flows.get(state.call)
        if called is None:
            report.unknown((*path, "call"), "flow", state.call, flows)
            continue
        _may_call(spec, called, (*path, "call"), report)
        _inputs(spec, state, called, path, report)


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
