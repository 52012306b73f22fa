"""Only Twilio gets in: its signatures, with and without a proxy before us."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from providers.base import SignatureError, WebhookRequest
from providers.twilio.signature import addresses, check_signature, form_fields, sign
from tests.providers.conftest import RECEIVED_AT

FIXTURES = Path(__file__).parent.parent / "fixtures"
VECTORS = json.loads((FIXTURES / "vectors" / "signatures.json").read_bytes())
FORMS = VECTORS["twilio_x_twilio_signature_form"]
SIGNED = [
    vector
    for vector in json.loads((FIXTURES / "vectors" / "signed_fixtures.json").read_bytes())
    if "auth_token" in vector and (FIXTURES / vector["file"]).exists()
]
TOKEN = "fixture-auth-token-0001"
BASE = "https://bot.fixture.example"


def request(url: str, body: bytes = b"", method: str = "POST", **headers: str) -> WebhookRequest:
    parts = urlsplit(url)
    path = url[len(f"{parts.scheme}://{parts.netloc}") :] if parts.scheme else url
    return WebhookRequest(
        method=method,
        url=path,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        body=body,
        received_at=RECEIVED_AT,
    )


def base_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("vector", FORMS, ids=lambda vector: vector["name"])
def test_signatures_are_twilios(vector: dict[str, Any]) -> None:
    fields = [(name, value) for name, value in vector["post_params"]]
    assert sign(vector["auth_token"], vector["url"], fields) == vector["signature"]
    asked = request(vector["url"], urlencode(fields).encode(), X_Twilio_Signature=vector["signature"])
    check_signature(asked, base_of(vector["url"]), (vector["auth_token"],))


def test_twilios_own_published_example_passes() -> None:
    fields = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign("12345", url, fields) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: vector["file"])
def test_whole_recorded_webhooks_pass(vector: dict[str, Any]) -> None:
    body = (FIXTURES / vector["file"]).read_bytes()
    asked = request(vector["url"], body, X_Twilio_Signature=vector["signature"])
    check_signature(asked, base_of(vector["url"]), (vector["auth_token"],))


def test_a_get_is_signed_by_its_address_alone() -> None:
    url = f"{BASE}/twilio/hook?From=whatsapp%3A%2B15550142233&Body=Hi"
    asked = request(url, b"", "GET", X_Twilio_Signature="AMBvGSJ0S0wphbIyuGdoW+n7ePw=")
    check_signature(asked, BASE, (TOKEN,))


def test_json_is_signed_by_the_hash_in_its_address() -> None:
    body = b'{"event":"fixture","n":1}'
    url = f"{BASE}/twilio/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = "k08GUwFRl+3K2ln/wcaoecfosVY="
    check_signature(request(url, body, X_Twilio_Signature=signature), BASE, (TOKEN,))
    with pytest.raises(SignatureError):
        check_signature(request(url, body + b" ", X_Twilio_Signature=signature), BASE, (TOKEN,))


BODY = b"From=whatsapp%3A%2B15550142233&Body=Hi"


def test_behind_a_proxy_the_public_address_counts() -> None:
    public = "https://bot.example.com"
    path = "/api/whatsapp/webhook/status?c=s1.1.2&x=a%20b"
    signature = sign(TOKEN, public + path, form_fields(BODY))
    for seen in (path, f"http://10.0.0.7:8080{path}"):
        check_signature(request(seen, BODY, X_Twilio_Signature=signature), public, (TOKEN,))
    with pytest.raises(SignatureError):
        check_signature(request(path, BODY, X_Twilio_Signature=signature), "http://bot.example.com", (TOKEN,))


@pytest.mark.parametrize(
    ("configured", "signed"),
    [("https://b.example", "https://b.example:443"), ("https://b.example:443", "https://b.example"),
     ("https://b.example:8443", "https://b.example"), ("http://b.example", "http://b.example:80")],
)  # fmt: skip
def test_a_port_may_be_added_or_dropped(configured: str, signed: str) -> None:
    signature = sign(TOKEN, f"{signed}/hook", form_fields(BODY))
    check_signature(request("/hook", BODY, X_Twilio_Signature=signature), configured, (TOKEN,))
    assert len(addresses(f"{configured}/hook")) == 2


def test_while_a_token_is_replaced_both_count() -> None:
    for token in ("old-token", "new-token"):
        signature = sign(token, f"{BASE}/hook", form_fields(BODY))
        check_signature(request("/hook", BODY, X_Twilio_Signature=signature), BASE, ("new-token", "old-token"))


@pytest.mark.parametrize("given", [None, "", "x", "é" * 28, "A" * 27 + "=", "ZAZ8zVP8oeQA+HFyLhHx2n/5bQg= "])
def test_anything_else_is_refused(given: str | None) -> None:
    headers = {} if given is None else {"X_Twilio_Signature": given}
    with pytest.raises(SignatureError):
        check_signature(request("/hook", BODY, **headers), BASE, (TOKEN,))


@pytest.mark.parametrize("tokens", [(), ("",)])
def test_without_a_token_nobody_gets_in(tokens: tuple[str, ...]) -> None:
    signature = sign("", f"{BASE}/hook", form_fields(BODY))
    with pytest.raises(SignatureError):
        check_signature(request("/hook", BODY, X_Twilio_Signature=signature), BASE, tokens)


def test_a_changed_field_is_noticed() -> None:
    signature = sign(TOKEN, f"{BASE}/hook", form_fields(BODY))
    with pytest.raises(SignatureError):
        check_signature(request("/hook", BODY + b"&Extra=1", X_Twilio_Signature=signature), BASE, (TOKEN,))
