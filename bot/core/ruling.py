"""Rules across slots: which values may not be together, and what is said and forgotten then."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.core.sandbox import Value

if TYPE_CHECKING:
    from bot.core.cursor import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When `condition` holds, `say` a block and `forget` slots, which are then asked for again.

    `names` are the slots it reads: it is tried when all of them have a value.
    """

    condition: Value
    source: str
    names: frozenset[str]
    say: str
    forget: tuple[str, ...]


def broken_rule(cursor: "Cursor", rules: Sequence[Rule], changed: Iterable[str] | None = None) -> Rule | None:
    """The first rule that the values break; with `changed`, among those that read one of these slots."""
    touched = None if changed is None else set(changed)
    for rule in rules:
        if touched is not None and touched.isdisjoint(rule.names):
            continue
        if any(cursor.slots.get(name) is None for name in rule.names):
            continue
        broken = bool(cursor.evaluate(rule.condition, "`rules:`"))
        cursor.turn.note("guard", condition=rule.source, value=broken, rule=rule.say)
        if broken:
            return rule
    return None
