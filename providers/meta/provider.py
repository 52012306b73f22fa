"""Meta's WhatsApp Cloud API behind the provider protocol."""

from collections.abc import Mapping
from datetime import UTC, datetime

from providers.base import (
    Capabilities,
    Fault,
    OutboundMessage,
    Problem,
    Refused,
    SendOutcome,
    WebhookItem,
    WebhookRequest,
)
from providers.meta.answers import confirms, read_answer
from providers.meta.build import build, build_read
from providers.meta.client import Answer, GraphClient
from providers.meta.fields import encode
from providers.meta.parse import parse
from providers.meta.settings import MetaSettings
from providers.meta.signature import answer_handshake, check_signature

CAPABILITIES = Capabilities(
    max_text=4096,
    max_button_body=1024,
    max_list_body=1024,  # the pages say 4096, the OpenAPI description 1024: the smaller one always works
    buttons=True,
    lists=True,
    correlation=True,
)


class MetaProvider:
    """One number at Meta's WhatsApp Cloud API. Belongs to the event loop that first sends with it."""

    name: str = "meta"
    capabilities: Capabilities = CAPABILITIES

    def __init__(self, settings: MetaSettings) -> None:
        self._settings = settings
        self._client = GraphClient(settings)

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Answer Meta's check of the endpoint: the challenge to echo as plain text, or None to refuse."""
        return answer_handshake(query, self._settings.verify_token)

    def verify(self, request: WebhookRequest) -> None:
        """Check that Meta signed this, in constant time.

        Raises:
            SignatureError: It did not, or that cannot be known.
        """
        check_signature(request.headers, request.body, self._settings.app_secrets)

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Read a verified webhook. Never raises: what it cannot read becomes `NotUnderstood`."""
        return parse(request.body, request.received_at)

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Send one message. Never raises for anything Meta or the network does."""
        try:
            body = encode(build(message))
        except ValueError as error:
            return Refused(problem=Problem(fault=Fault.REQUEST, detail=str(error)), http_status=0)
        answer = await self._client.post(body)
        if isinstance(answer, Answer):
            return read_answer(answer.status, answer.headers, answer.body, datetime.now(UTC))
        return answer

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Mark a person's message as read, and with `typing` show us typing for up to 25 seconds.

        Returns:
            Whether Meta confirmed it. A courtesy, so never worth a retry; raises nothing, like `send`.
        """
        answer = await self._client.post(encode(build_read(message_id, typing=typing)))
        return isinstance(answer, Answer) and confirms(answer.status, answer.body)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
