"""What every WhatsApp provider does, in provider-neutral terms.

A provider is a pure half (verify, parse, build: bytes and dicts in, typed values out) and an HTTP half (send…).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.core.errors import ProviderError
from bot.core.messages import Incoming, Outgoing

# --- Receiving ------------------------------------------------------------------------------------------------------


class SignatureError(ProviderError):
    """A webhook request was not signed by the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A webhook request as it came in. `body` is untouched: signatures cover the exact bytes."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error of a provider. `code` is theirs, `fault` our reading of it; `detail` carries no personal data."""

    fault: Fault
    code: int | None = None
    detail: str = ""


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
    """What a provider can carry; what it cannot is planned around, never dropped."""

    max_text: int
    max_button_body: int
    max_list_body: int
    buttons: bool
    lists: bool
    correlation: bool


class Provider(Protocol):
    """One number at one provider."""

    name: str
    capabilities: Capabilities

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
        """Send one message. Never raises for anything the provider or the network does."""

    async def close(self) -> None:
        """Let go of connections."""
