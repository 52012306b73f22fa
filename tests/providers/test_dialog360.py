"""360dialog: Meta's messages and webhooks, its own key, header and gateway errors."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.core.messages import TextOut
from providers.base import (
    Accepted,
    AccountChanged,
    Effect,
    Fault,
    NotUnderstood,
    OutboundMessage,
    Refused,
    SignatureError,
    Unknown,
    WebhookRequest,
)
from providers.dialog360 import Dialog360Provider, Dialog360Settings
from tests.providers.api import Answering, Api, serving
from tests.providers.conftest import FIXTURES
from tests.providers.reading import plain

D360 = FIXTURES / "d360"
EXPECTED = Path(__file__).parent / "expected" / "d360"
WEBHOOKS = sorted(path.name for path in D360.glob("*.json") if not path.name.startswith("api_"))
HELLO = OutboundMessage(phone="+15550142233", user_id=None, content=TextOut(body="hi"), correlation="s1.x")


def make(url: str = "https://waba-v2.360dialog.io", **changes: Any) -> Dialog360Provider:
    return Dialog360Provider(
        Dialog360Settings(
            **{
                "api_key": "the-api-key",
                "webhook_tokens": ("new-shared-secret", "fixture-shared-secret"),
                "phone_number_id": "700800900100200",
                "base_url": url,
                **changes,
            }
        )
    )


@asynccontextmanager
async def dialog360(answer: Answering, **headers: str) -> AsyncIterator[tuple[Dialog360Provider, Api]]:
    async with serving(answer, **headers) as api:
        provider = make(api.url)
        try:
            yield provider, api
        finally:
            await provider.close()


@pytest.mark.parametrize("name", WEBHOOKS)
def test_every_recorded_webhook_reads_as_expected(
    name: str, check_expected: Callable[[Path, object], None], webhook: Callable[..., WebhookRequest]
) -> None:
    asked = webhook((D360 / name).read_bytes(), X_Hook_Token="fixture-shared-secret")
    provider = make()
    provider.verify(asked)
    items = provider.parse(asked)
    assert not any(isinstance(item, NotUnderstood) for item in items)
    check_expected(EXPECTED / name, [plain(item) for item in items])


@pytest.mark.parametrize("token", ["fixture-shared-secret", "new-shared-secret"])
def test_while_the_token_is_replaced_both_count(token: str, webhook: Callable[..., WebhookRequest]) -> None:
    make().verify(webhook(b"{}", **{"x-hook-token": token}))


@pytest.mark.parametrize("headers", [{}, {"X_Hook_Token": ""}, {"X_Hook_Token": "wrong"}, {"X_Hook_Token": "é"}])
def test_nobody_else_gets_in(headers: dict[str, str], webhook: Callable[..., WebhookRequest]) -> None:
    with pytest.raises(SignatureError):
        make().verify(webhook(b"{}", **headers))


def test_metas_signature_opens_nothing_here_and_an_empty_token_is_none(webhook: Callable[..., WebhookRequest]) -> None:
    signed = webhook(b"{}", X_Hub_Signature_256="sha256=" + "0" * 64, X_Hook_Token="")
    for tokens in ((), ("",), ("secret",)):
        with pytest.raises(SignatureError):
            make(webhook_tokens=tokens).verify(signed)


def test_the_header_may_have_another_name(webhook: Callable[..., WebhookRequest]) -> None:
    provider = make(webhook_header="Authorization", webhook_tokens=("Basic abc",))
    provider.verify(webhook(b"{}", authorization="Basic abc"))


def test_a_partners_webhook_is_kept(webhook: Callable[..., WebhookRequest]) -> None:
    (item,) = make().parse(webhook(b'{"id":"1","event":"channel_created","data":{"waba_id":7,"name":"Ada"}}'))
    assert isinstance(item, AccountChanged)
    assert (item.account, item.field, item.data["name"]) == ("7", "partner.channel_created", "Ada")
    for odd in (b'{"event":""}', b'{"event":["x"]}', b'{"event":"x","object":"y"}', b'"event"', b'{"event":"x"'):
        (kept,) = make().parse(webhook(odd))
        assert isinstance(kept, NotUnderstood)


async def test_a_message_goes_out_with_the_key_and_no_number_in_its_path() -> None:
    async with dialog360(lambda _: (200, json.loads((D360 / "api_send_ok.json").read_bytes()))) as (provider, api):
        assert isinstance(await provider.send(HELLO), Accepted)
    (asked,) = api.asked
    assert (asked.path, asked.headers["D360-API-KEY"]) == ("/messages", "the-api-key")
    body = json.loads(asked.body)
    assert (body["messaging_product"], body["biz_opaque_callback_data"]) == ("whatsapp", "s1.x")
    assert "the-api-key" not in repr(make()._settings)


def gateway(text: str) -> dict[str, Any]:
    return {"meta": {"success": False, "http_code": 400, "developer_message": text}}


@pytest.mark.parametrize(
    ("status", "body", "fault", "effect"),
    [
        (401, json.loads((D360 / "api_error_401_legacy_camel.json").read_bytes()), Fault.AUTH, Effect.STOP_CHANNEL),
        (403, gateway("Endpoint blocked"), Fault.AUTH, Effect.STOP_CHANNEL),
        (400, gateway("Endpoint rate exceeded"), Fault.THROTTLE_CHANNEL, Effect.NONE),
        (400, gateway("API disabled"), Fault.POLICY, Effect.STOP_CHANNEL),
        (400, gateway("Unpaid invoices"), Fault.POLICY, Effect.STOP_CHANNEL),
        (400, gateway("Something else"), Fault.REQUEST, Effect.NONE),
        (404, gateway("Not found"), Fault.REQUEST, Effect.NONE),
        (429, gateway("Slow down"), Fault.THROTTLE_CHANNEL, Effect.NONE),
        (500, gateway("Internal"), Fault.TRANSIENT, Effect.NONE),
        (400, {"error": {"code": 131056, "message": "pair"}}, Fault.THROTTLE_PAIR, Effect.PAUSE_PAIR),
    ],
)
async def test_refusals_of_the_gateway_and_of_meta(status: int, body: Any, fault: Fault, effect: Effect) -> None:
    async with dialog360(lambda _: (status, body), Retry_After="9") as (provider, _):
        outcome = await provider.send(HELLO)
    assert isinstance(outcome, Refused)
    assert (outcome.problem.fault, outcome.problem.effect, outcome.retry_after) == (fault, effect, 9)


@pytest.mark.parametrize(("status", "body"), [(502, gateway("Upstream")), (504, {}), (200, {"meta": {}})])
async def test_an_answer_that_leaves_it_open_is_not_repeated(status: int, body: Any) -> None:
    async with dialog360(lambda _: (status, body)) as (provider, _):
        assert isinstance(await provider.send(HELLO), Unknown)


async def test_reading_is_confirmed_as_with_meta() -> None:
    async with dialog360(lambda _: (200, {"success": True})) as (provider, api):
        assert await provider.mark_read("wamid.A", typing=True)
        assert await provider.look_up("wamid.A") is None
    assert json.loads(api.asked[0].body)["typing_indicator"] == {"type": "text"}
