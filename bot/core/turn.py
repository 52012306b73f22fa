"""One event, one conversation: which run hears it, in which order things are tried, and what the next snapshot is.

The steps that a message is put to, one after the other, are those of `bot.core.order.Tried`. While a person has taken
over, only words of consent and commands of staff are heard.
"""

from typing import Any

from bot.core.book import FlowBook
from bot.core.choices import read_tap
from bot.core.commands import CommandRead, lone, read_command
from bot.core.compiled import CommandUse, CompiledFlow
from bot.core.conversation import Conversation
from bot.core.cursor import Cursor, Said, Turn
from bot.core.effects import GiveBack, TakeOver
from bot.core.engine import Step, finish
from bot.core.events import ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.forms import Form
from bot.core.gathering import attach, new_job
from bot.core.messages import ChoiceIn, ContactsIn, FormReplyIn, LocationIn, MediaIn, TextIn, UnsupportedIn
from bot.core.moving import (
    RUNS,
    fire_timer,
    hear,
    hear_exactly,
    hear_of,
    listen_anew,
    repeat,
    state_of,
    tap,
)
from bot.core.offering import Offering, is_offer
from bot.core.order import Tried, order
from bot.core.resuming import collect, collects, command, resume
from bot.core.starting import INTENT, UNMATCHED
from bot.core.universals import CONFIRM
from bot.core.upgrading import Upgrading
from bot.core.words import CONSENT_WORDS, universal_in

_TAKEN = {"handoff.taken", "handoff.paused", "phone.wrote"}
"""News that a person has the conversation, or nobody; `phone.wrote`: a colleague wrote on the business's own phone."""

_ANSWERS = (ActionDone, ActionFailed)
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
    match event if isinstance(event, _ANSWERS) else router.upgrade(event):
        case MessageReceived() as message:
            router.message(message)
        case TimerFired() as timer:
            router.timer(timer)
        case BusinessChanged() as news:
            router.business(news)
        case ActionDone() | ActionFailed() as answer:
            router.answer(answer)
    if turn.tried is not None:
        turn.trace.insert(0, order(turn.tried))
    if turn.heard:
        router.offer_language()
        router.listen_anew()
    return finish(turn, book.flow)


class _Router(Upgrading, Offering):
    """The routing of one turn."""

    def listen_anew(self) -> None:
        """The person has said something: if the question is still open, their silence counts from now on."""
        frame = self.turn.frames[-1] if self.turn.frames else None
        flow = self.book.flow(frame.flow, frame.version) if frame is not None else None
        if frame is None or flow is None or not flow.has_silence or frame.pending is not None:
            return
        top = self.top()
        if top is not None:
            listen_anew(self.turn, top)

    # --- Messages -----------------------------------------------------------------------------------------------------

    def message(self, event: MessageReceived) -> None:
        """Take whatever somebody sent."""
        turn = self.turn
        turn.heard = True
        self.drop_broken_frames()
        match event.content:
            case TextIn(body=body):
                said = turn.said(body)
                self.listen(said)
                self.text(said)
            case ChoiceIn(id=id, title=title):
                self.choice(id, title)
            case MediaIn() as media:
                file: dict[str, Any] = {
                    "id": event.file or media.media_id, "kind": _FILE_KINDS[media.media], "mime_type": media.mime_type,
                    "caption": media.caption, "filename": media.filename, "sha256": media.sha256,
                }  # fmt: skip
                self.file(file["kind"], file, media.caption)
            case LocationIn() as place:
                spot: dict[str, Any] = {
                    "latitude": place.latitude, "longitude": place.longitude, "name": place.name,
                    "address": place.address,
                }  # fmt: skip
                self.file("location", spot, None)
            case FormReplyIn() as form:
                self.form(form)
            case ContactsIn() as cards if (number := self._shared_number(cards)) is not None:
                self.text(turn.said(number))
            case UnsupportedIn() as unknown:
                turn.note("ignore", why="unsupported", what=unknown.original_kind)
                self._cannot_use("unsupported")
            case other if other.kind in {"contacts", "order"}:
                self._cannot_use("cannot_use")
            case other:
                turn.note("ignore", why="nothing to answer", what=other.kind)

    def text(self, said: Said) -> None:
        """Route typed words."""
        turn = self.turn
        consent = CONSENT_WORDS.get(said.normal)
        if consent is not None:
            turn.tried = Tried.CONSENT
            self.consent(consent, said)
            return
        quiet = turn.owner != "bot"
        cursor = self.top()
        if not quiet and self._universal(cursor, said):
            return
        read = self._command(said, staff_only=quiet)
        if read is not None:
            turn.tried = Tried.COMMAND
            self.close_question(cursor)
            self._start_command(*read)
        elif quiet:
            turn.tried = Tried.OWNER
            turn.note("ignore", why="a person has taken over", owner=turn.owner)
        elif not self._exactly(cursor, said):
            turn.tried = Tried.EXPECTED
            self._answer(cursor, said)

    def _universal(self, cursor: Cursor | None, said: Said) -> bool:
        """Take a universal. One that is also exactly what a question on offer calls a choice is that choice."""
        word = universal_in(said.normal, self.turn.contact.language)
        if word is None:
            return False
        if self._exactly(cursor, said):
            self.turn.note("pass", step="universal", word=word, because="a choice on offer is called so")
            return True
        self.turn.tried = Tried.UNIVERSAL
        self.close_question(cursor)
        if self.universal(cursor, word, said):
            return True
        self.turn.note("pass", step="universal", word=word, because="it is switched off here")
        return False

    def _exactly(self, cursor: Cursor | None, said: Said) -> bool:
        """Take words that are exactly a choice of a question on offer, the flow's or our own."""
        turn = self.turn
        turn.tried = Tried.EXPECTED
        if cursor is not None and self.confirm(cursor, said.normal):
            turn.note("route", rule="confirm")
        elif cursor is not None and hear_exactly(cursor, said):
            turn.note("route", rule="choice")
            self.done(cursor)
        elif self.answer_offer(said.normal):
            turn.note("route", rule="language")
        else:
            return False
        return True

    def choice(self, id: str, title: str) -> None:  # noqa: A002  WhatsApp's word
        """Route a tap: to the question it belongs to, or, with an id that is not ours, as the words on it."""
        turn = self.turn
        turn.tried = Tried.PAYLOAD if turn.owner == "bot" else Tried.OWNER
        if is_offer(id) and turn.owner == "bot":
            turn.note("route", rule="language")
            self.answer_offer(id)
            return
        tapped = read_tap(id)
        if tapped is None:
            self.text(turn.said(title))
            return
        if turn.owner != "bot":
            turn.note("ignore", why="a person has taken over", owner=turn.owner)
            return
        turn.note("route", rule="tap", run=tapped.run, epoch=tapped.epoch)
        if tapped.choice.startswith(INTENT) and self.take_offer(tapped.choice):
            return
        cursor = self.top()
        if cursor is None:
            turn.note("ignore", why="stale tap", run=tapped.run)
            turn.say(self.book.texts, "stale_choice", self.variables)
            return
        fresh = (tapped.run, tapped.epoch) == (cursor.run, cursor.epoch)
        if fresh and tapped.choice.startswith(CONFIRM) and self.confirm(cursor, tapped.choice.removeprefix(CONFIRM)):
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
            self.text(turn.said(caption))
        else:
            self._cannot_use("cannot_use")

    def form(self, reply: FormReplyIn) -> None:
        """Route a form that was filled in; one that another run has sent is for nobody any more."""
        answers, cursor = dict(reply.data), self.top()
        token = answers.pop("flow_token", None)
        if token in (None, "unused") or (cursor is not None and token == cursor.run):
            self.file("form", answers, None)
            return
        self.turn.note("ignore", why="another run sent this form")
        self._cannot_use("cannot_use")

    def _shared_number(self, cards: ContactsIn) -> str | None:
        """The number on a card, where a phone number is being asked for: it is as good as typed."""
        cursor = self.top()
        slot = cursor.flow.slots.get(cursor.asking or "") if cursor is not None else None
        if slot is None or slot.type != "phone":
            return None
        return next((str(one["phone"]) for card in cards.cards for one in card.get("phones") or () if one.get("phone")),
                    None)  # fmt: skip

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
        question = cursor.flow.states[cursor.state].question
        if not (isinstance(question, Form) and question.refuse_file(cursor)):
            repeat(cursor, cursor.render(block))
        self.done(cursor)

    # --- Commands and universals --------------------------------------------------------------------------------------

    def _command(self, said: Said, *, staff_only: bool) -> tuple[CompiledFlow, CommandUse, CommandRead] | None:
        """The command in a message: an exact verb first, then one with a typing mistake."""
        nearly = None
        word = lone(said.text)
        for role in self.turn.contact.roles:
            if staff_only and role == "customer":
                continue
            if word is not None and word not in self.book.lone_verbs(role):
                continue  # a slip is only forgiven when something follows
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
        mine = [run for run in (self.chain(top) if top is not None else ()) if run.flow.name == flow.name]
        cursor = mine[0] if mine and flow.instance is None else self.push(flow)
        command(cursor, use, read.raw)
        self.done(cursor)

    # --- Answers and intents ------------------------------------------------------------------------------------------

    def _answer(self, cursor: Cursor | None, said: Said) -> None:
        """Let the open question hear it; without one, find out what is wanted."""
        state = state_of(cursor) if cursor is not None else None
        if cursor is not None and state is not None and state.question is not None:
            self.turn.note("route", rule="answer", flow=cursor.flow.name, state=cursor.state)
            hear(cursor, said)
            self.done(cursor)
        elif not self.typed_offer(said) and not self.start_by_intent(said, ask=True):
            self.not_understood(said)

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
        """Tell the run that listens to it: the one it names, else the topmost; else start what begins with it.

        Neither an open question nor a person who has taken over holds it up: it is news. Everybody may be a customer.
        """
        turn = self.turn
        if event.name in _TAKEN:
            self._taken(event)
            return
        if event.name == "handoff.returned" and turn.owner != "bot":
            turn.effects.append(GiveBack())
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
            self.resume_beneath()
            return
        flow = self.started_by(lambda role: self.book.told(role, event.name)) or self.book.told("customer", event.name)
        if event.run is None and flow is not None:
            turn.note("route", rule="business", event=event.name, starts=flow.name)
            self.begin_with(flow, event)
            return
        turn.note("ignore", why="no run listens to this", event=event.name)

    def _taken(self, event: BusinessChanged) -> None:
        """A person has taken over, or only the bot is to keep quiet."""
        by = {"phone.wrote": "phone", "handoff.paused": None}.get(event.name, event.data.get("by"))
        self.turn.owner = f"person:{by}" if by else "paused"
        self.turn.note("route", rule="business", event=event.name, owner=self.turn.owner)
        self.turn.effects.append(TakeOver(by=str(by) if by else None))

    def answer(self, event: ActionDone | ActionFailed) -> None:
        """Go on with the run that awaits an action."""
        frame = next((one for one in reversed(self.turn.frames) if one.pending is not None), None)
        cursor = self.cursor(frame) if frame is not None else None
        if cursor is None:
            self.turn.note("ignore", why="no action was awaited")
            return
        self.done(resume(cursor, self.upgraded(event), self.book.flow))
