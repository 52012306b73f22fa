"""A conversation in memory: real flows and engine, fake actions, a clock that the test moves.

Between every two steps the snapshot goes through JSON, as it does in production.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.authoring.content import load_content
from bot.core.actions import ActionCall, Actions
from bot.core.book import FlowBook
from bot.core.conversation import FRAME, SNAPSHOT, Contact, Conversation, Frame, Snapshot
from bot.core.effects import ATTACH_RUN, Effect, EndRun, Invoke, ParkRun, Send, StartTimer, Trace
from bot.core.engine import Step
from bot.core.errors import ActionError
from bot.core.events import EVENT, ActionDone, ActionFailed, BusinessChanged, Event, MessageReceived, TimerFired
from bot.core.messages import ButtonsOut, Choice, ChoiceIn, Incoming, ListOut, Outgoing, TextIn
from bot.core.taking import failed
from bot.core.turn import advance
from bot.operations import standard_actions

ROOT = Path(__file__).parent.parent
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TREKS = (
    {"id": 1, "name": "Everest Base Camp Trek", "price": 1450},
    {"id": 2, "name": "Annapurna Circuit", "price": 1100},
    {"id": 3, "name": "Annapurna Base Camp", "price": 900},
)


def fake_actions() -> Actions:
    """The actions the shipped flows call, over nothing but constants."""
    actions = Actions()

    @actions.lookup("treks.find")
    async def find_treks(call: ActionCall, *, text: str) -> list[dict[str, Any]]:
        words = text.lower()
        if "ebc" in words or "everest" in words:
            return [TREKS[0]]
        return [trek for trek in TREKS[1:] if "annapurna" in words and ("circuit" not in words or trek["id"] == 2)]

    @actions.lookup("trips.assigned_to_me")
    async def find_trips(call: ActionCall, *, text: str) -> list[dict[str, Any]]:
        known = {"TRP123": 7, "TRP124": 8, "TRP666": 666}
        return [{"id": trip, "code": code, "name": "EBC"} for code, trip in known.items() if code in text.upper()]

    @actions.action("leads.create")
    async def create_lead(
        call: ActionCall, *, trek: int, people: int, month: str = "", note: str = "", contact: int | None = None
    ) -> dict[str, Any]:
        if people == 13:
            raise ActionError("bad_people", "Not thirteen.")
        return {"id": 17, "code": "LEAD17", "assignee": "Maya"}

    @actions.action("quotes.current")
    async def current_quote(call: ActionCall) -> dict[str, Any]:
        raise ActionError("no_quote", "There is no open quote.")

    @actions.action("incidents.create")
    async def create_incident(call: ActionCall, *, trip: int, text: str) -> dict[str, Any]:
        if trip == 666:
            raise ActionError("not_assigned", "Not yours.")
        return {"id": 5, "code": "INC5"}

    @actions.action("incidents.resolve")
    async def resolve_incident(call: ActionCall, *, incident: int, note: str = "") -> dict[str, Any]:
        return {"id": incident, "code": f"INC{incident}"}

    @actions.action("incidents.add_media")
    async def add_media(call: ActionCall, *, incident: int, media_id: str) -> dict[str, Any]:
        return {"id": incident}

    @actions.action("incidents.set_place")
    async def set_place(call: ActionCall, *, incident: int, latitude: float, longitude: float) -> dict[str, Any]:
        return {"id": incident}

    return actions


def shipped_book() -> FlowBook:
    """The flows in the repository."""
    return load_content(ROOT, standard_actions().including(fake_actions())).book


@dataclass
class Business:
    """What several conversations share: parked runs and receipts."""

    parked: dict[tuple[str, str], Frame] = field(default_factory=dict)
    receipts: dict[str, Any] = field(default_factory=dict)
    event_id: int = 0


class Talk:
    """One person on the phone.

    Attributes:
        said: What we said in the last turn.
        effects: All effects of the last turn, `Invoke`s included.
        trace: All reasons of the last turn.
    """

    def __init__(
        self,
        book: FlowBook,
        *,
        roles: tuple[str, ...] = ("customer",),
        name: str = "Asha Rai",
        language: str = "en",
        business: Business | None = None,
        actions: Actions | None = None,
    ) -> None:
        self.book = book
        self.business = business or Business()
        self.actions = actions or fake_actions()
        contact = Contact(contact_id=1, name=name, roles=roles, language=language)
        self.conversation = Conversation(conversation_id=1, contact=contact)
        self.at = AT
        self.said: list[Outgoing] = []
        self.effects: list[Effect] = []
        self.trace: list[Trace] = []

    # --- What the person, the clock and the business do ---------------------------------------------------------------

    def text(self, body: str) -> str:
        """Write; answers with all we said, as one text."""
        return self.send(TextIn(body=body))

    def tap(self, title: str, among: Outgoing | None = None) -> str:
        """Tap the button or row with this title in our last message, or in an earlier one."""
        choice = next(one for one in choices_in(among or self.said[-1]) if one.title == title)
        return self.send(ChoiceIn(id=choice.id, title=choice.title))

    def send(self, content: Incoming) -> str:
        """Send anything."""
        self.at += timedelta(minutes=1)
        return self.happen(MessageReceived(event_id=self._next(), at=self.at, message_id=1, content=content))

    def wait(self, **delta: float) -> str:
        """Let time pass; the timer that is due first fires, if it is due by then."""
        until = self.at + timedelta(**delta)
        timer = min((one for one in self.timers() if one.due_at <= until), key=lambda one: one.due_at)
        self.at = until
        return self.fire(timer)

    def fire(self, timer: StartTimer) -> str:
        """Fire one timer, late or not."""
        return self.happen(
            TimerFired(event_id=self._next(), at=self.at, run=timer.run, name=timer.name, epoch=timer.epoch)
        )

    def change(self, name: str, *, instance: tuple[str, str] | None = None, **data: Any) -> str:
        """Something happens in the business; with `instance`, to the run of that object."""
        frame = self.business.parked.get(instance) if instance else None
        if frame is not None:
            others = tuple(one for one in self.conversation.frames if one.run != frame.run)
            self.conversation = replace(self.conversation, frames=(*others, frame))
        run = frame.run if frame else None
        return self.happen(BusinessChanged(event_id=self._next(), at=self.at, name=name, data=data, run=run))

    # --- What is to be seen -------------------------------------------------------------------------------------------

    @property
    def top(self) -> Frame:
        """The run that talks."""
        return self.conversation.frames[-1]

    def timers(self) -> list[StartTimer]:
        """Timers started in the last turn."""
        return [one for one in self.effects if isinstance(one, StartTimer)]

    def of(self, kind: type[Any]) -> list[Any]:
        """The last turn's effects of one kind."""
        return [one for one in self.effects if isinstance(one, kind)]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """The last turn's reasons of one kind."""
        return [one.detail for one in self.trace if one.kind == kind]

    # --- The worker ---------------------------------------------------------------------------------------------------

    def happen(self, event: Event) -> str:
        """Run one turn as a worker does, actions included."""
        self._refresh()
        self.effects, self.trace = [], []
        following: Event | None = event
        while following is not None:
            step = self._step(following)
            self.effects += step.effects
            self.trace += step.trace
            invoke = step.effects[-1] if step.effects and isinstance(step.effects[-1], Invoke) else None
            assert sum(isinstance(one, Invoke) for one in step.effects) == (invoke is not None)
            following = self._answer(invoke, event) if invoke else None
        self._store()
        self.said = [one.content for one in self.effects if isinstance(one, Send)]
        return "\n---\n".join(getattr(message, "body", "") for message in self.said)

    def _step(self, event: Event) -> Step:
        """Advance, twice to see that it is pure, with everything through JSON."""
        before = through_json(self.conversation)
        event = EVENT.validate_json(EVENT.dump_json(event))
        step = advance(self.book, self.conversation, event)
        assert self.conversation == before, "advance changed the snapshot it was given"
        assert advance(self.book, before, event) == step, "advance is not pure"
        self.conversation = through_json(step.conversation)
        assert self.conversation == step.conversation, "the snapshot does not survive JSON"
        return step

    def _answer(self, invoke: Invoke, event: Event) -> Event:
        if invoke.name == ATTACH_RUN:
            key = (invoke.arguments["flow"], invoke.arguments["instance"])
            frame = self.business.parked.get(key)
            result = FRAME.dump_python(frame, mode="json") if frame else None
            return ActionDone(event_id=event.event_id, at=event.at, result=result)
        if invoke.receipt is not None and invoke.receipt in self.business.receipts:
            return ActionDone(event_id=event.event_id, at=event.at, result=self.business.receipts[invoke.receipt])
        action = self.actions.by_name.get(invoke.name)
        if action is None:  # of a flow that the test is not about: there is nothing, and nothing can be done
            if invoke.name in standard_actions().names("lookup"):
                return ActionDone(event_id=event.event_id, at=event.at, result=[])
            return ActionFailed(event_id=event.event_id, at=event.at, code="not_here", message="Not in this test.")
        try:
            result = asyncio.run(_call(action.function, invoke.arguments))
        except ActionError as error:
            return failed(event, error.code, str(error), error.facts)
        if invoke.receipt is not None:
            self.business.receipts[invoke.receipt] = result
        return ActionDone(event_id=event.event_id, at=event.at, result=result)

    def _refresh(self) -> None:
        """Replace copies of business objects' runs by what is stored."""
        frames = []
        for frame in self.conversation.frames:
            if frame.instance is None:
                frames.append(frame)
            elif stored := self.business.parked.get((frame.flow, frame.instance)):
                frames.append(stored)
        self.conversation = replace(self.conversation, frames=tuple(frames))

    def _store(self) -> None:
        for effect in self.effects:
            match effect:
                case ParkRun(frame=frame) if frame.instance:
                    self.business.parked[frame.flow, frame.instance] = frame
                case EndRun(flow=flow, instance=str() as instance):
                    self.business.parked.pop((flow, instance), None)

    def _next(self) -> int:
        self.business.event_id += 1
        return self.business.event_id


async def _call(function: Any, arguments: dict[str, Any]) -> Any:
    return await function(None, **arguments)


def through_json(conversation: Conversation) -> Conversation:
    """The conversation after its snapshot was stored and loaded."""
    snapshot = Snapshot(frames=conversation.frames, owner=conversation.owner, scope=conversation.scope)
    loaded = SNAPSHOT.validate_json(SNAPSHOT.dump_json(snapshot))
    return replace(conversation, frames=loaded.frames, owner=loaded.owner, scope=loaded.scope)


def choices_in(message: Outgoing) -> tuple[Choice, ...]:
    """What can be tapped in a message."""
    match message:
        case ButtonsOut(buttons=buttons):
            return buttons
        case ListOut(rows=rows):
            return rows
    return ()


def titles(message: Outgoing) -> list[str]:
    """What the buttons or rows of a message say."""
    return [choice.title for choice in choices_in(message)]


def write_content(root: Path, files: dict[str, str]) -> Path:
    """A content folder with these files, and the shipped common blocks unless there are others."""
    common = "templates/en/common.j2"
    for name, text in ({common: (ROOT / common).read_text(encoding="utf-8")} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def blocks(**texts: str) -> str:
    """A template file."""
    return "".join(f"{{% block {name} %}}{text}{{% endblock %}}\n" for name, text in texts.items())


def book_of(root: Path, flow: str, actions: Actions | None = None, **texts: str) -> FlowBook:
    """A book with one customer flow."""
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(**texts)}
    return load_content(write_content(root, files), actions or fake_actions()).book


def one_by_one(talk: Talk, *texts: str) -> Iterator[str]:
    """Write several messages."""
    for text in texts:
        yield talk.text(text)
