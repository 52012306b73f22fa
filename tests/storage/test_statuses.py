"""Statuses only move a message up, in whatever order and batches they come; foreign ones are nobody's burden."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.core.ids import MessageId
from storage.base import NewStatus, Verdict
from storage.postgres.correlation import Correlation
from tests.conftest import EPOCH
from tests.storage.support import World, batches, build_world, message, person, result, status

SECOND = timedelta(seconds=1)
RANKS = {"SENT": 2, "DELIVERED": 3, "READ": 4, "PLAYED": 5}
WORDS = [*RANKS, "FAILED"]


def outcome(words: set[str]) -> str:
    """What a message must be after these statuses, in whatever order."""
    highest = max(words & RANKS.keys(), key=RANKS.__getitem__, default=None)
    if highest is not None and RANKS[highest] >= 3:
        return highest
    return "FAILED" if "FAILED" in words else highest or "QUEUED"


def histories() -> Iterator[list[list[str]]]:
    """Every order of every choice of statuses; the short ones cut into batches in every way."""
    for length in range(1, 6):
        for words in itertools.permutations(WORDS, length):
            cuts = list(batches(words))
            yield from cuts if length <= 3 else (cuts[0], cuts[-1])


def moment(word: str) -> datetime:
    return EPOCH + (WORDS.index(word) + 1) * SECOND


async def update(world: World, message_id: MessageId, word: str, *, at: datetime | None = None) -> NewStatus:
    named = Correlation(tenant_id=world.tenant, message_id=message_id, created_at=EPOCH, attempt=1)
    return status(
        world.channel,
        f"wamid.{message_id}",
        word,
        at=at or moment(word),
        correlation=named.write(world.vault),
        error_code=131026 if word == "FAILED" else None,
    )


async def test_the_order_of_statuses_does_not_matter(world: World) -> None:
    """Every order, in every batching, a message each: its status is always what the words so far amount to."""
    cases = list(histories())
    ids = await world.say(*("x" for _ in cases))
    seen: list[set[str]] = [set() for _ in cases]
    for turn in range(5):
        items = []
        for case, message_id, words in zip(cases, ids, seen, strict=True):
            for word in case[turn] if turn < len(case) else ():
                items.append(await update(world, message_id, word))
                words.add(word)
        await world.intake.accept(items)
        assert await world.settle(EPOCH + 60 * SECOND) in (
            {"applied": len(items), "resolved": len(cases)},  # the first time, they leave the outbox too
            {"applied": len(items)},
        )
        rows = {row["message_id"]: row for row in await world.rows("SELECT * FROM whatsapp_messages")}
        for case, message_id, words in zip(cases, ids, seen, strict=True):
            row, read = rows[message_id], words & {"READ", "PLAYED"}
            assert row["status"] == outcome(words), case
            assert (row["read_at"] is not None) == bool(read), case
            # Whoever has read it, has it.
            assert (row["delivered_at"] is not None) == bool(read | words & {"DELIVERED"}), case
            assert (row["sent_at"] is not None) == bool(words - {"FAILED"}), case
            assert (row["failed_at"] is not None) == (row["status"] == "FAILED"), case
            assert (row["error_code"] is not None) == (row["status"] == "FAILED"), case
            if "DELIVERED" in words:
                assert row["delivered_at"] == moment("DELIVERED"), case
            if "READ" in words:
                assert row["read_at"] == moment("READ"), case


async def test_a_status_repeated_changes_nothing(world: World) -> None:
    (message_id,) = await world.say("x")
    await world.intake.accept([await update(world, message_id, word) for word in ("SENT", "DELIVERED")])
    await world.settle(EPOCH + 60 * SECOND)
    before = await world.message(message_id)
    later = EPOCH + 30 * SECOND
    await world.intake.accept([await update(world, message_id, word, at=later) for word in ("SENT", "DELIVERED")])
    await world.settle(EPOCH + 60 * SECOND)
    assert await world.message(message_id) == before


async def test_a_status_without_correlation_finds_its_message_by_the_providers_id(world: World) -> None:
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.DONE, provider_message_id="wamid.9"), room=0)
    await world.intake.accept([status(world.channel, "wamid.9", "DELIVERED")])
    assert await world.settle() == {"applied": 1}
    assert (await world.message(claim.message_id))["status"] == "DELIVERED"


async def test_a_status_faster_than_the_answer_waits_for_it(world: World) -> None:
    """Without correlation text nobody can tell whose it is until the answer has brought the provider's id."""
    claim = await world.send_one()
    await world.intake.accept([status(world.channel, "wamid.9", "DELIVERED")])
    assert await world.settle() == {}
    await world.claim(result(claim, Verdict.DONE, provider_message_id="wamid.9"), room=0)
    assert await world.settle(EPOCH + 5 * SECOND) == {"applied": 1}
    assert (await world.message(claim.message_id))["status"] == "DELIVERED"


async def test_a_status_of_a_message_from_a_person_changes_nothing(world: World) -> None:

    await world.intake.accept([message(world.channel, wamid="wamid.in"), status(world.channel, "wamid.in", "READ")])
    assert await world.settle() == {"applied": 1}
    assert await world.value("SELECT status FROM whatsapp_messages") == "RECEIVED"


async def test_foreign_statuses_hold_nobody_up_and_are_dropped_after_ten_minutes(world: World) -> None:
    """1,500 of somebody else on the same account stand in front of ours."""
    (message_id,) = await world.say("x")
    foreign = [status(world.channel, f"foreign.{n}", "SENT", at=EPOCH - SECOND) for n in range(1500)]
    await world.intake.accept([*foreign, await update(world, message_id, "SENT", at=EPOCH)])
    assert await world.settle() == {"applied": 1, "resolved": 1}
    assert (await world.message(message_id))["status"] == "SENT"
    now, looks = EPOCH, 0
    while await world.value("SELECT count(*) FROM delivery_updates"):
        now = await world.value("SELECT min(due_at) FROM delivery_updates")
        counts = await world.settle(now)
        looks += 1
    assert counts == {"foreign_statuses": 1500}
    assert timedelta(minutes=10) < now - EPOCH < timedelta(minutes=15)
    assert looks < 10  # less and less often


async def test_statuses_of_a_tenant_reach_no_other(world: World) -> None:

    other = await build_world(world.database, world.vault, slug="beta", address="200")
    (message_id,) = await world.say("x")
    theirs = await update(world, message_id, "SENT")
    stolen = NewStatus(
        channel=other.channel,
        provider_message_id=theirs.provider_message_id,
        status="FAILED",
        happened_at=EPOCH,
        received_at=EPOCH,
        correlation=theirs.correlation,
    )
    await world.intake.accept([stolen])
    assert await world.settle() == {}
    assert (await world.message(message_id))["status"] == "QUEUED"


async def test_a_flood_is_applied_in_one_go(world: World) -> None:
    count = 1000  # several commits' worth
    await world.say_to_each([person(n) for n in range(count)])
    rows = await world.rows("SELECT message_id FROM whatsapp_messages")
    items = [await update(world, MessageId(row["message_id"]), word) for row in rows for word in ("SENT", "DELIVERED")]
    await world.intake.accept(items)
    assert await world.settle(EPOCH + 60 * SECOND) == {"applied": 2 * count, "resolved": count}
