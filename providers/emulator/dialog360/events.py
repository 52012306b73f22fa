"""360dialog's webhooks: Meta's envelopes, unsigned, with the headers that were registered."""

import random
from collections.abc import Mapping

from providers.emulator.meta.events import MetaEvents
from providers.emulator.settings import EmulatorSettings
from providers.emulator.storeroom import StoredFile, Storeroom

LOOKASIDE = "https://lookaside.fbsbx.com"


class Dialog360Events(MetaEvents):
    """Writes what Meta would; proves it otherwise.

    Attributes:
        registered: The headers that came with the webhook's address.
    """

    def __init__(self, settings: EmulatorSettings, storeroom: Storeroom, chance: random.Random) -> None:
        super().__init__(settings, storeroom, chance)
        self.registered: dict[str, str] = dict(settings.webhook_headers)

    def seal(self, url: str, body: bytes) -> Mapping[str, str]:
        """The registered headers; a forged webhook has them wrong."""
        if body.endswith(b" forged"):
            return dict.fromkeys(self.registered, "forged")
        return self.registered

    def media_url(self, file: StoredFile) -> str:
        """Meta's own address, whose host the bot replaces."""
        return f"{LOOKASIDE}/whatsapp_business/attachments/?{self._storeroom.link_query(file.id)}"
