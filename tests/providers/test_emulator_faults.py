"""Bad days on demand: what the control API switches on, and what the bot then sees."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.emulator import Emulator, EmulatorSettings, Phone

ADA = Phone("Ada Fixture", "+15550142233", "customer")
BEN = Phone("Ben Fixture", "+15550142244", "guide", bsuid="US.40000000000000000001")
NODE, ACCOUNT = "700800900100200", "900100200300400"


class Bot:
    """Writes down the webhooks it gets, refuses forged ones, and calls the API."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.emulator: Any = None
        self.session: Any = None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        proof = "sha256=" + hmac.new(b"s", body, hashlib.sha256).hexdigest()
        if request.headers["X-Hub-Signature-256"] != proof:
            return web.Response(status=403)
        self.bodies.append(body)
        return web.Response()

    def changes(self) -> list[dict[str, Any]]:
        return [change for body in self.bodies for entry in json.loads(body)["entry"] for change in entry["changes"]]

    def all_of(self, kind: str) -> list[dict[str, Any]]:
        return [one for change in self.changes() for one in change["value"].get(kind, [])]

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        url = f"{self.emulator.base_url}{path}"
        async with self.session.request(method, url, json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def control(self, path: str, **body: Any) -> Any:
        status, answer = await self.call("POST", f"/_control/{path}", body)
        assert status == 200, answer
        return answer

    async def send(self, to: str = ADA.number, text: str = "Hello") -> tuple[int, Any]:
        body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
        return await self.call("POST", f"/v25.0/{NODE}/messages", body)


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    bot = Bot()
    app = web.Application()
    app.router.add_post("/webhook", bot.take)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/webhook")),
            app_secret="s",
            verify_token="v",
            access_token="t",
            phone_number_id=NODE,
            business_account_id=ACCOUNT,
            business_number="+15550100200",
            status_delay=timedelta(0),
            seed=3,
        )
        headers = {"Authorization": "Bearer t"}
        async with Emulator(settings, [ADA, BEN]) as emulator, aiohttp.ClientSession(headers=headers) as session:
            bot.emulator, bot.session = emulator, session
            for phone in (ADA, BEN):
                await emulator.say(phone.number, "Hi")
            await emulator.settled()
            bot.bodies.clear()
            yield bot


async def test_batch_is_one_webhook_with_messages_statuses_and_entries(bot: Bot) -> None:
    await bot.control("faults", batch_webhooks=100)
    for text in ("one", "two"):
        await bot.emulator.say(ADA.number, text)
    await bot.emulator.say(BEN.number, "three")
    await bot.send()
    await bot.control("webhook", field="account_update", value={"event": "DISABLED_UPDATE"})
    await bot.emulator.settled()
    (body,) = bot.bodies
    first, second = json.loads(body)["entry"]
    assert [
        next(kind for kind in ("messages", "statuses") if kind in change["value"]) for change in first["changes"]
    ] == [
        "messages",
        "statuses",
    ]
    assert sorted(one["text"]["body"] for one in bot.all_of("messages")) == ["one", "three", "two"]
    assert len(bot.all_of("contacts")) == 2
    assert sorted(one["status"] for one in bot.all_of("statuses")) == ["delivered", "sent"]
    assert second["changes"][0]["field"] == "account_update"


async def test_shuffled_webhooks_all_come_in_another_order(bot: Bot) -> None:
    await bot.control("faults", shuffle_webhooks=True)
    written = [str(number) for number in range(12)]
    for text in written:
        await bot.emulator.say(ADA.number, text)
    await bot.emulator.settled()
    heard = [one["text"]["body"] for one in bot.all_of("messages")]
    assert sorted(heard, key=int) == written
    assert heard != written


async def test_forged_and_lost_webhooks(bot: Bot) -> None:
    await bot.control("faults", forge_webhooks=1, lose_webhooks=1)
    await bot.emulator.say(ADA.number, "lost")
    await bot.emulator.settled()
    await bot.emulator.say(ADA.number, "genuine")
    await bot.emulator.settled()
    assert [one["text"]["body"] for one in bot.all_of("messages")] == ["genuine"]
    _, log = await bot.call("GET", "/_control/log")
    assert log["webhooks"]["forged"] == [403]


@pytest.mark.parametrize("code", [130472, 131026, 131049, 131050, 132015])
async def test_send_fails_later_with_any_code(bot: Bot, code: int) -> None:
    await bot.control("faults", fail={"code": code})
    assert (await bot.send())[0] == 200
    assert (await bot.send())[0] == 200
    await bot.emulator.settled()
    statuses = bot.all_of("statuses")
    assert [one["status"] for one in statuses] == ["failed", "sent", "delivered"]
    assert statuses[0]["errors"][0]["code"] == code
    assert statuses[0]["errors"][0]["title"] != "Something went wrong"


async def test_silent_send_and_skipped_delivered(bot: Bot) -> None:
    await bot.control("faults", silence=1, skip_delivered=True)
    await bot.send()
    await bot.send()
    await bot.emulator.settled()
    assert [one["status"] for one in bot.all_of("statuses")] == ["sent"]


async def test_statuses_may_come_before_the_answer(bot: Bot) -> None:
    await bot.control("faults", answer_delay=0.2)
    sending = asyncio.create_task(bot.send())
    while not bot.all_of("statuses"):
        await asyncio.sleep(0.005)
    assert not sending.done()
    _, answer = await sending
    assert bot.all_of("statuses")[0]["id"] == answer["messages"][0]["id"]


@pytest.mark.parametrize(
    ("endpoint", "path"), [("media", f"/v25.0/{NODE}/media"), ("templates", f"/v25.0/{ACCOUNT}/message_templates")]
)
async def test_files_and_templates_can_be_refused(bot: Bot, endpoint: str, path: str) -> None:
    await bot.control("faults", **{endpoint: {"status": 503, "times": 2, "retry_after": 1}})
    status, answer = await bot.call("POST", path, {})
    assert (status, answer["error"]["code"]) == (503, 131016)
    await bot.control("faults", **{endpoint: {"status": 502, "shape": "empty"}})
    status, page = await bot.call("POST", path, {})
    assert (status, page) == (502, "<html><body><h1>502</h1></body></html>")
    status, answer = await bot.call("POST", path, {})
    assert status == 400


async def test_throughput_counts_both_directions(bot: Bot) -> None:
    bot.emulator.advance(timedelta(seconds=2))
    await bot.control("limits", throughput=3)
    await bot.emulator.say(ADA.number, "in")
    codes = [answer.get("error", {}).get("code") for _, answer in [await bot.send() for _ in range(4)]]
    assert codes == [None, None, 130429, 130429]
    bot.emulator.advance(timedelta(seconds=2))
    assert (await bot.send())[0] == 200


async def test_management_limit_and_unknown_limits(bot: Bot) -> None:
    await bot.control("limits", management_limit=1)
    path = f"/v25.0/{ACCOUNT}/message_templates"
    assert (await bot.call("GET", path))[0] == 200
    assert (await bot.call("GET", path))[1]["error"]["code"] == 80007
    assert (await bot.call("POST", "/_control/limits", {"speed": 1}))[0] == 400


async def test_rejected_template_says_why(bot: Bot) -> None:
    await bot.control("templates/promo", verdict="REJECTED", reason="PROMOTIONAL")
    template = {
        "name": "promo",
        "language": "en",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Buy now."}],
    }
    assert (await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", template))[0] == 200
    await bot.emulator.settled()
    (change,) = bot.changes()
    assert (change["value"]["event"], change["value"]["reason"]) == ("REJECTED", "PROMOTIONAL")
    _, listed = await bot.call("GET", f"/v25.0/{ACCOUNT}/message_templates?fields=status,rejected_reason")
    assert listed["data"][0]["rejected_reason"] == "PROMOTIONAL"


async def test_person_stops_marketing_and_only_marketing(bot: Bot) -> None:
    for name, category in (("sale", "MARKETING"), ("due", "UTILITY")):
        body = [{"type": "BODY", "text": f"About the {name}."}]
        template = {"name": name, "language": "en", "category": category, "components": body}
        await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", template)
    await bot.emulator.settled()
    bot.bodies.clear()
    await bot.control("act/opt_out", number=ADA.number)
    for name in ("sale", "due"):
        wanted = {"name": name, "language": {"code": "en"}}
        body = {"messaging_product": "whatsapp", "to": ADA.number, "type": "template", "template": wanted}
        assert (await bot.call("POST", f"/v25.0/{NODE}/messages", body))[0] == 200
    await bot.emulator.settled()
    assert bot.all_of("user_preferences")[0]["value"] == "stop"
    assert [one["status"] for one in bot.all_of("statuses")] == ["failed", "sent", "delivered"]
    assert bot.all_of("statuses")[0]["errors"][0]["code"] == 131050


async def test_control_acts_as_people(bot: Bot) -> None:
    await bot.control("act/say", number=ADA.number, text="Hello")
    await bot.control("act/contacts", number=ADA.number, cards=[{"name": "Ben Guide", "phones": ["+977 1"]}])
    await bot.control("act/media", number=ADA.number, data="JVBERg==", mime_type="application/pdf", filename="a.pdf")
    await bot.emulator.settled()
    assert [one["type"] for one in bot.all_of("messages")] == ["text", "contacts", "document"]
    for deed, body in (("fly", {"number": ADA.number}), ("say", {"number": ADA.number}), ("say", {})):
        assert (await bot.call("POST", f"/_control/act/{deed}", body))[0] == 400
    assert (await bot.call("POST", "/_control/act/say", {"number": "+1", "text": "x"}))[0] == 404


async def test_message_history_tells_what_webhooks_did_not(bot: Bot) -> None:
    await bot.control("faults", lose_webhooks=2)
    _, answer = await bot.send()
    await bot.emulator.settled()
    wamid = answer["messages"][0]["id"]
    _, found = await bot.call("GET", f"/v25.0/{NODE}/message_history?message_id={wamid}")
    events = found["data"][0]["events"]["data"]
    assert [one["delivery_status"] for one in events] == ["SENT", "DELIVERED"]
    assert bot.bodies == []
