"""Files at Twilio: inbound ones have an address instead of an id, outbound ones are fetched from us.

An address at Twilio's API wants the account's credentials and answers with a redirect to a store, which gets none.
Source: Twilio, "Media resource" and "WhatsApp media", 2026.
"""

from collections.abc import AsyncGenerator, Collection

from yarl import URL

from providers.base import MediaError, MediaFile, MediaLocation, Uploaded
from providers.fetching import Fetcher
from providers.twilio.rest import api, credentials
from providers.twilio.settings import TwilioSettings

HOSTS = (
    "api.twilio.com", "*.twilio.com", "*.twiliocdn.com", "s3.amazonaws.com", "s3-*.amazonaws.com", "s3.*.amazonaws.com",
    "*.s3.amazonaws.com", "*.s3.*.amazonaws.com", "*.s3-*.amazonaws.com",
)  # fmt: skip


class TwilioMedia:
    """Files of one account.

    Args:
        settings: The account.
        private: `host:port` that files may come from besides Twilio's own hosts.
    """

    def __init__(self, settings: TwilioSettings, private: Collection[str] = ()) -> None:
        self._account = URL(settings.account_url)
        self._client = api(str(self._account.origin()), settings, MediaError)
        host = self._account.host or ""
        self._fetcher = Fetcher(
            hosts=(*HOSTS, host), trusted=(host,), credentials=credentials(settings), private=private
        )

    async def upload(self, file: MediaFile) -> Uploaded:
        """Never: Twilio fetches files from where they are."""
        raise MediaError("Twilio takes no uploads: send a link.")

    async def locate(self, media_id: str) -> MediaLocation:
        """The address is the id; nothing more is known of it."""
        return MediaLocation(url=media_id)

    def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        """Fetch a file in pieces."""
        return self._fetcher.fetch(location.url, limit=limit)

    async def delete(self, media_id: str) -> None:
        """Have Twilio forget a file; it keeps them until it is told."""
        url = URL(media_id)
        if (
            not url.absolute
            or url.origin() != self._account.origin()
            or not url.path.startswith(f"{self._account.path}/")
        ):
            raise MediaError("The file is not one of this Twilio account.")
        await self._client.call("DELETE", url.raw_path)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
        await self._fetcher.close()
