"""Routes below the node of the number that is emulated."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from providers.emulator.exchange import Exchange
from providers.emulator.meta.files import unknown_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Row = tuple[str, str, Handler]
"""Method, path, and who answers."""


def of_the_number(exchange: Exchange, rows: Iterable[Row]) -> list[Row]:
    """The same routes, which know no object but the number."""
    return [(method, path, _guarded(exchange, handler)) for method, path, handler in rows]


def _guarded(exchange: Exchange, handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.match_info["node"] != exchange.settings.phone_number_id:
            raise unknown_object(request.match_info["node"])
        return await handler(request)

    return handle
