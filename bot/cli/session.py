"""A simulated chat: the real intake, worker, sender and clock, run by hand in one process, with time that we move.

Knows nothing of terminals: what is said comes back as `Said`, and whoever holds the session shows it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import SecretStr

from bot.authoring.simulator import SimulatorMistake
from bot.cli.bubbles import Said, outgoing
from bot.cli.cast import CAST, Player, player, take_places
from bot.cli.scratch import new_key, play_settings, scratch_database
from bot.config import DatabaseSettings
from bot.core.conversation import Frame, Snapshot
from bot.core.ids import ConversationId
from bot.core.messages import (
    OUTGOING,
    ButtonsOut,
    Choice,
    ChoiceIn,
    Incoming,
    ListOut,
    LocationIn,
    MediaIn,
    Outgoing,
    TextIn,
)
from bot.runtime.bootstrap import System, content_dir, open_system
from providers.base import (
    Accepted,
    Capabilities,
    OutboundMessage,
    SendOutcome,
    SignatureError,
    WebhookItem,
    WebhookRequest,
)
from storage.base import NewMessage, Person, Unread
from storage.postgres import ConversationRecord, ConversationRepository
from storage.postgres.inspection import Inspection

TENANT = "simulator"
_BLINK = timedelta(seconds=1)  # between two things that somebody does
_MOST_ROUNDS = 1000  # of work until a session must be at rest; more would be a flow that talks to itself


class Handset:
    """A provider whose network is this process: what is sent lies in `sent` until somebody takes it."""

    name = "simulator"
    capabilities = Capabilities(
        max_text=4096, max_button_body=1024, max_list_body=1024, buttons=True, lists=True, correlation=True
    )

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []
        self._count = 0

    async def send(self, message: OutboundMessage) -> SendOutcome:
        """Take a message."""
        self.sent.append(message)
        self._count += 1
        return Accepted(provider_message_id=f"simulated.out.{self._count}")

    async def close(self) -> None:
        """Nothing to let go of."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Nobody asks."""
        return None

    def verify(self, request: WebhookRequest) -> None:
        """Webhooks do not come here.

        Raises:
            SignatureError: Always.
        """
        raise SignatureError("The simulator takes no webhooks.")

    def parse(self, request: WebhookRequest) -> list[WebhookItem]:
        """Webhooks do not come here."""
        return []


class SimulatedClock:
    """A clock that stands still until the session moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a conversation is. `objects` are runs of business objects; `timers` have `run`, `name` and `due_at`."""

    snapshot: Snapshot
    objects: list[Frame]
    timers: list[dict[str, Any]]


@dataclass(slots=True)
class _Chat:
    """One phone: what it shows that can still be tapped."""

    player: Player
    choices: tuple[Choice, ...] = ()
    listed: bool = False
    said: list[str] = field(default_factory=list)


class Session:
    """A conversation with the flows, from any of the phones.

    Args:
        system: Everything, on a database nobody else uses.
        handset: Its provider.
        clock: Its clock.
        who: Whose phone is in hand first.
    """

    def __init__(self, system: System, handset: Handset, clock: SimulatedClock, who: Player) -> None:
        self.clock = clock
        self.failures: list[str] = []
        self._system = system
        self._handset = handset
        self._worker = system.worker()
        self._sender = system.sender()
        self._inspection = Inspection(system.foundation.database)
        self._chats = {one.number: _Chat(one) for one in CAST}
        self._chat = self._chats[who.number]
        self._count = 0
        self._held = 0
        self._dead = 0

    @property
    def who(self) -> Player:
        """Whose phone is in hand."""
        return self._chat.player

    @property
    def last_reply(self) -> str:
        """All that this phone was told since somebody last did something with it."""
        return "\n".join(self._chat.said)

    def become(self, part: str) -> Player:
        """Take somebody else's phone.

        Raises:
            SimulatorMistake: Nobody plays that part.
        """
        found = player(part)
        if found is None:
            raise SimulatorMistake(f"Nobody here is {part}: there are {', '.join(one.part for one in CAST)}.")
        self._chat = self._chats[found.number]
        return found

    async def say(self, text: str) -> list[Said]:
        """Write; returns what was said then, on all phones, oldest first."""
        return [self._own(text), *await self._receive(TextIn(body=text))]

    async def tap(self, wanted: str) -> list[Said]:
        """Tap a choice of the last message that had any.

        Raises:
            SimulatorMistake: There is no such choice.
        """
        choices = self._chat.choices
        if not choices:
            raise SimulatorMistake("Nothing on this phone can be tapped.")
        place = int(wanted) - 1 if wanted.isdecimal() else -1
        by_title = [one for one in choices if one.title.casefold() == wanted.casefold()]
        if not by_title and not 0 <= place < len(choices):
            raise SimulatorMistake(f"There is {_offer(choices)}.")
        choice = by_title[0] if by_title else choices[place]
        origin: Literal["button", "list"] = "list" if self._chat.listed else "button"
        content = ChoiceIn(id=choice.id, title=choice.title, description=choice.description, origin=origin)
        return [self._own(choice.title), *await self._receive(content)]

    async def send_photo(self, caption: str) -> list[Said]:
        """Send a photo."""
        photo = MediaIn(
            media="image", media_id=f"simulated.photo.{self._count}", mime_type="image/jpeg", caption=caption or None
        )
        return [self._own(f"📷 {caption}".strip()), *await self._receive(photo)]

    async def send_place(self, latitude: float, longitude: float) -> list[Said]:
        """Send a location."""
        place = LocationIn(latitude=latitude, longitude=longitude)
        return [self._own(f"📍 {latitude}, {longitude}"), *await self._receive(place)]

    async def wait(self, length: timedelta) -> list[Said]:
        """Let time pass; everything that comes due happens at its own time."""
        self._chat.said.clear()
        until = self.clock.now + length
        found: list[Said] = []
        for _ in range(_MOST_ROUNDS):
            due = await self._inspection.next_due(self._system.channel.tenant_id)
            if due is None or due > until:
                break
            self.clock.now = max(due, self.clock.now)
            await self._system.upkeep.fire(self.clock.now, 100)
            found += await self._settle()
        self.clock.now = until
        return found

    async def standing(self) -> Standing | None:
        """Where the conversation of this phone is; None when nobody has written or been written to."""
        record = await self._record()
        if record is None or record.conversation_id is None:
            return None
        tenant, conversation = self._system.channel.tenant_id, record.conversation_id
        talking = {frame.run for frame in record.snapshot.frames}
        objects = await self._inspection.objects(tenant, conversation)
        return Standing(
            snapshot=record.snapshot,
            objects=[frame for frame in objects if frame.run not in talking],
            timers=await self._inspection.timers(tenant, conversation),
        )

    async def why(self) -> list[dict[str, Any]]:
        """Why the last turn of this phone's conversation went as it did."""
        record = await self._record()
        if record is None or record.conversation_id is None:
            return []
        return await self._inspection.last_trace(self._system.channel.tenant_id, record.conversation_id)

    async def _record(self) -> ConversationRecord | None:
        base, channel = self._system.foundation, self._system.channel
        conversations = ConversationRepository(base.database, base.vault, channel.tenant_id)
        return await conversations.find_active_by_phone_number(self.who.number, channel.channel_id)

    async def _receive(self, content: Incoming) -> list[Said]:
        """Take something from the phone in hand, and work until nothing is left to do."""
        self.clock.now += _BLINK
        self._count += 1
        self._chat.said.clear()
        channel, now = self._system.channel, self.clock.now
        message = NewMessage(
            channel=channel,
            person=Person(phone=self.who.number, user_id=None, name=self.who.name),
            provider_message_id=f"simulated.in.{self._count}",
            content=content,
            sent_at=now,
            received_at=now,
        )
        whole = Unread(tenant_id=channel.tenant_id, kind="simulated", body=b"", received_at=now)
        await self._system.intake.accept([message], whole)
        return await self._settle()

    async def _settle(self) -> list[Said]:
        """Take all turns that are due and send all that was said."""
        for _ in range(_MOST_ROUNDS):
            turns = await self._worker.work()
            sends = await self._sender.exchange()
            await self._sender.drain()
            if not turns and not sends:
                break
        found = [self._shown(message.phone or "", message.content) for message in self._handset.sent]
        self._handset.sent.clear()
        return found + await self._look_aside()

    async def _look_aside(self) -> list[Said]:
        """Messages that may not be sent, and turns that failed."""
        tenant = self._system.channel.tenant_id
        found = []
        for row in await self._inspection.held(tenant, self._held):
            self._held = row["message_id"]
            number = await self._number(row["conversation_id"])
            found.append(
                self._shown(number, OUTGOING.validate_python(row["content"]), note=f"not sent: {row['error_detail']}")
            )
        for event, error in await self._inspection.dead_letters(tenant, self._dead):
            self._dead = event
            self.failures.append(error)
        return found

    async def _number(self, conversation: ConversationId) -> str:
        base, channel = self._system.foundation, self._system.channel
        conversations = ConversationRepository(base.database, base.vault, channel.tenant_id)
        for number in self._chats:
            record = await conversations.find_active_by_phone_number(number, channel.channel_id)
            if record is not None and record.conversation_id == conversation:
                return number
        return self.who.number

    def _shown(self, number: str, content: Outgoing, *, note: str = "") -> Said:
        chat = self._chats[number]
        text, choices, label, about = outgoing(content, self._system.content.whatsapp_templates)
        match content:
            case ButtonsOut(buttons=tappable) | ListOut(rows=tappable):
                chat.choices, chat.listed = tappable, isinstance(content, ListOut)
        chat.said.append(text)
        chat.said += [title for title, _ in choices]
        one = chat.player
        return Said(
            part=one.part, name=one.name, by_business=True, text=text, choices=choices, label=label, at=self.clock.now,
            note=note or about,
        )  # fmt: skip

    def _own(self, text: str) -> Said:
        return Said(part=self.who.part, name=self.who.name, by_business=False, text=text, at=self.clock.now + _BLINK)


@asynccontextmanager
async def open_session(settings: DatabaseSettings, who: Player, now: datetime | None = None) -> AsyncIterator[Session]:
    """A session on a database of its own, with the example's people, treks and trips; nothing is left of it.

    Args:
        settings: Where the flows are, and the folder for the embedded database.
        who: Whose phone is in hand first.
        now: When it begins; unset: now.

    Raises:
        ContentErrors: The flows are wrong.
    """
    clock = SimulatedClock(now or datetime.now(UTC))
    handset = Handset()
    async with scratch_database(settings.bot_data_dir) as dsn:
        play = play_settings(
            bot_database_url=SecretStr(dsn),
            bot_secret_key=new_key(),
            bot_data_dir=settings.bot_data_dir,
            bot_content_dir=content_dir(settings),
            bot_tenant=TENANT,
            bot_event_attempts=1,
        )
        async with open_system(play, clock=clock, migrate=True, provider=handset) as system:
            await take_places(system, clock.now.date())
            yield Session(system, handset, clock, who)


def _offer(choices: tuple[Choice, ...]) -> str:
    return ", ".join(f"{number} {one.title}" for number, one in enumerate(choices, 1))
