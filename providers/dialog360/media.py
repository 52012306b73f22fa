"""Files at 360dialog: Meta's calls at another host. The address that Meta gives is fetched through 360dialog.

Source: 360dialog, "Media", 2026.
"""

from collections.abc import AsyncGenerator, Collection
from dataclasses import replace

from yarl import URL

from providers.base import MediaError, MediaFile, MediaLocation, Uploaded
from providers.dialog360.rest import api
from providers.dialog360.settings import Dialog360Settings
from providers.fetching import Fetcher
from providers.meta.media import locate, upload


class Dialog360Media:
    """Files of one number.

    Args:
        settings: The number.
        private: `host:port` that files may come from besides 360dialog's own host.
    """

    def __init__(self, settings: Dialog360Settings, private: Collection[str] = ()) -> None:
        self._client = api(settings, MediaError)
        self._base = URL(settings.base_url)
        host = self._base.host or ""
        self._fetcher = Fetcher(
            hosts=(host,), trusted=(host,), credentials={"D360-API-KEY": settings.api_key}, private=private
        )

    async def upload(self, file: MediaFile) -> Uploaded:
        """Give a file to 360dialog."""
        return await upload(self._client, "/media", file)

    async def locate(self, media_id: str) -> MediaLocation:
        """Ask for the file's address of the moment."""
        return await locate(self._client, media_id)

    def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        """Fetch a file in pieces."""
        return self._fetcher.fetch(self.through_gateway(location).url, limit=limit)

    def through_gateway(self, location: MediaLocation) -> MediaLocation:
        """The same path and query at 360dialog's host: Meta's own would not take our key."""
        try:
            url = URL(location.url, encoded=True)
        except ValueError as error:
            raise MediaError("The file's address is none.") from error
        return replace(location, url=str(self._base.origin()) + url.raw_path_qs)

    async def delete(self, media_id: str) -> None:
        """Have 360dialog forget a file."""
        if not media_id.isalnum():
            raise MediaError("The file has an id that is none of the provider's.")
        await self._client.call("DELETE", f"/{media_id}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
        await self._fetcher.close()
