"""JSON as the Graph API reads and writes it."""

import orjson
from aiohttp import web

from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.fields import Field


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers or {})


async def read_json(request: web.Request) -> Field:
    """The request's JSON object.

    Raises:
        GraphError: It is something else.
    """
    if request.content_type != "application/json":
        raise GraphError(100, "The request needs Content-Type: application/json")
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise GraphError(100, f"The request is not JSON: {error}") from None
    found = Field(value).decoded()  # pywa posts some documents as a JSON string
    if not isinstance(found.value, dict):
        raise GraphError(100, "The request must be a JSON object")
    return found
