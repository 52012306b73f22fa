"""WhatsApp by way of 360dialog, behind the provider protocol. Messages and webhooks are Meta's, the rest is not."""

from collections.abc import Mapping
from datetime import UTC, datetime

from yarl import URL

from providers.base import (
    Capabilities,
    Fault,
    NumberHealth,
    OutboundMessage,
    Problem,
    Refused,
    SendOutcome,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.dialog360.answers import read_answer
from providers.dialog360.parse import parse
from providers.dialog360.settings import Dialog360Settings
from providers.dialog360.signature import check_token
from providers.fields import encode
from providers.http import Answer, ApiClient
from providers.meta.answers import confirms
from providers.meta.build import build, build_read
from providers.meta.errors import meaning
from providers.meta.provider import CAPABILITIES


class Dialog360Provider:
    """One number at 360dialog. Belongs to the event loop that first sends with it."""

    name: str = "360dialog"
    capabilities: Capabilities = CAPABILITIES
    webhook_methods: tuple[str, ...] = ("POST",)

    def __init__(self, settings: Dialog360Settings) -> None:
        self._settings = settings
        self._client = ApiClient({"D360-API-KEY": settings.api_key}, settings.patience)
        self._messages = URL(f"{settings.base_url.rstrip('/')}/messages")

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """360dialog checks no endpoint: always None."""
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Check that the request carries the token we registered, in constant time.

        Raises:
            SignatureError: It does not.
        """
        check_token(request.headers, self._settings.webhook_header, self._settings.webhook_tokens)

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Read a verified webhook. Never raises: what it cannot read becomes `NotUnderstood`."""
        return parse(request.body, request.received_at)

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Send one message. Never raises for anything 360dialog or the network does."""
        try:
            body = encode(build(message))
        except ValueError as error:
            return Refused(problem=Problem(fault=Fault.REQUEST, detail=str(error)), http_status=0)
        answer = await self._client.post(self._messages, body)
        if isinstance(answer, Answer):
            return read_answer(answer.status, answer.headers, answer.body, datetime.now(UTC))
        return answer

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Mark a person's message as read, and with `typing` show us typing for up to 25 seconds."""
        answer = await self._client.post(self._messages, encode(build_read(message_id, typing=typing)))
        return isinstance(answer, Answer) and confirms(answer.status, answer.body)

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """360dialog tells statuses by webhook only: always None."""
        return None

    async def health(self) -> NumberHealth | None:
        """360dialog tells by webhook only: always None."""
        return None

    def explain(self, code: int) -> str:
        """What an error code of Meta's, passed through, means and what to do."""
        return meaning(code).text

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
