"""`bot staff add`."""

import re
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from bot.cli.running import run
from bot.config import load_settings
from bot.core.errors import ConfigError
from bot.runtime.bootstrap import open_system
from storage.base import Person
from storage.postgres import grant_role

Role = Literal["sales", "operations", "field_staff", "manager"]


def add(
    phone: Annotated[str, Parameter(help="E.164, like +9779812345678")],
    role: Role,
    *,
    name: Annotated[str, Parameter(help="What to call them")] = "",
) -> None:
    """Give somebody a role. They may not have written yet."""
    if not re.fullmatch(r"\+[1-9]\d{6,14}", phone):
        raise ConfigError([f"{phone} is not a phone number in international form, like +9779812345678."])
    settings = load_settings()

    async def main() -> None:
        async with open_system(settings, deploy=False) as system:
            base = system.foundation
            person = Person(phone=phone, user_id=None, name=name)
            await grant_role(base.database, base.vault, system.channel, person, role)

    run(main())
    Console(highlight=False).print(f"{name or 'They'} may now write as {role}.", style="green")
