"""The snapshot of a conversation: everything the engine needs to go on, as one JSON document."""

from dataclasses import field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from bot.core.frozen import dataclass
from bot.core.ids import ContactId, ConversationId, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The person, as the worker found them. Not part of the stored snapshot: the contacts table is the truth.

    `timezone` is an IANA name ("Asia/Kathmandu"), empty when we do not know where they are.
    `phone` is their number in international form ("+919812345678"), empty when the channel does not tell.
    """

    contact_id: ContactId
    name: str = ""
    language: str = "en"
    timezone: str = ""
    roles: tuple[str, ...] = ("customer",)
    phone: str = ""

    @property
    def first_name(self) -> str:
        """The first word of the name; empty when the person has none."""
        return self.name.split(" ", 1)[0] if self.name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An `Invoke` that waits for its answer. `step` says where in the state's plan to go on."""

    name: str
    step: int
    purpose: str = "do"
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One run of a flow. `slots` and `data` hold JSON values; the engine replaces frames, never changes them.

    Attributes:
        run: Unique in the tenant.
        flow: Name of the flow.
        version: The flow version the run started on, and stays on.
        state: Where it is.
        epoch: Grows with every state entered and every new question of a form; carried in button ids and timers, so
            that late ones are recognised. Asking the same question again keeps it.
        slots: What the person told us, typed per slot.
        data: Results that actions saved (`save:`).
        counters: For example how often nothing matched here.
        asking: The slot being asked for, in a form.
        offers: The candidates offered for that slot, when a lookup found several.
        trail: Questions asked so far, oldest first ("details#month"), and states whose actions left receipts
            ("!lead"), for going back.
        opened_by: The machine event that began the run ("begin", "command:ISSUE").
        pending: An action whose answer is awaited.
        confirming: What the person was asked to confirm, over the open question: "back".
        instance: Key of the business object this run belongs to ("TRP123"), for flows with `instance:`.
        waiting_since: When the open question was put, or the state began to rest (aware, UTC).
        heard_at: When the person last said something since.
        caller: The run that called this one and waits for it, beneath it on the stack.
        caller_epoch: The caller's epoch at that time; once it has another, it does not wait any more.
        inferred: Slots whose value was partly worked out rather than said, for reviews to show.
        role: In which role the person walks this flow.
        started_at: When the run began (aware, UTC).
    """

    run: RunId
    flow: str
    version: int
    state: str
    role: str
    started_at: datetime
    epoch: int = 0
    slots: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    asking: str | None = None
    offers: tuple[dict[str, Any], ...] = ()
    trail: tuple[str, ...] = ()
    opened_by: str = ""
    pending: Pending | None = None
    confirming: str | None = None
    instance: str | None = None
    inferred: tuple[str, ...] = ()
    waiting_since: datetime | None = None
    heard_at: datetime | None = None
    caller: RunId | None = None
    caller_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Snapshot before or after a step. The last frame is the one that talks.

    Attributes:
        conversation_id: The row this is the snapshot of.
        contact: Who it is with.
        frames: The stack of runs.
        owner: "bot", or who has taken over ("role:sales" waits for somebody, "person:contact:17",
            "person:phone", "paused"); then the bot keeps quiet.
        scope: What is remembered about the contact between runs (JSON values).
        last_inbound_at: When the person last wrote, which opens WhatsApp's 24-hour window.
    """

    conversation_id: ConversationId
    contact: Contact
    frames: tuple[Frame, ...] = ()
    owner: str = "bot"
    scope: dict[str, Any] = field(default_factory=dict)
    last_inbound_at: datetime | None = None


FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The part of a conversation that is stored in its row."""

    frames: tuple[Frame, ...] = ()
    owner: str = "bot"
    scope: dict[str, Any] = field(default_factory=dict)


SNAPSHOT: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)
