"""Moving one run: what a message, a timer or the business does to it, until something waits.

Everything here works on a `Cursor` and leaves the run waiting, ended, or stopped at an `Invoke`. Which run an event
belongs to is the business of `bot.core.turn`; which state follows which is that of `bot.core.compiler`.
"""

from bot.core import waiting
from bot.core.asking import PAGE_SHOWN, TYPED
from bot.core.choices import PAGE_TAP
from bot.core.compiled import CompiledFlow, CompiledState
from bot.core.conversation import Frame
from bot.core.cursor import START, Cursor, Said, Turn, Unmatched
from bot.core.events import BusinessChanged, TimerFired
from bot.core.messages import MAX_ROWS, TextOut
from bot.core.ops import choose_variant
from bot.core.splitting import split_text
from bot.core.words import MORE

RUNS = "runs"
"""Key in the contact's scope: business objects this conversation has runs for, newest last: `[flow, instance]`."""
MAX_RUNS_KEPT = 8
NO_MATCH = "no_match"
"""Counter of a question: the rungs of its ladder that were taken."""
STOPPED = "stopped"
"""Key in the contact's scope: the person has withdrawn consent, so timers keep still."""


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
    if cursor.flow.variants:
        choose_variant(cursor, cursor.flow.variants)
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
    """Take words that are exactly a choice on offer; one that a universal is called as well wins over it."""
    state = state_of(cursor)
    if state is None or state.question is None:
        return False
    if not state.question.chosen(cursor, said):
        if said.normal not in MORE or len(state.question.context(cursor).get("choices", ())) <= MAX_ROWS:
            return False
        turn_to(cursor, cursor.counters.get(PAGE_SHOWN, 0) + 1)
        return True
    settle(cursor)
    return True


def turn_to(cursor: Cursor, page: int) -> None:
    """Show a page of the choices on offer."""
    cursor.counters = cursor.counters | {PAGE_SHOWN: page}
    repeat(cursor)


def tap(cursor: Cursor, run: str, epoch: int, choice: str) -> None:
    """Take a tapped button or row. One of an earlier question is recognised, and the open one repeated."""
    state = state_of(cursor)
    question = state.question if state else None
    fresh = run == cursor.run and epoch == cursor.epoch
    if question is not None and fresh and choice.startswith(PAGE_TAP) and choice.removeprefix(PAGE_TAP).isdigit():
        turn_to(cursor, int(choice.removeprefix(PAGE_TAP)[:3]))
        return
    if question is not None and fresh and question.tap(cursor, choice):
        if TYPED in cursor.turn.scope:
            cursor.turn.remember(TYPED, None)
        settle(cursor)
        return
    cursor.turn.note("ignore", why="stale tap", run=run, epoch=epoch, choice=choice)
    before = cursor.render("stale_choice")
    if question is not None:
        question.put(cursor, before)
    else:
        cursor.say("stale_choice")


def climb(cursor: Cursor) -> bool:
    """Nothing matched: take the next rung of the state's ladder. False when there is none left."""
    unmatched, cursor.unmatched = cursor.unmatched, None
    state = state_of(cursor)
    if unmatched is None or state is None or state.question is None:
        return True
    count = cursor.counters.get(NO_MATCH, 0)
    if count >= len(state.ladder):
        cursor.turn.note("route", rule="ladder", rung="none is left", count=count + 1, reason=unmatched.reason)
        return False
    cursor.counters = cursor.counters | {NO_MATCH: count + 1}
    rung = state.ladder[count]
    cursor.turn.note("route", rule="ladder", rung=rung.kind, count=count + 1, reason=unmatched.reason)
    if rung.trigger is not None:
        cursor.extra.setdefault("reason", "not_understood")
        cursor.trigger = rung.trigger
        settle(cursor)
    else:
        state.question.explain(cursor, unmatched.reason, fully=rung.kind == "explain")
    return True


def give_up(cursor: Cursor) -> None:
    """Nobody understands the person here, and there is nobody to lead them to: the run ends, and says so."""
    cursor.say("given_up")
    cursor.end_run("not_understood")


def repeat(cursor: Cursor, before: str = "") -> None:
    """Put the open question again."""
    state = state_of(cursor)
    if state is not None and state.question is not None:
        state.question.put(cursor, before)
    elif before:
        cursor.turn.send(*[TextOut(body=part) for part in split_text(before)])


# --- Timers and the business ------------------------------------------------------------------------------------------


def fire_timer(cursor: Cursor, event: TimerFired) -> None:
    """Take a timer, unless the run has moved on since it was started."""
    state = state_of(cursor)
    timer = next((one for one in state.timers if one.name == event.name), None) if state else None
    if timer is None or state is None or event.epoch != cursor.epoch or cursor.pending is not None:
        cursor.turn.note("ignore", why="late timer", name=event.name, epoch=event.epoch)
        return
    if not waiting.may_fire(cursor, timer, state.timers):
        return
    cursor.turn.note("timer", name=event.name, fired=True)
    cursor.turn.muted = bool(cursor.turn.scope.get(STOPPED))
    if timer.say:
        cursor.say(timer.say, instead=timer.instead.message(cursor) if timer.instead is not None else None)
    elif timer.trigger is None:
        repeat(cursor, cursor.render("no_input"))
    if timer.trigger:
        cursor.trigger = timer.trigger
        settle(cursor)


def listen_anew(turn: Turn, cursor: Cursor) -> None:
    """The person has said something that left the question open: their silence counts from now on."""
    state = state_of(cursor)
    if state is None or not any(timer.silence for timer in state.timers) or cursor.heard_at == turn.at:
        return
    cursor.heard_at = turn.at
    waiting.start(cursor, [timer for timer in state.timers if timer.silence])
    put_back(turn, cursor)


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
    cursor.extra["event"] = {**event.data, "name": event.name}
    if not cursor.flow.fire(trigger, cursor):
        return False
    settle(cursor)
    return True


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
        remember_run(turn, cursor.flow.name, cursor.instance, ended=True)


def remember_run(turn: Turn, flow: str, instance: str, *, ended: bool) -> None:
    """Keep in mind, or forget, that this conversation has a run for a business object."""
    known = [list(one) for one in turn.scope.get(RUNS, ()) if list(one) != [flow, instance]]
    kept = (known if ended else [*known, [flow, instance]])[-MAX_RUNS_KEPT:]
    if kept != [list(one) for one in turn.scope.get(RUNS, ())]:
        turn.remember(RUNS, kept or None)
