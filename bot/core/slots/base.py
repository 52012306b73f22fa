"""What all slots have in common: how they hear a message, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.core.entities import Entities, Span, overlap
from bot.core.parts import Label, label_in
from bot.core.whereabouts import region_of

MAX_OFFERS = 10
"""Readings of an ambiguous answer that are offered: as many as a list has rows."""


@dataclass(frozen=True, slots=True)
class Filled:
    """The slot has a value (JSON).

    Attributes:
        value: In the shape of the slot's type.
        spans: The places in `Entities.whole` it was read from, which no other slot may use.
        inferred: Part of it was not said but worked out: a year, a currency, how many "me and my wife" are.
    """

    value: Any
    spans: tuple[Span, ...] = ()
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The person meant this slot, but the value will not do. `reason` is a stable code for templates."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The person meant this slot, and one of these values: it takes a question to find out."""

    values: tuple[Any, ...]


Reading = Filled | Refused | Ambiguous | None
"""None: the message says nothing about the slot."""


class Heard:
    """One message, as slots read it.

    Attributes:
        text: What was written.
        entities: What is to be found in it.
        today: The day of the event.
        language: The person's.
        rooms: How many slots of the kind of the reading one are still empty, itself included: two dates in a message
            fill two of them, and are a question when there is one only.
        apart: Numbers that say themselves which slot they are for, so that they are no bare answer to another.
    """

    __slots__ = ("_phone", "_used", "apart", "entities", "language", "rooms", "text", "today")

    def __init__(self, text: str, entities: Entities, today: date, language: str = "en", phone: str = "") -> None:
        self.text = text
        self.entities = entities
        self.today = today
        self.language = language
        self._phone = phone
        self.rooms = 1
        self.apart: tuple[Span, ...] = ()
        self._used: list[Span] = []

    @property
    def region(self) -> str | None:
        """The country whose phone numbers need no country code, "IN": that of the person's phone, if known."""
        return region_of(self._phone) if self._phone else None

    def use(self, spans: Sequence[Span]) -> None:
        """Keep these places from being read once more."""
        self._used += spans

    def is_free(self, *spans: Span) -> bool:
        """Whether nothing has been read from there."""
        return not self._used or not any(overlap(span, used) for span in spans for used in self._used)

    def is_apart(self, start: int, end: int) -> bool:
        """Whether what stands there says itself that it is for another slot."""
        return any(overlap((start, end), span) for span in self.apart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A compiled slot. The options are those of `bot.core.slotspecs.SlotBase`."""

    name: str
    label: Label
    type: str
    required: bool = True
    default: str | None = None
    prompt: str | bool | None = None
    confirm: bool = False
    sensitive: bool = False
    source: str | None = None
    button: bool = False

    def called(self, language: str) -> str:
        """What it is called in a language."""
        return label_in(self.label, language)

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """What the message says about this slot: asked, anything that can be an answer; unasked, what names it."""
        raise NotImplementedError

    def show(self, value: Any, language: str) -> str:
        """The value as people read it."""
        return str(value)

    def wrap(self, value: Any, language: str) -> Any:
        """The value for templates and expressions."""
        return value

    @property
    def prints(self) -> bool:
        """Whether values need `wrap` before a template may print them."""
        return False

    @property
    def is_asked(self) -> bool:
        """Whether a form asks for it when it is missing."""
        return self.prompt is not False and self.default is None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that was found, before it is known whether it is the only one."""

    value: Any
    span: Span
    inferred: bool = False


def choose(found: Sequence[Candidate], heard: Heard, *, asked: bool) -> Reading:
    """The one value there is; the first of several when there are slots for all of them; else a question."""
    free = [one for one in found if heard.is_free(one.span)]
    if not free:
        return None
    distinct: list[Any] = []
    for one in free:
        if one.value not in distinct:
            distinct.append(one.value)
    if len(distinct) == 1 or 1 < len(distinct) <= heard.rooms:
        first = free[0]
        same = tuple(one.span for one in free if one.value == first.value)
        return Filled(first.value, same, inferred=first.inferred)
    return Ambiguous(tuple(distinct[:MAX_OFFERS])) if asked else None
