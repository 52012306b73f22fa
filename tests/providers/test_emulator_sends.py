"""What Meta refuses at once, limit by limit, and how templates are made and filled in."""

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
NODE, ACCOUNT = "700800900100200", "900100200300400"


class Desk:
    """A running emulator, a client of it, and the webhooks that came."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession, webhooks: list[dict[str, Any]]) -> None:
        self.emulator = emulator
        self.session = session
        self.webhooks = webhooks

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        url = f"{self.emulator.base_url}{path}"
        async with self.session.request(method, url, json=body) as answer:
            return answer.status, await answer.json()

    async def send(self, message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        body = {"messaging_product": "whatsapp", "to": ADA.number} | message
        return await self.call("POST", f"/v25.0/{NODE}/messages", body)

    async def send_template(self, name: str, *components: dict[str, Any], language: str = "en") -> Any:
        template = {"name": name, "language": {"code": language}, "components": list(components)}
        status, answer = await self.send({"type": "template", "template": template})
        return answer["error"]["code"] if status != 200 else answer["messages"][0]

    async def create(self, **template: Any) -> tuple[int, dict[str, Any]]:
        body = {"language": "en", "category": "UTILITY"} | template
        return await self.call("POST", f"/v25.0/{ACCOUNT}/message_templates", body)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    webhooks: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        webhooks.append(json.loads(await request.read())["entry"][0]["changes"][0])
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", take)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/webhook")),
            app_secret="s",
            verify_token="v",
            access_token="token",
            phone_number_id=NODE,
            business_account_id=ACCOUNT,
            business_number="+15550100200",
            status_delay=timedelta(0),
            pair_limit=True,
        )
        headers = {"Authorization": "Bearer token"}
        async with Emulator(settings, [ADA]) as emulator, aiohttp.ClientSession(headers=headers) as session:
            await emulator.say(ADA.number, "Hi")
            await emulator.settled()
            webhooks.clear()
            yield Desk(emulator, session, webhooks)


def text(body: object) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def interactive(kind: str, action: dict[str, Any], body: str = "Which?", **more: Any) -> dict[str, Any]:
    content = {"type": kind, "body": {"text": body}, "action": action} | more
    return {"type": "interactive", "interactive": content}


def buttons(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    made = [{"type": "reply", "reply": {"id": one, "title": title}} for one, title in pairs]
    return interactive("button", {"buttons": made}, **more)


def rows(*made: dict[str, str], label: str = "Open", **more: Any) -> dict[str, Any]:
    return interactive("list", {"button": label, "sections": [{"title": "All", "rows": list(made)}]}, **more)


def row(row_id: object, title: str = "Row", description: str = "-") -> dict[str, Any]:
    return {"id": str(row_id), "title": title, "description": description}


def link(title: str = "Open", url: str = "https://sirdar.example") -> dict[str, Any]:
    return interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": title, "url": url}})


TWO_SECTIONS = [
    {"title": "A", "rows": [row(n) for n in range(6)]},
    {"title": "B", "rows": [row(n + 6) for n in range(5)]},
]
PICTURE = "https://sirdar.example/map.png"

ACCEPTED = {
    "text at its limit": text("x" * 4096),
    "emoji text": text("🏔" * 4096),
    "three buttons at their limits": buttons(("a" * 256, "x" * 20), ("b", "B"), ("c", "C"), body="x" * 1024),
    "button header and footer": buttons(
        ("a", "A"), header={"type": "text", "text": "h" * 60}, footer={"text": "f" * 60}
    ),
    "button picture header": buttons(("a", "A"), header={"type": "image", "image": {"link": PICTURE}}),
    "ten rows at their limits": rows(
        row("i" * 200, "t" * 24, "d" * 72), *(row(n) for n in range(9)), label="l" * 20, body="x" * 4096
    ),
    "link button": link("x" * 20),
    "location request": interactive("location_request_message", {"name": "send_location"}, "x" * 1024),
    "location as strings": {"type": "location", "location": {"latitude": "27.9", "longitude": "86.9"}},
    "picture by link": {"type": "image", "image": {"link": PICTURE, "caption": "x" * 1024}},
    "contact": {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ada F", "first_name": "Ada"}}]},
    "reply": text("Hello") | {"context": {"message_id": "wamid.x"}},
    "callback data at its limit": text("Hello") | {"biz_opaque_callback_data": "x" * 512},
    "number without plus": text("Hello") | {"to": ADA.wa_id},
}

REFUSED = {
    "no product": (text("x") | {"messaging_product": None}, 100),
    "no recipient": (text("x") | {"to": None}, 131008),
    "recipient is no number": (text("x") | {"to": "Ada"}, 100),
    "recipient is the business": (text("x") | {"to": "+15550100200"}, 131021),
    "group": (text("x") | {"recipient_type": "group"}, 131215),
    "unknown type": ({"type": "poll", "poll": {}}, 131051),
    "no content": ({"type": "text"}, 131008),
    "no text": ({"type": "text", "text": {}}, 131008),
    "empty text": (text(""), 100),
    "text is no string": (text(7), 100),
    "text too long": (text("x" * 4097), 100),
    "callback data too long": (text("x") | {"biz_opaque_callback_data": "x" * 513}, 131009),
    "context without id": (text("x") | {"context": {}}, 131008),
    "no buttons": (buttons(), 131009),
    "four buttons": (buttons(("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")), 131009),
    "button title too long": (buttons(("a", "x" * 21)), 131009),
    "button title empty": (buttons(("a", "")), 131009),
    "button title twice": (buttons(("a", "A"), ("b", "A")), 131009),
    "button id twice": (buttons(("a", "A"), ("a", "B")), 131009),
    "button id too long": (buttons(("a" * 257, "A")), 131009),
    "button id with a space": (buttons(("a ", "A")), 131009),
    "button body too long": (buttons(("a", "A"), body="x" * 1025), 131009),
    "button without body": (buttons(("a", "A"), body=None), 131008),
    "header too long": (buttons(("a", "A"), header={"type": "text", "text": "x" * 61}), 131009),
    "footer too long": (buttons(("a", "A"), footer={"text": "x" * 61}), 131009),
    "eleven rows": (rows(*(row(n) for n in range(11))), 131009),
    "eleven rows in two sections": (interactive("list", {"button": "Open", "sections": TWO_SECTIONS}), 131009),
    "no rows": (rows(), 131009),
    "row title too long": (rows(row("a", "x" * 25)), 131009),
    "row description too long": (rows(row("a", "A", "x" * 73)), 131009),
    "row id too long": (rows(row("a" * 201)), 131009),
    "row id twice": (rows(row("a"), row("a", "Other")), 131009),
    "list label too long": (rows(row("a"), label="x" * 21), 131009),
    "list body too long": (rows(row("a"), body="x" * 4097), 131009),
    "list with picture header": (rows(row("a"), header={"type": "image", "image": {"link": PICTURE}}), 131009),
    "second section untitled": (
        interactive("list", {"button": "Open", "sections": [{"rows": [row(1)]}, {"rows": [row(2)]}]}),
        131008,
    ),
    "link title too long": (link("x" * 21), 131009),
    "link is no URL": (link(url="javascript:alert(1)"), 131009),
    "interactive of another kind": (interactive("poll", {}), 131009),
    "caption too long": ({"type": "image", "image": {"link": PICTURE, "caption": "x" * 1025}}, 131009),
    "audio with caption": ({"type": "audio", "audio": {"link": PICTURE, "caption": "x"}}, 100),
    "picture from nowhere": ({"type": "image", "image": {}}, 131008),
    "latitude off the earth": ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009),
    "contact with half a name": ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ada"}}]}, 131009),
    "reaction to nothing": ({"type": "reaction", "reaction": {"emoji": "👍"}}, 131008),
    "unknown template": ({"type": "template", "template": {"name": "nope", "language": {"code": "en"}}}, 132001),
}


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_accepted(desk: Desk, message: dict[str, Any]) -> None:
    status, answer = await desk.send(message)
    assert status == 200, answer
    assert len(desk.emulator.transcript(ADA.number)) == 2


@pytest.mark.parametrize(("message", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused(desk: Desk, message: dict[str, Any], code: int) -> None:
    """Each limit gives its code in the Graph shape, and nothing reaches the phone."""
    status, answer = await desk.send(message)
    assert (status, answer["error"]["code"]) == (404 if code == 132001 else 400, code)
    assert answer["error"]["message"].startswith(f"(#{code}) ")
    assert answer["error"]["error_data"]["details"]
    assert desk.emulator.sends == ()


async def test_body_that_is_no_json_object(desk: Desk) -> None:
    for body in (b"{", b"[]", b'"x"'):
        url = f"{desk.emulator.base_url}/v25.0/{NODE}/messages"
        headers = {"Content-Type": "application/json"}
        async with desk.session.post(url, data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100)


async def test_reaction_of_the_bot_is_only_ever_sent(desk: Desk) -> None:
    target = desk.emulator.transcript(ADA.number)[0].id
    status, _ = await desk.send({"type": "reaction", "reaction": {"message_id": target, "emoji": "👍"}})
    await desk.emulator.settled()
    assert status == 200
    assert [change["value"]["statuses"][0]["status"] for change in desk.webhooks] == ["sent"]
    assert desk.emulator.transcript(ADA.number)[0].business_reaction == "👍"


async def test_pair_limit(desk: Desk) -> None:
    answers = [await desk.send(text(str(n))) for n in range(46)]
    assert [status for status, _ in answers] == [200] * 45 + [400]
    assert answers[-1][1]["error"]["code"] == 131056
    desk.emulator.advance(timedelta(seconds=6))
    assert (await desk.send(text("again")))[0] == 200


async def test_template_from_creation_to_tap(desk: Desk) -> None:
    status, created = await desk.create(
        name="trip_reminder",
        components=[
            {"type": "HEADER", "format": "TEXT", "text": "Trip {{1}}"},
            {"type": "BODY", "text": "Hi {{1}}, {{2}} starts soon."},
            {"type": "FOOTER", "text": "Sirdar Treks"},
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "Confirm"},
                    {"type": "QUICK_REPLY", "text": "Stop"},
                    {"type": "URL", "text": "Itinerary", "url": "https://sirdar.example/{{1}}"},
                ],
            },
        ],
    )
    assert (status, created["status"], created["category"]) == (200, "PENDING", "UTILITY")
    await desk.emulator.settled()
    approval = desk.webhooks.pop()
    assert (approval["field"], approval["value"]["event"]) == ("message_template_status_update", "APPROVED")
    assert approval["value"]["message_template_id"] == int(created["id"])

    desk.emulator.advance(timedelta(hours=25))
    sent = await desk.send_template(
        "trip_reminder",
        {"type": "header", "parameters": [{"type": "text", "text": "EBC"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "it"}]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "confirm:9"}],
        },
        {"type": "button", "sub_type": "url", "index": 2, "parameters": [{"type": "text", "text": "ebc"}]},
    )
    assert sent["message_status"] == "accepted"
    bubble = desk.emulator.transcript(ADA.number)[-1]
    assert (bubble.header, bubble.text, bubble.footer) == ("Trip EBC", "Hi Ada, it starts soon.", "Sirdar Treks")
    assert [(one.id, one.url) for one in bubble.buttons] == [
        ("confirm:9", None),
        ("Stop", None),
        ("", "https://sirdar.example/ebc"),
    ]
    await desk.emulator.settled()
    pricing = desk.webhooks[-1]["value"]["statuses"][0]["pricing"]
    assert (pricing["category"], pricing["type"], pricing["billable"]) == ("utility", "regular", True)

    await desk.emulator.tap(ADA.number, sent["id"], "confirm:9")
    await desk.emulator.settled()
    (message,) = desk.webhooks[-1]["value"]["messages"]
    assert message["button"] == {"payload": "confirm:9", "text": "Confirm"}
    assert (message["type"], message["context"]["id"]) == ("button", sent["id"])


async def test_template_parameters_must_fit(desk: Desk) -> None:
    await desk.create(name="greeting", components=[{"type": "BODY", "text": "Hi {{1}} and {{2}}."}])
    await desk.create(
        name="named", parameter_format="NAMED", components=[{"type": "BODY", "text": "On {{day}}, {{who}}!"}]
    )

    def body(*texts: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
        made = [{"type": "text", "text": one} for one in texts]
        named = [{"parameter_name": name} for name in names] or [{} for _ in made]
        return {"type": "body", "parameters": [one | name for one, name in zip(made, named, strict=True)]}

    assert await desk.send_template("greeting") == 132000
    assert await desk.send_template("greeting", body("Ada")) == 132000
    assert await desk.send_template("greeting", body("Ada", "B\nen")) == 132018
    assert await desk.send_template("greeting", body("Ada", "x" * 1024)) == 132005
    assert await desk.send_template("greeting", body("Ada", "Ben"), language="en_US") == 132001
    assert await desk.send_template("named", body("Ada", "Monday", names=("who", "wrong"))) == 100
    assert "id" in await desk.send_template("named", body("Ada", "Monday", names=("who", "day")))
    assert desk.emulator.transcript(ADA.number)[-1].text == "On Monday, Ada!"
    for status, code in (("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)):
        assert (await desk.call("POST", "/_control/templates/greeting", {"status": status}))[0] == 200
        assert await desk.send_template("greeting", body("Ada", "Ben")) == code
    await desk.emulator.settled()
    events = [one["value"]["event"] for one in desk.webhooks if one["field"] != "messages"]
    assert events[-3:] == ["PAUSED", "DISABLED", "REJECTED"]


@pytest.mark.parametrize(
    ("template", "subcode"),
    [
        ({"name": "Bad-Name", "components": [{"type": "BODY", "text": "x"}]}, None),
        ({"name": "long_body", "components": [{"type": "BODY", "text": "x" * 1025}]}, 2388072),
        ({"name": "edge", "components": [{"type": "BODY", "text": "Hi {{1}}"}]}, 2388299),
        ({"name": "gap", "components": [{"type": "BODY", "text": "Hi {{2}}."}]}, 2388072),
        ({"name": "named", "components": [{"type": "BODY", "text": "Hi {{who}}."}]}, 2388072),
        ({"name": "no_body", "components": [{"type": "FOOTER", "text": "x"}]}, 2388072),
        ({"name": "foot", "components": [{"type": "FOOTER", "text": "x" * 61}]}, 2388073),
        ({"name": "taken", "components": [{"type": "BODY", "text": "x"}]}, 2388024),
        ({"name": "odd", "category": "OTHER", "components": [{"type": "BODY", "text": "x"}]}, None),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
async def test_template_creation_is_checked(desk: Desk, template: dict[str, Any], subcode: int | None) -> None:
    await desk.create(name="taken", components=[{"type": "BODY", "text": "x"}])
    status, answer = await desk.create(**template)
    assert (status, answer["error"]["code"], answer["error"].get("error_subcode")) == (400, 100, subcode)


async def test_template_list_pages_and_deletion(desk: Desk) -> None:
    for language in ("en", "ne"):
        await desk.create(name="one", language=language, components=[{"type": "BODY", "text": "x"}])
    await desk.create(name="two", components=[{"type": "BODY", "text": "x"}])
    _, first = await desk.call("GET", f"/v25.0/{ACCOUNT}/message_templates?limit=2&fields=name,language")
    assert [(one["name"], one["language"]) for one in first["data"]] == [("one", "en"), ("one", "ne")]
    async with desk.session.get(first["paging"]["next"]) as answer:
        last = await answer.json()
    assert [one["name"] for one in last["data"]] == ["two"]
    assert "next" not in last["paging"]
    assert (await desk.call("DELETE", f"/v25.0/{ACCOUNT}/message_templates?name=one"))[1] == {"success": True}
    _, left = await desk.call("GET", f"/v25.0/{ACCOUNT}/message_templates?status=APPROVED")
    assert [one["name"] for one in left["data"]] == ["two"]
