"""The load driver: bare protocols, so that it takes as little as possible of the machine it shares.

Closed loop: each connection sends its next request when the last one is answered, which finds the throughput.
Open loop: requests leave at a fixed rate whatever the answers do, and times count from when a request was due, so that
a server which stalls cannot hide the requests that had to wait.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from bench.mock_graph import content_length
from bench.traffic import Call

TICK_SECONDS = 0.001


@dataclass(slots=True)
class Load:
    """What was sent and what came of it. Times are monotonic nanoseconds."""

    started_ns: int = 0
    ended_ns: int = 0
    accepted: int = 0
    refused: int = 0
    answer_ns: list[int] = field(default_factory=list)
    sent_at: dict[str, list[int]] = field(default_factory=dict)

    @property
    def accepted_per_second(self) -> float:
        """Webhooks answered with 200, per second."""
        return self.accepted / max((self.ended_ns - self.started_ns) / 1e9, 1e-9)


class _Connection(asyncio.Protocol):
    """A keep-alive connection with one request at a time."""

    def __init__(self, answered: Callable[["_Connection", int], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def send(self, request: bytes, sent_ns: int) -> None:
        self.sent_ns = sent_ns
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or len(buffer) < end + 4 + content_length(buffer[:end]):
            self._buffer = buffer
            return
        self._buffer = b""
        self._answered(self, int(buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Run:
    """State that both loops share: the connections, the requests still to send, the outcome."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.load = Load()
        self.calls = calls
        self.next = 0
        self.busy = 0
        self.closing = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connections: list[_Connection] = []

    async def connect(self, host: str, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(self.answered, self.lost), host, port)
            self.connections.append(connection)

    def send(self, connection: _Connection, sent_ns: int) -> None:
        call = self.calls[self.next]
        self.next += 1
        self.busy += 1
        self.load.sent_at.setdefault(call.phone, []).append(sent_ns)
        connection.send(call.request, sent_ns)

    def record(self, connection: _Connection, status: int) -> None:
        self.busy -= 1
        self.load.ended_ns = time.monotonic_ns()
        if status == 200:
            self.load.accepted += 1
        else:
            self.load.refused += 1
        self.load.answer_ns.append(self.load.ended_ns - connection.sent_ns)

    def answered(self, connection: _Connection, status: int) -> None:
        raise NotImplementedError

    def lost(self) -> None:
        if not self.closing and not self.done.done():
            self.done.set_exception(ConnectionError("the server closed a connection"))

    async def finish(self, timeout_seconds: float) -> Load:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.done
        finally:
            self.closing = True
            for connection in self.connections:
                connection.close()
        return self.load


class _ClosedLoop(_Run):
    deadline_ns = 0

    def answered(self, connection: _Connection, status: int) -> None:
        self.record(connection, status)
        now = self.load.ended_ns
        if now < self.deadline_ns and self.next < len(self.calls):
            self.send(connection, now)
        elif not self.busy and not self.done.done():
            self.done.set_result(None)


async def closed_loop(host: str, port: int, calls: Sequence[Call], *, connections: int, seconds: float) -> Load:
    """Send as fast as answers come, until time or requests run out."""
    run = _ClosedLoop(calls)
    await run.connect(host, port, min(connections, len(calls)))
    run.load.started_ns = time.monotonic_ns()
    run.deadline_ns = run.load.started_ns + int(seconds * 1e9)
    for connection in run.connections:
        run.send(connection, time.monotonic_ns())
    return await run.finish(seconds + 30)


class _OpenLoop(_Run):
    def __init__(self, calls: Sequence[Call], rate: float) -> None:
        super().__init__(calls)
        self._gap_ns = 1e9 / rate
        self._free: deque[_Connection] = deque()

    def start(self) -> None:
        self._free.extend(self.connections)
        self.load.started_ns = time.monotonic_ns()
        self._tick()

    def _tick(self) -> None:
        self._send_due()
        if self.next < len(self.calls) and not self.done.done():
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        while self._free and self.next < len(self.calls):
            due = self.load.started_ns + int(self.next * self._gap_ns)
            if due > now:
                break
            self.send(self._free.popleft(), due)

    def answered(self, connection: _Connection, status: int) -> None:
        self.record(connection, status)
        self._free.append(connection)
        self._send_due()
        if not self.busy and self.next >= len(self.calls) and not self.done.done():
            self.done.set_result(None)


async def open_loop(host: str, port: int, calls: Sequence[Call], *, connections: int, rate: float) -> Load:
    """Send all requests at `rate` per second."""
    run = _OpenLoop(calls, rate)
    await run.connect(host, port, connections)
    run.start()
    return await run.finish(len(calls) / rate + 30)


def reply_latencies(load: Load, sends: dict[str, list[int]]) -> list[int]:
    """Nanoseconds from each webhook to its reply: the n-th webhook of a person to the n-th reply they were sent.

    Where a person got more messages than they wrote, the first message after each webhook is its reply.
    """
    latencies: list[int] = []
    for phone, asked in load.sent_at.items():
        replied = sends.get(phone, [])
        if len(replied) <= len(asked):
            latencies += [reply - ask for ask, reply in zip(asked, replied, strict=False)]
            continue
        place = 0
        for ask in asked:
            while place < len(replied) and replied[place] < ask:
                place += 1
            if place < len(replied):
                latencies.append(replied[place] - ask)
    return latencies


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
