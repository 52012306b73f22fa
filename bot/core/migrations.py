"""The `migrations:` of a flow, checked and compiled. What they do to a run is told in `bot.core.migrating`."""

from collections.abc import Mapping

from bot.core.compiled import ENDS, Migration
from bot.core.flow import FlowSpec, MigrationSpec
from bot.core.report import Path, Report
from bot.core.sandbox import ExpressionError, Value
from bot.core.slots import AnySlot


def compile_migrations(spec: FlowSpec, slots: Mapping[str, AnySlot], report: Report) -> dict[int, Migration]:
    """The migrations of a flow, by the version they lead from.

    A migration always leads to this version, from a lower one; so none leads to another, and there are no circles.

    Args:
        spec: The flow, expanded.
        slots: Its slots.
        report: Takes mistakes.
    """
    found: dict[int, Migration] = {}
    for place, one in enumerate(spec.migrations):
        path: Path = ("migrations", place)
        if one.origin >= spec.version:
            report((*path, "from"), f"Version {one.origin} is not older than this one, which is {spec.version}.",
                   hint="Raise `version:`.")  # fmt: skip
        if one.origin in found:
            report((*path, "from"), f"There are two migrations from version {one.origin}.", hint="Make them one.")
        found[one.origin] = _compile(one, spec, slots, path, report)
    return found


def _compile(one: MigrationSpec, spec: FlowSpec, slots: Mapping[str, AnySlot], path: Path, report: Report) -> Migration:
    for old, new in one.states.items():
        if new not in spec.states:
            report.unknown((*path, "states", old), "state", new, spec.states)
    if one.orphans is not None and one.orphans != ENDS and one.orphans not in spec.states:
        report.unknown((*path, "orphans"), "state", one.orphans, [*spec.states, ENDS])
    values: dict[str, Value] = {}
    for name, source in one.slots.items():
        here = (*path, "slots", name)
        if name not in slots:
            report.unknown(here, "slot", name, slots)
        try:
            values[name] = Value(source)  # the names in it are the old version's, which is not at hand
        except ExpressionError as mistake:
            report.wrong(here, mistake)
    return Migration(origin=one.origin, states=one.states, slots=values, drop=frozenset(one.drop), orphans=one.orphans)
