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
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.emulator.webhooks import Courier
from tests.patience import ever_longer

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
        account = EmulatorSettings(
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
        async with Emulator(account, [ADA, BEN]) as emulator, aiohttp.ClientSession(headers=headers) as session:
            bot.emulator, bot.session = emulator, session
            for phone in (ADA, BEN):
                await emulator.say(phone.number, "Hi")
            await emulator.settled()
            bot.bodies.clear()
            yield bot


async def test_batch_is_one_webhook_with_messages_statuses_and_entries(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, gather = asyncio.Event(), Courier._gather

    async def gather_all(courier: Courier, letters: Any) -> int:
        await together.wait()
        return await gather(courier, letters)

    monkeypatch.setattr(Courier, "_gather", gather_all)
    await bot.control("faults", batch_webhooks=100)
    for text in ("one", "two"):
        await bot.emulator.say(ADA.number, text)
    await bot.emulator.say(BEN.number, "three")
    await bot.send()
    await bot.control("webhook", field="account_update", value={"event": "DISABLED_UPDATE"})
    while bot.emulator._exchange.courier.waiting < 6:
        await asyncio.sleep(0)
    together.set()
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
    for seconds in ever_longer():
        bot.bodies.clear()
        await bot.control("faults", answer_delay=seconds)
        _, answer = await bot.send()
        if told := bot.all_of("statuses"):
            break
        await bot.emulator.settled()
    assert told[0]["id"] == answer["messages"][0]["id"]


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
    limits, now = bot.emulator._exchange.limits, bot.emulator._exchange.clock.now() + timedelta(seconds=2)
    limits._now = lambda: now
    await bot.control("limits", throughput=3)
    await bot.emulator.say(ADA.number, "in")
    codes = [answer.get("error", {}).get("code") for _, answer in [await bot.send() for _ in range(4)]]
    assert codes == [None, None, 130429, 130429]
    now += timedelta(seconds=2)
    assert (await bot.send())[0] == 200


async def test_the_messaging_limit_counts_people_outside_their_window_and_is_told(bot: Bot) -> None:
    await bot.control("limits", reach_limit=1, throughput=1000)
    await bot.emulator.settled()
    news = {change["field"]: change["value"] for change in bot.changes()}
    assert news["business_capability_update"]["max_daily_conversations_per_business"] == 1
    assert news["phone_number_quality_update"]["event"] == "THROUGHPUT_UPGRADE"
    number = (await bot.call("GET", f"/v25.0/{NODE}?fields=throughput,whatsapp_business_manager_messaging_limit"))[1]
    assert (number["throughput"], number["whatsapp_business_manager_messaging_limit"]) == (
        {"level": "HIGH"}, "TIER_NOT_SET",
    )  # fmt: skip
    words = {"name": "news", "language": "en", "category": "UTILITY", "components": [{"type": "BODY", "text": "News."}]}
    await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", words)

    async def fate(to: str) -> tuple[str, int | None]:
        template = {"name": "news", "language": {"code": "en"}}
        body = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template}
        answer = (await bot.call("POST", f"/v25.0/{NODE}/messages", body))[1]
        await bot.emulator.settled()
        mine = [one for one in bot.all_of("statuses") if one["id"] == answer["messages"][0]["id"]]
        return mine[-1]["status"], mine[-1].get("errors", [{}])[0].get("code")

    assert await fate(ADA.number) == ("delivered", None)  # inside their window they do not count
    bot.emulator.advance(timedelta(hours=25))
    assert await fate(ADA.number) == ("delivered", None)
    assert await fate(BEN.number) == ("failed", 131048)
    assert await fate(ADA.number) == ("delivered", None)
    await bot.control("limits", reach_limit=None)
    assert await fate(BEN.number) == ("delivered", None)


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


async def test_new_template_is_paced_and_may_be_dropped(bot: Bot) -> None:
    template = {"name": "new", "language": "en", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hi."}]}
    await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", template)
    await bot.emulator.settled()
    wanted = {"name": "new", "language": {"code": "en"}}
    body = {"messaging_product": "whatsapp", "to": ADA.number, "type": "template", "template": wanted}
    said = []
    for pace in ({"times": 1}, {"drop": True}, None):
        await bot.control("faults", pace=pace)
        _, answer = await bot.call("POST", f"/v25.0/{NODE}/messages", body)
        said.append(answer["messages"][0]["message_status"])
    await bot.emulator.settled()
    assert said == ["held_for_quality_assessment", "held_for_quality_assessment", "accepted"]
    statuses = bot.all_of("statuses")
    assert [one["status"] for one in statuses] == ["sent", "delivered", "failed", "sent", "delivered"]
    assert statuses[2]["errors"][0]["code"] == 132015


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=12,
)
BODY = {"text": "Which?"}
BUTTON = {"type": "reply", "reply": {"id": "a", "title": "A"}}
SENDS: list[dict[str, Any]] = [
    {"type": "text", "text": {"body": "x"}},
    {"type": "image", "image": {"link": "https://x.example/a.jpg", "caption": "c"}, "context": {"message_id": "w"}},
    {"type": "document", "document": {"id": "1", "filename": "a.pdf"}},
    {"type": "location", "location": {"latitude": 1, "longitude": "2", "name": "n"}},
    {
        "type": "contacts",
        "contacts": [{"name": {"formatted_name": "A B", "first_name": "A"}, "phones": [{"phone": "1"}]}],
    },
    {"type": "reaction", "reaction": {"message_id": "w", "emoji": "x"}},
    {"type": "interactive", "interactive": {"type": "button", "body": BODY, "action": {"buttons": [BUTTON]}}},
    {
        "type": "interactive",
        "interactive": {
            "type": "list",
            "header": {"type": "text", "text": "h"},
            "body": BODY,
            "action": {"button": "b", "sections": [{"title": "t", "rows": [{"id": "1", "title": "r"}]}]},
        },
    },
    {
        "type": "interactive",
        "interactive": {
            "type": "flow",
            "body": BODY,
            "action": {
                "name": "flow",
                "parameters": {
                    "flow_message_version": "3",
                    "flow_id": "1",
                    "flow_cta": "c",
                    "flow_action": "navigate",
                    "flow_action_payload": {"screen": "S", "data": {"a": 1}},
                },
            },
        },
    },
    {
        "type": "template",
        "template": {
            "name": "order",
            "language": {"code": "en"},
            "components": [
                {"type": "header", "parameters": [{"type": "text", "text": "h"}]},
                {"type": "body", "parameters": [{"type": "text", "text": "b"}]},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "s"}]},
            ],
        },
    },
]
TEMPLATE = {
    "name": "order",
    "language": "en",
    "category": "UTILITY",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "About {{1}}", "example": {"header_text": ["x"]}},
        {"type": "BODY", "text": "Dear {{1}}, hello.", "example": {"body_text": [["x"]]}},
        {"type": "FOOTER", "text": "f"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Pay", "url": "https://x.example/{{1}}"}]},
    ],
}


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in paths_in(one, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, wholes: list[dict[str, Any]]) -> dict[str, Any]:
    """Something valid with one part of it replaced by anything at all."""
    whole: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(wholes))))
    *way, last = draw(st.sampled_from(paths_in(whole)[1:]))
    place: Any = whole
    for key in way:
        place = place[key]
    place[last] = draw(JSON)
    return whole


async def test_no_json_makes_the_api_stumble(bot: Bot) -> None:
    """Whatever a bot sends is taken or refused with a code: never an internal error."""
    for valid in SENDS[:-1]:
        status, answer = await bot.call(
            "POST", f"/v25.0/{NODE}/messages", {"messaging_product": "whatsapp", "to": ADA.number} | valid
        )
        assert status == 200, answer
    assert (await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", TEMPLATE))[0] == 200
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    @settings(max_examples=250, deadline=None, database=None)
    @given(spoilt(SENDS), spoilt([TEMPLATE]))
    def gather(send: dict[str, Any], template: dict[str, Any]) -> None:
        found.append((send, template))

    gather()
    for send, template in found:
        body = {"messaging_product": "whatsapp", "to": ADA.number} | send
        status, answer = await bot.call("POST", f"/v25.0/{NODE}/messages", body)
        assert status == 200 or (status in (400, 404) and answer["error"]["code"] >= 100), send
        status, answer = await bot.call("POST", f"/v25.0/{ACCOUNT}/message_templates", template)
        assert status == 200 or (status == 400 and answer["error"]["code"] >= 100), template
