"""What can happen to a conversation. Past tense; `at` (aware, UTC) is the only clock the engine sees."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from bot.core.frozen import dataclass
from bot.core.ids import EventId, MessageId, RunId
from bot.core.messages import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """Somebody wrote, tapped or sent a file.

    `reply_to` is the provider's id of the message that was quoted or tapped, when there was one; `referral` is what
    brought the person here (an advert, a product page), as the provider tells it. `file` is the number under which a
    file is kept: flows refer to it by that. `sent_as` is the provider's id of this message, for what answers it.
    """

    event_id: EventId
    at: datetime
    message_id: MessageId
    content: Incoming
    reply_to: str | None = None
    referral: dict[str, Any] | None = None
    file: str | None = None
    sent_as: str | None = None
    type: Literal["message"] = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that a state started is due. Stale ones (the run has moved to another epoch) are ignored."""

    event_id: EventId
    at: datetime
    run: RunId
    name: str
    epoch: int
    type: Literal["timer"] = "timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessChanged:
    """Something happened to a business object, on the web desk or in another system: `incident.updated`."""

    event_id: EventId
    at: datetime
    name: str
    data: dict[str, Any]
    run: RunId | None = None
    type: Literal["business"] = "business"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDone:
    """The action of the last `Invoke` succeeded; `result` is JSON."""

    event_id: EventId
    at: datetime
    result: Any
    type: Literal["action_done"] = "action_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailed:
    """The action of the last `Invoke` was refused or failed; nothing it did was kept."""

    event_id: EventId
    at: datetime
    code: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    type: Literal["action_failed"] = "action_failed"


Event = Annotated[
    MessageReceived | TimerFired | BusinessChanged | ActionDone | ActionFailed,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
