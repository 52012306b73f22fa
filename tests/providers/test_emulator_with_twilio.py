"""Twilio's official SDK talks to the emulator as to Twilio, and its RequestValidator believes our webhooks."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import aiohttp
import hypothesis
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.content.v1.content import ContentList

from providers.emulator import Bubble, Card, Emulator, EmulatorSettings, Phone, Receipt
from providers.emulator.twilio.signature import signature
from tests.patience import ever_longer

FIXTURES = Path(__file__).parent.parent / "fixtures"
ACCOUNT, TOKEN = "AC0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "fixture-auth-token-0001"
ADA = Phone("Ada Fixture", "+15550142233", "customer")
BEN = Phone("Ben Hidden", "+15550142244", "guide", bsuid="US.40000000000000000001", number_hidden=True)
BUSINESS, TO_ADA = "whatsapp:+15550100200", "whatsapp:+15550142233"
SERVICE = "MG" + "ab" * 16
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

T = TypeVar("T")


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{ACCOUNT}:{password}".encode()).decode()}


class OtherHost(TwilioHttpClient):
    """The whole shim: what is meant for a host of Twilio's goes to the emulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base = urlsplit(base_url)

    def request(self, method: str, url: str, *args: Any, **rest: Any) -> Any:
        parts = urlsplit(url)
        assert (parts.hostname or "").endswith(".twilio.com") or parts.netloc == self._base.netloc
        url = urlunsplit((self._base.scheme, self._base.netloc, parts.path, parts.query, ""))
        return super().request(method, url, *args, **rest)


class Desk:
    """A bot that only listens, the SDK's client, and a plain one."""

    def __init__(self) -> None:
        self.emulator: Any = None
        self.sdk: Any = None
        self.session: Any = None
        self.hook = ""
        self.posts: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.answers: list[web.Response | int] = []
        self.believed = True

    async def take(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        url = f"{request.scheme}://{request.host}{request.raw_path}"
        self.believed &= RequestValidator(TOKEN).validate(url, form, request.headers["X-Twilio-Signature"])
        self.posts.append((request.path, form, dict(request.headers)))
        answer = self.answers.pop(0) if self.answers else 200
        return answer if isinstance(answer, web.Response) else web.Response(status=answer)

    async def picture(self, request: web.Request) -> web.Response:
        if request.match_info["name"] == "permit.pdf":
            named = {"Content-Disposition": 'attachment; filename="Permit 7.pdf"'}
            return web.Response(body=b"%PDF-1.4", content_type="application/pdf", headers=named)
        if request.match_info["name"] == "huge.jpg":
            return web.Response(body=bytes(5 * 1024 * 1024 + 1), content_type="image/jpeg")
        return web.Response(body=JPEG, content_type="image/jpeg")

    def heard(self, path: str = "/hook") -> list[dict[str, str]]:
        return [form for at, form, _ in self.posts if at == path]

    async def call(self, do: Callable[[], T]) -> T:
        return await asyncio.to_thread(do)

    async def send(self, **wanted: Any) -> Any:
        wanted = {"from_": BUSINESS, "to": TO_ADA} | wanted
        return await self.call(lambda: self.sdk.messages.create(**wanted))

    async def refused(self, **wanted: Any) -> tuple[int, int]:
        with pytest.raises(TwilioRestException) as caught:
            await self.send(**wanted)
        return caught.value.status, caught.value.code

    async def outcome(self, **wanted: Any) -> list[tuple[str, str]]:
        """The statuses that a send is reported with, and the error code."""
        before = len(self.heard("/status"))
        await self.send(status_callback=self.hook.replace("/hook", "/status?attempt=7%20a"), **wanted)
        await self.emulator.settled()
        return [(one["MessageStatus"], one.get("ErrorCode", "")) for one in self.heard("/status")[before:]]

    async def content(self, **types: Any) -> Any:
        wanted = {"friendly_name": "x", "language": "en", "types": types.pop("types"), **types}
        request = ContentList.ContentCreateRequest(wanted)
        return await self.call(lambda: self.sdk.content.v1.contents.create(request))

    async def plain(self, method: str, path: str, **rest: Any) -> tuple[int, Any]:
        url = f"{self.emulator.base_url}{path}"
        async with self.session.request(method, url, **rest) as answer:
            return answer.status, await answer.json()

    def shown(self) -> Bubble:
        bubble: Bubble = self.emulator.transcript(ADA.number)[-1]
        return bubble


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    app = web.Application()
    app.router.add_post("/hook", desk.take)
    app.router.add_post("/status", desk.take)
    app.router.add_get("/files/{name}", desk.picture)
    async with TestServer(app) as server:
        desk.hook = str(server.make_url("/hook"))
        settings = EmulatorSettings(
            provider="twilio",
            webhook_url=desk.hook,
            business_number="+15550100200",
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            messaging_service_sid=SERVICE,
            status_delay=timedelta(0),
            retry_first=timedelta(milliseconds=2),
        )
        async with Emulator(settings, [ADA, BEN]) as emulator, aiohttp.ClientSession(headers=basic(TOKEN)) as session:
            desk.emulator, desk.session = emulator, session
            desk.sdk = Client(ACCOUNT, TOKEN, http_client=OtherHost(emulator.base_url))
            await emulator.say(ADA.number, "Hi")
            await emulator.settled()
            desk.posts.clear()
            yield desk
    assert desk.believed, "RequestValidator refused a webhook"


VECTORS = json.loads((FIXTURES / "vectors/signatures.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["twilio_x_twilio_signature_form"], ids=lambda vector: vector["name"])
def test_signature_is_twilios(vector: dict[str, Any]) -> None:
    form = [(name, value) for name, value in vector["post_params"]]
    assert signature(vector["auth_token"], vector["url"], form) == vector["signature"]


def fixture(name: str) -> dict[str, str]:
    return dict(parse_qsl((FIXTURES / f"twilio/{name}.txt").read_text(), keep_blank_values=True))


def without(form: dict[str, str], *names: str) -> dict[str, str]:
    sids = {"SmsMessageSid", "SmsSid", "MessageSid", "MessagingServiceSid", *names}
    return {name: value for name, value in form.items() if name not in sids}


async def test_inbound_forms_are_the_recorded_ones(desk: Desk) -> None:
    emulator = desk.emulator
    await emulator.say(ADA.number, "1+1=2 & café ☕\nsecond line ")
    await emulator.send_image(ADA.number, JPEG, caption="Receipt")
    await emulator.send_media(ADA.number, b"OggS", "audio/ogg; codecs=opus", voice=True)
    await emulator.send_media(ADA.number, b"%PDF", "application/pdf", filename="order-17.pdf")
    await emulator.send_contacts(ADA.number, [Card(name="Ben Guide", phones=("+9779800000001",))])
    await emulator.send_location(
        ADA.number, 48.20849, 16.37208, name="Fixture Cafe", address="Example Ring 1, 1010 Wien"
    )
    await emulator.send_location(ADA.number, -33.86785, 151.20732)
    await emulator.settled()
    names = (
        "in_text_unicode_plus_newline",
        "in_image_caption",
        "in_voice",
        "in_document",
        "in_contact_vcard",
        "in_location",
        "in_location_pin",
    )
    for form, name in zip(desk.heard(), names, strict=True):
        assert without(form, "MediaUrl0") == without(fixture(name), "MediaUrl0"), name
        assert form["MessageSid"][:2] == fixture(name)["MessageSid"][:2]
        assert len(form["MessageSid"]) == 34
    assert desk.posts[0][2]["Content-Type"].startswith("application/x-www-form-urlencoded")
    await emulator.say(BEN.number, "I hide my number")
    await emulator.settled()
    expected = fixture("in_text_bsuid_only") | {"ProfileName": BEN.name}
    assert without(desk.heard()[-1]) == without(expected)


async def test_media_needs_the_password_and_redirects_to_a_link_that_needs_none(desk: Desk) -> None:
    sid = await desk.emulator.send_image(ADA.number, JPEG)
    await desk.emulator.settled()
    url = desk.heard()[0]["MediaUrl0"]
    async with aiohttp.ClientSession() as stranger:
        async with stranger.get(url) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, 20003)
        async with desk.session.get(url, allow_redirects=False) as answer:
            assert answer.status == 307
        async with stranger.get(answer.headers["Location"]) as answer:
            assert (await answer.read(), answer.content_type) == (JPEG, "image/jpeg")
        desk.emulator.advance(timedelta(minutes=6))
        async with stranger.get(str(answer.url)) as answer:
            assert answer.status == 403
    (media,) = await desk.call(lambda: desk.sdk.messages(sid).media.list())
    assert media.content_type == "image/jpeg"
    assert (await desk.call(lambda: desk.sdk.messages(sid).media(media.sid).fetch())).parent_sid == sid
    assert await desk.call(lambda: desk.sdk.messages(sid).media(media.sid).delete())
    async with desk.session.get(url) as answer:
        assert answer.status == 404


async def test_text_goes_out_with_signed_callbacks(desk: Desk) -> None:
    sent = await desk.send(body="Hello", status_callback=desk.hook.replace("/hook", "/status?attempt=7%20a"))
    assert (sent.status, sent.direction, sent.num_segments, sent.error_code) == ("queued", "outbound-api", "1", None)
    await desk.emulator.settled()
    await desk.emulator.read(ADA.number)
    await desk.emulator.settled()
    statuses = desk.heard("/status")
    assert [one["MessageStatus"] for one in statuses] == ["sent", "delivered", "read"]
    assert without(statuses[1]) == without(fixture("status_delivered"), "ChannelInstallSid") | {
        "ChannelInstallSid": statuses[1]["ChannelInstallSid"]
    }
    assert {one["MessageSid"] for one in statuses} == {sent.sid}
    fetched = await desk.call(lambda: desk.sdk.messages(sent.sid).fetch())
    assert (fetched.status, fetched.body, fetched.to) == ("read", "Hello", TO_ADA)
    assert desk.shown().receipt is Receipt.READ


async def test_answer_has_the_recorded_members(desk: Desk) -> None:
    form = {"To": TO_ADA, "From": BUSINESS, "Body": "Hello"}
    status, answer = await desk.plain("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", data=form)
    expected = json.loads((FIXTURES / "twilio/api_create_ok.json").read_text())
    changing = {"sid", "uri", "subresource_uris", "date_created", "date_updated"}
    assert status == 201
    assert answer.keys() == expected.keys()
    assert {key: answer[key] for key in expected if key not in changing} == {
        key: expected[key] for key in expected if key not in changing
    }


REFUSALS: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"body": "x" * 1601}, (400, 21617)),
    ({}, (400, 21619)),
    ({"body": "x", "to": "whatsapp:+abc"}, (400, 21211)),
    ({"body": "x", "to": "+15550142233"}, (400, 21910)),
    ({"body": "x", "from_": "+15550100200"}, (400, 21910)),
    ({"body": "x", "from_": "whatsapp:+15550109999"}, (400, 63007)),
    ({"body": "x", "from_": ""}, (400, 21603)),
    ({"body": "x", "to": ""}, (400, 21604)),
    ({"media_url": ["ftp://x"]}, (400, 21620)),
    ({"media_url": ["https://x.example/1", "https://x.example/2"]}, (400, 21623)),
    ({"body": "x", "status_callback": "nowhere"}, (400, 21609)),
    ({"body": "x", "status_callback": "https://bad_host.example/"}, (400, 21609)),
    ({"content_sid": "HX" + "0" * 32}, (400, 21655)),
    ({"content_variables": "{}"}, (400, 21654)),
    ({"body": "x", "validity_period": 40000}, (400, 20422)),
    ({"persistent_action": ["geo:91,0"]}, (400, 20422)),
]


@pytest.mark.parametrize(("wanted", "expected"), REFUSALS, ids=[str(code) for _, (_, code) in REFUSALS])
async def test_send_is_refused_at_once(desk: Desk, wanted: dict[str, Any], expected: tuple[int, int]) -> None:
    assert await desk.refused(**wanted) == expected
    assert desk.emulator.sends == ()


async def test_errors_have_twilios_shape_and_can_be_had_on_demand(desk: Desk) -> None:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    for code, status in ((20003, 401), (20429, 429), (21617, 400)):
        await desk.plain("POST", "/_control/faults", json={"send": {"status": status, "code": code}})
        answered = await desk.plain("POST", path, data={})
        assert answered == (status, json.loads((FIXTURES / f"twilio/api_error_{code}.json").read_text()))
    async with (
        aiohttp.ClientSession(headers=basic("wrong")) as stranger,
        stranger.get(f"{desk.emulator.base_url}{path}") as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (401, 20003)
    assert (await desk.plain("GET", "/2010-04-01/Accounts/AC1/Messages.json"))[1]["code"] == 20404
    assert (await desk.plain("GET", "/v1/Nothing"))[1]["code"] == 20404
    with pytest.raises(TwilioRestException, match="was not found"):
        await desk.call(lambda: desk.sdk.messages("SM" + "0" * 32).fetch())


async def test_accepted_message_fails_later(desk: Desk) -> None:
    emulator = desk.emulator
    assert await desk.outcome(body="x", to="whatsapp:+15550149999") == [("undelivered", "63024")]
    form = desk.heard("/status")[-1]
    assert (form["EventType"], form["ChannelStatusMessage"]) == ("UNDELIVERED", "Invalid message recipient")
    assert await desk.outcome(media_url=[desk.hook + "/none.jpg"]) == [("failed", "63019")]
    assert await desk.outcome(media_url=[desk.hook.replace("hook", "files/huge.jpg")]) == [("failed", "63034")]
    emulator._exchange.faults.update({"fail": {"code": 63018}})
    assert await desk.outcome(body="x") == [("failed", "63018")]
    emulator.advance(timedelta(hours=24, seconds=1))
    assert await desk.outcome(body="x") == [("failed", "63016")]
    failed = (await desk.call(lambda: desk.sdk.messages.list(limit=1)))[0]
    assert (failed.status, failed.error_code, failed.error_message) == (
        "failed",
        63016,
        "Free-form text outside the 24 h window",
    )
    await desk.plain("POST", "/_control/act/opt_out", json={"number": ADA.number})
    assert await desk.refused(body="x") == (400, 21610)


async def test_media_location_and_bsuid_go_out(desk: Desk) -> None:
    files = desk.hook.replace("hook", "files/")
    await desk.send(body="The route", media_url=[files + "map.jpg"])
    shown = desk.shown()
    assert (shown.kind, shown.text, shown.media is not None and shown.media.id is not None) == (
        "image",
        "The route",
        True,
    )
    await desk.send(body="no caption on documents", media_url=[files + "permit.pdf"])
    shown = desk.shown()
    assert (shown.kind, shown.text, shown.media and shown.media.filename) == ("document", "", "Permit 7.pdf")
    await desk.send(body="Here", persistent_action=["geo:27.7,85.3|Thamel"])
    assert desk.shown().place is not None
    await desk.emulator.say(BEN.number, "Hi")
    await desk.send(to=f"whatsapp:{BEN.bsuid}", body="Hello you")
    assert desk.emulator.transcript(BEN.number)[-1].text == "Hello you"


async def test_buttons_and_lists_are_content_and_their_taps_come_back(desk: Desk) -> None:
    emulator = desk.emulator
    replies = [{"title": "Confirm", "id": "confirm:{{2}}"}, {"title": "Cancel", "id": "cancel"}]
    quick = {"twilio/quick-reply": {"body": "Hi {{1}}?", "actions": replies}, "twilio/text": {"body": "Hi {{1}}"}}
    created = await desk.content(types=quick, variables={"1": "you", "2": "0"})
    items = [{"item": "{{1}}", "id": "slot:0930", "description": "Tuesday morning"}]
    menu = {"twilio/list-picker": {"body": "When?", "button": "Times", "items": items}}
    picker = await desk.content(types=menu, variables={"1": "x"})
    sent = await desk.send(content_sid=created.sid, content_variables='{"1": "Ada", "2": "42"}')
    shown = desk.shown()
    assert (shown.kind, shown.text, [one.id for one in shown.buttons]) == (
        "buttons",
        "Hi Ada?",
        ["confirm:42", "cancel"],
    )
    listed = await desk.send(content_sid=picker.sid, content_variables='{"1": "09:30"}')
    assert desk.shown().menu is not None
    await emulator.tap(ADA.number, sent.sid, "confirm:42")
    await emulator.pick(ADA.number, listed.sid, "slot:0930")
    await emulator.say(ADA.number, "This one please", quote=sent.sid)
    await emulator.settled()
    for form, name in zip(
        desk.heard(), ("in_interactive_quick_reply", "in_interactive_list_reply", "in_reply_context"), strict=True
    ):
        expected = fixture(name)
        quoted = form["OriginalRepliedMessageSid"]
        assert quoted in (sent.sid, listed.sid)
        assert without(form, "OriginalRepliedMessageSid", "ChannelMetadata") == without(
            expected, "OriginalRepliedMessageSid", "ChannelMetadata"
        )
        if "ChannelMetadata" in expected:
            assert json.loads(form["ChannelMetadata"]) == json.loads(expected["ChannelMetadata"])
    # A variable that is left out has the sample's value.
    await desk.send(content_sid=created.sid)
    assert desk.shown().text == "Hi you?"
    assert await desk.refused(content_sid=created.sid, content_variables='{"1": 7}') == (400, 21656)
    assert await desk.refused(content_sid=created.sid, content_variables="[") == (400, 21656)


async def test_content_is_approved_and_then_leaves_outside_the_window(desk: Desk) -> None:
    body = "Dear {{1}}, your payment of {{2}} is due."
    replies = [{"title": f"Day {place}", "id": str(place)} for place in range(4)]
    types = {"twilio/quick-reply": {"body": body, "actions": replies}}
    content = await desk.content(types=types, variables={"1": "Ada", "2": "NPR 1"})
    desk.emulator.advance(timedelta(hours=25))
    wanted = {"content_sid": content.sid, "content_variables": '{"1": "Maya", "2": "NPR 500"}'}
    assert await desk.outcome(**wanted) == [("failed", "63016")]
    path = f"/v1/Content/{content.sid}/ApprovalRequests"
    assert (await desk.plain("GET", path))[1]["whatsapp"]["status"] == "unsubmitted"
    asked = {"name": "payment_due", "category": "UTILITY"}
    status, answer = await desk.plain("POST", f"{path}/whatsapp", json=asked)
    assert (status, answer["status"], answer["name"]) == (201, "received", "payment_due")
    fetched = await desk.call(lambda: desk.sdk.content.v1.contents(content.sid).approval_fetch().fetch())
    expected = json.loads((FIXTURES / "twilio/content_approval_fetch.json").read_text())["whatsapp"]
    assert fetched.whatsapp == expected | {"name": "payment_due"}
    assert await desk.outcome(**wanted) == [("sent", ""), ("delivered", "")]
    assert (desk.shown().kind, desk.shown().text) == ("template", "Dear Maya, your payment of NPR 500 is due.")
    await desk.emulator.tap(ADA.number, desk.shown().id, "2")
    await desk.emulator.settled()
    assert desk.heard()[-1]["MessageType"] == "button"
    assert await desk.outcome(content_sid=content.sid, content_variables='{"1": "a\\nb"}') == [("failed", "63005")]
    for state, code in (("paused", "63041"), ("disabled", "63042"), ("rejected", "63040")):
        await desk.plain("POST", "/_control/templates/payment_due", json={"status": state})
        assert await desk.outcome(**wanted) == [("failed", code)]


async def test_content_life_with_the_sdk(desk: Desk) -> None:
    contents = desk.sdk.content.v1.contents
    created = await desk.content(types={"twilio/text": {"body": "Hi {{1}}, see you {{2}}?"}}, variables={"1": "Ada"})
    expected = json.loads((FIXTURES / "twilio/content_create_ok.json").read_text())
    _, fetched = await desk.plain("GET", f"/v1/Content/{created.sid}")
    assert fetched.keys() == expected.keys() | {"date_created", "date_updated"}
    others = [await desk.content(types={"twilio/text": {"body": str(number)}}) for number in range(3)]
    listed = await desk.call(lambda: contents.list(page_size=2))
    assert {one.sid for one in listed} == {created.sid, *(one.sid for one in others)}
    both = await desk.call(lambda: desk.sdk.content.v1.content_and_approvals.list())
    assert {one.approval_requests["status"] for one in both} == {"unsubmitted"}
    assert await desk.call(lambda: contents(created.sid).delete())
    assert (await desk.plain("GET", f"/v1/Content/{created.sid}"))[0] == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"types": {"twilio/text": {"body": "x"}}},
        {"language": "en"},
        {"language": "en", "types": {"twilio/poem": {}}},
        {"language": "en", "types": {"twilio/text": {}}},
        {"language": "en", "variables": {"1": 1}, "types": {"twilio/text": {"body": "x"}}},
        {"language": "en", "types": {"twilio/quick-reply": {"body": "x", "actions": []}}},
        {"language": "en", "types": {"twilio/quick-reply": {"body": "x", "actions": [{"title": "y" * 21}]}}},
        {
            "language": "en",
            "types": {"twilio/list-picker": {"body": "x", "button": "b", "items": [{"item": "i", "id": "i"}] * 11}},
        },
        {"language": "en", "types": {"twilio/call-to-action": {"body": "x", "actions": [{"type": "X", "title": "y"}]}}},
        [],
    ],
)
async def test_content_that_makes_no_sense_is_refused(desk: Desk, wanted: Any) -> None:
    status, answer = await desk.plain("POST", "/v1/Content", json=wanted)
    assert (status, answer["code"]) == (400, 20422)


async def test_lists_cannot_be_approved(desk: Desk) -> None:
    menu = {"twilio/list-picker": {"body": "When?", "button": "Times", "items": [{"item": "a", "id": "a"}]}}
    content = await desk.content(types=menu)
    asked = {"name": "times", "category": "UTILITY"}
    path = f"/v1/Content/{content.sid}/ApprovalRequests/whatsapp"
    assert (await desk.plain("POST", path, json=asked))[0] == 400


async def test_messages_are_listed_filtered_and_paged(desk: Desk) -> None:
    for number in range(5):
        await desk.send(body=str(number))
    listed = await desk.call(lambda: desk.sdk.messages.list(page_size=2))
    assert [one.body for one in listed] == ["4", "3", "2", "1", "0", "Hi"]
    inbound = await desk.call(lambda: desk.sdk.messages.list(from_=TO_ADA))
    assert [(one.direction, one.status) for one in inbound] == [("inbound", "received")]
    first = listed[0].sid
    assert (await desk.call(lambda: desk.sdk.messages(first).update(body=""))).body == ""
    with pytest.raises(TwilioRestException, match="canceled"):
        await desk.call(lambda: desk.sdk.messages(first).update(status="canceled"))
    assert await desk.call(lambda: desk.sdk.messages(first).delete())
    assert len(await desk.call(lambda: desk.sdk.messages.list())) == 5


async def test_messaging_service_accepts_first_and_then_queues(desk: Desk) -> None:
    statuses = await desk.outcome(messaging_service_sid=SERVICE, body="x")
    assert [one for one, _ in statuses] == ["queued", "sent", "delivered"]
    sent = await desk.send(messaging_service_sid=SERVICE, body="x")
    assert (sent.status, sent.messaging_service_sid) == ("accepted", SERVICE)


async def test_webhook_is_repeated_only_as_twilio_does(desk: Desk) -> None:
    desk.answers = [500]
    await desk.emulator.say(ADA.number, "lost")
    await desk.emulator.settled()
    assert len(desk.posts) == 1
    _, log = await desk.plain("GET", "/_control/log")
    assert [alert["code"] for alert in log["webhooks"]["alerts"]] == [11200]
    desk.emulator.webhook_url = desk.hook + "#rc=3&rp=5xx"
    desk.answers = [500, 503]
    await desk.emulator.say(ADA.number, "kept")
    await desk.emulator.settled()
    assert [form["Body"] for form in desk.heard()] == ["lost", "kept", "kept", "kept"]
    tokens = [headers["I-Twilio-Idempotency-Token"] for _, _, headers in desk.posts[1:]]
    assert len(set(tokens)) == 1
    desk.answers = [404]
    await desk.emulator.say(ADA.number, "not this kind")
    await desk.emulator.settled()
    assert len(desk.posts) == 5


@pytest.mark.parametrize(
    ("reply", "texts", "alerts"),
    [
        (web.Response(text="<Response/>", content_type="text/xml"), [], []),
        (web.Response(status=204), [], []),
        (
            web.Response(
                text="<Response><Message>Hello</Message><Message><Body>Again</Body></Message></Response>",
                content_type="text/xml",
            ),
            ["Hello", "Again"],
            [],
        ),
        (web.Response(text="ok"), ["ok"], []),
        (web.Response(text="<Response", content_type="text/xml"), [], [12100]),
        (web.Response(text="{}", content_type="application/json"), [], [12300]),
    ],
)
async def test_reply_to_a_webhook_may_be_a_message(
    desk: Desk, reply: web.Response, texts: list[str], alerts: list[int]
) -> None:
    desk.answers = [reply]
    await desk.emulator.say(ADA.number, "Anyone?")
    await desk.emulator.settled()
    assert [bubble.text for bubble in desk.emulator.transcript(ADA.number)[2:]] == texts
    assert [alert.code for alert in desk.emulator._exchange.courier.alerts] == alerts


async def test_typing_reads_and_shows_in_both_versions(desk: Desk) -> None:
    sid = await desk.emulator.say(ADA.number, "Hello?")
    await desk.emulator.settled()
    form = {"messageId": sid, "channel": "whatsapp"}
    assert await desk.plain("POST", "/v2/Indicators/Typing.json", data=form) == (200, {"success": True})
    assert desk.shown().receipt is Receipt.READ
    wanted = {"messageId": sid, "channel": "WHATSAPP"}
    assert await desk.plain("POST", "/v3/Indicators/Typing.json", json=wanted) == (200, {"success": True})
    assert (await desk.plain("POST", "/v3/Indicators/Typing.json", json=wanted | {"channel": "whatsapp"}))[0] == 400
    assert (await desk.plain("POST", "/v3/Indicators/Typing.json", json=wanted | {"messageId": "SM1"}))[0] == 404


async def test_sender_says_where_webhooks_go(desk: Desk) -> None:
    _, listed = await desk.plain("GET", "/v2/Channels/Senders?Channel=whatsapp")
    sid = listed["senders"][0]["sid"]
    assert listed["senders"][0]["status"] == "ONLINE"
    webhook = {"callback_url": desk.hook + "?moved=1", "status_callback_url": desk.hook.replace("/hook", "/status")}
    assert (await desk.plain("POST", f"/v2/Channels/Senders/{sid}", json={"webhook": webhook}))[0] == 202
    await desk.emulator.say(ADA.number, "Hi again")
    await desk.send(body="Hello")
    await desk.emulator.settled()
    assert [form["Body"] for form in desk.heard()] == ["Hi again"]
    assert [form["MessageStatus"] for form in desk.heard("/status")] == ["sent", "delivered"]


async def test_too_many_calls_at_once(desk: Desk) -> None:
    await desk.plain("POST", "/_control/limits", json={"rest_concurrency": 1})
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": TO_ADA, "From": BUSINESS, "Body": "x"}
    for seconds in ever_longer():
        await desk.plain("POST", "/_control/faults", json={"delay": seconds})
        answers = await asyncio.gather(*(desk.plain("POST", path, data=form) for _ in range(3)))
        if sorted(status for status, _ in answers) == [201, 429, 429]:
            break


async def test_any_form_can_be_posted(desk: Desk) -> None:
    params = {"From": TO_ADA, "WaId": ADA.wa_id, "Body": "fwd", "Forwarded": "true", "ProfileName": ADA.name}
    await desk.plain("POST", "/_control/webhook", json={"params": params})
    await desk.emulator.settled()
    assert without(desk.heard()[0]) == without(fixture("in_forwarded"))
    assert (await desk.plain("POST", "/_control/webhook", json={"field": "messages"}))[0] == 400


async def test_behind_a_proxy_the_public_address_is_signed(desk: Desk) -> None:
    desk.emulator.settings.public_url = "https://bot.fixture.example"
    await desk.emulator.say(ADA.number, "Hi")
    await desk.emulator.settled()
    (_, form, headers) = desk.posts[0]
    assert RequestValidator(TOKEN).validate("https://bot.fixture.example/hook", form, headers["X-Twilio-Signature"])
    desk.believed = True  # the address inside is not the one that was signed


async def test_forged_webhook_is_refused_by_the_validator(desk: Desk) -> None:
    desk.emulator._exchange.faults.update({"forge_webhooks": 1})
    await desk.emulator.say(ADA.number, "Hi")
    await desk.emulator.settled()
    believed = [RequestValidator(TOKEN).validate(desk.hook, form, h["X-Twilio-Signature"]) for _, form, h in desk.posts]
    assert believed == [False, True]
    desk.believed = True


FIELDS = ["To", "From", "Body", "MediaUrl", "ContentSid", "ContentVariables", "StatusCallback", "PersistentAction"]
VALUES = st.text(max_size=20) | st.sampled_from(
    [TO_ADA, BUSINESS, "geo:1,2|x", "{}", "[1]", "http://[x", "https://x.example/"]
)
CONTENTS: list[dict[str, Any]] = [
    {"twilio/text": {"body": "x"}},
    {"twilio/quick-reply": {"body": "x", "actions": [{"title": "a", "id": "a"}]}},
    {"twilio/list-picker": {"body": "x", "button": "b", "items": [{"item": "i", "id": "i", "description": "d"}]}},
    {"twilio/call-to-action": {"body": "x", "actions": [{"type": "URL", "title": "t", "url": "https://x.example"}]}},
    {"twilio/media": {"body": "x", "media": ["https://x.example/a.jpg"]}},
    {"twilio/location": {"latitude": 1, "longitude": 2, "label": "l"}},
    {"twilio/carousel": {"body": "x", "cards": [{"title": "t", "actions": [{"type": "URL", "title": "t"}]}]}},
    {"whatsapp/card": {"body": "x", "header_text": "h", "actions": [{"type": "QUICK_REPLY", "title": "t", "id": "i"}]}},
    {"whatsapp/flows": {"body": "x", "button_text": "b", "flow_id": "1"}},
    {"whatsapp/authentication": {"actions": [{"type": "COPY_CODE", "copy_code_text": "c"}]}},
]
ANYTHING = (
    st.none() | st.booleans() | st.integers() | VALUES | st.lists(VALUES, max_size=2) | st.just({}) | st.just([{}])
)


@st.composite
def spoilt_types(draw: st.DrawFn) -> dict[str, Any]:
    """Valid content with one member of it, or of what is in it, replaced by anything at all."""
    types: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(CONTENTS))))
    (value,) = types.values()
    name = draw(st.sampled_from(sorted(value)))
    inner = value[name]
    if isinstance(inner, list) and isinstance(inner[0], dict) and draw(st.booleans()):
        inner[0][draw(st.sampled_from(sorted(inner[0])))] = draw(ANYTHING)
    else:
        value[name] = draw(ANYTHING)
    return types


async def test_no_form_and_no_content_makes_the_api_stumble(desk: Desk) -> None:
    """Whatever a bot sends is taken or refused with a code: never an internal error."""
    forms: list[dict[str, str]] = []
    contents: list[dict[str, Any]] = []

    @hypothesis.settings(max_examples=200, deadline=None, database=None)
    @given(st.dictionaries(st.sampled_from(FIELDS), VALUES), spoilt_types())
    def gather(form: dict[str, str], types: dict[str, Any]) -> None:
        forms.append(form)
        contents.append({"language": "en", "types": types})

    gather()
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    for form, content in zip(forms, contents, strict=True):
        status, answer = await desk.plain("POST", path, data=form)
        assert status == 201 or (status == 400 and answer["code"] > 20000), form
        status, made = await desk.plain("POST", "/v1/Content", json=content)
        assert status == 201 or (status == 400 and made["code"] == 20422), content
        if status == 201:
            wanted = {"To": TO_ADA, "From": BUSINESS, "ContentSid": made["sid"]}
            assert (await desk.plain("POST", path, data=wanted))[0] == 201, content


async def test_surplus_waits_at_twilio_and_fails_after_four_hours(desk: Desk) -> None:
    limits, now = desk.emulator._exchange.limits, desk.emulator._exchange.clock.now()
    limits._now = lambda: now
    await desk.plain("POST", "/_control/limits", json={"throughput": 5})
    assert await desk.outcome(body="at once") == [("sent", ""), ("delivered", "")]
    began = asyncio.get_running_loop().time()
    assert await desk.outcome(body="in its turn") == [("sent", ""), ("delivered", "")]
    assert asyncio.get_running_loop().time() - began >= 0.19
    limits._full_until["sends"] += timedelta(hours=4)
    assert await desk.outcome(body="too late") == [("failed", "30001")]


async def test_scheduled_messages_wait_for_their_time_or_are_called_off(desk: Desk) -> None:
    await desk.emulator.say(ADA.number, "hi")
    later = {
        "messaging_service_sid": SERVICE,
        "schedule_type": "fixed",
        "status_callback": desk.hook.replace("hook", "status"),
    }

    def at(minutes: float) -> dict[str, Any]:
        return later | {"send_at": desk.emulator._exchange.clock.now() + timedelta(minutes=minutes)}

    for minutes, code in ((4, 35114), (36 * 24 * 60, 35114)):
        assert await desk.refused(body="x", **at(minutes)) == (400, code)
    assert await desk.refused(body="x", **{**later, "send_at": None}) == (400, 35111)
    assert await desk.refused(body="x", **{**at(10), "messaging_service_sid": None}) == (400, 35118)
    kept, gone = await desk.send(body="Be there by nine", **at(10)), await desk.send(body="Never mind", **at(10))
    assert (kept.status, gone.status) == ("scheduled", "scheduled")
    off = await desk.call(lambda: desk.sdk.messages(gone.sid).update(status="canceled"))
    assert off.status == "canceled"
    assert desk.shown().text == "hi"
    desk.emulator.advance(timedelta(minutes=11))
    (bubble,) = await desk.emulator.wait_for(ADA.number)
    assert bubble.text == "Be there by nine"
    await desk.emulator.settled()
    statuses = [(one["MessageSid"], one["MessageStatus"]) for one in desk.heard("/status")]
    assert statuses == [(gone.sid, "canceled"), *((kept.sid, word) for word in ("queued", "sent", "delivered"))]
    with pytest.raises(TwilioRestException, match="not in a state"):
        await desk.call(lambda: desk.sdk.messages(kept.sid).update(status="canceled"))


async def test_no_more_people_are_reached_in_a_day_than_the_limit(desk: Desk) -> None:
    content = await desk.content(types={"twilio/text": {"body": "Your trek begins soon."}})
    request = {"name": "soon", "category": "UTILITY"}
    await desk.plain("POST", f"/v1/Content/{content.sid}/ApprovalRequests/whatsapp", json=request, headers=basic(TOKEN))
    desk.emulator.advance(timedelta(hours=25))
    desk.emulator.settings.reach_limit = 0
    assert await desk.outcome(content_sid=content.sid) == [("failed", "63018")]
    desk.emulator.settings.reach_limit = 1
    assert await desk.outcome(content_sid=content.sid) == [("sent", ""), ("delivered", "")]
    assert await desk.outcome(content_sid=content.sid) == [("sent", ""), ("delivered", "")]  # counts once
    to_ben = {"to": "whatsapp:US.40000000000000000001"}
    assert await desk.outcome(content_sid=content.sid, **to_ben) == [("failed", "63018")]
    desk.emulator.advance(timedelta(hours=24, seconds=1))
    assert await desk.outcome(content_sid=content.sid, **to_ben) == [("sent", ""), ("delivered", "")]


async def test_the_account_has_a_whatsapp_sender_and_no_numbers_for_sms(desk: Desk) -> None:
    sdk = desk.sdk
    service = sdk.messaging.v1.services(SERVICE)
    assert await desk.call(service.phone_numbers.list) == []
    assert [one.sender for one in await desk.call(service.channel_senders.list)] == [BUSINESS]
    assert await desk.call(sdk.incoming_phone_numbers.list) == []
    sent = await desk.send(body="Code 7")
    told = await desk.call(lambda: sdk.messages(sent.sid).feedback.create(outcome="confirmed"))
    assert (told.message_sid, str(told.outcome)) == (sent.sid, "confirmed")


async def test_the_service_says_where_webhooks_go_and_the_debugger_what_was_given_up(desk: Desk) -> None:
    (account,) = await desk.call(lambda: desk.sdk.api.accounts.list())
    assert account.sid == ACCOUNT
    (service,) = await desk.call(lambda: desk.sdk.messaging.v1.services.list())
    assert service.sid == SERVICE
    dead = "http://127.0.0.1:9/nobody"
    moved = await desk.call(lambda: desk.sdk.messaging.v1.services(SERVICE).update(inbound_request_url=dead))
    assert moved.inbound_request_url == dead
    with pytest.raises(TwilioRestException, match="not a valid URL"):
        await desk.call(lambda: desk.sdk.messaging.v1.services(SERVICE).update(inbound_request_url="x"))
    assert await desk.call(lambda: desk.sdk.monitor.v1.alerts.list()) == []
    await desk.emulator.say(ADA.number, "Anybody?")
    await desk.emulator.settled()
    (alert,) = await desk.call(lambda: desk.sdk.monitor.v1.alerts.list())
    assert (alert.error_code, alert.request_url) == ("11205", dead)
