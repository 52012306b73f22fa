"""What the engine asks for. Imperative; carried out by the worker in the same commit as the new state."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bot.core.conversation import Frame
from bot.core.frozen import dataclass
from bot.core.ids import RunId
from bot.core.messages import Outgoing, TemplateOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Say something to the person in this conversation. Already rendered: a retry sends the same words.

    Outside of their 24-hour window `instead` is sent, if there is any. `reply_to` is the provider's id of a message of
    theirs that this one quotes.
    """

    content: Outgoing
    instead: TemplateOut | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell everybody with a role.

    Inside a person's 24-hour window `text` is sent; outside it the WhatsApp template `template`, with `parameters`:
    `content` is that, filled in, in a language of its own, and `translations` what it is in others, where its
    parameters are written in them.
    """

    role: str
    text: str
    template: str
    parameters: tuple[str, ...] = ()
    content: TemplateOut | None = None
    translations: Mapping[str, TemplateOut] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer:
    """Wake this run at `due_at` with `TimerFired(name, epoch)`."""

    run: RunId
    name: str
    due_at: datetime
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimers:
    """Forget the timers that this run started before `epoch` (all of them when None)."""

    run: RunId
    epoch: int | None = None

    def covers(self, run: str, epoch: int) -> bool:
        """Whether a timer is among them."""
        return run == self.run and (self.epoch is None or epoch < self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke:
    """Run an action or lookup, then continue the same turn with `ActionDone` or `ActionFailed`.

    Always the last effect of a step. `receipt` (unique in the tenant) makes the effect happen once: when it is
    known, its stored result is the answer and the action does not run again.
    """

    run: RunId
    name: str
    arguments: dict[str, Any]
    receipt: str | None = None


ATTACH_RUN = "runs.attach"
"""Reserved `Invoke` name: lock the run of a business object and answer with its frame as JSON, or None.

Arguments: `flow` and `instance`. The worker serialises conversations that share the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Record that a run began."""

    run: RunId
    flow: str
    version: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRun:
    """Record that a run goes on in another version of its flow."""

    run: RunId
    flow: str
    version: int
    role: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """Record that a run ended, and how: `converted`, `dropped`, `cancelled` or what the author wrote.

    `instance` is the business object it belonged to, which is now free for a new run.
    """

    run: RunId
    flow: str
    outcome: str
    instance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkRun:
    """Store this run of a business object: it changed in this turn, and the stored frame is its only truth.

    `ATTACH_RUN` and events that name the run find it there. While it asks somebody something, a copy lies on that
    conversation's stack as well; the worker replaces the copy by the stored frame before every turn, or drops it when
    the run has ended.
    """

    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLanguage:
    """From now on, speak to this contact in `language` (`en`, `hi`, `pt_BR`): `contacts.language`."""

    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConsent:
    """The person allows messages from us, or forbids them; `words` is what they wrote, for the proof."""

    allowed: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """Give the conversation to a person with `role`; `sla` is how long they have to answer."""

    run: RunId
    role: str
    reason: str
    sla: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """A person has the conversation now; `by` says who: "contact:17", "phone". Nobody, when it is only paused."""

    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """The conversation is the bot's again."""


Effect = (
    Send | Notify | StartTimer | CancelTimers | Invoke | StartRun | MoveRun | EndRun | ParkRun | Handoff | SetLanguage
    | RecordConsent | TakeOver | GiveBack
)  # fmt: skip


class Trace(NamedTuple):
    """Why a turn went as it did, one small JSON object per decision: what was tried, with what values.

    `kind` is one of: route, understand, slot, guard, transition, enter, send, timer, invoke, variant,
    ignore, error. A turn makes ten of them, and a tuple is made in half the time of a frozen dataclass.
    """

    kind: str
    detail: dict[str, Any]
