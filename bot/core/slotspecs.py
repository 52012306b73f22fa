"""What an author writes about slots, checked for shape: one model per type. `bot.core.slots` reads them."""

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bot.core.parts import Duration, Label, Name, Part, as_list

Scalar = str | int | float | bool
_BOUND = re.compile(r"[+-]?\d{1,4}d")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _as_bound(value: Any) -> Any:
    """A day, or a number of days from today."""
    if not isinstance(value, str):
        return value
    if _BOUND.fullmatch(value):
        return timedelta(days=int(value[:-1]))
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError(
            "value_error", "`{value}` is not a day; write for example 2026-12-01, or 3d for three days from today",
            {"value": value},
        ) from None  # fmt: skip


def _as_clock(value: Any) -> Any:
    if isinstance(value, str) and not _CLOCK.fullmatch(value):
        raise PydanticCustomError("value_error", "`{value}` is not a time; write for example 08:30", {"value": value})
    return value


Bound = Annotated[date | timedelta, BeforeValidator(_as_bound)]
Clock = Annotated[str, BeforeValidator(_as_clock)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Texts = Annotated[list[str], BeforeValidator(as_list), Field(min_length=1, max_length=200)]
Numbers = Annotated[list[int], BeforeValidator(as_list), Field(min_length=1, max_length=200)]


class SlotBase(Part):
    """What all slots may have.

    Attributes:
        label: How generic prompts name it, by language if need be.
        required: False: it is asked for, but may be skipped.
        default: Taken without asking when nothing else was said; written as a person would write it.
        prompt: The block that asks for it, instead of `ask_<slot>`; false: it is never asked for.
        confirm: Ask whether a value was understood right before taking it.
        sensitive: Its value is masked in traces.
        source: What is known about the contact fills it.
    """

    label: Label | None = None
    required: bool = True
    default: Scalar | None = None
    prompt: Name | Literal[False] | None = None
    confirm: bool = False
    sensitive: bool = False
    source: Literal["contact.phone", "contact.name"] | None = Field(default=None, alias="from")

    @model_validator(mode="after")
    def _in_order(self) -> "SlotBase":
        low, high = getattr(self, "min", None), getattr(self, "max", None)
        if low is not None and high is not None and type(low) is type(high) and low > high:
            raise PydanticCustomError("value_error", "`min:` is larger than `max:`; exchange them", {"key": "min"})
        if self.prompt is False and self.required and self.default is None and self.source is None:
            raise PydanticCustomError(
                "value_error", "Nothing would ever fill this slot: it is not asked for; "
                "add `required: false` or `default:`", {"key": "prompt"},
            )  # fmt: skip
        return self


class TextSlot(SlotBase):
    """Any words; `min` and `max` count characters."""

    type: Literal["text"]
    min: int = Field(default=1, ge=1, le=4096)
    max: int = Field(default=1000, ge=1, le=4096)
    pattern: str | None = None
    one_of: Texts | None = None


class IntegerSlot(SlotBase):
    """A whole number. `of` names what is counted, so that "for 2 people" fills it unasked."""

    type: Literal["integer"]
    min: int | None = None
    max: int | None = None
    of: str | None = None
    one_of: Numbers | None = None


class DecimalSlot(SlotBase):
    """A number with decimals; `digits` are kept. `of` is its unit or what it measures: "70.5 kg"."""

    type: Literal["decimal"]
    min: int | float | None = None
    max: int | float | None = None
    of: str | None = None
    digits: int = Field(default=2, ge=0, le=6)


class MoneySlot(SlotBase):
    """An amount and its currency; `currency` is meant when none is said, `currencies` are those that are taken."""

    type: Literal["money"]
    currency: Currency | None = None
    currencies: Annotated[list[Currency], BeforeValidator(as_list)] | None = None
    min: int | float | None = None
    max: int | float | None = None


class DateSlot(SlotBase):
    """A day, a month, or several days (`range`). `future` refuses what is over, `past` what is to come.

    `order` says what "03/04" means where people agree about it; otherwise they are asked.
    """

    type: Literal["date"]
    granularity: Literal["day", "month"] = "day"
    future: bool = False
    past: bool = False
    range: bool = False
    order: Literal["dmy", "mdy"] | None = None
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "DateSlot":
        if self.future and self.past:
            raise PydanticCustomError(
                "value_error", "`future:` and `past:` exclude each other; leave one of them out", {"key": "past"}
            )
        if self.range and self.granularity == "month":
            raise PydanticCustomError(
                "value_error",
                "A range consists of days, not of months; write `granularity: day`, or no `range:`",
                {"key": "range"},
            )
        return self


class TimeSlot(SlotBase):
    """A time of day. Within `min` and `max`, "at 5" is only one of morning and afternoon."""

    type: Literal["time"]
    min: Clock | None = None
    max: Clock | None = None


class DurationSlot(SlotBase):
    """A length of time; `unit` is meant when none is said."""

    type: Literal["duration"]
    min: Duration | None = None
    max: Duration | None = None
    unit: Literal["minutes", "hours", "days", "nights", "weeks"] | None = None


class PhoneSlot(SlotBase):
    """A phone number; `region` is meant when there is no country code and the contact's own is not known.

    With `button`, it is asked for with a button that shares the person's own.
    """

    type: Literal["phone"]
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    button: bool = False


class EmailSlot(SlotBase):
    """An e-mail address."""

    type: Literal["email"]


class ChoiceOption(Part):
    """One thing to choose: what its button says, and other words that mean it."""

    later = frozenset({"if", "image"})
    label: str = Field(min_length=1)
    description: Label | None = None
    synonyms: list[str] = Field(default_factory=list)


def _as_option(value: Any) -> Any:
    return {"label": value} if isinstance(value, str) else value


Options = dict[Name, Annotated[ChoiceOption, BeforeValidator(_as_option)]]


class ChoiceSlot(SlotBase):
    """One of a few."""

    type: Literal["choice"]
    choices: Options = Field(min_length=1)


class RefSlot(SlotBase):
    """Something the business knows, found by a lookup; its value is `{"id", "name", …}`."""

    type: Literal["ref"]
    lookup: str
    pattern: str | None = None


FileKind = Literal["photo", "video", "audio", "document", "sticker"]


class MediaSlot(SlotBase):
    """Files of these kinds, `min` to `max` of them."""

    type: Literal["media"]
    kinds: Annotated[list[FileKind], BeforeValidator(as_list), Field(min_length=1)] = Field(
        default_factory=lambda: ["photo"]  # type: ignore[arg-type]
    )
    min: int = Field(default=1, ge=1, le=30)
    max: int = Field(default=1, ge=1, le=30)


class LocationSlot(SlotBase):
    """A place: shared from the phone, or as a link to a map, or as two figures.

    With `button`, it is asked for with a button that sends where the person is.
    """

    type: Literal["location"]
    button: bool = False


SLOT_TYPES = (
    "text", "integer", "decimal", "money", "date", "time", "duration", "phone", "email", "choice", "ref", "media",
    "location",
)  # fmt: skip


class SlotRule(Part):
    """What values may not be together: when `if` holds, `say` a block, `forget` these slots, and ask again."""

    condition: str = Field(alias="if")
    say: Name
    forget: Annotated[list[Name], BeforeValidator(as_list), Field(min_length=1)]


SlotSpec = Annotated[
    TextSlot
    | IntegerSlot
    | DecimalSlot
    | MoneySlot
    | DateSlot
    | TimeSlot
    | DurationSlot
    | PhoneSlot
    | EmailSlot
    | ChoiceSlot
    | RefSlot
    | MediaSlot
    | LocationSlot,
    Field(discriminator="type"),
]
