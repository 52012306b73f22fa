"""Files of our own on their way out: given to the provider once, then sent by its id; by link where it takes no files.

What a provider keeps for us is remembered per number until it expires there, so that a picture sent to a thousand
people is uploaded once. An upload happens before the message is sent, so whatever goes wrong with it, the message
certainly did not go out. It may take longer than a send may: then it goes on by itself, the message is tried again a
little later and finds it done.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.core.errors import ProviderError, StorageError
from bot.core.filetypes import outbound_mistake
from bot.core.ids import ChannelId, TenantId
from bot.core.messages import MediaOut, TemplateOut
from bot.runtime.failpoints import failpoint
from bot.runtime.files import MediaLibrary, StoredFile
from bot.runtime.links import Links
from bot.runtime.loop import Clock
from bot.runtime.metrics import METRICS
from providers.base import (
    Capabilities,
    Fault,
    MediaClient,
    MediaFile,
    NotSent,
    NumberHealth,
    OutboundMessage,
    Problem,
    Provider,
    Refused,
    SendOutcome,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)

LINK_GOOD_FOR = timedelta(hours=6)
"""Twilio keeps a message for up to four hours before it fetches the file."""

_IN_DOUBT = frozenset({Fault.MEDIA, Fault.REQUEST})
"""Refusals after which the provider may not have the file any more, whatever it promised."""


@dataclass(slots=True, kw_only=True)
class WithFiles:
    """A provider that sends files of our own as well: `MediaOut.file` becomes an id or a link.

    Attributes:
        provider: Who carries the messages.
        client: Takes files.
        files: The files.
        links: Makes links to them; None when nobody outside can reach us.
        tenant: Whose files.
        channel: The number.
        patience: Seconds to wait for an upload within one attempt to send.
        clock: The time.
    """

    provider: Provider
    client: MediaClient
    files: MediaLibrary
    links: Links | None
    tenant: TenantId
    channel: ChannelId
    patience: float
    clock: Clock
    name: str = field(init=False)
    capabilities: Capabilities = field(init=False)
    webhook_methods: tuple[str, ...] = field(init=False)
    _uploads: dict[str, "asyncio.Task[str]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look like the provider."""
        self.name = self.provider.name
        self.capabilities = self.provider.capabilities
        self.webhook_methods = self.provider.webhook_methods

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """As the provider does."""
        return self.provider.handshake(query)

    def verify(self, request: WebhookRequest) -> None:
        """As the provider does."""
        self.provider.verify(request)

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """As the provider does."""
        return self.provider.parse(request)

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """As the provider does."""
        return await self.provider.mark_read(message_id, typing=typing)

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """As the provider does."""
        return await self.provider.look_up(provider_message_id)

    async def health(self) -> NumberHealth | None:
        """As the provider does."""
        return await self.provider.health()

    def explain(self, code: int) -> str:
        """As the provider does."""
        return self.provider.explain(code)

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Send one message, its file first if it has one. Never raises for what provider, network or store do."""
        file = _file_of(message)
        if file is None or not file.file:
            return await self.provider.send(message)
        prepared = await self._prepare(file)
        if not isinstance(prepared, MediaOut):
            return prepared
        outcome = await self.provider.send(_with_file(message, prepared))
        if isinstance(outcome, Refused) and outcome.problem.fault in _IN_DOUBT and prepared.media_id:
            await self.files.media.forget_upload(self.tenant, self.channel, prepared.media_id)
        return outcome

    async def close(self) -> None:
        """Leave uploads alone and let the provider go of connections."""
        for task in self._uploads.values():
            task.cancel()
        await asyncio.gather(*self._uploads.values(), return_exceptions=True)
        await self.provider.close()

    async def _prepare(self, content: MediaOut) -> MediaOut | SendOutcome:
        """The file with an id or a link, or why the message cannot be sent (now)."""
        number = content.file or ""
        stored = await self.files.find(self.tenant, int(number)) if number.isascii() and number.isdecimal() else None
        if stored is None:
            return _refused(f"There is no file {number}: it was never kept, or has expired.")
        if mistake := outbound_mistake(content.media, stored.mime_type, stored.size_bytes):
            return _refused(f"The file {mistake}")
        told = replace(
            content,
            file=None,
            mime_type=stored.mime_type,
            size_bytes=stored.size_bytes,
            filename=content.filename or (stored.filename if content.media == "document" else None),
        )
        if not self.provider.capabilities.media_ids:
            if self.links is None:
                return _refused("The provider fetches files from us, and BOT_PUBLIC_URL is not set.")
            return replace(told, link=self.links.link(self.tenant, stored, self.clock() + LINK_GOOD_FOR))
        try:
            return replace(told, media_id=await self._media_id(content, stored))
        except TimeoutError:
            return NotSent(detail="the file is still being uploaded")
        except StorageError as error:
            return NotSent(detail=str(error))
        except ProviderError as error:
            return NotSent(detail=str(error)) if error.retryable else _refused(str(error), error.code)

    async def _media_id(self, content: MediaOut, stored: StoredFile) -> str:
        known = await self.files.media.upload_of(
            self.tenant, self.channel, stored.sha256, stored.mime_type, self.clock()
        )
        if known is not None:
            return known
        key = f"{stored.sha256} {stored.mime_type}"
        task = self._uploads.get(key)
        if task is None:
            task = self._uploads[key] = asyncio.create_task(self._upload(content, stored))
            task.add_done_callback(lambda done: self._landed(key, done))
        async with asyncio.timeout(self.patience):
            return await asyncio.shield(task)

    def _landed(self, key: str, task: "asyncio.Task[str]") -> None:
        self._uploads.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waited was told; nobody else has to be

    async def _upload(self, content: MediaOut, stored: StoredFile) -> str:
        body = b"".join([piece async for piece in self.files.read(stored)])
        given = await self.client.upload(
            MediaFile(media=content.media, content=body, mime_type=stored.mime_type, filename=stored.filename)
        )
        METRICS.uploads.inc()
        failpoint("media.after_upload")
        await self.files.media.keep_upload(
            self.tenant, self.channel, stored.sha256, stored.mime_type, given.media_id, at=self.clock(),
            expires_at=_sooner(given.expires_at, self.clock()),
        )  # fmt: skip
        failpoint("media.upload_kept")
        return given.media_id


def _sooner(expires_at: datetime, now: datetime) -> datetime:
    """A message may wait for a day before the provider gets it, and must not find the file gone."""
    return max(expires_at - timedelta(days=1), now)


def _file_of(message: OutboundMessage) -> MediaOut | None:
    match message.content:
        case MediaOut() as file:
            return file
        case TemplateOut(header_media=file):
            return file
        case _:
            return None


def _with_file(message: OutboundMessage, file: MediaOut) -> OutboundMessage:
    if isinstance(message.content, TemplateOut):
        return replace(message, content=replace(message.content, header_media=file))
    return replace(message, content=file)


def _refused(detail: str, code: int | None = None) -> Refused:
    return Refused(problem=Problem(fault=Fault.REQUEST, code=code, detail=detail), http_status=0)
