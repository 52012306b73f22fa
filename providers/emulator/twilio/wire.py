"""JSON in and out, as Twilio's APIs have it."""

from typing import Any

import orjson
from aiohttp import web

from providers.emulator.twilio.errors import TwilioError


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers or {})


async def read_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        TwilioError: It is something else.
    """
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise TwilioError(20422, f"The request is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise TwilioError(20422, "The request must be a JSON object")
    return value
