"""The number and its account: description, webhooks, blocked people, what became of a message."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.handshake import WebhookRefusedError, shake_hands
from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.fields import Field
from providers.emulator.meta.files import unknown_object
from providers.emulator.meta.wire import json_answer, read_json
from providers.emulator.phones import Receipt

CALLBACK_MOST = 200
BLOCKED_MOST = 64_000

_PROFILE = ("about", "address", "description", "email", "profile_picture_url", "websites", "vertical")
_HISTORY = {
    Receipt.SENT: "SENT",
    Receipt.DELIVERED: "DELIVERED",
    Receipt.READ: "READ",
    Receipt.PLAYED: "READ",
    Receipt.FAILED: "FAILED",
}

HIGH_THROUGHPUT = 1000
_TIERS = {50: "TIER_50", 250: "TIER_250", 1000: "TIER_1K", 2000: "TIER_2K", 10_000: "TIER_10K", 100_000: "TIER_100K"}

Row = tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]


class NumberDesk:
    """What the Graph API tells about the number and the account, and lets one set."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._usual_url = exchange.settings.webhook_url
        self._overrides: dict[str, str] = {}
        self._profile: dict[str, Any] = {"messaging_product": "whatsapp", "vertical": "TRAVEL"}

    def table(self, node: str) -> list[Row]:
        """The routes below a node."""
        return [
            ("GET", node + "/subscribed_apps", self.subscriptions),
            ("POST", node + "/subscribed_apps", self.subscribe),
            ("POST", node + "/subscriptions", self.subscribe_app),
            ("GET", node + "/phone_numbers", self.numbers),
            ("GET", node + "/message_history", self.history),
            ("GET", node + "/whatsapp_business_profile", self.profile),
            ("POST", node + "/whatsapp_business_profile", self.change_profile),
            ("POST", node + "/conversational_automation", self.automate),
            ("GET", node + "/block_users", self.blocked),
            ("POST", node + "/block_users", self.block),
            ("DELETE", node + "/block_users", self.block),
        ]

    def described(self) -> dict[str, Any]:
        """The number."""
        settings = self._settings
        return {
            "id": settings.phone_number_id,
            "verified_name": settings.business_name,
            "display_phone_number": settings.business_number,
            "code_verification_status": "VERIFIED",
            "quality_rating": "GREEN",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "HIGH" if (settings.throughput or 0) >= HIGH_THROUGHPUT else "STANDARD"},
            "status": "CONNECTED",
            "name_status": "APPROVED",
            "whatsapp_business_manager_messaging_limit": tier(settings.reach_limit),
            "webhook_configuration": {
                "application": self._usual_url,
                **({"phone_number": self._overrides["phone"]} if "phone" in self._overrides else {}),
            },
        }

    def account(self) -> dict[str, Any]:
        """The business account."""
        return {
            "id": self._settings.business_account_id,
            "name": self._settings.business_name,
            "timezone_id": "1",
            "message_template_namespace": "00000000_0000_0000_0000_000000000001",
            "account_review_status": "APPROVED",
            "business_verification_status": "verified",
            "status": "ACTIVE",
        }

    async def configure(self, body: Field) -> dict[str, Any]:
        """Where the number's webhooks go, instead of where the account's or the app's go."""
        wanted = body.get("webhook_configuration")
        if wanted is not None:
            await self._override("phone", wanted)
        return {"success": True}

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        """The emulator's one app is subscribed already; an `override_callback_uri` is shaken hands with, and used."""
        self._need(request, self._settings.business_account_id)
        if request.can_read_body:
            await self._override("account", await read_json(request))
        else:
            self._overrides.pop("account", None)
            self._redirect()
        return json_answer({"success": True})

    async def subscriptions(self, request: web.Request) -> web.StreamResponse:
        """The apps that hear of the account."""
        self._need(request, self._settings.business_account_id)
        app = {"link": "https://www.facebook.com/games/?app_id=1", "name": "Emulator", "id": "1"}
        override = {"override_callback_uri": self._overrides["account"]} if "account" in self._overrides else {}
        return json_answer({"data": [{"whatsapp_business_api_data": app, **override}]})

    async def app_token(self, request: web.Request) -> web.StreamResponse:
        """`GET /oauth/access_token`: an app's token for its id and secret."""
        query = request.query
        if query.get("grant_type") != "client_credentials" or query.get("client_secret") != self._settings.app_secret:
            raise GraphError(1, "Error validating client secret.")
        return json_answer({"access_token": f"{query.get('client_id')}|emulator", "token_type": "bearer"})

    async def subscribe_app(self, request: web.Request) -> web.StreamResponse:
        """`POST /{app}/subscriptions`: where the app's webhooks go, after a handshake."""
        wanted = Field(dict(request.query))
        wanted.need("object").one_of(["whatsapp_business_account"], code=100)
        url = wanted.need("callback_url").text(code=100)
        await self._shake_hands(url, wanted.need("verify_token").text(code=100))
        self._usual_url = url
        self._redirect()
        return json_answer({"success": True})

    async def numbers(self, request: web.Request) -> web.StreamResponse:
        """The numbers of the account: this one."""
        self._need(request, self._settings.business_account_id)
        return json_answer({"data": [self.described()], "paging": {"cursors": {"before": "0", "after": "0"}}})

    async def history(self, request: web.Request) -> web.StreamResponse:
        """`?message_id=`: the steps of one message, for a bot that missed its statuses."""
        self._need(request, self._settings.phone_number_id)
        wanted = request.query.get("message_id", "")
        sent = next((one for one in self._exchange.sends if one.id == wanted), None)
        if sent is None:
            return json_answer({"data": [], "paging": {"cursors": {"before": "", "after": ""}}})
        events = [
            {
                "id": str(950_000_000_000_001 + place),
                "delivery_status": _HISTORY[receipt],
                "timestamp": int(at.timestamp()),
                "webhook_update_state": "DELIVERED",
            }
            for place, (receipt, at) in enumerate(sent.history)
        ]
        whole = {"id": "940000000000001", "message_id": sent.id, "events": {"data": events}}
        return json_answer({"data": [whole], "paging": {"cursors": {"before": "MA==", "after": "MA=="}}})

    async def profile(self, request: web.Request) -> web.StreamResponse:
        """The business' profile."""
        self._need(request, self._settings.phone_number_id)
        return json_answer({"data": [self._profile]})

    async def change_profile(self, request: web.Request) -> web.StreamResponse:
        """Change the members that are given."""
        self._need(request, self._settings.phone_number_id)
        body = await read_json(request)
        self._profile |= {key: value for key, value in body.value.items() if key in _PROFILE}
        return json_answer({"success": True})

    async def automate(self, request: web.Request) -> web.StreamResponse:
        """Ice breakers and commands: checked, and kept with the profile."""
        self._need(request, self._settings.phone_number_id)
        body = await read_json(request)
        for prompt in body.need("prompts").decoded().items(0, 4, code=100) if body.get("prompts") else []:
            prompt.text(80, code=100)
        for command in body.need("commands").decoded().items(0, 30, code=100) if body.get("commands") else []:
            command.need("command_name").text(32, code=100)
            command.need("command_description").text(256, code=100)
        return json_answer({"success": True})

    async def blocked(self, request: web.Request) -> web.StreamResponse:
        """Whom the business has blocked."""
        self._need(request, self._settings.phone_number_id)
        people = [{"messaging_product": "whatsapp", "wa_id": wa_id} for wa_id in self._exchange.blocked]
        return json_answer({"data": people, "paging": {"cursors": {"before": "", "after": ""}}})

    async def block(self, request: web.Request) -> web.StreamResponse:
        """Block people, who must have written within 24 hours, or unblock them."""
        self._need(request, self._settings.phone_number_id)
        body, blocking = await read_json(request), request.method == "POST"
        done: list[dict[str, str]] = []
        failed: list[dict[str, Any]] = []
        for entry in body.need("block_users").items(1, BLOCKED_MOST, code=100):
            by_id = entry.get("user") is None
            asked = entry.need("user_id" if by_id else "user").text(code=100)
            chat = self._exchange.phones.find(**({"bsuid": asked} if by_id else {"number": "+" + asked.lstrip("+")}))
            if chat is None or (blocking and not chat.window_open(self._exchange.clock.now())):
                why = {
                    "code": 139100,
                    "message": "Failed to block",
                    "error_data": {"details": "Re-engagement required"},
                }
                failed.append({"input": asked, **_called(asked, by_id=by_id), "errors": [why]})
                continue
            if blocking:
                self._exchange.blocked.add(chat.phone.wa_id)
            else:
                self._exchange.blocked.discard(chat.phone.wa_id)
            done.append({"input": asked, **_called(asked if by_id else chat.phone.wa_id, by_id=by_id)})
        key = "added_users" if blocking else "removed_users"
        answer = {key: done} | ({"failed_users": failed} if failed else {})
        return json_answer({"messaging_product": "whatsapp", "block_users": answer})

    async def _override(self, scope: str, body: Field) -> None:
        url = body.text_of("override_callback_uri", CALLBACK_MOST) if body.value.get("override_callback_uri") else ""
        if url:
            await self._shake_hands(url, body.need("verify_token").text(code=100))
            if not self._overrides:
                self._usual_url = self._exchange.courier.url
            self._overrides[scope] = url
        else:
            self._overrides.pop(scope, None)
        self._redirect()

    def _redirect(self) -> None:
        """The number's own address comes before the account's, and that before the app's."""
        url = self._overrides.get("phone") or self._overrides.get("account") or self._usual_url
        self._exchange.courier.url = url

    async def _shake_hands(self, url: str, token: str) -> None:
        try:
            await shake_hands(self._exchange.courier.session, url, token)
        except WebhookRefusedError as refused:
            raise GraphError(2200, f"Callback verification failed: {refused}") from None

    def _need(self, request: web.Request, node: str) -> None:
        if request.match_info["node"] != node:
            raise unknown_object(request.match_info["node"])


def _called(person: str, *, by_id: bool) -> dict[str, str]:
    return {"user_id": person} if by_id else {"wa_id": person.lstrip("+")}


def tier(limit: int | None) -> str:
    """The name of a messaging limit; of one between two tiers, the lower one's."""
    if limit is None:
        return "TIER_UNLIMITED"
    return next((name for least, name in reversed(_TIERS.items()) if limit >= least), "TIER_NOT_SET")
