"""The watch that every test is under sees what it is there for."""

import os
import subprocess
import sys

import pytest
import structlog

from bot.core.messages import TextIn
from tests.leaks.watch import HEARD

LEAKS = [
    "+9779800000001", "15550142233", "919812345678", "US.13491208655302741918", "fixture-access-token",
    "wamid.HBgLMTU1NTAxNDIyMzMVAgASGBQzQQ==", "AAECAwQFBgcICQ==", "sdr_1_17_0123456789abcdef",
]  # fmt: skip
HARMLESS = [
    "2026-11-27T16:30:01.123456Z", "message_id=1555014", "15550100200", "0.97798000000019", "wamid.1", "at 1795338000",
]  # fmt: skip


@pytest.mark.parametrize("canary", LEAKS)
def test_what_no_log_may_hold_is_found(canary: str) -> None:
    structlog.get_logger("x").warning("a mistake", who=canary)
    assert any(canary.lstrip("+") in one for one in HEARD.leaked())
    HEARD.begin()


@pytest.mark.parametrize("text", HARMLESS)
def test_what_a_log_may_hold_is_not(text: str) -> None:
    structlog.get_logger("x").warning("no mistake", what=text)
    assert HEARD.lines
    assert HEARD.leaked() == []


def test_words_of_messages_are_found() -> None:
    said = TextIn(body="words that nobody logs").body
    structlog.get_logger("x").debug("a mistake", text=f"they said: {said}")
    assert HEARD.leaked() == [said]
    HEARD.begin()


def test_what_processes_log_is_looked_at() -> None:
    script = "import structlog; structlog.get_logger().warning('a mistake', who='15550142233')"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=dict(os.environ))
    assert HEARD.leaked() == ["15550142233"]
    HEARD.begin()


def test_exceptions_are_logged_as_in_production() -> None:
    try:
        int("15550142233x")
    except ValueError:
        structlog.get_logger("x").exception("a mistake")
    assert "ValueError at" in HEARD.lines[-1]
    assert HEARD.leaked() == []
