"""What a conversation test says, checked for shape. What its names mean is the business of `reading` and `runner`."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bot.core.flow import Duration, EventName, Name, Part
from bot.core.parts import WHOSE

DEFAULT_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
"""When a test takes place that does not say: a Sunday, far from any change of clocks."""

FILE_KINDS = ("photo", "video", "audio", "document", "sticker")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _as_time(value: Any) -> Any:
    """An aware time; one without a zone is UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            return _as_time(datetime.fromisoformat(value))
        except ValueError:
            pass
    raise PydanticCustomError(
        "time", "`{value}` is not a time; write for example 2026-11-22T09:00:00Z", {"value": str(value)}
    )


Time = Annotated[datetime, BeforeValidator(_as_time)]
Text = Annotated[str, StringConstraints(min_length=1)]
Names = Annotated[list[Name], BeforeValidator(_as_list), Field(min_length=1)]

# --- People -----------------------------------------------------------------------------------------------------------


class PhoneSpec(Part):
    """Somebody with a phone. `wrote` is how long ago they last wrote, which opens their 24-hour window.

    `number` tells their country: how the numbers they write are read, and when it is night for them.
    """

    roles: Names = Field(default_factory=lambda: ["customer"], alias="role", validation_alias=WHOSE)
    name: str = ""
    language: str = "en"
    number: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,19}$")] | None = None
    wrote: Duration | None = None


# --- What happens -----------------------------------------------------------------------------------------------------


class FileSpec(Part):
    """A file somebody sends. The same `id` is the same file."""

    id: str | None = None
    caption: str | None = None
    filename: str | None = None


class PlaceSpec(Part):
    """A place somebody sends, in degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: str | None = None
    address: str | None = None


def _as_file(value: Any) -> Any:
    """`photo: the axle` has a caption; `photo:` alone has none."""
    if value is None or value is True:
        return {}
    return {"caption": value} if isinstance(value, str) else value


def _as_place(value: Any) -> Any:
    """`location: 27.98 86.92`."""
    if not isinstance(value, str):
        return value
    parts = value.replace(",", " ").split()
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        raise PydanticCustomError("place", "`{value}` is not a place; write `27.98 86.92`", {"value": value}) from None
    return {"latitude": latitude, "longitude": longitude}


File = Annotated[FileSpec | None, BeforeValidator(_as_file)]


class DeedSpec(Part):
    """What somebody does with their phone: exactly one thing."""

    text: str | None = None
    tap: str | int | None = None
    pick: str | int | None = None
    earlier: int = Field(default=0, ge=0, le=100)
    photo: File = None
    video: File = None
    audio: File = None
    document: File = None
    sticker: File = None
    location: Annotated[PlaceSpec, BeforeValidator(_as_place)] | None = None
    form: dict[str, Any] | None = None
    reaction: str | None = None
    unsupported: str | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "DeedSpec":
        done = sorted(self.model_fields_set - {"earlier"})
        if len(done) != 1:
            listed = f"{' and '.join(done)} at once" if done else "nothing"
            raise PydanticCustomError(
                "one_thing", "Somebody does one thing in a step, not {what}; make several steps of it", {"what": listed}
            )
        if self.earlier and self.tapped is None:
            raise PydanticCustomError(
                "earlier", "`earlier:` belongs to `tap:` or `pick:`; write it beside one of them", {"key": "earlier"}
            )
        return self

    @property
    def tapped(self) -> str | None:
        """The label, key or number of what is tapped."""
        wanted = self.tap if self.tap is not None else self.pick
        return None if wanted is None else str(wanted)


def _as_deed(value: Any) -> Any:
    return {"text": str(value)} if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Deed = Annotated[DeedSpec, BeforeValidator(_as_deed)]


class EventSpec(Part):
    """Something the business did. `about` is the business object whose run hears of it."""

    name: EventName
    values: dict[str, Any] = Field(default_factory=dict, alias="data")
    to: str | None = None
    about: str | None = None


# --- What is expected -------------------------------------------------------------------------------------------------


def _as_sayings(value: Any) -> Any:
    """One saying, several, or by phone."""
    if isinstance(value, dict):
        return {name: _as_list(said) for name, said in value.items()}
    return _as_list(value)


Sayings = Annotated[list[Text] | dict[str, list[Text]], BeforeValidator(_as_sayings)]


class NoticeSpec(Part):
    """A notification of a role."""

    template: Name | None = None
    text: Annotated[list[Text], BeforeValidator(_as_list)] = Field(default_factory=list)


class HandoffSpec(Part):
    """A conversation given to a person."""

    role: Name | None = None
    reason: str | None = None
    sla: Duration | None = None


def _as_notice(value: Any) -> Any:
    return {"text": value} if isinstance(value, str | list) else value


def _as_handoff(value: Any) -> Any:
    return {"role": value} if isinstance(value, str) else value


Notice = Annotated[NoticeSpec, BeforeValidator(_as_notice)]
Call = Annotated[dict[EventName, dict[str, Any] | None], Field(min_length=1, max_length=1)]


def _as_calls(value: Any) -> Any:
    return [{one: None} if isinstance(one, str) else one for one in _as_list(value)]


SentWord = Literal[
    "location", "photo", "video", "audio", "document", "sticker", "contacts", "link", "form", "ask_location",
    "ask_number", "reaction",
]  # fmt: skip
Sent = SentWord | Annotated[dict[SentWord, Text], Field(min_length=1, max_length=1)]
"""A message that is more than words: what it is, and words that it carries."""


class ExpectSpec(Part):
    """What a step, or the whole test, should lead to. What is not mentioned may be anything."""

    flow: str | None = None
    state: str | None = None
    slots: dict[str, Any] | None = None
    saved: dict[str, Any] | None = None
    said: Sayings | None = None
    not_said: Sayings | None = None
    held: Annotated[list[Text], BeforeValidator(_as_list)] | None = None
    buttons: list[str] | None = None
    sent: Annotated[list[Sent], BeforeValidator(_as_list)] | None = None
    quotes: bool | None = None
    actions: Annotated[list[Call], BeforeValidator(_as_calls)] | None = None
    receipts: Annotated[list[Text], BeforeValidator(_as_list)] | None = None
    notified: Literal[False] | dict[Name, Notice] | None = None
    ended: Literal[False] | str | None = None
    handed_off: Literal[False] | Annotated[HandoffSpec, BeforeValidator(_as_handoff)] | None = None
    timers: Annotated[list[str], BeforeValidator(_as_list)] | None = None
    language: str | None = None
    nothing: bool | None = None

    @property
    def keys(self) -> list[str]:
        """What is expected, in the order of this class."""
        return [name for name in type(self).model_fields if name in self.model_fields_set]


class StepSpec(Part):
    """One thing that happens, and what it should lead to. Any other key is the name of a phone."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)
    words: ClassVar[tuple[str, ...]] = ("user", "wait", "outage", "event", "duplicate", "crash", "deploy", "expect")
    __pydantic_extra__: dict[str, Deed]

    user: Deed | None = None
    wait: Duration | None = None
    outage: Duration | None = None
    event: Annotated[EventSpec, BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v)] | None = None
    duplicate: Literal["last"] | None = None
    crash: Literal[True] | None = None
    deploy: Literal[True] | None = None
    expect: ExpectSpec | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "StepSpec":
        done = self.happening
        if len(done) != 1:
            listed = " and ".join(f"`{name}:`" for name in done) or "nothing"
            raise PydanticCustomError(
                "one_thing", "One thing happens in a step, not {what}; make several steps of it", {"what": listed}
            )
        return self

    @property
    def happening(self) -> list[str]:
        """The keys that make something happen."""
        own = [name for name in self.words if name != "expect" and getattr(self, name) is not None]
        return own + list(self.__pydantic_extra__ or ())

    @property
    def deed(self) -> tuple[str, DeedSpec] | None:
        """Who does what, when somebody does something; "user" is the first phone."""
        if self.user is not None:
            return "user", self.user
        return next(iter((self.__pydantic_extra__ or {}).items()), None)


# --- Files ------------------------------------------------------------------------------------------------------------


class SharedSpec(Part):
    """`shared.yaml`: what all tests beside and below it begin with."""

    at: Time = DEFAULT_AT
    phones: dict[Name, PhoneSpec] = Field(default_factory=dict)
    fixtures: dict[Name, list[dict[str, Any]]] = Field(default_factory=dict)
    stubs: dict[EventName, Any] = Field(default_factory=dict)


class ConversationSpec(SharedSpec):
    """A test file. `versions` are those of flows that are known until a step deploys the newest."""

    test: Text
    flow: str | None = None
    tags: Annotated[list[Name], BeforeValidator(_as_list)] = Field(default_factory=list)
    versions: dict[str, int] = Field(default_factory=dict)
    steps: list[StepSpec] = Field(min_length=1)
    expect: ExpectSpec | None = None
