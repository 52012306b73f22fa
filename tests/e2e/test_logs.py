"""Logs never hold phone numbers, message texts, tokens or secrets, whatever happens."""

import io
from collections.abc import Iterator

import pytest
import structlog

from bot.cli.logs import configure_logs
from tests.e2e.conftest import CUSTOMER, Running
from tests.e2e.test_hostile import envelope, text

CANARY = "canary-words-nobody-logs"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Every log line from now on, at the lowest level."""
    lines = io.StringIO()
    configure_logs("debug", "json")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines))
    yield lines
    structlog.reset_defaults()


async def test_no_personal_data_in_any_log_line(
    logged: io.StringIO, running: Running, capfd: pytest.CaptureFixture[str]
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
    shown = "".join((*capfd.readouterr(), logged.getvalue()))
    assert "a webhook could not be stored" in shown, "something was logged at all"
    for secret in (CANARY, CUSTOMER.lstrip("+"), "15550149999", "fixture-access-token", "fixture-app-secret"):
        assert secret not in shown


def test_an_exception_is_shown_without_its_message(logged: io.StringIO) -> None:
    """Validation and database errors quote the value they choke on."""
    log = structlog.get_logger("test")
    try:
        int(f"{CANARY}")
    except ValueError:
        log.exception("an event failed")
    log.error("an event failed", exc_info=ValueError(CANARY))
    shown = logged.getvalue()
    assert CANARY not in shown
    assert shown.count("ValueError at ") == 2
