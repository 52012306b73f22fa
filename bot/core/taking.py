"""What surrounds the engine in a turn, decided alike by all who take turns: the worker, and the stage of a test.

They differ in where things are kept, a database here and dictionaries there, not in what happens:

1. The conversation is brought up to date: `stored_runs` says what to fetch, `recalled` puts it in place.
2. `advance` makes a step; its effects are carried out. `CancelTimers.covers` says which timers are forgotten.
3. When it asks for an action (`asked`), `refused` says whether the run may have it; what is known by its receipt is not
   done again. `done` or `failed` goes into the next step, at most `MOST_INVOKES` times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.core.actions import Actions
from bot.core.book import ANY
from bot.core.conversation import Conversation, Frame
from bot.core.effects import Effect, Invoke
from bot.core.errors import EngineError
from bot.core.events import ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.ids import RunId
from bot.core.messages import EditIn, ReactionIn, RevokeIn

MOST_INVOKES = 100
"""Actions and lookups per turn; a flow that wants more is in a loop."""


def stored_runs(conversation: Conversation, event: Event) -> Sequence[RunId]:
    """The runs whose stored frames count, not the copies on the stack: those of business objects, and the named one."""
    runs = [frame.run for frame in conversation.frames if frame.instance is not None]
    named = event.run if isinstance(event, TimerFired | BusinessChanged) else None
    if named is not None and all(frame.run != named for frame in conversation.frames):
        runs.append(named)
    return runs


def recalled(
    conversation: Conversation, runs: Sequence[RunId], stored: Mapping[RunId, Frame], last: datetime | None
) -> Conversation:
    """The conversation as it is now.

    Args:
        conversation: The snapshot.
        runs: Those of `stored_runs`.
        stored: Their frames, as far as they are still under way; others are over, and fall off the stack.
        last: When the person last said something that opens WhatsApp's 24-hour window.
    """
    if not runs:
        return replace(conversation, last_inbound_at=last) if last != conversation.last_inbound_at else conversation
    frames = [stored.get(frame.run) if frame.instance is not None else frame for frame in conversation.frames]
    known = {frame.run for frame in conversation.frames}
    frames += [stored.get(run) for run in runs if run not in known]
    return replace(
        conversation, frames=tuple(frame for frame in frames if frame is not None), last_inbound_at=last
    )  # fmt: skip


def opens_window(event: Event) -> bool:
    """Whether what came in opens the 24-hour window: of reactions, edits and deletions WhatsApp does not say."""
    return isinstance(event, MessageReceived) and not isinstance(event.content, ReactionIn | EditIn | RevokeIn)


def asked(effects: Sequence[Effect]) -> Invoke | None:
    """The action or lookup a step stops for: always its last effect."""
    last = effects[-1] if effects else None
    return last if isinstance(last, Invoke) else None


def role_of(conversation: Conversation, invoke: Invoke) -> str:
    """As what the person acts in the run that asks."""
    return next((frame.role for frame in reversed(conversation.frames) if frame.run == invoke.run), "customer")


def refused(actions: Actions, conversation: Conversation, invoke: Invoke, event: Event) -> ActionFailed | None:
    """The refusal of an action that the run may not have, before anything is done.

    A role may have been taken away since the run began.
    """
    action = actions.by_name.get(invoke.name)
    if action is None:
        return failed(event, "unknown_action", f"There is no action {invoke.name}.")
    role = role_of(conversation, invoke)
    if role not in (*conversation.contact.roles, "customer", ANY):
        return failed(event, "forbidden", f"They are no longer {role}.")
    if action.roles and role not in action.roles:
        return failed(event, "forbidden", f"The role {role} may not call {action.name}.")
    return None


def done(event: Event, result: Any) -> ActionDone:
    """An action's result, in the turn of an event."""
    return ActionDone(event_id=event.event_id, at=event.at, result=result)


def failed(event: Event, code: str, message: str, facts: Mapping[str, Any] | None = None) -> ActionFailed:
    """An action's refusal, in the turn of an event."""
    return ActionFailed(event_id=event.event_id, at=event.at, code=code, message=message, facts=facts or {})


def too_many(conversation: Conversation) -> EngineError:
    """What to raise when a turn asks for more than `MOST_INVOKES` actions."""
    flow = conversation.frames[-1].flow if conversation.frames else "(none)"
    return EngineError(f"A turn of flow {flow} asked for more than {MOST_INVOKES} actions.")
