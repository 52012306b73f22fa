"""WhatsApp Flows in the emulator, from the life of one to a phone inside it, with pywa as the business.

pywa writes the flow, publishes it and answers at its endpoint: what the emulator encrypts must open with pywa's code.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pywa import WhatsApp, errors
from pywa.types.callback import FlowButton
from pywa.types.flows import FlowCategory, FlowRequest, FlowResponse

from providers.emulator import Emulator, EmulatorError, EmulatorSettings, Phone
from tests.providers.otherhost import OtherHost

ADA = Phone("Ada Fixture", "+15550142233", "customer", bsuid="US.40000000000000000001")
NODE, ACCOUNT, SECRET, TOKEN = "700800900100200", "900100200300400", "app-secret", "token"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC_PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
STATIC: dict[str, Any] = {
    "version": "7.0",
    "screens": [{"id": "START", "title": "Trek", "terminal": True, "layout": {"type": "SingleColumnLayout"}}],
}
ASKING = STATIC | {"data_api_version": "3.0", "routing_model": {"START": []}}

T = TypeVar("T")


class Business:
    """A business with pywa: its client, its webhooks, its endpoint for flows."""

    def __init__(self) -> None:
        self.emulator: Any = None
        self.wa: Any = None
        self.session: Any = None
        self.endpoint = ""
        self.seen: list[Any] = []
        self.asked: list[FlowRequest] = []
        self.answers: list[FlowResponse] = []
        self.refusals: list[int] = []

    async def call(self, do: Callable[[], T]) -> T:
        return await asyncio.to_thread(do)

    def answer(self, _wa: Any, request: FlowRequest) -> FlowResponse:
        self.asked.append(request)
        return self.answers.pop(0)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert self.wa.webhook_update_validator(body, request.headers.get("X-Hub-Signature-256")) is None
        self.seen.append(json.loads(body))
        return web.Response()

    async def serve_flow(self, request: web.Request) -> web.Response:
        if self.refusals:
            return web.Response(status=self.refusals.pop())
        handle = self.wa.get_flow_request_handler("/flow", self.answer, private_key=PRIVATE_PEM)
        payload = await request.json()
        text, status = await self.call(lambda: handle.handle(payload))
        return web.Response(text=text, status=status)

    async def made(self, screens: dict[str, Any], name: str = "trek") -> str:
        made = await self.call(lambda: self.wa.create_flow(name, categories=[FlowCategory.OTHER]))
        updated = await self.call(lambda: self.wa.update_flow_json(made.id, flow_json=screens))
        assert updated.success
        return str(made.id)

    async def offered(self, flow_id: str, **rest: Any) -> str:
        wanted = {"flow_action_type": "data_exchange", "flow_token": "tok-1"} | rest
        button = FlowButton("Fill in", flow_id=flow_id, **wanted)
        sent = await self.call(lambda: self.wa.send_message(ADA.number, "A form", buttons=button))
        return str(sent.id)

    def heard(self, field: str) -> list[dict[str, Any]]:
        changes = [change for body in self.seen for entry in body["entry"] for change in entry["changes"]]
        return [change["value"] for change in changes if change["field"] == field]


@pytest.fixture
async def business() -> AsyncIterator[Business]:
    business = Business()
    app = web.Application()
    app.router.add_post("/hook", business.take)
    app.router.add_post("/flow", business.serve_flow)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/hook")),
            app_secret=SECRET,
            verify_token="verify",
            access_token=TOKEN,
            phone_number_id=NODE,
            business_account_id=ACCOUNT,
            business_number="+15550100200",
            status_delay=timedelta(0),
        )
        async with Emulator(settings, [ADA]) as emulator:
            session = httpx.Client(transport=OtherHost(emulator.base_url))
            business.session = session
            business.emulator, business.endpoint = emulator, str(server.make_url("/flow"))
            business.wa = WhatsApp(
                phone_id=NODE, token=TOKEN, session=session, waba_id=ACCOUNT, app_id=1, app_secret=SECRET,
                business_private_key=PRIVATE_PEM,
            )  # fmt: skip
            await emulator.say(ADA.number, "Hi")
            yield business
            session.close()


async def test_flow_lives_its_whole_life(business: Business) -> None:
    wa, call = business.wa, business.call
    flow_id = await business.made(STATIC)
    await call(lambda: wa.update_flow_metadata(flow_id, name="a trek", categories=[FlowCategory.SURVEY]))
    flow = await call(lambda: wa.get_flow(flow_id))
    assert (flow.name, flow.status.value, flow.json_version) == ("a trek", "DRAFT", "7.0")
    assert [one.id for one in await call(lambda: list(wa.get_flows()))] == [flow_id]
    (asset,) = await call(lambda: list(wa.get_flow_assets(flow_id)))
    assert (await call(lambda: business.session.get(asset.url))).json() == STATIC

    with pytest.raises(errors.WhatsAppError, match="mode draft"):
        await business.offered(flow_id)
    await business.offered(flow_id, mode="draft")
    assert (await call(lambda: wa.publish_flow(flow_id))).success
    with pytest.raises(errors.FlowUpdatingError):
        await call(lambda: wa.update_flow_json(flow_id, flow_json=STATIC))
    with pytest.raises(errors.FlowDeletingError):
        await call(lambda: wa.delete_flow(flow_id))
    with pytest.raises(errors.FlowPublishingError):
        await call(lambda: wa.publish_flow(flow_id))
    await business.offered(flow_id)
    assert (await call(lambda: wa.deprecate_flow(flow_id))).success
    with pytest.raises(errors.FlowDeprecatingError):
        await call(lambda: wa.deprecate_flow(flow_id))
    with pytest.raises(errors.FlowBlocked):
        await business.offered(flow_id)
    await business.emulator.settled()
    assert [one["new_status"] for one in business.heard("flows")] == ["PUBLISHED", "DEPRECATED"]

    draft = await business.made(STATIC, "another")
    assert (await call(lambda: wa.delete_flow(draft))).success
    with pytest.raises(errors.WhatsAppError, match="does not exist"):
        await call(lambda: wa.get_flow(draft))


@pytest.mark.parametrize(
    ("screens", "error"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "INVALID_PROPERTY_TYPE"),
        ('{"screens": []}', "REQUIRED_PROPERTY_MISSING"),
        ('{"version": "7.0", "screens": [{"id": "START"}]}', "MISSING_TERMINAL_SCREEN"),
        ('{"version": "7.0", "screens": [{"id": "SUCCESS", "terminal": true}]}', "INVALID_PROPERTY_VALUE"),
    ],
)
async def test_wrong_screens_are_kept_told_of_and_not_published(business: Business, screens: str, error: str) -> None:
    wa, call = business.wa, business.call
    made = await call(lambda: wa.create_flow("trek", categories=[FlowCategory.OTHER], flow_json=screens))
    assert not made.success
    assert error in [one.error for one in made.validation_errors]
    with pytest.raises(errors.FlowPublishingError):
        await call(lambda: wa.publish_flow(made.id))
    with pytest.raises(errors.WhatsAppError, match="already a flow called"):
        await call(lambda: wa.create_flow("trek", categories=[FlowCategory.OTHER]))


async def test_phone_walks_through_a_flow_that_pywas_endpoint_fills(business: Business) -> None:
    wa, call, emulator = business.wa, business.call, business.emulator
    flow_id = await business.made(ASKING)
    with pytest.raises(errors.FlowPublishingError, match="endpoint_uri"):
        await call(lambda: wa.publish_flow(flow_id))
    await call(lambda: wa.update_flow_metadata(flow_id, endpoint_uri=business.endpoint))
    with pytest.raises(errors.FlowPublishingError, match="public key"):
        await call(lambda: wa.publish_flow(flow_id))
    await call(lambda: wa.set_business_public_key(PUBLIC_PEM))
    assert (await call(lambda: wa.publish_flow(flow_id))).success  # pywa answers the ping by itself

    message = await business.offered(flow_id)
    business.answers = [
        FlowResponse(version="3.0", screen="START", data={"treks": ["EBC"]}),
        FlowResponse(version="3.0", close_flow=True, flow_token="tok-1", data={"trek": "EBC"}),
    ]
    first = await emulator.step_flow(ADA.number, message)
    assert (first["screen"], first["data"]) == ("START", {"treks": ["EBC"]})
    last = await emulator.step_flow(ADA.number, message, "data_exchange", screen="START", data={"trek": "EBC"})
    assert last["screen"] == "SUCCESS"
    opened, gone_on = business.asked
    assert (opened.action.value, opened.flow_token, gone_on.screen, gone_on.data) == (
        "INIT", "tok-1", "START", {"trek": "EBC"},
    )  # fmt: skip
    await emulator.settled()
    reply = business.heard("messages")[-1]["messages"][0]["interactive"]["nfm_reply"]
    assert json.loads(reply["response_json"]) == {"flow_token": "tok-1", "trek": "EBC"}


async def test_endpoint_that_does_not_answer_as_it_should_is_told_of(business: Business) -> None:
    wa, call, emulator = business.wa, business.call, business.emulator
    flow_id = await business.made(ASKING)
    await call(lambda: wa.update_flow_metadata(flow_id, endpoint_uri=business.endpoint))
    await call(lambda: wa.set_business_public_key(PUBLIC_PEM))
    business.refusals = [421]
    with pytest.raises(errors.FlowPublishingError, match="could not decrypt"):
        await call(lambda: wa.publish_flow(flow_id))
    await call(lambda: wa.publish_flow(flow_id))
    message = await business.offered(flow_id)
    for status, told in ((427, "no longer valid"), (432, "signature"), (500, "HTTP 500"), (200, "not base64")):
        business.refusals = [status]
        with pytest.raises(EmulatorError, match=told):
            await emulator.step_flow(ADA.number, message)
    with pytest.raises(EmulatorError, match="INIT, data_exchange or BACK"):
        await emulator.step_flow(ADA.number, message, "jump")


async def test_flow_made_elsewhere_has_no_endpoint_and_is_filled_in(business: Business) -> None:
    emulator = business.emulator
    message = await business.offered("4711")
    async with ClientSession() as session:
        wanted = {"number": ADA.number, "message": message}
        async with session.post(f"{emulator.base_url}/_control/act/flow_step", json=wanted) as answer:
            assert (answer.status, "fill it in" in (await answer.json())["error"]) == (400, True)
    await emulator.fill_in(ADA.number, message, {"people": 2})
    await emulator.settled()
    assert business.heard("messages")[-1]["messages"][0]["interactive"]["type"] == "nfm_reply"
