"""The web page with the phones: its files, its stream of events, and what a visitor does on it.

The page is for the person at this machine, so requests that another web site makes a browser send are refused: by
`Origin`, by `Sec-Fetch-Site`, by the JSON content type, and by the host name (which stops DNS rebinding).
"""

import asyncio
import base64
import binascii
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from aiohttp import hdrs, web

from providers.emulator.exchange import Exchange
from providers.emulator.phones import Change, Chat, EmulatorError, UnknownPhoneError

if TYPE_CHECKING:
    from providers.emulator.emulator import Emulator

STATIC = Path(__file__).parent / "static"
CHANGES_KEPT = 1_000
HEARTBEAT_SECONDS = 15.0
PICTURE_MOST = 5 * 1024 * 1024
PICTURE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_PAGE_PATHS = ("/phones/", "/events", "/webhooks/", "/_control/", "/static/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Act = Callable[["Emulator", str, dict[str, Any]], Awaitable[str | None]]


def answer(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def read_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        EmulatorError: It is something else.
    """
    if request.content_type != "application/json":
        raise EmulatorError("the request needs Content-Type: application/json")
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise EmulatorError(f"the request is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise EmulatorError("the request must be a JSON object")
    return value


class Page:
    """Serves the page and does what its visitors do."""

    def __init__(self, exchange: Exchange, emulator: "Emulator") -> None:
        self._exchange = exchange
        self._emulator = emulator
        self._visitors: set[asyncio.Queue[Change | None]] = set()
        exchange.phones.listen(self._spread)

    def mount(self, app: web.Application) -> None:
        """Add the page's routes."""
        app.add_routes(
            [
                web.get("/", self.index),
                web.get("/events", self.events),
                web.post("/webhooks/retry", self.retry),
                web.get("/phones/{number}/media/{id}", self.media),
                *(web.post(f"/phones/{{number}}/{name}", self._acting(act)) for name, act in _ACTS.items()),
                web.static("/static", STATIC),
            ]
        )
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._dismiss)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what other web sites make a browser send."""
        if request.path == "/" or request.path.startswith(_PAGE_PATHS):
            host = urlsplit(f"//{request.host}").hostname or ""
            origin = request.headers.get(hdrs.ORIGIN)
            foreign = origin is not None and urlsplit(origin).netloc != request.host
            site = request.headers.get("Sec-Fetch-Site", "none")
            if request.method == hdrs.METH_POST and (foreign or site not in ("same-origin", "none")):
                return answer({"error": "this request comes from another site"}, status=403)
            if not self._trusts(host):
                return answer({"error": f"{host} is not a trusted host name"}, status=403)
        return await handler(request)

    async def index(self, _request: web.Request) -> web.StreamResponse:
        """The page."""
        return web.FileResponse(STATIC / "index.html")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events: the whole state first, then every change."""
        stream = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        await stream.prepare(request)
        queue: asyncio.Queue[Change | None] = asyncio.Queue(CHANGES_KEPT)
        self._visitors.add(queue)
        try:
            await stream.write(b"retry: 500\n" + _event("state", self._state()))
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        change = await queue.get()
                except TimeoutError:
                    await stream.write(b": still here\n\n")
                    continue
                if change is None:
                    break
                await stream.write(_event(change.what, change))
        except ConnectionError:
            pass
        finally:
            self._visitors.discard(queue)
        return stream

    async def retry(self, _request: web.Request) -> web.Response:
        """Try the waiting webhooks now."""
        self._exchange.courier.nudge()
        return answer({"success": True})

    async def media(self, request: web.Request) -> web.Response:
        """A file of a bubble; only pictures are shown, anything else is downloaded."""
        file = self._exchange.storeroom.find(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound(text="the file is gone")
        headers = {hdrs.CONTENT_TYPE: file.mime_type}
        if file.mime_type not in PICTURE_TYPES:
            headers = {hdrs.CONTENT_TYPE: "application/octet-stream", hdrs.CONTENT_DISPOSITION: "attachment"}
        return web.Response(body=file.content, headers=headers)

    def _acting(self, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                wanted = await read_object(request)
                return answer({"id": await act(self._emulator, request.match_info["number"], wanted)})
            except UnknownPhoneError as error:
                return answer({"error": str(error)}, status=404)
            except EmulatorError as error:
                return answer({"error": str(error)}, status=400)
            except (KeyError, TypeError, ValueError) as error:
                return answer({"error": f"not understood: {error!r}"}, status=400)

        return handle

    def _state(self) -> dict[str, Any]:
        courier = self._exchange.courier
        return {
            "business": self._exchange.settings.business_name,
            "now": self._exchange.clock.now(),
            "phones": [_chat(chat) for chat in self._exchange.phones],
            "waiting": courier.waiting,
            "problem": courier.problem,
        }

    def _spread(self, change: Change) -> None:
        for queue in tuple(self._visitors):
            if queue.full():
                # A visitor this far behind gets the whole state again on reconnecting.
                self._visitors.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)

    async def _dismiss(self, _app: web.Application) -> None:
        for queue in tuple(self._visitors):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    def _trusts(self, host: str) -> bool:
        if host == "localhost" or host.endswith(".localhost") or host in self._exchange.settings.trusted_hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _chat(chat: Chat) -> dict[str, Any]:
    return {
        "number": chat.phone.number,
        "name": chat.phone.name,
        "role": chat.phone.role,
        "hint": chat.phone.hint,
        "typing_until": chat.typing_until,
        "bubbles": chat.bubbles,
    }


def _event(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n"


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    if request.path == "/" or request.path.startswith(_PAGE_PATHS):
        response.headers.update(_HEADERS)


async def _say(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    text = str(wanted["text"])[:65_536]
    if not text.strip():
        raise EmulatorError("the text is empty")
    return await emulator.say(number, text, quote=wanted.get("quote"))


async def _tap(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    return await emulator.tap(number, str(wanted["message"]), str(wanted["button"]))


async def _pick(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    return await emulator.pick(number, str(wanted["message"]), str(wanted["row"]))


async def _location(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    latitude, longitude = float(wanted["latitude"]), float(wanted["longitude"])
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise EmulatorError("there is no such place on earth")
    name, address = str(wanted.get("name", "")), str(wanted.get("address", ""))
    return await emulator.send_location(number, latitude, longitude, name=name, address=address)


async def _image(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    mime_type = str(wanted["mime_type"])
    if mime_type not in PICTURE_TYPES - {"image/gif"}:
        raise EmulatorError("only JPEG, PNG and WebP pictures can be sent")
    try:
        content = base64.b64decode(str(wanted["data"]), validate=True)
    except binascii.Error:
        raise EmulatorError("the picture is not base64") from None
    if not 0 < len(content) <= PICTURE_MOST:
        raise EmulatorError("the picture is empty or larger than 5 MB")
    caption = str(wanted.get("caption", ""))
    return await emulator.send_image(number, content, mime_type=mime_type, caption=caption)


async def _react(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> None:
    await emulator.react(number, str(wanted["message"]), str(wanted["emoji"])[:16])


async def _seen(emulator: "Emulator", number: str, _wanted: dict[str, Any]) -> None:
    await emulator.read(number)


_ACTS: dict[str, Act] = {
    "say": _say,
    "tap": _tap,
    "pick": _pick,
    "location": _location,
    "image": _image,
    "react": _react,
    "seen": _seen,
}
