"""Samples of the files above templates, for the provider's reviewers: from a file beside the template, or a link."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import cast
from urllib.parse import urlsplit

from bot.core.headers import SAMPLE_TYPES, HeaderMedia, content_mistake, is_link, name_in
from bot.core.ids import ChannelId, TenantId
from bot.core.messages import MediaKind
from bot.core.whatsapp import WhatsAppTemplate
from bot.runtime.files import MediaLibrary
from bot.runtime.links import Links
from bot.runtime.loop import Clock
from providers.base import MediaFile, Sample, TemplateRefused
from providers.fetching import Fetcher

LINK_GOOD_FOR = timedelta(days=30)
"""A review takes a day at most, an appeal some more."""

MOST_BYTES = 100 * 1024 * 1024

SampleOf = Callable[[WhatsAppTemplate], Sample | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of one number's templates.

    Attributes:
        folder: Where the templates are.
        files: Keeps a copy of a file that the provider is to fetch from us.
        links: Makes links to these; None when nobody outside can reach us.
        tenant: Whose templates.
        channel: The number.
        clock: The time.
    """

    folder: Path
    files: MediaLibrary
    links: Links | None
    tenant: TenantId
    channel: ChannelId
    clock: Clock

    def of(self, template: WhatsAppTemplate) -> Sample | None:
        """The sample of a template; None when it has no file above its body."""
        kind, where = template.header_media, template.header_example
        if kind is None or kind == "location" or not where:
            return None
        return _Linked(kind=kind, url=where) if is_link(where) else _Beside(samples=self, kind=kind, where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Linked:
    kind: MediaKind
    url: str

    async def file(self) -> MediaFile:
        # The author chose the host; that it is a public one is checked all the same.
        host = urlsplit(self.url).hostname or ""
        fetcher = Fetcher(hosts=(host,), trusted=(), credentials={})
        try:
            content = b"".join([piece async for piece in fetcher.fetch(self.url, limit=MOST_BYTES)])
        finally:
            await fetcher.close()
        return sample_file(self.kind, name_in(self.url), content)

    async def link(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    samples: Samples
    kind: MediaKind
    where: str

    async def file(self) -> MediaFile:
        path = self.samples.folder / self.where
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise TemplateRefused(f"The sample {self.where} cannot be read: {error.strerror}.") from error
        return sample_file(self.kind, path.name, content)

    async def link(self) -> str:
        mine = self.samples
        if mine.links is None:
            raise TemplateRefused(
                "The provider fetches the sample from us, and BOT_PUBLIC_URL is not set. Set it, or make "
                "`header_example:` an https address."
            )
        file = await self.file()
        number = await mine.files.add(
            mine.tenant, mine.channel, file.content, kind=self.kind, mime_type=file.mime_type, filename=file.filename
        )
        stored = await mine.files.find(mine.tenant, number)
        if stored is None:
            raise TemplateRefused(f"The sample {self.where} was deleted as it was kept.", retryable=True)
        return mine.links.link(mine.tenant, stored, mine.clock() + LINK_GOOD_FOR)


def sample_file(kind: MediaKind, name: str, content: bytes) -> MediaFile:
    """A sample as it is handed in.

    Raises:
        TemplateRefused: It is not what its name says, or larger than WhatsApp takes.
    """
    if mistake := content_mistake(kind, name, content):
        raise TemplateRefused(mistake)
    ending = PurePosixPath(name).suffix.lower()
    return MediaFile(
        media=kind, content=content, mime_type=SAMPLE_TYPES[cast("HeaderMedia", kind)][ending], filename=name
    )
