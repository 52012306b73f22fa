"""The webhook: verify the raw bytes, read them, store what they say, and only then answer 200."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from aiohttp import web

from bot.config import STATUS_PATH, WEBHOOK_PATH
from bot.core.messages import ContactsIn, UnsupportedIn
from bot.runtime.courtesy import Courtesy
from bot.runtime.intake import Accepts
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from bot.web.cards import with_cards
from bot.web.gate import Admitted, Gate
from bot.web.news import NOBODY
from providers.base import InboundMessage, SignatureError, WebhookItem, WebhookRequest
from storage.base import Unread

log = structlog.get_logger(__name__)

PATH = WEBHOOK_PATH
OWN_PATH = f"{WEBHOOK_PATH}/{{tenant}}"
"""An address for one tenant alone."""

MAX_BODY = 4 * 1024 * 1024
"""Bytes. Meta sends up to 3 MB (webhooks overview, 2026); aiohttp's default of 1 MiB would refuse that for 7 days."""

LOOK_AGAIN = timedelta(seconds=10)
"""Least time between two looks at which numbers we have, for webhooks to numbers that are not among them."""

MUCH = 512 * 1024
"""Bytes to be hashed, over all secrets, from which on that is done beside the event loop: about a millisecond."""


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Takes the webhooks of all tenants.

    Attributes:
        gate: Finds out who signed them.
        refresh: Looks who there is now, for webhooks to numbers that nobody knows.
        intake: Stores.
        courtesy: Shows people that their message was read.
        clock: The time.
    """

    gate: Gate
    refresh: Callable[[], Awaitable[None]]
    intake: Accepts
    courtesy: Courtesy
    clock: Callable[[], datetime]
    _looked_at: datetime | None = None

    def routes(self, app: web.Application) -> None:
        """Say which requests come here."""
        for path in (STATUS_PATH, PATH, OWN_PATH):
            app.router.add_get(path, self.get)
            app.router.add_post(path, self.receive)
            app.router.add_put(path, self.receive)

    async def get(self, request: web.Request) -> web.Response:
        """A provider's check of our endpoint, or a webhook of one that sends them this way."""
        if "hub.mode" not in request.query and self.gate.takes("GET"):
            return await self.receive(request)
        challenge = self.gate.handshake(request.query, request.match_info.get("tenant"))
        if challenge is None:
            METRICS.webhooks.labels("handshake_refused").inc()
            return web.Response(status=403, text="The verify token is not ours.")
        return web.Response(text=challenge)

    async def receive(self, request: web.Request) -> web.Response:
        """Store a webhook. 200 means it is on disk; 401 that it was not signed; 5xx that it must come again."""
        if request.method != "POST" and not self.gate.takes(request.method):
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "POST"])
        body = await request.read()
        asked = WebhookRequest(
            method=request.method,
            url=request.raw_path,
            headers=request.headers,
            query=request.query,
            body=body,
            received_at=self.clock(),
        )
        slug = request.match_info.get("tenant")
        try:
            admitted = await self._admit(asked, slug)
        except SignatureError:
            METRICS.webhooks.labels("unsigned").inc()
            return web.Response(status=401, text="The signature is missing or wrong.")
        items = admitted.provider.parse(asked)
        if self._strange(admitted, items, asked.received_at):
            with suppress(SignatureError):
                admitted = await self._look_again(admitted, asked, slug)
        if any(isinstance(item, InboundMessage) and isinstance(item.content, ContactsIn) for item in items):
            items = await with_cards(items, admitted.lines)
        sorting = admitted.sorting(asked.received_at)
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
                if item.group_id is not None:
                    METRICS.unsupported.labels("group").inc()
                elif isinstance(item.content, UnsupportedIn):
                    METRICS.unsupported.labels(_known(item.content.original_kind)).inc()
                line = admitted.lines.get(item.channel)
                if item.group_id is None and line is not None:
                    self.courtesy.note(line.provider, line.settings.bot_read_marks, item.provider_message_id)
        return web.Response()  # empty: Twilio would send words in it to the person

    async def _admit(self, asked: WebhookRequest, slug: str | None) -> Admitted:
        if len(asked.body) * self.gate.checks(slug) < MUCH:
            return self.gate.admit(asked, slug)
        return await asyncio.to_thread(self.gate.admit, asked, slug)  # the others are answered meanwhile

    def _strange(self, admitted: Admitted, items: Sequence[WebhookItem], now: datetime) -> bool:
        """Whether a number is not known, and it is time to look who there is."""
        if self._looked_at is not None and now - self._looked_at < LOOK_AGAIN:
            return False
        return any(
            (channel := getattr(item, "channel", None)) is not None and not admitted.knows(channel) for item in items
        )

    async def _look_again(self, admitted: Admitted, asked: WebhookRequest, slug: str | None) -> Admitted:
        self._looked_at = asked.received_at
        try:
            await self.refresh()
        except Exception as error:
            if not is_outage(error):
                raise
            return admitted
        return await self._admit(asked, slug)


_KINDS = frozenset({"unsupported", "unknown", "interactive", "poll", "edit", "button", "pin", "order", "contacts"})


def _known(kind: str) -> str:
    """A label of few values, whatever people send."""
    return kind if kind in _KINDS else "other"
