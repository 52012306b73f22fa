"""What an author writes in a flow file, checked for shape. What it means is the compiler's business.

Shape errors carry the place as pydantic's `loc`; `bot.authoring.content` turns that into file, line and column.
Words of the language that exist on paper only are refused by name, never silently ignored.
"""

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from bot.core.outspecs import Sends
from bot.core.parts import WHOSE, as_list
from bot.core.parts import Duration as Duration
from bot.core.parts import Name as Name
from bot.core.parts import Part as Part
from bot.core.parts import parse_duration as parse_duration
from bot.core.slotspecs import SLOT_TYPES as SLOT_TYPES
from bot.core.slotspecs import ChoiceOption as ChoiceOption
from bot.core.slotspecs import ChoiceSlot as ChoiceSlot
from bot.core.slotspecs import DateSlot as DateSlot
from bot.core.slotspecs import DecimalSlot as DecimalSlot
from bot.core.slotspecs import DurationSlot as DurationSlot
from bot.core.slotspecs import EmailSlot as EmailSlot
from bot.core.slotspecs import IntegerSlot as IntegerSlot
from bot.core.slotspecs import LocationSlot as LocationSlot
from bot.core.slotspecs import MediaSlot as MediaSlot
from bot.core.slotspecs import MoneySlot as MoneySlot
from bot.core.slotspecs import Options as Options
from bot.core.slotspecs import PhoneSlot as PhoneSlot
from bot.core.slotspecs import RefSlot as RefSlot
from bot.core.slotspecs import SlotBase as SlotBase
from bot.core.slotspecs import SlotRule as SlotRule
from bot.core.slotspecs import SlotSpec as SlotSpec
from bot.core.slotspecs import TextSlot as TextSlot
from bot.core.slotspecs import TimeSlot as TimeSlot
from bot.core.waiting import CONTACT, zone

StateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*$", max_length=200)]
FlowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$", max_length=80)]
InputName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\??$", max_length=61)]
EventName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=80)]
Names = Annotated[list[Name], BeforeValidator(as_list)]
UNIVERSALS = ("help", "back", "cancel", "restart", "repeat", "agent")
Universal = Literal["help", "back", "cancel", "restart", "repeat", "agent"]


LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
Language = Annotated[str, StringConstraints(pattern=rf"^{LANGUAGE.pattern}$")]


Scalar = str | int | float | bool | None
Parameter = str | int | float | Annotated[dict[Language, str], Field(min_length=1)]
"""What fills a variable of a WhatsApp template, by language where it has words of its own."""


def _by_own_names(value: Any) -> Any:
    """Let `with: [trek, people]` mean `with: {trek: "{{ trek }}", people: "{{ people }}"}`."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: f"{{{{ {name} }}}}" for name in value}
    return value


Arguments = Annotated[dict[Name, Scalar | list[Scalar]], BeforeValidator(_by_own_names)]


class Branch(Part):
    """One way on: taken when `if` holds, or always; with `call`, through another flow."""

    later = frozenset({"weight", "ab"})
    condition: str | bool | None = Field(default=None, alias="if")
    to: StateName
    reason: str | None = None
    call: FlowName | None = None
    arguments: Arguments | None = Field(default=None, alias="with")
    save: Name | None = None


def _as_branches(value: Any) -> Any:
    """Let `next: thanks` mean `next: [{to: thanks}]`."""
    return [{"to": item} if isinstance(item, str) else item for item in as_list(value)]


Branches = Annotated[list[Branch], BeforeValidator(_as_branches), Field(min_length=1)]

# --- Operations -------------------------------------------------------------------------------------------------------


class NotifySpec(Part):
    """Tell everybody with a role; `with` fills {{1}}, {{2}}… of the WhatsApp template."""

    later = frozenset({"person", "delay"})
    role: Name
    template: Name
    parameters: list[Parameter] = Field(default_factory=list, alias="with")


class TemplateUse(Part):
    """The WhatsApp template that is said instead, when the person has not written for 24 hours."""

    name: Name
    parameters: list[Parameter] = Field(default_factory=list, alias="with")


NOTHING = "none"
"""`template: none`: nothing stands for the words, which may wait until the person writes."""


def _as_template(value: Any) -> Any:
    """Let `template: trip_update` mean `template: {name: trip_update}`."""
    return {"name": value} if isinstance(value, str) else value


Instead = Annotated[TemplateUse, BeforeValidator(_as_template)]


class OpSpec(Part):
    """One entry of `enter:`: exactly one of `do`, `say`, `send`, `notify`."""

    later = frozenset({"call", "set", "emit", "wait", "if"})
    do: EventName | None = None
    arguments: Arguments | None = Field(default=None, alias="with")
    once: str | None = None
    save: Name | None = None
    say: Annotated[list[Name], BeforeValidator(as_list)] = Field(default_factory=list)
    send: Sends = Field(default_factory=list)
    reply: bool = False
    template: Instead | None = None
    notify: NotifySpec | None = None


class TimerSpec(Part):
    """What `after` a while happens: something said, or a way on."""

    later = frozenset({"notify", "repeat"})
    say: Name | None = None
    template: Instead | None = None
    to: StateName | None = None
    reason: str | None = None


class CollectSpec(Part):
    """What becomes of a file or place somebody sends while the state waits."""

    later = frozenset({"next", "album"})
    many: int = Field(default=1, ge=1, le=50)
    to: EventName | None = None
    do: EventName | None = None
    arguments: Arguments | None = Field(default=None, alias="with")
    once: str | None = None
    say: Name | None = None


class RungSpec(Part):
    """A rung of a no-match ladder that leads elsewhere."""

    later = frozenset({"call"})
    to: StateName
    reason: str | None = None


class SilenceSpec(Part):
    """A rung of a no-input ladder: after this long without a word, say something, lead on, or just ask again."""

    length: Duration = Field(alias="after")
    say: Name | None = None
    template: Instead | None = None
    to: StateName | None = None
    reason: str | None = None


CollectKind = Literal["photo", "video", "audio", "document", "sticker", "location", "form"]
Rung = Literal["reprompt", "explain"] | RungSpec


def _several(value: Any) -> Any:
    if isinstance(value, Mapping) and len(value) < 2:
        raise ValueError("`variants:` needs at least two; write for example {warm: 50, short: 50}")
    return value


Variants = Annotated[dict[Name, Annotated[int, Field(ge=1, le=1000)]], BeforeValidator(_several)]
ChoicesStyle = Literal["auto", "buttons", "numbers"]


class StateSpec(Part):
    """A state: `forget`, `language`, `enter`, `do`, `say`, `send`, `notify`, then it waits, ends, hands over, goes on.

    With `states` it is composed: what it says about waiting holds for the states inside it.
    """

    later = frozenset(
        {
            "initial", "random", "remind", "expire",
            "parallel", "extends", "ask_media",
        }
    )  # fmt: skip
    forget: Annotated[list[Name], BeforeValidator(as_list)] = Field(default_factory=list)
    language: str | None = None
    enter: Annotated[list[OpSpec], BeforeValidator(as_list)] = Field(default_factory=list)
    do: EventName | None = None
    arguments: Arguments | None = Field(default=None, alias="with")
    once: str | None = None
    save: Name | None = None
    error: Branches | None = None
    say: Annotated[list[Name], BeforeValidator(as_list)] = Field(default_factory=list)
    send: Sends = Field(default_factory=list)
    reply: bool = False
    template: Instead | None = None
    notify: NotifySpec | None = None
    ask: Name | None = None
    choices: Options | None = None
    when: dict[Name, Branches] | None = None
    form: Annotated[list[Name], Field(min_length=1)] | None = None
    rules: list[SlotRule] = Field(default_factory=list)
    call: FlowName | None = None
    states: dict[Name, "StateSpec"] | None = Field(default=None, min_length=1)
    next: Branches | None = None
    after: dict[str, TimerSpec] = Field(default_factory=dict)
    collect: dict[CollectKind, CollectSpec] = Field(default_factory=dict)
    events: dict[EventName, Branches] = Field(default_factory=dict)
    no_match: Annotated[list[Rung], Field(min_length=1)] | None = None
    no_input: Annotated[list[SilenceSpec], BeforeValidator(as_list), Field(min_length=1)] | None = None
    universals: Literal[False] | list[Universal] | None = None
    end: str | None = None
    handoff: Name | None = None
    sla: Duration | None = None
    back: Branches | None = None
    digress: bool | None = None
    resume: Literal["ask", "silent"] | None = None
    variants: Variants | None = None
    choices_style: ChoicesStyle | None = None


# --- Flow -------------------------------------------------------------------------------------------------------------


def _as_clock(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", value)):
        return time(int(match[1]), int(match[2]))
    raise ValueError(f"`{value}` is not a time of day; write for example 21:00")


def _is_zone(value: str) -> str:
    if value != CONTACT and zone(value) is None:
        raise ValueError(f"there is no time zone `{value}`; write for example Asia/Kathmandu, or contact")
    return value


Clock = Annotated[time, BeforeValidator(_as_clock)]
Zone = Annotated[str, AfterValidator(_is_zone)]


class QuietSpec(Part):
    """Hours in which timers keep still; `otherwise` is for people of whom we do not know where they are."""

    begins: Clock = Field(alias="from")
    ends: Clock = Field(alias="to")
    timezone: Zone = CONTACT
    otherwise: Zone = "UTC"


def _unless_false(value: Any) -> Any:
    """Let `quiet: false` switch off what `project.yaml` says."""
    return None if value is False else value


def _as_keepers(value: Any) -> Any:
    """Let `events: [quote.sent]` mean `events: {quote.sent: null}`: nothing is kept of what they carry."""
    if isinstance(value, str | list):
        return dict.fromkeys(as_list(value))
    return value


class StartSpec(Part):
    """What starts the flow.

    `universals` are words that start it when nothing is going on, such as help or agent. `events` are what happens in
    the business, each with the name under which the run keeps what it carries.
    """

    later = frozenset({"schedule", "referral"})
    intents: list[Name] = Field(default_factory=list)
    universals: list[Universal] = Field(default_factory=list)
    events: Annotated[dict[EventName, Name | None], BeforeValidator(_as_keepers)] = Field(default_factory=dict)


class CommandRule(Part):
    """Where a command leads: from certain states or from anywhere, and what to say where it leads nowhere."""

    later = frozenset({"call"})
    origins: Annotated[list[StateName], BeforeValidator(as_list)] | None = Field(default=None, alias="from")
    condition: str | bool | None = Field(default=None, alias="if")
    to: StateName
    reason: str | None = None
    otherwise: Name | None = Field(default=None, alias="else")


CommandRules = Annotated[list[CommandRule], BeforeValidator(as_list), Field(min_length=1)]


class MigrationSpec(Part):
    """How runs of an older version come into this one."""

    origin: int = Field(ge=1, alias="from")
    states: dict[StateName, StateName] = Field(default_factory=dict)
    slots: dict[Name, Scalar | list[Scalar]] = Field(default_factory=dict)
    drop: Annotated[list[Name], BeforeValidator(as_list)] = Field(default_factory=list)
    orphans: StateName | None = None


class FlowSpec(Part):
    """A flow file."""

    later = frozenset({"migrate", "extends"})
    flow: FlowName
    roles: Names = Field(min_length=1, alias="role", validation_alias=WHOSE)
    version: int = Field(default=1, ge=1)
    start: StartSpec = Field(default_factory=StartSpec)
    instance: str | None = None
    language: Language = "en"
    quiet: Annotated[QuietSpec | None, BeforeValidator(_unless_false)] = None
    digress: bool = True
    resume: Literal["ask", "silent"] = "ask"
    variants: Variants | None = None
    choices_style: ChoicesStyle = "auto"
    slots: dict[Name, SlotSpec] = Field(default_factory=dict)
    rules: list[SlotRule] = Field(default_factory=list)
    inputs: list[InputName] = Field(default_factory=list)
    outputs: Annotated[dict[Name, Scalar], BeforeValidator(_by_own_names)] = Field(default_factory=dict)
    commands: dict[str, CommandRules] = Field(default_factory=dict)
    states: dict[Name, StateSpec] = Field(min_length=1)
    migrations: Annotated[list[MigrationSpec], BeforeValidator(as_list)] = Field(default_factory=list)


class ProjectSpec(Part):
    """`project.yaml`: what holds for all flows that do not say otherwise, and the `languages` everything is in."""

    language: Language = "en"
    languages: list[Language] = Field(default_factory=list)
    quiet: QuietSpec | None = None
    choices_style: ChoicesStyle = "auto"
