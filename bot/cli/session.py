"""A simulated chat: the real intake, worker, sender and clock, run by hand in one process, with time that we move.

Knows nothing of terminals: what is said comes back as `Said`, and whoever holds the session shows it. Every step is
kept with everything as it was before it (`storage/postgres/snapshots.py`), so that it can be undone and played again.
"""

import asyncio
import copy
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from bot.authoring.content import load_content
from bot.authoring.simulator import SimulatorMistake
from bot.authoring.testing.showing import spoken
from bot.cli.bubbles import Said
from bot.cli.cast import Player
from bot.cli.deeds import (
    Chat,
    Crash,
    Deed,
    Kind,
    Moment,
    Offer,
    Played,
    Sends,
    Speaks,
    Suffers,
    Waits,
    lost,
    photo_of,
)
from bot.cli.lookout import Lookout, Standing
from bot.cli.machine import MOST_ROUNDS, Machine
from bot.cli.notebook import ProcessDied
from bot.core.messages import OUTGOING, ButtonsOut, ChoiceIn, Incoming, ListOut, LocationIn, Outgoing, TextIn
from bot.runtime.project import content_dir
from storage.base import NewMessage, Person
from storage.postgres import set_language
from storage.postgres.snapshots import Snapshots, TableChange, changes

BLINK = timedelta(seconds=1)
"""Between two things that somebody does."""


class Session:
    """A conversation with the flows, from any of the phones.

    Args:
        machine: What answers.
        snapshots: Of its database.
        beginning: That database, before anything was said.
        who: Whose phone is in hand first.
        cast: Everybody with a phone.
    """

    def __init__(self, machine: Machine, snapshots: Snapshots, beginning: Moment, cast: Sequence[Player]) -> None:
        self.machine = machine
        self.clock = machine.clock
        self.cast = tuple(cast)
        self.lookout = Lookout(machine, self.cast)
        self.played: list[Played] = []
        self._snapshots = snapshots
        self._beginning = beginning
        self._copy = beginning.copy
        self._desk = copy.deepcopy(beginning.desk)

    # --- Who and what -------------------------------------------------------------------------------------------------

    @property
    def who(self) -> Player:
        """Whose phone is in hand."""
        return self.player(self._desk.part)

    @property
    def last_reply(self) -> str:
        """All that this phone was told since somebody last did something with it."""
        return "\n".join(self._chat.heard)

    @property
    def failures(self) -> list[str]:
        """Why turns failed."""
        return self._desk.failures

    @property
    def began(self) -> datetime:
        """When it all began."""
        return self._beginning.desk.now

    @property
    def _chat(self) -> Chat:
        return self._desk.chats[self._desk.part]

    def player(self, part: str) -> Player:
        """Who plays a part; a role leads to whoever has it.

        Raises:
            SimulatorMistake: Nobody does.
        """
        wanted = part.strip().casefold().replace("-", "_")
        for one in self.cast:
            if wanted == one.part or wanted in one.roles:
                return one
        raise SimulatorMistake(f"Nobody here is {part}: there are {', '.join(one.part for one in self.cast)}.")

    def become(self, part: str) -> Player:
        """Take somebody else's phone.

        Raises:
            SimulatorMistake: Nobody plays that part.
        """
        found = self.player(part)
        self._desk.part = found.part
        return found

    def offer(self, part: str) -> Offer | None:
        """The last message of a phone that had something to tap."""
        offers = self._desk.chats[part].offers
        return offers[-1] if offers else None

    def offers(self, part: str) -> tuple[Offer, ...]:
        """All messages of a phone that had something to tap, oldest first."""
        return self._desk.chats[part].offers

    @property
    def root(self) -> Path:
        """The content folder."""
        return content_dir(self.machine.system.settings)

    async def reload(self) -> list[str]:
        """Read the content folder again; returns, a sentence each, whose run cannot go on.

        Raises:
            ContentErrors: It cannot be used; the flows stay as they were.
        """
        content = await asyncio.to_thread(load_content, self.root, self.machine.system.actions)
        self.machine.use(content)
        return await self.lookout.stranded()

    # --- Doing things -------------------------------------------------------------------------------------------------

    async def say(self, text: str) -> list[Said]:
        """Write; returns what was said then, on all phones, oldest first."""
        return await self.send(TextIn(body=text), text, kind="text")

    async def tap(self, wanted: str, *, offer: int | None = None) -> list[Said]:
        """Tap a choice of the last message that had any, or of an earlier one.

        Args:
            wanted: Its number, from 1, or its words.
            offer: Which message with choices, from 0; unset: the last.

        Raises:
            SimulatorMistake: There is no such choice.
        """
        offers = self._chat.offers
        if not offers:
            raise SimulatorMistake("Nothing on this phone can be tapped.")
        shown = offers[-1 if offer is None else offer]
        choice = shown.choice(wanted)
        origin: Literal["button", "list"] = "list" if shown.listed else "button"
        content = ChoiceIn(id=choice.id, title=choice.title, description=choice.description, origin=origin)
        earlier = 0 if offer is None else len(offers) - 1 - offer
        return await self._play(
            Sends(part=self.who.part, shown=choice.title, content=content, kind="choice", earlier=earlier)
        )

    async def send_photo(self, what: str) -> list[Said]:
        """Send a photo: a file, or a made-up one with a caption."""
        photo = photo_of(what, self._desk.messages)
        return await self.send(photo, f"📷 {photo.filename or what}".strip(), kind="photo")

    async def send_place(self, latitude: float, longitude: float) -> list[Said]:
        """Send a location."""
        place = LocationIn(latitude=latitude, longitude=longitude)
        return await self.send(place, f"📍 {latitude}, {longitude}", kind="location")

    async def send(self, content: Incoming, shown: str, *, kind: Kind = "other") -> list[Said]:
        """Send anything; `shown` is how the chat shows it."""
        return await self._play(Sends(part=self.who.part, shown=shown, content=content, kind=kind))

    async def wait(self, length: timedelta) -> list[Said]:
        """Let time pass; everything that comes due happens at its own time."""
        return await self._play(Waits(length=length))

    async def speak(self, language: str) -> None:
        """Be answered in another language from now on."""
        await self._play(Speaks(part=self.who.part, language=language))

    async def duplicate(self) -> tuple[TableChange, ...]:
        """The provider delivers the last message again; returns what changed by it: nothing should.

        Raises:
            SimulatorMistake: Nothing has been delivered yet.
        """
        if self._desk.delivered is None:
            raise SimulatorMistake("Nothing has been delivered yet that could be delivered again.")
        await self._play(Suffers(trouble="duplicate"))
        return self.played[-1].changes

    async def back(self) -> Deed:
        """Return to before the last step: database, clock and phones.

        Raises:
            SimulatorMistake: There is no step to go back to.
        """
        if not self.played:
            raise SimulatorMistake("This is where it began: there is nothing to go back to.")
        undone = self.played.pop()
        await self._return_to(undone.before)
        if undone.instead is not None:
            place, first = undone.instead
            self.played[place] = first
        return undone.deed

    async def reset(self) -> None:
        """Begin again."""
        self.played.clear()
        part = self._desk.part
        await self._return_to(self._beginning)
        self._desk.part = part

    async def crash(self) -> Crash:
        """Play the last step again; this time the process dies before it commits, and another one takes over.

        Raises:
            SimulatorMistake: In the last step, nothing was answered.
        """
        last = next((one for one in reversed(self.played) if not isinstance(one.deed, Suffers)), None)
        if last is None or isinstance(last.deed, Speaks):
            raise SimulatorMistake("Nothing has been answered yet: write something first.")
        here = self._moment()
        await self._return_to(last.before)
        self.machine.start(dies=True)
        try:
            said = await self._carry_out(last.deed)
        except ProcessDied as died:
            gone = lost(died.outcome)
        else:
            self.machine.start()
            await self._return_to(here)
            raise SimulatorMistake("The last step led to no turn: there was nothing to crash.")
        self.machine.start()
        said = await self._resume(last.deed)
        place = self.played.index(last)
        self.played[place] = await self._done(last.deed, last.at, last.before, said)
        more = self._copy.counts() - here.copy.counts()
        self.played.append(Played(deed=Suffers(trouble="crash"), at=self.clock.now, before=here, instead=(place, last)))
        return Crash(
            lost=gone,
            said=tuple(said),
            same_words=[one.text for one in said] == [one.text for one in last.said],
            doubled=tuple(sorted(more.items())),
        )

    # --- Looking ------------------------------------------------------------------------------------------------------

    async def standing(self, part: str | None = None) -> Standing | None:
        """Where a phone's conversation is; None when nobody has written or been written to."""
        return await self.lookout.standing(self.player(part or self._desk.part))

    async def why(self) -> list[dict[str, Any]]:
        """Why the last turn of this phone's conversation went as it did."""
        return await self.lookout.why(self.who)

    # --- Playing ------------------------------------------------------------------------------------------------------

    async def _play(self, deed: Deed) -> list[Said]:
        before, at = self._moment(), self.clock.now
        self.machine.notebook.turn_page()
        said = await self._carry_out(deed)
        self.played.append(await self._done(deed, at, before, said))
        return said

    async def _done(self, deed: Deed, at: datetime, before: Moment, said: list[Said]) -> Played:
        self._copy = await self._snapshots.take()
        standing = await self.standing(deed.part) if isinstance(deed, Sends) else None
        frames = standing.snapshot.frames if standing is not None else ()
        return Played(
            deed=deed,
            at=at,
            before=before,
            said=tuple(said),
            page=self.machine.notebook.turn_page(),
            changes=tuple(changes(before.copy, self._copy)),
            failures=tuple(self.failures[len(before.desk.failures) :]),
            state=frames[-1].state if frames else None,
        )

    async def _carry_out(self, deed: Deed) -> list[Said]:
        """Let it happen, and work until nothing is left to do."""
        machine, desk = self.machine, self._desk
        match deed:
            case Sends(content=content):
                self.clock.now += BLINK
                desk.messages += 1
                desk.chats[deed.part].heard = ()
                desk.delivered = self._message(deed.part, content)
                await machine.accept(desk.delivered)
            case Waits(length=length):
                self._chat.heard = ()
                return await self._pass_time(self.clock.now + length)
            case Speaks(part=part, language=language):
                base, channel = machine.system.foundation, machine.system.channel
                await set_language(base.database, base.vault, channel, self._person(part), language)
            case Suffers():
                if desk.delivered is not None:
                    await machine.accept(desk.delivered)
        return await self._resume(deed)

    async def _resume(self, deed: Deed) -> list[Said]:
        """Work until nothing is left to do; what somebody did themselves comes first."""
        if isinstance(deed, Waits):
            return await self._pass_time(self._until)
        said = await self._settle()
        if isinstance(deed, Sends):
            one = self.player(deed.part)
            own = Said(
                part=one.part, name=one.name, by_business=False, text=deed.shown, at=self.clock.now, kind=deed.kind
            )
            return [own, *said]
        return said

    async def _pass_time(self, until: datetime) -> list[Said]:
        self._until = until
        found: list[Said] = []
        for _ in range(MOST_ROUNDS):
            if not await self.machine.fire_next(until):
                break
            found += await self._settle()
        self.clock.now = until
        return found

    def _message(self, part: str, content: Incoming) -> NewMessage:
        return NewMessage(
            channel=self.machine.system.channel,
            person=self._person(part),
            provider_message_id=f"simulated.in.{self._desk.messages}",
            content=content,
            sent_at=self.clock.now,
            received_at=self.clock.now,
        )

    def _person(self, part: str) -> Person:
        one = self.player(part)
        return Person(phone=one.number, user_id=None, name=one.name)

    async def _settle(self) -> list[Said]:
        sent = await self.machine.settle()
        parts = {one.number: one.part for one in self.cast}
        found = [self._shown(parts[message.phone], message.content) for message in sent if message.phone in parts]
        return found + await self._look_aside()

    async def _look_aside(self) -> list[Said]:
        """Messages that may not be sent, and turns that failed."""
        inspection, tenant = self.machine.inspection, self.machine.system.channel.tenant_id
        found = []
        for row in await inspection.held(tenant, self._desk.held):
            self._desk.held = row["message_id"]
            part = await self.lookout.part_of(row["conversation_id"]) or self.who.part
            found.append(
                self._shown(part, OUTGOING.validate_python(row["content"]), note=f"not sent: {row['error_detail']}")
            )
        for event, error in await inspection.dead_letters(tenant, self._desk.dead):
            self._desk.dead = event
            self.failures.append(error)
        return found

    def _shown(self, part: str, content: Outgoing, *, note: str = "") -> Said:
        chat, one = self._desk.chats[part], self.player(part)
        text, choices, label, about = spoken(content, self.machine.system.content.whatsapp_templates)
        offer = None
        match content:
            case ButtonsOut(buttons=tappable) | ListOut(rows=tappable) if not note:
                offer = len(chat.offers)
                chat.offers = (*chat.offers, Offer(tappable, label))
        chat.heard = (*chat.heard, text, *(title for title, _ in choices))
        return Said(
            part=one.part, name=one.name, by_business=True, text=text, choices=choices, label=label, at=self.clock.now,
            note=note or about, offer=offer,
        )  # fmt: skip

    # --- Going back ---------------------------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        self._desk.now = self.clock.now
        return Moment(self._copy, copy.deepcopy(self._desk))

    async def _return_to(self, moment: Moment) -> None:
        await self._snapshots.restore(moment.copy)
        self._copy, self._desk = moment.copy, copy.deepcopy(moment.desk)
        self.clock.now = self._desk.now
        self.machine.start()
        self.machine.notebook.turn_page()
