"""The provider and the phone emulator agree: what one writes, the other reads."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.messages import ButtonsOut, Choice, ChoiceIn, ListOut, Outgoing, TextIn, TextOut
from providers.base import (
    Accepted,
    Delivery,
    InboundMessage,
    OutboundMessage,
    Refused,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.meta import MetaProvider, MetaSettings

ADA = Phone("Ada Fixture", "+15550142233", "customer")
CHOICES = (Choice(id="yes", title="Yes", description="please"), Choice(id="no", title="No"))


class Desk:
    """An emulator, a provider that talks to it, and what its webhooks said."""

    def __init__(self) -> None:
        self.heard: list[WebhookItem] = []
        self.emulator: Emulator
        self.provider: MetaProvider

    async def take(self, request: web.Request) -> web.Response:
        webhook = WebhookRequest(
            method=request.method,
            url=str(request.url),
            headers=request.headers,
            query=request.query,
            body=await request.read(),
            received_at=datetime.now(UTC),
        )
        self.provider.verify(webhook)
        self.heard += self.provider.parse(webhook)
        return web.Response()

    async def send(self, content: Outgoing) -> object:
        message = OutboundMessage(phone=ADA.number, user_id=None, content=content, correlation="attempt:7")
        return await self.provider.send(message)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    app = web.Application()
    app.router.add_post("/webhook", desk.take)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/webhook")),
            app_secret="app-secret",
            verify_token="v",
            access_token="token",
            phone_number_id="700800900100200",
            business_account_id="900100200300400",
            business_number="+15550100200",
            status_delay=timedelta(0),
        )
        async with Emulator(settings, [ADA]) as desk.emulator:
            desk.provider = MetaProvider(
                MetaSettings(
                    app_secrets=("app-secret",),
                    verify_token="v",
                    access_token="token",
                    phone_number_id="700800900100200",
                    business_account_id="900100200300400",
                    base_url=desk.emulator.base_url,
                )
            )
            await desk.emulator.say(ADA.number, "Hi")
            await desk.emulator.settled()
            yield desk
            await desk.provider.close()


async def test_a_message_comes_in(desk: Desk) -> None:
    (item,) = desk.heard
    assert isinstance(item, InboundMessage)
    assert (item.channel, item.sender.phone, item.content) == ("700800900100200", ADA.number, TextIn(body="Hi"))
    assert await desk.provider.mark_read(item.provider_message_id, typing=True)


@pytest.mark.parametrize(
    "content",
    [
        TextOut(body="Hello"),
        ButtonsOut(body="Sure?", buttons=CHOICES),
        ListOut(body="Which?", label="Open", rows=CHOICES),
    ],
    ids=lambda content: content.kind,
)
async def test_every_kind_goes_out_and_its_statuses_come_back(desk: Desk, content: Outgoing) -> None:
    outcome = await desk.send(content)
    assert isinstance(outcome, Accepted)
    await desk.emulator.settled()
    updates = [item for item in desk.heard if isinstance(item, StatusUpdate)]
    assert {update.provider_message_id for update in updates} == {outcome.provider_message_id}
    assert {update.correlation for update in updates} == {"attempt:7"}
    assert {Delivery.SENT, Delivery.DELIVERED} <= {update.status for update in updates}


async def test_a_tap_comes_in_with_the_id_that_went_out(desk: Desk) -> None:
    outcome = await desk.send(ButtonsOut(body="Sure?", buttons=CHOICES))
    assert isinstance(outcome, Accepted)
    await desk.emulator.tap(ADA.number, outcome.provider_message_id, "yes")
    await desk.emulator.settled()
    item = next(item for item in reversed(desk.heard) if isinstance(item, InboundMessage))
    assert item.content == ChoiceIn(id="yes", title="Yes")
    assert item.reply_to == outcome.provider_message_id


async def test_what_breaks_a_limit_is_refused(desk: Desk) -> None:
    assert isinstance(await desk.send(TextOut(body="")), Refused)
