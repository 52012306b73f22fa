"""One turn: an event, what the engine makes of it, and the actions it asks for; all inside the worker's transaction."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, assert_never

import orjson

from bot.core.actions import Action, ActionCall, Actions
from bot.core.conversation import FRAME, Conversation, Frame
from bot.core.effects import (
    ATTACH_RUN,
    CancelTimers,
    EndRun,
    GiveBack,
    Handoff,
    Invoke,
    MoveRun,
    Notify,
    ParkRun,
    RecordConsent,
    Send,
    SetLanguage,
    StartRun,
    StartTimer,
    TakeOver,
    Trace,
)
from bot.core.engine import Step
from bot.core.errors import ActionError
from bot.core.events import ActionDone, ActionFailed, Event, MessageReceived
from bot.core.ids import ChannelId, ConversationId, RunId
from bot.core.messages import (
    MediaIn,
    Outgoing,
    TemplateOut,
    TextIn,
    TextOut,
    UnsupportedIn,
)
from bot.core.models import MODELS
from bot.core.nlu.waiting import UnpreparedError, asking_later
from bot.core.policy import said, told, window_open
from bot.core.taking import (
    MOST_INVOKES,
    asked,
    done,
    failed,
    opens_window,
    recalled,
    refused,
    role_of,
    stored_runs,
    too_many,
)
from storage.base import (
    AuditEntry,
    Consent,
    InboxEvent,
    NewOutbound,
    NewTimer,
    Outcome,
    OwnerChange,
    RunChange,
    TurnStore,
    TurnTrace,
)

_MOST_PREPARED = 3
"""Texts of one step that a model may have to think about: the message, and what another flow makes of it."""

_ALL_EPOCHS = 2**31 - 1

OUTSIDE_WINDOW = "More than 24 hours after the person's last message, and no template to say it with."


class Brain(Protocol):
    """What decides: the flows of a project. `advance` of bot/core/turn.py with its book."""

    def current(self) -> "Brain":
        """The brain for one turn, which does not change any more."""

    async def knowing(self, keys: Collection[tuple[str, int]]) -> "Brain":
        """This brain, with versions of flows (name, number) that somebody is in and it did not know."""

    def advance(self, conversation: Conversation, event: Event) -> Step:
        """Advance a conversation by one event; pure."""


def _as_it_is(content: Outgoing) -> Sequence[Outgoing]:
    return (content,)


async def _advance(brain: Brain, conversation: Conversation, event: Event) -> Step:
    """Advance; what takes too long for the event loop is worked out in a thread first, then it is decided anew."""
    if MODELS.meaning is None:
        return brain.advance(conversation, event)
    for _ in range(_MOST_PREPARED):
        try:
            with asking_later():
                return brain.advance(conversation, event)
        except UnpreparedError as unprepared:
            await asyncio.to_thread(unprepared.prepare)
    return brain.advance(conversation, event)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaker:
    """Takes turns with a project's flows and actions.

    Attributes:
        brain: The flows.
        actions: What they may call.
        templates: Whether WhatsApp templates may be sent.
        media: Whether files are taken. If not, a caption counts as words, and a file without one as a kind of message
            that cannot be used.
        window_template: Whether there is a template that says what comes too late for words: then nothing is held here.
        fit: Plans a message around what the number's provider can carry.
    """

    brain: Brain
    actions: Actions
    templates: bool = True
    media: bool = True
    window_template: bool = False
    fit: Callable[[Outgoing], Sequence[Outgoing]] = _as_it_is

    async def take(
        self, store: TurnStore, channel: ChannelId, conversation: Conversation, event: InboxEvent, outcome: Outcome,
        *, last_try: bool = False,
    ) -> Conversation:  # fmt: skip
        """Take one turn; collects what changes in `outcome` and returns the next snapshot.

        Args:
            store: The transaction.
            channel: Where the conversation takes place.
            conversation: The snapshot before.
            event: What happened.
            outcome: Collects what to write.
            last_try: The event has failed before and will not be tried again: an action that crashes is taken for a
                refusal, so that the flow's `error:` can look after the person.
        """
        if not self.media:
            event = _without_file(event)
        conversation = await _recall(store, outcome, conversation, event)
        brain = await self.brain.current().knowing([(frame.flow, frame.version) for frame in conversation.frames])
        step = await _advance(brain, conversation, event.event)
        traces: list[Trace] = list(step.trace)
        for _ in range(MOST_INVOKES):
            await self._collect(store, channel, step, event.event, outcome)
            invoke = asked(step.effects)
            if invoke is None:
                break
            answer = await self._invoke(store, channel, step.conversation, invoke, event.event, outcome, last_try)
            if invoke.name == ATTACH_RUN and isinstance(answer, ActionDone) and answer.result:
                brain = await brain.knowing([(answer.result["flow"], answer.result["version"])])
            step = await _advance(brain, step.conversation, answer)
            traces += step.trace
        else:
            raise too_many(step.conversation)
        _trace(event, conversation, traces, outcome)
        return step.conversation

    async def _invoke(
        self, store: TurnStore, channel: ChannelId, conversation: Conversation, invoke: Invoke, event: Event,
        outcome: Outcome, last_try: bool,
    ) -> ActionDone | ActionFailed:  # fmt: skip
        if invoke.name == ATTACH_RUN:
            return done(event, await _attach(store, outcome, invoke))
        if (refusal := refused(self.actions, conversation, invoke, event)) is not None:
            return refusal
        action = self.actions.by_name[invoke.name]
        if invoke.receipt is not None:
            known = await store.receipt(invoke.receipt)
            if known is not None:
                return done(event, orjson.loads(known[0]))
        call = ActionCall(
            tenant_id=store.tenant_id,
            channel_id=channel,
            conversation_id=conversation.conversation_id,
            contact=conversation.contact,
            role=role_of(conversation, invoke),
            run=invoke.run,
            at=event.at,
            db=store.db,
            seals=store.seals,
        )
        if action.kind == "lookup":
            return done(event, await action.function(call, **invoke.arguments))
        try:
            async with store.savepoint():
                result = await _run(action, call, invoke, store)
        except ActionError as error:
            return failed(event, error.code, str(error), error.facts)
        except Exception as error:
            if not last_try:
                raise
            return failed(event, "crashed", type(error).__name__)
        detail: dict[str, object] = {"run": invoke.run, "receipt": invoke.receipt}
        if isinstance(result, ActionError):
            detail["refused"] = result.code
        outcome.audit.append(
            AuditEntry(
                at=event.at,
                actor=f"contact:{conversation.contact.contact_id}",
                action=invoke.name,
                conversation_id=conversation.conversation_id,
                detail=detail,
            )
        )
        if isinstance(result, ActionError):
            return failed(event, result.code, str(result), result.facts)
        return done(event, result)

    async def _collect(self, store: TurnStore, channel: ChannelId, step: Step, event: Event, outcome: Outcome) -> None:
        conversation = step.conversation
        for effect in step.effects:
            match effect:
                case Send():
                    content, may = said(effect, conversation.last_inbound_at, event.at)
                    self._say(conversation.conversation_id, channel, content, may, effect.reply_to, outcome)
                case Notify():
                    await self._notify(store, channel, effect, event.at, outcome)
                case StartTimer():
                    outcome.timers[effect.run, effect.name, effect.epoch] = NewTimer(
                        conversation_id=conversation.conversation_id,
                        run=effect.run,
                        name=effect.name,
                        epoch=effect.epoch,
                        due_at=effect.due_at,
                    )
                case CancelTimers():
                    _cancel(effect, outcome)
                case StartRun() | MoveRun() | EndRun() | ParkRun() | Handoff():
                    _note_run(effect, conversation, event.at, outcome)
                case SetLanguage(language=language):
                    outcome.languages[conversation.contact.contact_id] = language
                case RecordConsent():
                    _note_consent(effect, conversation, event.at, outcome)
                case TakeOver() | GiveBack():
                    _note_owner(effect, conversation, event.at, outcome)
                case Invoke():
                    pass
                case _:
                    assert_never(effect)

    async def _notify(
        self, store: TurnStore, channel: ChannelId, notify: Notify, at: datetime, outcome: Outcome
    ) -> None:
        """Tell everybody with a role: in words where WhatsApp allows it, else by template."""
        for member in await store.staff(notify.role, channel):
            content = told(notify, member.language, member.last_inbound_at, at)
            held = None
            if isinstance(content, TemplateOut) and not self.templates:
                content, held = TextOut(body=notify.text), OUTSIDE_WINDOW
            self._say(member.conversation_id, channel, content, held is None, None, outcome)

    def _say(
        self, conversation: ConversationId, channel: ChannelId, content: Outgoing, may: bool, reply_to: str | None,
        outcome: Outcome,
    ) -> None:  # fmt: skip
        """Queue a message, in as many parts as the provider needs; only the first one quotes."""
        for place, part in enumerate(self.fit(content)):
            outcome.outbound.append(
                NewOutbound(
                    conversation_id=conversation,
                    channel_id=channel,
                    content=part,
                    held=None if may or self.window_template else OUTSIDE_WINDOW,
                    reply_to=reply_to if place == 0 else None,
                )
            )


async def _run(action: Action, call: ActionCall, invoke: Invoke, store: TurnStore) -> Any:
    """What an action returns; the refusal itself, when what was written before it is kept."""
    try:
        result = await action.function(call, **invoke.arguments)
    except ActionError as error:
        if not error.kept:
            raise
        return error
    if invoke.receipt is not None:
        await store.keep_receipt(invoke.receipt, invoke.name, orjson.dumps(result).decode(), call.at)
    return result


def _without_file(event: InboxEvent) -> InboxEvent:
    """The event, as if the person had sent only the caption."""
    happened = event.event
    if not isinstance(happened, MessageReceived) or not isinstance(file := happened.content, MediaIn):
        return event
    content = TextIn(body=file.caption) if file.caption else UnsupportedIn(original_kind=file.media)
    return replace(event, event=replace(happened, content=content))


async def _recall(store: TurnStore, outcome: Outcome, conversation: Conversation, event: InboxEvent) -> Conversation:
    """Bring a conversation up to date: the runs of business objects as they are stored, the window it is in."""
    runs = stored_runs(conversation, event.event)
    stored = {run: frame for run in runs if (frame := await _frame(store, outcome, run)) is not None} if runs else {}
    last = conversation.last_inbound_at
    if event.sent_at is not None and opens_window(event.event):
        if not window_open(last, event.event.at):
            outcome.reopened.add(conversation.conversation_id)
        last = max(last, event.sent_at) if last is not None else event.sent_at
    return recalled(conversation, runs, stored, last)


async def _frame(store: TurnStore, outcome: Outcome, run: RunId) -> Frame | None:
    """The frame of a business object's run: as this batch left it, else as it is stored. Locks it."""
    stored = await store.frame_of(run)
    changed = outcome.runs.get(run)
    document = changed.frame if changed is not None else stored
    return FRAME.validate_json(document) if document else None


async def _attach(store: TurnStore, outcome: Outcome, invoke: Invoke) -> Any:
    """The frame (JSON) of the live run of a business object, or None: then `invoke.run` may have the object."""
    flow, instance = invoke.arguments["flow"], invoke.arguments["instance"]
    stored = await store.attach(flow, instance, invoke.run)
    for run in reversed(outcome.runs.values()):
        if (run.flow, run.instance) == (flow, instance) and run.run != invoke.run:
            stored = run.frame
            break
    return orjson.loads(stored) if stored else None


def _cancel(effect: CancelTimers, outcome: Outcome) -> None:
    outcome.cancelled.append((effect.run, _ALL_EPOCHS if effect.epoch is None else effect.epoch))
    for key in [key for key in outcome.timers if effect.covers(key[0], key[2])]:
        del outcome.timers[key]


def _note_run(
    effect: StartRun | MoveRun | EndRun | ParkRun | Handoff, conversation: Conversation, at: datetime, outcome: Outcome
) -> None:
    match effect:
        case StartRun():
            outcome.runs[effect.run] = RunChange(
                run=effect.run,
                flow=effect.flow,
                version=effect.version,
                role=effect.role,
                conversation_id=conversation.conversation_id,
                started_at=at,
            )
        case MoveRun():
            outcome.runs[effect.run] = RunChange(
                run=effect.run,
                flow=effect.flow,
                version=effect.version,
                role=effect.role,
                conversation_id=conversation.conversation_id,
                started_at=effect.started_at,
            )
        case ParkRun(frame=frame):
            outcome.runs[frame.run] = RunChange(
                run=frame.run,
                flow=frame.flow,
                version=frame.version,
                role=frame.role,
                conversation_id=conversation.conversation_id,
                started_at=frame.started_at,
                instance=frame.instance,
                frame=FRAME.dump_json(frame).decode(),
            )
        case EndRun():
            began = outcome.runs.get(effect.run)
            outcome.runs[effect.run] = RunChange(
                run=effect.run,
                flow=effect.flow,
                version=began.version if began else 0,
                role=began.role if began else "",
                conversation_id=conversation.conversation_id,
                started_at=began.started_at if began else at,
                instance=effect.instance,
                ended_at=at,
                outcome=effect.outcome,
            )
        case Handoff():
            outcome.owners.append(
                OwnerChange(
                    conversation_id=conversation.conversation_id,
                    at=at,
                    change="asked",
                    role=effect.role,
                    reason=effect.reason,
                    sla=effect.sla,
                )
            )
            outcome.audit.append(
                AuditEntry(
                    at=at,
                    actor="bot",
                    action="conversation.handed_over",
                    conversation_id=conversation.conversation_id,
                    detail={"role": effect.role, "reason": effect.reason, "run": effect.run},
                )
            )


def _note_owner(effect: TakeOver | GiveBack, conversation: Conversation, at: datetime, outcome: Outcome) -> None:
    taken = isinstance(effect, TakeOver)
    by = effect.by if isinstance(effect, TakeOver) else None
    change = OwnerChange(
        conversation_id=conversation.conversation_id, at=at, change="taken" if taken else "returned", by=by
    )
    outcome.owners.append(change)
    outcome.audit.append(
        AuditEntry(
            at=at,
            actor=by or "bot",
            action="conversation.taken" if taken else "conversation.returned",
            conversation_id=conversation.conversation_id,
            detail={},
        )
    )


def _note_consent(effect: RecordConsent, conversation: Conversation, at: datetime, outcome: Outcome) -> None:
    contact = conversation.contact.contact_id
    outcome.consents.append(Consent(contact_id=contact, allowed=effect.allowed, words=effect.words, at=at))
    outcome.audit.append(
        AuditEntry(
            at=at,
            actor=f"contact:{contact}",
            action="contact.opted_in" if effect.allowed else "contact.opted_out",
            conversation_id=conversation.conversation_id,
            detail={},
        )
    )


def _trace(event: InboxEvent, conversation: Conversation, traces: list[Trace], outcome: Outcome) -> None:
    happened = event.event
    outcome.traces.append(
        TurnTrace(
            event_id=happened.event_id,
            at=happened.at,
            conversation_id=conversation.conversation_id,
            message_id=happened.message_id if isinstance(happened, MessageReceived) else None,
            trace=orjson.dumps([{"kind": t.kind, **t.detail} for t in traces], default=str).decode(),
        )
    )
