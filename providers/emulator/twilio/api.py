"""Twilio's REST API over HTTP, as far as WhatsApp needs it: messages and their media, typing, the sender."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from providers.emulator.exchange import Exchange, Sent
from providers.emulator.phones import EmulatorError
from providers.emulator.twilio.content import Contents
from providers.emulator.twilio.content_api import ContentApi
from providers.emulator.twilio.errors import TwilioError, not_found, refusal_error
from providers.emulator.twilio.events import API_VERSION, CHANNEL, TwilioEvents, file_id_of
from providers.emulator.twilio.resources import Message, Resources, page_of, rfc2822
from providers.emulator.twilio.sending import Sending, is_url
from providers.emulator.twilio.service import ServiceApi
from providers.emulator.twilio.wire import json_answer, read_object
from providers.emulator.webhooks import Letter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_API_PATHS = (f"/{API_VERSION}/", "/v1/", "/v2/", "/v3/")


@web.middleware
async def twilio_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in Twilio's shape, and 404 like Twilio."""
    try:
        return await handler(request)
    except TwilioError as error:
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
        if error.shape == "empty":
            text = f"<html><body><h1>{error.status}</h1></body></html>"
            return web.Response(text=text, content_type="text/html", status=error.status, headers=headers)
        return json_answer(error.body(), status=error.status, headers=headers)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        if not request.path.startswith(_API_PATHS):
            raise
        return json_answer(not_found(request.path).body(), status=404)


class TwilioApi:
    """The endpoints of one account with one WhatsApp sender."""

    middleware = staticmethod(twilio_errors)

    def __init__(self, exchange: Exchange, events: TwilioEvents) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._events = events
        self.contents = Contents(exchange.clock.now, exchange.settings.approval_delay)
        self._sending = Sending(exchange, events, self.contents)
        self._resources = Resources(exchange, events)
        self._content_api = ContentApi(exchange, events, self.contents)
        self._service_api = ServiceApi(exchange, events, json_answer)
        self._in_progress = 0

    def routes(self) -> list[web.RouteDef]:
        """All routes: those of api, content and messaging.twilio.com, whose paths do not collide."""
        account = f"/{API_VERSION}/Accounts/{{account}}"
        message = account + r"/Messages/{sid:[SM]M\w{32}}"
        media = message + r"/Media/{media:ME\w{32}}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", account + ".json", self.account),
            ("GET", f"/{API_VERSION}/Accounts.json", self.accounts),
            ("GET", account + "/IncomingPhoneNumbers.json", self.numbers),
            ("POST", account + "/Messages.json", self.create),
            ("GET", account + "/Messages.json", self.list_messages),
            ("GET", message + ".json", self.fetch),
            ("POST", message + ".json", self.update),
            ("DELETE", message + ".json", self.delete),
            ("POST", message + "/Feedback.json", self.feedback),
            ("GET", message + "/Media.json", self.list_media),
            ("GET", media + ".json", self.fetch_media),
            ("DELETE", media + ".json", self.delete_media),
            ("POST", "/v2/Indicators/Typing.json", self.typing),
            ("POST", "/v3/Indicators/Typing.json", self.typing),
            ("GET", "/v2/Channels/Senders", self.senders),
            ("GET", r"/v2/Channels/Senders/{sid:XE\w{32}}", self.sender),
            ("POST", r"/v2/Channels/Senders/{sid:XE\w{32}}", self.change_sender),
            *self._content_api.table(),
            *self._service_api.table(),
        ]
        return [
            *(web.route(method, path, self._authorised(handler)) for method, path, handler in table),
            web.get(media, self.download),
            web.get("/media-cdn/", self.deliver),
        ]

    async def account(self, _request: web.Request) -> web.StreamResponse:
        """`GET /Accounts/{sid}.json`."""
        return json_answer(self._account())

    async def accounts(self, request: web.Request) -> web.StreamResponse:
        """`GET /Accounts.json`: the one there is."""
        shown, about = page_of(request.path, [self._account()], request.query)
        return json_answer({"accounts": shown, **about})

    async def numbers(self, request: web.Request) -> web.StreamResponse:
        """`GET …/IncomingPhoneNumbers.json`: none, since a WhatsApp sender is not one of them."""
        shown, about = page_of(request.path, [], request.query)
        return json_answer({"incoming_phone_numbers": shown, **about})

    async def feedback(self, request: web.Request) -> web.StreamResponse:
        """`POST …/Feedback.json`: whether the person did what the message was for."""
        message, outcome = self._message(request), str((await request.post()).get("Outcome", "confirmed"))
        if outcome not in ("confirmed", "unconfirmed"):
            raise TwilioError(20422, "Outcome is confirmed or unconfirmed")
        now = rfc2822(self._exchange.clock.now())
        told = {"account_sid": self._settings.account_sid, "message_sid": message.sid, "outcome": outcome}
        return json_answer({**told, "date_created": now, "date_updated": now, "uri": request.path}, status=201)

    def _account(self) -> dict[str, Any]:
        sid = self._settings.account_sid
        now = rfc2822(self._exchange.clock.now())
        path = f"/{API_VERSION}/Accounts/{sid}"
        return {
            "sid": sid,
            "friendly_name": self._settings.business_name,
            "status": "active",
            "type": "Full",
            "owner_account_sid": sid,
            "date_created": now,
            "date_updated": now,
            "uri": f"{path}.json",
            "subresource_uris": {"messages": f"{path}/Messages.json"},
        }

    async def create(self, request: web.Request) -> web.StreamResponse:
        """`POST …/Messages.json`."""
        faults = self._exchange.faults
        if faults.delay:
            await asyncio.sleep(faults.delay)
        refusal = faults.take_refusal("send")
        if refusal is not None:
            raise refusal_error(refusal)
        sent = await self._sending.take(await request.post())
        message = self._resources.find(sent.id)
        assert message is not None, "what was just taken is in the log"  # noqa: S101 - for the type checker
        answer = json_answer(
            self._resources.json(message) | {"status": _first_status(sent, message), "error_code": None}, status=201
        )
        if faults.answer_delay:
            await asyncio.sleep(faults.answer_delay)
        if faults.take("drop_answer") and request.transport is not None:
            request.transport.abort()
        return answer

    async def list_messages(self, request: web.Request) -> web.StreamResponse:
        """`GET …/Messages.json`: filters and pages."""
        shown, about = page_of(request.path, self._resources.select(request.query), request.query)
        return json_answer({"messages": [self._resources.json(one) for one in shown], **about})

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """`GET …/Messages/{sid}.json`."""
        return json_answer(self._resources.json(self._message(request)))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """`POST …/Messages/{sid}.json`: an empty `Body` redacts; `Status=canceled` calls off what is scheduled."""
        message, form = self._message(request), await request.post()
        if form.get("Status") == "canceled":
            self._call_off(message.sid)
            return json_answer(self._resources.json(self._message(request)))
        if form.get("Body", None) != "":
            raise TwilioError(20422, "Body can only be emptied")
        self._resources.redact(message.sid)
        return json_answer(self._resources.json(message))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """`DELETE …/Messages/{sid}.json`."""
        self._resources.delete(self._message(request).sid)
        return web.Response(status=204)

    async def list_media(self, request: web.Request) -> web.StreamResponse:
        """`GET …/Messages/{sid}/Media.json`."""
        message = self._message(request)
        shown, about = page_of(request.path, message.files, request.query)
        return json_answer({"media_list": [self._resources.media_json(message, file) for file in shown], **about})

    async def fetch_media(self, request: web.Request) -> web.StreamResponse:
        """`GET …/Media/{sid}.json`: what it is, not what is in it."""
        message = self._message(request)
        file = next((one for one in message.files if one.id == file_id_of(request.match_info["media"])), None)
        if file is None:
            raise not_found(request.path)
        return json_answer(self._resources.media_json(message, file))

    async def delete_media(self, request: web.Request) -> web.StreamResponse:
        """`DELETE …/Media/{sid}.json`."""
        message = self._message(request)
        file_id = file_id_of(request.match_info["media"])
        if all(file.id != file_id for file in message.files) or not self._exchange.storeroom.drop(file_id):
            raise not_found(request.path)
        return web.Response(status=204)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """`GET …/Media/{sid}`: a redirect to an address that works for five minutes, without any password."""
        if self._settings.media_auth:
            self._check(request)
        self._refuse_media()
        file = self._exchange.storeroom.find(file_id_of(request.match_info["media"]))
        if file is None:
            raise not_found(request.path)
        link = self._exchange.storeroom.link_query(file.id)
        raise web.HTTPTemporaryRedirect(f"{request.url.origin()}/media-cdn/?{link}")

    async def deliver(self, request: web.Request) -> web.StreamResponse:
        """The bytes behind a genuine link."""
        self._refuse_media()
        query = request.query
        file = self._exchange.storeroom.open_link(query.get("mid", ""), query.get("ext", ""), query.get("hash", ""))
        if file is None:
            raise web.HTTPForbidden(text="the link is not valid any more")
        return web.Response(body=file.content, headers={hdrs.CONTENT_TYPE: file.mime_type})

    async def typing(self, request: web.Request) -> web.StreamResponse:
        """Typing, which also reads: a form at v2, JSON with an upper-case channel at v3."""
        if request.path.startswith("/v2/"):
            form = await request.post()
            channel, sid = form.get("channel"), form.get("messageId")
            expected = "whatsapp"
        else:
            wanted = await read_object(request)
            channel, sid = wanted.get("channel"), wanted.get("messageId")
            expected = "WHATSAPP"
        if channel != expected:
            raise TwilioError(20422, f"channel must be {expected}")
        if not isinstance(sid, str) or not self._exchange.business_reads(sid, typing=True):
            raise TwilioError(20404, "messageId is no message that was received", status=404)
        return json_answer({"success": True})

    async def senders(self, request: web.Request) -> web.StreamResponse:
        """`GET /v2/Channels/Senders?Channel=whatsapp`."""
        if request.query.get("Channel") != "whatsapp":
            raise TwilioError(20422, "Channel must be whatsapp")
        url = f"{self._events.base_url}/v2/Channels/Senders"
        meta = {"page": 0, "page_size": 50, "url": url, "first_page_url": url, "key": "senders"}
        meta |= {"next_page_url": None, "previous_page_url": None}
        return json_answer({"senders": [self._sender()], "meta": meta})

    async def sender(self, request: web.Request) -> web.StreamResponse:
        """`GET /v2/Channels/Senders/{XE}`."""
        self._need_sender(request)
        return json_answer(self._sender())

    async def change_sender(self, request: web.Request) -> web.StreamResponse:
        """`POST /v2/Channels/Senders/{XE}`: where webhooks and statuses go."""
        self._need_sender(request)
        webhook = (await read_object(request)).get("webhook")
        if isinstance(webhook, dict):
            for name in ("callback_url", "status_callback_url"):
                url = webhook.get(name)
                if url is not None and not is_url(str(url)):
                    raise TwilioError(20422, f"{name} is not a valid URL")
            self._exchange.courier.url = str(webhook.get("callback_url") or self._exchange.courier.url)
            statuses = webhook.get("status_callback_url")
            self._settings.status_callback_url = str(statuses or self._settings.status_callback_url)
        return json_answer(self._sender(), status=202)

    def control_template(self, name: str, wanted: dict[str, Any]) -> None:
        """`status` with `reason`; or `verdict`, which the next review of the name comes to."""
        self.contents.control(name, wanted)

    async def flow_step(self, message_id: str, _action: str, _screen: str, _data: dict[str, Any]) -> dict[str, Any]:
        """Flows and their endpoints are set up elsewhere."""
        raise EmulatorError(f"the flow of message {message_id} has no endpoint here: fill it in instead")

    def opt_out(self, number: str, *, stopped: bool) -> None:
        """A person is put on the stop list, or taken off."""
        (self._sending.stopped.add if stopped else self._sending.stopped.discard)(number)

    def _sender(self) -> dict[str, Any]:
        sid = self._events.sender_sid()
        return {
            "sid": sid,
            "status": "ONLINE",
            "sender_id": CHANNEL + self._settings.business_number,
            "configuration": {"waba_id": self._settings.business_account_id or None},
            "webhook": {
                "callback_url": self._exchange.courier.url,
                "callback_method": "POST",
                "status_callback_url": self._settings.status_callback_url or None,
                "status_callback_method": "POST",
            },
            "profile": {"name": self._settings.business_name},
            "properties": {"quality_rating": "HIGH", "messaging_limit": _customers(self._settings.reach_limit)},
            "offline_reasons": [],
            "url": f"{self._events.base_url}/v2/Channels/Senders/{sid}",
        }

    def _call_off(self, sid: str) -> None:
        sent = next((one for one in self._exchange.sends if one.id == sid), None)
        if sent is None or sent.due_at is None or sent.cancelled:
            raise TwilioError(30409)
        sent.cancelled = True
        told = self._events.cancelled(sent)
        self._exchange.courier.post(f"{sent.number or sent.to} statuses", Letter(write=lambda: told))

    def _need_sender(self, request: web.Request) -> None:
        if request.match_info["sid"] != self._events.sender_sid():
            raise not_found(request.path)

    def _message(self, request: web.Request) -> Message:
        message = self._resources.find(request.match_info["sid"])
        if message is None:
            raise not_found(request.path)
        return message

    def _refuse_media(self) -> None:
        refusal = self._exchange.faults.take_refusal("media")
        if refusal is not None:
            raise refusal_error(refusal)

    def _authorised(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._check(request)
            if request.match_info.get("account", self._settings.account_sid) != self._settings.account_sid:
                raise not_found(request.path)
            most = self._settings.rest_concurrency
            if most is not None and self._in_progress >= most:
                raise TwilioError(20429, status=429)
            self._in_progress += 1
            try:
                return await handler(request)
            finally:
                self._in_progress -= 1

        return handle

    def _check(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        try:
            login, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            raise TwilioError(20003, status=401) from None
        known = {self._settings.account_sid: self._settings.auth_token} | self._settings.api_keys
        if scheme.lower() != "basic" or known.get(login) != password:
            raise TwilioError(20003, status=401)


def _first_status(sent: Sent, message: Message) -> str:
    if sent.due_at is not None:
        return "scheduled"
    return "accepted" if message.service else "queued"


def _customers(limit: int | None) -> str:
    """A messaging limit in Twilio's words."""
    if limit is None:
        return "Unlimited"
    return f"{limit // 1000}K Customers/24hr" if limit >= 1000 else f"{limit} Customers/24hr"
