"""What programs do through the API of a running server reaches people's phones, and what people do reaches programs."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.runtime.loop import utc_now
from storage.postgres.audit import Finding
from storage.postgres.outside import add_endpoint
from storage.postgres.tokens import create_token
from tests.e2e.conftest import CUSTOMER, GUIDE, MANAGER, Running

SECRET = b"hook-secret"


async def token_for(running: Running, role: str) -> str:
    """A token that may do everything its role may."""
    base, tenant = running.system.foundation, running.system.channel.tenant_id
    async with base.database.tenant(tenant) as db:
        _, text = await create_token(
            db, base.vault, tenant, name="desk", role=role, scopes=["*:read", "*:write"], at=utc_now(), expires_at=None
        )
    return text


async def ask(running: Running, token: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with running.http.request(method, f"{running.url}/api/v1{path}", json=body, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


@pytest.mark.usefixtures("one_day")
async def test_a_manager_answers_a_guide_through_the_api(running: Running) -> None:
    """The guide reports by WhatsApp; a program hears of it and answers; the guide reads it on the phone."""
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        body = await request.read()
        stamp, _, given = request.headers["Sirdar-Signature"].partition(",v1=")
        made = hmac.new(SECRET, stamp.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(made, given)
        heard.put_nowait(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hear)
    base, tenant = running.system.foundation, running.system.channel.tenant_id
    async with TestServer(app) as server:
        async with base.database.tenant(tenant) as db:
            url = str(server.make_url("/hook"))
            await add_endpoint(db, base.vault, tenant, url, SECRET, ["INCIDENT_CREATED"], utc_now())
        token = await token_for(running, "manager")
        await running.emulator.say(MANAGER, "hi")
        await running.emulator.wait_for(MANAGER)
        await running.emulator.say(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
        await running.emulator.wait_for(GUIDE)
        async with asyncio.timeout(180):
            news = await heard.get()
    incident = news["content"]["incident_id"]
    shown = await ask(running, token, "GET", f"/incidents/{incident}")
    assert (shown["status"], shown["trip"]) == ("OPEN", "TRP123")
    told = {"text": "A replacement bus arrives at 16:00"}
    changed = await ask(running, token, "POST", f"/incidents/{incident}/update", told)
    assert changed["status"] == "ACKNOWLEDGED"
    await running.emulator.wait_for(GUIDE, lambda bubble: "16:00" in bubble.text)
    (page,) = [p for p in (await ask(running, token, "GET", "/incidents"))["items"] if p["id"] == incident]
    assert page["code"] == f"INC{incident}"
    numbers = await ask(running, token, "GET", "/metrics")
    assert numbers["messages"][-1]["received"] == 2
    await running.until("SELECT count(*) AS n FROM audit_unsealed", lambda rows: rows[0]["n"] == 0)
    chain = running.system.audit.verify(running.system.channel.tenant_id)
    assert [item async for item in chain if isinstance(item, Finding)] == []


async def test_a_colleague_answers_a_customer_through_the_api(running: Running) -> None:
    """Taken, answered in somebody's own words, kept from the bot, and given back: the customer reads all of it."""
    token = await token_for(running, "sales")
    await running.emulator.say(CUSTOMER, "hello")
    await running.emulator.wait_for(CUSTOMER)
    (contact,) = await running.rows("SELECT contact_id FROM whatsapp_conversations WHERE last_inbound_at IS NOT NULL")
    (talk,) = (await ask(running, token, "GET", f"/conversations?contact={contact['contact_id']}"))["items"]
    at = f"/conversations/{talk['id']}"
    assert talk["owner"] == "bot"
    said = await ask(running, token, "POST", f"{at}/reply", {"text": "Hi, Anita here."})
    await running.emulator.wait_for(CUSTOMER, lambda bubble: bubble.text == "Hi, Anita here.")
    assert (await ask(running, token, "GET", f"/messages/{said['id']}"))["direction"] == "OUTBOUND"
    await running.until(f"SELECT status FROM handoffs WHERE conversation_id = {talk['id']}", bool)
    (taken,) = (await ask(running, token, "GET", "/handoffs?status=TAKEN"))["items"]
    owner = (await ask(running, token, "GET", at))["owner"]
    assert owner == f"person:{taken['taken_by']}"
    await running.emulator.say(CUSTOMER, "thank you, Anita")
    await running.until(
        f"SELECT count(*) AS n FROM whatsapp_messages WHERE conversation_id = {talk['id']} AND direction = 'INBOUND'",
        lambda rows: rows[0]["n"] == 2,
    )
    await running.until("SELECT count(*) AS n FROM inbox", lambda rows: rows[0]["n"] == 0)
    sent = (
        f"SELECT content->>'body' AS body FROM whatsapp_messages WHERE conversation_id = {talk['id']}"
        " AND direction = 'OUTBOUND' ORDER BY message_id DESC LIMIT 1"
    )
    assert (await running.rows(sent))[0]["body"] == "Hi, Anita here.", "the bot keeps quiet"
    await ask(running, token, "POST", f"{at}/give-back", {})
    await running.until("SELECT count(*) AS n FROM inbox", lambda rows: rows[0]["n"] == 0)
    assert (await ask(running, token, "GET", at))["owner"] == "bot"
