"""Only Meta gets in: signatures, and the check of the endpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers.base import SignatureError, WebhookRequest
from providers.meta import MetaProvider
from providers.meta.signature import answer_handshake, check_signature, sign

FIXTURES = Path(__file__).parent.parent / "fixtures"
VECTORS = json.loads((FIXTURES / "vectors" / "signatures.json").read_bytes())["meta_x_hub_signature_256"]
SIGNED = [
    vector
    for vector in json.loads((FIXTURES / "vectors" / "signed_fixtures.json").read_bytes())
    if "app_secret" in vector
]
BODY = b'{"object":"whatsapp_business_account","entry":[]}'
SECRET = "fixture-app-secret-0001"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_a_published_vector_is_accepted(vector: dict[str, Any]) -> None:
    body = bytes.fromhex(vector["body_hex"])
    assert sign(vector["app_secret"], body) == vector["header"]
    check_signature({"X-Hub-Signature-256": vector["header"]}, body, [vector["app_secret"]])


def recorded(file: str) -> bytes:
    path = FIXTURES / file
    # 360dialog forwards Meta's webhooks unchanged, so some files are kept once.
    return (path if path.exists() else FIXTURES / "d360" / path.name).read_bytes()


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["file"])
def test_a_recorded_file_is_signed_over_its_exact_bytes(vector: dict[str, Any]) -> None:
    body = recorded(vector["file"])
    check_signature({"X-Hub-Signature-256": vector["header"]}, body, [vector["app_secret"]])
    again = json.dumps(json.loads(body)).encode()
    with pytest.raises(SignatureError):
        check_signature({"X-Hub-Signature-256": vector["header"]}, again, [vector["app_secret"]])


def test_secrets_can_be_rotated_without_losing_messages() -> None:
    for secrets in (["new", SECRET], [SECRET, "new"]):
        check_signature({"X-Hub-Signature-256": sign(SECRET, BODY)}, BODY, secrets)


def test_header_names_have_no_case(meta: MetaProvider, webhook: Callable[..., WebhookRequest]) -> None:
    for name in ("X_Hub_Signature_256", "x_hub_signature_256", "X_HUB_SIGNATURE_256"):
        meta.verify(webhook(BODY, **{name: sign(SECRET, BODY)}))


GOOD = sign(SECRET, BODY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256=",
        GOOD[7:],
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        GOOD.replace("sha256=", "sha512="),
        "sha1=" + GOOD[5:],
        "sha256=" + "é" * 64,
        "sha256=" + "é" * 32,
        "sha256=" + "\udce9" * 64,
        sign("another-secret", BODY),
        sign(SECRET, BODY + b"\n"),
    ],
)
def test_any_other_signature_is_refused(value: str) -> None:
    with pytest.raises(SignatureError):
        check_signature({"X-Hub-Signature-256": value}, BODY, [SECRET])


def test_no_signature_is_refused() -> None:
    with pytest.raises(SignatureError, match="no X-Hub-Signature-256"):
        check_signature({"X-Hub-Signature": "sha1=" + "0" * 40}, BODY, [SECRET])


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nobody_gets_in(secrets: list[str]) -> None:
    with pytest.raises(SignatureError):
        check_signature({"X-Hub-Signature-256": sign("", BODY)}, BODY, secrets)


def test_the_endpoint_check_echoes_the_challenge(meta: MetaProvider) -> None:
    line = (FIXTURES / "meta" / "verify_get_query.txt").read_text()
    query = dict(pair.split("=", 1) for pair in line.split("&"))
    assert meta.handshake(query) == "1158201444"


@pytest.mark.parametrize(
    "changes",
    [
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": "é\udce9"},
        {"hub.verify_token": None},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": None},
        {"hub.challenge": None},
        {"hub.challenge": ""},
    ],
)
def test_any_other_endpoint_check_is_refused(changes: dict[str, str | None]) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "token", "hub.challenge": "1", **changes}
    assert answer_handshake({name: value for name, value in query.items() if value is not None}, "token") is None


def test_an_empty_verify_token_opens_nothing() -> None:
    assert answer_handshake({"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}, "") is None


def test_settings_do_not_show_their_secrets(meta: MetaProvider) -> None:
    shown = repr(meta._settings)
    assert "700800900100200" in shown
    assert not any(word in shown for word in ("fixture-access-token", "fixture-verify-token", SECRET))
