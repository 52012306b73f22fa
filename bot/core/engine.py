"""The engine: `step` moves the run on top of a conversation by one event.

`bot.core.turn.advance` does the same for all runs and flows of a conversation; both end in `finish`.
"""

from bot.core.choices import read_tap
from bot.core.compiled import CompiledFlow
from bot.core.conversation import Conversation, Frame
from bot.core.cursor import Cursor, Said, Turn
from bot.core.effects import Effect, ParkRun, Trace
from bot.core.errors import EngineError
from bot.core.events import ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.frozen import dataclass
from bot.core.messages import ChoiceIn, TextIn
from bot.core.moving import (
    begin,
    climb,
    fire_timer,
    give_up,
    hear,
    hear_of,
    new_frame,
    put_back,
    remember_run,
    tap,
)
from bot.core.resuming import Flows, resume


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step leaves: the next snapshot, effects in the order people should see them, and the reasons."""

    conversation: Conversation
    effects: tuple[Effect, ...]
    trace: tuple[Trace, ...]


def step(flow: CompiledFlow, conversation: Conversation, event: Event) -> Step:
    """Advance the run on top of a conversation by one event; without a run, start one.

    Pure: reads no clock, file or network, so a worker may safely run it twice.

    Args:
        flow: The compiled flow that run is in.
        conversation: Snapshot before the event; never modified.
        event: What happened. `event.at` (aware, UTC) is "now".

    Returns:
        The next snapshot, and effects in the order the person should see them.

    Raises:
        StepLimitReached: The flow entered 100 states without waiting for anyone.
        EngineError: An expression of the flow does not fit the run's data.
    """
    turn = Turn(conversation, event)
    said = _words(event, turn)
    if not turn.frames:
        cursor = Cursor(turn, flow, new_frame(turn, flow, flow.roles[0]))
        turn.frames.append(cursor.freeze())
        begin(cursor, said)
    else:
        cursor = Cursor(turn, flow, turn.frames[-1])
        match event:
            case MessageReceived(content=ChoiceIn(id=id)) if (tapped := read_tap(id)) is not None:
                tap(cursor, tapped.run, tapped.epoch, tapped.choice)
            case MessageReceived() if said is not None:
                hear(cursor, said)
            case TimerFired():
                fire_timer(cursor, event)
            case BusinessChanged():
                hear_of(cursor, event)
            case ActionDone() | ActionFailed():
                cursor = resume(cursor, event, lambda name, version: flow)
            case _:
                turn.note("ignore", why="nothing the run listens to")
    if cursor.unmatched is not None and not climb(cursor):
        give_up(cursor)
    if cursor.calling is not None:
        raise EngineError(f"Flow '{flow.name}' calls '{cursor.calling[0]}', which `step` does not know; use `advance`.")
    put_back(turn, cursor)
    return finish(turn, lambda name, version: flow if (name, version) == (flow.name, flow.version) else None)


def _words(event: Event, turn: Turn) -> Said | None:
    match event:
        case MessageReceived(content=TextIn(body=body)):
            return turn.said(body)
        case MessageReceived(content=ChoiceIn(title=title)):
            return turn.said(title)
    return None


def finish(turn: Turn, flows: Flows) -> Step:
    """The snapshot after the turn. Runs of business objects that ask nobody anything are parked."""
    original = turn.original
    kept: list[Frame] = []
    for frame in turn.frames:
        if frame.instance is None or frame.pending is not None:
            kept.append(frame)
            continue
        flow = flows(frame.flow, frame.version)
        state = flow.states.get(frame.state) if flow else None
        if not any(frame is old for old in original.frames):
            turn.add(ParkRun(frame=frame))
            remember_run(turn, frame.flow, frame.instance, ended=False)
        if state is None or not state.parks:
            kept.append(frame)
    conversation = Conversation(
        conversation_id=original.conversation_id,
        contact=turn.contact,
        frames=tuple(kept),
        owner=turn.owner,
        scope=turn.scope,
        last_inbound_at=original.last_inbound_at,  # the worker's: it knows when the message was sent
    )
    return Step(conversation=conversation, effects=tuple(turn.effects), trace=tuple(turn.trace))
