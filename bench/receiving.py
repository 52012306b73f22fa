"""What receiving costs: verifying and reading one webhook, and taking one of the largest that Meta sends."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bench.engine import StepCost, time_calls
from bot.config import STATUS_PATH, WEBHOOK_PATH, Settings
from bot.runtime.bootstrap import open_system
from bot.web.app import make_app
from providers.base import Provider, WebhookRequest
from providers.dialog360 import Dialog360Provider, Dialog360Settings
from providers.meta import MetaProvider, MetaSettings
from providers.twilio import TwilioProvider, TwilioSettings
from providers.twilio.signature import sign
from storage.embedded import EmbeddedPostgres

SECRET, NUMBER_ID, ACCOUNT_ID, BUSINESS = "bench-app-secret", "100200300400500", "500400300200100", "+15550100200"
PUBLIC = "https://bot.example.com"
UPDATES = 1000
"""In one request: as many as Meta puts into one (webhooks overview, 2026)."""
_REQUESTS = 7


@dataclass(frozen=True, slots=True)
class ReceivingCost:
    """Microseconds to verify and read a text, by provider; milliseconds until a full request is answered with 200."""

    read_us: dict[str, StepCost]
    batch_ms: float
    batch_bytes: int


def measure_reading(seconds: float) -> dict[str, StepCost]:
    """Time verifying and reading one text at each provider."""
    return {name: time_calls(read, seconds) for name, read in readers().items()}


def readers() -> dict[str, Callable[[], object]]:
    """One text at each provider, to be verified and read any number of times."""
    body = envelope([text(1)])
    meta = MetaProvider(
        MetaSettings(
            app_secrets=(SECRET,),
            verify_token="v",
            access_token="t",
            phone_number_id=NUMBER_ID,
            business_account_id=ACCOUNT_ID,
        )
    )
    dialog360 = Dialog360Provider(Dialog360Settings(api_key="k", webhook_tokens=(SECRET,), phone_number_id=NUMBER_ID))
    twilio = TwilioProvider(
        TwilioSettings(
            account_sid="AC" + "0f" * 16,
            auth_tokens=(SECRET,),
            phone_number=BUSINESS,
            public_url=PUBLIC,
            status_path=STATUS_PATH,
        )
    )
    fields = {
        "SmsMessageSid": "SM" + "0" * 32,
        "NumMedia": "0",
        "ProfileName": "Ada Fixture",
        "MessageType": "text",
        "SmsSid": "SM" + "0" * 32,
        "WaId": "15550142233",
        "SmsStatus": "received",
        "Body": "Is the blue one in stock?",
        "To": f"whatsapp:{BUSINESS}",
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": "SM" + "0" * 32,
        "AccountSid": "AC" + "0f" * 16,
        "From": "whatsapp:+15550142233",
        "ApiVersion": "2010-04-01",
    }
    signature = sign(SECRET, PUBLIC + WEBHOOK_PATH, fields.items())
    return {
        "meta": _reader(meta, body, {"X-Hub-Signature-256": meta_signature(body)}),
        "360dialog": _reader(dialog360, body, {"X-Hook-Token": SECRET}),
        "twilio": _reader(twilio, urlencode(fields).encode(), {"X-Twilio-Signature": signature}),
    }


def _reader(provider: Provider, body: bytes, headers: dict[str, str]) -> Callable[[], object]:
    request = WebhookRequest(
        method="POST",
        url=WEBHOOK_PATH,
        headers=headers,
        query={},
        body=body,
        received_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    )

    def read() -> object:
        provider.verify(request)
        return provider.parse(request)

    return read


async def measure_batch(folder: Path) -> tuple[float, int]:
    """Time requests with 1,000 messages each, from new people, into a PostgreSQL that syncs every commit.

    Returns:
        Milliseconds until the 200, the median of several requests, and the size of a request in bytes.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(await EmbeddedPostgres.start(folder))
        settings = Settings(
            _env_file=None,
            whatsapp_provider="meta",
            whatsapp_phone_number=BUSINESS,
            whatsapp_webhook_secret=SECRET,
            whatsapp_verify_token="bench-verify-token",
            whatsapp_access_token="bench-access-token",
            whatsapp_phone_number_id=NUMBER_ID,
            whatsapp_business_account_id=ACCOUNT_ID,
            bot_data_dir=folder,
            bot_content_dir=Path(__file__).parent.parent,
        )
        system = await stack.enter_async_context(open_system(settings))
        runner = web.AppRunner(make_app(system), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{WEBHOOK_PATH}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        took: list[float] = []
        body = b""
        for number in range(_REQUESTS):
            # The second half of the requests is from people who have written before, as most are.
            people = range(UPDATES * (number % 3), UPDATES * (number % 3 + 1))
            body = envelope([text(person, f"{number}.{person}") for person in people])
            headers = {"X-Hub-Signature-256": meta_signature(body), "Content-Type": "application/json"}
            started = time.perf_counter()
            async with http.post(url, data=body, headers=headers) as answer:
                assert answer.status == 200, answer.status
            took.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.2)
        return median(took), len(body)


def text(person: int, wamid: str = "A") -> dict[str, object]:
    """A text from one of many people."""
    return {
        "from": f"1555{person:07}",
        "id": f"wamid.HBgLMTU1NTAxNDIyMzMVAgASGBQ{wamid}",
        "timestamp": "1795338000",
        "type": "text",
        "text": {"body": "Is the blue one in stock?"},
    }


def envelope(messages: list[dict[str, object]]) -> bytes:
    """The body of a webhook of Meta's."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": BUSINESS[1:], "phone_number_id": NUMBER_ID},
        "contacts": [{"profile": {"name": "Ada Fixture"}, "wa_id": message["from"]} for message in messages],
        "messages": messages,
    }
    entry = {"id": ACCOUNT_ID, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def meta_signature(body: bytes) -> str:
    """As Meta signs."""
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
