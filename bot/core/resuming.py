"""What takes more than one step: commands, files for business objects, and going on after an action has answered."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.core.asking import Ask
from bot.core.compiled import CommandUse, CompiledFlow
from bot.core.conversation import FRAME, Frame, Pending
from bot.core.cursor import START, Cursor, Said
from bot.core.errors import EngineError
from bot.core.events import ActionDone, ActionFailed
from bot.core.forms import Form
from bot.core.gathering import BEGIN, Job, attach, found, gather, new_job, read_raw
from bot.core.moving import RUNS, begin, put_back, repeat, settle, state_of
from bot.core.ops import Do, as_error
from bot.core.wiring import proceed

Flows = Callable[[str, int], CompiledFlow | None]
"""Finds a flow version."""

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
            about = {"name": name, "label": cursor.flow.slots[name].called(cursor.turn.contact.language)}
            cursor.say(block, slot=about, reason=job["invalid"].get(name), missing=[about["label"]])
            return
    cursor.say(use.otherwise or "command_not_now")


# --- What the form of a message names ---------------------------------------------------------------------------------


def begin_with(cursor: Cursor, said: Said, named: Mapping[str, str]) -> None:
    """Start the run with words that a pattern has picked out for some of its slots.

    Args:
        cursor: The new run.
        said: The whole message; what was picked out means nothing else in it.
        named: Slot → words.
    """
    rest = said.text
    for words in named.values():
        rest = rest.replace(words, ";" * len(words), 1)
    cursor.turn.text = rest
    job = cursor.job = new_job(BEGIN)
    read_raw(cursor, job, dict(named))
    _go_on_beginning(cursor, job)


def _go_on_beginning(cursor: Cursor, job: Job) -> None:
    if gather(cursor, list(job["raw"])):
        begin(cursor, cursor.turn.said(cursor.turn.text) if cursor.turn.text else None)


# --- Files and places -------------------------------------------------------------------------------------------------


def collects(cursor: Cursor, kind: str) -> bool:
    """Whether the run's state takes files or places of this kind."""
    state = state_of(cursor)
    if state is None:
        return False
    return kind in state.collects or (isinstance(state.question, Form) and state.question.wants(cursor, kind))


def collect(cursor: Cursor, kind: str, item: dict[str, Any]) -> None:
    """Keep a file or place, and run the action for it."""
    cursor.job = None
    state = cursor.flow.states[cursor.state]
    if isinstance(state.question, Form) and state.question.wants(cursor, kind):
        state.question.take(cursor, kind, item)
        settle(cursor)
        return
    collector = state.collects[kind]
    cursor.extra[kind if kind in ("location", "form") else "media"] = item
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
    turn.heard = before.get("heard", False)
    turn.message, turn.quotes = before.get("message"), before.get("quotes", False)
    cursor.extra = dict(pending.detail.get("extra", {}))
    ok = isinstance(event, ActionDone)
    turn.note("invoke", name=pending.name, ok=ok, code=None if ok else event.code)  # type: ignore[union-attr]
    match pending.purpose:
        case "do":
            _resume_do(cursor, pending, event)
        case "collect" if isinstance(event, ActionDone):
            _collected(cursor, str(pending.detail["kind"]))
        case "collect":
            cursor.say("action_failed", error=as_error(event))  # type: ignore[arg-type]
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
        op.failed(cursor, event)


def _resume_job(cursor: Cursor, job: Job) -> None:
    if job["then"] == "command":
        _go_on_with_command(cursor)
        return
    if job["then"] == BEGIN:
        _go_on_beginning(cursor, job)
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
        cursor.say("action_failed", error=as_error(event))
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
