"""What the content folder would do to the runs there are: computed from the database, changes nothing."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bot.authoring.content import Content
from bot.core.compiled import CompiledFlow, Migration
from bot.core.cursor import START
from bot.core.errors import ContentError, ContentErrors, FlowError, Mark
from bot.core.migrating import fate_of
from bot.core.report import did_you_mean
from storage.base import LiveState

Outcome = Literal["kept", "renamed", "migrated", "moved", "ended", "orphaned", "lost"]
"""`kept`, `renamed`: in the state of that name. `migrated`: so, with other values. `moved`: where `orphans:` says.
`ended`: over. `orphaned`: the state is gone, and nobody said where to. `lost`: the version is gone altogether."""

STRANDED = frozenset({"orphaned", "lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePlan:
    """What happens to the runs in one state of one version.

    Attributes:
        live: Which, and how many.
        outcome: What happens to them.
        version: The version they go on in; None when they do not.
        state: The state they go on in.
        slots: Slots that are computed anew on the way.
        drop: Slots and results that are forgotten.
        hint: For those that are stranded: what to do.
    """

    live: LiveState
    outcome: Outcome
    version: int | None = None
    state: str | None = None
    slots: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    hint: str = ""


def plan(content: Content, stored: Collection[tuple[str, int]], live: Iterable[LiveState]) -> list[StatePlan]:
    """Compare the content with where people are.

    Args:
        content: What is to be deployed.
        stored: The versions that are kept in the database.
        live: Where runs are.
    """
    return [_plan(content, stored, one) for one in live if one.state != START]


def _plan(content: Content, stored: Collection[tuple[str, int]], live: LiveState) -> StatePlan:
    newest = content.book.latest.get(live.flow)
    migration = newest.migrations.get(live.version) if newest is not None else None
    if newest is not None and migration is not None:
        return _migrated(live, newest, migration)
    same = content.book.flow(live.flow, live.version)
    if same is not None:
        if fate_of(live.state, same).kind == "orphaned":
            return StatePlan(live=live, outcome="orphaned", hint=_remedy(live, same))
        return StatePlan(live=live, outcome="kept", version=live.version, state=live.state)
    if (live.flow, live.version) in stored:
        return StatePlan(live=live, outcome="kept", version=live.version, state=live.state)
    return StatePlan(
        live=live, outcome="lost",
        hint=f"Version {live.version} is neither in the content folder nor in the database: bring its file back.",
    )  # fmt: skip


def _migrated(live: LiveState, flow: CompiledFlow, migration: Migration) -> StatePlan:
    fate = fate_of(live.state, flow, migration)
    slots, drop = tuple(migration.slots), tuple(sorted(migration.drop))
    match fate.kind:
        case "orphaned":
            return StatePlan(live=live, outcome="orphaned", hint=_remedy(live, flow, migration))
        case "ended":
            return StatePlan(live=live, outcome="ended")
        case "kept" if slots or drop:
            outcome: Outcome = "migrated"
        case kind:
            outcome = kind
    return StatePlan(live=live, outcome=outcome, version=flow.version, state=fate.state, slots=slots, drop=drop)


def _remedy(live: LiveState, flow: CompiledFlow, migration: Migration | None = None) -> str:
    """What to do about runs whose state is gone, and which `migration`, if any, forgot."""
    near = did_you_mean(live.state, flow.states)
    told = f" {near}" if near.startswith("Did") else ""
    if migration is not None:
        name = live.state
        meant = did_you_mean(name, migration.states)
        if meant.startswith("Did"):
            return f"`states:` of the migration from {live.version} does not name `{name}`. {meant}"
        return f"Say where they go: `states: {{{name}: …}}` or `orphans:` in the migration from {live.version}.{told}"
    return f"Raise `version:` or declare `migrations:`, or bring the state back.{told}"


def refuse_stranded(content: Content, plans: Iterable[StatePlan]) -> None:
    """Refuse content that would leave runs in states that are gone.

    Raises:
        ContentErrors: Names every such state, and what to do.
    """
    errors = list(_errors(content, plans))
    if errors:
        raise ContentErrors(errors)


def _errors(content: Content, plans: Iterable[StatePlan]) -> Iterator[ContentError]:
    for one in plans:
        live = one.live
        if one.outcome != "orphaned":
            continue
        newest = content.book.latest[live.flow]
        in_place = live.version not in newest.migrations
        source = content.sources.get((live.flow, live.version if in_place else newest.version))
        what = "does not have any more" if in_place else f"does not have in version {newest.version}"
        yield FlowError(
            f"{runs(live.runs)} in state `{live.state}` of version {live.version}, which flow `{live.flow}` {what}.",
            at=Mark(source.path, 1, 1) if source is not None else None,
            hint=one.hint,
        )


def runs(count: int) -> str:
    """So many runs, at the beginning of a sentence."""
    return "1 run is" if count == 1 else f"{count} runs are"
