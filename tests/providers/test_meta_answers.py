"""What an answer of Graph's says about a message: above all, whether it may have gone out."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers.base import RETRYABLE, Accepted, Fault, Refused, SendOutcome, Unknown
from providers.http import read_retry_after
from providers.meta.answers import read_answer
from providers.meta.errors import CODE, DOCS, MEANINGS, PARTNER, meaning

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def answer(status: int, body: bytes | None = b"", **headers: str) -> SendOutcome:
    return read_answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


def error(code: object, **fields: object) -> bytes:
    return json.dumps({"error": {"message": f"(#{code}) No", "code": code, **fields}}).encode()


@pytest.mark.parametrize(
    ("name", "held"),
    [("api_send_ok", False), ("api_send_ok_template_accepted", False), ("api_send_ok_template_held", True)],
)
def test_an_answer_with_an_id_is_acceptance(name: str, held: bool) -> None:
    outcome = answer(200, (FIXTURES / f"{name}.json").read_bytes())
    assert isinstance(outcome, Accepted)
    assert outcome.provider_message_id.startswith("wamid.")
    assert outcome.held is held


def test_the_persons_id_comes_with_the_acceptance() -> None:
    body = b'{"contacts":[{"input":"US.1","user_id":"US.1"}],"messages":[{"id":"wamid.A"}]}'
    assert answer(200, body) == Accepted(provider_message_id="wamid.A", user_id="US.1")


@pytest.mark.parametrize(
    "body", [None, b"", b"OK", b"[]", b"{}", b'{"messages":[]}', b'{"messages":[{"id":""}]}', b'{"messages":5}']
)
def test_success_without_a_readable_id_is_unknown(body: bytes | None) -> None:
    assert isinstance(answer(200, body), Unknown)


@pytest.mark.parametrize(
    ("name", "status", "fault"),
    [
        ("api_error_130429", 400, Fault.THROTTLE_CHANNEL),
        ("api_error_131056", 400, Fault.THROTTLE_PAIR),
        ("api_error_131009", 400, Fault.REQUEST),
        ("api_error_132000", 400, Fault.TEMPLATE),
        ("api_error_190", 401, Fault.AUTH),
    ],
)
def test_an_error_is_classed_by_its_code(name: str, status: int, fault: Fault) -> None:
    outcome = answer(status, (FIXTURES / f"{name}.json").read_bytes())
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is fault
    assert outcome.problem.code == int(name.rpartition("_")[2])
    assert "[trace AFixtureTraceId000" in outcome.problem.detail


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, error(131000), Fault.TRANSIENT),
        (503, error(2), Fault.TRANSIENT),
        (500, error(3), Fault.AUTH),
        (500, error(999999), Fault.TRANSIENT),
        (400, error(999999), Fault.REQUEST),
        (400, error(999999, is_transient=True), Fault.TRANSIENT),
        (400, b'{"error":{}}', Fault.REQUEST),
        (403, error(210), Fault.AUTH),
        (400, error(132999), Fault.TEMPLATE),
        (400, b"<html>", Fault.REQUEST),
        (400, None, Fault.TRANSIENT),
        (401, b"", Fault.AUTH),
        (429, b"", Fault.THROTTLE_CHANNEL),
        (200, error(190), Fault.AUTH),
        (308, b"", Fault.AUTH),
    ],
)
def test_a_refusal_means_that_nothing_went_out(status: int, body: bytes | None, fault: Fault) -> None:
    outcome = answer(status, body)
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is fault
    assert outcome.http_status == status
    assert outcome.retryable is (fault in RETRYABLE)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (500, b"<html>"),
        (503, b'{"error":"down"}'),
        (502, b""),
        (502, error(2)),
        (504, error(2)),
        (408, b""),
        (520, b""),
        (302, b""),
        (303, b""),
        (500, None),
    ],
)
def test_an_edge_may_have_passed_the_request_on_before_it_gave_up(status: int, body: bytes | None) -> None:
    assert isinstance(answer(status, body), Unknown)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("1e12", 86_400.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


def test_retry_after_travels_with_the_refusal() -> None:
    outcome = answer(400, error(130429), Retry_After="9")
    assert isinstance(outcome, Refused)
    assert outcome.retry_after == 9.0


def test_every_code_tells_the_operator_something_and_names_its_source() -> None:
    for code, known in MEANINGS.items():
        assert known.text.endswith("."), code
        assert known.source in (DOCS, CODE, PARTNER), code
    assert meaning(None).fault is Fault.REQUEST
