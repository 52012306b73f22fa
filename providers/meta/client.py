"""The HTTP half: requests to one number's `/messages` at Meta's Graph API.

What may be repeated hangs on one fact: may bytes of the request have left us? Exception types do not tell (a
disconnect may come before or after), so the request's body watches itself being written (`_WatchedBody`). Until then
every failure is `NotSent`; from then on a failure is `Unknown`, whatever it is called.

The costly case is a kept-alive connection that Meta closes just as we write: the request is lost, and we cannot know
it. Three things keep that rare. Connections idle for `keepalive_seconds` are dropped, well before an edge does it. A
close that the event loop has seen takes the connection out of the pool. One it sees while the request is being prepared
stops `_WatchedBody` before a byte is written, which is `NotSent`. What is left is a close on the wire at that very
moment. aiohttp repeats no POST by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from yarl import URL

from providers.base import NotSent, Unknown
from providers.meta.settings import MetaSettings

MAX_ANSWER_BYTES = 64 * 1024  # Graph's answers have a few hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. `body` is None if it was too long or broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class _WatchedBody(payload.BytesPayload):
    """A request body that knows whether it may have left.

    aiohttp writes the headers together with the first bytes of the body, so `written` speaks for the whole request;
    headers alone would be no request that a server can act on.
    """

    written = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        transport = writer.transport if isinstance(writer, StreamWriter) else None
        if transport is not None and transport.is_closing():
            raise aiohttp.ClientConnectionResetError("The connection was closed before the request was written.")
        self.written = True  # nothing awaits between the check and the write
        await super().write_with_length(writer, content_length)


class GraphClient:
    """Posts to one number's `/messages`. Belongs to the event loop that first posts with it."""

    def __init__(self, settings: MetaSettings) -> None:
        self._settings = settings
        base = settings.base_url.rstrip("/")
        self._url = URL(f"{base}/{settings.api_version}/{settings.phone_number_id}/messages")
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes) -> Answer | NotSent | Unknown:
        """Post JSON once. Raises nothing for what Meta or the network does, and names no person or secret.

        A cancelled post may have gone out: treat it as `Unknown`.
        """
        watched = _WatchedBody(body, content_type="application/json")
        try:
            # Not followed: a redirect would carry the token and the words to another place.
            async with self._open_session().post(self._url, data=watched, allow_redirects=False) as response:
                return Answer(status=response.status, headers=response.headers, body=await _read(response))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            # Its text may name addresses, so only its kind is told.
            detail = type(error).__name__
            return Unknown(detail=detail) if watched.written else NotSent(detail=detail)

    async def close(self) -> None:
        """Close all connections. A later post opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        # Not in the constructor: a session binds to the loop that runs when it is made.
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=settings.connections, keepalive_timeout=settings.keepalive_seconds
                ),
                headers={
                    "Authorization": f"Bearer {settings.access_token}",
                    "Accept-Encoding": "identity",  # a few hundred bytes are not worth unpacking
                    "User-Agent": "Sirdar",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=settings.timeout_seconds, sock_connect=settings.connect_timeout_seconds
                ),
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Read the body, or None if it is too long or breaks off: the status is known, and says enough."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                response.close()
                return None
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    return bytes(body)
