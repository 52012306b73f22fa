"""What every WhatsApp provider does, in provider-neutral terms.

A provider is a pure half (verify, parse, build: bytes and dicts in, typed values out) and an HTTP half (send…).
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.core.errors import ProviderError
from bot.core.frozen import dataclass
from bot.core.messages import Incoming, MediaKind, Outgoing
from bot.core.whatsapp import WhatsAppTemplate

# --- Receiving ------------------------------------------------------------------------------------------------------


class SignatureError(ProviderError):
    """A webhook request was not signed by the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A webhook request as it came in. `body` is untouched: signatures cover the exact bytes.

    `url` is its path and query, escapes and all: signatures may cover those as well.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who wrote. At least one of `phone` (E.164 with +) and `user_id` (business-scoped id) is there."""

    phone: str | None = None
    user_id: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """One message from a person. `channel` is the routing key of our number: Meta's phone_number_id."""

    channel: str
    provider_message_id: str
    sender: Sender
    at: datetime
    content: Incoming
    reply_to: str | None = None
    group_id: str | None = None
    referral: dict[str, Any] | None = None
    forwarded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEchoed:
    """A message that a colleague typed in the business's own WhatsApp app: ours, and not sent by us."""

    channel: str
    provider_message_id: str
    recipient: Sender
    at: datetime
    content: Incoming


class Delivery(StrEnum):
    """How far a message of ours has come. Ordered by `rank`; FAILED is final unless already delivered."""

    ACCEPTED = "ACCEPTED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    PLAYED = "PLAYED"
    FAILED = "FAILED"


class Fault(StrEnum):
    """What kind of refusal a provider's error is, which decides what we do about it."""

    AUTH = "auth"  # stop the channel, alarm
    THROTTLE_CHANNEL = "throttle_channel"  # pause the number
    THROTTLE_PAIR = "throttle_pair"  # pause this person
    TRANSIENT = "transient"  # a few more tries
    MEDIA = "media"  # one more try
    WINDOW = "window"  # outside the 24 hours: template instead
    RECIPIENT = "recipient"  # this person cannot be reached
    CONSENT = "consent"  # this person does not want it
    TEMPLATE = "template"  # the template is not usable
    POLICY = "policy"  # the account is restricted: stop, alarm
    REQUEST = "request"  # we built it wrong


RETRYABLE = frozenset({Fault.THROTTLE_CHANNEL, Fault.THROTTLE_PAIR, Fault.TRANSIENT, Fault.MEDIA})


class Effect(StrEnum):
    """What else is to be done about a provider's error, besides what becomes of the message itself."""

    NONE = ""
    RETRY = "retry"  # the same message may succeed now
    PAUSE_CHANNEL = "pause_channel"  # the number sends nothing for a while
    PAUSE_PAIR = "pause_pair"  # nothing to this person for a while
    STOP_CHANNEL = "stop_channel"  # the number sends nothing until somebody has looked: alarm
    STOP_INITIATED = "stop_initiated"  # no templates outside the window for hours: alarm
    ALARM = "alarm"  # somebody should look
    OPT_OUT = "opt_out"  # this person wants nothing from us
    OPT_OUT_MARKETING = "opt_out_marketing"  # this person wants no marketing from us
    PAUSE_TEMPLATE = "pause_template"  # the template is not to be used for a while
    DISABLE_TEMPLATE = "disable_template"  # the template is not to be used any more
    USE_TEMPLATE = "use_template"  # the 24-hour window is closed, whatever we thought


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error of a provider. `code` is theirs, `fault` our reading of it; `detail` carries no personal data."""

    fault: Fault
    code: int | None = None
    detail: str = ""
    effect: Effect = Effect.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """A message of ours moved on. `correlation` is what we sent along, when the provider echoes it."""

    channel: str
    provider_message_id: str
    status: Delivery
    at: datetime
    correlation: str | None = None
    problem: Problem | None = None
    recipient_phone: str | None = None
    recipient_user_id: str | None = None
    pricing: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged:
    """A person's number or business-scoped id was replaced."""

    channel: str
    old_phone: str | None = None
    new_phone: str | None = None
    old_user_id: str | None = None
    new_user_id: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceChanged:
    """A person stopped or resumed marketing in WhatsApp's own settings."""

    channel: str
    phone: str | None
    user_id: str | None
    marketing: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChanged:
    """A template's status, category, quality or text changed at the provider."""

    account: str
    template_id: str
    name: str
    language: str
    change: str
    status: str | None = None
    category: str | None = None
    reason: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged:
    """Anything else a provider tells about our account or number: limits, quality, names, restrictions, echoes."""

    account: str
    channel: str | None
    field: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """A part of a webhook that we could not read. Stored and counted, never dropped. `raw` is its JSON."""

    reason: str
    raw: bytes
    channel: str | None = None


WebhookItem = (
    InboundMessage
    | MessageEchoed
    | StatusUpdate
    | IdentityChanged
    | PreferenceChanged
    | TemplateChanged
    | AccountChanged
    | NotUnderstood
)

# --- Sending --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One message to one person. `correlation` (≤ 512 characters, no secrets) comes back in its statuses."""

    phone: str | None
    user_id: str | None
    content: Outgoing
    correlation: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider took the message. Not yet sent, let alone delivered."""

    provider_message_id: str
    user_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The provider said no: the message certainly did not go out. `retry_after` in seconds, when it told."""

    problem: Problem
    http_status: int
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same message may succeed later."""
        return self.problem.fault in RETRYABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """No byte of the request was written (connection refused, name not found): safe to try again."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The request was written and no answer came: it may or may not have gone out. Never repeated blindly."""

    detail: str


SendOutcome = Accepted | Refused | NotSent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can carry. `providers.planning` plans around what it cannot: nothing is dropped in silence.

    Attributes:
        max_text: Characters of a text; longer ones are split.
        max_button_body: Characters above buttons.
        max_list_body: Characters above a list.
        buttons: Reply buttons; else a numbered text.
        lists: Lists; else a numbered text.
        correlation: What we send along comes back in statuses.
        url_buttons: A button that opens a page; else the address in the text.
        location_requests: A button that sends the location; else asked in words.
        contact_requests: A button that shares the number; else asked in words.
        contacts: Contact cards; else name and number as text.
        reactions: Emoji on a message; else nothing, since words would say more than was meant.
        replies: Quoting the message that is answered; else without the quote.
        forms: WhatsApp Flows.
        media_ids: Files by the provider's id; else by link only.
        document_captions: A caption under a document; else as a text before it.
        read_marks: Marking messages as read.
        typing: Showing that we type.
        loses_statuses: A status that our server did not take is not told again: `look_up` finds it.
    """

    max_text: int
    max_button_body: int
    max_list_body: int
    buttons: bool
    lists: bool
    correlation: bool
    url_buttons: bool = True
    location_requests: bool = True
    contact_requests: bool = True
    contacts: bool = True
    reactions: bool = True
    replies: bool = True
    forms: bool = True
    media_ids: bool = True
    document_captions: bool = True
    read_marks: bool = True
    typing: bool = True
    loses_statuses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberHealth:
    """How a provider rates a number. None: it does not tell.

    Attributes:
        quality: GREEN, YELLOW or RED; at Twilio HIGH, MEDIUM or LOW.
        status: CONNECTED, ONLINE… in the provider's words.
        reach_limit: How many people may be written to outside their window in 24 hours; -1 any number.
        throughput: Messages per second that it takes.
    """

    quality: str | None = None
    status: str | None = None
    reach_limit: int | None = None
    throughput: int | None = None


class Provider(Protocol):
    """One number at one provider."""

    name: str
    capabilities: Capabilities
    webhook_methods: tuple[str, ...]
    """How webhooks come: POST, with Twilio also PUT and GET. A GET to others is the endpoint check."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Answer the provider's endpoint check: the text to echo, or None to refuse."""

    def verify(self, request: WebhookRequest) -> None:
        """Check that the provider sent this, in constant time.

        Raises:
            SignatureError: It did not, or that cannot be known.
        """

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Read a verified webhook. Never raises: what it cannot read becomes `NotUnderstood`."""

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Send one message, of any kind, templates among them. Never raises for what the provider or network does."""

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        """Mark a person's message as read, and with `typing` show us typing for up to 25 seconds.

        Returns:
            Whether the provider confirmed it. A courtesy, so never worth a retry; raises nothing, like `send`.
        """

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        """Ask how far a message of ours has come, where its statuses may have been lost; None if nobody can tell."""

    async def health(self) -> NumberHealth | None:
        """Ask how the number is rated; None if nobody can tell. Raises nothing, like `send`."""

    def explain(self, code: int) -> str:
        """What an error code means, and what to do: one or two sentences for the operator."""

    async def close(self) -> None:
        """Let go of connections."""


# --- Files ----------------------------------------------------------------------------------------------------------


class MediaError(ProviderError):
    """A file could not be fetched from a provider or given to it. `retryable`: it may work later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file to give to a provider. `content` is the whole of it: WhatsApp takes 100 MB at most."""

    media: MediaKind
    content: bytes
    mime_type: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file a provider keeps for us. `media_id` is good until `expires_at`."""

    media_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLocation:
    """Where a file can be fetched right now; the address is good for minutes. `sha256` is lower-case hex."""

    url: str
    mime_type: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None


class MediaClient(Protocol):
    """Files at one number's provider. What it cannot do raises `MediaError`."""

    async def upload(self, file: MediaFile) -> Uploaded:
        """Give a file to the provider.

        Raises:
            MediaError: It did not take it, or takes no uploads (Twilio: send by link).
        """

    async def locate(self, media_id: str) -> MediaLocation:
        """Find out where a file is: one that a person sent, or one that we uploaded."""

    def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        """Fetch a file in pieces, with credentials for the provider's own hosts only.

        Raises:
            MediaError: It is not there, has more than `limit` bytes, or its address leads elsewhere.
        """

    async def delete(self, media_id: str) -> None:
        """Have the provider forget a file."""

    async def close(self) -> None:
        """Let go of connections."""


# --- Templates ------------------------------------------------------------------------------------------------------


class TemplateRefused(ProviderError):  # noqa: N818  a verdict of the provider's
    """A provider did not take a template, or did not answer. `code` is its error code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTemplate:
    """A template as the provider has it.

    `status` is upper case, in Meta's words: APPROVED, PENDING, REJECTED, PAUSED, DISABLED…
    """

    provider_template_id: str | None
    name: str
    language: str
    status: str
    category: str | None = None
    reason: str | None = None
    quality: str | None = None
    components: Sequence[dict[str, Any]] = ()


class Sample(Protocol):
    """The example of the file above a template's body, which the provider's reviewers look at."""

    async def file(self) -> MediaFile:
        """The file itself.

        Raises:
            ProviderError: It is not to be had, or is not what its name says.
        """

    async def link(self) -> str:
        """A public address of the file, good for as long as a review may take.

        Raises:
            ProviderError: Nobody outside could fetch it.
        """


class TemplateClient(Protocol):
    """Message templates of one account. What is refused raises `TemplateRefused`.

    Attributes:
        provider: As in WHATSAPP_PROVIDER.
        editable: In which statuses a template may be changed; nowhere when empty.
    """

    provider: str
    editable: Collection[str]

    async def create(self, template: WhatsAppTemplate, sample: Sample | None = None) -> RemoteTemplate:
        """Hand a template in for approval; with a file above its body, a sample of it."""

    async def edit(
        self, template: RemoteTemplate, ours: WhatsAppTemplate, sample: Sample | None = None
    ) -> RemoteTemplate:
        """Hand other words in for a template there is, where that is possible."""

    async def list(self) -> Sequence[RemoteTemplate]:
        """Every template of the account, all pages."""

    async def delete(self, template: RemoteTemplate) -> None:
        """Delete one template, in its language only where the provider can."""

    async def status(self, name: str, language: str) -> RemoteTemplate | None:
        """How one template stands; None if the account has none of that name and language."""

    async def close(self) -> None:
        """Let go of connections."""
