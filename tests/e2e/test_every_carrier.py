"""The whole system over Twilio and 360dialog: words, answers, statuses and taps."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.processes import free_port
from bot.config import Settings
from bot.operations.example import seed
from bot.runtime.bootstrap import PARTS, open_system
from bot.runtime.loop import Stopping
from bot.runtime.parts import run_parts
from bot.web.app import web_parts
from bot.web.webhook import PATH
from providers.emulator import Card, Emulator, EmulatorSettings
from tests.e2e.canaries import Watch
from tests.e2e.conftest import CUSTOMER, PHONES, ROOT, Running, _listening, read_canaries

ACCOUNT, TOKEN = "AC" + "0f" * 16, "fixture-auth-token-0001"
KEY, HOOK = "fixture-api-key", "fixture-shared-secret"
NUMBER, NUMBER_ID = "+15550100200", "700800900100200"

SETTINGS: dict[str, dict[str, Any]] = {
    "twilio": {"twilio_account_sid": ACCOUNT, "twilio_auth_token": TOKEN},
    "360dialog": {
        "whatsapp_webhook_secret": HOOK,
        "whatsapp_access_token": KEY,
        "whatsapp_phone_number_id": NUMBER_ID,
    },
}


@pytest.fixture(params=SETTINGS)
async def carried(request: pytest.FixtureRequest, dsn: str, tmp_path: Path, watch: Watch) -> AsyncIterator[Running]:
    """Server, worker, sender and clock, at one of the other providers."""
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    playing = EmulatorSettings(
        provider=request.param,
        webhook_url=public + PATH,
        business_number=NUMBER,
        phone_number_id=NUMBER_ID,
        business_account_id="900100200300400",
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        api_key=KEY,
        webhook_headers={"X-Hook-Token": HOOK},
    )
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(Emulator(playing, PHONES))
        settings = Settings(
            _env_file=None,
            whatsapp_provider=request.param,
            whatsapp_phone_number=NUMBER,
            whatsapp_api_base_url=emulator.base_url,
            bot_media_hosts=emulator.base_url.partition("//")[2],
            bot_public_url=public,
            bot_port=port,
            bot_database_url=dsn,
            bot_data_dir=tmp_path,
            bot_secret_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            bot_content_dir=ROOT,
            bot_pair_interval=0,
            bot_channel_rate=0,
            bot_send_timeout=20,
            **SETTINGS[request.param],
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        system = await stack.enter_async_context(open_system(settings))
        async with system.foundation.database.tenant(system.channel.tenant_id) as db:
            await seed(db, system.channel.tenant_id, guide=None, today=date(2026, 12, 1))
        stopping = Stopping()
        parts = [*system.parts(PARTS), *web_parts(system, PARTS)]
        served = asyncio.create_task(run_parts(parts, stopping=stopping, drain_seconds=60, signals=False))
        await _listening(http, public, served)
        yield Running(system, emulator, http, public)
        watch.add(CUSTOMER, TOKEN, KEY, HOOK)
        await read_canaries(watch, system)
        stopping.set()
        await served


async def test_a_conversation_over_each_provider(carried: Running) -> None:
    await carried.emulator.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    await carried.until(
        "SELECT status FROM whatsapp_messages WHERE direction = 'OUTBOUND' ORDER BY message_id",
        lambda rows: bool(rows) and all(row["status"] in ("DELIVERED", "READ") for row in rows),
    )
    asked = next(b for b in reversed(carried.emulator.transcript(CUSTOMER)) if b.buttons or b.menu)
    if asked.menu is not None:
        await carried.emulator.pick(CUSTOMER, asked.id, asked.menu.sections[0].rows[0].id)
    else:
        await carried.emulator.tap(CUSTOMER, asked.id, asked.buttons[0].id)
    await carried.emulator.wait_for(CUSTOMER)
    rows = await carried.rows(
        "SELECT content->>'kind' AS kind FROM whatsapp_messages WHERE direction = 'INBOUND' ORDER BY message_id"
    )
    assert [row["kind"] for row in rows] == ["text", "choice"]
    await carried.emulator.send_contacts(CUSTOMER, [Card(name="Bimal Rai", phones=("+9779801112233",))])
    (contact,) = await carried.until(
        "SELECT content FROM whatsapp_messages WHERE content->>'kind' = 'contacts'", lambda rows: len(rows) == 1
    )
    (card,) = json.loads(contact["content"])["cards"]
    assert (card["name"]["formatted_name"], card["phones"][0]["wa_id"]) == ("Bimal Rai", "9779801112233")
    assert await carried.rows("SELECT 1 FROM webhook_events") == []


async def test_nobody_else_gets_in(carried: Running) -> None:
    for headers in ({}, {"X-Twilio-Signature": "A" * 27 + "="}, {"X-Hook-Token": "wrong"}):
        async with carried.http.post(carried.url + PATH, data=b"Body=x", headers=headers) as answer:
            assert answer.status == 401
    assert await carried.rows("SELECT 1 FROM whatsapp_messages") == []
