"""The webhook: verify the raw bytes, read them, store what they say, and only then answer 200."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import orjson
import structlog
from aiohttp import web

from bot.config import STATUS_PATH, WEBHOOK_PATH
from bot.core.ids import TenantId
from bot.runtime.intake import GroupCommit
from bot.runtime.metrics import METRICS
from providers.base import (
    AccountChanged,
    IdentityChanged,
    InboundMessage,
    NotUnderstood,
    PreferenceChanged,
    Provider,
    SignatureError,
    StatusUpdate,
    TemplateChanged,
    WebhookItem,
    WebhookRequest,
)
from storage.base import Channel, NewItem, NewMessage, NewStatus, Person, Unread

log = structlog.get_logger(__name__)

PATH = WEBHOOK_PATH

MAX_BODY = 4 * 1024 * 1024
"""Bytes. Meta sends up to 3 MB (webhooks overview, 2026); aiohttp's default of 1 MiB would refuse that for 7 days."""

NOBODY = TenantId(0)
"""The tenant of webhooks whose number we do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Takes the webhooks of one provider.

    Attributes:
        provider: Verifies and reads.
        channels: Our numbers, by the address that webhooks call them.
        intake: Stores.
        clock: The time.
    """

    provider: Provider
    channels: Mapping[str, Channel]
    intake: GroupCommit
    clock: Callable[[], datetime]

    def routes(self, app: web.Application) -> None:
        """Say which requests come here."""
        taking = self.provider.webhook_methods
        if "GET" not in taking:
            app.router.add_get(PATH, self.handshake)
        for method in taking:
            app.router.add_route(method, PATH, self.receive)
            app.router.add_route(method, STATUS_PATH, self.receive)

    async def handshake(self, request: web.Request) -> web.Response:
        """Answer the provider's check of our endpoint."""
        challenge = self.provider.handshake(request.query)
        if challenge is None:
            METRICS.webhooks.labels("handshake_refused").inc()
            return web.Response(status=403, text="The verify token is not ours.")
        return web.Response(text=challenge)

    async def receive(self, request: web.Request) -> web.Response:
        """Store a webhook. 200 means it is on disk; 401 that it was not signed; 5xx that it must come again."""
        body = await request.read()
        asked = WebhookRequest(
            method=request.method,
            url=request.raw_path,
            headers=request.headers,
            query=request.query,
            body=body,
            received_at=self.clock(),
        )
        try:
            self.provider.verify(asked)
        except SignatureError:
            METRICS.webhooks.labels("unsigned").inc()
            return web.Response(status=401, text="The signature is missing or wrong.")
        items = [self._new_item(item, asked.received_at) for item in self.provider.parse(asked)]
        try:
            whole = Unread(tenant_id=NOBODY, kind="not_storable", body=body, received_at=asked.received_at)
            await self.intake.accept(items, whole)
        except Exception as error:  # noqa: BLE001  whatever it was, it is not stored, so the provider must try again
            METRICS.webhooks.labels("not_stored").inc()
            log.warning("a webhook could not be stored", action="ask_again", error=type(error).__name__)
            return web.Response(status=503, headers={"Retry-After": "1"})
        METRICS.webhooks.labels("stored").inc()
        return web.Response()  # empty: Twilio would send words in it to the person

    def _new_item(self, item: WebhookItem, received_at: datetime) -> NewItem:
        match item:
            case InboundMessage() if item.group_id is None and item.channel in self.channels:
                return NewMessage(
                    channel=self.channels[item.channel],
                    person=Person(phone=item.sender.phone, user_id=item.sender.user_id, name=item.sender.name),
                    provider_message_id=item.provider_message_id,
                    content=item.content,
                    sent_at=item.at,
                    received_at=received_at,
                    reply_to=item.reply_to,
                )
            case StatusUpdate() if item.channel in self.channels:
                return NewStatus(
                    channel=self.channels[item.channel],
                    provider_message_id=item.provider_message_id,
                    status=item.status.value,
                    happened_at=item.at,
                    received_at=received_at,
                    correlation=item.correlation,
                    error_code=item.problem.code if item.problem else None,
                    error_detail=item.problem.detail if item.problem else None,
                )
            case InboundMessage() | StatusUpdate() | IdentityChanged() | PreferenceChanged():
                return self._unread(item.channel, type(item).__name__, orjson.dumps(item, default=str), received_at)
            case TemplateChanged():
                return self._unread(None, f"TemplateChanged {item.change}", orjson.dumps(item), received_at)
            case AccountChanged():
                return self._unread(item.channel, f"AccountChanged {item.field}", orjson.dumps(item), received_at)
            case NotUnderstood():
                return self._unread(item.channel, f"NotUnderstood {item.reason}", item.raw, received_at)
            case _:
                assert_never(item)

    def _unread(self, address: str | None, kind: str, body: bytes, received_at: datetime) -> Unread:
        channel = self.channels.get(address) if address is not None else None
        tenant = channel.tenant_id if channel is not None else self._only_tenant() if address is None else NOBODY
        return Unread(tenant_id=tenant, kind=kind[:200], body=body, received_at=received_at)

    def _only_tenant(self) -> TenantId:
        """Whose account news that name no number belongs to, when there is only one tenant."""
        tenants = {channel.tenant_id for channel in self.channels.values()}
        return tenants.pop() if len(tenants) == 1 else NOBODY


def by_address(channels: Sequence[Channel], provider: str) -> dict[str, Channel]:
    """The numbers of one provider, by the address that webhooks call them."""
    return {channel.address: channel for channel in channels if channel.provider == provider}
