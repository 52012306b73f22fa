"""The people of the demo and the simulator, and the small business they work for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.operations.example import seed
from bot.runtime.bootstrap import System
from storage.base import Person
from storage.postgres import grant_role

BUSINESS = "Sirdar Treks"
BUSINESS_NUMBER = "+15550100200"


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


def player(name: str) -> Player | None:
    """Who plays a part; a role leads to whoever has it."""
    wanted = name.strip().casefold().replace("-", "_")
    return next((one for one in CAST if wanted == one.part or wanted in one.roles), None)


async def take_places(system: System, today: date, cast: Sequence[Player] = CAST) -> None:
    """Give everybody their roles, and the business its treks and trips; Pasang leads the trips."""
    base = system.foundation
    guide = None
    for one in cast:
        person = Person(phone=one.number, user_id=None, name=one.name)
        for role in one.roles:
            contact = await grant_role(base.database, base.vault, system.channel, person, role)
            guide = contact if role == "field_staff" else guide
    async with base.database.tenant(system.channel.tenant_id) as db:
        await seed(db, system.channel.tenant_id, guide=guide, today=today)
