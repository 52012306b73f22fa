"""Carrying out one step: what somebody sends, what the clock and the business do, what is delivered twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.authoring.testing.reading import ConversationTest
from bot.authoring.testing.showing import spelled, spoken
from bot.authoring.testing.spec import FILE_KINDS, DeedSpec, EventSpec, FileSpec, StepSpec
from bot.authoring.testing.stage import Mishap, Stage, Taken, choices_in
from bot.core.choices import read_tap
from bot.core.events import Event
from bot.core.ids import RunId
from bot.core.messages import (
    Choice,
    ChoiceIn,
    FormReplyIn,
    Incoming,
    ListOut,
    LocationIn,
    MediaIn,
    MediaKind,
    Outgoing,
    ReactionIn,
    TextIn,
    UnsupportedIn,
)
from bot.core.moving import RUNS
from bot.core.report import did_you_mean

BLINK = timedelta(seconds=1)
"""Between two things that happen."""
_MOST_TIMERS = 1000  # fired in one wait; more would be a flow that never comes to rest
_MEDIA: dict[str, tuple[MediaKind, str]] = {
    "photo": ("image", "image/jpeg"),
    "video": ("video", "video/mp4"),
    "audio": ("audio", "audio/ogg"),
    "document": ("document", "application/pdf"),
    "sticker": ("sticker", "image/webp"),
}
_SIGNS = {"photo": "📷", "video": "🎬", "audio": "🎤", "document": "📄", "sticker": "🏷"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the transcript: something said on a phone, or, without a phone, a remark.

    Attributes:
        step: The step it belongs to, from 0.
        phone: Whose chat.
        name: What the person is called.
        ours: Whether we said it.
        text: What.
        choices: What can be tapped, with its description.
        label: What opens the choices, when they are a list.
        note: What else there is to know about it.
    """

    step: int
    at: datetime
    text: str
    phone: str = ""
    name: str = ""
    ours: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    label: str = ""
    note: str = ""


@dataclass(slots=True)
class Play:
    """A test being played. `last` is the newest turn: the world before it, the phone, its event, what came of it."""

    test: ConversationTest
    stage: Stage
    lines: list[Line] = field(default_factory=list)
    turns: list[Taken] = field(default_factory=list)
    last: tuple[Stage, str, Event, Taken] | None = None
    step: int = 0

    def act(self, step: StepSpec) -> tuple[str, Sequence[Taken]]:
        """Carry out a step; returns whose phone it is about, and the turns it led to.

        Raises:
            Mishap: It cannot be done here.
            EngineError: The flow misbehaves.
        """
        if (deed := step.deed) is not None:
            phone = self.test.user if deed[0] == "user" else deed[0]
            return phone, self._do(phone, deed[1])
        if step.wait is not None:
            return self._wait(step.wait)
        if step.outage is not None:
            return self._outage(step.outage)
        if step.event is not None:
            return self._happen(step.event)
        if step.duplicate is not None:
            return self._redeliver()
        if step.deploy is not None:
            return self._deploy()
        return self._crash()

    # --- People -------------------------------------------------------------------------------------------------------

    def _do(self, phone: str, deed: DeedSpec) -> Sequence[Taken]:
        self.stage.at += BLINK
        content, shown = self.incoming(phone, deed)
        self.note(shown, phone=phone)
        return self._take(phone, self.stage.message(phone, content))

    def incoming(self, phone: str, deed: DeedSpec) -> tuple[Incoming, str]:
        """What somebody sends, and how the transcript shows it."""
        if deed.tapped is not None:
            choice, listed = self._choice(phone, deed.tapped, deed.earlier)
            tap = ChoiceIn(id=choice.id, title=choice.title, description=choice.description)
            return replace(tap, origin="list" if listed else "button"), choice.title
        if (place := deed.location) is not None:
            where = LocationIn(
                latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address
            )
            return where, f"📍 {place.latitude:g}, {place.longitude:g}"
        if deed.form is not None:
            return FormReplyIn(data=deed.form), "📋 " + ", ".join(
                f"{name}: {value}" for name, value in deed.form.items()
            )
        if deed.reaction is not None:
            return ReactionIn(message_id="wamid.last", emoji=deed.reaction), deed.reaction
        if deed.unsupported is not None:
            return UnsupportedIn(original_kind=deed.unsupported), f"({deed.unsupported})"
        for kind in FILE_KINDS:
            file: FileSpec | None = getattr(deed, kind)
            if file is not None:
                return self._media(kind, file)
        text = deed.text or ""
        return TextIn(body=text), text

    def _media(self, kind: str, file: FileSpec) -> tuple[Incoming, str]:
        media, mime = _MEDIA[kind]
        name = file.id or f"{kind}.{self.stage.events + 1}"
        content = MediaIn(media=media, media_id=name, mime_type=mime, caption=file.caption, filename=file.filename)
        return content, f"{_SIGNS[kind]} {file.caption or file.filename or ''}".rstrip()

    def _choice(self, phone: str, wanted: str, earlier: int) -> tuple[Choice, bool]:
        shown = self.stage.shown.get(phone, ())
        if len(shown) <= earlier:
            missing = (
                f"has not been shown {earlier + 1} messages with choices"
                if earlier
                else "shows nothing that can be tapped"
            )
            raise Mishap(f"The phone of {phone} {missing}.")
        message = shown[-1 - earlier]
        choices = choices_in(message)
        for place, choice in enumerate(choices, 1):
            tapped = read_tap(choice.id)
            if wanted.casefold() in {choice.title.casefold(), str(place)} or (tapped and tapped.choice == wanted):
                return choice, isinstance(message, ListOut)
        older = [
            n
            for n in range(len(shown))
            if any(c.title.casefold() == wanted.casefold() for c in choices_in(shown[-1 - n]))
        ]
        if older:
            hint = (
                f"A message has it: write `earlier: {older[0]}`."
                if older[0]
                else "The newest one has it: leave out `earlier:`."
            )
        else:
            hint = did_you_mean(wanted, [c.title for c in choices])
        raise Mishap(f"The last message with choices has no “{wanted}”.", hint)

    # --- The clock and the business -----------------------------------------------------------------------------------

    def _wait(self, length: timedelta) -> tuple[str, Sequence[Taken]]:
        until = self.stage.at + length
        self.note(f"{spelled(length)} later")
        return self._fire(until, length)

    def _outage(self, length: timedelta) -> tuple[str, Sequence[Taken]]:
        """Nothing of ours runs; what falls due meanwhile is looked at when it is over."""
        self.stage.at += length
        self.note(f"nothing of ours runs for {spelled(length)}")
        return self._fire(self.stage.at, length)

    def _deploy(self) -> tuple[str, Sequence[Taken]]:
        """The newest version of every flow is known from now on; runs come over when something happens to them."""
        self.note("the newest flows are deployed")
        self.stage.deploy()
        return self.test.user, ()

    def _fire(self, until: datetime, length: timedelta) -> tuple[str, Sequence[Taken]]:
        """Let every timer fire that is due by then, in order."""
        turns: list[Taken] = []
        for _ in range(_MOST_TIMERS):
            due = self.stage.due(until)
            if due is None:
                break
            turns += self._take(*due)
        else:
            raise Mishap(
                f"More than {_MOST_TIMERS} timers fired in {spelled(length)}.", "The flow never comes to rest."
            )
        self.stage.at = until
        phones = {turn.phone for turn in turns}
        return phones.pop() if len(phones) == 1 else self.test.user, turns

    def _happen(self, event: EventSpec) -> tuple[str, Sequence[Taken]]:
        self.stage.at += BLINK
        phone, run = self._hearer(event)
        about = f" about {event.about}" if event.about else ""
        self.note(f"the business: {event.name}{about}, to {phone}")
        return phone, self._take(phone, self.stage.business(event.name, event.values, run))

    def _hearer(self, event: EventSpec) -> tuple[str, RunId | None]:
        """Whose conversation hears of it, and the run of which business object."""
        stage = self.stage
        if event.about is not None:
            frame = stage.object_of(event.about)
            if frame is None:
                open_ones = sorted({str(one.instance) for one in stage.objects.values()})
                raise Mishap(f"Nothing is open for {event.about}.", did_you_mean(event.about, open_ones))
            dealt = [
                name
                for name, c in stage.conversations.items()
                if [frame.flow, frame.instance] in [list(r) for r in c.scope.get(RUNS, ())]
            ]
            return event.to or next(iter(dealt), self.test.user), frame.run
        phone = event.to or self.test.user
        for flow, instance in reversed(stage.conversations[phone].scope.get(RUNS, ())):
            frame = stage.object_of(instance, flow)
            compiled = stage.project.book.flow(frame.flow, frame.version) if frame is not None else None
            if frame is not None and compiled is not None and compiled.can(f"event:{event.name}", frame.state):
                return phone, frame.run
        return phone, None

    # --- Trouble ------------------------------------------------------------------------------------------------------

    def _redeliver(self) -> tuple[str, Sequence[Taken]]:
        """The provider delivers the same again: nothing may come of it."""
        if self.last is None:
            raise Mishap("Nothing has happened yet that could be delivered again.")
        _, phone, event, _ = self.last
        self.note("the same is delivered again")
        if self.stage.take(phone, event) is not None:
            raise Mishap("The same event led to a second turn.", "This is a fault of the engine.")
        return phone, ()

    def _crash(self) -> tuple[str, Sequence[Taken]]:
        """The worker dies before it commits; another one takes the turn again, from the snapshot before.

        Once with everything rolled back, and once with receipts kept, as for actions outside of the database.
        """
        if self.last is None:
            raise Mishap("Nothing has happened yet that could be taken again.")
        before, phone, event, taken = self.last
        self.note("the worker crashes; the turn is taken again")
        for kept in (False, True):
            world = before.fork()
            if kept:
                world.receipts |= self.stage.receipts
            again = world.take(phone, event)
            what = "with its receipts kept" if kept else "from the beginning"
            if again is None or again.effects != taken.effects:
                raise Mishap(f"Taken again {what}, the turn has other effects: {_difference(taken, again)}.")
            if again.after != taken.after:
                raise Mishap(f"Taken again {what}, the turn leads to another snapshot.")
        return phone, ()

    # --- Turns --------------------------------------------------------------------------------------------------------

    def _take(self, phone: str, event: Event) -> Sequence[Taken]:
        before = self.stage.fork()
        taken = self.stage.take(phone, event)
        if taken is None:
            return ()
        self.last = before, phone, event, taken
        self.turns.append(taken)
        for one in taken.heard:
            self._hear(one.phone, one.content, held=one.held, notice=one.notice is not None)
        return (taken,)

    def _hear(self, phone: str, content: Outgoing, *, held: bool, notice: bool) -> None:
        text, choices, label, note = spoken(content, self.stage.project.templates)
        if held:
            note = "held back: more than 24 hours after the person's last message"
        elif notice and not note:
            note = "notification"
        self.lines.append(
            Line(
                step=self.step,
                at=self.stage.at,
                text=text,
                phone=phone,
                name=self._name(phone),
                ours=True,
                choices=choices,
                label=label,
                note=note,
            )
        )

    def note(self, text: str, *, phone: str = "") -> None:
        """Add what somebody does, or a remark, to the transcript."""
        self.lines.append(Line(step=self.step, at=self.stage.at, text=text, phone=phone, name=self._name(phone)))

    def _name(self, phone: str) -> str:
        spec = self.test.spec.phones.get(phone)
        return (spec.name if spec is not None else "") or phone


def _difference(first: Taken, second: Taken | None) -> str:
    effects = second.effects if second is not None else ()
    for one, other in zip(first.effects, effects, strict=False):
        if one != other:
            return f"{one} became {other}"
    return f"{len(first.effects)} became {len(effects)}"
