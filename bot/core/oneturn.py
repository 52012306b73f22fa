"""What one turn builds up: effects and reasons of all that one event sets off, over all the runs it touches."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from bot.core.conversation import Contact, Conversation, Frame
from bot.core.effects import Effect, Invoke, Send, Trace
from bot.core.entities import Entities, extract
from bot.core.events import Event
from bot.core.ids import RunId
from bot.core.messages import Outgoing, TemplateOut, TextOut
from bot.core.order import Tried
from bot.core.sandbox import RAISES
from bot.core.splitting import split_text
from bot.core.templates import Texts
from bot.core.words import normalise


class Said:
    """What somebody wrote: as it is, normalised, and with its entities, worked out when first needed."""

    __slots__ = ("_entities", "_normal", "language", "text", "today")

    def __init__(self, text: str, today: date, language: str = "en") -> None:
        self.text = text
        self.today = today
        self.language = language
        self._normal: str | None = None
        self._entities: Entities | None = None

    @property
    def normal(self) -> str:
        """Lower case without punctuation."""
        if self._normal is None:
            self._normal = normalise(self.text)
        return self._normal

    @property
    def entities(self) -> Entities:
        """Numbers and dates."""
        if self._entities is None:
            self._entities = extract(self.text, self.today, self.language)
        return self._entities


class Turn:
    """Everything one event changes."""

    __slots__ = (
        "at", "contact", "effects", "entered", "event", "frames", "heard", "message", "muted", "original", "owner",
        "quotes", "runs", "scope", "text", "trace", "tried",
    )  # fmt: skip

    def __init__(self, conversation: Conversation, event: Event) -> None:
        self.event = event
        self.at: datetime = event.at
        self.original = conversation
        self.contact: Contact = conversation.contact
        self.frames: list[Frame] = list(conversation.frames)
        self.owner = conversation.owner
        self.scope: dict[str, Any] = conversation.scope
        self.effects: list[Effect] = []
        self.trace: list[Trace] = []
        self.entered = 0
        self.runs = 0
        self.muted = False  # a timer's words to somebody who does not want any
        self.heard = False  # the person has said something
        self.tried: Tried | None = None  # the last step a message came to
        self.text: str | None = None  # the message that began a run, until something has used it up
        self.message: str | None = getattr(event, "sent_as", None)  # the provider's id of what is being answered
        self.quotes = False  # the next message quotes it

    @property
    def today(self) -> date:
        """The day of the event."""
        return self.at.date()

    def said(self, text: str) -> Said:
        """Words of this person, on this day."""
        return Said(text, self.today, self.contact.language)

    def add(self, *effects: Effect) -> None:
        """Add effects that were found late, keeping an `Invoke` last."""
        place = len(self.effects) - (1 if self.effects and isinstance(self.effects[-1], Invoke) else 0)
        self.effects[place:place] = effects

    def note(self, kind: str, /, **detail: Any) -> None:
        """Add a reason."""
        self.trace.append(Trace(kind, detail))

    def remember(self, key: str, value: Any) -> None:
        """Set a value in the contact's scope, leaving the snapshot before the event as it was."""
        if value is None and key not in self.scope:
            return
        scope = {name: old for name, old in self.scope.items() if name != key}
        self.scope = scope if value is None else scope | {key: value}

    def new_run(self) -> RunId:
        """An id for a run: from the event, so that a retried turn finds the same one."""
        while True:
            self.runs += 1
            run = f"r{self.event.event_id}" + (f"-{self.runs}" if self.runs > 1 else "")
            if run not in [frame.run for frame in self.frames]:
                return RunId(run)

    def send(self, *messages: Outgoing, block: str = "", instead: TemplateOut | None = None) -> None:
        """Say something, and note what. Outside of the 24-hour window `instead` is sent, once."""
        if self.muted:
            self.note("ignore", why="the person wants no messages", block=block)
            return
        quoted = self.message if self.quotes else None
        for message in messages:
            self.effects.append(Send(content=message, instead=instead, reply_to=quoted))
            instead = quoted = None
        self.quotes = False
        self.trace.append(Trace("send", {"block": block, "messages": len(messages)}))

    def send_text(self, body: str, block: str = "") -> None:
        """Say something that is rendered already, in parts if it is long."""
        self.send(*[TextOut(body=part) for part in split_text(body)], block=block)

    def render(self, texts: Texts, name: str, variables: Callable[[], Mapping[str, Any]]) -> str:
        """A block's words in the person's language. `variables` are only worked out when it has any.

        A block that fails on the data of this run is replaced by `broken`, so that the person hears something; the
        reason is in the trace.
        """
        block = texts.block(name, self.contact.language)
        if block is None:
            self.note("error", block=name, error="there is no such block")
            return ""
        if block.static is not None:
            return block.static
        try:
            return block.render(variables())
        except RAISES as error:
            self.note("error", block=name, line=block.line, error=str(error)[:300])
        broken = texts.block("broken", self.contact.language)
        return (broken.static or "") if broken and name != "broken" else ""

    def say(
        self, texts: Texts, name: str, variables: Callable[[], Mapping[str, Any]], instead: TemplateOut | None = None
    ) -> None:
        """Send a block, unless it renders to nothing."""
        body = self.render(texts, name, variables)
        if body:
            self.send(*[TextOut(body=part) for part in split_text(body)], block=name, instead=instead)
