"""A provider's API that answers what a test says, over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, str]


Answering = Callable[[Asked], tuple[int, Any]]


@dataclass(slots=True)
class Api:
    """Answers requests; `answer` says how: status, and JSON or the bytes of a body."""

    answer: Answering
    asked: list[Asked] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Note the request, and answer."""
        asked = Asked(
            request.method, request.path, dict(request.headers), await request.read(), dict(request.query.items())
        )
        self.asked.append(asked)
        status, body = self.answer(asked)
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=self.headers)
        return web.json_response(body, status=status, headers=self.headers)


@asynccontextmanager
async def serving(answer: Answering, **headers: str) -> AsyncIterator[Api]:
    """Serve until the block ends."""
    api = Api(answer, headers={name.replace("_", "-"): value for name, value in headers.items()})
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", api.handle)
    async with TestServer(app) as server:
        api.url = str(server.make_url("/")).rstrip("/")
        yield api
