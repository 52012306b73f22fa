"""What stands in for the world in a simulated chat: a provider that is this process, and a clock that we move."""

from collections.abc import Mapping
from datetime import datetime

from providers.base import (
    Accepted,
    Capabilities,
    NumberHealth,
    OutboundMessage,
    SendOutcome,
    SignatureError,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)


class Handset:
    """A provider whose network is this process: what is sent lies in `sent` until somebody takes it."""

    name = "simulator"
    webhook_methods: tuple[str, ...] = ("POST",)
    capabilities = Capabilities(
        max_text=4096, max_button_body=1024, max_list_body=1024, buttons=True, lists=True, correlation=True
    )

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []
        self._count = 0

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Take a message."""
        self.sent.append(message)
        self._count += 1
        return Accepted(provider_message_id=f"simulated.out.{self._count}")

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Everything counts as read."""
        return True

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """Nothing is known but what was sent."""
        return None

    async def health(self) -> NumberHealth | None:
        """There is no number."""
        return None

    def explain(self, code: int) -> str:
        """Nothing goes wrong here."""
        return ""

    async def close(self) -> None:
        """Nothing to let go of."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Nobody asks."""
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Webhooks do not come here.

        Raises:
            SignatureError: Always.
        """
        raise SignatureError("The simulator takes no webhooks.")

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Webhooks do not come here."""
        return []


class SimulatedClock:
    """A clock that stands still until the session moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now
