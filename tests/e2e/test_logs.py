"""Logs never hold phone numbers, message texts, tokens or secrets, whatever happens."""

import asyncio
import io
import json
import logging
from contextlib import suppress

import pytest
import structlog

from tests.e2e.canaries import Watch
from tests.e2e.conftest import CUSTOMER, Running
from tests.e2e.test_hostile import envelope, text

CANARY = "canary-words-nobody-logs"


async def test_no_personal_data_in_any_log_line(
    watch: Watch, running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, f"hello {CANARY}")
    await phone.wait_for(CUSTOMER)
    await running.post(envelope([text(1, f"{CANARY} \x00", sender="15550149999")]))
    await running.post(b"{" + CANARY.encode())
    await running.post(envelope([text(2, CANARY)]), secret="another-app-secret")
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    running.system.foundation.database.terminate()
    await running.post(envelope([text(3, CANARY)]))
    watch.add(CANARY, "15550149999", "another-app-secret")
    assert "a webhook could not be stored" in watch.lines.getvalue(), "something was logged at all"
    assert watch.found("".join(capfd.readouterr())) == []


def test_canaries_are_found_however_they_are_written() -> None:
    """Or the watch that all tests here are under would find nothing either."""
    watch = Watch()
    watch.add("+9779800000001", "geheim")
    watch.add_texts(["Zanskar im Juli, wäre schön", "enquiry"])
    assert watch.found('{"flow": "enquiry"}') == []
    print('{"to": "9779800000001"}', file=watch.lines)
    assert watch.found('{"body": "Zanskar im Juli, w\\u00e4re sch\\u00f6n"}') == [
        "9779800000001", "Zanskar im Juli, wäre schön"
    ]  # fmt: skip


def test_an_exception_is_shown_without_its_message(watch: Watch) -> None:
    """Validation and database errors quote the value they choke on."""
    log = structlog.get_logger("test")
    try:
        int(f"{CANARY}")
    except ValueError:
        log.exception("an event failed")
    log.error("an event failed", exc_info=ValueError(CANARY))
    shown = watch.lines.getvalue()
    assert CANARY not in shown
    assert shown.count("ValueError at ") == 2


async def test_who_speaks_no_http_or_goes_away_fills_no_log(watch: Watch, running: Running) -> None:
    """Anybody on the network can do so all day."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    for said in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"POST /api/whatsapp/webhook HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    await running.post(b"{", secret="another-app-secret")  # the server has dealt with the others
    assert "library" not in watch.lines.getvalue()


def test_what_libraries_warn_of_is_shown_like_our_own_lines(watch: Watch) -> None:
    """asyncpg warns with a traceback while its database is away; asyncio quotes the exception in its message."""
    lines = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines))
    library = logging.getLogger("a.library")
    try:
        int(CANARY)
    except ValueError as error:
        library.warning("it went wrong: %s\nfuture: <Task exception=%r>", CANARY, error, exc_info=True)
    library.error(f"Task exception was never retrieved\nfuture: {CANARY}")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["event"], first["level"], first["action"]) == ("it went wrong: %s", "warning", "go_on")
    assert (first["library"], second["event"]) == ("a.library", "Task exception was never retrieved")
    assert first["exception"].startswith("ValueError at test_logs.py:")
    assert CANARY not in lines.getvalue()
