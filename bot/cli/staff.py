"""`bot staff add` and `bot staff invite`."""

from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from bot.cli.running import run
from bot.cli.tenant import load_tenant_settings
from bot.core.errors import ConfigError
from bot.core.phones import read_phone
from bot.operations import people
from bot.runtime.bootstrap import open_system
from storage.base import Person
from storage.postgres import grant_role

Role = Literal["sales", "operations", "field_staff", "manager"]


def add(
    phone: Annotated[str, Parameter(help="Like +9779812345678; without +, a number of the business's own country")],
    role: Role,
    *,
    name: Annotated[str, Parameter(help="What to call them")] = "",
) -> None:
    """Give somebody a role. They may not have written yet."""
    settings = load_tenant_settings()
    number = read_phone(phone, settings.whatsapp_phone_number)
    if number is None:
        raise ConfigError([f"{phone} is not a phone number, like +9779812345678."])

    async def main() -> None:
        async with open_system(settings, deploy=False) as system:
            base = system.foundation
            person = Person(phone=number, user_id=None, name=name)
            await grant_role(base.database, base.vault, system.channel, person, role)

    run(main())
    Console(highlight=False).print(f"{name or 'They'} may now write as {role}.", style="green")


def invite(
    *roles: Annotated[Role, Parameter(help="What they will be; several are possible")],
    name: Annotated[str, Parameter(help="What to call them")] = "",
    hours: Annotated[int, Parameter(help="How long the code is good")] = 48,
) -> None:
    """Make a code with which one person becomes staff, by texting it."""
    if not roles:
        raise ConfigError(["Say which role they will have, like: bot staff invite field_staff"])
    settings = load_tenant_settings()

    async def main() -> str:
        async with (
            open_system(settings, deploy=False) as system,
            system.office.acting(system.channel.tenant_id, name="cli") as acting,
        ):
            made = await people.invite(acting, roles=roles, name=name, hours=hours)
            return str(made["code"])

    code = run(main())
    console = Console(highlight=False)
    what = ", ".join(roles)
    console.print(f"{name or 'They'} may become {what} within {hours} hours, once, by texting", style="green")
    console.print(f"  JOIN {code}", style="bold")
    console.print(f"to {settings.whatsapp_phone_number}. The code is shown only now.", style="dim")
