"""Roles where turns are taken: merged people, the role somebody switched to, a role that was taken away."""

from dataclasses import replace
from pathlib import Path

import pytest
from talking import blocks, write_content

from bot.authoring.content import load_content
from bot.core.actions import ActionCall, Actions
from bot.core.conversation import Contact, Conversation
from bot.core.events import MessageReceived
from bot.core.ids import ChannelId, ContactId, ConversationId, EventId, MessageId, TenantId
from bot.core.messages import TextIn
from bot.core.turn import advance
from bot.runtime.turn import TurnTaker
from storage.base import Channel, InboxEvent, Outcome, Person
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, PostgresTurns, Upkeep, grant_role, post_event
from storage.postgres.turns import PostgresTurnStore
from tests.conftest import EPOCH

FLOW = """
flow: close
role: operations
commands: {CLOSE: {to: sure}}
states:
  sure: {ask: sure, choices: {yes: "Yes"}, next: close}
  close: {do: shop.close, once: "close:{{ run.id }}", error: refused, say: closed, end: closed}
  refused: {say: refused, end: refused}
"""


class Brain:
    """A book, as workers know it."""

    def __init__(self, root: Path, actions: Actions) -> None:
        files = {
            "flows/operations/close.yaml": FLOW,
            "templates/en/operations/close.j2": blocks(sure="Sure?", closed="Closed.", refused="{{ error.message }}"),
        }
        self.book = load_content(write_content(root, files), actions).book

    def current(self) -> "Brain":
        return self

    async def knowing(self, keys: object) -> "Brain":
        return self

    def advance(self, conversation: Conversation, event: object) -> object:
        return advance(self.book, conversation, event)  # type: ignore[arg-type]


@pytest.fixture
def actions() -> Actions:
    found = Actions()

    @found.action("shop.close", roles=("operations", "manager"))
    async def close(call: ActionCall) -> dict[str, str]:
        return {"by": call.role}

    return found


async def test_a_role_that_was_taken_away_calls_nothing_any_more(
    database: Postgres, actions: Actions, tmp_path: Path
) -> None:
    """The run began in a role; before its question was answered, somebody took the role away."""
    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")
    taker = TurnTaker(brain=Brain(tmp_path, actions), actions=actions)  # type: ignore[arg-type]

    async def say(conversation: Conversation, number: int, text: str) -> tuple[Conversation, str]:
        event = MessageReceived(
            event_id=EventId(number), at=EPOCH, message_id=MessageId(number), content=TextIn(body=text)
        )
        outcome = Outcome()
        async with database.tenant(channel.tenant_id) as db:
            store = PostgresTurnStore(channel.tenant_id, db, Vault(bytes(32)))
            turned = await taker.take(
                store, channel.channel_id, conversation,
                InboxEvent(event=event, kind="message", due_at=EPOCH, sent_at=EPOCH), outcome,
            )  # fmt: skip
        return turned, getattr(outcome.outbound[-1].content, "body", "")

    for roles, said in ((("operations",), "Closed."), (("sales",), "They are no longer operations.")):
        contact = Contact(contact_id=ContactId(1), roles=("operations",))
        asked, _ = await say(Conversation(conversation_id=ConversationId(1), contact=contact), 1, "CLOSE")
        _, answer = await say(replace(asked, contact=replace(contact, roles=roles)), 2, "yes")
        assert answer == said


async def locked(database: Postgres, vault: Vault, channel: Channel, conversation: int) -> Conversation:
    """A conversation as a worker finds it."""
    async with database.tenant(channel.tenant_id) as db:
        await post_event(db, channel.tenant_id, conversation, "hello.there", {}, run=None, at=EPOCH)
    async with PostgresTurns(database, vault).transaction(TenantId(channel.tenant_id)) as store:
        (work,) = await store.lock([ConversationId(conversation)], 1, 10)
    assert work.channel_id == ChannelId(channel.channel_id)
    return work.conversation


async def test_who_was_merged_speaks_as_the_other_and_who_switched_in_that_role_first(
    database: Postgres, vault: Vault
) -> None:
    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")
    anita = await grant_role(
        database, vault, channel, Person(phone="+15550100001", user_id=None, name="Anita"), "sales"
    )
    await grant_role(database, vault, channel, Person(phone="+15550100001", user_id=None), "operations")
    other = await Directory(database, vault).place(channel, Person(phone=None, user_id="US.77", name="A."))
    async with database.tenant(channel.tenant_id) as db:
        await db.execute("UPDATE contacts SET merged_into = $1 WHERE contact_id = $2", anita, other.contact_id)
    contact = (await locked(database, vault, channel, other.conversation_id)).contact
    assert (contact.contact_id, contact.name, contact.roles) == (anita, "Anita", ("operations", "sales"))
    for role, roles in (
        ("sales", ("sales", "operations")),
        ("customer", ("customer", "operations", "sales")),
        ("manager", ("operations", "sales")),
    ):
        async with database.tenant(channel.tenant_id) as db:
            await db.execute("UPDATE contacts SET active_role = $1 WHERE contact_id = $2", role, anita)
        assert (await locked(database, vault, channel, other.conversation_id)).contact.roles == roles
