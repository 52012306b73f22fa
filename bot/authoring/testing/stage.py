"""The world of a test: phones, clock, business and receipts in memory, around the real engine.

Takes turns as the worker does, by the rules of `bot.core.taking`, without a database: every snapshot and event goes
through JSON, every step is taken twice to see that it is pure, and a turn can be taken again from the snapshot before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.authoring.testing.spec import PhoneSpec
from bot.authoring.testing.stubs import Refusal, Stub
from bot.core.actions import Actions
from bot.core.book import FlowBook
from bot.core.conversation import FRAME, SNAPSHOT, Contact, Conversation, Frame, Snapshot
from bot.core.effects import (
    ATTACH_RUN,
    CancelTimers,
    Effect,
    EndRun,
    Invoke,
    Notify,
    ParkRun,
    Send,
    SetLanguage,
    StartTimer,
    Trace,
)
from bot.core.engine import Step
from bot.core.events import EVENT, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.ids import ContactId, ConversationId, EventId, MessageId, RunId
from bot.core.messages import ButtonsOut, Choice, Incoming, ListOut, Outgoing
from bot.core.moving import RUNS
from bot.core.policy import said, told
from bot.core.taking import (
    MOST_INVOKES,
    asked,
    done,
    failed,
    opens_window,
    recalled,
    refused,
    stored_runs,
    too_many,
)
from bot.core.turn import advance
from bot.core.whatsapp import WhatsAppTemplate
from bot.core.whereabouts import timezone_of


class Mishap(Exception):  # noqa: N818  what happened in a test, not a fault of ours
    """Something a test wants cannot be done. `hint` says what can."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message of ours on a phone.

    Attributes:
        held: Outside of WhatsApp's 24-hour window, so nobody sees it.
        notice: What told them, when it was meant for everybody with a role.
        quotes: Above it stands the message it answers.
    """

    phone: str
    content: Outgoing
    held: bool = False
    notice: Notify | None = None
    quotes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An action or lookup that was asked for. `reused`: answered by its receipt."""

    name: str
    kind: str
    arguments: Mapping[str, Any]
    answer: Any
    receipt: str | None = None
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A turn that was taken."""

    phone: str
    event: Event
    before: Conversation
    after: Conversation
    effects: tuple[Effect, ...]
    trace: tuple[Trace, ...]
    calls: tuple[Call, ...]
    heard: tuple[Heard, ...]
    last: Frame | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What is tested: flows, the shapes of their actions, message templates by (name, language)."""

    book: FlowBook
    actions: Actions
    templates: Mapping[tuple[str, str], WhatsAppTemplate] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that changes in a test; `fork` copies it.

    Attributes:
        at: The time.
        conversations: By phone.
        timers: (run, name, epoch) → due time and phone.
        objects: Stored frames of business objects' runs.
        receipts: Results by key.
        counts: How often each stub was asked.
        seen: Ids of events that have been delivered.
        shown: By phone, messages with something to tap, the newest last.
        newest: What will be deployed, while older versions of flows are.
    """

    project: Project
    stubs: Mapping[str, Stub]
    at: datetime
    conversations: dict[str, Conversation]
    timers: dict[tuple[str, str, int], tuple[datetime, str]] = field(default_factory=dict)
    objects: dict[RunId, Frame] = field(default_factory=dict)
    receipts: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    shown: dict[str, tuple[Outgoing, ...]] = field(default_factory=dict)
    events: int = 0
    newest: FlowBook | None = None

    def fork(self) -> "Stage":
        """A world of its own, as this one is now."""
        return replace(
            self,
            conversations=dict(self.conversations),
            timers=dict(self.timers),
            objects=dict(self.objects),
            receipts=dict(self.receipts),
            counts=dict(self.counts),
            seen=set(self.seen),
            shown=dict(self.shown),
        )

    # --- What happens -------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """From now on the newest version of each flow is known."""
        if self.newest is None:
            raise Mishap("The newest flows are there already.", "Name the older ones under `versions:`.")
        self.project, self.newest = replace(self.project, book=self.newest), None

    def message(self, phone: str, content: Incoming) -> Event:
        """Somebody sends something."""
        number = self._next()
        return MessageReceived(
            event_id=EventId(number),
            at=self.at,
            message_id=MessageId(number),
            content=content,
            sent_as=f"wamid.{number}",
        )

    def business(self, name: str, data: Mapping[str, Any], run: RunId | None) -> Event:
        """The business does something."""
        return BusinessChanged(event_id=EventId(self._next()), at=self.at, name=name, data=dict(data), run=run)

    def due(self, until: datetime) -> tuple[str, Event] | None:
        """Take out the timer that is due first, by `until`; the clock moves to it."""
        waiting = [(due, key, phone) for key, (due, phone) in self.timers.items() if due <= until]
        if not waiting:
            return None
        due, (run, name, epoch), phone = min(waiting)
        del self.timers[run, name, epoch]
        self.at = max(self.at, due)
        number = self._next()
        return phone, TimerFired(event_id=EventId(number), at=self.at, run=RunId(run), name=name, epoch=epoch)

    def _next(self) -> int:
        self.events += 1
        return self.events

    # --- Turns --------------------------------------------------------------------------------------------------------

    def take(self, phone: str, event: Event) -> Taken | None:
        """Deliver an event and take its turn; None when it has been delivered before.

        Raises:
            Mishap: The turn cannot go on: an action without a stub, a step that is not pure.
            EngineError: The flow misbehaves.
        """
        if event.event_id in self.seen:
            return None
        self.seen.add(event.event_id)
        before = self.conversations[phone]
        conversation = self._recalled(before, event)
        effects: list[Effect] = []
        trace: list[Trace] = []
        calls: list[Call] = []
        heard: list[Heard] = []
        last: Frame | None = None
        following: Event = event
        for _ in range(MOST_INVOKES):
            step = _stepped(self.project.book, conversation, following)
            conversation = step.conversation
            effects += step.effects
            trace += step.trace
            last = conversation.frames[-1] if conversation.frames else last
            for effect in step.effects:
                self._carry_out(phone, conversation, effect, heard)
                if isinstance(effect, SetLanguage):
                    conversation = replace(
                        conversation, contact=replace(conversation.contact, language=effect.language)
                    )
            invoke = asked(step.effects)
            if invoke is None:
                break
            following = self._answer(conversation, invoke, event, calls)
        else:
            raise too_many(conversation)
        self.conversations[phone] = conversation
        for one in heard:
            if choices_in(one.content) and not one.held:
                self.shown[one.phone] = (*self.shown.get(one.phone, ()), one.content)
        return Taken(
            phone=phone, event=event, before=before, after=conversation, effects=tuple(effects), trace=tuple(trace),
            calls=tuple(calls), heard=tuple(heard), last=last,
        )  # fmt: skip

    def _recalled(self, conversation: Conversation, event: Event) -> Conversation:
        """Bring a conversation up to date: runs of business objects as they are stored, the window it is in."""
        runs = stored_runs(conversation, event)
        last = event.at if opens_window(event) else conversation.last_inbound_at
        return recalled(conversation, runs, self.objects, last)

    def _carry_out(self, phone: str, conversation: Conversation, effect: Effect, heard: list[Heard]) -> None:
        match effect:
            case Send():
                content, may = said(effect, conversation.last_inbound_at, self.at)
                heard.append(Heard(phone=phone, content=content, held=not may, quotes=effect.reply_to is not None))
            case Notify():
                self._notify(phone, conversation, effect, heard)
            case StartTimer():
                self.timers[effect.run, effect.name, effect.epoch] = effect.due_at, phone
            case CancelTimers():
                for key in [key for key in self.timers if effect.covers(key[0], key[2])]:
                    del self.timers[key]
            case ParkRun(frame=frame):
                self.objects[frame.run] = frame
            case EndRun():
                self.objects.pop(effect.run, None)

    def _notify(self, phone: str, conversation: Conversation, notify: Notify, heard: list[Heard]) -> None:
        """Tell everybody with the role: in words within their window, else by template."""
        for name, other in self.conversations.items():
            if notify.role not in other.contact.roles:
                continue
            last = conversation.last_inbound_at if name == phone else other.last_inbound_at
            content = told(notify, other.contact.language, last, self.at)
            heard.append(Heard(phone=name, content=content, notice=notify))

    def _answer(self, conversation: Conversation, invoke: Invoke, event: Event, calls: list[Call]) -> Event:
        """What the business answers to an action or lookup."""
        if invoke.name == ATTACH_RUN:
            found = self.object_of(invoke.arguments["instance"], invoke.arguments["flow"], but=invoke.run)
            return done(event, FRAME.dump_python(found, mode="json") if found else None)
        action = self.project.actions.by_name.get(invoke.name)
        kind = action.kind if action is not None else "action"
        reused = invoke.receipt is not None and invoke.receipt in self.receipts
        refusal = refused(self.project.actions, conversation, invoke, event)
        if refusal is not None:
            answer: Any = Refusal(code=refusal.code, message=refusal.message)
        elif reused:
            answer = self.receipts[str(invoke.receipt)]
        else:
            answer = self._ask_stub(invoke)
            if invoke.receipt is not None and not isinstance(answer, Refusal):
                self.receipts[invoke.receipt] = answer
        calls.append(
            Call(
                name=invoke.name,
                kind=kind,
                arguments=invoke.arguments,
                answer=answer,
                receipt=invoke.receipt,
                reused=reused,
            )
        )
        if isinstance(answer, Refusal):
            return failed(event, answer.code, answer.message, answer.facts)
        return done(event, answer)

    def _ask_stub(self, invoke: Invoke) -> Any:
        stub = self.stubs.get(invoke.name)
        if stub is None:
            given = ", ".join(f"{name}={value!r}" for name, value in invoke.arguments.items())
            raise Mishap(
                f"The flow called {invoke.name}({given}), and the test does not say what that answers.",
                f"Add it to `stubs:`, for example `{invoke.name}: {{id: 1}}`.",
            )
        count = self.counts.get(invoke.name, 0)
        self.counts[invoke.name] = count + 1
        return stub(invoke.arguments, count)

    # --- What there is to see -----------------------------------------------------------------------------------------

    def object_of(self, instance: str, flow: str | None = None, *, but: RunId | None = None) -> Frame | None:
        """The stored run of a business object."""
        for frame in self.objects.values():
            if frame.instance == instance and flow in (None, frame.flow) and frame.run != but:
                return frame
        return None

    def standing(self, phone: str) -> Frame | None:
        """The run this phone is in: the one that talks, else the business object it dealt with last."""
        conversation = self.conversations[phone]
        if conversation.frames:
            return conversation.frames[-1]
        for flow, instance in reversed(conversation.scope.get(RUNS, ())):
            frame = self.object_of(instance, flow)
            if frame is not None:
                return frame
        return None

    def timers_of(self, phone: str) -> list[str]:
        """The names of the timers that run for this phone, the next one first."""
        live = {frame.run for frame in (*self.conversations[phone].frames, *self.objects.values())}
        return [name for (run, name, _), (_, to) in sorted(self.timers.items(), key=lambda one: one[1])
                if to == phone and run in live]  # fmt: skip


def choices_in(message: Outgoing) -> tuple[Choice, ...]:
    """What can be tapped in a message."""
    match message:
        case ButtonsOut(buttons=buttons):
            return buttons
        case ListOut(rows=rows):
            return rows
    return ()


def _stepped(book: FlowBook, conversation: Conversation, event: Event) -> Step:
    """Advance, twice to see that it is pure, with everything through JSON."""
    before = through_json(conversation)
    event = EVENT.validate_json(EVENT.dump_json(event))
    step = advance(book, conversation, event)
    if conversation != before:
        raise Mishap("The step changed the snapshot it was given.", "This is a fault of the engine.")
    if advance(book, before, event) != step:
        raise Mishap("The same step led elsewhere the second time: it is not pure.", "This is a fault of the engine.")
    restored = through_json(step.conversation)
    if restored != step.conversation:
        raise Mishap("The snapshot is not the same after it was stored and loaded.", "Results of stubs must be JSON.")
    return replace(step, conversation=restored)


def through_json(conversation: Conversation) -> Conversation:
    """The conversation after its snapshot was stored and loaded."""
    snapshot = Snapshot(frames=conversation.frames, owner=conversation.owner, scope=conversation.scope)
    loaded = SNAPSHOT.validate_json(SNAPSHOT.dump_json(snapshot))
    return replace(conversation, frames=loaded.frames, owner=loaded.owner, scope=loaded.scope)


def open_stage(
    project: Project,
    stubs: Mapping[str, Stub],
    at: datetime,
    phones: Sequence[tuple[str, Contact, datetime | None]],
    versions: Mapping[str, int] | None = None,
) -> Stage:
    """A world in which nothing has happened.

    Args:
        project: The flows.
        stubs: What the business answers.
        at: What time it is.
        phones: Name, person, and when they last wrote.
        versions: Of these flows, no newer version is known yet.
    """
    conversations = {
        name: Conversation(conversation_id=ConversationId(place), contact=contact, last_inbound_at=last)
        for place, (name, contact, last) in enumerate(phones, 1)
    }
    if not versions:
        return Stage(project=project, stubs=stubs, at=at, conversations=conversations)
    older = replace(project, book=project.book.before(versions))
    return Stage(project=older, stubs=stubs, at=at, conversations=conversations, newest=project.book)


def person(place: int, phone: PhoneSpec) -> Contact:
    """Somebody with a phone, as the worker would find them."""
    number = f"+{phone.number.removeprefix('+')}" if phone.number else ""
    return Contact(
        contact_id=ContactId(place), name=phone.name, language=phone.language, roles=tuple(phone.roles), phone=number,
        timezone=timezone_of(number),
    )  # fmt: skip
