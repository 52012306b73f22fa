"""What older versions kept in the clear is sealed in place, once, and can still be used."""

import base64
import json
from datetime import timedelta

import pytest

from bot.operations.acting import Acting
from bot.operations.privacy import base64_of
from bot.operations.terms import terms_of
from bot.runtime.sealing import EVERY, Sealing
from storage.base import Verdict
from storage.postgres import Chores
from storage.postgres.leftovers import Leftovers
from tests.conftest import EPOCH
from tests.storage.support import ANNA, World, message, owner, result, status

DIGITS = (ANNA.phone or "").lstrip("+")
KEY = bytes(range(100, 132))


def wamid(number: int) -> str:
    """An id like Meta's: the person's number is in it."""
    return "wamid." + base64.b64encode(b"\x1d\x0c" + DIGITS.encode() + number.to_bytes(4)).decode()


async def as_it_was(world: World, dsn: str) -> int:
    """A conversation as older versions kept it; returns the number of our answer."""
    await world.intake.accept([message(world.channel, wamid=wamid(n)) for n in range(3)])
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.DONE, provider_message_id=wamid(9)))
    await world.intake.accept([status(world.channel, wamid(9), "READ")])
    event = {"content": {"kind": "reaction", "message_id": wamid(1), "emoji": "+"}, "reply_to": wamid(2),
             "sent_at": EPOCH.isoformat(), "sent_as": wamid(0)}  # fmt: skip
    async with owner(dsn) as admin:
        await admin.execute("UPDATE delivery_updates SET provider_message_id = $1", wamid(9))
        rows = await admin.fetch("SELECT message_id FROM whatsapp_messages ORDER BY message_id")
        for number, row in zip((0, 1, 2, 9), rows, strict=True):
            await admin.execute(
                "UPDATE whatsapp_messages SET provider_message_id = $2, reply_to = $3, "
                "kind = 'reaction', content = $4 WHERE message_id = $1",
                row["message_id"], wamid(number), wamid(0), json.dumps(event["content"]),
            )  # fmt: skip
        await admin.execute("UPDATE inbox SET event = $1", json.dumps(event))
        await admin.execute(
            "INSERT INTO dead_letters SELECT tenant_id, event_id + 1000, conversation_id, kind, event, message_id, 1, "
            "'?', happened_at FROM inbox"
        )
        await admin.execute("INSERT INTO business_settings (tenant_id, link_key) VALUES ($1, $2)", world.tenant, KEY)
    return claim.message_id


async def in_the_clear(dsn: str) -> list[str]:
    """Where the number can be read, or the key."""
    found = []
    async with owner(dsn) as admin:
        for table in ("whatsapp_messages", "inbox", "dead_letters", "delivery_updates", "business_settings"):
            text = " ".join(row[0] for row in await admin.fetch(f"SELECT t::text FROM {table} t"))
            if any(part in text for part in (DIGITS, KEY.hex(), *base64_of(DIGITS))):
                found.append(table)
    return found


@pytest.mark.parametrize("page", [2, 500])
async def test_what_was_kept_in_the_clear_is_sealed(
    world: World, dsn: str, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("storage.postgres.ids._PAGE", page)
    answer = await as_it_was(world, dsn)
    assert len(await in_the_clear(dsn)) == 5
    sealing = Sealing(leftovers=Leftovers(world.database, world.vault), chores=Chores(world.database))
    await sealing.keep(EPOCH)
    assert await in_the_clear(dsn) == []
    ids = await world.rows("SELECT provider_message_id AS id, reply_to FROM whatsapp_messages ORDER BY message_id")
    assert [world.opened(row["id"]) for row in ids] == [wamid(n) for n in (0, 1, 2, 9)]
    assert {world.opened(row["reply_to"]) for row in ids} == {wamid(0)}
    (event, *_) = [json.loads(row["event"]) for row in await world.rows("SELECT event FROM inbox")]
    assert world.opened(event["content"]["message_id"]) == wamid(1)
    await world.settle()
    assert (await world.message(answer))["status"] == "READ"
    assert (await world.intake.accept([message(world.channel, wamid=wamid(1))])).duplicates == 1
    async with world.database.tenant(world.tenant) as db:
        acting = Acting(tenant_id=world.tenant, db=db, at=EPOCH, role="system", seals=world.vault)
        assert (await terms_of(acting)).link_key == KEY


async def test_before_it_is_sealed_it_is_of_use_already(world: World, dsn: str) -> None:
    await as_it_was(world, dsn)
    async with world.database.tenant(world.tenant) as db:
        acting = Acting(tenant_id=world.tenant, db=db, at=EPOCH, role="system", seals=world.vault)
        assert (await terms_of(acting)).link_key == KEY
    assert (await world.intake.accept([message(world.channel, wamid=wamid(1))])).duplicates == 1


async def test_once_is_enough(world: World, dsn: str) -> None:
    leftovers = Leftovers(world.database, world.vault)
    await as_it_was(world, dsn)
    assert await leftovers.seal() > 0
    assert await leftovers.seal() == 0
    sealing = Sealing(leftovers=leftovers, chores=Chores(world.database))
    for day in range(3):
        await sealing.keep(EPOCH + day * EVERY + timedelta(seconds=day))
    assert await in_the_clear(dsn) == []
