"""The whole system in one process: real HTTP on both sides, real PostgreSQL, the emulator as the provider."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from bench.processes import free_port
from bot.config import Settings
from bot.operations.example import seed
from bot.runtime.bootstrap import PARTS, System, open_system
from bot.runtime.loop import Stopping
from bot.runtime.parts import run_parts
from bot.web.app import web_parts
from bot.web.webhook import PATH
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.meta.signature import sign
from storage.base import Person
from storage.postgres import grant_role
from tests.e2e.canaries import Watch, texts_in, watching

ROOT = Path(__file__).parents[2]
CUSTOMER, GUIDE, SALES, MANAGER = "+15550142233", "+9779800000001", "+9779800000002", "+9779800000003"
PHONES = [
    Phone("Maya Lindqvist", CUSTOMER, "customer"),
    Phone("Pasang Sherpa", GUIDE, "field_staff"),
    Phone("Anita Gurung", SALES, "sales"),
    Phone("Tenzing Rai", MANAGER, "manager"),
]
SECRET = "fixture-app-secret-0001"


@dataclass(frozen=True, slots=True)
class Running:
    """The system under test, and its provider."""

    system: System
    emulator: Emulator
    http: aiohttp.ClientSession
    url: str

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Ask the tenant's tables."""
        async with self.system.foundation.database.tenant(self.system.channel.tenant_id) as db:
            return [dict(row.items()) for row in await db.fetch(query)]

    async def post(
        self, body: bytes, *, secret: str = SECRET, header: str | None = None, more: Mapping[str, str] | None = None
    ) -> int:
        """Post a signed webhook, with more headers; returns the status."""
        headers = {"X-Hub-Signature-256": sign(secret, body) if header is None else header, **(more or {})}
        async with self.http.post(self.url + PATH, data=io.BytesIO(body), headers=headers) as answer:
            return answer.status

    async def until(self, query: str, expected: Callable[[list[dict[str, Any]]], bool], seconds: float = 180) -> Any:
        """Ask again and again until the rows are as expected."""
        async with asyncio.timeout(seconds):
            while True:
                rows = await self.rows(query)
                if expected(rows):
                    return rows
                await asyncio.sleep(0.02)


def settings_for(emulator: Emulator, dsn: str, port: int, data_dir: Path) -> Settings:
    """Settings that point at the emulator."""
    e = emulator.settings
    return Settings(
        _env_file=None,
        whatsapp_provider="meta",
        whatsapp_phone_number=e.business_number,
        whatsapp_webhook_secret=e.app_secret,
        whatsapp_verify_token=e.verify_token,
        whatsapp_access_token=e.access_token,
        whatsapp_phone_number_id=e.phone_number_id,
        whatsapp_business_account_id=e.business_account_id,
        whatsapp_api_base_url=emulator.base_url,
        bot_media_hosts=emulator.base_url.partition("//")[2],
        bot_port=port,
        bot_database_url=dsn,
        bot_data_dir=data_dir,
        bot_secret_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        bot_content_dir=ROOT,
        bot_pair_interval=0,
        bot_channel_rate=0,
        bot_payment_gateway="demo",
        bot_send_timeout=20,
    )


@pytest.fixture(autouse=True)
def watch(capfd: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    """Every test here fails when a phone number, a secret, or a text of its conversations is logged or printed."""
    with watching() as watch:
        watch.add(*(phone.number for phone in PHONES), SECRET, "fixture-access-token", "fixture-verify-token")
        yield watch
    assert watch.found("".join(capfd.readouterr())) == [], "no log holds any of these"


async def read_canaries(watch: Watch, system: System) -> None:
    """Whatever was said in a test's conversations is a canary."""
    db = await asyncpg.connect(system.foundation.dsn)  # the test may have broken the system's own pool
    rows = await db.fetch("SELECT content FROM whatsapp_messages UNION ALL SELECT proof FROM whatsapp_opt_ins")
    await db.close()
    watch.add_texts(text for row in rows for text in texts_in(json.loads(row["content"])))


@pytest.fixture
async def running(dsn: str, tmp_path: Path, watch: Watch) -> AsyncIterator[Running]:
    """Server, worker, sender and clock, with the example business, at a provider that is the emulator."""
    port = free_port()
    emulator_settings = EmulatorSettings(
        webhook_url=f"http://127.0.0.1:{port}{PATH}",
        app_secret=SECRET,
        verify_token="fixture-verify-token",
        access_token="fixture-access-token",
        phone_number_id="700800900100200",
        business_account_id="900100200300400",
        business_number="+15550100200",
    )
    async with (
        Emulator(emulator_settings, PHONES) as emulator,
        aiohttp.ClientSession() as http,
        open_system(settings_for(emulator, dsn, port, tmp_path)) as system,
    ):
        await _people(system)
        stopping = Stopping()
        parts = [*system.parts(PARTS), *web_parts(system, PARTS)]
        served = asyncio.create_task(run_parts(parts, stopping=stopping, drain_seconds=60, signals=False))
        url = f"http://127.0.0.1:{port}"
        await _listening(http, url, served)
        await emulator.verify_webhook()
        running = Running(system, emulator, http, url)
        # It begins to take payments when it has found out where it listens.
        await running.until("SELECT 1 FROM business_settings WHERE link_key IS NOT NULL", bool)
        yield running
        await read_canaries(watch, system)
        stopping.set()
        await served


async def _people(system: System) -> None:
    base, tenant = system.foundation, system.channel.tenant_id
    guide = None
    for phone, role in ((GUIDE, "field_staff"), (SALES, "sales"), (MANAGER, "manager"), (MANAGER, "operations")):
        contact = await grant_role(base.database, base.vault, system.channel, Person(phone=phone, user_id=None), role)
        guide = guide or contact
    async with base.database.tenant(tenant) as db:
        await seed(db, tenant, guide=guide, today=date(2026, 12, 1))


async def _listening(http: aiohttp.ClientSession, url: str, served: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(180):
        while True:
            if served.done():
                served.result()
            try:
                async with http.get(f"{url}/healthz"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)
