"""A conversation is taken by one worker at a time, in order; what a batch changes is written together or not at all."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from bot.core.errors import StorageError
from bot.core.events import MessageReceived
from bot.core.ids import ConversationId, EventId, RunId
from bot.core.messages import Outgoing, TemplateOut, TextIn, TextOut
from storage.base import AuditEntry, Berth, Claim, NewOutbound, Outcome, Person, TurnTrace, Verdict
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, PostgresTurns, grant_role
from storage.postgres.dead import dead_letters, revive
from tests.conftest import EPOCH
from tests.storage.support import (
    ANNA,
    BIMAL,
    LEASE,
    World,
    blocked,
    build_world,
    conversation_of,
    frame,
    message,
    owner,
    person,
    result,
    run_change,
    timer,
)

SECOND = timedelta(seconds=1)


async def receive(world: World, *bodies: str, sender: Any = ANNA) -> tuple[ConversationId, list[EventId]]:
    """Messages from a person; returns the conversation and all its events."""
    await world.intake.accept([message(world.channel, body, sender=sender) for body in bodies])
    conversation = await world.conversation(sender)
    rows = await world.rows("SELECT event_id FROM inbox WHERE conversation_id = $1 ORDER BY event_id", conversation)
    return conversation, [EventId(row["event_id"]) for row in rows]


def said(conversation: ConversationId, world: World, body: str, **more: Any) -> NewOutbound:
    return NewOutbound(
        conversation_id=conversation, channel_id=world.channel.channel_id, content=TextOut(body=body), **more
    )


# --- Finding and locking ----------------------------------------------------------------------------------------------


async def test_work_carries_the_conversation_and_its_events_in_order(world: World) -> None:
    conversation, events = await receive(world, *"abc")
    await grant_role(world.database, world.vault, world.channel, ANNA, "sales")
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 10, 10)
    assert work.channel_id == world.channel.channel_id
    assert (work.conversation.contact.name, work.conversation.contact.roles) == ("Anna", ("sales",))
    assert [e.event.event_id for e in work.events] == events
    contents = [e.event.content for e in work.events if isinstance(e.event, MessageReceived)]
    assert contents == [TextIn(body=body) for body in "abc"]
    assert all((e.kind, e.attempts, e.sent_at, e.event.at) == ("message", 0, EPOCH, EPOCH) for e in work.events)


async def test_work_knows_the_phone_and_the_clock_of_the_person(world: World) -> None:
    nobody = Person(phone=None, user_id="US.13491208655302741918", name="Nobody")
    conversations = [(await receive(world, "a", sender=sender))[0] for sender in (ANNA, BIMAL, nobody)]
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "UPDATE contacts SET timezone = 'America/Lima' WHERE contact_id = (SELECT contact_id"
            " FROM whatsapp_conversations WHERE conversation_id = $1)",
            conversations[1],
        )
    async with world.turns.transaction(world.tenant) as store:
        works = await store.lock(conversations, 10, 10)
    known = {
        w.conversation.conversation_id: (w.conversation.contact.phone, w.conversation.contact.timezone) for w in works
    }
    assert known[conversations[0]] == (ANNA.phone, "Asia/Katmandu")
    assert known[conversations[1]] == (BIMAL.phone, "America/Lima")  # as set
    assert known[conversations[2]] == ("", "")


async def test_a_number_sealed_with_another_key_is_not_known(world: World) -> None:
    conversation, _ = await receive(world, "a")
    turns = PostgresTurns(world.database, Vault(b"x" * 32))
    async with turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 10, 10)
    assert (work.conversation.contact.phone, work.conversation.contact.timezone) == ("", "")


async def test_limits_of_conversations_and_events_are_kept(world: World) -> None:
    conversations = [(await receive(world, *"abcde", sender=person(n)))[0] for n in range(4)]
    async with world.turns.transaction(world.tenant) as store:
        works = await store.lock(conversations, 3, 2)
        assert [len(work.events) for work in works] == [2, 2, 2]
        async with world.turns.transaction(world.tenant) as other:
            (left,) = await other.lock(conversations, 3, 2)  # only three were locked
    assert {w.conversation.conversation_id for w in (*works, left)} == set(conversations)


async def test_a_conversation_has_one_holder(world: World) -> None:
    conversation, _ = await receive(world, "a")
    async with world.turns.transaction(world.tenant) as holder:
        assert await holder.lock([conversation], 1, 10)
        async with world.turns.transaction(world.tenant) as other:
            assert await other.lock([conversation], 1, 10) == []
    async with world.turns.transaction(world.tenant) as other:
        assert await other.lock([conversation], 1, 10)


async def test_another_tenants_conversation_cannot_be_locked(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    conversation, _ = await receive(world, "a")
    async with other.turns.transaction(other.tenant) as store:
        assert await store.lock([conversation], 1, 10) == []


async def test_many_workers_process_every_event_once_and_in_order(dsn: str, world: World) -> None:
    """Each worker reads a conversation's events only after it has the lock, so it never sees what was just done."""
    people = [person(n) for n in range(8)]
    await world.intake.accept([message(world.channel, str(n), sender=p) for n in range(12) for p in people])
    rows = await world.rows("SELECT conversation_id, event_id FROM inbox ORDER BY event_id")
    wide = await Postgres.connect(dsn, size=6)
    turns, processed = PostgresTurns(wide, world.vault), []

    async def work() -> None:
        while waiting := await turns.waiting(EPOCH, 400):
            ((tenant, conversations),) = waiting
            async with turns.transaction(tenant) as store:
                outcome = Outcome()
                for held in await store.lock(conversations, 3, 2):
                    outcome.conversations.append(conversation_of(held, frame()))
                    outcome.done += [(held.conversation.conversation_id, e.event.event_id) for e in held.events]
                if outcome.done:
                    await store.write(outcome, EPOCH)
            processed.extend(outcome.done)

    await asyncio.gather(*(work() for _ in range(6)))
    await wide.close()
    assert sorted(processed, key=lambda done: done[1]) == [(r["conversation_id"], r["event_id"]) for r in rows]
    for conversation in {done[0] for done in processed}:
        events = [event for held, event in processed if held == conversation]
        assert events == sorted(events)


async def test_the_longest_waiting_conversation_and_tenant_come_first(world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    order = [(world, ANNA, 3), (other, ANNA, 1), (world, BIMAL, 2), (other, BIMAL, 9)]
    for where, sender, second in order:
        await where.intake.accept([message(where.channel, sender=sender, at=EPOCH + second * SECOND)])
    found = await world.turns.waiting(EPOCH + 5 * SECOND, 400)
    assert found == [
        (other.tenant, [await other.conversation(ANNA)]),
        (world.tenant, [await world.conversation(BIMAL), await world.conversation(ANNA)]),
    ]


async def test_a_tenants_share_goes_to_those_who_have_waited_longest(world: World) -> None:
    for number in (3, 1, 4, 2):  # in the order of neither their events nor their opposite
        await world.intake.accept([message(world.channel, sender=person(number), at=EPOCH + number * SECOND)])
    first = [await world.conversation(person(number)) for number in (1, 2)]
    assert await world.turns.waiting(EPOCH + 9 * SECOND, 10, share=2) == [(world.tenant, first)]


async def test_one_busy_person_does_not_hide_the_others(world: World) -> None:
    """Candidates are conversations, however many events each has."""
    busy, _ = await receive(world, *(str(n) for n in range(50)))
    quiet, _ = await receive(world, "me too", sender=BIMAL)
    assert await world.turns.waiting(EPOCH, 2) == [(world.tenant, [busy, quiet])]


async def test_an_expired_conversation_starts_afresh(world: World) -> None:
    conversation, events = await receive(world, "a", "b")
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 1)
        await store.write(
            Outcome(conversations=[conversation_of(work, frame())], done=[(conversation, events[0])]), EPOCH
        )
    for expired, frames in [(False, (frame(),)), (True, ())]:
        async with world.turns.transaction(world.tenant) as store:
            if expired:
                await store.db.execute("UPDATE whatsapp_conversations SET status = 'EXPIRED'")
            (work,) = await store.lock([conversation], 1, 10)
            assert work.conversation.frames == frames
            await store.write(Outcome(conversations=[conversation_of(work, *frames)]), EPOCH)
    assert await world.value("SELECT status FROM whatsapp_conversations") == "ACTIVE"


# --- Handing over to a sender in the same process --------------------------------------------------------------------


def berth(world: World, room: int = 10) -> Berth:
    return Berth(rooms={world.channel.channel_id: room}, lease=LEASE)


async def answer(world: World, conversation: ConversationId, *contents: Outgoing, room: int = 10) -> list[Claim]:
    """Take the turns of a conversation, say this in them, with a sender at hand."""
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 100)
        outcome = Outcome(
            conversations=[conversation_of(work, frame())],
            done=[(conversation, event.event.event_id) for event in work.events],
            outbound=[replace(said(conversation, world, ""), content=content) for content in contents],
        )
        return await store.write(outcome, EPOCH, berth(world, room))


async def test_the_first_reply_is_claimed_with_the_turn_and_the_next_waits_for_its_answer(world: World) -> None:
    conversation, _ = await receive(world, "a")
    (claim,) = await answer(world, conversation, TextOut(body="one"), TextOut(body="two"))
    assert (claim.content, claim.phone, claim.attempt) == (TextOut(body="one"), ANNA.phone, 1)
    assert await world.claim() == []
    (second,) = await world.claim(result(claim, Verdict.DONE, provider_message_id="wamid.1"))
    assert second.content == TextOut(body="two")
    assert (await world.message(claim.message_id))["status"] == "ACCEPTED"


async def test_what_was_handed_over_and_never_answered_is_unknown(world: World) -> None:
    conversation, _ = await receive(world, "a")
    (claim,) = await answer(world, conversation, TextOut(body="one"))
    assert await world.settle(EPOCH + LEASE) == {"expired": 1}
    assert (await world.message(claim.message_id))["status"] == "UNKNOWN"


async def test_nothing_is_handed_over_behind_another_message_or_on_a_paused_channel(world: World) -> None:
    conversation, _ = await receive(world, "a")
    await world.say("before")
    assert await answer(world, conversation, TextOut(body="after")) == []
    (first,) = await world.claim()
    assert first.content == TextOut(body="before")
    other, _ = await receive(world, "b", sender=BIMAL)
    await world.claim(result(first, Verdict.RETRY, retry_at=EPOCH, pause_until=EPOCH + SECOND))
    assert await answer(world, other, TextOut(body="paused")) == []


async def test_a_template_and_what_there_is_no_room_for_stay_in_the_outbox(world: World) -> None:
    conversation, _ = await receive(world, "a")
    assert await answer(world, conversation, TemplateOut(name="t", language="en")) == []
    other, _ = await receive(world, "b", sender=BIMAL)
    assert await answer(world, other, TextOut(body="full"), room=0) == []
    assert {claim.attempt for claim in await world.claim()} == {1}


# --- Writing ----------------------------------------------------------------------------------------------------------


async def full_outcome(world: World) -> tuple[ConversationId, Outcome]:
    """An outcome with something of everything."""
    conversation, events = await receive(world, "a", "b")
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    outcome = Outcome(
        conversations=[conversation_of(work, frame(state="wait"))],
        done=[(conversation, event) for event in events],
        outbound=[said(conversation, world, str(n)) for n in range(30)]
        + [said(conversation, world, "too late", held="outside the window")],
        runs={RunId("run-1"): run_change("run-1", conversation)},
        audit=[AuditEntry(at=EPOCH, actor="bot", action="test", conversation_id=conversation, detail={"n": 1})],
        traces=[TurnTrace(event_id=events[0], at=EPOCH, conversation_id=conversation, message_id=None, trace="[]")],
    )
    nudge = timer(conversation, EPOCH + SECOND)
    outcome.timers[nudge.run, nudge.name, nudge.epoch] = nudge
    return conversation, outcome


CHANGED = {
    "whatsapp_messages": "direction = 'OUTBOUND'",
    "outbox": "true",
    "timers": "true",
    "flow_runs": "true",
    "whatsapp_audit_logs": "true",
    "turn_traces": "true",
    "whatsapp_conversations": "state <> ''",
}


async def written(world: World) -> dict[str, int]:
    return {
        table: await world.value(f"SELECT count(*) FROM {table} WHERE {condition}")
        for table, condition in CHANGED.items()
    }


async def test_everything_a_batch_changed_is_written(world: World) -> None:
    conversation, outcome = await full_outcome(world)
    async with world.turns.transaction(world.tenant) as store:
        await store.lock([conversation], 1, 10)
        await store.write(outcome, EPOCH + SECOND)
    assert await written(world) == {
        "whatsapp_messages": 31,
        "outbox": 30,
        "timers": 1,
        "flow_runs": 1,
        "whatsapp_audit_logs": 1,
        "turn_traces": 1,
        "whatsapp_conversations": 1,
    }
    assert await world.waiting() == []
    row = await world.row("SELECT * FROM whatsapp_conversations")
    assert (row["state"], row["updated_at"]) == ("enquiry.wait", EPOCH + SECOND)
    held = await world.row("SELECT * FROM whatsapp_messages WHERE status = 'HELD'")
    assert held["error_detail"] == "outside the window"


async def test_a_conversation_is_read_as_it_was_written(world: World) -> None:
    """Who has taken over has it still when the process that noted it is gone."""
    conversation, events = await receive(world, "a", "b")
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
        now = replace(
            conversation_of(work, frame(state="wait")), owner="person:contact:17", scope={"rules": ["no calls"]}
        )
        await store.write(Outcome(conversations=[now], done=[(conversation, events[0])]), EPOCH)
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    read = work.conversation
    assert (read.frames, read.owner, read.scope) == (now.frames, now.owner, now.scope)


async def test_an_error_while_writing_leaves_nothing(world: World) -> None:
    """The audit entry is written last and has a character that PostgreSQL does not take."""
    conversation, outcome = await full_outcome(world)
    outcome.audit.append(AuditEntry(at=EPOCH, actor="bot", action="\0", conversation_id=conversation, detail={}))
    with pytest.raises(asyncpg.CharacterNotInRepertoireError):  # noqa: PT012  a turn is more than one statement
        async with world.turns.transaction(world.tenant) as store:
            await store.lock([conversation], 1, 10)
            await store.write(outcome, EPOCH)
    assert set((await written(world)).values()) == {0}
    assert await world.waiting() == [conversation]


async def test_an_error_after_writing_leaves_nothing(world: World) -> None:
    conversation, outcome = await full_outcome(world)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  a turn is more than one statement
        async with world.turns.transaction(world.tenant) as store:
            await store.lock([conversation], 1, 10)
            await store.write(outcome, EPOCH)
            _ = 1 // 0
    assert set((await written(world)).values()) == {0}


async def test_a_cancelled_turn_leaves_nothing_and_frees_the_conversation(world: World) -> None:
    conversation, outcome = await full_outcome(world)

    async def turn() -> None:
        async with world.turns.transaction(world.tenant) as store:
            await store.lock([conversation], 1, 10)
            await store.write(outcome, EPOCH)
            await store.db.execute("SELECT pg_sleep(600)")

    task = asyncio.create_task(turn())
    async with owner(world.database.dsn) as onlooker:  # a cancellation that came before it began would be lost
        sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        while not await onlooker.fetch(sleeping):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set((await written(world)).values()) == {0}
    async with world.turns.transaction(world.tenant) as store:
        assert await store.lock([conversation], 1, 10)


async def test_messages_are_numbered_in_the_order_said(world: World) -> None:
    """Also when several conversations speak in turns."""
    people = [await world.conversation(person(n)) for n in range(7)]
    outcome = Outcome(outbound=[said(people[(n * 5) % 7], world, str(n)) for n in range(200)])
    async with world.turns.transaction(world.tenant) as store:
        await store.write(outcome, EPOCH)
    rows = await world.rows("SELECT (content ->> 'body')::int AS body FROM whatsapp_messages ORDER BY message_id")
    assert [row["body"] for row in rows] == list(range(200))


async def test_an_event_somebody_else_processed_cannot_be_processed_again(world: World) -> None:
    conversation, events = await receive(world, "a")
    await world.take(conversation, events)
    with pytest.raises(RuntimeError, match="1 events were processed by somebody else"):
        await world.take(conversation, events)


async def test_the_window_opens_with_the_newest_message_and_never_moves_back(world: World) -> None:
    conversation, _ = await receive(world, "a")
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
        moved = conversation_of(work)
        for seconds in (5, 3):
            written_to = replace(moved, last_inbound_at=EPOCH + seconds * SECOND)
            await store.write(Outcome(conversations=[written_to]), EPOCH)
    assert await world.value("SELECT last_inbound_at FROM whatsapp_conversations") == EPOCH + 5 * SECOND


# --- Timers, runs, receipts -------------------------------------------------------------------------------------------


async def test_timers_are_cancelled_and_started_in_one_batch(world: World) -> None:
    conversation = await world.conversation()
    first = [timer(conversation, EPOCH, name=name, epoch=epoch) for name in ("nudge", "drop") for epoch in (1, 2)]
    first.append(timer(conversation, EPOCH, run="other"))
    later = timer(conversation, EPOCH + SECOND, epoch=3)
    for cancelled, started in [([], first), ([(RunId("run-1"), 2)], [later])]:
        async with world.turns.transaction(world.tenant) as store:
            timers = {(t.run, t.name, t.epoch): t for t in started}
            await store.write(Outcome(cancelled=cancelled, timers=timers), EPOCH)
    rows = await world.rows("SELECT run, name, epoch FROM timers ORDER BY run, name, epoch")
    assert [tuple(row) for row in rows] == [
        ("other", "nudge", 1), ("run-1", "drop", 2), ("run-1", "nudge", 2), ("run-1", "nudge", 3)
    ]  # fmt: skip


async def test_a_timer_started_again_moves(world: World) -> None:
    """In a later batch as within one: the last word counts, however events are batched."""
    conversation = await world.conversation()
    for seconds in (1, 9):
        again = timer(conversation, EPOCH + seconds * SECOND)
        async with world.turns.transaction(world.tenant) as store:
            await store.write(Outcome(timers={(again.run, again.name, again.epoch): again}), EPOCH)
    assert await world.value("SELECT due_at FROM timers") == EPOCH + 9 * SECOND


async def write_run(world: World, run: str, **more: Any) -> None:
    conversation = await world.conversation()
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(runs={RunId(run): run_change(run, conversation, **more)}), EPOCH)


async def test_a_run_is_inserted_then_updated(world: World) -> None:
    await write_run(world, "r", instance="TRP1", frame="{}")
    async with world.turns.transaction(world.tenant) as store:
        assert await store.frame_of(RunId("r")) == "{}"
        assert await store.attach("enquiry", "TRP1", RunId("new")) == "{}"
        assert await store.attach("enquiry", "TRP1", RunId("r")) is None
        assert await store.attach("enquiry", "TRP2", RunId("new")) is None
    await write_run(world, "r", ended_at=EPOCH + SECOND, outcome="done")
    row = await world.row("SELECT * FROM flow_runs")
    assert (row["status"], row["outcome"], row["instance"], row["frame"]) == ("ENDED", "done", "TRP1", None)
    async with world.turns.transaction(world.tenant) as store:
        assert await store.frame_of(RunId("r")) is None
        assert await store.attach("enquiry", "TRP1", RunId("new")) is None


async def test_a_business_object_has_one_live_run(world: World) -> None:
    await write_run(world, "a", instance="TRP1", frame="{}")
    with pytest.raises(asyncpg.UniqueViolationError):
        await write_run(world, "b", instance="TRP1", frame="{}")
    await write_run(world, "a", instance="TRP1", ended_at=EPOCH)
    await write_run(world, "b", instance="TRP1", frame="{}")


async def test_two_conversations_that_begin_with_one_object_take_turns(dsn: str, world: World) -> None:
    """The second waits until the first has committed its run, and then finds it."""
    conversation = await world.conversation()
    async with world.turns.transaction(world.tenant) as second:
        async with world.turns.transaction(world.tenant) as first:
            assert await first.attach("enquiry", "TRP1", RunId("a")) is None
            waiting = asyncio.create_task(second.attach("enquiry", "TRP1", RunId("b")))
            await blocked(dsn)
            change = run_change("a", conversation, instance="TRP1", frame='{"n": 1}')
            await first.write(Outcome(runs={RunId("a"): change}), EPOCH)
        assert await waiting == '{"n": 1}'


@pytest.mark.parametrize("look", ["continuing", "beginning"])
async def test_who_speaks_of_an_object_that_another_is_just_speaking_of_waits_for_its_frame(
    look: str, dsn: str, world: World
) -> None:
    """Or the second would begin with what the first is about to change, and undo it."""
    conversation = await world.conversation()
    await write_run(world, "a", instance="TRP1", frame='{"n": 0}')
    async with world.turns.transaction(world.tenant) as second:
        async with world.turns.transaction(world.tenant) as first:
            assert await first.frame_of(RunId("a")) == '{"n": 0}'
            looking = (
                second.frame_of(RunId("a")) if look == "continuing" else second.attach("enquiry", "TRP1", RunId("b"))
            )
            waiting = asyncio.create_task(looking)
            locked = asyncio.create_task(blocked(dsn))
            await asyncio.wait((waiting, locked), return_when=asyncio.FIRST_COMPLETED)
            assert not waiting.done()
            change = run_change("a", conversation, instance="TRP1", frame='{"n": 1}')
            await first.write(Outcome(runs={RunId("a"): change}), EPOCH)
        assert await waiting == '{"n": 1}'


async def test_a_receipt_is_kept_once(world: World) -> None:
    async with world.turns.transaction(world.tenant) as store:
        assert await store.receipt("lead:1") is None
        await store.keep_receipt("lead:1", "leads.create", '{"id": 5}', EPOCH)
        assert await store.receipt("lead:1") == ('{"id": 5}',)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with world.turns.transaction(world.tenant) as store:
            await store.keep_receipt("lead:1", "leads.create", "{}", EPOCH)


async def test_a_savepoint_undoes_only_what_happened_inside(world: World) -> None:
    async with world.turns.transaction(world.tenant) as store:
        await store.keep_receipt("kept", "a", "1", EPOCH)
        with pytest.raises(asyncpg.DivisionByZeroError):  # noqa: PT012  nor is an action
            async with store.savepoint():
                await store.keep_receipt("undone", "a", "1", EPOCH)
                await store.db.execute("SELECT 1 / 0")
        async with store.savepoint():
            await store.keep_receipt("kept too", "a", "1", EPOCH)
    assert [row["key"] for row in await world.rows("SELECT key FROM receipts ORDER BY key")] == ["kept", "kept too"]


# --- Staff ------------------------------------------------------------------------------------------------------------


async def test_staff_have_a_conversation_on_every_number(world: World) -> None:
    """Made on the first notification when they have never written there."""
    second = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    for sender in (ANNA, BIMAL):
        await grant_role(world.database, world.vault, world.channel, sender, "sales")
    for _ in range(2):
        async with world.turns.transaction(world.tenant) as store:
            members = await store.staff("sales", second.channel_id)
            assert len(members) == 2
            assert await store.staff("manager", second.channel_id) == []
    assert await world.value("SELECT count(*) FROM whatsapp_conversations") == 4


async def test_nobody_is_left_out_when_two_notify_at_once(dsn: str, vault: Vault, world: World) -> None:
    """Another process makes the member's conversation while we look: we wait for it, and find it."""
    second = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    contact = await grant_role(world.database, vault, world.channel, ANNA, "sales")
    async with owner(dsn) as rival:
        await rival.execute("BEGIN")
        made = await rival.fetchval(
            """INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id) VALUES ($1, $2, $3)
               RETURNING conversation_id""",
            world.tenant,
            second.channel_id,
            contact,
        )
        cold = Directory(world.database, vault)
        async with world.turns.transaction(world.tenant) as store:
            staff = asyncio.create_task(store.staff("sales", second.channel_id))
            place = asyncio.create_task(cold.place(second, ANNA))
            await blocked(dsn, 2)
            await rival.execute("COMMIT")
            assert [member.conversation_id for member in await staff] == [made]
            assert (await place).conversation_id == made


# --- Failing ----------------------------------------------------------------------------------------------------------


async def test_a_failed_event_is_tried_again_later_and_holds_back_what_follows(world: World) -> None:
    conversation, events = await receive(world, "bad", "next")
    await world.turns.fail(
        world.tenant, conversation, events[0], "ValueError: x", now=EPOCH, retry_at=EPOCH + 5 * SECOND
    )
    assert await world.waiting(EPOCH + 4 * SECOND) == []
    assert await world.waiting(EPOCH + 5 * SECOND) == [conversation]
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    assert [(e.event.event_id, e.attempts) for e in work.events] == [(events[0], 1), (events[1], 0)]
    assert work.events[0].due_at == EPOCH + 5 * SECOND


async def test_what_waits_behind_a_failed_event_does_not_fill_the_queue(world: World) -> None:
    conversation, events = await receive(world, *(str(n) for n in range(20)))
    await world.turns.fail(world.tenant, conversation, events[0], "x", now=EPOCH, retry_at=EPOCH + SECOND)
    other, _ = await receive(world, "hello", sender=BIMAL)
    assert await world.turns.waiting(EPOCH, 5) == [(world.tenant, [other])]


async def test_an_event_that_fails_for_good_is_set_aside_and_the_others_go_on(world: World) -> None:
    conversation, events = await receive(world, "bad", "next")
    await world.turns.fail(world.tenant, conversation, events[0], "first", now=EPOCH, retry_at=EPOCH)
    await world.turns.fail(world.tenant, conversation, events[0], "ValueError: x", now=EPOCH, retry_at=None)
    dead = await world.row("SELECT * FROM dead_letters")
    assert (dead["event_id"], dead["attempts"], dead["error"]) == (events[0], 2, "ValueError: x")
    assert '"bad"' in dead["event"]
    stored = await world.message(dead["message_id"])
    assert (stored["status"], stored["error_detail"]) == ("DEAD", "ValueError: x")
    assert await world.value("SELECT status FROM whatsapp_messages WHERE content ->> 'body' = 'next'") == "RECEIVED"
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    assert [e.event.event_id for e in work.events] == events[1:]


async def test_a_transaction_that_postgresql_rolls_back_does_not_pass_for_committed(world: World) -> None:
    async def go_on_after_an_error() -> None:
        async with world.database.tenant(world.tenant) as db:
            with suppress(asyncpg.DivisionByZeroError):
                await db.execute("SELECT 1 / 0")

    with pytest.raises(StorageError, match="rolled back"):
        await go_on_after_an_error()


async def test_what_was_put_aside_is_processed_after_all(world: World) -> None:
    conversation, events = await receive(world, "bad", "next")
    await world.turns.fail(world.tenant, conversation, events[0], "ValueError: x", now=EPOCH, retry_at=None)
    async with world.database.tenant(world.tenant) as db:
        (one,) = await dead_letters(db, world.tenant, 10)
        assert (one.event_id, one.kind, one.attempts, one.error) == (events[0], "message", 1, "ValueError: x")
        assert await revive(db, world.tenant, [events[1]], EPOCH) == 0
        assert await revive(db, world.tenant, [events[0]], EPOCH) == 1
        assert await revive(db, world.tenant, None, EPOCH) == 0
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    bodies = [e.event.content.body for e in work.events]  # type: ignore[union-attr]
    assert (bodies, work.events[1].attempts) == (["next", "bad"], 0)
    stored = await world.message(one.message_id)
    assert (stored["status"], stored["error_detail"]) == ("RECEIVED", None)
    assert work.events[1].event.at == stored["created_at"]


async def test_failing_what_somebody_processed_in_the_meantime_changes_nothing(world: World) -> None:
    conversation, events = await receive(world, "a")
    await world.take(conversation, events)
    for retry_at in (EPOCH, None):
        await world.turns.fail(world.tenant, conversation, events[0], "x", now=EPOCH, retry_at=retry_at)
    assert await world.value("SELECT count(*) FROM dead_letters") == 0
    assert await world.value("SELECT status FROM whatsapp_messages") == "RECEIVED"


async def test_a_worker_that_sleeps_past_its_lease_cannot_commit_and_another_takes_over(dsn: str, world: World) -> None:
    conversation, events = await receive(world, "a")
    sleepy = await Postgres.connect(dsn, size=1, idle_lease_seconds=0.05)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):  # noqa: PT012  a turn
        async with PostgresTurns(sleepy, world.vault).transaction(world.tenant) as store:
            (work,) = await store.lock([conversation], 1, 10)
            process = await store.db.fetchval("SELECT pg_backend_pid()")
            async with owner(dsn) as onlooker, asyncio.timeout(120):  # sleeps until PostgreSQL has had enough
                while await onlooker.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", process):
                    await asyncio.sleep(0)
            await world.take(conversation, events)
            outcome = Outcome(
                conversations=[conversation_of(work, frame())],
                done=[(conversation, events[0])],
                outbound=[said(conversation, world, "twice?")],
            )
            await store.write(outcome, EPOCH)
    await sleepy.close()
    assert await world.value("SELECT count(*) FROM outbox") == 0
    assert await world.waiting() == []
