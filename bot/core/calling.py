"""Calling another flow: what goes in, what comes back, and what becomes of the caller.

The called run lies on top of its caller, which waits in the state that called. When the called run ends, its outcome
and outputs are `result` there, and the caller goes on with `next`. A called run whose caller has moved on meanwhile (a
timer, the business) is taken off. Pushing and taking off is the business of `bot.core.stack`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.cursor import Cursor
from bot.core.sandbox import RAISES, Value
from bot.core.slots import DecimalReader, IntegerReader

MAX_CALLS = 10
"""How deep flows may call each other."""
NOT_DONE = frozenset({"failed", "cancelled", "lost", "not_understood", "too_deep"})
"""Outcomes after which a caller that does not ask about the outcome ends in the same way: the called flow did not do
what it was called for, and going on would pretend it had."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "text": str, "integer": int, "date": (str, dict), "choice": str, "ref": dict, "decimal": (int, float), "time": str,
    "duration": dict, "phone": str, "email": str, "media": (dict, list), "location": dict, "money": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Start another flow, and wait until it ends. `asks_outcome`: the branches look at what became of it."""

    flow: str
    arguments: Mapping[str, Value]
    save: str | None
    asks_outcome: bool

    def run(self, cursor: Cursor, step: int) -> bool:
        """Ask for the flow to be started; the stack does it."""
        cursor.job = None
        cursor.reask = None
        cursor.turn.text = None
        what = f"`call: {self.flow}`"
        cursor.calling = self.flow, {name: cursor.evaluate(value, what) for name, value in self.arguments.items()}
        cursor.new_question(None)
        cursor.wait()
        return False

    def returned(self, cursor: Cursor, outcome: str, outputs: Mapping[str, Any]) -> None:
        """Go on with what the called flow leaves."""
        result = {"outcome": outcome, **outputs}
        cursor.extra["result"] = result
        if self.save is not None:
            cursor.data[self.save] = result
        if outcome in NOT_DONE and cursor.flow.can("error", cursor.state):
            cursor.extra["error"] = {"code": outcome, "message": ""}
            cursor.trigger = "error"
        elif outcome in NOT_DONE and not self.asks_outcome:
            cursor.end_run(outcome)
        else:
            cursor.trigger = "next"


def take_inputs(cursor: Cursor, values: Mapping[str, Any]) -> None:
    """Fill a called run's slots with what the caller gives. What is none, or will not do, is left to be asked."""
    for name, value in values.items():
        slot = cursor.flow.slots.get(name)
        if slot is None or value is None:
            continue
        kind: Any = _KINDS.get(slot.type, object)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            cursor.turn.note("error", slot=name, error=f"`{name}` was called with a value of another kind")
        elif isinstance(slot, IntegerReader | DecimalReader) and (reason := slot.why_not(value)):
            cursor.turn.note("ignore", why=f"`{name}` was called with a value that is {reason}", slot=name)
        else:
            cursor.slots[name] = value


def outputs_of(cursor: Cursor) -> dict[str, Any]:
    """What an ended run gives back; None for what it has not found out."""
    found: dict[str, Any] = {}
    for name, value in cursor.flow.outputs.items():
        try:
            found[name] = value(cursor.variables())
        except RAISES:
            found[name] = None
    return found
