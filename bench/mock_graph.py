"""The cheapest server that can pass for Graph's `POST /{version}/{phone_number_id}/messages`.

It has to cost next to nothing, because it shares the machine with what is measured: a bare protocol, no framework, no
JSON decoding in the usual case. It remembers when each person was sent something, on the clock that the driver reads
too (CLOCK_MONOTONIC is the same for all processes).

    GET  /_stats   {"sends": 12, "reads": 0}
    GET  /_sends   one line per recipient: digits, then the time of each send in monotonic nanoseconds
    POST /_reset   forget everything
"""

import argparse
import asyncio
import json
import signal
import time
from typing import cast

import orjson
import uvloop

JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
TEXT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
ACCEPTED = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+%b","wa_id":"%b"}],'
    b'"messages":[{"id":"wamid.BENCHOUT%012d"}]}'
)
CONFIRMED = JSON_HEAD % 16 + b'{"success":true}'
TO = b'"to":"+'


class Sends:
    """What was sent to whom, and when."""

    def __init__(self) -> None:
        self.count = 0
        self.reads = 0
        self.times: dict[bytes, list[int]] = {}

    def record(self, recipient: bytes) -> int:
        """Note a send now; returns its number."""
        self.count += 1
        self.times.setdefault(recipient, []).append(time.monotonic_ns())
        return self.count

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def stats(self) -> bytes:
        return json.dumps({"sends": self.count, "reads": self.reads}).encode()

    def lines(self) -> bytes:
        return b"\n".join(b"%b %b" % (who, b" ".join(b"%d" % at for at in times)) for who, times in self.times.items())


class GraphProtocol(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive and pipelining, bodies with a Content-Length only."""

    def __init__(self, sends: Sends, delay_seconds: float) -> None:
        self._sends = sends
        self._delay_seconds = delay_seconds
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        answers: list[bytes] = []
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end]
            whole = end + 4 + content_length(head)
            if len(buffer) < whole:
                break
            answers.append(self._answer(head, buffer[end + 4 : whole]))
            buffer = buffer[whole:]
        self._buffer = buffer
        if not answers:
            return
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._write, b"".join(answers))
        else:
            self._write(b"".join(answers))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        sends = self._sends
        method, path, _ = head.split(b" ", 2)
        if method == b"POST" and path.endswith(b"/messages"):
            recipient = read_recipient(body)
            if recipient is None:
                sends.reads += 1
                return CONFIRMED
            return with_length(JSON_HEAD, ACCEPTED % (recipient, recipient, sends.record(recipient)))
        match method, path:
            case b"GET", b"/_stats":
                return with_length(JSON_HEAD, sends.stats())
            case b"GET", b"/_sends":
                return with_length(TEXT_HEAD, sends.lines())
            case b"POST", b"/_reset":
                sends.reset()
                return with_length(TEXT_HEAD, b"")
        return NOT_FOUND


def with_length(head: bytes, body: bytes) -> bytes:
    return head % len(body) + body


def content_length(head: bytes) -> int:
    """Read the Content-Length of a block of headers; 0 if it has none."""
    at = head.find(b"Content-Length:")
    if at < 0:
        at = head.lower().find(b"content-length:")
        if at < 0:
            return 0
    end = head.find(b"\r\n", at)
    return int(head[at + 15 : end if end >= 0 else None])


def read_recipient(body: bytes) -> bytes | None:
    """The digits that a message goes to; None for a read mark."""
    at = body.find(TO)
    if at >= 0:
        return body[at + len(TO) : body.index(b'"', at + len(TO))]
    message = orjson.loads(body)
    recipient = message.get("to") or message.get("recipient")
    return str(recipient).removeprefix("+").encode() if recipient else None


async def serve(port: int, delay_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    sends = Sends()
    server = await loop.create_server(lambda: GraphProtocol(sends, delay_seconds), "127.0.0.1", port, backlog=1024)
    async with server:
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for Meta's Graph API.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how long Graph thinks")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.delay_ms / 1000))


if __name__ == "__main__":
    main()
