"""content.twilio.com: Content resources and their approval."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.twilio.content import Content, Contents
from providers.emulator.twilio.errors import not_found, refusal_error
from providers.emulator.twilio.events import TwilioEvents
from providers.emulator.twilio.resources import meta_of
from providers.emulator.twilio.wire import json_answer, read_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ContentApi:
    """The routes below `/v1/Content`, and the lists of v2."""

    def __init__(self, exchange: Exchange, events: TwilioEvents, contents: Contents) -> None:
        self._exchange = exchange
        self._events = events
        self._contents = contents

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each call."""
        one = r"/v1/Content/{sid:HX\w{32}}"
        rows: list[tuple[str, str, Handler]] = [
            ("POST", "/v1/Content", self.create),
            ("GET", "/v1/Content", self.list_all),
            ("GET", "/v2/Content", self.list_all),
            ("GET", "/v1/ContentAndApprovals", self.list_with_approvals),
            ("GET", "/v2/ContentAndApprovals", self.list_with_approvals),
            ("GET", one, self.fetch),
            ("PUT", one, self.update),
            ("DELETE", one, self.delete),
            ("POST", one + "/ApprovalRequests/whatsapp", self.submit),
            ("GET", one + "/ApprovalRequests", self.approval),
        ]
        return [(method, path, self._admitted(handler)) for method, path, handler in rows]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """A new resource, usable at once inside the 24 hours."""
        content = self._contents.create(self._events.sid("HX"), await read_object(request))
        return json_answer(self._json(content), status=201)

    async def list_all(self, request: web.Request) -> web.StreamResponse:
        """All resources."""
        found = self._selected(request)
        shown, meta = meta_of(f"{self._events.base_url}{request.path}", "contents", found, request.query)
        return json_answer({"contents": [self._json(content) for content in shown], "meta": meta})

    async def list_with_approvals(self, request: web.Request) -> web.StreamResponse:
        """All resources, each with what WhatsApp says of it."""
        found = self._selected(request)
        shown, meta = meta_of(f"{self._events.base_url}{request.path}", "contents", found, request.query)
        now = self._exchange.clock.now()
        whole = [self._json(content) | {"approval_requests": content.approval_json(now)} for content in shown]
        return json_answer({"contents": whole, "meta": meta})

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """One resource."""
        return json_answer(self._json(self._content(request)))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """Change one that was not submitted."""
        content = self._content(request)
        self._contents.update(content, await read_object(request))
        return json_answer(self._json(content))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Forget one."""
        if not self._contents.delete(request.match_info["sid"]):
            raise not_found(request.path)
        return web.Response(status=204)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Hand one to WhatsApp: `received` first, whatever comes of it."""
        content = self._content(request)
        approval = self._contents.submit(content, await read_object(request))
        answer = {
            "category": approval.category,
            "status": "received",
            "rejection_reason": "",
            "name": approval.name,
            "content_type": content.whatsapp_type,
            "allow_category_change": True,
        }
        return json_answer(answer, status=201)

    async def approval(self, request: web.Request) -> web.StreamResponse:
        """What WhatsApp says."""
        content = self._content(request)
        answer = {
            "sid": content.sid,
            "account_sid": self._exchange.settings.account_sid,
            "url": f"{self._events.base_url}{request.path}",
            "whatsapp": content.approval_json(self._exchange.clock.now()),
        }
        return json_answer(answer)

    def _selected(self, request: web.Request) -> list[Content]:
        query, now = request.query, self._exchange.clock.now()
        found = self._contents.all()
        if query.get("ContentName"):
            found = [one for one in found if query["ContentName"] in one.friendly_name]
        if query.get("Content"):
            found = [one for one in found if query["Content"].casefold() in str(one.types).casefold()]
        if query.getall("Language", []):
            found = [one for one in found if one.language in query.getall("Language")]
        if query.getall("ContentType", []):
            found = [one for one in found if set(query.getall("ContentType")) & set(one.types)]
        if query.getall("ChannelEligibility", []):
            wanted = {one.rpartition(":")[2] for one in query.getall("ChannelEligibility")}
            found = [one for one in found if one.approval_json(now)["status"] in wanted]
        return found

    def _content(self, request: web.Request) -> Content:
        content = self._contents.find(request.match_info["sid"])
        if content is None:
            raise not_found(request.path)
        return content

    def _json(self, content: Content) -> dict[str, Any]:
        return content.json(self._exchange.settings.account_sid, self._events.base_url)

    def _admitted(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refusal = self._exchange.faults.take_refusal("templates")
            if refusal is not None:
                raise refusal_error(refusal)
            return await handler(request)

        return handle
