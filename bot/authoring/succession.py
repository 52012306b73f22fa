"""That migrations name what the older version has: its states, its slots and results.

Often that version is in the database only; then no more than the names everybody knows can be checked here, and
`bot plan`, which looks there, finds states that were forgotten.
"""

from collections.abc import Mapping

from bot.core.expressions import unknown_of_contact
from bot.core.flow import FlowSpec, MigrationSpec
from bot.core.planning import kept_names
from bot.core.report import Path, Report, did_you_mean, one_of
from bot.core.sandbox import CONTACT_FIELDS, ExpressionError, Value

_ALWAYS = frozenset({"contact", "role", "today", "run"})
"""What `slots:` may read whatever the older version was."""


def check_migrations(spec: FlowSpec, versions: Mapping[tuple[str, int], FlowSpec], report: Report) -> None:
    """What a flow's migrations read is there.

    Args:
        spec: The flow.
        versions: All versions that have files, by flow and number.
        report: Takes what is missing.
    """
    for place, one in enumerate(spec.migrations):
        path: Path = ("migrations", place)
        older = versions.get((spec.flow, one.origin))
        if older is not None:
            _check_names(one, older, path, report)
        for name, source in one.slots.items():
            here = (*path, "slots", name)
            for read in _names(source):
                _check_read(read, older, one.origin, here, report)
            for field in unknown_of_contact(source) if isinstance(source, str) else ():
                near = did_you_mean(field, CONTACT_FIELDS) or one_of(sorted(CONTACT_FIELDS))
                report(here, f"A contact has no `{field}`.", hint=near, code="unknown")


def _check_names(one: MigrationSpec, older: FlowSpec, path: Path, report: Report) -> None:
    for state in one.states:
        if state not in older.states:
            report.unknown((*path, "states", state), f"state in version {one.origin}", state, older.states)
    known = set(older.slots) | kept_names(older)
    for place, name in enumerate(one.drop):
        if name not in known:
            report.unknown((*path, "drop", place), f"slot or result in version {one.origin}", name, known)


def _check_read(name: str, older: FlowSpec | None, origin: int, path: Path, report: Report) -> None:
    if older is not None:
        known = set(older.slots) | kept_names(older) | _ALWAYS
        if name not in known:
            report.unknown(path, f"slot or result in version {origin}", name, known)
    elif name not in _ALWAYS and (near := did_you_mean(name, _ALWAYS)).startswith("Did"):
        report(path, f"Version {origin} is not here, and `{name}` may be mistyped.", hint=near, severity="warning",
               code="unknown")  # fmt: skip


def _names(source: object) -> list[str]:
    try:
        return sorted(Value(source).names)
    except ExpressionError:  # the compiler has said so
        return []
