"""Meta's side of the Cloud API over HTTP: the routes that a bot calls, as strict as the real ones."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import BodyPartReader, hdrs, web

from providers.emulator.exchange import Exchange, Sent
from providers.emulator.meta_errors import GraphError, title
from providers.emulator.meta_events import MetaEvents
from providers.emulator.meta_fields import INVALID, Field
from providers.emulator.meta_messages import TYPES, Head, read_message, read_reaction
from providers.emulator.meta_templates import Template, Templates
from providers.emulator.phones import Bubble, Chat
from providers.emulator.storeroom import StoredFile
from providers.emulator.webhooks import Letter

_MEBIBYTE = 1024 * 1024
_DOCUMENT_MOST = 100 * _MEBIBYTE
_UPLOAD_MOST = {"image": 5 * _MEBIBYTE, "audio": 16 * _MEBIBYTE, "video": 16 * _MEBIBYTE}
_STICKER_MOST = 500 * 1024
_UPLOAD_TYPES = {
    "image": ("image/jpeg", "image/png", "image/webp"),
    "audio": ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
    "video": ("video/mp4", "video/3gpp", "video/3gp"),
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def graph_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in the Graph API's shape."""
    try:
        return await handler(request)
    except GraphError as error:
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
        trace_id = f"A{id(error) & 0xFFFFFFFFFF:010x}Emulator"
        return _json(error.body(trace_id), status=error.status, headers=headers)


class MetaApi:
    """The Graph API endpoints of one WhatsApp business account."""

    def __init__(self, exchange: Exchange, events: MetaEvents) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._events = events
        self.templates = Templates()

    def routes(self) -> list[web.RouteDef]:
        """All routes; `{version}` is any `vNN.0`."""
        root = r"/{version:v\d{1,3}\.0}"
        node = root + r"/{node:\d+}"
        return [
            web.post(node + "/messages", self.send),
            web.post(node + "/media", self.upload),
            web.post(node + "/message_templates", self.create_template),
            web.get(node + "/message_templates", self.list_templates),
            web.delete(node + "/message_templates", self.delete_template),
            web.post(node + "/subscribed_apps", self.subscribe),
            web.get(node, self.look_up),
            web.delete(node, self.delete_media),
            web.get("/whatsapp_business/attachments/", self.download),
        ]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """`POST /{phone_number_id}/messages`: a message, or a read mark with or without typing."""
        self._authorise(request)
        self._need_node(request, self._settings.phone_number_id)
        body = await _read_json(request)
        _need_product(body)
        if body.get("status") is not None:
            return _json(self._mark_read(body))
        faults = self._exchange.faults
        if faults.delay:
            await asyncio.sleep(faults.delay)
        refusal = faults.take_refusal()
        if refusal is not None:
            raise GraphError(refusal.code, title(refusal.code), status=refusal.status, retry_after=refusal.retry_after)
        answer = self._accept(body)
        if faults.take_drop() and request.transport is not None:
            request.transport.abort()
        return _json(answer)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """`POST /{phone_number_id}/media`: multipart with `messaging_product`, `type` and `file`."""
        self._authorise(request)
        self._need_node(request, self._settings.phone_number_id)
        if not request.content_type.startswith("multipart/"):
            raise GraphError(100, "The parameter file is required.")
        fields: dict[str, str] = {}
        content, mime_type, filename = None, "", ""
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "file":
                mime_type = part.headers.get(hdrs.CONTENT_TYPE, "")
                filename, content = part.filename or "", await _read_part(part, mime_type)
            else:
                fields[part.name or ""] = (await part.read(decode=True)).decode("utf-8", "replace")
        if fields.get("messaging_product") != "whatsapp":
            raise GraphError(100, "The parameter messaging_product is required.")
        if content is None:
            raise GraphError(100, "The parameter file is required.")
        file = self._exchange.storeroom.keep(
            content, mime_type=fields.get("type") or mime_type, filename=filename, inbound=False
        )
        return _json({"id": file.id})

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        """`GET /{id}`: the phone number, a file or a template."""
        self._authorise(request)
        node = request.match_info["node"]
        if node == self._settings.phone_number_id:
            return _json(_only_fields(self._phone_number(), request))
        template = self.templates.by_id(node)
        if template is not None:
            return _json(_only_fields(template.json(), request))
        file = self._exchange.storeroom.find(node)
        if file is None:
            raise _unknown_object(node)
        return _json(self._file(file, request))

    async def delete_media(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /{media_id}`."""
        self._authorise(request)
        if not self._exchange.storeroom.drop(request.match_info["node"]):
            raise _unknown_object(request.match_info["node"])
        return _json({"success": True})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """`GET <url>` of a resolved file: genuine, at most five minutes old, and with the Bearer token."""
        self._authorise(request)
        query = request.query
        file = self._exchange.storeroom.open_link(query.get("mid", ""), query.get("ext", ""), query.get("hash", ""))
        if file is None:
            raise web.HTTPNotFound(text="the link is not valid any more")
        return web.Response(body=file.content, headers={hdrs.CONTENT_TYPE: file.mime_type})

    async def create_template(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/message_templates`: pending now, approved after the configured delay."""
        self._authorise(request)
        self._need_node(request, self._settings.business_account_id)
        new_id = str(self._exchange.chance.randrange(10**14, 10**15))
        template = self.templates.create(await _read_json(request), new_id)
        answer = _json({"id": template.id, "status": "PENDING", "category": template.category})
        self._announce(template, "APPROVED", after=self._settings.approval_delay)
        return answer

    async def list_templates(self, request: web.Request) -> web.StreamResponse:
        """`GET /{WABA}/message_templates`: filters, `limit` and a cursor."""
        self._authorise(request)
        self._need_node(request, self._settings.business_account_id)
        query = request.query
        wanted = {key: query[key] for key in ("name", "status", "language", "category") if query.get(key)}
        found = self.templates.select(**wanted)
        limit, start = query.get("limit", "25"), query.get("after", "0")
        if not limit.isdecimal() or not start.isdecimal() or int(limit) < 1:
            raise GraphError(100, "limit and after must be what an earlier answer gave")
        end = int(start) + int(limit)
        paging: dict[str, Any] = {"cursors": {"before": start, "after": str(min(end, len(found)))}}
        if end < len(found):
            paging["next"] = str(request.url.origin().with_path(request.path).update_query({**query, "after": end}))
        page = [_only_fields(template.json(), request) for template in found[int(start) : end]]
        return _json({"data": page, "paging": paging})

    async def delete_template(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /{WABA}/message_templates?name=`: all languages, or the one with `hsm_id`."""
        self._authorise(request)
        self._need_node(request, self._settings.business_account_id)
        name = request.query.get("name", "")
        if not self.templates.delete(name=name, template_id=request.query.get("hsm_id")):
            raise GraphError(100, f"No template is called {name!r}", subcode=2593002)
        return _json({"success": True})

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        """`POST /{WABA}/subscribed_apps`: the emulator's one app is subscribed already."""
        self._authorise(request)
        self._need_node(request, self._settings.business_account_id)
        return _json({"success": True})

    def set_template_status(self, name: str, status: str) -> None:
        """Approve, reject, pause or disable a template and tell the bot."""
        for template in self.templates.set_status(name, status):
            self._announce(template, status, after=timedelta(0))

    def _announce(self, template: Template, status: str, *, after: timedelta) -> None:
        def write() -> bytes:
            template.status = status
            return self._events.template_status(template.json(), status, self._exchange.clock.now())

        if not after:
            template.status = status
        self._exchange.courier.post(f"template {template.id}", Letter(write=write, after=after))

    def _mark_read(self, body: Field) -> dict[str, Any]:
        body.need("status").one_of(["read"], code=100)
        message_id, typing = body.need("message_id"), body.get("typing_indicator")
        if typing is not None:
            typing.need("type").one_of(["text"])
        if not self._exchange.business_reads(message_id.text(), typing=typing is not None):
            raise message_id.wrong("is not a message that this number received")
        return {"success": True}

    def _accept(self, body: Field) -> dict[str, Any]:
        exchange = self._exchange
        address, chat = self._recipient(body)
        kind = (body.get("type") or Field("text", "type")).one_of(TYPES, code=131051)
        opaque, context = body.get("biz_opaque_callback_data"), body.get("context")
        head = Head(
            id=exchange.wire.new_id(chat.phone.wa_id if chat else address.lstrip("+"), from_business=True),
            at=exchange.clock.now(),
            quotes=context.need("message_id").text() if context else None,
        )
        sent = Sent(
            id=head.id,
            to=address,
            number=chat.phone.number if chat else None,
            kind=kind,
            body=body.value,
            opaque=opaque.text(512) if opaque else None,
            at=head.at,
            in_window=chat is not None and chat.window_open(head.at),
        )
        template: Template | None = None
        bubble: Bubble | None = None
        reaction: tuple[str, str] | None = None
        if kind == "reaction":
            reaction = read_reaction(body)
        elif kind == "template":
            template, bubble = self.templates.read_send(body, head)
            sent.template_category = template.category.lower()
        else:
            bubble = read_message(kind, body, head)
        if self._settings.pair_limit and chat is not None and exchange.pair_full(chat.phone.number):
            raise GraphError(131056, "One recipient got too many messages in a row.")
        failure = self._failure(chat, sent, bubble)
        exchange.business_sends(chat, sent, bubble, failure=failure)
        if reaction is not None and chat is not None and failure is None:
            exchange.business_reacts(chat, *reaction)
        return _accepted(body, sent, chat)

    def _recipient(self, body: Field) -> tuple[str, Chat | None]:
        if body.get("recipient_type") is not None:
            body.need("recipient_type").one_of(["individual"])
        to = body.get("to")
        if to is None:
            bsuid = body.get("recipient")
            address = bsuid.text(140) if bsuid else body.need("to").text()
            return address, self._exchange.phones.find(bsuid=address)
        number = "+" + to.text(30).lstrip("+").replace(" ", "").replace("-", "")
        if not number[1:].isdecimal():
            raise to.wrong("is not a phone number", 100)
        if number == self._settings.business_number:
            raise GraphError(131021, "The recipient is the sender.")
        return to.value, self._exchange.phones.find(number=number)

    def _failure(self, chat: Chat | None, sent: Sent, bubble: Bubble | None) -> int | None:
        """Why an accepted send fails after all: these answer 200 and report `failed` later."""
        if chat is None:
            return 131026
        if sent.template_category is None and not sent.in_window:
            return 131047
        media = bubble.media if bubble is not None else None
        if media is not None and media.id is not None and self._exchange.storeroom.find(media.id) is None:
            return 131053
        return None

    def _authorise(self, request: web.Request) -> None:
        header = request.headers.get(hdrs.AUTHORIZATION, "")
        if not header.startswith("Bearer "):
            raise GraphError(190, "An access token is required to request this resource.", status=401)
        if header.removeprefix("Bearer ").strip() != self._settings.access_token:
            raise GraphError(190, "Access token is no longer valid.", status=401, subcode=463)

    def _need_node(self, request: web.Request, node: str) -> None:
        if request.match_info["node"] != node:
            raise _unknown_object(request.match_info["node"])

    def _phone_number(self) -> dict[str, Any]:
        return {
            "id": self._settings.phone_number_id,
            "verified_name": self._settings.business_name,
            "display_phone_number": self._settings.business_number,
            "code_verification_status": "VERIFIED",
            "quality_rating": "GREEN",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"},
            "status": "CONNECTED",
            "name_status": "APPROVED",
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
        }

    def _file(self, file: StoredFile, request: web.Request) -> dict[str, Any]:
        link = self._exchange.storeroom.link_query(file.id)
        return {
            "messaging_product": "whatsapp",
            "url": f"{request.url.origin()}/whatsapp_business/attachments/?{link}",
            "mime_type": file.mime_type,
            "sha256": file.sha256.hex(),
            "file_size": str(len(file.content)),
            "id": file.id,
        }


def _json(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers or {})


async def _read_json(request: web.Request) -> Field:
    if request.content_type != "application/json":
        raise GraphError(100, "The request needs Content-Type: application/json")
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise GraphError(100, f"The request is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise GraphError(100, "The request must be a JSON object")
    return Field(value)


def _need_product(body: Field) -> None:
    product = body.get("messaging_product")
    if product is None or product.value != "whatsapp":
        raise GraphError(100, 'The parameter messaging_product is required and must be "whatsapp".')


def _accepted(body: Field, sent: Sent, chat: Chat | None) -> dict[str, Any]:
    contact = {"input": sent.to}
    if body.get("to") is None:
        contact["user_id"] = sent.to
    else:
        contact["wa_id"] = chat.phone.wa_id if chat else sent.to.lstrip("+")
    message = {"id": sent.id} | ({"message_status": "accepted"} if sent.kind == "template" else {})
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}


async def _read_part(part: BodyPartReader, mime_type: str) -> bytes:
    kind, plain = mime_type.partition("/")[0], mime_type.partition(";")[0].strip()
    if plain not in _UPLOAD_TYPES.get(kind, (plain,)) or not plain:
        allowed = ", ".join(_UPLOAD_TYPES.get(kind, ()))
        raise GraphError(100, f"Param file must be a file with one of the following types: {allowed}")
    most = _STICKER_MOST if plain == "image/webp" else _UPLOAD_MOST.get(kind, _DOCUMENT_MOST)
    content = bytearray()
    while chunk := await part.read_chunk(_MEBIBYTE):
        content += chunk
        if len(content) > most:
            raise GraphError(INVALID, f"Param file is larger than {most} bytes")
    return bytes(content)


def _only_fields(whole: dict[str, Any], request: web.Request) -> dict[str, Any]:
    wanted = request.query.get("fields")
    if not wanted:
        return whole
    names = {"id", *(name.partition("{")[0].strip() for name in wanted.split(","))}
    return {key: value for key, value in whole.items() if key in names}


def _unknown_object(node: str) -> GraphError:
    details = f"Object with ID '{node}' does not exist or cannot be loaded due to missing permissions"
    return GraphError(100, details, subcode=33)
