"""The line to the bot: one provider's API and webhooks, chosen by the settings."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta import MetaApi, MetaEvents

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Line(Protocol):
    """What a provider lets a bot call, and what the control API may do to it."""

    def routes(self) -> list[web.RouteDef]:
        """The provider's API."""
        ...

    @property
    def middleware(self) -> Any:
        """Answers refusals in the provider's shape."""
        ...

    def control_template(self, name: str, wanted: dict[str, Any]) -> None:
        """Do to a template what a reviewer, or its readers, would.

        Raises:
            EmulatorError: There is no such template, or nothing of the kind happens to templates.
        """
        ...

    def opt_out(self, number: str, *, stopped: bool) -> None:
        """A person stops the business' marketing, or lets it go on."""
        ...


def open_line(exchange: Exchange) -> Line:
    """The API of the provider that the settings name, its webhooks connected to the exchange."""
    events = MetaEvents(exchange.settings, exchange.storeroom, exchange.chance)
    exchange.connect(events)
    return MetaApi(exchange, events)
