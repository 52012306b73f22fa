"""Moving one run: what an event does to it, until something waits.

Everything here works on a `Cursor` and leaves the run waiting, ended, or stopped at an `Invoke`. Which run an event belongs to
is `bot.core.turn`'s business; which state follows which is `bot.core.compiler`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.core.asking import Ask, Form
from bot.core.choices import read_tap, split_text
from bot.core.compiled import CommandUse, CompiledFlow, CompiledState
from bot.core.compiler import proceed
from bot.core.conversation import FRAME, Conversation, Frame, Pending
from bot.core.cursor import START, Cursor, Said, Turn, Unmatched
from bot.core.effects import Effect, Invoke, ParkRun, Trace
from bot.core.errors import EngineError
from bot.core.events import ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.gathering import Job, attach, found, gather, new_job, read_raw
from bot.core.messages import ChoiceIn, TextIn, TextOut
from bot.core.ops import Do

RUNS = "runs"
"""Key in the contact's scope: business objects this conversation has runs for, newest last: `[flow, instance]`."""
MAX_RUNS_KEPT = 8
Flows = Callable[[str, int], CompiledFlow | None]


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
    if cursor.unmatched is not None:
        climb(cursor)
    put_back(turn, cursor)
    return finish(turn, lambda name, version: flow if (name, version) == (flow.name, flow.version) else None)


def _words(event: Event, turn: Turn) -> Said | None:
    match event:
        case MessageReceived(content=TextIn(body=body)):
            return Said(body, turn.today)
        case MessageReceived(content=ChoiceIn(title=title)):
            return Said(title, turn.today)
    return None


def new_frame(turn: Turn, flow: CompiledFlow, role: str) -> Frame:
    """A run that has not begun."""
    return Frame(run=turn.new_run(), flow=flow.name, version=flow.version, state=START, role=role, started_at=turn.at)


def settle(cursor: Cursor) -> None:
    """Fire what operations asked for, until something waits or ends.

    Raises:
        StepLimitReached: After 100 states in one turn.
    """
    while (trigger := cursor.trigger) is not None:
        cursor.trigger = None
        if cursor.outcome is None and not cursor.flow.fire(trigger, cursor):
            cursor.turn.note("ignore", why="no branch applies", event=trigger)


def begin(cursor: Cursor, said: Said | None) -> None:
    """Start the run, with the message that led to it."""
    cursor.turn.text = said.text if said else None
    cursor.begin_run("begin")
    cursor.trigger = "begin"
    settle(cursor)


def state_of(cursor: Cursor) -> CompiledState | None:
    """The state the run is in; None when it has not entered one."""
    return cursor.flow.states.get(cursor.state)


# --- Messages ---------------------------------------------------------------------------------------------------------


def hear(cursor: Cursor, said: Said) -> None:
    """Let the open question make something of typed words."""
    state = state_of(cursor)
    if state is None or state.question is None:
        cursor.unmatched = Unmatched(said.text)
        return
    state.question.hear(cursor, said)
    settle(cursor)


def hear_exactly(cursor: Cursor, said: Said) -> bool:
    """Take words that are exactly a choice on offer; they win over universals and commands."""
    state = state_of(cursor)
    if state is None or state.question is None or not state.question.chosen(cursor, said):
        return False
    settle(cursor)
    return True


def tap(cursor: Cursor, run: str, epoch: int, choice: str) -> None:
    """Take a tapped button or row. One of an earlier question is recognised, and the open one repeated."""
    state = state_of(cursor)
    question = state.question if state else None
    fresh = run == cursor.run and epoch == cursor.epoch
    if question is not None and fresh and question.tap(cursor, choice):
        settle(cursor)
        return
    cursor.turn.note("ignore", why="stale tap", run=run, epoch=epoch, choice=choice)
    before = cursor.render("stale_choice")
    if question is not None:
        question.put(cursor, before)
    else:
        cursor.say("stale_choice")


def climb(cursor: Cursor) -> None:
    """Nothing matched: take the next rung of the state's ladder."""
    unmatched, cursor.unmatched = cursor.unmatched, None
    state = state_of(cursor)
    if unmatched is None or state is None or state.question is None:
        return
    count = cursor.counters.get("no_match", 0)
    cursor.counters = cursor.counters | {"no_match": count + 1}
    rung = state.ladder[min(count, len(state.ladder) - 1)]
    cursor.turn.note("route", rule="ladder", rung=rung.kind, count=count + 1, reason=unmatched.reason)
    if rung.trigger is not None:
        cursor.extra.setdefault("reason", "not_understood")
        cursor.trigger = rung.trigger
        settle(cursor)
    else:
        state.question.explain(cursor, unmatched.reason, fully=rung.kind == "explain")


def repeat(cursor: Cursor, before: str = "") -> None:
    """Put the open question again."""
    state = state_of(cursor)
    if state is not None and state.question is not None:
        state.question.put(cursor, before)
    elif before:
        cursor.turn.send(*[TextOut(body=part) for part in split_text(before)])


def go_back(cursor: Cursor) -> bool:
    """Return to the question before this one; False when there is none."""
    trail = cursor.trail[:-1]
    if not trail:
        return False
    state, _, slot = trail[-1].partition("/")
    cursor.trail = trail[:-1]
    cursor.turn.text = None
    cursor.reask = slot or None
    if state == cursor.state:
        question = cursor.flow.states[state].question
        cursor.stops_timers = cursor.flow.has_timers
        if question is not None:
            question.run(cursor, 0)
        settle(cursor)
        return True
    if not cursor.flow.can(f"back:{state}", cursor.state):
        return False
    cursor.trigger = f"back:{state}"
    settle(cursor)
    return True


# --- Commands ---------------------------------------------------------------------------------------------------------


def command(cursor: Cursor, use: CommandUse, raw: dict[str, str]) -> None:
    """Carry out a command: look up what it names, find the business object's run, and fire its event there."""
    job = cursor.job = new_job("command")
    job["trigger"] = use.command.trigger
    read_raw(cursor, job, raw)
    _go_on_with_command(cursor)


def _go_on_with_command(cursor: Cursor) -> None:
    job = cursor.job
    if job is None or not gather(cursor, list(job["raw"])):
        return
    trigger, flow, turn = str(job["trigger"]), cursor.flow, cursor.turn
    if cursor.state == START and not flow.can(trigger, START):
        known = [instance for name, instance in turn.scope.get(RUNS, ()) if name == flow.name]
        if flow.instance and cursor.instance is None and not job["invalid"] and len(known) == 1:
            attach(cursor, known[0], job)  # "RESOLVED" alone means the only one there is
            return
    mark, new = len(turn.effects), not cursor.opened_by
    if flow.can(trigger, cursor.state):
        if new:
            cursor.begin_run(trigger)
        if flow.fire(trigger, cursor):
            settle(cursor)
            return
        del turn.effects[mark:]
    _refuse(cursor, trigger, job)
    if new:
        cursor.opened_by = ""
        cursor.outcome = "refused"


def _refuse(cursor: Cursor, trigger: str, job: Job) -> None:
    """Say why a command cannot be carried out."""
    cursor.job = None
    cursor.turn.note("ignore", why="the command leads nowhere here", event=trigger, state=cursor.state)
    use = next(use for use in cursor.flow.commands if use.command.trigger == trigger)
    texts = cursor.flow.texts
    for argument in use.command.arguments:
        name = argument.slot
        if name in job["invalid"] or (name not in cursor.slots and not argument.optional):
            kind = "invalid" if name in job["invalid"] else "ask"
            block = f"{kind}_{name}" if texts.has_own(f"{kind}_{name}") else f"{kind}_{cursor.flow.slots[name].type}"
            about = {"name": name, "label": cursor.flow.slots[name].label}
            cursor.say(block, slot=about, reason=job["invalid"].get(name), missing=[about["label"]])
            return
    cursor.say(use.otherwise or "command_not_now")


# --- Timers, business events, files -----------------------------------------------------------------------------------


def fire_timer(cursor: Cursor, event: TimerFired) -> None:
    """Take a timer, unless the run has moved on since it was started."""
    state = state_of(cursor)
    timer = next((one for one in state.timers if one.name == event.name), None) if state else None
    if timer is None or state is None or event.epoch != cursor.epoch or cursor.pending is not None:
        cursor.turn.note("ignore", why="late timer", name=event.name, epoch=event.epoch)
        return
    cursor.turn.note("timer", name=event.name, fired=True)
    if timer.say:
        cursor.say(timer.say)
    if timer.trigger:
        cursor.trigger = timer.trigger
        settle(cursor)


def hear_of(cursor: Cursor, event: BusinessChanged) -> bool:
    """Take something the business did; False when this run does not listen to it here."""
    trigger = "return" if event.name == "handoff.returned" else f"event:{event.name}"
    state = state_of(cursor)
    if trigger == "return" and state is not None and state.hands_over:
        cursor.turn.owner = "bot"
        if not cursor.flow.can(trigger, cursor.state):
            cursor.end_run("handed_off")
            return True
    if not cursor.flow.can(trigger, cursor.state):
        return False
    cursor.extra["event"] = {"name": event.name, **event.data}
    if not cursor.flow.fire(trigger, cursor):
        return False
    settle(cursor)
    return True


def collects(cursor: Cursor, kind: str) -> bool:
    """Whether the run's state takes files or places of this kind."""
    state = state_of(cursor)
    return state is not None and kind in state.collects


def collect(cursor: Cursor, kind: str, item: dict[str, Any]) -> None:
    """Keep a file or place, and run the action for it."""
    cursor.job = None
    collector = cursor.flow.states[cursor.state].collects[kind]
    cursor.extra["location" if kind == "location" else "media"] = item
    count = cursor.counters.get(f"collected_{kind}", 0)
    if count >= collector.many:
        cursor.say("collected_enough", many=collector.many)
        return
    cursor.counters = cursor.counters | {f"collected_{kind}": count + 1}
    if collector.path:
        cursor.data = _stored(cursor.data, collector.path, item, many=collector.many > 1)
    if collector.action is None:
        _collected(cursor, kind)
        return
    what = f"`collect: {kind}`"
    arguments = {name: cursor.evaluate(value, what) for name, value in collector.arguments.items()}
    receipt = str(cursor.evaluate(collector.once, "`once:`"))[:500] if collector.once is not None else None
    cursor.invoke(
        collector.action,
        arguments,
        Pending(name=collector.action, step=0, purpose="collect", detail={"kind": kind}),
        receipt,
    )


def _collected(cursor: Cursor, kind: str) -> None:
    collector = cursor.flow.states[cursor.state].collects[kind]
    cursor.say(collector.say or "collected", count=cursor.counters.get(f"collected_{kind}", 0), many=collector.many)


def _stored(data: dict[str, Any], path: tuple[str, ...], item: Any, *, many: bool) -> dict[str, Any]:
    """A copy of the data with the item at its path; lists grow."""
    name, *rest = path
    old = data.get(name)
    if rest:
        return data | {name: _stored(old if isinstance(old, dict) else {}, tuple(rest), item, many=many)}
    return data | {name: [*old, item] if many and isinstance(old, list) else [item] if many else item}


# --- Answers of actions -----------------------------------------------------------------------------------------------


def resume(cursor: Cursor, event: ActionDone | ActionFailed, flows: Flows) -> Cursor:
    """Go on after an `Invoke`.

    Returns:
        The cursor that goes on: another one when the event belongs to a run that existed already.
    """
    pending = cursor.pending
    if pending is None:
        cursor.turn.note("ignore", why="no action was awaited")
        return cursor
    cursor.pending = None
    turn = cursor.turn
    before = pending.detail.get("turn", {})
    turn.entered, turn.runs, turn.text = before.get("entered", 0), before.get("runs", 0), before.get("text")
    cursor.extra = dict(pending.detail.get("extra", {}))
    ok = isinstance(event, ActionDone)
    turn.note("invoke", name=pending.name, ok=ok, code=None if ok else event.code)  # type: ignore[union-attr]
    match pending.purpose:
        case "do":
            _resume_do(cursor, pending, event)
        case "collect" if isinstance(event, ActionDone):
            _collected(cursor, str(pending.detail["kind"]))
        case "collect":
            cursor.say("action_failed", error={"code": event.code, "message": event.message})  # type: ignore[union-attr]
        case "lookup":
            job = cursor.job = _copied(pending.detail["job"])
            found(cursor, job, str(pending.detail["slot"]), event.result if isinstance(event, ActionDone) else [])
            _resume_job(cursor, job)
        case "attach":
            cursor = _resume_attach(cursor, pending, event, flows)
        case _:
            raise EngineError(f"Run {cursor.run} waits for '{pending.purpose}', which this version does not know.")
    settle(cursor)
    return cursor


def _copied(job: Job) -> Job:
    return {
        key: dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for key, value in job.items()
    }


def _resume_do(cursor: Cursor, pending: Pending, event: ActionDone | ActionFailed) -> None:
    plan = cursor.flow.states[cursor.state].plan
    op = plan[pending.step]
    if not isinstance(op, Do):
        raise EngineError(f"Run {cursor.run} waits for '{pending.name}' at a place that does nothing of the kind.")
    if isinstance(event, ActionDone):
        op.done(cursor, event.result)
        proceed(cursor, pending.step + 1)
    else:
        op.failed(cursor, event.code, event.message)


def _resume_job(cursor: Cursor, job: Job) -> None:
    if job["then"] == "command":
        _go_on_with_command(cursor)
        return
    question = cursor.flow.states[cursor.state].question
    if isinstance(question, Form):
        question.go_on(cursor)
    elif isinstance(question, Ask):
        question.correct(cursor, job)


def _resume_attach(cursor: Cursor, pending: Pending, event: ActionDone | ActionFailed, flows: Flows) -> Cursor:
    """Go on in the business object's run, or become it."""
    job = _copied(pending.detail["job"])
    result = event.result if isinstance(event, ActionDone) else None
    if isinstance(event, ActionFailed):
        cursor.say("action_failed", error={"code": event.code, "message": event.message})
        cursor.end_run("failed")
        return cursor
    existing = FRAME.validate_python(result) if result is not None else None
    if existing is None or existing.run == cursor.run:
        cursor.instance = str(pending.detail["instance"])
        if job["then"] == "collect":
            cursor.say("cannot_use")
            cursor.end_run("refused")  # forgets the instance: its run ended while we were not looking
            return cursor
        cursor.job = job
        _resume_job(cursor, job)
        return cursor
    flow = flows(existing.flow, existing.version)
    if flow is None:
        raise EngineError(f"Run {existing.run} is in flow '{existing.flow}' version {existing.version}, which is gone.")
    cursor.turn.note("route", rule="instance", instance=existing.instance, run=existing.run)
    other = Cursor(cursor.turn, flow, existing)
    other.pending = None
    other.extra = cursor.extra
    other.slots |= cursor.slots
    trigger = job.get("trigger") or cursor.opened_by
    cursor.end_run("merged")
    put_back(cursor.turn, cursor)
    cursor.turn.frames = [*(frame for frame in cursor.turn.frames if frame.run != existing.run), existing]
    _go_on_elsewhere(other, job, trigger, existing)
    return other


def _go_on_elsewhere(cursor: Cursor, job: Job, trigger: str, existing: Frame) -> None:
    """The event goes on in a run that existed already; when it leads nowhere there, that run stays as it was."""
    if job["then"] == "collect":
        if collects(cursor, job["kind"]):
            collect(cursor, job["kind"], job["item"])
        else:
            cursor.say("cannot_use")
        return
    cursor.job = job
    if job["then"] == "command":
        _go_on_with_command(cursor)
    elif (
        trigger.startswith("command:") and cursor.flow.can(trigger, cursor.state) and cursor.flow.fire(trigger, cursor)
    ):
        settle(cursor)
    else:
        cursor.say("run_exists", instance=existing.instance)
        cursor.slots = dict(existing.slots)
        repeat(cursor)


# --- Leaving ----------------------------------------------------------------------------------------------------------


def put_back(turn: Turn, cursor: Cursor) -> None:
    """Put the run back where it was on the stack, or take it off when it has ended."""
    place = next((i for i, frame in enumerate(turn.frames) if frame.run == cursor.run), None)
    if place is None:
        return
    if cursor.outcome is None:
        turn.frames[place] = cursor.freeze()
        return
    del turn.frames[place]
    if cursor.instance is not None:
        _remember_run(turn, cursor.flow.name, cursor.instance, ended=True)


def _remember_run(turn: Turn, flow: str, instance: str, *, ended: bool) -> None:
    known = [list(one) for one in turn.scope.get(RUNS, ()) if list(one) != [flow, instance]]
    kept = (known if ended else [*known, [flow, instance]])[-MAX_RUNS_KEPT:]
    if kept != [list(one) for one in turn.scope.get(RUNS, ())]:
        turn.remember(RUNS, kept or None)


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
            place = len(turn.effects) - (1 if turn.effects and isinstance(turn.effects[-1], Invoke) else 0)
            turn.effects.insert(place, ParkRun(frame=frame))
            _remember_run(turn, frame.flow, frame.instance, ended=False)
        if state is None or not state.parks:
            kept.append(frame)
    message = isinstance(turn.event, MessageReceived)
    conversation = Conversation(
        conversation_id=original.conversation_id,
        contact=original.contact,
        frames=tuple(kept),
        owner=turn.owner,
        scope=turn.scope,
        last_inbound_at=turn.at if message else original.last_inbound_at,
    )
    return Step(conversation=conversation, effects=tuple(turn.effects), trace=tuple(turn.trace))
