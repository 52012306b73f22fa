"""The line to the bot: one provider's API and webhooks, chosen by the settings."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, assert_never

from aiohttp import web

from providers.emulator.dialog360 import Dialog360Api, Dialog360Events
from providers.emulator.exchange import Exchange
from providers.emulator.meta import MetaApi, MetaEvents
from providers.emulator.twilio import TwilioApi, TwilioEvents

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

    async def flow_step(self, message_id: str, action: str, screen: str, data: dict[str, Any]) -> dict[str, Any]:
        """What the business' endpoint answers for a flow that a message opens.

        Raises:
            EmulatorError: There is no such flow, or no such endpoint, at this provider.
        """
        ...


def open_line(exchange: Exchange) -> Line:
    """The API of the provider that the settings name, its webhooks connected to the exchange."""
    settings, storeroom, chance = exchange.settings, exchange.storeroom, exchange.chance
    match settings.provider:
        case "meta":
            events = MetaEvents(settings, storeroom, chance)
            exchange.connect(events)
            return MetaApi(exchange, events)
        case "twilio":
            forms = TwilioEvents(settings, storeroom, chance)
            exchange.connect(forms)
            return TwilioApi(exchange, forms)
        case "360dialog":
            envelopes = Dialog360Events(settings, storeroom, chance)
            exchange.connect(envelopes)
            return Dialog360Api(exchange, envelopes)
        case _:
            assert_never(settings.provider)
