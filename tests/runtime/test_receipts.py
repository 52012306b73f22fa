"""What happened once is not done again; what a refusal leaves behind."""

from pathlib import Path
from typing import Any

import pytest
from talking import blocks, write_content

from bot.authoring.content import load_content
from bot.core.actions import ActionCall, Actions
from bot.core.conversation import Contact, Conversation
from bot.core.errors import ActionError
from bot.core.events import MessageReceived
from bot.core.ids import ContactId, ConversationId, EventId, MessageId
from bot.core.messages import TextIn
from bot.runtime.library import FlowBrain
from bot.runtime.turn import TurnTaker
from storage.base import InboxEvent, Outcome
from storage.crypto import Vault
from storage.postgres import Postgres, Upkeep
from storage.postgres.turns import PostgresTurnStore
from tests.conftest import EPOCH

FILES = {
    "flows/operations/bell.yaml": """
flow: bell
role: operations
commands: {RING: {to: ring}}
states:
  ring: {do: shop.ring, once: "ring:the door", save: rung, say: rung, end: rung}
""",
    "templates/en/operations/bell.j2": blocks(rung="Ring number {{ rung.number }}."),
}


async def test_an_action_with_a_receipt_happens_once_and_everybody_hears_of_it(
    database: Postgres, vault: Vault, tmp_path: Path
) -> None:
    actions, rings = Actions(), []

    @actions.action("shop.ring", roles=("operations",))
    async def ring(call: ActionCall) -> dict[str, int]:
        rings.append(call.at)
        return {"number": len(rings)}

    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")
    brain = FlowBrain(load_content(write_content(tmp_path, FILES), actions))
    taker = TurnTaker(brain=brain, actions=actions)
    said = []
    for number in (1, 2):  # two runs, with the same key
        event = MessageReceived(
            event_id=EventId(number), at=EPOCH, message_id=MessageId(number), content=TextIn(body="RING")
        )
        contact = Contact(contact_id=ContactId(7), roles=("operations",))
        outcome = Outcome()
        async with database.tenant(channel.tenant_id) as db:
            await taker.take(
                PostgresTurnStore(channel.tenant_id, db, vault),
                channel.channel_id,
                Conversation(conversation_id=ConversationId(1), contact=contact),
                InboxEvent(event=event, kind="message", due_at=EPOCH, sent_at=EPOCH),
                outcome,
            )
        said += [getattr(out.content, "body", "") for out in outcome.outbound]
    assert said == ["Ring number 1.", "Ring number 1."]
    assert len(rings) == 1


DOOR = {
    "flows/operations/door.yaml": """
flow: door
role: operations
commands: {KNOCK: {to: knock}}
states:
  knock: {do: shop.knock, once: "knock:{{ run.id }}", error: refused, say: refused, end: opened}
  refused: {say: refused, end: refused}
""",
    "templates/en/operations/door.j2": blocks(refused="{{ error.message }}"),
}


@pytest.mark.parametrize("kept", [True, False])
async def test_what_a_refusal_notes_is_kept_when_it_says_so(
    database: Postgres, vault: Vault, tmp_path: Path, kept: bool
) -> None:
    """Somebody who guesses is counted and audited, though the action refuses; other refusals leave nothing."""
    actions = Actions()

    @actions.action("shop.knock", roles=("operations",))
    async def knock(call: ActionCall) -> dict[str, Any]:
        await call.db.execute(
            """INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, created_at)
               VALUES ($1, 'door', 1, 'SYSTEM', 'WHATSAPP', '{"action": "KNOCKED"}', $2)""",
            call.tenant_id, call.at,
        )  # fmt: skip
        raise ActionError("closed", "Nobody opens.", kept=kept)

    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")
    taker = TurnTaker(brain=FlowBrain(load_content(write_content(tmp_path, DOOR), actions)), actions=actions)
    event = MessageReceived(event_id=EventId(1), at=EPOCH, message_id=MessageId(1), content=TextIn(body="KNOCK"))
    outcome = Outcome()
    async with database.tenant(channel.tenant_id) as db:
        await taker.take(
            PostgresTurnStore(channel.tenant_id, db, vault),
            channel.channel_id,
            Conversation(
                conversation_id=ConversationId(1), contact=Contact(contact_id=ContactId(7), roles=("operations",))
            ),
            InboxEvent(event=event, kind="message", due_at=EPOCH, sent_at=EPOCH),
            outcome,
        )
        noted = await db.fetchval("SELECT count(*) FROM timeline_entries")
        receipts = await db.fetchval("SELECT count(*) FROM receipts")
    assert [getattr(out.content, "body", "") for out in outcome.outbound] == ["Nobody opens."]
    assert (noted, receipts) == (int(kept), 0)
    assert [one.detail["refused"] for one in outcome.audit if one.action == "shop.knock"] == ["closed"] * kept
