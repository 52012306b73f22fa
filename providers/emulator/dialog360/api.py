"""360dialog's API over HTTP: one key per number, Meta's bodies, and a gateway in front with errors of its own."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from providers.emulator.dialog360.events import LOOKASIDE, Dialog360Events
from providers.emulator.exchange import Exchange
from providers.emulator.links import is_local
from providers.emulator.meta.desk import SendDesk
from providers.emulator.meta.errors import GraphError, title
from providers.emulator.meta.files import FileDesk, unknown_object
from providers.emulator.meta.review import ReviewDesk
from providers.emulator.meta.templates import Template, Templates
from providers.emulator.meta.wire import json_answer, read_json
from providers.emulator.phones import EmulatorError

UPLOADS_PER_SECOND = 25
FAILED_GETS_MOST = 20
FAILED_GETS_WITHIN = timedelta(minutes=60)
BLOCKED_FOR = timedelta(minutes=30)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GatewayError(Exception):
    """A refusal of 360dialog's own, before Meta hears of it."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"meta": {"success": False, "http_code": self.status, "developer_message": self.message}}


@web.middleware
async def gateway_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in the gateway's shape, or in Graph's where Meta refused."""
    try:
        return await handler(request)
    except GatewayError as error:
        return json_answer(error.body(), status=error.status, headers=_headers(error.retry_after))
    except GraphError as error:
        headers = _headers(error.retry_after)
        if error.shape == "empty":
            text = f"<html><body><h1>{error.status}</h1></body></html>"
            return web.Response(text=text, content_type="text/html", status=error.status, headers=headers)
        if error.shape == "gateway":
            gateway = GatewayError(error.status, _GATEWAY_WORDS.get(error.status, title(error.code)))
            return json_answer(gateway.body(), status=error.status, headers=headers)
        trace_id = f"A{id(error) & 0xFFFFFFFFFF:010x}Emulator"
        return json_answer(error.body(trace_id), status=error.status, headers=headers)


_GATEWAY_WORDS = {
    400: "Rate limit for this endpoint exceeded",
    401: "Invalid api_key or token expired",
    403: "This endpoint is blocked for the number",
    404: "Not found",
    500: "Internal gateway error",
    502: "Upstream is not available",
}


class Dialog360Api:
    """The endpoints of one number."""

    middleware = staticmethod(gateway_errors)

    def __init__(self, exchange: Exchange, events: Dialog360Events) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._events = events
        self.templates = Templates(lambda sample: is_local(sample) or sample.startswith("https://"))
        self._sends = SendDesk(exchange, self.templates)
        self._files = FileDesk(exchange)
        self.review = ReviewDesk(exchange, events, self.templates)
        self._webhook_set = bool(exchange.settings.webhook_headers)
        self._blocked_until = exchange.clock.now()

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/messages", self._sends.take),
            ("POST", "/media", self.upload),
            ("GET", r"/{media:\d+}", self._counted(self.look_up)),
            ("DELETE", r"/{media:\d+}", self.delete),
            ("GET", "/whatsapp_business/attachments/", self._counted(self.download)),
            ("GET", "/v1/configs/webhook", self.webhook),
            ("POST", "/v1/configs/webhook", self.set_webhook),
            ("GET", "/waba_webhook", self.webhook),
            ("POST", "/waba_webhook", self.set_webhook),
            ("GET", "/v1/configs/templates", self.list_templates),
            ("POST", "/v1/configs/templates", self.create_template),
            ("DELETE", r"/v1/configs/templates/{name}", self.delete_template),
        ]
        return [web.route(method, path, self._authorised(handler)) for method, path, handler in table]

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """`POST /media`: as Meta's, at most 25 a second."""
        if self._exchange.limits.full("uploads", UPLOADS_PER_SECOND):
            raise GatewayError(400, "Rate limit for this endpoint exceeded: media upload")
        return await self._files.upload(request)

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        """`GET /{media-id}`: Meta's answer, with an address at Meta's host."""
        self._files.perhaps_refuse()
        file = self._files.find(request.match_info["media"])
        if file is None:
            raise unknown_object(request.match_info["media"])
        return json_answer(self._files.described(file, LOOKASIDE))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /{media-id}`."""
        return self._files.delete(request.match_info["media"])

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The bytes, at the path of Meta's address and this host."""
        return self._files.download(request)

    async def webhook(self, _request: web.Request) -> web.StreamResponse:
        """Where webhooks go; 404 while that was never said."""
        if not self._webhook_set:
            raise GatewayError(404, "Webhook is not set")
        return json_answer({"url": self._exchange.courier.url, "headers": self._events.registered})

    async def set_webhook(self, request: web.Request) -> web.StreamResponse:
        """`{"url", "headers"?}`: https without a port or an underscore; on this machine, anything goes."""
        body = await read_json(request)
        url = body.value.get("url")
        if not isinstance(url, str) or not url:
            raise GatewayError(400, "url is required")
        if not is_local(url) and not _is_public(url):
            raise GatewayError(400, "url must be https, on port 443, with no underscore in its host")
        headers = body.value.get("headers") or {}
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise GatewayError(400, "headers must be an object of strings")
        self._exchange.courier.url, self._events.registered = url, headers
        self._webhook_set = True
        return json_answer({"url": url, "headers": headers})

    async def list_templates(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/configs/templates?limit=&offset=`: not paged as at Meta."""
        self.review.admit()
        limit, offset = request.query.get("limit", "1000"), request.query.get("offset", "0")
        if not limit.isdecimal() or not offset.isdecimal():
            raise GatewayError(400, "limit and offset must be numbers")
        found = self.templates.select()
        shown = found[int(offset) : int(offset) + int(limit)]
        answer = {
            "count": len(shown),
            "total": len(found),
            "limit": int(limit),
            "offset": int(offset),
            "waba_templates": [self._template(template) for template in shown],
        }
        return json_answer(answer)

    async def create_template(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/configs/templates` with Meta's body."""
        self.review.admit()
        template = self.review.create(await read_json(request))
        return json_answer(self._template(template) | {"status": "submitted"}, status=201)

    async def delete_template(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /v1/configs/templates/{name}`: every language."""
        self.review.admit()
        doomed = self.templates.chosen(name=request.match_info["name"])
        if not doomed:
            raise GatewayError(404, "Template not found")
        self.review.delete(doomed)
        return json_answer({"meta": {"success": True, "http_code": 200, "developer_message": "deleted"}})

    def control_template(self, name: str, wanted: dict[str, Any]) -> None:
        """As at Meta."""
        self.review.control(name, wanted)

    async def flow_step(self, message_id: str, _action: str, _screen: str, _data: dict[str, Any]) -> dict[str, Any]:
        """Flows and their endpoints are set up elsewhere."""
        raise EmulatorError(f"the flow of message {message_id} has no endpoint here: fill it in instead")

    def opt_out(self, number: str, *, stopped: bool) -> None:
        """A person stops the business' marketing, or lets it go on."""
        (self._sends.opted_out.add if stopped else self._sends.opted_out.discard)(number)

    def _template(self, template: Template) -> dict[str, Any]:
        status = "submitted" if template.status == "PENDING" else template.status.lower()
        return {
            "id": template.id,
            "name": template.name,
            "namespace": "00000000_0000_0000_0000_000000000001",
            "language": template.language,
            "category": template.category,
            "status": status,
            "rejected_reason": template.rejected_reason,
            "waba_account_id": self._settings.business_account_id,
            "components": template.components,
        }

    def _counted(self, handler: Handler) -> Handler:
        """Close media for half an hour to a bot that keeps asking for what is not there."""

        async def handle(request: web.Request) -> web.StreamResponse:
            limits, now = self._exchange.limits, self._exchange.clock.now()
            if now < self._blocked_until:
                raise GatewayError(403, "Too many failed media requests; try again later")
            try:
                return await handler(request)
            except (GraphError, web.HTTPNotFound):
                limits.note("failed media")
                if limits.count("failed media", FAILED_GETS_WITHIN) >= FAILED_GETS_MOST:
                    self._blocked_until = now + BLOCKED_FOR
                raise

        return handle

    def _authorised(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("D360-API-KEY") != self._settings.api_key:
                raise GatewayError(401, "Invalid api_key or token expired")
            return await handler(request)

        return handle


def _is_public(url: str) -> bool:
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return False
    return parts.scheme == "https" and port in (None, 443) and "_" not in (parts.hostname or "_")


def _headers(retry_after: float | None) -> dict[str, str]:
    return {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
