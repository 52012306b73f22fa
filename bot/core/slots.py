"""What a slot accepts: typed reading and checking of what people write.

A slot reads the same message in two moods. *Asked*, the message is its answer and a bare "2" will do. *Unasked*, it
takes only what names it beyond doubt ("2 people", "in December"), so that several slots fill from one sentence.
References are not read here: they need a lookup, which the flow invokes (see `bot.core.gathering`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, assert_never

from bot.core.choices import Option, match_option
from bot.core.entities import Entities, counted, month_like
from bot.core.flow import ChoiceSlot, DateSlot, IntegerSlot, RefSlot, SlotSpec, TextSlot


@dataclass(frozen=True, slots=True)
class Filled:
    """The slot has a value (JSON)."""

    value: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """The person meant this slot, but the value will not do. `reason` is a stable code for templates."""

    reason: str


Reading = Filled | Refused | None
"""None: the message says nothing about the slot."""


class Slot(Protocol):
    """A compiled slot."""

    name: str
    label: str
    type: str

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """What the message says about this slot. `today` is the day of the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader:
    """Free words; only taken when asked for."""

    name: str
    label: str
    min: int
    max: int
    type: str = "text"

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """Take the whole message."""
        if not asked:
            return None
        words = text.strip()
        if len(words) < self.min:
            return Refused("too_short")
        return Filled(words) if len(words) <= self.max else Refused("too_long")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerReader:
    """A whole number between `min` and `max`."""

    name: str
    label: str
    min: int | None
    max: int | None
    of: str
    type: str = "integer"

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """Take a number that counts what this slot counts, or, asked, the only number there is."""
        value = counted(entities, self.of)
        if value is None:
            if not asked or not entities.numbers:
                return None
            if len(set(entities.numbers)) > 1:
                return Refused("ambiguous")
            value = entities.numbers[0]
        if self.min is not None and value < self.min:
            return Refused("too_small")
        return Refused("too_big") if self.max is not None and value > self.max else Filled(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateReader:
    """A day ("2026-12-15") or a month ("2026-12")."""

    name: str
    label: str
    granularity: str
    future: bool
    type: str = "date"

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """Take the only date there is; two different ones are a question for the person."""
        found = list(entities.dates)
        if not found and asked and self.granularity == "month":
            near = month_like(entities.text, today)
            found = [near] if near else []
        if not found:
            return None
        if self.granularity == "month":
            values = {f"{one.year:04d}-{one.month:02d}" for one in found}
            over = values.pop() < f"{today.year:04d}-{today.month:02d}" if len(values) == 1 else None
            value = f"{found[0].year:04d}-{found[0].month:02d}"
        else:
            days = {date(one.year, one.month, one.day) for one in found if one.day is not None}
            if not days:
                return Refused("needs_day") if asked else None
            over = next(iter(days)) < today if len(days) == 1 else None
            value = next(iter(days)).isoformat()
        if over is None:
            return Refused("ambiguous") if asked else None
        return Refused("past") if self.future and over else Filled(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceReader:
    """One of a few options, by number, label, synonym or with a typing mistake."""

    name: str
    label: str
    options: tuple[Option, ...]
    type: str = "choice"

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """Take an option the message is; unasked, one that it names."""
        if asked:
            key = match_option(text, self.options, "en")
            return Filled(key) if key else None
        named = {o.key for o in self.options if re.search(rf"\b{re.escape(o.label.lower())}\b", entities.text)}
        return Filled(named.pop()) if len(named) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefReader:
    """Something the business knows. `pattern` finds its code in a message."""

    name: str
    label: str
    lookup: str
    pattern: re.Pattern[str] | None = None
    type: str = "ref"

    def read(self, text: str, entities: Entities, today: date, *, asked: bool) -> Reading:
        """Nothing: references are looked up."""
        return None

    def lookup_text(self, text: str) -> str | None:
        """What to look up: the code in the text; None when a code is wanted and there is none."""
        if self.pattern is None:
            return text
        match = self.pattern.search(text)
        return match[0].upper() if match else None


AnySlot = TextReader | IntegerReader | DateReader | ChoiceReader | RefReader


def compile_slot(name: str, spec: SlotSpec, pattern: re.Pattern[str] | None) -> AnySlot:
    """The reader for what the author declared. `pattern` is the compiled, linear form of a reference's pattern."""
    label = spec.label or name.replace("_", " ")
    match spec:
        case TextSlot():
            return TextReader(name=name, label=label, min=spec.min, max=spec.max)
        case IntegerSlot():
            return IntegerReader(name=name, label=label, min=spec.min, max=spec.max, of=spec.of or name)
        case DateSlot():
            return DateReader(name=name, label=label, granularity=spec.granularity, future=spec.future)
        case ChoiceSlot():
            options = tuple(Option.of(key, option) for key, option in spec.choices.items())
            return ChoiceReader(name=name, label=label, options=options)
        case RefSlot():
            return RefReader(name=name, label=label, lookup=spec.lookup, pattern=pattern)
        case _:
            assert_never(spec)


def describe(slot: AnySlot) -> Mapping[str, Any]:
    """What generic prompts may say about a slot."""
    about: dict[str, Any] = {"name": slot.name, "label": slot.label, "type": slot.type}
    if isinstance(slot, IntegerReader | TextReader):
        about |= {"min": slot.min, "max": slot.max}
    elif isinstance(slot, DateReader):
        about |= {"granularity": slot.granularity, "future": slot.future}
    return about
