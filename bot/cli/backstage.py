"""What happens away from the phones while a script is played: work at the desk, and paying on the payment page."""

from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp

from bot.cli.cast import Player
from bot.core.errors import ActionError
from bot.operations import standard_services
from bot.operations.permissions import may
from bot.runtime.bootstrap import System
from storage.base import Person
from storage.postgres import Directory

PAY_PATH = "/pay/"
"""What a payment link has in it."""


class Backstage(Protocol):
    """Does what people do without their phones; each answers with what went wrong, or None."""

    async def work(self, who: Player, service: str, arguments: Mapping[str, Any]) -> str | None:
        """Somebody of the staff does something at the desk."""

    async def pay(self, link: str) -> str | None:
        """Somebody opens a payment link and pays."""


class SystemBackstage:
    """Backstage of a running system.

    Args:
        system: The bot; the payment page is where it serves it.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._services = standard_services()

    async def work(self, who: Player, service: str, arguments: Mapping[str, Any]) -> str | None:
        """Call a service in somebody's name, in the first of their roles that may."""
        known = self._services.get(service)
        if known is None:
            return f"there is no service {service}."
        role = next((role for role in who.roles if may(role, *known.needs)), None)
        if role is None:
            return f"{who.name} ({who.part}) may not call {service}."
        system, base = self._system, self._system.foundation
        place = await Directory(base.database, base.vault).place(
            system.channel, Person(phone=who.number, user_id=None, name=who.name)
        )
        try:
            async with system.office.acting(
                system.channel.tenant_id, role=role, source="WEB", contact_id=place.contact_id
            ) as acting:
                await known.function(acting, **arguments)
        except (ActionError, TypeError) as error:
            return f"{service}: {error}"
        return None

    async def pay(self, link: str) -> str | None:
        """Press the button on the payment page, over HTTP."""
        async with aiohttp.ClientSession() as http, http.post(link, data={"answer": "pay"}) as page:
            return None if page.status == 200 else f"{link} answered {page.status}."
