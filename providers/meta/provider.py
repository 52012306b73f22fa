"""Meta's WhatsApp Cloud API behind the provider protocol."""

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
from providers.fields import encode
from providers.http import Answer, ApiClient
from providers.meta.answers import confirms, read_answer, read_history, read_number
from providers.meta.build import build, build_read
from providers.meta.errors import meaning
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
    webhook_methods: tuple[str, ...] = ("POST",)

    def __init__(self, settings: MetaSettings) -> None:
        self._settings = settings
        self._client = ApiClient({"Authorization": f"Bearer {settings.access_token}"}, settings.patience)
        self._messages = URL(f"{settings.api_url}/{settings.phone_number_id}/messages")

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
        answer = await self._client.post(self._messages, body)
        if isinstance(answer, Answer):
            return read_answer(answer.status, answer.headers, answer.body, datetime.now(UTC))
        return answer

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Mark a person's message as read, and with `typing` show us typing for up to 25 seconds.

        Returns:
            Whether Meta confirmed it. A courtesy, so never worth a retry; raises nothing, like `send`.
        """
        answer = await self._client.post(self._messages, encode(build_read(message_id, typing=typing)))
        return isinstance(answer, Answer) and confirms(answer.status, answer.body)

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """Ask how far a message of ours has come, where its statuses may have been lost."""
        query = {"message_id": provider_message_id, "fields": "message_id,events{delivery_status,timestamp}"}
        url = URL(f"{self._settings.api_url}/{self._settings.phone_number_id}/message_history").with_query(query)
        answer = await self._client.ask("GET", url)
        if not isinstance(answer, Answer) or answer.status != 200:
            return None
        return read_history(answer.body, self._settings.phone_number_id, provider_message_id, datetime.now(UTC))

    async def health(self) -> NumberHealth | None:
        """Ask how the number is rated, how fast it may send, and to how many people."""
        fields = "quality_rating,status,throughput,whatsapp_business_manager_messaging_limit"
        url = URL(f"{self._settings.api_url}/{self._settings.phone_number_id}").with_query(fields=fields)
        answer = await self._client.ask("GET", url)
        return read_number(answer.body) if isinstance(answer, Answer) and answer.status == 200 else None

    def explain(self, code: int) -> str:
        """What an error code of Meta's means, and what to do."""
        return meaning(code).text

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
