"""What a new version of a flow does to the runs of an older one.

Theory of operation
-------------------
A run stays on the version it began with, unless the newest version of its flow declares a migration from there. Then,
when the next event comes to its conversation, the run is brought over before anything else is made of that event:

- *Its state* is the one that `states:` names, else the one of the same name. Where there is neither, `orphans:` says
  what becomes of it; where that is missing too, the run stays where it is (and a deploy is refused beforehand).
- *Its values* are those of the slots that the new version has, as far as they fit, and what `slots:` computes.
- *Its epoch* grows, so that buttons and timers of the old version are late; the new state's timers are started, counted
  from when the open question was put. A timer that would be overdue is not: nobody was promised it.
- Where the question is still the open one, it is not put again: what the person writes is the answer to it. Where it is
  another (an orphan, a slot that is not asked for any more), the state is entered, and the message that came is over:
  it answered a question that has gone. That needs the person's attention, so it waits until the run is on top and no
  colleague has taken over.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from bot.core.compiled import ENDS, CompiledFlow, CompiledState, Migration
from bot.core.conversation import Frame
from bot.core.cursor import START, Cursor, Turn
from bot.core.effects import CancelTimers, MoveRun
from bot.core.entities import extract
from bot.core.sandbox import RAISES
from bot.core.slots import AnySlot, Filled, Heard
from bot.core.waiting import due, start

Kind = Literal["kept", "renamed", "moved", "ended", "orphaned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Where a run in a state of an older version goes. `state` is None for runs that end or have nowhere to go."""

    kind: Kind
    state: str | None = None


def fate_of(state: str, flow: CompiledFlow, migration: Migration | None = None) -> Fate:
    """What becomes of runs in a state.

    Args:
        state: Its name in the older version.
        flow: The newer version, or the same one with other states.
        migration: What was declared.
    """
    wanted = migration.states.get(state, state) if migration is not None else state
    if wanted in flow.states:
        return Fate(kind="kept" if wanted == state else "renamed", state=wanted)
    if migration is None or migration.orphans is None:
        return Fate(kind="orphaned")
    if migration.orphans == ENDS:
        return Fate(kind="ended")
    return Fate(kind="moved", state=migration.orphans)


def migration_for(frame: Frame, newest: CompiledFlow | None) -> Migration | None:
    """The migration that brings a run into the newest version of its flow, if there is one and it may be moved now."""
    if newest is None or newest.version == frame.version or frame.pending is not None or frame.state == START:
        return None
    return newest.migrations.get(frame.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A run that is to be brought over: `old` is the version it is in, None when that is gone."""

    turn: Turn
    frame: Frame
    flow: CompiledFlow
    old: CompiledFlow | None
    migration: Migration


def bring_over(move: Move, fired: str | None = None) -> Cursor | None:
    """The run in the new version, with its open question unchanged; None when its state has to be entered.

    Args:
        move: Which run, and how.
        fired: Name of the run's timer that is being fired in this very turn, which is not to be started anew.
    """
    turn, flow, frame, migration = move.turn, move.flow, move.frame, move.migration
    fate = fate_of(frame.state, flow, migration)
    if fate.state is None or fate.kind == "moved":
        return None
    called = any(one.caller == frame.run and one.caller_epoch == frame.epoch for one in turn.frames)
    if not _same_question(flow.states[fate.state], frame, called=called):
        return None
    cursor = _moved(move, fate.state)
    cursor.epoch += 1
    state = flow.states[cursor.state]
    timers = [timer for timer in state.timers if timer.name != fired]
    turn.effects.append(CancelTimers(run=cursor.run, epoch=cursor.epoch))
    start(cursor, [timer for timer in timers if (at := due(cursor, timer)) is not None and at > turn.at])
    return cursor


def enter_anew(move: Move) -> Cursor | None:
    """The run in the new version, about to enter its state there; None when it ends or has nowhere to go."""
    fate = fate_of(move.frame.state, move.flow, move.migration)
    if fate.state is None:
        return None
    cursor = _moved(move, fate.state)
    cursor.asking, cursor.offers, cursor.confirming = None, (), None
    move.turn.effects.append(CancelTimers(run=cursor.run))
    return cursor


def _same_question(state: CompiledState, frame: Frame, *, called: bool) -> bool:
    """Whether what the person was asked last is still what the state asks."""
    if state.question is None:
        return called if state.call is not None else state.parks or state.hands_over
    asks = getattr(state.question, "slots", None)  # only a form asks for one slot after the other
    if asks is None:
        return frame.asking is None
    return frame.asking in asks


def _moved(move: Move, state: str) -> Cursor:
    """The run taken apart, in the new version's state and with its values there."""
    turn, flow, frame, migration = move.turn, move.flow, move.frame, move.migration
    slots, data = _values(move)
    trail = tuple(place for place in (_place(one, migration) for one in frame.trail) if _known(place, flow))
    cursor = Cursor(turn, flow, replace(frame, state=state, slots=slots, data=data, trail=trail))
    turn.effects.append(
        MoveRun(run=frame.run, flow=flow.name, version=flow.version, role=frame.role, started_at=frame.started_at)
    )
    turn.note(
        "route", rule="migrated", flow=flow.name, run=frame.run, version=[frame.version, flow.version],
        state=[frame.state, state],
    )  # fmt: skip
    return cursor


def _place(place: str, migration: Migration) -> str:
    """A place of the trail ("details#month") as the new version calls it."""
    state, mark, slot = place.partition("#")
    return f"{migration.states.get(state, state)}{mark}{slot}"


def _known(place: str, flow: CompiledFlow) -> bool:
    state, _, slot = place.partition("#")
    return state in flow.states and (not slot or slot in flow.slots)


# --- Values -----------------------------------------------------------------------------------------------------------


def _values(move: Move) -> tuple[dict[str, Any], dict[str, Any]]:
    """Slots and results in the new version. What does not fit is left out, to be asked for again."""
    turn, flow, frame, migration = move.turn, move.flow, move.frame, move.migration
    variables = _variables(move)
    computed: dict[str, Any] = {}
    for name, value in migration.slots.items():
        try:
            computed[name] = value(variables)
        except RAISES as error:
            turn.note("error", migration=name, error=str(error)[:300])
    carried = {name: value for name, value in frame.slots.items() if name not in migration.drop | set(computed)}
    found: dict[str, Any] = {}
    for name, value in {**carried, **computed}.items():
        slot = flow.slots.get(name)
        if slot is None or value is None:
            continue
        same = name in carried and (move.old is None or _type(move.old, name) == slot.type)
        fitting = value if same else _fitting(slot, value, turn)
        if fitting is not None:
            found[name] = fitting
        else:
            turn.note("error", migration=name, error="the value does not fit the slot")
    return found, {name: value for name, value in frame.data.items() if name not in migration.drop}


def _type(flow: CompiledFlow, slot: str) -> str | None:
    return flow.slots[slot].type if slot in flow.slots else None


def _variables(move: Move) -> dict[str, Any]:
    """What `slots:` may read: everything the old run knew, as it is stored."""
    frame = move.frame
    return {
        **move.flow.unset,
        **(move.old.unset if move.old is not None else {}),
        **frame.slots,
        **frame.data,
        "contact": move.turn.contact,
        "role": frame.role,
        "today": move.turn.today.isoformat(),
        "run": {"id": frame.run, "epoch": frame.epoch, "instance": frame.instance},
    }


_SHAPES: dict[str, type] = {"integer": int, "ref": dict, "location": dict, "money": dict}


def _fitting(slot: AnySlot, value: Any, turn: Turn) -> Any:
    """The value as the slot stores it, or None. Words are read as the person's answer would be."""
    if slot.type == "text":
        return str(value)
    if any(option.key == value for option in getattr(slot, "options", ())):
        return value
    if not isinstance(value, str):
        wanted = _SHAPES.get(slot.type, type(value))
        return value if isinstance(value, wanted) and not isinstance(value, bool) else None
    heard = Heard(value, extract(value, turn.today, turn.contact.language), turn.today, turn.contact.language)
    read = slot.read(heard, asked=True)
    if isinstance(read, Filled):
        return read.value
    return value if slot.type in {"date", "time"} and value[:2].isdecimal() else None
