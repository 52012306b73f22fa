"""The webhook: verify the raw bytes, read them, store what they say, and only then answer 200."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from aiohttp import web

from bot.config import STATUS_PATH, WEBHOOK_PATH
from bot.core.messages import UnsupportedIn
from bot.runtime.courtesy import Courtesy
from bot.runtime.intake import GroupCommit
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from bot.web.news import NOBODY, Sorting
from providers.base import InboundMessage, Provider, SignatureError, WebhookItem, WebhookRequest
from storage.base import Channel, Unread

log = structlog.get_logger(__name__)

PATH = WEBHOOK_PATH

MAX_BODY = 4 * 1024 * 1024
"""Bytes. Meta sends up to 3 MB (webhooks overview, 2026); aiohttp's default of 1 MiB would refuse that for 7 days."""

LOOK_AGAIN = timedelta(seconds=10)
"""Least time between two looks at which numbers we have, for webhooks to numbers that are not among them."""


@dataclass(slots=True)
class Numbers:
    """Our numbers at one provider, in every tenant. Looked up again when a webhook is for a number that is new.

    Args:
        provider: The provider's name.
        known: The numbers to begin with.
        look_up: Finds all numbers of the deployment.
    """

    provider: str
    known: Sequence[Channel]
    look_up: Callable[[], Awaitable[Sequence[Channel]]] | None = None
    by_address: dict[str, Channel] = field(default_factory=dict)
    by_account: dict[str, tuple[Channel, ...]] = field(default_factory=dict)
    _looked_at: datetime | None = None

    def __post_init__(self) -> None:
        self._keep(self.known)

    def _keep(self, channels: Sequence[Channel]) -> None:
        ours = [channel for channel in channels if channel.provider == self.provider]
        self.by_address = {channel.address: channel for channel in ours}
        accounts: dict[str, tuple[Channel, ...]] = {}
        for channel in ours:
            if channel.account:
                accounts[channel.account] = (*accounts.get(channel.account, ()), channel)
        self.by_account = accounts

    async def sorting(self, items: Sequence[WebhookItem], now: datetime) -> Sorting:
        """What sorts these items; looks the numbers up when one of them is not known."""
        strange = any(
            (channel := getattr(item, "channel", None)) is not None and channel not in self.by_address for item in items
        )
        if strange and self.look_up and (self._looked_at is None or now - self._looked_at >= LOOK_AGAIN):
            self._looked_at = now
            try:
                self._keep(await self.look_up())
            except Exception as error:
                if not is_outage(error):
                    raise
        return Sorting(by_address=self.by_address, by_account=self.by_account, received_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Takes the webhooks of one provider.

    Attributes:
        provider: Verifies and reads.
        numbers: Our numbers.
        intake: Stores.
        courtesy: Shows people that their message was read.
        clock: The time.
    """

    provider: Provider
    numbers: Numbers
    intake: GroupCommit
    courtesy: Courtesy
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
        items = self.provider.parse(asked)
        sorting = await self.numbers.sorting(items, asked.received_at)
        rows = [row for item in items for row in sorting.rows(item)]
        try:
            whole = Unread(tenant_id=NOBODY, kind="not_storable", body=body, received_at=asked.received_at)
            await self.intake.accept(rows, whole)
        except Exception as error:  # noqa: BLE001  whatever it was, it is not stored, so the provider must try again
            METRICS.webhooks.labels("not_stored").inc()
            log.warning("a webhook could not be stored", action="ask_again", error=type(error).__name__)
            return web.Response(status=503, headers={"Retry-After": "1"})
        METRICS.webhooks.labels("stored").inc()
        for item in items:
            if isinstance(item, InboundMessage):
                if isinstance(item.content, UnsupportedIn):
                    METRICS.unsupported.labels(_known(item.content.original_kind)).inc()
                if item.group_id is None and item.channel in sorting.by_address:
                    self.courtesy.note(item.provider_message_id)
        return web.Response()  # empty: Twilio would send words in it to the person


_KINDS = frozenset({"unsupported", "unknown", "interactive", "poll", "edit", "button", "pin", "order", "contacts"})


def _known(kind: str) -> str:
    """A label of few values, whatever people send."""
    return kind if kind in _KINDS else "other"
