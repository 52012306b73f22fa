"""Fetching a file from an address that somebody else wrote: a webhook, an API's answer, a redirect.

Whoever can choose the address would choose one inside our network, or a server of their own that our credentials are
sent to. So at every hop, redirects included:

* the host must be on the provider's list, by https and on the usual port;
* its name must lead to public addresses only. They are looked up once, by `PublicOnly`, and the connection goes to
  just these: a name that changes between check and use (DNS rebinding) gains nothing;
* credentials are sent to the provider's own hosts and to no other, whatever the redirect;
* the body is counted while it streams, whatever its length says, and is never unpacked.

Hosts in `private` (`127.0.0.1:8025`), which only the operator can name, are let through as they are: the emulator.
"""

import ipaddress
import socket
from collections.abc import AsyncGenerator, Collection, Mapping
from fnmatch import fnmatchcase

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from providers.base import MediaError

CHUNK = 64 * 1024
MOST_HOPS = 4

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({404, 408, 425, 429})
"""404: the provider may not have the file quite yet, or the address is over; it is asked for a new one."""


class ForbiddenAddressError(OSError):
    """A name leads to an address inside somebody's network."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet at large, also once it is unwrapped."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None:
            return is_public(str(ip.sixtofour))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.teredo is not None:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicOnly(AbstractResolver):
    """Looks names up, and refuses those that lead anywhere but to public addresses.

    Args:
        private: `host:port` that may lead anywhere.
        resolver: Who really looks them up.
    """

    def __init__(self, private: Collection[str], resolver: AbstractResolver | None = None) -> None:
        self._private = private
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up; all of its addresses must be public, not just one."""
        found = await self._resolver.resolve(host, port, family)
        if f"{host}:{port}" not in self._private and not all(is_public(one["host"]) for one in found):
            raise ForbiddenAddressError(f"{host} leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Let go of the other resolver."""
        await self._resolver.close()


class Fetcher:
    """Fetches files of one provider. Belongs to the event loop that first fetches with it.

    Args:
        hosts: Where files may be, as patterns: `*.fbcdn.net`.
        trusted: Hosts that get the credentials.
        credentials: Headers for these.
        private: `host:port` that are let through, address and scheme included; they get the credentials as well when
            they are in `trusted` (without port).
        resolver: Who looks names up.
        timeout_seconds: For a whole file.
        stall_seconds: Without a byte.
    """

    def __init__(
        self, *, hosts: Collection[str], trusted: Collection[str], credentials: Mapping[str, str],
        private: Collection[str] = (), resolver: AbstractResolver | None = None, timeout_seconds: float = 300.0,
        stall_seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._hosts = tuple(hosts)
        self._trusted = frozenset(trusted)
        self._credentials = dict(credentials)
        self._private = frozenset(private)
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=10.0, sock_read=stall_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, address: str, *, limit: int) -> AsyncGenerator[bytes, None]:
        """Fetch a file in pieces.

        Raises:
            MediaError: It is somewhere it should not be, too large, or not to be had; `retryable` tells whether another
                try makes sense. Names the host only: addresses carry tokens.
        """
        try:
            response = await self._open(address)
            try:
                async for piece in self._pieces(response, limit):
                    yield piece
            finally:
                response.close()
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                raise MediaError(f"{error.os_error}.") from error
            raise MediaError(f"{error.host} cannot be reached.", retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise MediaError(f"The file broke off ({type(error).__name__}).", retryable=True) from error

    async def close(self) -> None:
        """Let go of connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _open(self, address: str) -> aiohttp.ClientResponse:
        url = self._checked(address)
        for _ in range(MOST_HOPS):
            headers = self._credentials if url.host in self._trusted else {}
            response = await self._open_session().get(url, headers=headers, allow_redirects=False)
            if response.status not in _REDIRECTS:
                break
            target = response.headers.get("Location", "")
            response.close()
            url = self._checked(target, base=url)
        else:
            raise MediaError("The file's address leads on and on.")
        if response.status != 200:
            response.close()
            later = response.status in _LATER or response.status >= 500
            raise MediaError(f"{url.host} answered HTTP {response.status}.", code=response.status, retryable=later)
        return response

    def _checked(self, address: str, base: URL | None = None) -> URL:
        """The address, if a file may be there."""
        try:
            url = URL(address) if base is None else base.join(URL(address))
            host, port = url.host, url.port
        except ValueError:
            host, port = None, None
        if host is None:
            raise MediaError("The file's address is none.")
        if url.user is not None or url.password is not None:
            raise MediaError(f"The file's address at {host} has credentials in it.")
        if f"{host}:{port}" in self._private:
            return url
        if url.scheme != "https" or port != 443:
            raise MediaError(f"The file's address at {host} is not https on the usual port.")
        if not any(fnmatchcase(host, pattern) for pattern in self._hosts):
            raise MediaError(f"{host} is not a host of the provider's.")
        if _is_address(host) and not is_public(host):  # nobody looks an address up, so nobody else would notice
            raise MediaError(f"{host} is an address that is not public.")
        return url

    async def _pieces(self, response: aiohttp.ClientResponse, limit: int) -> AsyncGenerator[bytes, None]:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MediaError("The file came packed, which nobody asked for.")
        if (response.content_length or 0) > limit:
            raise MediaError(f"The file has {response.content_length} bytes, {limit} are taken.")
        size = 0
        async for piece in response.content.iter_chunked(CHUNK):
            size += len(piece)
            if size > limit:
                raise MediaError(f"The file has more than {limit} bytes.")
            yield piece

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Nothing is kept from one file to the next: no connection, no looked-up name, no cookie.
                connector=aiohttp.TCPConnector(
                    resolver=PublicOnly(self._private, self._resolver), use_dns_cache=False, force_close=True
                ),
                headers={"User-Agent": "Sirdar", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=self._timeout,
            )
        return self._session
