"""The control API under `/_control`: tests set faults, read the log, move the clock."""

from datetime import timedelta
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta import MetaApi
from providers.emulator.page import Page, answer, read_object
from providers.emulator.phones import EmulatorError


class Control:
    """What no provider offers: the strings behind the stage."""

    def __init__(self, exchange: Exchange, api: MetaApi, page: Page) -> None:
        self._exchange = exchange
        self._api = api
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """The control routes."""
        return [
            web.post("/_control/faults", self.faults),
            web.get("/_control/log", self.log),
            web.post("/_control/reset", self.reset),
            web.post("/_control/clock", self.clock),
            web.post("/_control/templates/{name}", self.template),
        ]

    async def faults(self, request: web.Request) -> web.Response:
        """Set the faults that the JSON names; answers all that are set now."""
        try:
            self._exchange.faults.update(await read_object(request))
        except EmulatorError as error:
            return answer({"error": str(error)}, status=400)
        return answer(self._exchange.faults)

    async def log(self, _request: web.Request) -> web.Response:
        """Every accepted send, oldest first."""
        courier = self._exchange.courier
        webhooks: dict[str, Any] = {"waiting": courier.waiting, "problem": courier.problem}
        return answer({"sends": list(self._exchange.sends), "webhooks": webhooks})

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget conversations, the log, faults and waiting webhooks."""
        await self._exchange.reset()
        return answer({"success": True})

    async def clock(self, request: web.Request) -> web.Response:
        """Move the emulator's clock: `{"advance_seconds": 90000}`."""
        seconds = (await read_object(request)).get("advance_seconds")
        if not isinstance(seconds, int | float) or seconds < 0:
            return answer({"error": "advance_seconds must be a number, 0 or more"}, status=400)
        self._exchange.clock.advance(timedelta(seconds=seconds))
        return answer({"now": self._exchange.clock.now()})

    async def template(self, request: web.Request) -> web.Response:
        """Give a template a status: `{"status": "PAUSED"}`; the bot gets the webhook."""
        try:
            status = str((await read_object(request)).get("status", ""))
            self._api.set_template_status(request.match_info["name"], status)
        except EmulatorError as error:
            return answer({"error": str(error)}, status=400)
        return answer({"success": True})
