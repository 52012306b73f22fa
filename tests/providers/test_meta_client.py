"""Sending over real sockets: what may be repeated, and what must not."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.http import StreamWriter

from bot.core.messages import TextOut
from providers.base import Accepted, Fault, NotSent, OutboundMessage, Refused, SendOutcome, Unknown
from providers.http import MAX_ANSWER_BYTES, WatchedBody
from providers.meta import MetaProvider, MetaSettings
from tests.patience import ever_longer

MESSAGE = OutboundMessage(
    phone="+15550142233", user_id=None, content=TextOut(body="Hi"), correlation="attempt:7", reply_to=None
)
ACCEPTED = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.A"}]}'


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers)
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Graph:
    """A server that answers each request with the next of `answers`: bytes to write, or None to hang up.

    After the last one it never answers. `requests` are the bodies it got, `heads` the header blocks.
    """

    answers: list[bytes | None]
    requests: list[Any] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")
                )
                self.requests.append(json.loads(await reader.readexactly(length)))
                self.heads.append(head)
                if not self.answers:
                    await reader.read()  # until the client gives up
                    return
                answer = self.answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"Connection: close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def graph(*answers: bytes | None) -> AsyncIterator[Graph]:
    served = Graph(list(answers))
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def provider(base_url: str, **changes: Any) -> AsyncIterator[MetaProvider]:
    sending = MetaProvider(
        MetaSettings(
            app_secrets=("s",),
            verify_token="v",
            access_token="secret-token",
            phone_number_id="700",
            business_account_id="900",
            base_url=base_url,
            **{"timeout_seconds": 60.0, **changes},
        )
    )
    try:
        yield sending
    finally:
        await sending.close()


async def send_once(*answers: bytes | None, **changes: Any) -> tuple[SendOutcome, Graph]:
    async with graph(*answers) as served, provider(served.url, **changes) as sending:
        return await sending.send(MESSAGE), served


async def test_an_accepted_message_went_out_as_built() -> None:
    outcome, served = await send_once(http(200, ACCEPTED))
    assert outcome == Accepted(provider_message_id="wamid.A")
    assert served.requests[0]["to"] == "+15550142233"
    head = served.heads[0]
    assert head.startswith("POST /v25.0/700/messages HTTP/1.1\r\n")
    assert "Authorization: Bearer secret-token\r\n" in head
    assert "Content-Type: application/json\r\n" in head


async def test_one_connection_carries_many_messages() -> None:
    async with graph(*[http(200, ACCEPTED)] * 5) as served, provider(served.url) as sending:
        for _ in range(5):
            assert isinstance(await sending.send(MESSAGE), Accepted)
        assert served.connections == 1


async def test_a_refused_connection_sent_nothing() -> None:
    async with graph() as served:
        pass
    async with provider(served.url) as sending:
        assert isinstance(await sending.send(MESSAGE), NotSent)


async def test_an_unknown_host_sent_nothing() -> None:
    async with provider("http://graph.invalid") as sending:
        assert isinstance(await sending.send(MESSAGE), NotSent)


async def test_a_base_url_that_is_none_sent_nothing() -> None:
    async with provider("nonsense") as sending:
        assert isinstance(await sending.send(MESSAGE), NotSent)


async def test_an_unfinished_tls_handshake_sent_nothing() -> None:
    async with graph(http(200, ACCEPTED)) as served:
        secure = served.url.replace("http:", "https:")
        async with provider(secure, connect_timeout_seconds=0.2) as sending:
            assert isinstance(await sending.send(MESSAGE), NotSent)
        assert served.requests == []


async def test_waiting_in_vain_for_a_free_connection_sent_nothing() -> None:
    for seconds in ever_longer():
        async with graph() as served, provider(served.url, connections=1, timeout_seconds=seconds) as sending:
            outcomes = await asyncio.gather(sending.send(MESSAGE), sending.send(MESSAGE))
        if served.requests:
            break
    assert [type(outcome) for outcome in outcomes] == [Unknown, NotSent]
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{",
        http(200, b"garbage"),
        http(200, b'{"messages":[{"id":"' + b"x" * MAX_ANSWER_BYTES + b'"}]}'),
        http(502, b"<html>", "Connection: close"),
        http(500, b""),
    ],
    ids=["hangs up", "no HTTP", "breaks off", "no JSON", "too long", "bad gateway", "bare 500"],
)
async def test_after_the_request_was_written_silence_and_noise_are_unknown(answer: bytes | None) -> None:
    outcome, served = await send_once(answer, http(200, ACCEPTED))
    assert isinstance(outcome, Unknown)
    assert len(served.requests) == 1, "it must not be repeated"


async def test_no_answer_in_time_is_unknown() -> None:
    for seconds in ever_longer():
        outcome, served = await send_once(timeout_seconds=seconds)
        if served.requests:
            break
    assert isinstance(outcome, Unknown)
    assert len(served.requests) == 1


async def test_a_hang_up_on_a_kept_connection_is_unknown_and_not_repeated() -> None:
    async with graph(http(200, ACCEPTED), None, http(200, ACCEPTED)) as served, provider(served.url) as sending:
        assert isinstance(await sending.send(MESSAGE), Accepted)
        assert isinstance(await sending.send(MESSAGE), Unknown)
        assert (len(served.requests), served.connections) == (2, 1)
        assert isinstance(await sending.send(MESSAGE), Accepted)


async def test_a_connection_that_graph_announced_to_close_is_not_used_again() -> None:
    closing = http(200, ACCEPTED, "Connection: close")
    async with graph(closing, closing) as served, provider(served.url) as sending:
        assert isinstance(await sending.send(MESSAGE), Accepted)
        assert isinstance(await sending.send(MESSAGE), Accepted)
        assert served.connections == 2


@pytest.mark.parametrize(("closing", "written"), [(True, False), (False, True)])
async def test_a_body_knows_whether_it_was_written(closing: bool, written: bool) -> None:
    transport = Mock(is_closing=Mock(return_value=closing))
    writer = StreamWriter(Mock(transport=transport), asyncio.get_running_loop())
    body = WatchedBody(b"{}", content_type="application/json")
    if closing:
        with pytest.raises(aiohttp.ClientConnectionResetError):
            await body.write_with_length(writer, 2)
    else:
        await body.write_with_length(writer, 2)
    assert (body.written, transport.write.called) == (written, written)


async def test_a_throttled_message_says_when_to_come_back() -> None:
    body = b'{"error":{"code":130429,"message":"(#130429) Rate limit hit"}}'
    outcome, _ = await send_once(http(429, body, "Retry-After: 3"))
    assert isinstance(outcome, Refused)
    assert (outcome.problem.fault, outcome.retry_after, outcome.retryable) == (Fault.THROTTLE_CHANNEL, 3.0, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with graph(http(200, ACCEPTED)) as elsewhere:
        outcome, _ = await send_once(http(status, b"", f"Location: {elsewhere.url}/v25.0/700/messages"))
        assert not isinstance(outcome, Accepted)
        assert elsewhere.requests == []


async def test_a_refusal_that_breaks_off_is_tried_again() -> None:
    outcome, _ = await send_once(b"HTTP/1.1 400 X\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{")
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is Fault.TRANSIENT


async def test_a_message_to_nobody_is_refused_without_a_request() -> None:
    async with graph() as served, provider(served.url) as sending:
        nobody = OutboundMessage(phone=None, user_id=None, content=TextOut(body="Hi"), correlation="")
        outcome = await sending.send(nobody)
        assert isinstance(outcome, Refused)
        assert (outcome.problem.fault, served.requests) == (Fault.REQUEST, [])


async def test_a_cancelled_send_lets_the_cancellation_through() -> None:
    async with graph() as served, provider(served.url) as sending:
        task = asyncio.create_task(sending.send(MESSAGE))
        while not served.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [
        (http(200, b'{"success":true}'), True),
        (http(200, b'{"success":"yes"}'), False),
        (http(400, b'{"error":{"code":131009}}'), False),
        (None, False),
    ],
)
async def test_a_read_mark_is_confirmed_or_not(answer: bytes | None, confirmed: bool) -> None:
    async with graph(answer) as served, provider(served.url) as sending:
        assert await sending.mark_read("wamid.A", typing=True) is confirmed
        assert served.requests[0]["typing_indicator"] == {"type": "text"}


async def test_neither_token_nor_number_appears_in_logs_or_outcomes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for answer in (None, http(500), b"garbage\r\n\r\n", http(400, b'{"error":{"code":1,"message":"+15550142233"}}')):
        outcome, _ = await send_once(answer)
        told.append(repr(outcome))
    async with provider("http://graph.invalid") as sending:
        told.append(repr(await sending.send(MESSAGE)))
    text = " ".join(told) + caplog.text
    assert "secret-token" not in text
    assert "5550142233" not in text


async def test_a_closed_provider_can_be_closed_again() -> None:
    async with provider("http://127.0.0.1:9") as sending:
        await sending.close()
        await sending.close()
