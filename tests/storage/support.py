"""Builders: each gives a valid value of which a test changes what it is about."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from bot.core.conversation import Contact, Conversation, Frame
from bot.core.ids import ChannelId, ContactId, ConversationId, EventId, MessageId, RunId, TenantId
from bot.core.messages import Outgoing, TextIn, TextOut
from storage.base import (
    Channel,
    Claim,
    NewMessage,
    NewOutbound,
    NewStatus,
    NewTimer,
    Outcome,
    Person,
    Result,
    RunChange,
    Verdict,
    Work,
)
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, PostgresIntake, PostgresOutbox, PostgresTurns, Upkeep
from tests.conftest import EPOCH

ANNA = Person(phone="+9779800000001", user_id=None, name="Anna")
BIMAL = Person(phone="+9779800000002", user_id=None, name="Bimal")
LEASE = timedelta(seconds=30)
WAIT = timedelta(seconds=60)

_numbers = itertools.count(1)


def person(number: int) -> Person:
    """Somebody, a different one for each number."""
    return Person(phone=f"+97798{number:08}", user_id=None, name=f"Person {number}")


def message(
    channel: Channel, body: str = "hello", *, sender: Person = ANNA, wamid: str | None = None, at: datetime = EPOCH
) -> NewMessage:
    """A message from a person; with a provider id of its own unless `wamid` says which."""
    return NewMessage(
        channel=channel,
        person=sender,
        provider_message_id=wamid or f"wamid.in.{next(_numbers)}",
        content=TextIn(body=body),
        sent_at=at,
        received_at=at,
    )


def status(
    channel: Channel,
    wamid: str,
    word: str,
    *,
    at: datetime = EPOCH,
    correlation: str | None = None,
    error_code: int | None = None,
) -> NewStatus:
    """A status of a message of ours."""
    return NewStatus(
        channel=channel,
        provider_message_id=wamid,
        status=word,
        happened_at=at,
        received_at=at,
        correlation=correlation,
        error_code=error_code,
    )


def result(claim: Claim, verdict: Verdict, *, at: datetime = EPOCH, **more: Any) -> Result:
    """The end of an attempt. DONE comes with the provider id `wamid.out.<message id>`, UNKNOWN waits a minute."""
    if verdict is Verdict.DONE:
        more.setdefault("provider_message_id", f"wamid.out.{claim.message_id}")
    if verdict is Verdict.UNKNOWN:
        more.setdefault("retry_at", at + WAIT)
    return Result(claim=claim, verdict=verdict, at=at, **more)


def frame(run: str = "run-1", *, state: str = "ask", instance: str | None = None) -> Frame:
    """A run of the flow `enquiry`."""
    return Frame(
        run=RunId(run), flow="enquiry", version=1, state=state, role="customer", started_at=EPOCH, instance=instance
    )


def run_change(run: str, conversation: ConversationId, **more: Any) -> RunChange:
    """A run of the flow `enquiry` that began."""
    return RunChange(
        run=RunId(run),
        flow="enquiry",
        version=1,
        role="customer",
        conversation_id=conversation,
        started_at=EPOCH,
        **more,
    )


def timer(
    conversation: ConversationId, due_at: datetime, *, run: str = "run-1", name: str = "nudge", epoch: int = 1
) -> NewTimer:
    """A timer."""
    return NewTimer(conversation_id=conversation, run=RunId(run), name=name, epoch=epoch, due_at=due_at)


def conversation_of(work: Work, *frames: Frame) -> Conversation:
    """The conversation of a piece of work, moved on to `frames`."""
    held = work.conversation
    return Conversation(
        conversation_id=held.conversation_id, contact=held.contact, frames=frames, last_inbound_at=held.last_inbound_at
    )


def stranger(conversation: ConversationId) -> Conversation:
    """A conversation that no work was found for."""
    return Conversation(conversation_id=conversation, contact=Contact(contact_id=ContactId(1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database with one channel, and everything that works on it."""

    database: Postgres
    vault: Vault
    channel: Channel
    intake: PostgresIntake
    directory: Directory
    turns: PostgresTurns
    outbox: PostgresOutbox
    upkeep: Upkeep

    @property
    def tenant(self) -> TenantId:
        """Whose channel it is."""
        return self.channel.tenant_id

    async def conversation(self, sender: Person = ANNA) -> ConversationId:
        """The conversation with a person, made if need be."""
        return (await self.directory.place(self.channel, sender)).conversation_id

    async def say(
        self, *contents: Outgoing | str, to: ConversationId | None = None, at: datetime = EPOCH
    ) -> list[MessageId]:
        """Queue messages to a conversation (Anna's unless told); returns their ids in the order said."""
        conversation = to or await self.conversation()
        outcome = Outcome(
            outbound=[
                NewOutbound(
                    conversation_id=conversation,
                    channel_id=self.channel.channel_id,
                    content=TextOut(body=content) if isinstance(content, str) else content,
                )
                for content in contents
            ]
        )
        async with self.turns.transaction(self.tenant) as store:
            await store.write(outcome, at)
        rows = await self.rows(
            "SELECT message_id FROM outbox WHERE conversation_id = $1 ORDER BY message_id DESC LIMIT $2",
            conversation,
            len(contents),
        )
        return [MessageId(row["message_id"]) for row in reversed(rows)]

    async def say_to_each(self, people: Sequence[Person], body: str = "hi", *, at: datetime = EPOCH) -> None:
        """Queue one message to each of many people, at once."""
        places = await self.directory.places([message(self.channel, sender=someone) for someone in people])
        outbound = [
            NewOutbound(
                conversation_id=place.conversation_id,
                channel_id=self.channel.channel_id,
                content=TextOut(body=body),
            )
            for place in places
        ]
        async with self.turns.transaction(self.tenant) as store:
            await store.write(Outcome(outbound=outbound), at)

    async def claim(
        self, *results: Result, now: datetime = EPOCH, room: int = 10, shut: Sequence[ChannelId] = (),
        also: Sequence[ChannelId] = (),
    ) -> list[Claim]:  # fmt: skip
        """Hand in results and claim."""
        rooms = {channel: room for channel in (self.channel.channel_id, *also) if room and channel not in shut}
        return await self.outbox.exchange(results, now, rooms=rooms, lease=LEASE)

    async def send_one(self, body: str = "hi", *, at: datetime = EPOCH) -> Claim:
        """Queue a message and claim it."""
        await self.say(body, at=at)
        (claim,) = await self.claim(now=at)
        return claim

    async def settle(self, now: datetime = EPOCH) -> dict[str, int]:
        """Settle, without the counts that are zero."""
        return {what: count for what, count in (await self.outbox.settle(now, wait=WAIT)).items() if count}

    async def rows(self, query: str, *args: object) -> list[Any]:
        """What the runtime role sees inside the tenant."""
        async with self.database.tenant(self.tenant) as db:
            return await db.fetch(query, *args)

    async def row(self, query: str, *args: object) -> Any:
        """The one row of a query."""
        (found,) = await self.rows(query, *args)
        return found

    async def value(self, query: str, *args: object) -> Any:
        """The one value of a query."""
        return (await self.row(query, *args))[0]

    def opened(self, stored: str) -> str:
        """A provider's id, as it is at the provider."""
        assert stored.startswith("~"), "it is stored sealed"
        return self.vault.open_id(self.tenant, stored)

    async def message(self, message_id: MessageId) -> Any:
        """A message as it is stored."""
        return await self.row("SELECT * FROM whatsapp_messages WHERE message_id = $1", message_id)

    async def waiting(self, now: datetime = EPOCH) -> list[ConversationId]:
        """The tenant's conversations with due events."""
        return dict(await self.turns.waiting(now, 400)).get(self.tenant, [])

    async def take(self, conversation: ConversationId, events: Sequence[EventId], at: datetime = EPOCH) -> None:
        """Process events of a conversation, changing nothing else."""
        async with self.turns.transaction(self.tenant) as store:
            await store.lock([conversation], 1, 100)
            await store.write(Outcome(done=[(conversation, event) for event in events]), at)


async def build_world(database: Postgres, vault: Vault, *, slug: str = "acme", address: str = "100") -> World:
    """Register a tenant with one number and put everything together."""
    upkeep = Upkeep(database)
    channel = await upkeep.register_channel(slug, slug.title(), "meta", address, "+9771000000")
    directory = Directory(database, vault)
    return World(
        database=database,
        vault=vault,
        channel=channel,
        intake=PostgresIntake(database, vault, directory),
        directory=directory,
        turns=PostgresTurns(database, vault),
        outbox=PostgresOutbox(database, vault),
        upkeep=upkeep,
    )


@asynccontextmanager
async def owner(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the database's owner, whom row-level security does not bind."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def blocked(dsn: str, sessions: int = 1) -> None:
    """Return once so many sessions of the database wait for somebody else's lock."""
    async with owner(dsn) as connection:
        while (
            await connection.fetchval(
                """SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'"""
            )
            < sessions
        ):
            await asyncio.sleep(0)


def batches(items: Sequence[Any]) -> Iterator[list[list[Any]]]:
    """Every way to cut a sequence into consecutive batches."""
    for cuts in itertools.product((False, True), repeat=max(len(items) - 1, 0)):
        groups: list[list[Any]] = [list(items[:1])]
        for item, cut in zip(items[1:], cuts, strict=True):
            if cut:
                groups.append([])
            groups[-1].append(item)
        yield groups
