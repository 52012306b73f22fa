"""One event, one conversation: which run hears it, in which order things are tried, and what the next snapshot is.

A message is tried, in this order, as: a word of consent (STOP, START) · a tapped choice · words that are exactly a
choice on offer · a command · a universal (help, back, cancel, restart, repeat, agent) · an answer to the open
question · something that starts a flow (when the open question made nothing of it, or none is open) · the ladder of
what was not understood. While a person has taken over, only commands of staff are heard.
"""

from typing import Any

from bot.core.book import FlowBook
from bot.core.choices import read_tap
from bot.core.commands import CommandRead, read_command
from bot.core.compiled import CommandUse, CompiledFlow
from bot.core.conversation import Conversation
from bot.core.cursor import Cursor, Said, Turn
from bot.core.effects import Handoff
from bot.core.engine import Step, finish
from bot.core.events import ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.gathering import attach, new_job
from bot.core.messages import ChoiceIn, LocationIn, MediaIn, TextIn, UnsupportedIn
from bot.core.moving import (
    RUNS,
    begin,
    climb,
    fire_timer,
    go_back,
    hear,
    hear_exactly,
    hear_of,
    put_back,
    repeat,
    settle,
    state_of,
    tap,
)
from bot.core.resuming import collect, collects, command, resume
from bot.core.stack import Stack
from bot.core.understanding import decide
from bot.core.words import CONSENT_WORDS, universal_in

UNMATCHED = "unmatched"
"""Key in the contact's scope: how many messages in a row nothing could be made of, outside any question."""
DIGRESSION = 0.6
"""Score from which a message that does not answer the open question may start another flow."""
MAX_FRAMES = 5
"""Runs on a stack; beyond it, no digression is begun."""
_FILE_KINDS = {"image": "photo", "video": "video", "audio": "audio", "document": "document", "sticker": "sticker"}


def advance(book: FlowBook, conversation: Conversation, event: Event) -> Step:
    """Route one event and step the run it belongs to.

    Pure: a worker may safely run it twice. When the last effect is `Invoke`, the caller runs the action and calls
    `advance` again with the snapshot of this step and `ActionDone` or `ActionFailed`, within the same turn and with
    the same `event_id`.

    Args:
        book: All flows.
        conversation: Snapshot before the event; never modified. For an event that names the run of a business object,
            the worker has put that run's stored frame on top of the stack.
        event: What happened. `event.at` (aware, UTC) is "now".

    Returns:
        The next snapshot, and effects in the order the person should see them.

    Raises:
        StepLimitReached: The flows entered 100 states without waiting for anyone, actions included.
        EngineError: An expression does not fit the run's data, or a run is in a flow version that is gone.
    """
    turn = Turn(conversation, event)
    router = _Router(book, turn)
    match event:
        case MessageReceived():
            router.message(event)
        case TimerFired():
            router.timer(event)
        case BusinessChanged():
            router.business(event)
        case ActionDone() | ActionFailed():
            router.answer(event)
    return finish(turn, book.flow)


class _Router(Stack):
    """The routing of one turn."""

    # --- Messages -----------------------------------------------------------------------------------------------------

    def message(self, event: MessageReceived) -> None:
        """Take whatever somebody sent."""
        turn = self.turn
        self.drop_broken_frames()
        match event.content:
            case TextIn(body=body):
                self.text(Said(body, turn.today))
            case ChoiceIn(id=id, title=title):
                self.choice(id, title)
            case MediaIn() as media:
                file: dict[str, Any] = {
                    "id": media.media_id, "kind": _FILE_KINDS[media.media], "mime_type": media.mime_type,
                    "caption": media.caption, "filename": media.filename, "sha256": media.sha256,
                }  # fmt: skip
                self.file(file["kind"], file, media.caption)
            case LocationIn() as place:
                spot: dict[str, Any] = {
                    "latitude": place.latitude, "longitude": place.longitude, "name": place.name,
                    "address": place.address,
                }  # fmt: skip
                self.file("location", spot, None)
            case UnsupportedIn() as unknown:
                turn.note("ignore", why="unsupported", what=unknown.original_kind)
                self._cannot_use("unsupported")
            case other if other.kind in {"contacts", "order", "form_reply"}:
                self._cannot_use("cannot_use")
            case other:
                turn.note("ignore", why="nothing to answer", what=other.kind)

    def text(self, said: Said) -> None:
        """Route typed words."""
        turn = self.turn
        consent = CONSENT_WORDS.get(said.normal)
        if consent is not None:
            turn.note("route", rule="consent", word=consent)
            return
        quiet = turn.owner != "bot"
        cursor = self.top()
        if not quiet and cursor is not None and hear_exactly(cursor, said):
            turn.note("route", rule="choice")
            self.done(cursor)
        elif (read := self._command(said, staff_only=quiet)) is not None:
            self._start_command(*read)
        elif quiet:
            turn.note("ignore", why="a person has taken over", owner=turn.owner)
        elif not self._universal(cursor, said):
            self._answer(cursor, said)

    def choice(self, id: str, title: str) -> None:  # noqa: A002  WhatsApp's word
        """Route a tap: to the question it belongs to, or, with an id that is not ours, as the words on it."""
        turn = self.turn
        tapped = read_tap(id)
        if tapped is None:
            self.text(Said(title, turn.today))
            return
        if turn.owner != "bot":
            turn.note("ignore", why="a person has taken over", owner=turn.owner)
            return
        turn.note("route", rule="tap", run=tapped.run, epoch=tapped.epoch)
        cursor = self.top()
        if cursor is None:
            turn.note("ignore", why="stale tap", run=tapped.run)
            turn.say(self.book.texts, "stale_choice", self.variables)
            return
        tap(cursor, tapped.run, tapped.epoch, tapped.choice)
        self.done(cursor)

    def file(self, kind: str, item: dict[str, Any], caption: str | None) -> None:
        """Route a file or place: to a run that collects it; else its caption counts as words."""
        turn = self.turn
        cursor = self.top()
        if cursor is not None and turn.owner == "bot" and collects(cursor, kind):
            turn.note("route", rule="collect", what=kind)
            collect(cursor, kind, item)
            self.done(cursor)
        elif (instance := self._collecting_run(kind)) is not None:
            self._attach_for(kind, item, *instance)
        elif caption:
            self.text(Said(caption, turn.today))
        else:
            self._cannot_use("cannot_use")

    def _attach_for(self, kind: str, item: dict[str, Any], flow: CompiledFlow, instance: str) -> None:
        """Find the parked run of a business object, to give it a file."""
        self.turn.note("route", rule="collect", what=kind, instance=instance)
        cursor = self.push(flow)
        job = new_job("collect") | {"kind": kind, "item": item}
        attach(cursor, instance, job)
        self.done(cursor)

    def _collecting_run(self, kind: str) -> tuple[CompiledFlow, str] | None:
        """The business object this conversation dealt with last whose flow takes such files."""
        if self.turn.owner != "bot":
            return None
        for name, instance in reversed(self.turn.scope.get(RUNS, ())):
            flow = self.book.latest.get(name)
            if flow is not None and any(kind in state.collects for state in flow.states.values()):
                return flow, instance
        return None

    def _cannot_use(self, block: str) -> None:
        """Say that we cannot do anything with what was sent, and repeat the open question."""
        if self.turn.owner != "bot":
            self.turn.note("ignore", why="a person has taken over", owner=self.turn.owner)
            return
        cursor = self.top()
        if cursor is None:
            self.turn.say(self.book.texts, block, self.variables)
            return
        repeat(cursor, cursor.render(block))
        self.done(cursor)

    # --- Commands and universals --------------------------------------------------------------------------------------

    def _command(self, said: Said, *, staff_only: bool) -> tuple[CompiledFlow, CommandUse, CommandRead] | None:
        """The command in a message: an exact verb first, then one with a typing mistake."""
        nearly = None
        for role in self.turn.contact.roles:
            if staff_only and role == "customer":
                continue
            for flow, use in self.book.commands(role):
                read = read_command(use.command, said.text, flow.slots)
                if read is not None and read.exact:
                    return flow, use, read
                nearly = nearly or (read and (flow, use, read)) or None
        return nearly

    def _start_command(self, flow: CompiledFlow, use: CommandUse, read: CommandRead) -> None:
        """Carry out a command: in the run on top, when it is of this flow and belongs to no object, or in a new one."""
        turn = self.turn
        turn.note("route", rule="command", command=use.command.source, raw=read.raw, exact=read.exact)
        turn.remember(UNMATCHED, None)
        top = self.top()
        here = top is not None and top.flow.name == flow.name and flow.instance is None
        cursor = top if here and top is not None else self.push(flow)
        command(cursor, use, read.raw)
        self.done(cursor)

    def _universal(self, cursor: Cursor | None, said: Said) -> bool:
        """Take help, back, cancel, restart, repeat and agent. False when it is none, or not allowed here."""
        word = universal_in(said.normal, self.turn.contact.language)
        if word is None:
            return False
        state = state_of(cursor) if cursor is not None else None
        if cursor is None or state is None:
            if word not in {"help", "agent"}:
                return False
            self.turn.note("route", rule="universal", word=word)
            self._help_or_agent(word, said)
            return True
        if word not in state.universals:
            return False
        self.turn.note("route", rule="universal", word=word)
        match word:
            case "help":
                self._help(cursor)
            case "repeat":
                repeat(cursor)
            case "back":
                if not go_back(cursor):
                    repeat(cursor, cursor.render("cannot_go_back"))
            case "cancel":
                cursor.say("cancelled")
                cursor.end_run("cancelled")
            case "restart":
                self._restart(cursor)
                return True
            case _:
                self._agent(cursor, said)
                return True
        self.done(cursor)
        return True

    def _help(self, cursor: Cursor) -> None:
        """Help with the open question: the state's own, the flow's own, or what one can do."""
        own = [name for name in (f"help_{cursor.state}", "help") if cursor.flow.texts.has_own(name)]
        before = cursor.render(own[0] if own else "help_here", capabilities=self.capabilities())
        repeat(cursor, before)

    def _restart(self, cursor: Cursor) -> None:
        flow = self.book.latest.get(cursor.flow.name, cursor.flow)
        cursor.end_run("restarted")
        put_back(self.turn, cursor)
        self._begin(flow, None)

    def _agent(self, cursor: Cursor, said: Said) -> None:
        """Lead to the flow's `agent` state, or to the role's flow for it."""
        if cursor.flow.can("agent", cursor.state):
            cursor.trigger = "agent"
            cursor.extra["reason"] = "asked"
            settle(cursor)
            self.done(cursor)
        else:
            put_back(self.turn, cursor)
            self._help_or_agent("agent", said)

    def _help_or_agent(self, word: str, said: Said | None, reason: str = "asked") -> None:
        """Outside of any flow: the flow that this word starts, or our own answer."""
        flow = self.started_by(lambda role: self.book.universal(role, word))
        if flow is not None:
            self._begin(flow, said, reason)
        elif word == "help":
            self.turn.say(self.book.texts, "help", self.variables)
        else:
            self._hand_over(reason)

    def _hand_over(self, reason: str) -> None:
        """Give the conversation to operations, when no flow says to whom."""
        turn = self.turn
        turn.say(self.book.texts, "handoff", lambda: self.variables(reason=reason))
        turn.effects.append(Handoff(run=turn.new_run(), role="operations", reason=reason))
        turn.owner = "role:operations"

    # --- Answers and intents ------------------------------------------------------------------------------------------

    def _answer(self, cursor: Cursor | None, said: Said) -> None:
        """Let the open question hear it; without one, find out what is wanted."""
        state = state_of(cursor) if cursor is not None else None
        if cursor is not None and state is not None and state.question is not None:
            self.turn.note("route", rule="answer", flow=cursor.flow.name, state=cursor.state)
            hear(cursor, said)
            self.done(cursor)
        elif not self._start_by_intent(said, 0.0):
            self._not_understood(said)

    def _start_by_intent(self, said: Said, threshold: float) -> bool:
        """Start the flow for what the message seems to want. False when it seems to want nothing we know."""
        turn = self.turn
        if len(turn.frames) >= MAX_FRAMES:
            return False
        for role in turn.contact.roles:
            understanding = self.book.understanding(role)
            if understanding is None:
                continue
            scored = understanding.understand(said.text)
            chosen = decide(scored)
            tried = [{"intent": one.intent, "score": one.score, "because": one.because} for one in scored[:3]]
            turn.note("understand", role=role, chosen=chosen.intent if chosen else None, tried=tried)
            flow = self.book.started_by(role, chosen.intent) if chosen and chosen.score >= threshold else None
            if flow is None or any(frame.flow == flow.name for frame in turn.frames):
                continue
            turn.remember(UNMATCHED, None)
            self._begin(flow, said)
            return True
        return False

    def _begin(self, flow: CompiledFlow, said: Said | None, reason: str | None = None) -> None:
        cursor = self.push(flow)
        if reason:
            cursor.extra["reason"] = reason
        begin(cursor, said)
        self.done(cursor)

    def _not_understood(self, said: Said) -> None:
        """Nothing open, and nothing we know: say what we can do; the third time in a row, find a person."""
        turn = self.turn
        count = int(turn.scope.get(UNMATCHED, 0)) + 1
        turn.note("route", rule="not_understood", count=count)
        turn.remember(UNMATCHED, count)
        if count >= 3 and self.started_by(lambda role: self.book.universal(role, "agent")) is not None:
            turn.remember(UNMATCHED, None)
            self._help_or_agent("agent", said, reason="not_understood")
        else:
            turn.say(self.book.texts, "not_understood" if count == 1 else "not_understood_again", self.variables)

    # --- Timers, the business, actions --------------------------------------------------------------------------------

    def timer(self, event: TimerFired) -> None:
        """Wake the run that a timer belongs to."""
        frame = next((one for one in self.turn.frames if one.run == event.run), None)
        cursor = self.cursor(frame) if frame is not None else None
        if cursor is None:
            self.turn.note("ignore", why="the run of this timer is over", run=event.run)
            return
        state = state_of(cursor)
        under = frame is not self.turn.frames[-1]
        if under and not any(t.name == event.name and t.trigger for t in (state.timers if state else ())):
            self.turn.note("ignore", why="something else is being talked about", name=event.name)
            return
        fire_timer(cursor, event)
        self.done(cursor, quietly=True)

    def business(self, event: BusinessChanged) -> None:
        """Tell the run that listens to it: the one it names, else the topmost that does."""
        turn = self.turn
        for frame in reversed(turn.frames):
            if event.run is not None and frame.run != event.run:
                continue
            cursor = self.cursor(frame)
            if cursor is not None and hear_of(cursor, event):
                turn.note("route", rule="business", event=event.name, run=frame.run)
                self.done(cursor, quietly=True)
                return
        if event.name == "handoff.returned" and turn.owner != "bot":
            turn.owner = "bot"
            turn.note("route", rule="business", event=event.name)
            return
        turn.note("ignore", why="no run listens to this", event=event.name)

    def answer(self, event: ActionDone | ActionFailed) -> None:
        """Go on with the run that awaits an action."""
        frame = next((one for one in reversed(self.turn.frames) if one.pending is not None), None)
        cursor = self.cursor(frame) if frame is not None else None
        if cursor is None:
            self.turn.note("ignore", why="no action was awaited")
            return
        self.done(resume(cursor, event, self.book.flow))

    # --- The stack ----------------------------------------------------------------------------------------------------

    def done(self, cursor: Cursor, *, quietly: bool = False) -> None:
        """Put a run back; deal with words that meant nothing to it, and with what lies beneath when it has ended."""
        turn = self.turn
        if cursor.unmatched is not None:
            text = cursor.unmatched.text
            unmatched = cursor.unmatched
            cursor.unmatched = None
            put_back(turn, cursor)
            if text and self._start_by_intent(Said(text, turn.today), DIGRESSION):
                return
            cursor.unmatched = unmatched
            climb(cursor)
        put_back(turn, cursor)
        if cursor.outcome is None or quietly or turn.owner != "bot":
            return
        beneath = self.top()
        if beneath is not None and beneath.pending is None:
            turn.note("route", rule="resume", flow=beneath.flow.name, state=beneath.state)
            repeat(beneath)
