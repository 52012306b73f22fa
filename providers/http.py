"""HTTP to a provider's API, and whether a request may have left us.

What may be repeated hangs on one fact: may bytes of the request have left us? Exception types do not tell (a
disconnect may come before or after), so the request's body watches itself being written (`WatchedBody`). Until then
every failure is `NotSent`; from then on a failure is `Unknown`, whatever it is called.

The costly case is a kept-alive connection that the provider closes just as we write: the request is lost, and we cannot
know it. Three things keep that rare. Connections idle for `keepalive_seconds` are dropped, well before an edge does it.
A close that the event loop has seen takes the connection out of the pool. One it sees while the request is being
prepared stops `WatchedBody` before a byte is written, which is `NotSent`. What is left is a close on the wire at that
very moment. aiohttp repeats no POST by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from yarl import URL

from providers.base import NotSent, Unknown

MAX_ANSWER_BYTES = 64 * 1024  # answers to a message have a few hundred
MAX_RETRY_AFTER = 86_400.0  # seconds

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and how many connections to hold.

    Attributes:
        timeout_seconds: For a whole request, the wait for a free connection included.
        connect_timeout_seconds: For opening a connection, TLS included.
        keepalive_seconds: How long an idle connection is trusted.
        connections: How many at once.
    """

    timeout_seconds: float = 15.0
    connect_timeout_seconds: float = 5.0
    keepalive_seconds: float = 10.0
    connections: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. `body` is None if it was too long or broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class WatchedBody(payload.BytesPayload):
    """A request body that knows whether it may have left.

    aiohttp writes the headers together with the first bytes of the body, so `written` speaks for the whole request;
    headers alone would be no request that a server can act on.
    """

    written = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write, unless the connection was closed meanwhile."""
        transport = writer.transport if isinstance(writer, StreamWriter) else None
        if transport is not None and transport.is_closing():
            raise aiohttp.ClientConnectionResetError("The connection was closed before the request was written.")
        self.written = True  # nothing awaits between the check and the write
        await super().write_with_length(writer, content_length)


class ApiClient:
    """Requests to one provider's API. Belongs to the event loop that first uses it.

    Args:
        headers: Sent with every request, the credentials among them.
        patience: Timeouts and connections.
    """

    def __init__(self, headers: Mapping[str, str], patience: Patience) -> None:
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "Sirdar", **headers}
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, body: bytes, content_type: str = JSON) -> Answer | NotSent | Unknown:
        """Post once. Raises nothing for what the provider or the network does, and names no person or secret.

        A cancelled post may have gone out: treat it as `Unknown`.
        """
        watched = WatchedBody(body, content_type=content_type)
        try:
            # Not followed: a redirect would carry the token and the words to another place.
            async with self.session().post(url, data=watched, allow_redirects=False) as response:
                return Answer(
                    status=response.status, headers=response.headers, body=await read_body(response, MAX_ANSWER_BYTES)
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            # Its text may name addresses, so only its kind is told.
            detail = type(error).__name__
            return Unknown(detail=detail) if watched.written else NotSent(detail=detail)

    async def ask(self, method: str, url: URL, *, limit: int = 8 * 1024 * 1024) -> Answer | NotSent:
        """Make a request that changes nothing, or may safely be repeated. Raises nothing, like `post`."""
        try:
            async with self.session().request(method, url, allow_redirects=False) as response:
                return Answer(status=response.status, headers=response.headers, body=await read_body(response, limit))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NotSent(detail=type(error).__name__)

    def session(self) -> aiohttp.ClientSession:
        """The connections; opened when they are first needed, since a session binds to the loop that runs then."""
        if self._session is None:
            patience = self._patience
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=patience.connections, keepalive_timeout=patience.keepalive_seconds
                ),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=patience.timeout_seconds, sock_connect=patience.connect_timeout_seconds
                ),
            )
        return self._session

    async def close(self) -> None:
        """Close all connections. A later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Read the body, or None if it is too long or breaks off: the status is known, and says enough."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                response.close()
                return None
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    return bytes(body)


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body, or the first `limit` bytes of it; `content.read(limit)` would stop at what has come by then.

    Raises:
        aiohttp.ClientError: It broke off; also OSError.
    """
    body = bytearray()
    while len(body) < limit and (chunk := await response.content.read(limit - len(body))):
        body += chunk
    return bytes(body)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds, or an HTTP date. At most a day, never negative; None if unreadable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            due_at = parsedate_to_datetime(value)
        except ValueError:
            return None
        if due_at.tzinfo is None:
            due_at = due_at.replace(tzinfo=UTC)
        seconds = (due_at - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None
