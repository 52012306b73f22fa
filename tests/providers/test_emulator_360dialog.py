"""360dialog's door to Meta: its key, its gateway's errors, media by another host, templates in another list."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.emulator import Emulator, EmulatorSettings, Phone

FIXTURES = Path(__file__).parent.parent / "fixtures"
ADA = Phone("Ada Fixture", "+15550142233", "customer")
KEY, TOKEN = "d360-key", "fixture-shared-secret"
JPEG = b"\xff\xd8 picture"
TEMPLATE = {
    "name": "order_update",
    "language": "en_US",
    "category": "UTILITY",
    "components": [
        {"type": "BODY", "text": "Hi {{1}}, order {{2}} shipped.", "example": {"body_text": [["Ada", "17"]]}}
    ],
}


class Desk:
    """A bot that compares the header it registered, and a client with the key."""

    def __init__(self) -> None:
        self.emulator: Any = None
        self.session: Any = None
        self.hook = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if request.headers.get("X-Hook-Token") != TOKEN:
            return web.Response(status=403)
        self.bodies.append(json.loads(await request.read()))
        return web.Response()

    def values(self, kind: str) -> list[dict[str, Any]]:
        values = [change["value"] for body in self.bodies for entry in body["entry"] for change in entry["changes"]]
        return [one for value in values for one in value.get(kind, [])]

    async def call(self, method: str, path: str, body: object = None, **rest: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.emulator.base_url + path, json=body, **rest) as answer:
            return answer.status, await answer.json()

    async def send(self, **message: Any) -> tuple[int, Any]:
        wanted = {"messaging_product": "whatsapp", "to": ADA.number, "type": "text", "text": {"body": "Hello"}}
        return await self.call("POST", "/messages", wanted | message)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    app = web.Application()
    app.router.add_post("/hook", desk.take)
    async with TestServer(app) as server:
        desk.hook = str(server.make_url("/hook"))
        settings = EmulatorSettings(
            provider="360dialog",
            webhook_url="http://127.0.0.1:9/nowhere",
            business_number="+15550100200",
            api_key=KEY,
            phone_number_id="700800900100200",
            business_account_id="900100200300400",
            status_delay=timedelta(0),
        )
        headers = {"D360-API-KEY": KEY}
        async with Emulator(settings, [ADA]) as emulator, aiohttp.ClientSession(headers=headers) as session:
            desk.emulator, desk.session = emulator, session
            yield desk


@pytest.fixture
async def hooked(desk: Desk) -> Desk:
    """The same with its webhook set, and a message from Ada."""
    await desk.call("POST", "/v1/configs/webhook", {"url": desk.hook, "headers": {"X-Hook-Token": TOKEN}})
    await desk.emulator.say(ADA.number, "Hi")
    await desk.emulator.settled()
    desk.bodies.clear()
    desk.headers.clear()
    return desk


async def test_webhook_is_unset_then_set_and_carries_the_headers(desk: Desk) -> None:
    status, answer = await desk.call("GET", "/v1/configs/webhook")
    assert (status, answer["meta"]["success"], answer["meta"]["http_code"]) == (404, False, 404)
    wanted = {"url": desk.hook, "headers": {"X-Hook-Token": TOKEN}}
    assert await desk.call("POST", "/v1/configs/webhook", wanted) == (200, wanted)
    assert await desk.call("GET", "/v1/configs/webhook") == (200, wanted)
    await desk.emulator.say(ADA.number, "Hi")
    await desk.emulator.settled()
    (message,) = desk.values("messages")
    assert (message["from"], message["text"]["body"]) == (ADA.wa_id, "Hi")
    assert "X-Hub-Signature-256" not in desk.headers[0]
    assert (await desk.call("POST", "/waba_webhook", {"url": desk.hook}))[0] == 200


@pytest.mark.parametrize(
    "url", ["http://bot.example/x", "https://bot.example:8443/x", "https://my_bot.example/x", "", 7]
)
async def test_webhook_address_that_360dialog_refuses(desk: Desk, url: object) -> None:
    status, answer = await desk.call("POST", "/v1/configs/webhook", {"url": url})
    assert (status, answer["meta"]["http_code"]) == (400, 400)


async def test_forged_webhook_has_the_wrong_header(hooked: Desk) -> None:
    hooked.emulator._exchange.faults.update({"forge_webhooks": 1})
    await hooked.emulator.say(ADA.number, "genuine")
    await hooked.emulator.settled()
    assert [headers["X-Hook-Token"] == TOKEN for headers in hooked.headers] == [False, True]


async def test_send_answers_and_reports_as_meta_does(hooked: Desk) -> None:
    status, answer = await hooked.send(to="15550142233")
    expected = json.loads((FIXTURES / "d360/api_send_ok.json").read_text())
    expected["messages"][0]["id"] = answer["messages"][0]["id"]
    assert (status, answer) == (200, expected)
    await hooked.emulator.settled()
    assert [one["status"] for one in hooked.values("statuses")] == ["sent", "delivered"]
    hooked.emulator.advance(timedelta(hours=25))
    await hooked.send()
    await hooked.emulator.settled()
    assert hooked.values("statuses")[-1]["errors"][0]["code"] == 131047


async def test_wrong_key_and_missing_product(hooked: Desk) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(f"{hooked.emulator.base_url}/messages", json={}) as answer,
    ):
        meta = (await answer.json())["meta"]
        assert (answer.status, meta["http_code"], meta["success"]) == (401, 401, False)
        assert meta["developer_message"] == "Invalid api_key or token expired"
    status, refused = await hooked.send(messaging_product=None)
    assert (status, refused["error"]["code"]) == (400, 100)


async def test_read_mark_and_typing(hooked: Desk) -> None:
    wamid = await hooked.emulator.say(ADA.number, "Anyone?")
    await hooked.emulator.settled()
    mark = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": wamid,
        "typing_indicator": {"type": "text"},
    }
    assert await hooked.call("POST", "/messages", mark) == (200, {"success": True})
    assert hooked.emulator._phones.chat(ADA.number).typing_until is not None


async def test_media_comes_by_metas_address_from_this_host(hooked: Desk) -> None:
    await hooked.emulator.send_image(ADA.number, JPEG)
    await hooked.emulator.settled()
    image = hooked.values("messages")[0]["image"]
    status, described = await hooked.call("GET", f"/{image['id']}")
    expected = json.loads((FIXTURES / "d360/api_media_get_url.json").read_text())
    assert (status, described.keys()) == (200, expected.keys())
    for address in (described["url"], image["url"]):
        parts = urlsplit(address)
        assert (parts.scheme, parts.netloc) == ("https", "lookaside.fbsbx.com")
        async with hooked.session.get(f"{hooked.emulator.base_url}{parts.path}?{parts.query}") as answer:
            assert await answer.read() == JPEG
    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
    form.add_field("file", b"\x89PNG", content_type="image/png", filename="map.png")
    async with hooked.session.post(f"{hooked.emulator.base_url}/media", data=form) as answer:
        uploaded = (await answer.json())["id"]
    await hooked.send(type="image", image={"id": uploaded})
    assert hooked.emulator.transcript(ADA.number)[-1].media.id == uploaded
    assert await hooked.call("DELETE", f"/{uploaded}") == (200, {"success": True})
    assert (await hooked.call("GET", f"/{uploaded}"))[1]["error"]["error_subcode"] == 33


async def test_blind_retries_close_media_for_half_an_hour(hooked: Desk) -> None:
    for _ in range(20):
        assert (await hooked.call("GET", "/1"))[0] == 400
    status, answer = await hooked.call("GET", "/1")
    assert (status, answer["meta"]["http_code"]) == (403, 403)
    hooked.emulator.advance(timedelta(minutes=31))
    assert (await hooked.call("GET", "/1"))[0] == 400


async def test_templates_are_listed_in_360dialogs_way(hooked: Desk) -> None:
    status, created = await hooked.call("POST", "/v1/configs/templates", TEMPLATE)
    assert (status, created["status"]) == (201, "submitted")
    await hooked.emulator.settled()
    _, listed = await hooked.call("GET", "/v1/configs/templates?limit=1000")
    expected = json.loads((FIXTURES / "d360/api_templates_list.json").read_text())
    assert {key: listed[key] for key in ("count", "total", "limit", "offset")} == {
        key: expected[key] for key in ("count", "total", "limit", "offset")
    }
    assert listed["waba_templates"][0].keys() == expected["waba_templates"][0].keys()
    assert listed["waba_templates"][0]["status"] == "approved"
    component = {"type": "body", "parameters": [{"type": "text", "text": "Maya"}, {"type": "text", "text": "18"}]}
    wanted = {"name": "order_update", "language": {"code": "en_US"}, "components": [component]}
    assert (await hooked.send(type="template", template=wanted))[0] == 200
    assert hooked.emulator.transcript(ADA.number)[-1].text == "Hi Maya, order 18 shipped."
    assert (await hooked.call("DELETE", "/v1/configs/templates/order_update"))[0] == 200
    assert (await hooked.call("DELETE", "/v1/configs/templates/order_update"))[0] == 404
    assert (await hooked.send(type="template", template=wanted))[1]["error"]["code"] == 132001


async def test_gateway_refuses_on_demand(hooked: Desk) -> None:
    for status in (400, 401, 403, 500, 502):
        await hooked.call("POST", "/_control/faults", {"send": {"status": status, "shape": "gateway"}})
        answered, answer = await hooked.send()
        assert (answered, answer["meta"]["http_code"]) == (status, status)
        assert answer["meta"]["developer_message"]
    await hooked.call("POST", "/_control/faults", {"send": {"status": 400, "code": 130429}})
    assert (await hooked.send())[1]["error"]["code"] == 130429


async def test_uploads_are_limited_per_second(hooked: Desk) -> None:
    limits, now = hooked.emulator._exchange.limits, hooked.emulator._exchange.clock.now()
    limits._now = lambda: now
    answers = [await hooked.call("POST", "/media", {}) for _ in range(26)]
    assert ["meta" in answer for _, answer in answers] == [False] * 25 + [True]
    limits._now = lambda: now + timedelta(seconds=1)
    assert "error" in (await hooked.call("POST", "/media", {}))[1]
