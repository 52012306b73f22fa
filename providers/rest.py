"""Calls to a provider's API that are not messages: templates, and where files are.

They are made now and then, may be repeated, and tell in one sentence why they failed. No redirect is followed, because
it would take the credentials elsewhere, and no answer is read without end.
"""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from bot.core.errors import ProviderError
from providers.base import RETRYABLE, Problem

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A page of a hundred templates has some hundred kilobytes."""

ReadError = Callable[[int, Mapping[str, Any]], Problem]
"""Reads HTTP status and document of a refusal."""


class RestClient:
    """Calls one API with one set of credentials. Belongs to the event loop that first calls with it.

    Args:
        base_url: What paths are appended to.
        headers: Of every call; they hold the credentials.
        read_error: Reads a refusal.
        raising: What is raised when a call fails.
        timeout_seconds: For a whole call.
    """

    def __init__(
        self, base_url: str, *, read_error: ReadError, raising: type[ProviderError] = ProviderError,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._base = base_url.rstrip("/")
        self._headers = {"User-Agent": "Sirdar", "Accept": "application/json", **(headers or {})}
        self._raising = raising
        self._read_error = read_error
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=5.0)
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, path: str, *, json: Any = None, data: aiohttp.FormData | bytes | None = None,
        params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Call once.

        Returns:
            The document of the answer; empty when it has none.

        Raises:
            ProviderError: The one given; `retryable` tells whether it may work later.
        """
        url = URL(self._base + path)
        body: Any = data if json is None else orjson.dumps(json)
        headers = {**({} if json is None else {"Content-Type": "application/json"}), **(headers or {})}
        try:
            async with self._open_session().request(
                method, url, data=body, params=params, headers=headers, allow_redirects=False
            ) as response:
                status, document = response.status, _document(await _read(response))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise self._raising(f"{url.host} did not answer ({type(error).__name__}).", retryable=True) from error
        if 200 <= status < 300:
            return document
        if 300 <= status < 400:
            raise self._raising(f"{url.host} answered HTTP {status}: the API has another address.")
        problem = self._read_error(status, document)
        code = f", code {problem.code}" if problem.code is not None else ""
        raise self._raising(
            f"{url.host} refused: HTTP {status}{code}. {problem.detail}".strip(),
            code=problem.code,
            retryable=problem.fault in RETRYABLE or status >= 500,
        )

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            response.close()
            raise aiohttp.ClientPayloadError("The answer is too long.")
    return bytes(body)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
