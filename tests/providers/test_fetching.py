"""Whoever can choose a file's address gains nothing: no look inside our network, no credentials, no full disk."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from providers.base import MediaError
from providers.fetching import Fetcher, PublicOnly, is_public
from tests.patience import ever_longer

LIMIT = 100_000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Internet:
    """Two hosts of test servers, and what they were asked: `asked` has host and Authorization header."""

    servers: dict[str, TestServer] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def address(self, name: str, path: str = "/file") -> str:
        return str(self.servers[name].make_url(path))

    def host(self, name: str) -> str:
        url = self.servers[name].make_url("/")
        return f"{url.host}:{url.port}"

    async def start(self, name: str, handler: Handler) -> None:
        async def take(request: web.Request) -> web.StreamResponse:
            self.asked.append((name, request.headers.get("Authorization")))
            return await handler(request)

        app = web.Application()
        app.router.add_get("/{path:.*}", take)
        self.servers[name] = TestServer(app)
        await self.servers[name].start_server()


@pytest.fixture
async def internet() -> AsyncIterator[Internet]:
    internet = Internet()
    yield internet
    for server in internet.servers.values():
        await server.close()


async def fetched(fetcher: Fetcher, address: str, limit: int = LIMIT) -> bytes:
    try:
        return b"".join([piece async for piece in fetcher.fetch(address, limit=limit)])
    finally:
        await fetcher.close()


def fetcher(*private: str, trusted: str = "127.0.0.1", **more: Any) -> Fetcher:
    credentials = {"Authorization": "Bearer secret-token", "D360-API-KEY": "secret-token"}
    return Fetcher(
        hosts=("files.example", "*.cdn.example"), trusted=(trusted,), credentials=credentials, private=private, **more
    )


def answering(body: bytes = b"words", **more: Any) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, **more)

    return handler


def leading_to(address: Callable[[], str], status: int = 302) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": address()})

    return handler


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "not an address",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["157.240.1.1", "8.8.8.8", "2a03:2880::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://files.example/x", "not https"),
        ("https://files.example:8443/x", "not https"),
        ("ftp://files.example/x", "not https"),
        ("file:///etc/passwd", "is none"),
        ("https://evil.example/x", "not a host of the provider"),
        ("https://files.example.evil.example/x", "not a host of the provider"),
        ("https://cdn.example/x", "not a host of the provider"),
        ("https://169.254.169.254/latest/meta-data", "not a host of the provider"),
        ("https://[::1]/x", "not a host of the provider"),
        ("http://127.0.0.1:1/x", "not https"),
        ("https://user:pw@files.example/x", "credentials in it"),
        ("https://files.example@evil.example/x", "credentials in it"),
        ("", "is none"),
        ("https://[broken/x", "is none"),
        ("//files.example/x", "not https"),
    ],
)
async def test_where_no_file_may_be(address: str, told: str) -> None:
    with pytest.raises(MediaError, match=told) as refused:
        await fetched(fetcher(), address)
    assert not refused.value.retryable
    assert "pw" not in str(refused.value)


async def test_a_host_that_the_operator_names_is_let_through(internet: Internet) -> None:
    await internet.start("emulator", answering(b"bytes"))
    assert await fetched(fetcher(internet.host("emulator")), internet.address("emulator")) == b"bytes"
    assert internet.asked == [("emulator", "Bearer secret-token")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_metadata_service_is_not_followed(internet: Internet, status: int) -> None:
    target = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    await internet.start("emulator", leading_to(lambda: target, status))
    with pytest.raises(MediaError, match=r"169\.254\.169\.254") as refused:
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator"))
    assert not refused.value.retryable


async def test_a_redirect_to_another_port_of_a_host_that_was_named_is_not_followed(internet: Internet) -> None:
    await internet.start("inside", answering(b"secrets"))
    await internet.start("emulator", leading_to(lambda: internet.address("inside")))
    with pytest.raises(MediaError, match="not https"):
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator"))
    assert [name for name, _ in internet.asked] == ["emulator"]


async def test_credentials_stay_with_the_host_they_are_for(internet: Internet) -> None:
    await internet.start("store", answering(b"bytes"))
    await internet.start("api", leading_to(lambda: internet.address("store").replace("127.0.0.1", "localhost")))
    store = internet.host("store").replace("127.0.0.1", "localhost")
    assert await fetched(fetcher(internet.host("api"), store), internet.address("api")) == b"bytes"
    assert internet.asked == [("api", "Bearer secret-token"), ("store", None)]


async def test_redirects_without_end(internet: Internet) -> None:
    await internet.start("emulator", leading_to(lambda: internet.address("emulator", "/again")))
    with pytest.raises(MediaError, match="on and on"):
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator"))
    assert len(internet.asked) == 4


class Names(AbstractResolver):
    """A name server that gives the next of its answers each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"]])
async def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """One address inside is enough: the client may choose any."""
    with pytest.raises(MediaError, match="not public") as refused:
        await fetched(fetcher(resolver=Names(addresses)), "https://files.example/x")
    assert not refused.value.retryable


async def test_a_name_is_looked_up_once_for_each_connection() -> None:
    """A server of names that gives a public address for the check, and one inside for the use, gains nothing."""
    names = Names(["203.0.113.7"], ["127.0.0.1"])  # reserved for examples: nobody is there
    guard = PublicOnly((), names)
    with pytest.raises(OSError, match="not public"):
        await guard.resolve("files.example", 443)
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    guard = PublicOnly((), names)
    first = await guard.resolve("files.example", 443)
    assert [one["host"] for one in first] == ["8.8.8.8"], "what was checked is what is connected to"
    with pytest.raises(OSError, match="not public"):
        await guard.resolve("files.example", 443)
    assert names.asked == 2


async def test_a_body_without_end_is_cut_off(internet: Internet) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                await response.write(b"x" * 10_000)
                sent += 10_000
        return response

    await internet.start("emulator", endless)
    with pytest.raises(MediaError, match="more than 100000 bytes") as refused:
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator"))
    assert not refused.value.retryable
    assert sent < 50_000_000


async def test_a_length_beyond_the_limit_is_believed(internet: Internet) -> None:
    await internet.start("emulator", answering(b"x" * (LIMIT + 1)))
    with pytest.raises(MediaError, match=f"has {LIMIT + 1} bytes"):
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator"))


async def raw_server(answer: bytes, *, stay: bool = False) -> asyncio.Server:
    """A server that says what no proper one would."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if stay:
            await reader.read()
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("answer", "told", "retryable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broke off", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off", True),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "packed", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", "broke off", True),
        (b"not http at all\r\n\r\n", "broke off", True),
    ],
)
async def test_servers_that_lie(answer: bytes, told: str, retryable: bool) -> None:
    server = await raw_server(answer)
    host, port = server.sockets[0].getsockname()
    async with server:
        with pytest.raises(MediaError, match=told) as refused:
            await fetched(fetcher(f"{host}:{port}"), f"http://{host}:{port}/x")
    assert refused.value.retryable is retryable


async def test_more_than_the_length_says_is_not_taken() -> None:
    server = await raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", stay=True)
    host, port = server.sockets[0].getsockname()
    async with server:
        with pytest.raises(MediaError, match="broke off"):
            await fetched(fetcher(f"{host}:{port}"), f"http://{host}:{port}/x")


async def test_a_server_that_falls_silent_is_left(internet: Internet) -> None:
    server = await raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", stay=True)
    host, port = server.sockets[0].getsockname()
    async with server:
        for seconds in ever_longer():
            with pytest.raises(MediaError) as refused:
                await fetched(fetcher(f"{host}:{port}", stall_seconds=seconds), f"http://{host}:{port}/x")
            assert refused.value.retryable
            if "broke off" in str(refused.value):
                break


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (403, False), (404, True), (429, True), (503, True)])
async def test_what_may_work_later(internet: Internet, status: int, retryable: bool) -> None:
    await internet.start("emulator", answering(b"no", status=status))
    with pytest.raises(MediaError, match=f"HTTP {status}") as refused:
        await fetched(fetcher(internet.host("emulator")), internet.address("emulator", "/file?hash=secret"))
    assert refused.value.retryable is retryable
    assert "secret" not in str(refused.value)


async def test_nobody_there() -> None:
    with pytest.raises(MediaError, match="cannot be reached") as refused:
        await fetched(fetcher("127.0.0.1:9"), "http://127.0.0.1:9/x")
    assert refused.value.retryable


def test_a_session_keeps_nothing() -> None:
    async def look() -> None:
        one = fetcher()
        session = one._open_session()
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
        assert session.connector is not None
        assert session.connector.force_close
        await one.close()

    asyncio.run(look())
