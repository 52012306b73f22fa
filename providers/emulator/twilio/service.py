"""The Messaging Service that messages may be sent through, and Twilio's debugger: what it gave up on."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.twilio.errors import TwilioError, not_found
from providers.emulator.twilio.events import CHANNEL, TwilioEvents
from providers.emulator.twilio.resources import meta_of
from providers.emulator.twilio.sending import is_url

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ServiceApi:
    """`messaging.twilio.com/v1/Services` and `monitor.twilio.com/v1/Alerts`."""

    def __init__(self, exchange: Exchange, events: TwilioEvents, answer: Callable[[object], web.Response]) -> None:
        self._exchange = exchange
        self._events = events
        self._answer = answer
        self._since = exchange.clock.now()

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each call."""
        one = r"/v1/Services/{sid:MG\w{32}}"
        return [
            ("GET", "/v1/Services", self.list_all),
            ("GET", one, self.fetch),
            ("POST", one, self.change),
            ("GET", one + "/PhoneNumbers", self.numbers),
            ("GET", one + "/ChannelSenders", self.senders),
            ("GET", "/v1/Alerts", self.alerts),
        ]

    async def list_all(self, request: web.Request) -> web.StreamResponse:
        """The service, if the account has one."""
        found = [self._service()] if self._exchange.settings.messaging_service_sid else []
        shown, meta = meta_of(f"{self._events.base_url}/v1/Services", "services", found, request.query)
        return self._answer({"services": shown, "meta": meta})

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """One service."""
        self._need(request)
        return self._answer(self._service())

    async def change(self, request: web.Request) -> web.StreamResponse:
        """`InboundRequestUrl` and `StatusCallback`: where webhooks and statuses go."""
        self._need(request)
        form = await request.post()
        for name in ("InboundRequestUrl", "StatusCallback"):
            if form.get(name) and not is_url(str(form[name])):
                raise TwilioError(20422, f"{name} is not a valid URL")
        self._exchange.courier.url = str(form.get("InboundRequestUrl") or self._exchange.courier.url)
        settings = self._exchange.settings
        settings.status_callback_url = str(form.get("StatusCallback") or settings.status_callback_url)
        return self._answer(self._service())

    async def numbers(self, request: web.Request) -> web.StreamResponse:
        """The numbers for SMS in its pool: none, since this one is on WhatsApp."""
        self._need(request)
        shown, meta = meta_of(f"{self._url()}/PhoneNumbers", "phone_numbers", [], request.query)
        return self._answer({"phone_numbers": shown, "meta": meta})

    async def senders(self, request: web.Request) -> web.StreamResponse:
        """The WhatsApp senders in its pool: the one there is."""
        self._need(request)
        settings, at = self._exchange.settings, self._since.strftime("%Y-%m-%dT%H:%M:%SZ")
        sid = self._events.sender_sid()
        one = {
            "account_sid": settings.account_sid,
            "messaging_service_sid": settings.messaging_service_sid,
            "sid": sid,
            "sender": CHANNEL + settings.business_number,
            "sender_type": "WhatsApp",
            "country_code": "ZZ",
            "date_created": at,
            "date_updated": at,
            "url": f"{self._url()}/ChannelSenders/{sid}",
        }
        shown, meta = meta_of(f"{self._url()}/ChannelSenders", "senders", [one], request.query)
        return self._answer({"senders": shown, "meta": meta})

    async def alerts(self, request: web.Request) -> web.StreamResponse:
        """Webhooks that were given up, and answers to them that made no sense; newest first."""
        found = [
            {
                "sid": f"NO{place:032x}",
                "account_sid": self._exchange.settings.account_sid,
                "error_code": str(alert.code),
                "log_level": "error",
                "alert_text": alert.problem,
                "request_url": alert.url,
                "request_method": "POST",
                "more_info": f"https://www.twilio.com/docs/errors/{alert.code}",
                "date_generated": _iso(self._exchange),
                "date_created": _iso(self._exchange),
                "date_updated": _iso(self._exchange),
                "resource_sid": None,
                "service_sid": None,
                "api_version": "2010-04-01",
                "url": f"{self._events.base_url}/v1/Alerts/NO{place:032x}",
            }
            for place, alert in enumerate(reversed(self._exchange.courier.alerts))
        ]
        shown, meta = meta_of(f"{self._events.base_url}/v1/Alerts", "alerts", found, request.query)
        return self._answer({"alerts": shown, "meta": meta})

    def _service(self) -> dict[str, Any]:
        settings, at = self._exchange.settings, self._since.strftime("%Y-%m-%dT%H:%M:%SZ")
        url = self._url()
        return {
            "sid": settings.messaging_service_sid,
            "account_sid": settings.account_sid,
            "friendly_name": settings.business_name,
            "date_created": at,
            "date_updated": at,
            "inbound_request_url": self._exchange.courier.url,
            "inbound_method": "POST",
            "fallback_url": None,
            "fallback_method": "POST",
            "status_callback": settings.status_callback_url or None,
            "sticky_sender": True,
            "mms_converter": True,
            "smart_encoding": True,
            "area_code_geomatch": True,
            "fallback_to_long_code": True,
            "scan_message_content": "inherit",
            "synchronous_validation": False,
            "validity_period": 14_400,
            "usecase": "undeclared",
            "us_app_to_person_registered": False,
            "use_inbound_webhook_on_number": False,
            "url": url,
            "links": {"phone_numbers": f"{url}/PhoneNumbers", "channel_senders": f"{url}/ChannelSenders"},
        }

    def _url(self) -> str:
        return f"{self._events.base_url}/v1/Services/{self._exchange.settings.messaging_service_sid}"

    def _need(self, request: web.Request) -> None:
        if request.match_info["sid"] != self._exchange.settings.messaging_service_sid:
            raise not_found(request.path)


def _iso(exchange: Exchange) -> str:
    return exchange.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
