"""The number's registration and what else one sets once: PIN, codes, settings, shop, encryption key, QR codes."""

from datetime import timedelta
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.files import unknown_object
from providers.emulator.meta.nodes import Row, of_the_number
from providers.emulator.meta.wire import json_answer, read_json

REGISTRATIONS_MOST, REGISTRATIONS_WITHIN = 10, timedelta(hours=72)
CODE = "123456"
"""The verification code that this emulator sends to nobody."""


class RegistrationDesk:
    """What the Graph API lets one set of a number; most of it is only remembered."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pin = ""
        self._settings: dict[str, Any] = {"storage_configuration": {"status": "DEFAULT"}}
        self._shop: dict[str, Any] = {"is_cart_enabled": True, "is_catalog_visible": False}
        self._key = ""
        self._codes: dict[str, dict[str, Any]] = {}

    def table(self, node: str) -> list[Row]:
        """The routes below a node."""
        code = node + r"/message_qrdls/{code:\w+}"
        rows: list[Row] = [
            ("POST", node + "/register", self.register),
            ("POST", node + "/deregister", self.deregister),
            ("POST", node + "/request_code", self.request_code),
            ("POST", node + "/verify_code", self.verify_code),
            ("GET", node + "/settings", self.settings),
            ("POST", node + "/settings", self.change_settings),
            ("GET", node + "/whatsapp_commerce_settings", self.shop),
            ("POST", node + "/whatsapp_commerce_settings", self.change_shop),
            ("GET", node + "/whatsapp_business_encryption", self.key),
            ("POST", node + "/whatsapp_business_encryption", self.set_key),
            ("GET", node + "/message_qrdls", self.list_codes),
            ("POST", node + "/message_qrdls", self.keep_code),
            ("GET", code, self.one_code),
            ("DELETE", code, self.delete_code),
        ]
        return of_the_number(self._exchange, rows)

    @property
    def public_key(self) -> str:
        """The key for flows, in PEM; '' while there is none."""
        return self._key

    @property
    def calling(self) -> dict[str, Any]:
        """What the settings say about calls."""
        told = self._settings.get("calling")
        return told if isinstance(told, dict) else {}

    async def register(self, request: web.Request) -> web.StreamResponse:
        """`{messaging_product, pin}`: six digits; the first sets the PIN, later ones must be the same."""
        body = await read_json(request)
        body.need("messaging_product").one_of(["whatsapp"], code=100)
        pin = body.need("pin").text(code=100)
        if not (pin.isdecimal() and len(pin) == 6):
            raise body.need("pin").wrong("must be six digits", 100)
        self._count()
        if self._pin and pin != self._pin:
            raise GraphError(133005, "Two step verification PIN mismatch")
        self._pin, self._exchange.registered = pin, True
        return json_answer({"success": True})

    async def deregister(self, _request: web.Request) -> web.StreamResponse:
        """From now on nothing is sent: 133010."""
        self._count()
        self._exchange.registered = False
        return json_answer({"success": True})

    async def request_code(self, request: web.Request) -> web.StreamResponse:
        """`?code_method=SMS|VOICE&language=`: the code is always the same here."""
        if request.query.get("code_method") not in ("SMS", "VOICE") or not request.query.get("language"):
            raise GraphError(100, "code_method must be SMS or VOICE, and language is required.")
        return json_answer({"success": True})

    async def verify_code(self, request: web.Request) -> web.StreamResponse:
        """`?code=`."""
        if request.query.get("code") != CODE:
            raise GraphError(136025, "The verification code is not correct.")
        return json_answer({"success": True})

    async def settings(self, _request: web.Request) -> web.StreamResponse:
        """Calling, storage and so on, as they were set."""
        return json_answer(self._settings)

    async def change_settings(self, request: web.Request) -> web.StreamResponse:
        """Remember settings."""
        self._settings |= (await read_json(request)).value
        return json_answer({"success": True})

    async def shop(self, _request: web.Request) -> web.StreamResponse:
        """Whether people see a catalogue and a cart."""
        return json_answer({"data": [self._shop | {"id": self._exchange.settings.phone_number_id}]})

    async def change_shop(self, request: web.Request) -> web.StreamResponse:
        """`?is_cart_enabled=&is_catalog_visible=`."""
        for name in self._shop:
            if name in request.query:
                self._shop[name] = request.query[name].lower() == "true"
        return json_answer({"success": True})

    async def key(self, _request: web.Request) -> web.StreamResponse:
        """The public key for flows."""
        status = {"business_public_key": self._key, "business_public_key_signature_status": "VALID"}
        return json_answer({"data": [status] if self._key else []})

    async def set_key(self, request: web.Request) -> web.StreamResponse:
        """A PEM public key, as JSON or as a form."""
        given = (
            (await request.post()).get("business_public_key") if request.content_type != "application/json" else None
        )
        key = str(given) if given else (await read_json(request)).need("business_public_key").text(code=100)
        if "BEGIN PUBLIC KEY" not in key:
            raise GraphError(100, "business_public_key must be a public key in PEM form.")
        self._key = key
        return json_answer({"success": True})

    async def list_codes(self, _request: web.Request) -> web.StreamResponse:
        """Every QR code."""
        return json_answer({"data": list(self._codes.values()), "paging": {"cursors": {"before": "0", "after": "0"}}})

    async def keep_code(self, request: web.Request) -> web.StreamResponse:
        """Make a QR code, or change what one says."""
        body = await read_json(request)
        words, known = body.need("prefilled_message").text(140, code=100), body.text_of("code")
        if known and known not in self._codes:
            raise unknown_object(known)
        code = known or f"{self._exchange.chance.getrandbits(64):016X}"
        kind = (body.text_of("generate_qr_image") or "png").lower()
        self._codes[code] = {
            "code": code,
            "prefilled_message": words,
            "deep_link_url": f"https://wa.me/message/{code}",
            "qr_image_url": f"https://scontent.example/qr/{code}.{kind}",
        }
        return json_answer(self._codes[code])

    async def one_code(self, request: web.Request) -> web.StreamResponse:
        """One QR code."""
        return json_answer({"data": [self._code(request)]})

    async def delete_code(self, request: web.Request) -> web.StreamResponse:
        """Forget a QR code."""
        del self._codes[self._code(request)["code"]]
        return json_answer({"success": True})

    def _code(self, request: web.Request) -> dict[str, Any]:
        code = request.match_info["code"]
        if code not in self._codes:
            raise unknown_object(code)
        return self._codes[code]

    def _count(self) -> None:
        if self._exchange.limits.full("registrations", REGISTRATIONS_MOST, REGISTRATIONS_WITHIN):
            raise GraphError(133016, "Registration or deregistration failed: too many attempts in 72 hours.")
