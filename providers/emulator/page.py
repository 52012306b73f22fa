"""The web page with the phones: its files, its stream of events, and what a visitor does on it.

The page is for the person at this machine, so requests that another web site makes a browser send are refused: by
`Origin`, by `Sec-Fetch-Site`, by the JSON content type, and by the host name (which stops DNS rebinding).
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson
from aiohttp import hdrs, web

from providers.emulator.deeds import DEEDS, act
from providers.emulator.exchange import Exchange
from providers.emulator.phones import Change, Chat, EmulatorError, UnknownPhoneError

if TYPE_CHECKING:
    from providers.emulator.emulator import Emulator

STATIC = Path(__file__).parent / "static"
CHANGES_KEPT = 1_000
HEARTBEAT_SECONDS = 15.0
SHOWN_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4", "video/3gpp"}
    | {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}
)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_PAGE_PATHS = ("/phones/", "/events", "/webhooks/", "/_control/", "/static/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def answering(do: Callable[[web.Request], Awaitable[object]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that answers what is done; what the emulator refuses or cannot read is an answer, too."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return answer(await do(request))
        except UnknownPhoneError as error:
            return answer({"error": str(error)}, status=404)
        except EmulatorError as error:
            return answer({"error": str(error)}, status=400)
        except (KeyError, TypeError, ValueError) as error:
            return answer({"error": f"not understood: {error!r}"}, status=400)

    return handle


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
                *(web.post(f"/phones/{{number}}/{deed}", self._acting(deed)) for deed in DEEDS),
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
        """A file of a bubble; pictures, films and sound are shown, anything else is downloaded under its name."""
        file = self._exchange.storeroom.find(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound(text="the file is gone")
        if file.mime_type.partition(";")[0].strip() not in SHOWN_TYPES:
            disposition = {hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{quote(file.filename or 'file')}"}
            return web.Response(body=file.content, headers=disposition, content_type="application/octet-stream")
        whole, size = file.content, len(file.content)
        headers = {hdrs.CONTENT_TYPE: file.mime_type, hdrs.ACCEPT_RANGES: "bytes"}
        wanted = _range(request, size)
        if wanted is None:
            return web.Response(body=whole, headers=headers)
        headers[hdrs.CONTENT_RANGE] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
        return web.Response(status=206, body=whole[wanted.start : wanted.stop], headers=headers)

    def _acting(self, deed: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def do(request: web.Request) -> dict[str, Any]:
            wanted = await read_object(request)
            return {"id": await act(self._emulator, deed, request.match_info["number"], wanted)}

        return answering(do)

    def _state(self) -> dict[str, Any]:
        courier = self._exchange.courier
        return {
            "business": self._exchange.settings.business_name,
            "provider": self._exchange.settings.provider,
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


def _range(request: web.Request, size: int) -> range | None:
    """The bytes that a player asks for; `None` for all of them."""
    try:
        asked = request.http_range
    except ValueError:
        return None
    if asked.start is None and asked.stop is None:
        return None
    start, stop, _ = asked.indices(size)
    return range(start, stop) if start < stop else None


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
