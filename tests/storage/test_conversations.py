"""Conversations one at a time: saved, found, moved on, left when nobody goes on with them."""

from datetime import timedelta

import pytest

from bot.core.conversation import Snapshot
from bot.core.ids import ConversationId, RunId
from storage.base import Outcome
from storage.postgres import ConversationRecord, ConversationRepository
from tests.conftest import EPOCH
from tests.storage.support import ANNA, BIMAL, World, build_world, frame, message, person, run_change, timer

DAY = timedelta(days=1)
NOW = EPOCH + 3 * DAY
TALKING = Snapshot(frames=(frame(state="details"),), scope={"language": "ne"})


@pytest.fixture
def repository(world: World) -> ConversationRepository:
    return ConversationRepository(world.database, world.vault, world.tenant)


async def record(world: World, sender: object = ANNA, snapshot: Snapshot = TALKING) -> ConversationRecord:
    place = await world.directory.place(world.channel, sender)  # type: ignore[arg-type]
    return ConversationRecord(
        channel_id=world.channel.channel_id,
        contact_id=place.contact_id,
        snapshot=snapshot,
        updated_at=EPOCH,
        last_inbound_at=EPOCH,
    )


async def test_what_is_saved_is_found_by_phone_number(world: World, repository: ConversationRepository) -> None:
    saved = await record(world)
    conversation = await repository.save(saved)
    assert ANNA.phone is not None
    found = await repository.find_active_by_phone_number(ANNA.phone, world.channel.channel_id)
    assert found is not None
    assert (found.conversation_id, found.snapshot, found.state) == (conversation, TALKING, "enquiry.details")
    assert (found.status, found.last_inbound_at, found.updated_at) == ("ACTIVE", EPOCH, EPOCH)
    assert found.contact_id == saved.contact_id


async def test_saving_again_updates(world: World, repository: ConversationRepository) -> None:
    first = await repository.save(await record(world))
    second = await repository.save(await record(world, snapshot=Snapshot()))
    assert first == second
    assert await world.value("SELECT count(*) FROM whatsapp_conversations") == 1
    assert await world.value("SELECT state FROM whatsapp_conversations") == ""


async def test_a_saved_conversation_is_the_one_messages_go_to(world: World, repository: ConversationRepository) -> None:
    conversation = await repository.save(await record(world))
    await world.intake.accept([message(world.channel)])
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 1)
    assert (work.conversation.frames, work.conversation.scope) == (TALKING.frames, TALKING.scope)


async def test_nobody_else_is_found(world: World, repository: ConversationRepository) -> None:
    """Not another number, channel or tenant, and not an expired conversation."""
    assert ANNA.phone is not None
    assert BIMAL.phone is not None
    await repository.save(await record(world))
    second = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    strangers = ConversationRepository(world.database, world.vault, other.tenant)
    assert await repository.find_active_by_phone_number(BIMAL.phone, world.channel.channel_id) is None
    assert await repository.find_active_by_phone_number(ANNA.phone, second.channel_id) is None
    assert await strangers.find_active_by_phone_number(ANNA.phone, world.channel.channel_id) is None
    await repository.expire_old_conversations(NOW, NOW)
    assert await repository.find_active_by_phone_number(ANNA.phone, world.channel.channel_id) is None


async def test_the_state_is_replaced(world: World, repository: ConversationRepository) -> None:
    conversation = await repository.save(await record(world))
    assert await repository.update_state(conversation, Snapshot(frames=(frame(state="review"),)), NOW)
    row = await world.row("SELECT state, updated_at FROM whatsapp_conversations")
    assert (row["state"], row["updated_at"]) == ("enquiry.review", NOW)
    assert not await repository.update_state(ConversationId(999), Snapshot(), NOW)


async def test_an_idle_conversation_expires_with_its_runs(world: World, repository: ConversationRepository) -> None:
    """Runs of business objects live on: they are not the conversation's."""
    conversation = await repository.save(await record(world))
    other = await world.conversation(BIMAL)
    runs = {
        RunId("run-1"): run_change("run-1", conversation),
        RunId("trip"): run_change("trip", conversation, instance="TRP1", frame="{}"),
        RunId("elsewhere"): run_change("elsewhere", other),
    }
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(runs=runs), EPOCH)
        await store.db.execute(
            "UPDATE whatsapp_conversations SET updated_at = $1 WHERE conversation_id = $2", NOW, other
        )
    assert await repository.expire_old_conversations(EPOCH + DAY, NOW) == 1
    row = await world.row("SELECT * FROM whatsapp_conversations WHERE conversation_id = $1", conversation)
    assert (row["status"], row["state"]) == ("EXPIRED", "")
    ended = await world.rows("SELECT run, outcome, ended_at FROM flow_runs WHERE status = 'ENDED'")
    assert [tuple(row) for row in ended] == [("run-1", "expired", NOW)]
    assert await repository.expire_old_conversations(EPOCH + DAY, NOW) == 0
    saved = await repository.save(await record(world, snapshot=Snapshot(scope={"a": 1})))
    assert saved == conversation


async def test_nobody_is_left_whom_something_waits_for(world: World, repository: ConversationRepository) -> None:
    """A timer, an event, a worker at work, or a newer word."""
    timed, _, held, fresh, idle = [await repository.save(await record(world, person(number))) for number in range(5)]
    reminder = timer(timed, NOW)
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(timers={(reminder.run, reminder.name, reminder.epoch): reminder}), EPOCH)
    await world.intake.accept([message(world.channel, sender=person(1))])
    await repository.update_state(fresh, TALKING, NOW)
    async with world.turns.transaction(world.tenant) as store:
        assert await store.lock([held], 1, 1) == []  # locked, though it has no events
        assert await repository.expire_old_conversations(EPOCH + DAY, NOW) == 1
    rows = await world.rows("SELECT conversation_id FROM whatsapp_conversations WHERE status = 'EXPIRED'")
    assert [row["conversation_id"] for row in rows] == [idle]
