"""WhatsApp by way of Twilio, behind the provider protocol."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from yarl import URL

from bot.core.messages import TemplateOut
from providers.answers import document_of
from providers.base import (
    Capabilities,
    Fault,
    NotSent,
    NumberHealth,
    OutboundMessage,
    Problem,
    Refused,
    SendOutcome,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.fields import mapping
from providers.http import FORM, Answer, ApiClient
from providers.twilio.answers import read_answer, read_sender, read_status
from providers.twilio.build import content_fields, layout, plain_fields, recipient, template_values
from providers.twilio.contents import Content, Contents
from providers.twilio.errors import CATALOGUE
from providers.twilio.parse import CORRELATION, PREFIX, parse
from providers.twilio.settings import TwilioSettings
from providers.twilio.signature import check_signature

CAPABILITIES = Capabilities(
    max_text=1600,
    max_button_body=1024,
    max_list_body=1024,
    buttons=True,
    lists=True,
    correlation=True,
    location_requests=False,
    contact_requests=False,
    contacts=False,
    reactions=False,
    replies=False,
    media_ids=False,
    document_captions=False,
    read_marks=False,  # only together with typing
    loses_statuses=True,
)

_CONTENT_GONE = frozenset({20404, 21654, 21655})


class TwilioProvider:
    """One WhatsApp number at Twilio. Belongs to the event loop that first sends with it."""

    name: str = "twilio"
    capabilities: Capabilities = CAPABILITIES
    webhook_methods: tuple[str, ...] = ("POST", "PUT", "GET")

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._client = ApiClient({"Authorization": settings.authorization}, settings.patience)
        self._contents = Contents(self._client, settings.content_url)
        self._messages = URL(f"{settings.account_url}/Messages.json")
        self._typing = URL(f"{settings.messaging_url.rstrip('/')}/v2/Indicators/Typing.json")

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Twilio checks no endpoint: always None."""
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Check that Twilio signed this, in constant time.

        Raises:
            SignatureError: It did not, or that cannot be known.
        """
        check_signature(request, self._settings.public_url, self._settings.auth_tokens)

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Read a verified webhook. Never raises: what it cannot read becomes `NotUnderstood`."""
        return parse(request)

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Send one message. Never raises for anything Twilio or the network does."""
        outcome, gone = await self._send(message)
        if gone:  # somebody deleted the content at Twilio
            self._contents.forget()
            outcome, _ = await self._send(message)
        return outcome

    async def _send(self, message: OutboundMessage) -> tuple[SendOutcome, bool]:
        try:
            fields = self._envelope(message)
            content = await self._content(message)
        except ValueError as error:
            return Refused(problem=Problem(fault=Fault.REQUEST, detail=str(error)), http_status=0), False
        if not isinstance(content, dict):
            return content, False
        body = urlencode({**fields, **content}).encode()
        answer = await self._client.post(self._messages, body, FORM)
        if not isinstance(answer, Answer):
            return answer, False
        outcome = read_answer(answer, datetime.now(UTC))
        refused = isinstance(outcome, Refused) and outcome.problem.code in _CONTENT_GONE
        return outcome, refused and "ContentSid" in content

    def _envelope(self, message: OutboundMessage) -> dict[str, str]:
        settings = self._settings
        fields = {"To": recipient(message), "From": PREFIX + settings.phone_number}
        if settings.messaging_service_sid:
            fields["MessagingServiceSid"] = settings.messaging_service_sid
        if settings.public_url:
            # Twilio echoes nothing of ours in statuses but the address they go to, which its signature covers.
            query = urlencode({CORRELATION: message.correlation}) if message.correlation else ""
            address = settings.public_url.rstrip("/") + settings.status_path
            fields["StatusCallback"] = f"{address}?{query}" if query else address
        return fields

    async def _content(self, message: OutboundMessage) -> dict[str, str] | SendOutcome:
        content = plain_fields(message.content)
        if isinstance(content, dict):
            return content
        if isinstance(content, TemplateOut):
            found = await self._contents.of_template(content.name, content.language)
            if not isinstance(found, Content):
                return found
            return content_fields(found.sid, template_values(content, found.media_from))
        needed = layout(content)
        sid = await self._contents.of_layout(needed)
        values = {str(place): value for place, value in enumerate(needed.values, 1)}
        return content_fields(sid, values) if isinstance(sid, str) else sid

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Show us typing for up to 25 seconds, which marks the message as read, too; alone Twilio cannot mark."""
        if not typing:
            return False
        body = urlencode({"messageId": message_id.partition("/")[0], "channel": "whatsapp"}).encode()
        answer = await self._client.post(self._typing, body, FORM)
        return (
            isinstance(answer, Answer)
            and 200 <= answer.status < 300
            and mapping(document_of(answer.body)).get("success") is True
        )

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """Ask how far a message of ours has come: a status that our server missed is not sent again."""
        url = URL(f"{self._settings.account_url}/Messages") / f"{provider_message_id}.json"
        answer = await self._client.ask("GET", url)
        if isinstance(answer, NotSent):
            return None
        return read_status(answer, self._settings.phone_number, datetime.now(UTC))

    async def health(self) -> NumberHealth | None:
        """Ask how the sender is rated, and how many people it may write to."""
        url = URL(f"{self._settings.messaging_url.rstrip('/')}/v2/Channels/Senders")
        answer = await self._client.ask("GET", url.with_query(Channel="whatsapp", PageSize=1000))
        if isinstance(answer, NotSent) or answer.status != 200:
            return None
        return read_sender(answer, PREFIX + self._settings.phone_number)

    def explain(self, code: int) -> str:
        """What an error code of Twilio's means, and what to do."""
        return CATALOGUE.meaning(code).text

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
