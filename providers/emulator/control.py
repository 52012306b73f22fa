"""The control API under `/_control`: tests set faults, act as people, read the log, move the clock.

docs/emulator.md describes each call.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from providers.emulator.deeds import act
from providers.emulator.exchange import Exchange
from providers.emulator.lines import Line
from providers.emulator.meta.number import HIGH_THROUGHPUT, tier
from providers.emulator.page import answer, answering, read_object
from providers.emulator.phones import EmulatorError, UnknownPhoneError

if TYPE_CHECKING:
    from providers.emulator.emulator import Emulator

LIMITS = ("pair_limit", "throughput", "reach_limit", "management_limit", "rest_concurrency")

Act = Callable[[dict[str, Any]], Awaitable[object]]


class Control:
    """What no provider offers: the strings behind the stage."""

    def __init__(self, exchange: Exchange, line: Line, emulator: "Emulator") -> None:
        self._exchange = exchange
        self._line = line
        self._emulator = emulator

    def routes(self) -> list[web.RouteDef]:
        """The control routes."""
        return [
            web.post("/_control/faults", self._doing(self.faults)),
            web.get("/_control/log", self.log),
            web.get("/_control/chat/{number}", self.chat),
            web.post("/_control/reset", self.reset),
            web.post("/_control/clock", self._doing(self.clock)),
            web.post("/_control/limits", self._doing(self.limits)),
            web.post("/_control/webhook", self._doing(self.webhook)),
            web.post("/_control/act/{deed}", self.act),
            web.post("/_control/templates/{name}", self.template),
        ]

    async def faults(self, wanted: dict[str, Any]) -> object:
        """Set the faults that the JSON names; answers all that are set now."""
        self._exchange.faults.update(wanted)
        return self._exchange.faults

    async def log(self, _request: web.Request) -> web.Response:
        """Every accepted send, oldest first; webhooks that wait, that were given up, and the answers to forged ones."""
        courier = self._exchange.courier
        webhooks: dict[str, Any] = {
            "waiting": courier.waiting,
            "problem": courier.problem,
            "alerts": list(courier.alerts),
            "forged": list(courier.forged),
        }
        return answer({"sends": list(self._exchange.sends), "webhooks": webhooks})

    async def chat(self, request: web.Request) -> web.Response:
        """What a phone shows."""
        try:
            return answer({"bubbles": self._exchange.phones.chat(request.match_info["number"]).bubbles})
        except UnknownPhoneError as error:
            return answer({"error": str(error)}, status=404)

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget conversations, the log, faults and waiting webhooks."""
        await self._exchange.reset()
        return answer({"success": True})

    async def clock(self, wanted: dict[str, Any]) -> object:
        """Move the emulator's clock: `{"advance_seconds": 90000}`."""
        seconds = wanted.get("advance_seconds")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise EmulatorError("advance_seconds must be a number, 0 or more")
        self._exchange.clock.advance(timedelta(seconds=seconds))
        return {"now": self._exchange.clock.now()}

    async def limits(self, wanted: dict[str, Any]) -> object:
        """Set the rate limits that the JSON names; answers all."""
        settings = self._exchange.settings
        unknown = wanted.keys() - set(LIMITS)
        if unknown:
            raise EmulatorError(f"unknown limit: {', '.join(sorted(unknown))}")
        for name, value in wanted.items():
            if name == "pair_limit":
                settings.pair_limit = bool(value)
            else:
                setattr(settings, name, None if value is None else int(value))
        self._tell_of_limits(wanted)
        return {name: getattr(settings, name) for name in LIMITS}

    def _tell_of_limits(self, wanted: dict[str, Any]) -> None:
        """Meta tells when it raises a limit, or lowers it."""
        settings = self._exchange.settings
        if settings.provider == "twilio":
            return
        if "reach_limit" in wanted:
            reach = -1 if settings.reach_limit is None else settings.reach_limit
            value = {"max_daily_conversations_per_business": reach, "max_phone_numbers_per_business": 20}
            self._exchange.post_news({"field": "business_capability_update", "value": value})
        if "throughput" in wanted and (settings.throughput or 0) >= HIGH_THROUGHPUT:
            upgrade = {
                "display_phone_number": settings.business_number[1:],
                "event": "THROUGHPUT_UPGRADE",
                "max_daily_conversations_per_business": tier(settings.reach_limit),
            }
            self._exchange.post_news({"field": "phone_number_quality_update", "value": upgrade})

    async def webhook(self, wanted: dict[str, Any]) -> object:
        """Post any webhook, in the provider's envelope and with its proof."""
        self._exchange.post_news(wanted)
        return {"success": True}

    async def act(self, request: web.Request) -> web.Response:
        """Do what a person does: whatever is in `DEEDS`; `opt_out`; or `flow_step`."""
        deed = request.match_info["deed"]

        async def do(wanted: dict[str, Any]) -> object:
            number = str(wanted["number"])
            if deed == "opt_out":
                return await self._opt_out(number, stopped=bool(wanted.get("stopped", True)))
            if deed == "flow_step":
                return await self._emulator.step_flow(
                    number, str(wanted["message"]), str(wanted.get("action", "INIT")),
                    screen=str(wanted.get("screen", "")), data=dict(wanted.get("data", {})),
                )  # fmt: skip
            return {"id": await act(self._emulator, deed, number, wanted)}

        return await self._doing(do)(request)

    async def template(self, request: web.Request) -> web.Response:
        """Give a template a status, quality or category, or the verdict of its next review."""

        async def do(wanted: dict[str, Any]) -> object:
            self._line.control_template(request.match_info["name"], wanted)
            return {"success": True}

        return await self._doing(do)(request)

    async def _opt_out(self, number: str, *, stopped: bool) -> object:
        phone = self._exchange.phones.chat(number).phone
        self._line.opt_out(number, stopped=stopped)
        if self._exchange.settings.provider != "twilio":
            preference = {
                "wa_id": phone.wa_id,
                "detail": f"User asked to {'stop' if stopped else 'resume'} marketing",
                "category": "marketing_messages",
                "value": "stop" if stopped else "resume",
                "timestamp": int(self._exchange.clock.now().timestamp()),
            }
            contact = {"profile": {"name": phone.name}, "wa_id": phone.wa_id}
            value = {"contacts": [contact], "user_preferences": [preference]}
            self._exchange.post_news({"field": "user_preferences", "value": value})
        return {"success": True}

    def _doing(self, do: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def read_and_do(request: web.Request) -> object:
            return await do(await read_object(request))

        return answering(read_and_do)
