"""All three providers over real HTTP, against the emulator: every kind both ways, statuses, taps, and refusals."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.config import STATUS_PATH, WEBHOOK_PATH
from bot.core.messages import (
    ButtonsOut,
    Choice,
    ChoiceIn,
    ContactCard,
    ContactRequestOut,
    ContactsOut,
    ListOut,
    LocationIn,
    LocationOut,
    LocationRequestOut,
    MediaIn,
    Outgoing,
    ReactionOut,
    TemplateOut,
    TextIn,
    TextOut,
    UrlOut,
)
from providers.base import (
    Accepted,
    Delivery,
    Fault,
    InboundMessage,
    OutboundMessage,
    Provider,
    Refused,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.dialog360 import Dialog360Provider, Dialog360Settings
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.meta import MetaProvider, MetaSettings
from providers.planning import plan
from providers.twilio import TwilioProvider, TwilioSettings

ACCOUNT = "AC0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
NUMBER_ID, WABA, BUSINESS = "700800900100200", "900100200300400", "+15550100200"
ADA = Phone("Ada Fixture", "+15550142233", "customer")
BEN = Phone("Ben Hidden", "+15550142244", "guide", bsuid="US.40000000000000000001", number_hidden=True)
CHOICES = (Choice(id="r1.0.yes", title="Yes", description="please"), Choice(id="r1.0.no", title="No"))
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
CARD = ContactCard(name="Pasang Sherpa", first_name="Pasang", phones=("+9779800000001",))

EVERYTHING: list[Outgoing] = [
    TextOut(body="Grüße & 1+1 ☕", preview_url=True),
    ButtonsOut(body="Sure?", buttons=CHOICES),
    ListOut(body="Which?", label="Open", rows=CHOICES),
    UrlOut(body="Pay here", label="Pay now", url="https://pay.example.com/a/42?x=1"),
    LocationOut(latitude=27.9881, longitude=86.925, name="Everest", address="Khumbu"),
    LocationRequestOut(body="Where are you?"),
    ContactRequestOut(body="Your number?"),
    ContactsOut(cards=(CARD,)),
]


class Desk:
    """An emulator, a provider that talks to it, and what its webhooks said."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[WebhookItem] = []
        self.emulator: Emulator
        self.provider: Provider

    async def take(self, request: web.Request) -> web.Response:
        webhook = WebhookRequest(
            method=request.method,
            url=request.raw_path,
            headers=request.headers,
            query=request.query,
            body=await request.read(),
            received_at=datetime.now(UTC),
        )
        self.provider.verify(webhook)
        self.heard += self.provider.parse(webhook)
        return web.Response()

    async def send(self, content: Outgoing, **changes: Any) -> Any:
        message = OutboundMessage(phone=ADA.number, user_id=None, content=content, correlation="s1.1.2.3.4.tag")
        return await self.provider.send(replace(message, **changes))

    async def said(self) -> InboundMessage:
        """The latest message of a person."""
        await self.emulator.settled()
        return next(item for item in reversed(self.heard) if isinstance(item, InboundMessage))

    def updates(self, message_id: str) -> list[StatusUpdate]:
        return [
            item for item in self.heard if isinstance(item, StatusUpdate) and item.provider_message_id == message_id
        ]


def provider_for(name: str, emulator: Emulator, public: str) -> Provider:
    match name:
        case "meta":
            return MetaProvider(
                MetaSettings(
                    app_secrets=("old", "app-secret"),
                    verify_token="v",
                    access_token="token",
                    phone_number_id=NUMBER_ID,
                    business_account_id=WABA,
                    base_url=emulator.base_url,
                )
            )
        case "twilio":
            return TwilioProvider(
                TwilioSettings(
                    account_sid=ACCOUNT,
                    auth_tokens=("fixture-auth-token-0001", "old"),
                    phone_number=BUSINESS,
                    public_url=public,
                    status_path=STATUS_PATH,
                    api_url=emulator.base_url,
                    content_url=emulator.base_url,
                    messaging_url=emulator.base_url,
                )
            )
        case _:
            return Dialog360Provider(
                Dialog360Settings(
                    api_key="d360-key",
                    webhook_tokens=("new", "fixture-shared-secret"),
                    phone_number_id=NUMBER_ID,
                    base_url=emulator.base_url,
                )
            )


@pytest.fixture(params=["meta", "twilio", "360dialog"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk = Desk(request.param)
    app = web.Application()
    app.router.add_post(WEBHOOK_PATH, desk.take)
    app.router.add_post(STATUS_PATH, desk.take)
    async with TestServer(app) as server:
        public = str(server.make_url("/")).rstrip("/")
        settings = EmulatorSettings(
            provider=request.param,
            webhook_url=public + WEBHOOK_PATH,
            app_secret="app-secret",
            verify_token="v",
            access_token="token",
            phone_number_id=NUMBER_ID,
            business_account_id=WABA,
            business_number=BUSINESS,
            account_sid=ACCOUNT,
            auth_token="fixture-auth-token-0001",
            api_key="d360-key",
            webhook_headers={"X-Hook-Token": "fixture-shared-secret"},
            status_delay=timedelta(0),
        )
        async with Emulator(settings, [ADA, BEN]) as desk.emulator:
            desk.provider = provider_for(request.param, desk.emulator, public)
            await desk.emulator.say(ADA.number, "Hi")
            await desk.emulator.settled()
            yield desk
            await desk.provider.close()


async def test_a_message_comes_in_and_is_marked_as_read(desk: Desk) -> None:
    (item,) = desk.heard
    assert isinstance(item, InboundMessage)
    channel = BUSINESS if desk.name == "twilio" else NUMBER_ID
    assert (item.channel, item.sender.phone, item.content) == (channel, ADA.number, TextIn(body="Hi"))
    assert await desk.provider.mark_read(item.provider_message_id, typing=True)


@pytest.mark.parametrize("content", EVERYTHING, ids=lambda content: content.kind)
async def test_every_kind_goes_out_as_planned_and_its_statuses_come_back(desk: Desk, content: Outgoing) -> None:
    for planned in plan(content, desk.provider.capabilities):
        outcome = await desk.send(planned)
        assert isinstance(outcome, Accepted), outcome
        await desk.emulator.settled()
        updates = desk.updates(outcome.provider_message_id)
        assert {update.correlation for update in updates} == {"s1.1.2.3.4.tag"}
        assert {Delivery.SENT, Delivery.DELIVERED} <= {update.status for update in updates}


async def test_a_tap_and_a_pick_come_in_with_the_ids_that_went_out(desk: Desk) -> None:
    asked = await desk.send(ButtonsOut(body="Sure?", buttons=CHOICES))
    await desk.emulator.tap(ADA.number, asked.provider_message_id, "r1.0.yes")
    tapped = await desk.said()
    assert tapped.content == ChoiceIn(id="r1.0.yes", title="Yes")
    assert tapped.reply_to == asked.provider_message_id
    asked = await desk.send(ListOut(body="Which?", label="Open", rows=CHOICES))
    await desk.emulator.pick(ADA.number, asked.provider_message_id, "r1.0.yes")
    picked = (await desk.said()).content
    assert picked == ChoiceIn(id="r1.0.yes", title="Yes", description="please", origin="list")


async def test_files_and_places_come_in(desk: Desk) -> None:
    await desk.emulator.send_image(ADA.number, JPEG, caption="look")
    content = (await desk.said()).content
    assert isinstance(content, MediaIn)
    assert (content.media, content.caption, content.mime_type) == ("image", "look", "image/jpeg")
    await desk.emulator.send_location(ADA.number, 27.9881, 86.925, name="Everest")
    place = (await desk.said()).content
    assert isinstance(place, LocationIn)
    assert (round(place.latitude, 4), place.name) == (27.9881, "Everest")


async def test_somebody_without_a_number_is_known_and_answered_by_id(desk: Desk) -> None:
    await desk.emulator.say(BEN.number, "Namaste")
    item = await desk.said()
    assert (item.sender.phone, item.sender.user_id) == (None, BEN.bsuid)
    outcome = await desk.send(TextOut(body="Hello Ben"), phone=None, user_id=BEN.bsuid)
    assert isinstance(outcome, Accepted)
    await desk.emulator.settled()
    assert desk.emulator.transcript(BEN.number)[-1].text == "Hello Ben"


async def test_outside_the_window_words_fail_and_say_so(desk: Desk) -> None:
    desk.emulator.advance(timedelta(hours=25))
    outcome = await desk.send(TextOut(body="Too late"))
    if isinstance(outcome, Accepted):
        await desk.emulator.settled()
        problems = [update.problem for update in desk.updates(outcome.provider_message_id) if update.problem]
        assert [problem.fault for problem in problems] == [Fault.WINDOW]
    else:
        assert isinstance(outcome, Refused)
        assert outcome.problem.fault is Fault.WINDOW


async def test_a_template_that_nobody_approved_is_refused(desk: Desk) -> None:
    outcome = await desk.send(TemplateOut(name="not_there", language="en"))
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is Fault.TEMPLATE


async def test_a_reaction_and_a_quote_reach_the_message_they_are_about(desk: Desk) -> None:
    (item,) = desk.heard
    assert isinstance(item, InboundMessage)
    able = desk.provider.capabilities
    for content in plan(ReactionOut(message_id=item.provider_message_id, emoji="👍"), able):
        assert isinstance(await desk.send(content), Accepted)
    if able.replies:
        outcome = await desk.send(TextOut(body="quoted"), reply_to=item.provider_message_id)
        assert isinstance(outcome, Accepted)


async def test_a_text_that_is_too_long_is_refused_whole_and_goes_out_in_parts(desk: Desk) -> None:
    able = desk.provider.capabilities
    text = TextOut(body="word " * (able.max_text // 5 + 10))
    assert isinstance(await desk.send(text), Refused)
    parts = plan(text, able)
    assert len(parts) == 2
    for part in parts:
        assert isinstance(await desk.send(part), Accepted)


async def test_a_wrong_key_is_a_refusal_of_everything(desk: Desk) -> None:
    await desk.provider.close()
    stranger = Desk(desk.name)
    stranger.emulator = desk.emulator
    match desk.name:
        case "meta":
            stranger.provider = MetaProvider(
                MetaSettings(app_secrets=("x",), verify_token="v", access_token="wrong", phone_number_id=NUMBER_ID,
                             business_account_id=WABA, base_url=desk.emulator.base_url)
            )  # fmt: skip
        case "twilio":
            stranger.provider = TwilioProvider(
                TwilioSettings(account_sid=ACCOUNT, auth_tokens=("wrong",), phone_number=BUSINESS, public_url="",
                               status_path="", api_url=desk.emulator.base_url, content_url=desk.emulator.base_url)
            )  # fmt: skip
        case _:
            stranger.provider = Dialog360Provider(
                Dialog360Settings(api_key="wrong", webhook_tokens=(), phone_number_id=NUMBER_ID,
                                  base_url=desk.emulator.base_url)
            )  # fmt: skip
    outcome = await stranger.send(TextOut(body="hi"))
    await stranger.provider.close()
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is Fault.AUTH
