"""The benchmark measures what it says: its driver, its clock and its stand-in for Graph."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bench.authoring import measure_authoring
from bench.business import measure as measure_business
from bench.driver import Load, closed_loop, open_loop, percentile, reply_latencies
from bench.engine import time_calls
from bench.mock_graph import GraphProtocol, Sends, content_length, read_recipient
from bench.processes import fetch
from bench.traffic import PHONE_NUMBER_ID, Traffic
from providers.meta.parse import parse
from providers.meta.signature import check_signature


@pytest.fixture
async def mock() -> AsyncIterator[tuple[int, Sends]]:
    sends = Sends()
    server = await asyncio.get_running_loop().create_server(lambda: GraphProtocol(sends, 0.0), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], sends
    server.close()
    await server.wait_closed()


def traffic() -> Traffic:
    return Traffic(path="/v25.0/7/messages", secret="s", contacts=3, texts=["hi", 'a "quoted" é'])


def test_every_prepared_webhook_is_signed_and_readable_and_new() -> None:
    ids = set()
    for call in traffic().calls(12):
        head, _, body = call.request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        check_signature(headers, body, ["s"])
        assert int(headers["Content-Length"]) == len(body)
        (item,) = parse(body, datetime.now(UTC))
        assert item.channel == PHONE_NUMBER_ID  # type: ignore[union-attr]
        ids.add(item.provider_message_id)  # type: ignore[union-attr]
    assert len(ids) == 12


def test_headers_and_recipients_are_read_in_any_writing() -> None:
    assert content_length(b"POST / HTTP/1.1\r\nContent-Length: 12\r\nA: b") == 12
    assert content_length(b"POST / HTTP/1.1\r\ncontent-length:7") == 7
    assert content_length(b"GET / HTTP/1.1") == 0
    assert read_recipient(b'{"to":"+1555","text":{}}') == b"1555"
    assert read_recipient(b'{ "to": "1555" }') == b"1555"
    assert read_recipient(b'{"status":"read"}') is None


async def test_the_stand_in_answers_requests_in_pieces_and_in_heaps(mock: tuple[int, Sends]) -> None:
    port, sends = mock
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"to":"+15550000001"}'
    request = b"POST /v25.0/7/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    writer.write(request + request + request[:30])
    await writer.drain()
    for _ in range(2):
        assert b"wamid.BENCHOUT" in await reader.readuntil(b"}]}")
    writer.write(request[30:])
    assert b"wamid.BENCHOUT000000000003" in await reader.readuntil(b"}]}")
    writer.close()
    assert sends.count == 3
    status, lines = await fetch(port, "GET", "/_sends")
    assert (status, len(lines.split())) == (200, 4)


async def test_a_closed_loop_sends_everything_it_has_once(mock: tuple[int, Sends]) -> None:
    port, sends = mock
    # The stand-in takes webhooks for messages to nobody, which is all that is needed here.
    load = await closed_loop("127.0.0.1", port, traffic().calls(50), connections=4, seconds=120)
    assert (load.accepted, load.refused, len(load.answer_ns), sends.reads) == (50, 0, 50, 50)


async def test_an_open_loop_keeps_its_rate(mock: tuple[int, Sends]) -> None:
    port, _ = mock
    load = await open_loop("127.0.0.1", port, traffic().calls(100), connections=4, rate=500)
    assert load.accepted == 100
    assert (load.ended_ns - load.started_ns) / 1e9 >= 0.19


def test_a_reply_belongs_to_the_webhook_before_it() -> None:
    load = Load(sent_at={"1": [10, 20], "2": [10], "3": [10]})
    assert sorted(reply_latencies(load, {"1": [15, 27], "2": [12, 13]})) == [2, 5, 7]


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([3, 1, 2], share) for share in (0.0, 0.5, 0.99)] == [1, 2, 3]
    assert percentile([], 0.5) == 0.0


def test_a_call_is_timed() -> None:
    assert time_calls(lambda: None, 0.01).best_us >= 0


def test_a_large_project_is_written_checked_and_read() -> None:
    cost = measure_authoring(flows=5)
    assert cost.states == 75
    assert min(cost.check, cost.recheck, cost.load, cost.reload) > 0


async def test_the_actions_of_the_business_are_timed_as_the_worker_runs_them(dsn: str) -> None:
    costs = await measure_business(dsn, 3)
    assert {"leads.create", "bookings.create", "incidents.create", "payments.request"} <= set(costs)
    assert all(cost.calls == 3 and 0 < cost.median_ms <= cost.p95_ms for cost in costs.values())
