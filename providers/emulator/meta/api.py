"""Meta's side of the Cloud API over HTTP: the routes that a bot calls, as strict as the real ones."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.desk import SendDesk
from providers.emulator.meta.elsewhere import ElsewhereDesk
from providers.emulator.meta.endpoint import FlowEndpoint
from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.events import MetaEvents
from providers.emulator.meta.fields import Field
from providers.emulator.meta.files import LINK_IS_OVER, FileDesk, unknown_object
from providers.emulator.meta.flows import ASSETS, FlowDesk
from providers.emulator.meta.number import NumberDesk
from providers.emulator.meta.registration import RegistrationDesk
from providers.emulator.meta.review import ReviewDesk
from providers.emulator.meta.templates import Templates
from providers.emulator.meta.wire import json_answer, read_json

_FILTERS = ("name", "content", "name_or_content", "status", "language", "category", "quality_score")
_TEMPLATE_FIELDS = frozenset({"name", "parameter_format", "components", "language", "status", "category", "id"})

_UPSERTED = frozenset({"id", "status", "language", "category"})
_GRAPH_PATH = re.compile(r"/(?:v\d{1,3}\.0/|\d+(?:/|$))")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def graph_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in the Graph API's shape."""
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as unknown:
        if not _GRAPH_PATH.match(request.path) or unknown.text == LINK_IS_OVER:
            raise
        words = f"Unknown path components: {request.path}"
        return json_answer(GraphError(2500, words).body(f"A{id(unknown) & 0xFFFFFFFFFF:010x}Emulator"), status=400)
    except GraphError as error:
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
        if error.shape == "empty":
            text = f"<html><body><h1>{error.status}</h1></body></html>"
            return web.Response(text=text, content_type="text/html", status=error.status, headers=headers)
        trace_id = f"A{id(error) & 0xFFFFFFFFFF:010x}Emulator"
        return json_answer(error.body(trace_id), status=error.status, headers=headers)


class MetaApi:
    """The Graph API endpoints of one WhatsApp business account."""

    middleware = staticmethod(graph_errors)

    def __init__(self, exchange: Exchange, events: MetaEvents) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._files = FileDesk(exchange)
        self.templates = Templates(self._files.gave_out)
        self.review = ReviewDesk(exchange, events, self.templates)
        self._number = NumberDesk(exchange)
        self._registration = registration = RegistrationDesk(exchange)
        self._elsewhere = ElsewhereDesk(exchange, lambda: registration.calling)
        self._endpoint = endpoint = FlowEndpoint(exchange, lambda: registration.public_key)
        self._flows = FlowDesk(exchange, endpoint)
        self._sends = SendDesk(exchange, self.templates, self._flows)

    def routes(self) -> list[web.RouteDef]:
        """All routes; `{version}` is any `vNN.0`, or none: Meta then serves the oldest that is alive."""
        prefixes = (r"/{version:v\d{1,3}\.0}", "")
        return [
            *(
                web.route(method, prefix + path, self._authorised(handler))
                for prefix in prefixes
                for method, path, handler in self._table()
            ),
            *(web.get(prefix + "/oauth/access_token", self._number.app_token) for prefix in prefixes),
            web.get("/whatsapp_business/attachments/", self._authorised(self._download)),
            web.get(ASSETS + r"/{flow:\d+}/flow.json", self._flows.download),
        ]

    def _table(self) -> list[tuple[str, str, Handler]]:
        node = r"/{node:\d+}"
        return [
            ("POST", node + "/messages", self.send),
            ("POST", node + "/marketing_messages", self.send),
            ("POST", node + "/media", self.upload),
            ("POST", node + "/message_templates", self.create_template),
            ("POST", node + "/upsert_message_templates", self.upsert_templates),
            ("GET", node + "/message_templates", self.list_templates),
            ("DELETE", node + "/message_templates", self.delete_template),
            ("POST", node + "/message_templates/archive", self.archive),
            ("POST", node + "/message_templates/unarchive", self.archive),
            ("POST", node + "/unpause", self.unpause),
            ("POST", node + "/uploads", self._files.open_upload),
            ("POST", "/app/uploads", self._files.open_upload),
            ("POST", r"/{session:upload:\w+}", self._files.fill_upload),
            ("GET", r"/{session:upload:\w+}", self._files.asked_upload),
            *self._number.table(node),
            *self._registration.table(node),
            *self._elsewhere.table(node),
            *self._flows.table(node),
            ("GET", node + "/compare", self.compare),
            ("GET", node, self.look_up),
            ("POST", node, self.change),
            ("POST", node + "/", self.change),
            ("DELETE", node, self.delete_media),
        ]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """`POST /{phone_number_id}/messages`: a message, or a read mark with or without typing.

        `…/marketing_messages` is for templates of that category only.
        """
        self._need_node(request, self._settings.phone_number_id)
        return await self._sends.take(request, marketing=request.path.endswith("/marketing_messages"))

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """`POST /{phone_number_id}/media`: multipart with `messaging_product`, `type` and `file`."""
        self._need_node(request, self._settings.phone_number_id)
        return await self._files.upload(request)

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        """`GET /{id}`: the phone number, the account, a file, a template or a flow."""
        node = request.match_info["node"]
        if node == self._settings.phone_number_id:
            return json_answer(only_fields(self._number.described(), request))
        if node == self._settings.business_account_id:
            return json_answer(only_fields(self._number.account(), request))
        template = self.templates.by_id(node)
        if template is not None:
            self.review.admit()
            return json_answer(only_fields(template.json(), request, usual=_TEMPLATE_FIELDS))
        if (flow := self._flows.find(node)) is not None:
            return json_answer(self._flows.described(flow, request))
        file = self._files.find(node)
        if file is None or request.query.get("phone_number_id", self._settings.phone_number_id) != (
            self._settings.phone_number_id
        ):
            raise unknown_object(node)
        self._files.perhaps_refuse()
        return json_answer(self._files.described(file, str(request.url.origin())))

    async def delete_media(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /{id}`: a file, or a flow."""
        if (flow := self._flows.find(request.match_info["node"])) is not None:
            return json_answer(self._flows.delete(flow))
        return self._files.delete(request.match_info["node"])

    async def change(self, request: web.Request) -> web.StreamResponse:
        """`POST /{id}`: edit a template or a flow, set something of the account, or where the number's webhooks go."""
        node, body = request.match_info["node"], await read_json(request)
        if node == self._settings.phone_number_id:
            return json_answer(await self._number.configure(body))
        if node == self._settings.business_account_id:
            return json_answer({"success": True})
        if (flow := self._flows.find(node)) is not None:
            return json_answer(self._flows.change(flow, body))
        self.review.admit()
        template = self.templates.by_id(node)
        if template is None:
            raise unknown_object(node)
        self.review.edit(template, body)
        return json_answer({"success": True, "id": template.id, "name": template.name, "category": template.category})

    async def create_template(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/message_templates`: pending now, approved after the configured delay."""
        self._need_account(request)
        self.review.admit()
        template = self.review.create(await read_json(request))
        return json_answer({"id": template.id, "status": "PENDING", "category": template.category})

    async def upsert_templates(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/upsert_message_templates`: one authentication template in several languages."""
        self._need_account(request)
        self.review.admit()
        body = await read_json(request)
        body.need("category").one_of(["AUTHENTICATION"], code=100)
        answers = []
        for language in body.need("languages").items(1, 100, code=100):
            known = self.templates.select(name=body.need("name").text(code=100), language=language.text(20, code=100))
            if known:
                self.templates.edit(known[0], body)
            template = known[0] if known else self.review.create(Field({**body.value, "language": language.value}))
            answers.append({key: value for key, value in template.json().items() if key in _UPSERTED})
        return json_answer({"data": answers})

    async def list_templates(self, request: web.Request) -> web.StreamResponse:
        """`GET /{WABA}/message_templates`: filters, `limit` and a cursor."""
        self._need_account(request)
        self.review.admit()
        query = request.query
        wanted = {key: query[key] for key in _FILTERS if query.get(key)}
        found = self.templates.select(**wanted)
        limit, start = query.get("limit", "25"), query.get("after", "0")
        if not limit.isdecimal() or not start.isdecimal() or int(limit) < 1:
            raise GraphError(100, "limit and after must be what an earlier answer gave")
        end = int(start) + int(limit)
        paging: dict[str, Any] = {"cursors": {"before": start, "after": str(min(end, len(found)))}}
        if end < len(found):
            paging["next"] = str(request.url.origin().with_path(request.path).update_query({**query, "after": end}))
        page = [only_fields(template.json(), request, usual=_TEMPLATE_FIELDS) for template in found[int(start) : end]]
        summary = {"summary": self.templates.summary()} if query.get("summary") else {}
        return json_answer({"data": page, "paging": paging, **summary})

    async def delete_template(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /{WABA}/message_templates`: all languages of `name`, the one with `hsm_id`, or several `hsm_ids`."""
        self._need_account(request)
        self.review.admit()
        name = request.query.get("name", "")
        ids = [request.query.get("hsm_id", ""), *request.query.get("hsm_ids", "").strip("[]").split(",")]
        doomed = self.templates.chosen(name=name, template_ids=[one.strip(' "') for one in ids if one.strip(' "')])
        if not doomed:
            raise GraphError(100, f"No template is called {name!r}", subcode=2593002)
        self.review.delete(doomed)
        return json_answer({"success": True})

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/message_templates/archive` and `…/unarchive` with `hsm_ids`."""
        self._need_account(request)
        self.review.admit()
        body = await read_json(request)
        ids = body.need("hsm_ids").text(code=100).split(",")
        found = [one for one in map(self.templates.by_id, ids) if one is not None]
        archiving = request.path.endswith("/archive")
        self.review.move(found, "ARCHIVED" if archiving else "APPROVED")
        done, unknown = [one.id for one in found], {one: "unknown" for one in ids if self.templates.by_id(one) is None}
        names = (
            ("archived_templates", "failed_templates") if archiving else ("unarchived_templates", "failed_templates")
        )
        return json_answer({names[0]: done, names[1]: unknown})

    async def compare(self, request: web.Request) -> web.StreamResponse:
        """`GET /{TEMPLATE_ID}/compare?template_ids=`: blocks, sends and first block reasons of two templates."""
        self.review.admit()
        ids = [request.match_info["node"], *request.query.get("template_ids", "").split(",")]
        for one in ids:
            if self.templates.by_id(one) is None:
                raise unknown_object(one)
        sends = [{"key": one, "value": self._sends_of(one)} for one in ids]
        rates = {"metric": "BLOCK_RATE", "type": "RELATIVE", "order_by_relative_metric": ids}
        numbers = {"metric": "MESSAGE_SENDS", "type": "NUMBER_VALUES", "number_values": sends}
        reasons = [{"key": one, "value": "UNKNOWN_BLOCK_REASON"} for one in ids]
        strings = {"metric": "TOP_BLOCK_REASON", "type": "STRING_VALUES", "string_values": reasons}
        return json_answer({"data": [rates, numbers, strings]})

    def _sends_of(self, template_id: str) -> int:
        template = self.templates.by_id(template_id)
        named = (one.body.get("template") or {} for one in self._exchange.sends if one.kind == "template")
        return sum(template is not None and one.get("name") == template.name for one in named)

    async def unpause(self, request: web.Request) -> web.StreamResponse:
        """`POST /{TEMPLATE_ID}/unpause`."""
        self.review.admit()
        template = self.templates.by_id(request.match_info["node"])
        if template is None:
            raise unknown_object(request.match_info["node"])
        return json_answer(self.review.unpause(template))

    def control_template(self, name: str, wanted: dict[str, Any]) -> None:
        """`status` (with `reason`), `quality`, `category`; or `verdict`, which the next review of the name comes to."""
        self.review.control(name, wanted)

    def opt_out(self, number: str, *, stopped: bool) -> None:
        """A person stops the business' marketing, or lets it go on."""
        (self._sends.opted_out.add if stopped else self._sends.opted_out.discard)(number)

    async def flow_step(self, message_id: str, action: str, screen: str, data: dict[str, Any]) -> dict[str, Any]:
        """Ask the endpoint of the flow that a message opens for a screen."""
        return await self._endpoint.step(self._flows.opened_by(message_id), action, screen, data)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return self._files.download(request)

    def _authorised(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            header = request.headers.get(hdrs.AUTHORIZATION, "")
            # The resumable upload knows the older scheme, too.
            scheme, _, token = header.partition(" ")
            if scheme not in ("Bearer", "OAuth"):
                raise GraphError(190, "An access token is required to request this resource.", status=401)
            if token.strip() != self._settings.access_token:
                raise GraphError(190, "Access token is no longer valid.", status=401, subcode=463)
            return await handler(request)

        return handle

    def _need_node(self, request: web.Request, node: str) -> None:
        if request.match_info["node"] != node:
            raise unknown_object(request.match_info["node"])

    def _need_account(self, request: web.Request) -> None:
        self._need_node(request, self._settings.business_account_id)


def only_fields(whole: dict[str, Any], request: web.Request, *, usual: frozenset[str] | None = None) -> dict[str, Any]:
    """What `?fields=` asks for, and the id; without it, the usual ones."""
    wanted = request.query.get("fields")
    if not wanted:
        return {key: value for key, value in whole.items() if usual is None or key in usual}
    names = {"id", *(name.partition("{")[0].strip() for name in wanted.split(","))}
    return {key: value for key, value in whole.items() if key in names}
