"""`bot act`: do from the command line what the desk does, such as sending a quote."""

import json
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from bot.cli.running import run
from bot.config import load_database_settings
from bot.core.errors import ActionError, ConfigError, SirdarError
from bot.operations import standard_services
from bot.operations.permissions import Role
from bot.runtime.bells import Bells
from bot.runtime.loop import utc_now
from bot.runtime.office import Office
from bot.runtime.opening import open_foundation
from storage.postgres.inspection import Inspection


def act(
    service: Annotated[str, Parameter(name="SERVICE", help="Such as quotes.send; docs/flow-language.md lists them")],
    /,
    *arguments: Annotated[str, Parameter(name="NAME=VALUE", help="What it gets; a value may be JSON")],
    role: Annotated[Role, Parameter(help="In which role")] = "manager",
    person: Annotated[int | None, Parameter(help="In whose name: a contact's number")] = None,
) -> int:
    """Do what the desk does: change the business, and let everybody concerned hear of it."""
    known = standard_services().get(service)
    if known is None:
        raise ConfigError([f"There is no service {service}. docs/flow-language.md lists them, under Actions."])
    given = dict(_argument(one) for one in arguments)
    settings = load_database_settings()

    async def main() -> Any:
        async with open_foundation(settings, connections=1) as base:
            tenant = await Inspection(base.database).tenant(settings.bot_tenant)
            if tenant is None:
                raise SirdarError(f"No number of tenant {settings.bot_tenant} has been registered yet.")
            office = Office(database=base.database, vault=base.vault, bells=Bells(), clock=utc_now)
            contact = {"contact_id": person} if person is not None else {"name": "cli"}
            async with office.acting(tenant, role=role, source="WEB", **contact) as acting:
                return await known.function(acting, **given)

    try:
        result = run(main())
    except ActionError as refused:
        Console(stderr=True, highlight=False).print(f"{refused} [{refused.code}]", style="red", markup=False)
        return 1
    except TypeError as error:  # an argument too many, or one missing
        raise ConfigError([f"{service}: {error}."]) from error
    Console().print_json(json.dumps(result, default=str))
    return 0


def _argument(text: str) -> tuple[str, Any]:
    """`quote=QUO1`, or `items=[{…}]` in JSON; numbers stay text, as they are typed."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError([f"{text} is not like name=value."])
    if value[:1] in "[{":
        try:
            return name, json.loads(value)
        except ValueError as error:
            raise ConfigError([f"{name}: this is no JSON: {error}."]) from error
    return name, value
