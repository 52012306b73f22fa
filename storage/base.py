"""What the runtime asks of storage, and the rows that pass between them."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from bot.core.actions import Database, Seals
from bot.core.conversation import Conversation
from bot.core.events import Event
from bot.core.frozen import dataclass
from bot.core.ids import ChannelId, ContactId, ConversationId, EventId, MessageId, RunId, TenantId
from bot.core.messages import Incoming, Outgoing

# --- Channels and people --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One WhatsApp number of a tenant. `address` is what webhooks call it, `account` what they call its account.

    `phone_number` is E.164 with +, by which webhooks about the account name it; empty when that is not at hand.
    """

    tenant_id: TenantId
    channel_id: ChannelId
    provider: str
    address: str
    account: str | None = None
    phone_number: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How a webhook names somebody; at least one of `phone` (E.164) and `user_id` is set."""

    phone: str | None
    user_id: str | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMember:
    """Somebody who holds a role, and where to reach them."""

    contact_id: ContactId
    conversation_id: ConversationId
    language: str
    last_inbound_at: datetime | None


# --- Message templates ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTemplate:
    """A message template as a provider has it. `fingerprint` is of our file when it was handed in, if it was."""

    name: str
    language: str
    category: str
    status: str
    components: list[dict[str, Any]]
    updated_at: datetime
    provider_template_id: str | None = None
    reason: str | None = None
    quality: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateNews:
    """What a provider says of a template; None where it says nothing. Without `language`, the id tells which it is."""

    name: str
    language: str
    provider_template_id: str | None = None
    status: str | None = None
    category: str | None = None
    reason: str | None = None
    quality: str | None = None
    components: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateMove:
    """A template's status moved; `before` is None when nobody knew it. `released`: messages that had waited for it."""

    name: str
    language: str
    before: str | None
    after: str
    reason: str | None
    released: int


# --- Accepting webhooks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message from a person, to be stored once however often it is delivered."""

    channel: Channel
    person: Person
    provider_message_id: str
    content: Incoming
    sent_at: datetime
    received_at: datetime
    reply_to: str | None = None
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEcho:
    """A message that a colleague typed on the phone: ours, and not sent by us."""

    channel: Channel
    person: Person
    provider_message_id: str
    content: Outgoing
    sent_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatus:
    """A status of a message of ours. `effect` is what a failure entails besides (`Effect` in providers/base.py)."""

    channel: Channel
    provider_message_id: str
    status: str
    happened_at: datetime
    received_at: datetime
    correlation: str | None = None
    error_code: int | None = None
    error_detail: str | None = None
    effect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAddress:
    """A person's number or business-scoped id was replaced."""

    channel: Channel
    old: Person
    new: Person
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPreference:
    """A person stopped or resumed marketing in WhatsApp's own settings; `proof` is what the provider said."""

    channel: Channel
    person: Person
    marketing: bool
    at: datetime
    proof: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplateNews:
    """What a provider says of a template of the account that `channel` belongs to."""

    channel: Channel
    news: TemplateNews
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHealth:
    """What a provider says of a number, under the name of what it is about.

    Attributes:
        channel: The number.
        topic: What it is about; the newest news of a topic counts.
        data: The news, without personal data.
        at: When it came.
        reach_limit: How many people may be written to outside their window in 24 hours: -1 any number, None not told.
        alarm: Why somebody should look.
        pause_until: Until when nothing is sent.
        initiated_after: Until when no templates are sent outside the window.
        throughput: Messages per second that the provider takes from now on; None not told.
    """

    channel: Channel
    topic: str
    data: dict[str, Any]
    at: datetime
    reach_limit: int | None = None
    alarm: str | None = None
    pause_until: datetime | None = None
    initiated_after: datetime | None = None
    throughput: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A webhook, or part of one, kept as it came. Tenant 0 when the number is not ours."""

    tenant_id: TenantId
    kind: str
    body: bytes
    received_at: datetime


NewFact = NewAddress | NewPreference | NewTemplateNews | NewHealth
"""What changes what we know, rather than being processed."""

NewItem = NewMessage | NewEcho | NewStatus | NewFact | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one commit of the intake stored."""

    messages: int = 0
    duplicates: int = 0
    statuses: int = 0
    unread: int = 0
    facts: int = 0


class Intake(Protocol):
    """Where webhooks become durable."""

    async def accept(self, items: Sequence[NewItem]) -> Taken:
        """Store all items in one commit; returning means they are on disk."""


# --- Turns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """One event to process, and how often that failed before."""

    event: Event
    kind: str
    due_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A conversation this worker holds the lock of, with its waiting events in order."""

    channel_id: ChannelId
    conversation: Conversation
    events: tuple[InboxEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutbound:
    """A message to a conversation. `held` says why it is stored but not sent; `reply_to` what it answers (their id)."""

    conversation_id: ConversationId
    channel_id: ChannelId
    content: Outgoing
    held: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTimer:
    """A timer to start."""

    conversation_id: ConversationId
    run: RunId
    name: str
    epoch: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """A run that began, ended, or (instance runs) has a new frame."""

    run: RunId
    flow: str
    version: int
    role: str
    conversation_id: ConversationId
    started_at: datetime
    instance: str | None = None
    frame: str | None = None
    ended_at: datetime | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what."""

    at: datetime
    actor: str
    action: str
    conversation_id: ConversationId | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person allowed messages from us, or forbade them; `words` is the proof."""

    contact_id: ContactId
    allowed: bool
    words: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerChange:
    """A conversation went to a role (`role`, with `sla`), to a person (`by`; None: nobody), or back to the bot."""

    conversation_id: ConversationId
    at: datetime
    change: Literal["asked", "taken", "returned"]
    role: str | None = None
    reason: str = ""
    sla: timedelta | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTrace:
    """Why a turn went as it did; `trace` is JSON."""

    event_id: EventId
    at: datetime
    conversation_id: ConversationId
    message_id: MessageId | None
    trace: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything a batch of turns changes, collected, then written at once."""

    conversations: list[Conversation] = field(default_factory=list)
    done: list[tuple[ConversationId, EventId]] = field(default_factory=list)
    outbound: list[NewOutbound] = field(default_factory=list)
    timers: dict[tuple[RunId, str, int], NewTimer] = field(default_factory=dict)
    cancelled: list[tuple[RunId, int]] = field(default_factory=list)
    runs: dict[RunId, RunChange] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    traces: list[TurnTrace] = field(default_factory=list)
    languages: dict[ContactId, str] = field(default_factory=dict)
    consents: list[Consent] = field(default_factory=list)
    reopened: set[ConversationId] = field(default_factory=set)
    """Whose 24-hour window has opened again: what waited for that goes out, before anything new."""
    owners: list[OwnerChange] = field(default_factory=list)


class TurnStore(Protocol):
    """One transaction of one tenant, in which turns are taken. Everything is committed together or not at all."""

    @property
    def tenant_id(self) -> TenantId:
        """Whose rows it sees."""

    @property
    def db(self) -> Database:
        """For actions."""

    @property
    def seals(self) -> Seals:
        """For actions, too."""

    async def lock(self, conversations: Sequence[ConversationId], limit: int, events: int) -> list[Work]:
        """Lock those conversations that nobody else holds, at most `limit`; read at most `events` events of each."""

    async def lock_due(self, now: datetime, limit: int, events: int) -> list[Work]:
        """The same with conversations whose events are due, which are found on the way."""

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo only what happens inside, when it raises."""

    async def frame_of(self, run: RunId) -> str | None:
        """The stored frame (JSON) of a live instance run, locked."""

    async def attach(self, flow: str, instance: str, run: RunId) -> str | None:
        """Lock the live run of a business object and return its frame (JSON), or None when there is none."""

    async def receipt(self, key: str) -> tuple[str] | None:
        """The stored result (JSON) of a receipt, or None when the effect has not happened."""

    async def keep_receipt(self, key: str, action: str, result: str, at: datetime) -> None:
        """Remember that an effect happened."""

    async def staff(self, role: str, channel_id: ChannelId) -> list[StaffMember]:
        """Everybody with a role, with their conversation on this channel (made when there is none)."""

    async def write(self, outcome: Outcome, at: datetime, berth: "Berth | None" = None) -> "list[Claim]":
        """Write what the turns changed.

        Returns:
            Messages that were claimed for the sender with the `berth`, as `Outbox.exchange` would have: their attempt
            is committed with the turns, and they are the caller's to hand over after that.
        """


class Turns(Protocol):
    """Where workers find work."""

    async def waiting(
        self, now: datetime, limit: int, *, share: int | None = None, tenants: Sequence[TenantId] | None = None
    ) -> list[tuple[TenantId, list[ConversationId]]]:
        """Conversations with due events, by tenant, the longest waiting tenant first."""

    def transaction(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TurnStore]:
        """A transaction in which to take turns; leaving it commits, an exception rolls back."""

    async def fail(
        self,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        event_id: EventId,
        error: str,
        *,
        now: datetime,
        retry_at: datetime | None,
    ) -> None:
        """Record that an event failed: try again at `retry_at`, or dead-letter it when None."""


# --- Sending --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One message to send now. `fence` must come back with the result.

    `last_inbound_at` is when the person last wrote, which opens the 24-hour window; `language` what they speak.
    """

    tenant_id: TenantId
    conversation_id: ConversationId
    message_id: MessageId
    created_at: datetime
    channel_id: ChannelId
    attempt: int
    fence: int
    content: Outgoing
    phone: str | None
    user_id: str | None
    correlation: str
    reply_to: str | None = None
    last_inbound_at: datetime | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A sender's share of a number: one part in `senders` of what the provider takes.

    `throughput` is that in messages per second; None when the provider has not told, which means the usual.
    """

    senders: int
    throughput: int | None = None


class Shares(Protocol):
    """The senders of a deployment, which share the rates of their numbers."""

    async def share(self, sender: UUID, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Share]:
        """Say that a sender lives; returns its share of each of its numbers."""

    async def leave(self, sender: UUID) -> None:
        """Say that a sender has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Berth:
    """Room at a sender in this process: how many messages it can take of each number at once, for `lease`."""

    rooms: Mapping[ChannelId, int]
    lease: timedelta


class Verdict(StrEnum):
    """What to do with an attempt that ended."""

    DONE = "DONE"  # accepted
    FAILED = "FAILED"  # refused for good
    RETRY = "RETRY"  # certainly not sent: again at `retry_at`
    DEFER = "DEFER"  # not even tried: again at `retry_at`, does not count as an attempt
    UNKNOWN = "UNKNOWN"  # nobody knows: wait for a status
    HELD = "HELD"  # not allowed now: until the person writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an attempt ended. `pause_until` and `alarm` (empty: all is well again) concern the whole channel.

    `effect` is what a refusal entails besides (`Effect` in providers/base.py); `content` what was sent instead of what
    was asked for.
    """

    claim: Claim
    verdict: Verdict
    at: datetime
    provider_message_id: str | None = None
    http_status: int | None = None
    error_code: int | None = None
    detail: str = ""
    retry_at: datetime | None = None
    pause_until: datetime | None = None
    alarm: str | None = None
    effect: str = ""
    content: Outgoing | None = None


class Outbox(Protocol):
    """Where senders find messages."""

    async def exchange(
        self, results: Sequence[Result], now: datetime, *, rooms: Mapping[ChannelId, int], lease: timedelta
    ) -> list[Claim]:
        """Record how attempts ended and claim new ones, of each number as many as there is room for, in one commit."""

    async def settle(self, now: datetime, *, wait: timedelta) -> dict[str, int]:
        """Apply waiting statuses; turn expired leases into UNKNOWN and overdue unknowns into what policy says.

        Returns:
            Counts by what was done, for metrics.
        """


class Timers(Protocol):
    """Where the clock finds what is due."""

    async def fire(self, now: datetime, share: int, tenants: Sequence[TenantId] | None = None) -> int:
        """Move due timers to the inbox, of each tenant up to `share`; returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits, and since when; of several tenants together, also of each by slug."""

    inbox_events: int
    inbox_oldest: datetime | None
    outbox_ready: int
    outbox_oldest: datetime | None
    outbox_unknown: int
    dead_letters: int
    tenants: Mapping[str, "Backlog"] = field(default_factory=dict)

    @classmethod
    def sum(cls, tenants: "Mapping[str, Backlog]") -> "Backlog":
        """What tenants have together."""
        all_of_them = tenants.values()
        return cls(
            inbox_events=sum(one.inbox_events for one in all_of_them),
            inbox_oldest=min((one.inbox_oldest for one in all_of_them if one.inbox_oldest), default=None),
            outbox_ready=sum(one.outbox_ready for one in all_of_them),
            outbox_oldest=min((one.outbox_oldest for one in all_of_them if one.outbox_oldest), default=None),
            outbox_unknown=sum(one.outbox_unknown for one in all_of_them),
            dead_letters=sum(one.dead_letters for one in all_of_them),
            tenants=tenants,
        )


# --- Files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaClaim:
    """A file to fetch now. `fence` must come back with what became of it."""

    tenant_id: TenantId
    media_id: int
    channel_id: ChannelId
    attempts: int
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """A file as the database knows it.

    Attributes:
        media_id: Its number, which is the message's where a person sent it.
        kind: image, audio, video, document or sticker.
        mime_type: What it is; while it is not `STORED`, what its sender says.
        status: REFERENCED, STORED, EXPIRED or FAILED.
        stored_at: Its key in the file store.
        sha256: Lower-case hex; while it is not `STORED`, what the webhook says.
        filename: The sender's, untrusted.
        url: The provider's, good for minutes.
        reason: Why it was not fetched, so far or for good.
    """

    media_id: int
    message_id: MessageId | None
    channel_id: ChannelId
    kind: str
    mime_type: str
    status: str
    created_at: datetime
    stored_at: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    provider_media_id: str | None = None
    url: str | None = None
    declared_type: str | None = None
    filename: str | None = None
    reason: str | None = None


class FileStore(Protocol):
    """Where files are kept, under keys like `7/ab/abcd…`: tenant and hash, so what is under a key never changes."""

    async def put(self, key: str, source: Path) -> None:
        """Keep a copy of a file; returning means that it is safe. Again is as good as once.

        Raises:
            StorageError: It could not be kept.
        """

    def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """Read a file in pieces.

        Raises:
            StorageError: It is not there, or cannot be read.
        """

    async def has(self, key: str) -> bool:
        """Whether there is such a file."""

    async def delete(self, key: str) -> None:
        """Delete a file; one that is not there is deleted already."""

    async def close(self) -> None:
        """Let go of connections."""


# --- Flow versions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A flow version as it was deployed: `files` by their path in the content folder, `fingerprint` of all of them."""

    flow: str
    version: int
    fingerprint: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """How many runs are in a state of a flow version: of people, and of business objects."""

    flow: str
    version: int
    state: str
    conversations: int
    instances: int = 0

    @property
    def runs(self) -> int:
        """All of them."""
        return self.conversations + self.instances


# --- Broadcasts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What a round of feeding did: recipients `handed` on and `skipped`; broadcasts by what became of them.

    `running` are those that it found under way.
    """

    handed: int = 0
    skipped: int = 0
    begun: int = 0
    paused: int = 0
    finished: int = 0
    running: int = field(default=0, compare=False)

    def __add__(self, other: "Fed") -> "Fed":
        return Fed(
            handed=self.handed + other.handed,
            skipped=self.skipped + other.skipped,
            begun=self.begun + other.begun,
            paused=self.paused + other.paused,
            finished=self.finished + other.finished,
            running=self.running + other.running,
        )
