"""Whom a webhook may speak of: those whose own secret signed it, whatever it says."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from bot.config import Settings
from bot.core.ids import ChannelId, TenantId
from bot.runtime.carriers import make_provider
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.tenants import Line, Tenant, Tenants
from bot.tenancy import settings_of
from bot.web.gate import Admitted, Gate
from bot.web.news import NOBODY
from bot.web.webhook import PATH
from providers.base import SignatureError, WebhookRequest
from providers.meta.signature import HEADER as META
from providers.meta.signature import sign
from providers.twilio.signature import HEADER as TWILIO
from providers.twilio.signature import sign as sign_twilio
from storage.base import Channel, NewMessage, Unread

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://bot.example.com"
BASE = Settings(
    _env_file=None, whatsapp_provider="meta", whatsapp_phone_number="+15550100200", bot_public_url=URL
)  # fmt: skip

META_SECRETS = {"whatsapp_verify_token": "meta-verify-token", "whatsapp_access_token": "meta-access-token"}
NUMBERS: dict[str, dict[str, str]] = {
    "meta": {"whatsapp_business_account_id": "900"},
    "twilio": {"twilio_account_sid": "AC" + "0f" * 16},
    "360dialog": {},
}
SEALED: dict[str, dict[str, str]] = {
    "meta": META_SECRETS,
    "twilio": {},
    "360dialog": {"whatsapp_access_token": "d360-key"},
}


def tenant(number: int, provider: str, secret: str, *, active: bool = True, address: str | None = None) -> Tenant:
    """Tenant `number`, whose number is 70…, at a provider, with a secret for its webhooks."""
    address = address or (f"+1555010020{number}" if provider == "twilio" else f"70{number}")
    own = {**NUMBERS[provider], "whatsapp_provider": provider, "whatsapp_phone_number": f"+1555010020{number}"}
    if provider != "twilio":
        own["whatsapp_phone_number_id"] = address
    secrets = {"twilio_auth_token" if provider == "twilio" else "whatsapp_webhook_secret": secret}
    settings = settings_of(BASE, f"tenant{number}", tenant={}, number=own, sealed={**SEALED[provider], **secrets})
    made = make_provider(settings)
    channel = Channel(
        tenant_id=TenantId(number), channel_id=ChannelId(number), provider=provider, address=settings.address
    )
    outlet = Outlet(provider=made, concurrency=1, channel=Pacer(0, 1), pair=Pacer(0, 1))
    line = Line(channel=channel, settings=settings, provider=made, outlet=outlet, taker=cast("Any", None))
    return Tenant(
        tenant_id=TenantId(number), slug=f"tenant{number}", settings=settings, lines=(line,), library=cast("Any", None),
        actions=cast("Any", None), outside=cast("Any", None), api_pace=Pacer(0, 1), active=active,
    )  # fmt: skip


def body_for(*addresses: str) -> bytes:
    """A webhook of Meta's with a message to each of the numbers."""
    entries = [
        {"id": "900", "changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": address},
            "messages": [{"from": "15550142233", "id": f"wamid.{n}", "timestamp": "1795338000", "type": "text",
                          "text": {"body": "hello"}}]}}]}
        for n, address in enumerate(addresses)
    ]  # fmt: skip
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def request(body: bytes, url: str = PATH, **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(method="POST", url=url, headers=named, query={}, body=body, received_at=NOW)


def signed(body: bytes, secret: str, url: str = PATH) -> WebhookRequest:
    return request(body, url, **{META: sign(secret, body)})


def believed(admitted: Admitted, asked: WebhookRequest) -> Iterator[tuple[int, str]]:
    """Who is thought to have got which kind of thing."""
    for item in admitted.provider.parse(asked):
        for row in admitted.sorting(NOW).rows(item):
            assert isinstance(row, NewMessage | Unread)
            yield (row.channel.tenant_id, "message") if isinstance(row, NewMessage) else (row.tenant_id, row.kind)


def told(gate: Gate, asked: WebhookRequest, slug: str | None = None) -> list[tuple[int, str]]:
    return list(believed(gate.admit(asked, slug), asked))


def test_a_signature_counts_for_its_own_numbers_only() -> None:
    """What tenant 1 signs about tenant 2's number is kept, and goes to neither of them."""
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(2, "meta", "secret-of-two")]))
    asked = signed(body_for("701", "702"), "secret-of-one")
    assert told(gate, asked) == [(1, "message"), (NOBODY, "InboundMessage")]
    asked = signed(body_for("701", "702"), "secret-of-two")
    assert told(gate, asked) == [(NOBODY, "InboundMessage"), (2, "message")]


def test_tenants_behind_one_app_share_a_body() -> None:
    gate = Gate(Tenants([tenant(1, "meta", "shared-secret"), tenant(2, "meta", "shared-secret")]))
    assert told(gate, signed(body_for("702", "701"), "shared-secret")) == [(2, "message"), (1, "message")]
    assert gate.checks() == 1, "and cost one check"


def test_secrets_that_overlap_while_one_is_replaced() -> None:
    gate = Gate(Tenants([tenant(1, "meta", "new-secret,old-secret"), tenant(2, "meta", "old-secret")]))
    assert told(gate, signed(body_for("701", "702"), "old-secret")) == [(1, "message"), (2, "message")]
    assert told(gate, signed(body_for("701", "702"), "new-secret")) == [(1, "message"), (NOBODY, "InboundMessage")]


def test_a_body_chooses_no_weaker_check() -> None:
    """360dialog's is a text in a header, which proves nothing about a number at Meta, whatever the body names."""
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(3, "360dialog", "token-of-three")]))
    for named in ("701", "703"):
        with pytest.raises(SignatureError):
            gate.admit(request(body_for(named)))
        with pytest.raises(SignatureError):
            gate.admit(request(body_for(named), **{META: sign("", body_for(named))}))
    asked = request(body_for("701", "703"), X_Hook_Token="token-of-three")
    assert told(gate, asked) == [(NOBODY, "InboundMessage"), (3, "message")]
    both = request(
        body_for("701", "703"), X_Hook_Token="token-of-three", **{META: sign("wrong", body_for("701", "703"))}
    )
    assert told(gate, both) == [(NOBODY, "InboundMessage"), (3, "message")]


def test_a_form_of_one_account_does_not_speak_of_anothers_number() -> None:
    gate = Gate(Tenants([tenant(1, "twilio", "token-of-one"), tenant(2, "twilio", "token-of-two")]))
    fields = {"MessageSid": "SM1", "From": "whatsapp:+15550142233", "To": "whatsapp:+15550100202", "Body": "hi"}
    body = urlencode(fields).encode()
    asked = request(body, **{TWILIO: sign_twilio("token-of-one", URL + PATH, fields.items())})
    assert told(gate, asked) == [(NOBODY, "InboundMessage")]
    asked = request(body, **{TWILIO: sign_twilio("token-of-two", URL + PATH, fields.items())})
    assert told(gate, asked) == [(2, "message")]


def test_two_signatures_in_one_request_are_not_added_up() -> None:
    """Somebody with two accounts of their own gains nothing by signing in both ways."""
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(3, "360dialog", "token-of-three")]))
    body = body_for("701", "703")
    asked = request(body, X_Hook_Token="token-of-three", **{META: sign("secret-of-one", body)})
    assert told(gate, asked) == [(1, "message"), (NOBODY, "InboundMessage")]


def test_an_address_of_ones_own_takes_ones_own_secret_only() -> None:
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(2, "meta", "secret-of-two")]))
    url = f"{PATH}/tenant2"
    assert told(gate, signed(body_for("702"), "secret-of-two", url), "tenant2") == [(2, "message")]
    for slug in ("tenant1", "nobody", ""):
        with pytest.raises(SignatureError):
            gate.admit(signed(body_for("702"), "secret-of-two", url), slug)
    assert (gate.checks("tenant2"), gate.checks("nobody"), gate.checks()) == (1, 0, 2)


def test_what_comes_for_a_tenant_that_is_not_served_is_kept_as_theirs() -> None:
    gate = Gate(Tenants([tenant(1, "meta", "shared-secret"), tenant(2, "meta", "shared-secret", active=False)]))
    asked = signed(body_for("702", "701"), "shared-secret")
    assert told(gate, asked) == [(2, "InboundMessage"), (1, "message")]


def test_who_has_changed_counts_at_once() -> None:
    tenants = Tenants([tenant(1, "meta", "secret-of-one")])
    gate = Gate(tenants)
    asked = signed(body_for("701"), "secret-of-one")
    assert told(gate, asked) == [(1, "message")]
    tenants.put(tenant(1, "meta", "another-secret"))
    with pytest.raises(SignatureError):
        gate.admit(asked)
    tenants.drop(TenantId(1))
    with pytest.raises(SignatureError):
        gate.admit(signed(body_for("701"), "another-secret"))


def test_numbers_of_other_providers_are_not_confused() -> None:
    """Two providers may call different numbers the same."""
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(3, "360dialog", "token-of-three", address="701")]))
    assert told(gate, signed(body_for("701"), "secret-of-one")) == [(1, "message")]
    assert told(gate, request(body_for("701"), X_Hook_Token="token-of-three")) == [(3, "message")]


def test_each_tenant_has_a_verify_token() -> None:
    gate = Gate(Tenants([tenant(1, "meta", "secret-of-one"), tenant(3, "360dialog", "token-of-three")]))
    query = {"hub.mode": "subscribe", "hub.challenge": "17", "hub.verify_token": "meta-verify-token"}
    assert gate.handshake(query) == gate.handshake(query, "tenant1") == "17"
    assert gate.handshake(query, "tenant3") is None
    assert gate.handshake({**query, "hub.verify_token": ""}) is None


def test_only_who_has_neighbours_has_a_rate() -> None:
    one, two = tenant(1, "meta", "secret-of-one"), tenant(2, "meta", "secret-of-two")
    assert Tenants([one]).intake_rate(one.tenant_id) == 0
    assert Tenants([one, two]).intake_rate(one.tenant_id) == one.settings.bot_tenant_rate > 0
    assert Tenants([one, two]).intake_rate(TenantId(3)) == 0
