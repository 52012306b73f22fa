"""What a flow's conditions look at may be: the values of each slot, the answers there are, the roles.

A domain names all its values where they are few; else it says which are possible, and some that are worth trying.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bot.core.book import ANY
from bot.core.flow import FlowSpec
from bot.core.slotspecs import ChoiceSlot, DateSlot, DecimalSlot, IntegerSlot, RefSlot, SlotBase, TextSlot, TimeSlot

_RECORDS = ("ref", "money", "media", "location", "duration")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What something may be. `told` says so to the author.

    Attributes:
        values: All there are; None when there are too many to name.
        also: Some more to try, besides those it is compared with.
        takes: Whether a value it is compared with is possible at all.
    """

    told: str = ""
    values: tuple[Any, ...] | None = None
    also: tuple[Any, ...] = ()
    takes: Callable[[Any], bool] = lambda _: True
    beside: Callable[[str], Iterable[str]] = lambda _: ()
    whole: bool = False
    names: tuple[str, ...] = ()


def domains_of(spec: FlowSpec) -> dict[str, Domain]:
    """What each slot of a flow may be, and what the framework adds: `answer`, `role`, `variant`."""
    domains = {name: _of_slot(name, slot) for name, slot in spec.slots.items()}
    asked = dict.fromkeys(key for state in spec.states.values() for key in state.choices or {})
    offered = any(isinstance(slot, RefSlot | ChoiceSlot) for slot in spec.slots.values())
    if not offered:
        domains["answer"] = one_of_these("answer", tuple(asked), unset=True)
    if ANY not in spec.roles:
        domains["role"] = one_of_these("role", tuple(spec.roles))
    inside = [key for one in spec.states.values() for key in one.variants or ()]
    variants = dict.fromkeys([*(spec.variants or ()), *inside])
    if variants:
        domains["variant"] = one_of_these("variant", tuple(variants), unset=True)
    return domains


def one_of_these(name: str, keys: tuple[str, ...], *, unset: bool = False) -> Domain:
    """What is one of these keys; or, when it may be `unset`, None."""
    told = f"`{name}` is " + (" or ".join(f"`{key}`" for key in keys) if keys else "never set here") + "."
    return Domain(told=told, values=(*keys, None) if unset else keys, names=keys)


def _of_slot(name: str, slot: SlotBase) -> Domain:
    match slot:
        case ChoiceSlot():
            return one_of_these(name, tuple(slot.choices), unset=True)
        case IntegerSlot(one_of=list() as known):
            return Domain(told=f"`{name}` is one of {', '.join(map(str, known))}.", values=(*known, None))
        case TextSlot(one_of=list() as known):
            return Domain(told=f"`{name}` is one of its `one_of:`.", values=(*known, None), names=tuple(known))
        case IntegerSlot() | DecimalSlot():
            return _number(name, slot)
        case DateSlot(range=False):
            length = 7 if slot.granularity == "month" else 10
            form = "2026-12" if slot.granularity == "month" else "2026-12-15"
            return Domain(
                told=f"`{name}` is written like `{form}`.",
                also=(None, "0001-01-01"[:length], "9998-12-28"[:length]),
                takes=lambda value: isinstance(value, str) and len(value) == length and _is_day(value),
                beside=lambda value: _days_beside(value, length),
            )
        case TimeSlot():
            low, high = slot.min or "00:00", slot.max or "23:59"
            return Domain(
                told=f"`{name}` is written like `15:30`, from {low} to {high}.",
                also=(None, low, high),
                takes=lambda value: isinstance(value, str) and bool(_CLOCK.fullmatch(value)) and low <= value <= high,
                beside=_minutes_beside,
            )
        case RefSlot():
            return Domain(
                told=f"`{name}` is a record: compare `{name}.name` or `{name}.id`.", values=(None, {"id": 1}),
            )  # fmt: skip
    if slot.type in _RECORDS:  # type: ignore[attr-defined]  # every slot has a type
        return Domain(told=f"`{name}` is a record, not a single value.", values=(None, {"some": "record"}))
    return Domain(
        told=f"`{name}` is text.",
        also=(None, "", "something else"),
        takes=lambda value: isinstance(value, str) or value is None,
    )


def _is_day(value: str) -> bool:
    """Whether there is such a day, or month."""
    try:
        return bool(date.fromisoformat(value if len(value) > len("2026-12") else f"{value}-01"))
    except ValueError:
        return False


def _days_beside(value: str, length: int) -> Iterator[str]:
    """Days (or months) within and around what a comparison names, such as a year."""
    match = _DAY.match(value)
    if match is None:
        return
    year, month, day = int(match[1]), int(match[2] or 6), int(match[3] or 15)
    for shift in (-1, 0, 1):
        yield f"{max(1, year + shift):04}-06-15"[:length]
    for number in (1, month - 1, month, month + 1, 12):
        if 1 <= number <= 12:
            for each in (1, day - 1, day, day + 1, 28):
                yield f"{year:04}-{number:02}-{each:02}"[:length]
    if _is_day(value):
        begin = date.fromisoformat(value if len(value) > len("2026-12") else f"{value}-01")
        for days in (-32, -1, 1, 32):
            with contextlib.suppress(OverflowError):
                yield (begin + timedelta(days=days)).isoformat()[:length]


def _minutes_beside(value: str) -> Iterator[str]:
    if _CLOCK.fullmatch(value):
        minutes = int(value[:2]) * 60 + int(value[3:])
        yield from (f"{one // 60:02}:{one % 60:02}" for one in (minutes - 1, minutes + 1) if 0 <= one < 24 * 60)
    elif match := re.match(r"([01]\d|2[0-3])", value):
        yield from (f"{match[1]}:00", f"{match[1]}:30", f"{match[1]}:59")


def _number(name: str, slot: IntegerSlot | DecimalSlot) -> Domain:
    low, high = slot.min, slot.max
    if low is not None and high is not None:
        told = f"`{name}` is from {low} to {high}."
    elif low is not None:
        told = f"`{name}` is {low} or more."
    else:
        told = f"`{name}` is {high} at most." if high is not None else f"`{name}` is a number."

    whole = isinstance(slot, IntegerSlot)

    def takes(value: Any) -> bool:
        if value is None or isinstance(value, bool) or not isinstance(value, int | float):
            return value is None
        return (not whole or value == int(value)) and (low is None or value >= low) and (high is None or value <= high)

    ends = tuple(value for value in (low, high) if value is not None)
    also = (None, *ends) if ends else (None, -(10**14), 0, 10**14)
    return Domain(told=told, also=also, takes=takes, whole=whole)
