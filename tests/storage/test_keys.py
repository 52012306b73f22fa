"""Replacing the secret key: whatever is under way, everybody is found, nobody is there twice, and all can be read."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from bot.core.messages import ReactionIn
from storage.base import AuditEntry, Unread, Verdict
from storage.crypto import Keys, Vault, id_mark, number_of
from storage.postgres import Postgres
from storage.postgres.audit import AuditChain, Finding, write_audit
from storage.postgres.keys import Announcement, begin_rotating, keep_key, kept_keys, open_ring, ring_of
from storage.postgres.outside import add_endpoint
from storage.postgres.rotation import Rotation
from storage.postgres.sealed import IDS, INDEXED, KEYLESS, SEALED
from storage.postgres.tokens import create_token, find_token
from tests.conftest import EPOCH
from tests.storage.support import World, build_world, message, owner, person, result, status

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BOTH = {1: OLD, 2: NEW}
STAGES = [
    Keys(secrets={1: OLD}, seal=1, find=1),
    Keys(secrets=BOTH, seal=1, find=1),
    Keys(secrets=BOTH, seal=2, find=1),
    Keys(secrets=BOTH, seal=2, find=2),
    Keys(secrets={2: NEW}, seal=2, find=2),
]
ONE = TenantId(1)
BYTES = """
SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('bytea'::regtype, 'bytea[]'::regtype)
"""


def rotation(database: Postgres, *secrets: bytes, patience: float = 120, **more: Any) -> Rotation:
    return Rotation(database, secrets or (OLD, NEW), lambda: EPOCH, patience=patience, steady=0, **more)


async def rotate(database: Postgres, *secrets: bytes, **more: Any) -> list[str]:
    """Replace the key; what was done."""
    return [progress.step async for progress in rotation(database, *secrets, **more).run()]


async def test_every_column_of_bytes_is_declared(dsn: str) -> None:
    """Whoever adds one has to say what becomes of it when the key is replaced."""
    sealed = {f"{one.table}.{column}" for one in SEALED for column in one.columns}
    async with owner(dsn) as admin:
        found = {row[0] for row in await admin.fetch(BYTES)}
    assert found == sealed | set(INDEXED) | set(KEYLESS)
    assert len(sealed) + len(INDEXED) + len(KEYLESS) == len(found), "declared twice"


# --- Neighbouring stages ----------------------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 3), st.booleans())
def test_neighbours_read_and_find_what_the_other_writes(text: str, stage: int, swap: bool) -> None:
    pair = [Vault(STAGES[stage]), Vault(STAGES[stage + 1])]
    writer, reader = reversed(pair) if swap else pair
    if reader.keys.secrets.keys() >= {writer.keys.seal}:  # a server that lacks a key is not let go on
        assert reader.decrypt(ONE, writer.encrypt(ONE, text)) == text
        assert reader.signed(text, writer.sign(text))
        assert reader.ticketed(text, writer.ticket(text))
    assert reader.identity(ONE, text) in writer.identities(ONE, text)
    assert reader.message_key(ONE, ChannelId(1), text) in writer.message_keys(ONE, ChannelId(1), text)


def test_a_neighbour_always_has_the_key_that_the_other_encrypts_with() -> None:
    for before, after in itertools.pairwise(STAGES):
        if before.seal != 1 or 1 in after.secrets:
            assert before.seal in after.secrets
        assert after.seal in before.secrets


def test_numbers_stand_in_front() -> None:
    for number, keys in ((1, STAGES[0]), (2, STAGES[4])):
        vault = Vault(keys)
        assert vault.seal(ONE, b"x")[0] == number
        assert number_of(vault.identity(ONE, "x")) == number_of(vault.message_key(ONE, ChannelId(1), "x")) == number
        assert number_of(vault.token_digest(ONE, "x"), 32) == number


@asynccontextmanager
async def neighbours(dsn: str, stage: int) -> AsyncIterator[tuple[World, World]]:
    """Two servers of the same tenant, one of which has made a step more."""
    pools = [await Postgres.connect(dsn, size=4) for _ in range(2)]
    try:
        first, second = [await build_world(pool, Vault(STAGES[stage + n])) for n, pool in enumerate(pools)]
        yield first, second
    finally:
        for pool in pools:
            await pool.close()


@pytest.mark.parametrize("stage", range(4))
async def test_between_neighbours_nobody_is_there_twice(dsn: str, stage: int) -> None:
    """Both are given the same messages at the same moment, of people nobody knows yet."""
    async with neighbours(dsn, stage) as (one, other):
        for batch in range(6):
            heard = [
                message(one.channel, sender=replace(person(n), user_id=f"NP.{n}"), wamid=f"w{n}")
                for n in range(batch * 5, batch * 5 + 5)
            ]
            taken = await asyncio.gather(one.intake.accept(heard), other.intake.accept(heard[::-1]))
            assert sum(t.messages for t in taken) == 5
        assert await one.value("SELECT count(*) FROM contacts") == 30
        assert await one.value("SELECT count(*) FROM whatsapp_messages") == 30
        assert await one.value("SELECT count(*) FROM whatsapp_conversations") == 30
        known = {await world.conversation(person(n)) for world in (one, other) for n in range(30)}
        assert len(known) == 30


@pytest.mark.parametrize("stage", range(4))
@pytest.mark.parametrize("swap", [False, True])
async def test_between_neighbours_statuses_find_their_message(dsn: str, stage: int, swap: bool) -> None:
    async with neighbours(dsn, stage) as (one, other):
        sender, hearer = (other, one) if swap else (one, other)
        if sender.vault.keys.seal not in hearer.vault.keys.secrets:
            pytest.skip("the barrier keeps a server without the key from this")
        claim = await sender.send_one()
        await sender.claim(result(claim, Verdict.DONE))
        await hearer.intake.accept([status(hearer.channel, f"wamid.out.{claim.message_id}", "READ")])
        await hearer.settle()
        assert (await one.message(claim.message_id))["status"] == "READ"


# --- The whole of it --------------------------------------------------------------------------------------------------


async def live(world: World) -> tuple[str, int]:
    """Some of everything that is encrypted, indexed or proved; returns an API token, and the erased person's number."""
    for n in range(12):
        await world.intake.accept(
            [message(world.channel, sender=replace(person(n), user_id=f"NP.{n}"), wamid=f"in{n}")]
        )
    claim = await world.send_one()
    await world.claim(result(claim, Verdict.DONE))
    await ids(world)
    await world.intake.accept([Unread(tenant_id=world.tenant, kind="?", body=b"what", received_at=EPOCH)])
    async with world.database.tenant(world.tenant) as db:
        await add_endpoint(db, world.vault, world.tenant, "https://x.example", b"s" * 32, [], EPOCH)
        sealed = world.vault.seal(world.tenant, b"{}")
        await db.execute("UPDATE whatsapp_configurations SET secrets = $1", sealed)
        await db.execute(
            "INSERT INTO business_settings (tenant_id, link_key) VALUES ($1, $2)",
            world.tenant, world.vault.seal(world.tenant, bytes(32)),
        )  # fmt: skip
        await db.execute(
            "INSERT INTO erased_addresses (tenant_id, identity, erased_at) VALUES ($1, $2, $3)",
            world.tenant, world.vault.identity(world.tenant, person(99).phone or ""), EPOCH,
        )  # fmt: skip
        await db.execute(
            "INSERT INTO contact_merges (tenant_id, kept_id, gone_id, moved, status, merged_by, merged_at, phone, "
            "user_id) VALUES ($1, 1, 2, '{}', 'UNDONE', 'x', $2, $3, $3)", world.tenant, EPOCH, sealed,
        )  # fmt: skip
        _, token = await create_token(
            db, world.vault, world.tenant, name="t", role="sales", scopes=["*:read"], at=EPOCH, expires_at=None
        )
        entries = [AuditEntry(at=EPOCH, actor="bot", action=f"a{n}", conversation_id=None, detail={}) for n in range(3)]
        await write_audit(db, world.vault, world.tenant, entries)
    await AuditChain(world.database, world.vault).seal_all(EPOCH)
    return token, claim.message_id


IDS_THERE = {"reaction": "in0", "quoted": "in1", "dead": "in2", "status": "wamid.elsewhere"}
"""Ids of messages in every other place than their own message's row."""


async def ids(world: World) -> None:
    """Somebody reacts, quoting what they said; the same is put aside; a status of nobody's message waits."""
    reaction = ReactionIn(message_id="in0", emoji="+")
    for number in (1, 2):
        said = replace(message(world.channel, sender=person(0)), reply_to=f"in{number}", content=reaction)
        await world.intake.accept([said])
    last = await world.row("SELECT conversation_id, event_id FROM inbox ORDER BY event_id DESC LIMIT 1")
    await world.turns.fail(world.tenant, *last.values(), error="?", now=EPOCH, retry_at=None)
    await world.intake.accept([status(world.channel, "wamid.elsewhere", "READ")])


async def opened_ids(world: World) -> dict[str, str]:
    """The same ids, read where they are."""
    kept = await world.row(
        "SELECT content ->> 'message_id' AS named, reply_to FROM whatsapp_messages "
        "WHERE kind = 'reaction' AND status = 'RECEIVED'"
    )
    waits = await world.row(
        "SELECT event -> 'content' ->> 'message_id' AS named, event ->> 'reply_to' AS reply_to FROM inbox "
        "WHERE event -> 'content' ->> 'kind' = 'reaction'"
    )
    dead = await world.row("SELECT event ->> 'reply_to' AS reply_to FROM dead_letters")
    assert [world.opened(one) for one in waits.values()] == [world.opened(one) for one in kept.values()]
    told = await world.value("SELECT provider_message_id FROM delivery_updates ORDER BY update_id LIMIT 1")
    return {
        "reaction": world.opened(kept["named"]), "quoted": world.opened(kept["reply_to"]),
        "dead": world.opened(dead["reply_to"]), "status": world.opened(told),
    }  # fmt: skip


async def everything_holds(world: World, token: str, sent: int) -> None:
    """With these keys, everybody is found, everything can be read and nothing is suspect."""
    for n in range(12):
        fresh = message(world.channel, sender=person(n), wamid=f"in{n}")
        assert (await world.intake.accept([fresh])).duplicates == 1
        assert (await world.intake.accept([message(world.channel, sender=person(n))])).messages == 1
    assert await world.value("SELECT count(*) FROM contacts") == 12
    for one in SEALED:
        for column in one.columns:
            for row in await world.rows(f"SELECT {column} AS sealed FROM {one.table} WHERE {column} IS NOT NULL"):
                world.vault.unseal(world.tenant, row["sealed"])
    assert await opened_ids(world) == IDS_THERE
    # Of the erased person, what they wrote before is not taken.
    before = message(world.channel, sender=person(99), wamid=f"late{world.vault.keys.find}")
    await world.intake.accept([replace(before, sent_at=EPOCH.replace(year=2025))])
    assert await world.value("SELECT count(*) FROM contacts") == 12
    async with world.database.tenant(world.tenant) as db:
        assert await find_token(db, world.vault, world.tenant, token, EPOCH) is not None
        assert await find_token(db, world.vault, world.tenant, token[:-1] + "g", EPOCH) is None
    await world.intake.accept([status(world.channel, f"wamid.out.{sent}", "READ")])
    await world.settle()
    assert await world.value("SELECT status FROM whatsapp_messages WHERE message_id = $1", sent) == "READ"
    assert await findings(world) == []


async def findings(world: World) -> list[str]:
    found = [item async for item in AuditChain(world.database, world.vault).verify(world.tenant)]
    return [f"{item.place}: {item.told}" for item in found if isinstance(item, Finding)]


async def nothing_is_left_of(dsn: str, number: int) -> None:
    """No ciphertext, and no index that anybody looks up."""
    async with owner(dsn) as admin:
        for one in SEALED:
            for column in one.columns:
                rows = await admin.fetch(f"SELECT {column} AS sealed FROM {one.table} WHERE {column} IS NOT NULL")
                assert rows or one.table == "kept_keys", one
                assert not [row for row in rows if row["sealed"][0] == number], f"{one.table}.{column}"
        for place in IDS:
            table, _, column = place.partition(".")
            rows = await admin.fetch(f'SELECT "{column}"::text AS value FROM {table}')
            assert not [row for row in rows if id_mark(number) in (row["value"] or "")], place
        for table, column in (("contact_identities", "identity"), ("message_keys", "key"), ("delivery_updates", "key")):
            rows = await admin.fetch(f"SELECT {column} AS entry FROM {table}")
            assert not [row for row in rows if number_of(row["entry"]) == number], table


async def test_after_replacing_it_twice_the_newest_key_is_enough(dsn: str, database: Postgres) -> None:
    """Also what the first one had made that cannot be made anew: audit, tokens, erased addresses."""
    world = await build_world(database, Vault(OLD))
    await open_ring(database, [OLD])
    token, sent = await live(world)
    await rotate(database)
    await nothing_is_left_of(dsn, 1)
    world = await build_world(database, Vault((await open_ring(database, [NEW])).keys))
    await everything_holds(world, token, sent)
    newest = bytes([7] * 32)
    await rotate(database, NEW, newest)
    await nothing_is_left_of(dsn, 2)
    world = await build_world(database, Vault((await open_ring(database, [newest])).keys))
    await everything_holds(world, token, sent)
    told = await world.rows("SELECT detail FROM whatsapp_audit_logs WHERE action = 'keys.rotated' ORDER BY audit_id")
    assert [row["detail"] for row in told] == ['{"to": 2, "from": 1}', '{"to": 3, "from": 2}']


PLACES = [
    "introduced", "moved to CURRENT", "contacts", "people", "messages", "moved to LEAVING", "kept", "moved to RETIRED",
    "forget",
]  # fmt: skip


class KilledError(Exception):
    """Somebody was killed."""


@pytest.mark.parametrize("place", PLACES)
async def test_killed_anywhere_it_goes_on(dsn: str, database: Postgres, place: str) -> None:
    """And meanwhile everything holds, for a server that follows."""
    world = await build_world(database, Vault((await open_ring(database, [OLD])).keys))
    token, sent = await live(world)

    async def stop(here: str) -> None:
        if here == place:
            raise KilledError

    with pytest.raises(KilledError):
        await rotate(database, stop=stop)
    server = await build_world(database, Vault((await open_ring(database, [OLD, NEW])).keys))
    await everything_holds(server, token, sent)
    await rotate(database)
    await nothing_is_left_of(dsn, 1)
    await everything_holds(await build_world(database, Vault(STAGES[4])), token, sent)


async def test_in_batches_all_people_and_messages_are_reached(
    database: Postgres, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> None:
    monkeypatch.setattr("storage.postgres.anew._PEOPLE", 5)
    monkeypatch.setattr("storage.postgres.ids._PAGE", 7)
    await open_ring(database, [OLD])
    world = await build_world(database, Vault(OLD))
    token, sent = await live(world)
    steps = await rotate(database)
    assert steps.count("people") == 4  # tenant 0 has none
    assert steps.count("messages") == 4
    await nothing_is_left_of(dsn, 1)
    await everything_holds(await build_world(database, Vault(STAGES[4])), token, sent)


# --- Who may go on ----------------------------------------------------------------------------------------------------


async def test_a_server_without_the_new_key_holds_it_up(dsn: str, database: Postgres) -> None:
    await open_ring(database, [OLD])
    async with owner(dsn) as connection:
        await Announcement(connection).say(0)
        with pytest.raises(StorageError, match=r"1 of 1 servers .*: 1 of them lack the new key"):
            await rotate(database, patience=0.5)
    ring = await open_ring(database, [OLD, NEW])
    assert (ring.keys.seal, ring.keys.find, ring.complete) == (1, 1, True)
    assert not (await open_ring(database, [OLD])).complete
    await rotate(database)  # it is gone, and its word with it
    assert (await open_ring(database, [NEW])).keys.seal == 2


async def test_what_is_missing_is_said(database: Postgres) -> None:
    await open_ring(database, [OLD])
    with pytest.raises(StorageError, match="lacks key 1 of this database"):
        await open_ring(database, [NEW])
    with pytest.raises(StorageError, match="There is no next key"):
        await rotate(database, OLD)


async def test_states_are_the_stages(database: Postgres) -> None:
    """The table in the docstring of storage/postgres/keys.py."""
    seen: list[Keys] = []

    async def stop(place: str) -> None:
        seen.append((await open_ring(database, [OLD, NEW])).keys)

    seen.append((await open_ring(database, [OLD, NEW])).keys)
    await rotate(database, stop=stop)
    assert [keys for keys, _ in itertools.groupby(seen)] == STAGES


async def test_a_stolen_old_key_writes_nothing_into_the_audit(dsn: str, database: Postgres) -> None:
    """The thief may write to the database, too; what is older than the replacement stays provable."""
    await open_ring(database, [OLD])
    world = await build_world(database, Vault(OLD))
    await live(world)
    await rotate(database)
    thief = Vault(OLD)
    forged = AuditEntry(at=EPOCH, actor="contact:1", action="leads.create", conversation_id=None, detail={})
    async with database.tenant(world.tenant) as db:
        await write_audit(db, thief, world.tenant, [forged])
    honest = await build_world(database, Vault(STAGES[4]))
    assert ["It was changed, or is not from this system" in told for told in await findings(honest)] == [True]
    await AuditChain(database, honest.vault).seal_all(EPOCH)
    assert ["It was changed, or is not from this system" in told for told in await findings(honest)] == [True]


async def test_a_kept_key_is_what_it_was(world: World) -> None:
    async with world.database.tenant(world.tenant) as db:
        await keep_key(db, world.vault, world.tenant, "audit", 1, until=17)
        kept = await kept_keys(db, world.vault, world.tenant, "audit")
        assert kept == {1: (world.vault.key_of(world.tenant, "audit", 1), 17)}
        assert await kept_keys(db, world.vault, world.tenant, "token") == {}


async def test_two_processes_name_the_first_key_alike(dsn: str) -> None:
    pools = [await Postgres.connect(dsn, size=1) for _ in range(3)]
    rings = await asyncio.gather(*(open_ring(pool, [OLD]) for pool in pools), return_exceptions=True)
    for pool in pools:
        await pool.close()
    assert [ring.keys.seal for ring in rings if not isinstance(ring, BaseException)] == [1, 1, 1]
    with pytest.raises(StorageError):
        ring_of(rings[0].known, [])  # type: ignore[union-attr]


async def test_only_one_rotates(dsn: str) -> None:
    async with owner(dsn) as one, owner(dsn) as other:
        assert await begin_rotating(one)
        assert not await begin_rotating(other)
