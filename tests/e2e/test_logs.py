"""Logs never hold phone numbers, message texts, tokens or secrets, whatever happens."""

from collections.abc import Iterator

import pytest
import structlog

from bot.cli.logs import configure_logs
from tests.e2e.conftest import CUSTOMER, Running
from tests.e2e.test_hostile import envelope, text

CANARY = "canary-words-nobody-logs"


@pytest.fixture(autouse=True)
def all_levels(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    configure_logs("debug", "json")
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()


async def test_no_personal_data_in_any_log_line(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, f"hello {CANARY}")
    await phone.wait_for(CUSTOMER)
    await running.post(envelope([text(1, f"{CANARY} \x00", sender="15550149999")]))
    await running.post(b"{" + CANARY.encode())
    await running.post(envelope([text(2, CANARY)]), secret="another-app-secret")
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    running.system.foundation.database.terminate()
    await running.post(envelope([text(3, CANARY)]))
    out, err = capfd.readouterr()
    assert "a webhook could not be stored" in err, "something was logged at all"
    for secret in (CANARY, CUSTOMER.lstrip("+"), "15550149999", "fixture-access-token", "fixture-app-secret"):
        assert secret not in out + err


def test_an_exception_is_shown_without_its_message(capfd: pytest.CaptureFixture[str]) -> None:
    """Validation and database errors quote the value they choke on."""
    log = structlog.get_logger("test")
    try:
        int(f"{CANARY}")
    except ValueError:
        log.exception("an event failed")
    log.error("an event failed", exc_info=ValueError(CANARY))
    _, err = capfd.readouterr()
    assert CANARY not in err
    assert err.count("ValueError at ") == 2
