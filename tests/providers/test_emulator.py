"""The emulator's promises over real HTTP: webhooks reach the bot signed, in order, and until it takes them."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from providers.emulator import (
    Bubble,
    Emulator,
    EmulatorSettings,
    Phone,
    Receipt,
    UnknownMessageError,
    UnknownPhoneError,
    WebhookRefusedError,
)
from providers.emulator.meta.events import signature

FIXTURES = Path(__file__).parent.parent / "fixtures"
SECRET = "test-app-secret"
ADA = Phone("Ada Fixture", "+15550142233", "customer", hint="Hi")
BEN = Phone("Ben Hidden", "+15550142244", "guide", bsuid="US.40000000000000000001", number_hidden=True)
BUTTONS = {
    "type": "interactive",
    "interactive": {
        "type": "button",
        "body": {"text": "Is this right?"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "yes:1", "title": "Yes"}},
                {"type": "reply", "reply": {"id": "no:1", "title": "No"}},
            ]
        },
    },
}
LIST = {
    "type": "interactive",
    "interactive": {
        "type": "list",
        "body": {"text": "Which trek?"},
        "action": {
            "button": "Treks",
            "sections": [
                {
                    "rows": [
                        {"id": "ebc", "title": "EBC", "description": "14 days"},
                        {"id": "abc", "title": "ABC"},
                    ]
                }
            ],
        },
    },
}


class Bot:
    """A webhook that writes down what it gets and answers what it is told."""

    def __init__(self) -> None:
        self.posts: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.always: Callable[[dict[str, Any]], int] = lambda _value: 200
        self.verify_token = "test-verify-token"
        self._changed = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            known = request.query["hub.verify_token"] == self.verify_token and request.query["hub.mode"] == "subscribe"
            return web.Response(text=request.query["hub.challenge"] if known else "", status=200 if known else 403)
        body = await request.read()
        value = json.loads(body)["entry"][0]["changes"][0]["value"]
        status = self.answers.pop(0) if self.answers else self.always(value)
        async with self._changed:
            self.posts.append((body, request.headers["X-Hub-Signature-256"]))
            self._changed.notify_all()
        return web.Response(status=status)

    def values(self) -> list[dict[str, Any]]:
        return [json.loads(body)["entry"][0]["changes"][0]["value"] for body, _ in self.posts]

    def messages(self) -> list[dict[str, Any]]:
        return [message for value in self.values() for message in value.get("messages", [])]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values() for status in value.get("statuses", [])]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(120), self._changed:
            await self._changed.wait_for(met)


class Api:
    """The bot's client of the emulated Cloud API."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.root = f"{emulator.base_url}/v25.0/700800900100200"
        self.base_url = emulator.base_url
        self.session = session

    async def send(self, to: str = ADA.number, **message: Any) -> tuple[int, dict[str, Any]]:
        body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Hello"}} | message
        async with self.session.post(f"{self.root}/messages", json=body) as answer:
            return answer.status, await answer.json()

    async def sent_id(self, to: str = ADA.number, **message: Any) -> str:
        status, answer = await self.send(to, **message)
        assert status == 200, answer
        return str(answer["messages"][0]["id"])

    async def control(self, name: str, **body: Any) -> Any:
        async with self.session.post(f"{self.base_url}/_control/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


def settings_for(webhook_url: str, webhook_concurrency: int = 16) -> EmulatorSettings:
    return EmulatorSettings(
        webhook_url=webhook_url,
        app_secret=SECRET,
        verify_token="test-verify-token",
        access_token="test-access-token",
        phone_number_id="700800900100200",
        business_account_id="900100200300400",
        business_number="+15550100200",
        seed=7,
        retry_first=timedelta(milliseconds=2),
        retry_cap=timedelta(milliseconds=10),
        status_delay=timedelta(0),
        webhook_concurrency=webhook_concurrency,
    )


@pytest.fixture
def bot() -> Bot:
    return Bot()


@pytest.fixture
async def emulator(bot: Bot) -> AsyncIterator[Emulator]:
    app = web.Application()
    app.router.add_route("*", "/webhook", bot.take)
    async with (
        TestServer(app) as server,
        Emulator(settings_for(str(server.make_url("/webhook"))), [ADA, BEN]) as running,
    ):
        yield running


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer test-access-token"}) as session:
        yield Api(emulator, session)


@pytest.mark.parametrize(
    "vector",
    json.loads((FIXTURES / "vectors/signatures.json").read_text())["meta_x_hub_signature_256"],
    ids=lambda vector: vector["name"],
)
def test_signature_is_metas(vector: dict[str, str]) -> None:
    assert signature(vector["app_secret"], bytes.fromhex(vector["body_hex"])) == vector["header"]


async def test_text_webhook_has_metas_shape_and_a_signature_over_its_bytes(emulator: Emulator, bot: Bot) -> None:
    wamid = await emulator.say(ADA.number, "Is the blue one in stock? 👍")
    await emulator.settled()
    body, header = bot.posts[0]
    assert header == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    expected = json.loads((FIXTURES / "meta/in_text.json").read_text())
    message = expected["entry"][0]["changes"][0]["value"]["messages"][0]
    received = json.loads(body)
    timestamp = received["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"]
    message |= {"id": wamid, "timestamp": timestamp, "text": {"body": "Is the blue one in stock? 👍"}}
    assert received == expected
    assert timestamp.isdecimal()
    assert emulator.transcript(ADA.number)[0].receipt is Receipt.DELIVERED


async def test_hidden_number_never_appears_in_webhooks(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(BEN.number, "I hide my number")
    status, answer = await api.send(to=None, recipient=BEN.bsuid)
    assert (status, answer["contacts"]) == (200, [{"input": BEN.bsuid, "user_id": BEN.bsuid}])
    await emulator.settled()
    assert not any(b'"wa_id"' in body or b'"recipient_id"' in body or b'"from":' in body for body, _ in bot.posts)
    assert bot.messages()[0]["from_user_id"] == BEN.bsuid
    assert {one["recipient_user_id"] for one in bot.statuses()} == {BEN.bsuid}


async def test_handshake(emulator: Emulator, bot: Bot) -> None:
    await emulator.verify_webhook()
    bot.verify_token = "another"
    with pytest.raises(WebhookRefusedError, match="answered 403"):
        await emulator.verify_webhook()


async def test_webhook_is_repeated_unchanged_until_200(emulator: Emulator, bot: Bot) -> None:
    bot.answers = [500, 302, 204, 404]
    await emulator.say(ADA.number, "Are you there?")
    await emulator.settled()
    assert len(bot.posts) == 5
    assert len(set(bot.posts)) == 1


async def test_nothing_is_lost_while_the_bot_is_down(emulator: Emulator, bot: Bot, api: Api) -> None:
    alive, emulator.webhook_url = emulator.webhook_url, "http://127.0.0.1:1/webhook"
    await emulator.say(ADA.number, "first")
    await emulator.say(ADA.number, "second")
    with pytest.raises(TimeoutError, match=r"2 webhook\(s\) still waiting"):
        await emulator.settled(timeout=0.05)
    assert emulator.transcript(ADA.number)[0].receipt is Receipt.SENT
    emulator.webhook_url = alive
    await emulator.settled()
    assert [message["text"]["body"] for message in bot.messages()] == ["first", "second"]


async def test_one_phone_waits_for_its_own_webhook_and_holds_up_no_other(emulator: Emulator, bot: Bot) -> None:
    refusing = True

    def answer(value: dict[str, Any]) -> int:
        return 503 if refusing and value["messages"][0].get("text", {}).get("body") == "1" else 200

    bot.always = answer
    for text in ("1", "2", "3"):
        await emulator.say(ADA.number, text)
    await emulator.say(BEN.number, "other")
    await bot.until(lambda: len(bot.posts) >= 4)
    assert {message["text"]["body"] for message in bot.messages()} == {"1", "other"}
    refusing = False
    await emulator.settled()
    bodies = [message["text"]["body"] for message in bot.messages() if message.get("from") == ADA.wa_id]
    assert list(dict.fromkeys(bodies)) == ["1", "2", "3"]
    assert bodies[-2:] == ["2", "3"]


async def test_statuses_come_in_order_and_echo_the_callback_data(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    wamid = await api.sent_id(biz_opaque_callback_data="attempt-42")
    await emulator.settled()
    await emulator.read(ADA.number)
    await emulator.read(ADA.number)
    await emulator.settled()
    assert [one["status"] for one in bot.statuses()] == ["sent", "delivered", "read"]
    assert all(one["biz_opaque_callback_data"] == "attempt-42" and one["id"] == wamid for one in bot.statuses())
    assert bot.statuses()[0]["pricing"]["type"] == "free_customer_service"
    assert emulator.transcript(ADA.number)[-1].receipt is Receipt.READ


async def test_answer_has_metas_shape(emulator: Emulator, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    _, answer = await api.send()
    expected = json.loads((FIXTURES / "meta/api_send_ok.json").read_text())
    expected["messages"][0]["id"] = answer["messages"][0]["id"]
    assert answer == expected
    assert answer["messages"][0]["id"].startswith("wamid.HBgLMTU1NTAxNDIyMzMVAgARGB")


@pytest.mark.parametrize(("to", "code"), [(ADA.number, 131047), ("+15550149999", 131026)])
async def test_send_that_fails_later_is_answered_200_first(
    emulator: Emulator, bot: Bot, api: Api, to: str, code: int
) -> None:
    await emulator.say(ADA.number, "Hi")
    emulator.advance(timedelta(hours=24, seconds=1))
    wamid = await api.sent_id(to=to, biz_opaque_callback_data="late")
    await emulator.settled()
    (status,) = bot.statuses()
    assert (status["id"], status["status"], status["recipient_id"]) == (wamid, "failed", to[1:])
    assert (status["errors"][0]["code"], status["biz_opaque_callback_data"]) == (code, "late")
    assert emulator.transcript(ADA.number)[-1].author == "person"


async def test_button_tap_and_list_pick_carry_id_title_and_context(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    buttons, menu = await api.sent_id(**BUTTONS), await api.sent_id(**LIST)
    await emulator.tap(ADA.number, buttons, "yes:1")
    await emulator.pick(ADA.number, menu, "ebc")
    await emulator.pick(ADA.number, menu, "abc")
    await emulator.settled()
    _, tap, pick, bare = bot.messages()
    assert tap["interactive"] == {"type": "button_reply", "button_reply": {"id": "yes:1", "title": "Yes"}}
    assert tap["context"] == {"from": "15550100200", "id": buttons}
    assert pick["interactive"]["list_reply"] == {"id": "ebc", "title": "EBC", "description": "14 days"}
    assert bare["interactive"]["list_reply"] == {"id": "abc", "title": "ABC"}
    assert [bubble.pressed for bubble in emulator.transcript(ADA.number)[1:3]] == ["yes:1", "abc"]
    with pytest.raises(UnknownMessageError, match="no button 'maybe'"):
        await emulator.tap(ADA.number, buttons, "maybe")
    with pytest.raises(UnknownPhoneError):
        await emulator.tap("+15550140000", buttons, "yes:1")


async def test_location_and_reaction(emulator: Emulator, bot: Bot) -> None:
    await emulator.send_location(ADA.number, 27.98, 86.92, name="Base Camp", address="Khumbu")
    wamid = await emulator.send_location(ADA.number, -33.86785, 151.20732)
    await emulator.react(ADA.number, wamid, "❤️")
    await emulator.react(ADA.number, wamid, "")
    await emulator.settled()
    place, pin, reaction, removed = bot.messages()
    assert place["location"] == {"latitude": 27.98, "longitude": 86.92, "name": "Base Camp", "address": "Khumbu"}
    assert pin["location"] == {"latitude": -33.86785, "longitude": 151.20732}
    assert reaction["reaction"] == {"message_id": wamid, "emoji": "❤️"}
    assert removed["reaction"] == {"message_id": wamid}


async def test_media_goes_both_ways(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.send_image(ADA.number, b"\xff\xd8 picture", caption="Receipt")
    await emulator.send_media(ADA.number, b"OggS", "audio/ogg; codecs=opus", voice=True)
    await emulator.settled()
    picture, voice = bot.messages()
    assert voice["audio"]["voice"] is True
    assert picture["image"]["caption"] == "Receipt"
    async with api.session.get(f"{api.base_url}/v25.0/{picture['image']['id']}") as answer:
        resolved = await answer.json()
    assert resolved["sha256"] == hashlib.sha256(b"\xff\xd8 picture").hexdigest()
    async with api.session.get(resolved["url"]) as answer:
        assert (await answer.read(), answer.content_type) == (b"\xff\xd8 picture", "image/jpeg")
    async with aiohttp.ClientSession() as stranger, stranger.get(resolved["url"]) as answer:
        assert answer.status == 401
    emulator.advance(timedelta(minutes=6))
    async with api.session.get(resolved["url"]) as answer:
        assert answer.status == 404

    form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
    form.add_field("file", b"\x89PNG", content_type="image/png", filename="map.png")
    async with api.session.post(f"{api.root}/media", data=form) as answer:
        uploaded = (await answer.json())["id"]
    await api.sent_id(type="image", image={"id": uploaded, "caption": "The route"})
    shown = emulator.transcript(ADA.number)[-1]
    assert shown.media is not None
    assert (shown.kind, shown.text, shown.media.id) == ("image", "The route", uploaded)
    async with api.session.delete(f"{api.base_url}/v25.0/{uploaded}") as answer:
        assert await answer.json() == {"success": True}
    await api.sent_id(type="image", image={"id": uploaded})
    await emulator.settled()
    assert bot.statuses()[-1]["errors"][0]["code"] == 131053


async def test_reaction_can_be_marked_read(emulator: Emulator, bot: Bot, api: Api) -> None:
    wamid = await emulator.say(ADA.number, "Hi")
    await emulator.react(ADA.number, wamid, "👍")
    await emulator.settled()
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": bot.messages()[-1]["id"]}
    async with api.session.post(f"{api.root}/messages", json=mark) as answer:
        assert await answer.json() == {"success": True}
    assert emulator.transcript(ADA.number)[0].receipt is Receipt.READ


async def test_read_mark_turns_earlier_ticks_blue_and_shows_typing(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(ADA.number, "one")
    wamid = await emulator.say(ADA.number, "two")
    await emulator.settled()
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    async with api.session.post(f"{api.root}/messages", json=mark | {"typing_indicator": {"type": "text"}}) as answer:
        assert await answer.json() == {"success": True}
    assert [bubble.receipt for bubble in emulator.transcript(ADA.number)] == [Receipt.READ, Receipt.READ]
    async with api.session.post(f"{api.root}/messages", json=mark | {"message_id": "wamid.unknown"}) as answer:
        assert (await answer.json())["error"]["code"] == 131009


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic test-access-token"])
async def test_wrong_token_is_refused(emulator: Emulator, header: str | None) -> None:
    async with (
        aiohttp.ClientSession(headers={"Authorization": header} if header else {}) as session,
        session.post(f"{emulator.base_url}/v25.0/700800900100200/messages", json={}) as answer,
    ):
        assert answer.status == 401
        assert (await answer.json())["error"]["code"] == 190


async def test_phone_number_lookup(api: Api) -> None:
    async with api.session.get(api.root, params={"fields": "verified_name,quality_rating"}) as answer:
        assert await answer.json() == {
            "id": "700800900100200",
            "verified_name": "Sirdar Treks",
            "quality_rating": "GREEN",
        }
    async with api.session.get(f"{api.base_url}/v26.0/12345") as answer:
        assert (answer.status, (await answer.json())["error"]["error_subcode"]) == (400, 33)


async def test_send_faults_run_out(emulator: Emulator, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    await api.control("faults", send={"status": 429, "retry_after": 2, "times": 1})
    body = {"messaging_product": "whatsapp", "to": ADA.number, "text": {"body": "Hi"}}
    async with api.session.post(f"{api.root}/messages", json=body) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
        assert (await answer.json())["error"]["code"] == 130429
    assert (await api.send())[0] == 200


async def test_dropped_answer_was_accepted_all_the_same(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    await api.control("faults", drop_answer=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await api.send(biz_opaque_callback_data="unknown")
    await emulator.settled()
    assert [one["biz_opaque_callback_data"] for one in bot.statuses()] == ["unknown", "unknown"]
    assert (await api.send())[0] == 200


async def test_duplicated_and_reordered_webhooks(emulator: Emulator, bot: Bot, api: Api) -> None:
    await api.control("faults", duplicate_webhooks=1, reorder_statuses=True)
    await emulator.say(ADA.number, "Hi")
    await emulator.settled()
    assert len(bot.messages()) == 2
    await api.sent_id()
    await emulator.settled()
    assert [one["status"] for one in bot.statuses()] == ["delivered", "delivered", "sent", "sent"]


async def test_delayed_send_waits(emulator: Emulator, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    await api.control("faults", delay=0.05)
    asked = asyncio.get_running_loop().time()
    await api.sent_id()
    assert asyncio.get_running_loop().time() - asked >= 0.05


@pytest.mark.parametrize("faults", [{"dealy": 1}, {"delay": "soon"}, {"send": {"code": 1}}, {"send": 500}])
async def test_faults_that_make_no_sense_are_refused(api: Api, faults: dict[str, Any]) -> None:
    async with api.session.post(f"{api.base_url}/_control/faults", json=faults) as answer:
        assert (answer.status, list(await answer.json())) == (400, ["error"])


async def test_webhooks_in_flight_are_bounded() -> None:
    in_flight, most, release = 0, 0, asyncio.Event()

    async def take(_request: web.Request) -> web.Response:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        if in_flight == 3:
            release.set()
        await release.wait()
        in_flight -= 1
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    people = [Phone(f"Person {n}", f"+97798000000{n:02}", "customer") for n in range(20)]
    async with TestServer(app) as server:
        url = str(server.make_url("/webhook"))
        async with Emulator(settings_for(url, webhook_concurrency=3), people) as emulator:
            for person in people:
                await emulator.say(person.number, "Hi")
            await emulator.settled()
    assert most == 3


async def test_log_and_reset(emulator: Emulator, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    wamid = await api.sent_id(biz_opaque_callback_data="x")
    async with api.session.get(f"{api.base_url}/_control/log") as answer:
        (sent,) = (await answer.json())["sends"]
    assert (sent["id"], sent["opaque"], sent["body"]["text"]) == (wamid, "x", {"body": "Hello"})
    await api.control("reset")
    assert (emulator.sends, emulator.transcript(ADA.number)) == ((), [])


async def test_wait_for_counts_what_came_after_the_persons_last_bubble(emulator: Emulator, api: Api) -> None:
    await emulator.say(ADA.number, "Hi")
    waiting = asyncio.create_task(emulator.wait_for(ADA.number, 2))
    await api.send(text={"body": "one"})
    await api.send(text={"body": "two"})
    assert [bubble.text for bubble in await waiting] == ["one", "two"]

    def second(bubble: Bubble) -> bool:
        return bubble.text == "two"

    assert len(await emulator.wait_for(ADA.number, second)) == 2
    await emulator.say(ADA.number, "Thanks")
    with pytest.raises(TimeoutError, match=r"waited 0.01 s for 1 bubble.*Thanks"):
        await emulator.wait_for(ADA.number, timeout=0.01)


async def test_seed_makes_ids_repeatable(emulator: Emulator) -> None:
    twin = Emulator(emulator.settings, [ADA, BEN])
    async with twin:
        assert await twin.say(ADA.number, "Hi") == await emulator.say(ADA.number, "Hi")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{base}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
async def test_other_sites_cannot_act_on_phones(emulator: Emulator, headers: dict[str, str], status: int) -> None:
    filled = {"Content-Type": "application/json"} | {
        name: value.format(base=emulator.base_url) for name, value in headers.items()
    }
    url = f"{emulator.base_url}/phones/%2B{ADA.wa_id}/say"
    async with aiohttp.ClientSession() as session, session.post(url, data=b'{"text":"Hi"}', headers=filled) as answer:
        assert answer.status == status
    assert len(emulator.transcript(ADA.number)) == (status == 200)


async def test_number_is_shared_only_when_it_was_asked_for(emulator: Emulator, bot: Bot, api: Api) -> None:
    await emulator.say(BEN.number, "I hide my number")
    request = {
        "type": "request_contact_info",
        "body": {"text": "Your number?"},
        "action": {"name": "request_contact_info"},
    }
    _, answer = await api.send(to=None, recipient=BEN.bsuid, type="interactive", interactive=request)
    asked = answer["messages"][0]["id"]
    await emulator.share_number(BEN.number, asked)
    await emulator.settled()
    expected = json.loads((FIXTURES / "meta/in_contacts_requested_number.json").read_text())
    recorded = expected["entry"][0]["changes"][0]["value"]["messages"][0]
    shared = bot.messages()[-1]
    assert shared.keys() == recorded.keys() | {"context"}
    assert (shared["origin"], shared["context"]["id"]) == ("contact_request", asked)
    assert shared["contacts"][0].keys() == recorded["contacts"][0].keys()
    assert shared["contacts"][0]["phones"] == [{"phone": BEN.number}]
    with pytest.raises(UnknownMessageError, match="asks for no number"):
        await emulator.share_number(BEN.number, emulator.transcript(BEN.number)[0].id)
