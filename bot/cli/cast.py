"""The people of the demo and the simulator, and the small business they work for.

A project has its own in `demo.yaml`, beside its flows; without that file they are those of the example.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from bot.authoring.mistakes import explain
from bot.authoring.reader import read
from bot.core.errors import ContentErrors, SirdarError
from bot.core.flow import Name, Part
from bot.operations.example import seed
from bot.runtime.bootstrap import System
from bot.runtime.project import content_dir
from storage.base import Person
from storage.postgres import grant_role

BUSINESS = "Sirdar Treks"
BUSINESS_NUMBER = "+15550100200"
DEMO = "demo.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Somebody with a phone.

    Attributes:
        part: What scripts and commands call them.
        name: Their WhatsApp name.
        number: E.164.
        roles: What they are besides a customer.
        hint: What they might write first.
    """

    part: str
    name: str
    number: str
    roles: tuple[str, ...] = ()
    hint: str = ""


CAST = (
    Player(
        part="customer",
        name="Maya Lindqvist",
        number="+46701234567",
        hint="Hi, interested in EBC Trek for 2 people in December",
    ),
    Player(
        part="guide",
        name="Pasang Sherpa",
        number="+9779800000001",
        roles=("field_staff",),
        hint="ISSUE TRP123 Vehicle breakdown at checkpoint",
    ),
    Player(part="sales", name="Anita Gurung", number="+9779800000002", roles=("sales",)),
    Player(part="manager", name="Tenzing Rai", number="+9779800000003", roles=("manager", "operations")),
)
"""The customer's number is one that Sweden keeps for fiction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Troupe:
    """A business to play with.

    Attributes:
        business: Its name.
        people: Everybody with a phone.
        file: Where they come from; None for the built-in example.
        scripted: Whether the file has a script for `bot demo --script`.
    """

    business: str = BUSINESS
    people: tuple[Player, ...] = CAST
    file: Path | None = None
    scripted: bool = False


class PersonSpec(Part):
    """Somebody in `demo.yaml`."""

    name: Annotated[str, StringConstraints(min_length=1)]
    number: Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]
    roles: list[Name] = Field(default_factory=list)
    hint: str = ""


class DemoSpec(Part):
    """`demo.yaml`. The script is read by `bot.cli.script`."""

    business: Annotated[str, StringConstraints(min_length=1)]
    people: dict[Name, PersonSpec] = Field(min_length=1)
    script: list[Any] = Field(default_factory=list)


def troupe_of(root: Path) -> Troupe:
    """The people of a content folder, from its `demo.yaml` if it has one.

    Raises:
        ContentError: The file is not YAML.
        ContentErrors: It is not written as such files are.
        SirdarError: It cannot be read.
    """
    path = root / DEMO
    if not path.is_file():
        return Troupe()
    try:
        document = read(path.read_text(encoding="utf-8"), DEMO)
    except (OSError, UnicodeDecodeError) as error:
        raise SirdarError(f"{path} cannot be read: {error}") from error
    try:
        spec = DemoSpec.model_validate(document.value)
    except ValidationError as mistakes:
        raise ContentErrors([one.error() for one in explain(mistakes, document, DemoSpec)]) from mistakes
    people = tuple(
        Player(part=part, name=one.name, number=one.number, roles=tuple(one.roles), hint=one.hint)
        for part, one in spec.people.items()
    )
    return Troupe(business=spec.business, people=people, file=path, scripted=bool(spec.script))


def player(name: str, people: Sequence[Player] = CAST) -> Player | None:
    """Who plays a part; a role leads to whoever has it."""
    wanted = name.strip().casefold().replace("-", "_")
    return next((one for one in people if wanted == one.part or wanted in one.roles), None)


async def take_places(system: System, today: date, cast: Sequence[Player] = CAST) -> None:
    """Give everybody their roles, and the example's business its treks and trips; Pasang leads the trips."""
    base = system.foundation
    guide = None
    for one in cast:
        person = Person(phone=one.number, user_id=None, name=one.name)
        for role in one.roles:
            contact = await grant_role(base.database, base.vault, system.channel, person, role)
            guide = contact if role == "field_staff" else guide
    if (content_dir(system.settings) / DEMO).is_file():
        return  # a business of its own has no treks
    async with base.database.tenant(system.channel.tenant_id) as db:
        await seed(db, system.channel.tenant_id, guide=guide, today=today)
