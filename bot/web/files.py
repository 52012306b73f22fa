"""Files of ours for providers that fetch them: `GET /files/{link}/{name}`."""

from contextlib import aclosing
from urllib.parse import quote

from aiohttp import web

from bot.core.errors import StorageError
from bot.runtime.files import MediaLibrary
from bot.runtime.links import PATH, Links
from bot.runtime.loop import Clock

_SHOWN = ("image/", "audio/", "video/")


class SharedFiles:
    """Gives files to whoever has a link to them.

    Args:
        links: Reads links.
        files: The files.
        clock: The time.
    """

    def __init__(self, links: Links, files: MediaLibrary, clock: Clock) -> None:
        self._links = links
        self._files = files
        self._clock = clock

    def routes(self, app: web.Application) -> None:
        """Add the route, for GET and HEAD."""
        app.router.add_get(PATH + "/{token}/{name}", self.give)

    async def give(self, request: web.Request) -> web.StreamResponse:
        """The file, or 404: whether it was never there, is over, or the link was made up, is nobody's business."""
        named = self._links.read(request.match_info["token"], self._clock())
        file = await self._files.find(*named) if named is not None else None
        if file is None:
            raise web.HTTPNotFound
        how = "inline" if file.mime_type.startswith(_SHOWN) else "attachment"
        response = web.StreamResponse(
            headers={
                "Content-Type": file.mime_type,
                "Content-Length": str(file.size_bytes),
                "Content-Disposition": f"{how}; filename*=UTF-8''{quote(file.filename)}",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; sandbox",
            }
        )
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        async with aclosing(self._files.read(file)) as pieces:
            try:
                first = await anext(pieces, b"")
            except StorageError as error:
                raise web.HTTPNotFound from error
            await response.prepare(request)
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        return response
