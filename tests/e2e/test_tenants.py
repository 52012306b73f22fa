"""Three businesses at three providers in one server, each with flows of its own; changed while it runs."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.processes import free_port
from bot.config import Settings
from bot.core.ids import TenantId
from bot.runtime.bootstrap import PARTS, System, open_system
from bot.runtime.loop import Stopping
from bot.runtime.parts import run_parts
from bot.web.app import web_parts
from bot.web.webhook import PATH
from providers.emulator import Emulator, EmulatorSettings
from providers.meta.signature import HEADER, sign
from storage.postgres.tenants import StoredNumber, TenantStore
from storage.postgres.tokens import create_token
from tests.e2e.canaries import Watch
from tests.e2e.conftest import CUSTOMER, PHONES, ROOT, _listening, read_canaries

ACCOUNT, TOKEN = "AC" + "0f" * 16, "fixture-auth-token-0001"
KEY, HOOK = "fixture-api-key", "fixture-shared-secret"
APP_SECRET, META_TOKEN = "fixture-app-secret-0009", "fixture-access-token-9"
COMMON = (ROOT / "templates" / "en" / "common.j2").read_text(encoding="utf-8")
FLOW = """
flow: welcome
role: customer
start: {intents: [hello]}
slots: {size: {type: integer, min: 0, max: 99}}
states:
  asked: {form: [size], next: done}
  done: {say: done, end: served}
"""
INTENTS = "role: customer\nintents:\n  hello: {examples: [good morning], keywords: [morning]}\n"


def write_content(root: Path, asks: str, answers: str) -> None:
    """A content folder with one flow, which asks for a number."""
    files = {
        "flows/customer/welcome.yaml": FLOW,
        "templates/en/customer/welcome.j2": f"{{% block ask_size %}}{asks}{{% endblock %}}\n"
        f"{{% block done %}}{answers}: {{{{ size }}}}{{% endblock %}}\n",
        "templates/en/common.j2": COMMON,
        "intents/customer.yaml": INTENTS,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Business:
    """A tenant, and its customers' phones."""

    slug: str
    tenant: TenantId
    emulator: Emulator

    def heard(self) -> list[str]:
        """What the bot has said to the customer."""
        return [bubble.text for bubble in self.emulator.transcript(CUSTOMER) if bubble.author == "business"]


@dataclass(frozen=True, slots=True)
class Street:
    """One server, and everybody it serves."""

    system: System
    url: str
    http: aiohttp.ClientSession
    store: TenantStore
    shops: dict[str, Business]
    folder: Path

    async def rows(self, shop: Business, query: str) -> list[Any]:
        async with self.system.foundation.database.tenant(shop.tenant) as db:
            return await db.fetch(query)

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(180):
            while not await true():
                await asyncio.sleep(0.05)

    async def hears(self, shop: Business, words: str) -> None:
        """Wait until the shop's customer has been told something."""

        async def told() -> bool:
            return any(words in text for text in shop.heard())

        await self.until(told)


def playing(provider: str, url: str, number: str, number_id: str) -> EmulatorSettings:
    return EmulatorSettings(
        provider=provider,  # type: ignore[arg-type]
        webhook_url=url + PATH,
        business_number=number,
        phone_number_id=number_id,
        business_account_id=f"9{number_id}",
        app_secret=APP_SECRET,
        verify_token="fixture-verify-token",
        access_token=META_TOKEN,
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        api_key=KEY,
        webhook_headers={"X-Hook-Token": HOOK},
    )


@pytest.fixture
async def street(dsn: str, tmp_path: Path, watch: Watch) -> AsyncIterator[Street]:
    """Meta's from the environment, Twilio's and 360dialog's stored while the server runs."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        meta, twilio, dialog = [
            await stack.enter_async_context(Emulator(one, PHONES))
            for one in (
                playing("meta", url, "+15550100200", "700800900100200"),
                playing("twilio", url, "+15550100201", ""),
                playing("360dialog", url, "+15550100202", "700800900100202"),
            )
        ]
        write_content(tmp_path / "home", "Trek, how long?", "Trek")
        write_content(tmp_path / "tenants" / "tea", "Tea, how many?", "Tea")
        write_content(tmp_path / "tenants" / "bikes" / "v2", "Bike, how large?", "Bike")
        settings = Settings(
            _env_file=None, whatsapp_provider="meta", whatsapp_phone_number="+15550100200",
            whatsapp_webhook_secret=APP_SECRET, whatsapp_verify_token="fixture-verify-token",
            whatsapp_access_token=META_TOKEN, whatsapp_phone_number_id="700800900100200",
            whatsapp_business_account_id="9700800900100200", whatsapp_api_base_url=meta.base_url,
            bot_public_url=url, bot_port=port, bot_database_url=dsn, bot_data_dir=tmp_path,
            bot_secret_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", bot_content_dir=tmp_path / "home",
            bot_tenants_dir=tmp_path / "tenants", bot_pair_interval=0, bot_send_timeout=20,
        )  # fmt: skip
        http = await stack.enter_async_context(aiohttp.ClientSession())
        system = await stack.enter_async_context(open_system(settings))
        store = TenantStore(system.foundation.database, system.foundation.vault)
        stopping = Stopping()
        parts = [*system.parts(PARTS), *web_parts(system, PARTS)]
        served = asyncio.create_task(run_parts(parts, stopping=stopping, drain_seconds=60, signals=False))
        await _listening(http, url, served)
        shops = {"home": Business("default", system.home, meta)}
        shops["tea"] = Business("tea", await open_shop(
            system, store, "tea", "twilio", "+15550100201", "+15550100201", content="tea",
            own={"twilio_account_sid": ACCOUNT},
            sealed={"twilio_auth_token": TOKEN, "whatsapp_api_base_url": twilio.base_url},
        ), twilio)  # fmt: skip
        shops["bikes"] = Business("bikes", await open_shop(
            system, store, "bikes", "360dialog", "700800900100202", "+15550100202", content="bikes/v2",
            own={"whatsapp_phone_number_id": "700800900100202"}, language="es",
            sealed={"whatsapp_webhook_secret": HOOK, "whatsapp_access_token": KEY,
                    "whatsapp_api_base_url": dialog.base_url},
        ), dialog)  # fmt: skip
        running = Street(system, url, http, store, shops, tmp_path)

        async def all_served() -> bool:
            return len(system.tenants.served) == 3

        await running.until(all_served)
        yield running
        watch.add(CUSTOMER, TOKEN, KEY, HOOK, APP_SECRET, META_TOKEN)
        await read_canaries(watch, system)
        stopping.set()
        await served


async def open_shop(
    system: System, store: TenantStore, slug: str, provider: str, address: str, phone: str, *, content: str,
    own: dict[str, str], sealed: dict[str, str], language: str = "en",
) -> TenantId:  # fmt: skip
    """Store a tenant, as `bot tenants add` does."""
    channel = await system.upkeep.register_channel(slug, slug, provider, address, phone)
    number = StoredNumber(channel=channel, phone_number=phone, settings=own, sealed=sealed)
    await store.keep(
        channel.tenant_id, name=slug.title(), settings={"bot_content_dir": content}, language=language, timezone=None,
        number=number,
    )  # fmt: skip
    return channel.tenant_id


@pytest.mark.usefixtures("one_day")
async def test_three_businesses_at_three_providers_at_the_same_time(street: Street) -> None:
    """The same person writes to all of them at once, and hears from each what that one has to say."""
    shops = street.shops
    await asyncio.gather(*(shop.emulator.say(CUSTOMER, "Good morning") for shop in shops.values()))
    asked = {"home": "Trek, how long?", "tea": "Tea, how many?", "bikes": "Bike, how large?"}
    await asyncio.gather(*(street.hears(shops[name], words) for name, words in asked.items()))
    await asyncio.gather(*(shop.emulator.say(CUSTOMER, str(n)) for n, shop in enumerate(shops.values(), 3)))
    answers = {"home": "Trek: 3", "tea": "Tea: 4", "bikes": "Bike: 5"}
    await asyncio.gather(*(street.hears(shops[name], words) for name, words in answers.items()))
    for name, shop in shops.items():
        heard = shop.heard()
        assert heard == [asked[name], answers[name]], name
        said = await street.rows(shop, "SELECT content FROM whatsapp_messages WHERE direction = 'INBOUND'")
        assert len(said) == 2, name
        (contact,) = await street.rows(shop, "SELECT language FROM contacts")
        assert contact["language"] == ("es" if name == "bikes" else "en")
        flows = await street.rows(shop, "SELECT DISTINCT flow FROM flow_versions")
        assert [row["flow"] for row in flows] == ["welcome"]

    async def delivered() -> bool:
        statuses = [
            row["status"]
            for shop in shops.values()
            for row in await street.rows(shop, "SELECT status FROM whatsapp_messages WHERE direction = 'OUTBOUND'")
        ]
        return len(statuses) == 6 and set(statuses) <= {"DELIVERED", "READ"}

    await street.until(delivered)
    async with street.http.get(f"{street.url}/readyz") as ready:
        assert (await ready.json())["tenants"] == 3
    async with street.http.get(f"{street.url}/metrics") as metrics:
        text = await metrics.text()
    for slug in ("default", "tea", "bikes"):
        assert f'sirdar_tenant_backlog{{queue="inbox",tenant="{slug}"}} 0.0' in text
        assert f'sirdar_today{{metric="sent",tenant="{slug}"}} 2.0' in text


async def test_a_tenant_is_disabled_and_enabled_while_everything_runs(street: Street) -> None:
    tea, bikes = street.shops["tea"], street.shops["bikes"]
    await street.store.set_active(tea.tenant, active=False)

    async def closed() -> bool:
        return street.system.tenants.closed(tea.tenant)

    await street.until(closed)
    await asyncio.gather(*(shop.emulator.say(CUSTOMER, "Good morning") for shop in (tea, bikes)))
    await street.hears(bikes, "Bike, how large?")

    async def kept() -> bool:
        return [row["kind"] for row in await street.rows(tea, "SELECT kind FROM webhook_events")] == ["InboundMessage"]

    await street.until(kept)
    assert await street.rows(tea, "SELECT 1 FROM whatsapp_messages") == []
    assert tea.heard() == []
    await street.store.set_active(tea.tenant, active=True)

    async def again() -> bool:
        return not street.system.tenants.closed(tea.tenant)

    await street.until(again)
    await tea.emulator.say(CUSTOMER, "Good morning")
    await street.hears(tea, "Tea, how many?")


async def test_a_secret_is_replaced_while_everything_runs(street: Street) -> None:
    """And a mistake in what is changed leaves the tenant, and everybody else, as they were."""
    bikes = street.shops["bikes"]
    stored = await street.store.read(bikes.tenant)
    (number,) = stored.numbers
    assert number.sealed is not None

    async def keep(settings: dict[str, str], **changed: str) -> None:
        sealed = {**(number.sealed or {}), **changed}
        await street.store.keep(
            bikes.tenant, name=stored.name, settings=settings, language="es", timezone="Asia/Kathmandu",
            number=StoredNumber(channel=number.channel, phone_number=number.phone_number, settings=number.settings,
                                sealed=sealed),
        )  # fmt: skip

    body = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()

    async def answer(token: str) -> int:
        headers = {"X-Hook-Token": token}
        async with street.http.post(street.url + PATH, data=io.BytesIO(body), headers=headers) as response:
            return response.status

    assert (await answer(HOOK), await answer("another-shared-secret")) == (200, 401)
    await keep(dict(stored.settings), whatsapp_webhook_secret="another-shared-secret")

    async def replaced() -> bool:
        return await answer("another-shared-secret") == 200

    await street.until(replaced)
    assert await answer(HOOK) == 401
    await keep({"bot_content_dir": "../home"}, whatsapp_webhook_secret=HOOK)
    await street.system.enrolment.refresh()
    assert await answer("another-shared-secret") == 200, "it is served as before"
    headers = {HEADER: sign(APP_SECRET, body)}
    async with street.http.post(street.url + PATH, data=io.BytesIO(body), headers=headers) as response:
        assert response.status == 200


async def test_an_api_token_of_a_disabled_tenant_opens_nothing(street: Street) -> None:
    tea = street.shops["tea"]
    async with street.system.foundation.database.tenant(tea.tenant) as db:
        _, token = await create_token(
            db, street.system.foundation.vault, tea.tenant, name="x", role="manager", scopes=["*:read"],
            at=street.system.clock(), expires_at=None,
        )  # fmt: skip

    async def asked() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with street.http.get(f"{street.url}/api/v1/leads", headers=headers) as response:
            return response.status

    assert await asked() == 200
    await street.store.set_active(tea.tenant, active=False)

    async def closed() -> bool:
        return await asked() == 401

    await street.until(closed)


async def test_what_fails_for_one_tenant_is_done_for_the_others(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds of the clock go over everybody."""
    done = set()

    async def look_after(acting: Any) -> None:
        done.add(acting.tenant_id)
        if acting.tenant_id == street.shops["tea"].tenant:
            raise ValueError("x")

    monkeypatch.setattr("bot.runtime.system.handoffs.look_after", look_after)
    await street.system.mind_handoffs(street.system.clock())
    assert done == {shop.tenant for shop in street.shops.values()}
