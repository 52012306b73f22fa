"""From what an author declared to readers, and the mistakes there are in it."""

from collections.abc import Mapping
from datetime import date
from typing import Any, assert_never

import phonenumbers
from babel import Locale

from bot.core.choices import Option
from bot.core.entities import extract
from bot.core.patterns import Pattern, compile_pattern
from bot.core.report import Report, did_you_mean
from bot.core.slots.base import Filled, Heard, Reader
from bot.core.slots.numbers import DecimalReader, IntegerReader, MoneyReader
from bot.core.slots.things import LocationReader, MediaReader
from bot.core.slots.times import DateReader, DurationReader, TimeReader
from bot.core.slots.words import ChoiceReader, EmailReader, PhoneReader, RefReader, TextReader
from bot.core.slotspecs import (
    ChoiceSlot,
    DateSlot,
    DecimalSlot,
    DurationSlot,
    EmailSlot,
    IntegerSlot,
    LocationSlot,
    MediaSlot,
    MoneySlot,
    PhoneSlot,
    RefSlot,
    SlotSpec,
    TextSlot,
    TimeSlot,
)

AnySlot = (
    TextReader
    | IntegerReader
    | DecimalReader
    | MoneyReader
    | DateReader
    | TimeReader
    | DurationReader
    | PhoneReader
    | EmailReader
    | ChoiceReader
    | RefReader
    | MediaReader
    | LocationReader
)
_SOME_DAY = date(2026, 1, 15)
_UNITS = {"minutes": "minute", "hours": "hour", "days": "day", "nights": "night", "weeks": "week"}
_FROM = {"contact.phone": ("phone", "text"), "contact.name": ("text",)}


def compile_slot(name: str, spec: SlotSpec, report: Report) -> AnySlot:
    """The reader for what the author declared; mistakes go to the report."""
    pattern = _pattern(name, spec, report)
    slot = _reader(name, spec, pattern)
    _check(name, spec, slot, report)
    return slot


def _common(name: str, spec: SlotSpec) -> dict[str, Any]:
    default = spec.default
    return {
        "name": name,
        "label": spec.label or name.replace("_", " "),
        "required": spec.required,
        "default": None if default is None else str(default).lower() if isinstance(default, bool) else str(default),
        "prompt": spec.prompt,
        "confirm": spec.confirm,
        "sensitive": spec.sensitive,
        "source": spec.source,
    }


def _reader(name: str, spec: SlotSpec, pattern: Pattern | None) -> AnySlot:
    common = _common(name, spec)
    match spec:
        case TextSlot():
            return TextReader(min=spec.min, max=spec.max, pattern=pattern, one_of=tuple(spec.one_of or ()), **common)
        case IntegerSlot():
            one_of = tuple(spec.one_of or ())
            return IntegerReader(min=spec.min, max=spec.max, of=spec.of or name, one_of=one_of, **common)
        case DecimalSlot():
            return DecimalReader(min=spec.min, max=spec.max, of=spec.of or name, digits=spec.digits, **common)
        case MoneySlot():
            currencies = tuple(spec.currencies or ())
            return MoneyReader(
                min=spec.min, max=spec.max, currency=spec.currency, currencies=currencies, **common
            )  # fmt: skip
        case DateSlot() | TimeSlot() | DurationSlot():
            return _reader_of_time(spec, common)
        case PhoneSlot():
            return PhoneReader(region=spec.region, button=spec.button, **common)
        case EmailSlot():
            return EmailReader(**common)
        case ChoiceSlot():
            options = tuple(Option.of(key, option) for key, option in spec.choices.items())
            return ChoiceReader(options=options, **common)
        case RefSlot():
            return RefReader(lookup=spec.lookup, pattern=pattern, **common)
        case MediaSlot():
            return MediaReader(kinds=frozenset(spec.kinds), min=spec.min, max=spec.max, **common)
        case LocationSlot():
            return LocationReader(button=spec.button, **common)
        case _:
            assert_never(spec)


def _reader_of_time(spec: DateSlot | TimeSlot | DurationSlot, common: dict[str, Any]) -> AnySlot:
    match spec:
        case DateSlot():
            return DateReader(
                granularity=spec.granularity, future=spec.future, past=spec.past, range=spec.range, order=spec.order,
                min=spec.min, max=spec.max, **common,
            )  # fmt: skip
        case TimeSlot():
            return TimeReader(min=spec.min, max=spec.max, **common)
        case DurationSlot():
            low, high = (None if one is None else round(one.total_seconds()) for one in (spec.min, spec.max))
            return DurationReader(min=low, max=high, unit=_UNITS.get(spec.unit or ""), **common)
        case _:
            assert_never(spec)


def _pattern(name: str, spec: SlotSpec, report: Report) -> Pattern | None:
    source = spec.pattern if isinstance(spec, RefSlot | TextSlot) else None
    if source is None:
        return None
    try:
        return compile_pattern(source)
    except ValueError as mistake:
        report.wrong(("slots", name, "pattern"), mistake)
    return None


# --- Mistakes ---------------------------------------------------------------------------------------------------------


def _check(name: str, spec: SlotSpec, slot: AnySlot, report: Report) -> None:
    """What the shape of a slot does not show."""
    path = ("slots", name)
    if isinstance(spec, MoneySlot):
        _check_money(name, spec, report)
    if isinstance(spec, PhoneSlot) and spec.region is not None:
        known = phonenumbers.SUPPORTED_REGIONS
        if spec.region not in known:
            report((*path, "region"), f"There is no country `{spec.region}`.", code="unknown",
                   hint=did_you_mean(spec.region, known) or "Write its two letters, such as IN or NP.")  # fmt: skip
    if spec.source is not None and spec.type not in _FROM[spec.source]:
        fitting = " or ".join(f"`{kind}`" for kind in _FROM[spec.source])
        report((*path, "from"), f"`from: {spec.source}` does not fill a slot of type `{spec.type}`.",
               hint=f"It fills {fitting}.")  # fmt: skip
    if spec.default is not None:
        _check_default(name, spec, slot, report)


def _check_money(name: str, spec: MoneySlot, report: Report) -> None:
    known = set(Locale("en").currencies)
    path = ("slots", name)
    if spec.currency is not None and spec.currency not in known:
        report.unknown((*path, "currency"), "currency", spec.currency, known)
    for place, code in enumerate(spec.currencies or ()):
        if code not in known:
            report.unknown((*path, "currencies", place), "currency", code, known)
    if spec.currencies and spec.currency and spec.currency not in spec.currencies:
        report((*path, "currency"), f"`{spec.currency}` is not among `currencies:`.", hint="Add it there.")
    if spec.currency is None and (spec.min is not None or spec.max is not None):
        report((*path, "min" if spec.min is not None else "max"), "A limit needs to know in which `currency:` it is.",
               hint="Add for example `currency: USD`.")  # fmt: skip


def _check_default(name: str, spec: SlotSpec, slot: AnySlot, report: Report) -> None:
    path = ("slots", name, "default")
    if isinstance(slot, RefReader | MediaReader | LocationReader):
        report(path, f"A slot of type `{slot.type}` cannot have a default.", hint="Remove it.")
        return
    if isinstance(slot, ChoiceReader):
        keys = [option.key for option in slot.options]
        if slot.default not in keys:
            report.unknown(path, "choice", slot.default or "", keys)
        return
    reading = default_of(slot, _SOME_DAY)
    if reading is None:
        report(path, f"`{spec.default}` is not a value of this slot.",
               hint="Write it as a person would answer, within the slot's limits.")  # fmt: skip


def default_of(slot: Reader, today: date) -> Filled | None:
    """What a slot's default is on a day; None when it is not a value of the slot."""
    if slot.default is None:
        return None
    if isinstance(slot, ChoiceReader):
        return Filled(slot.default, inferred=True)
    reading = slot.read(Heard(slot.default, extract(slot.default, today), today), asked=True)
    return Filled(reading.value, inferred=True) if isinstance(reading, Filled) else None


def describe(slot: AnySlot, language: str) -> Mapping[str, Any]:
    """What generic prompts may say about a slot."""
    about: dict[str, Any] = {
        "name": slot.name, "label": slot.called(language), "type": slot.type, "required": slot.required, "min": None,
        "max": None,
    }  # fmt: skip
    match slot:
        case IntegerReader() | TextReader() | DecimalReader() | MediaReader():
            about |= {"min": slot.min, "max": slot.max}
        case MoneyReader():
            about |= {"min": slot.min, "max": slot.max, "currency": slot.currency, "currencies": slot.currencies}
        case TimeReader() | DurationReader():
            about |= {
                "min": None if slot.min is None else _shown(slot, slot.min),
                "max": None if slot.max is None else _shown(slot, slot.max),
            }
        case DateReader():
            about |= {
                "granularity": slot.granularity, "future": slot.future, "past": slot.past, "range": slot.range,
            }  # fmt: skip
        case _:
            pass
    if isinstance(slot, MediaReader):
        about["kinds"] = sorted(slot.kinds)
    return about


def _shown(slot: TimeReader | DurationReader, bound: str | int) -> str:
    return slot.show(bound, "en")
