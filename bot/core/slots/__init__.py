"""What a slot accepts: typed reading and checking of what people write.

A slot reads the same message in two moods. *Asked*, the message is its answer and a bare "2" will do. *Unasked*, it
takes only what names it beyond doubt ("2 people", "in December"), so that several slots fill from one sentence.
References are not read here: they need a lookup, which the flow invokes (see `bot.core.gathering`).
"""

from bot.core.slots.base import Ambiguous, Candidate, Filled, Heard, Reader, Reading, Refused
from bot.core.slots.compiling import AnySlot, compile_slot, default_of, describe
from bot.core.slots.numbers import DecimalReader, IntegerReader, MoneyReader
from bot.core.slots.things import LocationReader, MediaReader
from bot.core.slots.times import DateReader, DurationReader, TimeReader
from bot.core.slots.words import ChoiceReader, EmailReader, PhoneReader, RefReader, TextReader, e164
from bot.core.whereabouts import region_of

REASONS: dict[str, tuple[str, ...]] = {
    "text": ("too_short", "too_long", "wrong_form", "not_one_of"),
    "integer": ("too_small", "too_big", "not_one_of", "ambiguous"),
    "decimal": ("too_small", "too_big"),
    "money": ("too_small", "too_big", "needs_currency", "wrong_currency"),
    "date": ("past", "future", "too_early", "too_late", "needs_day", "needs_end"),
    "time": ("too_early", "too_late"),
    "duration": ("too_short", "too_long", "needs_unit"),
    "phone": ("not_a_number", "needs_country"),
    "email": ("not_an_address",),
    "choice": ("not_understood",),
    "ref": ("not_found",),
    "media": ("not_understood",),
    "location": ("not_understood",),
}
"""Why an answer may not do, by type; besides, any answer may be `not_understood`."""

__all__ = [
    "REASONS",
    "Ambiguous",
    "AnySlot",
    "Candidate",
    "ChoiceReader",
    "DateReader",
    "DecimalReader",
    "DurationReader",
    "EmailReader",
    "Filled",
    "Heard",
    "IntegerReader",
    "LocationReader",
    "MediaReader",
    "MoneyReader",
    "PhoneReader",
    "Reader",
    "Reading",
    "RefReader",
    "Refused",
    "TextReader",
    "TimeReader",
    "compile_slot",
    "default_of",
    "describe",
    "e164",
    "region_of",
]
