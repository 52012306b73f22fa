"""Files at Meta: uploaded to a number, found by id, fetched from an address that is good for five minutes.

Source: Meta, WhatsApp Business Platform, "Media", 2026.
"""

from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from providers.base import MediaError, MediaFile, MediaLocation, Uploaded
from providers.fetching import Fetcher
from providers.meta.settings import MetaSettings
from providers.meta.templates import graph
from providers.rest import RestClient

KEPT = timedelta(days=29)
"""How long an uploaded file may be sent: 30 days, and one to be on the safe side."""

HOSTS = ("lookaside.fbsbx.com", "*.fbcdn.net", "graph.facebook.com")
TRUSTED = ("lookaside.fbsbx.com", "graph.facebook.com")


class MetaMedia:
    """Files of one number.

    Args:
        settings: The number.
        private: `host:port` that files may come from besides Meta's own hosts.
    """

    def __init__(self, settings: MetaSettings, private: Collection[str] = ()) -> None:
        self._client = graph(settings, MediaError)
        self._path = f"/{settings.phone_number_id}/media"
        base = URL(settings.base_url).host or ""
        self._fetcher = Fetcher(
            hosts=(*HOSTS, base),
            trusted=(*TRUSTED, base),
            credentials={"Authorization": f"Bearer {settings.access_token}"},
            private=private,
        )

    async def upload(self, file: MediaFile) -> Uploaded:
        """Give a file to Meta."""
        return await upload(self._client, self._path, file)

    async def locate(self, media_id: str) -> MediaLocation:
        """Ask Meta for the file's address of the moment."""
        return await locate(self._client, media_id)

    def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        """Fetch a file in pieces."""
        return self._fetcher.fetch(location.url, limit=limit)

    async def delete(self, media_id: str) -> None:
        """Have Meta forget a file."""
        await self._client.call("DELETE", f"/{_segment(media_id)}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
        await self._fetcher.close()


async def upload(client: RestClient, path: str, file: MediaFile) -> Uploaded:
    """Post a file as Meta and 360dialog take it."""
    form = aiohttp.FormData()
    form.add_field("messaging_product", "whatsapp")
    form.add_field("type", file.mime_type)
    form.add_field("file", file.content, filename=file.filename, content_type=file.mime_type)
    answer = await client.call("POST", path, data=form)
    media_id = answer.get("id")
    if not isinstance(media_id, str | int) or not str(media_id):
        raise MediaError("The provider took the file but gave no id.", retryable=True)
    return Uploaded(media_id=str(media_id), expires_at=datetime.now(UTC) + KEPT)


async def locate(client: RestClient, media_id: str) -> MediaLocation:
    """Ask Meta or 360dialog where a file is."""
    answer = await client.call("GET", f"/{_segment(media_id)}")
    url = answer.get("url")
    if not isinstance(url, str) or not url:
        raise MediaError("The provider knows the file but not where it is.", retryable=True)
    return MediaLocation(
        url=url,
        mime_type=_text(answer.get("mime_type")),
        sha256=_hash(answer.get("sha256")),
        size_bytes=_size(answer.get("file_size")),
    )


def _segment(media_id: str) -> str:
    """An id as one segment of a path. Ids come from webhooks, so they must not lead to another place."""
    if not media_id.isalnum() or not media_id.isascii():
        raise MediaError("The file has an id that is none of the provider's.")
    return media_id


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _hash(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and len(value) == 64 else None


def _size(value: Any) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None
