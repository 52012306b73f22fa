"""Whatever the database's owner does to the audit log, verifying it finds out."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from bot.core.ids import ConversationId
from storage.base import AuditEntry, Outcome
from storage.crypto import Vault
from storage.postgres import audit
from storage.postgres.audit import Anchor, AuditChain, Finding
from tests.conftest import EPOCH
from tests.storage.support import World, build_world, owner


def entry(number: int) -> AuditEntry:
    """The audit entry of an action."""
    detail = {"run": f"r{number}", "receipt": "for +9779800000001", "n": number, "share": 0.5, "whole": 1e16}
    at = EPOCH + timedelta(seconds=number, microseconds=number)
    return AuditEntry(at=at, actor="contact:7", action="leads.create", conversation_id=ConversationId(3), detail=detail)


async def write(world: World, *numbers: int) -> None:
    """Write entries as a worker does."""
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(audit=[entry(number) for number in numbers]), EPOCH)


async def verify(world: World, anchor: Anchor | None = None) -> tuple[list[str], Anchor]:
    """The findings, as places, and the head."""
    findings: list[str] = []
    head = Anchor(seal=0, chain="")
    async for item in AuditChain(world.database, world.vault).verify(world.tenant, anchor):
        match item:
            case Finding():
                findings.append(item.place)
            case Anchor():
                head = item
    return findings, head


@pytest.fixture
async def log(world: World) -> AuditChain:
    """Three seals: entries 1 to 3, 4 to 6, and 7 to 9."""
    chain = AuditChain(world.database, world.vault)
    for first in (1, 4, 7):
        await write(world, *range(first, first + 3))
        await chain.seal_all(EPOCH)
    return chain


async def test_an_untouched_log_is_whole(world: World, log: AuditChain) -> None:
    assert await verify(world) == ([], Anchor(seal=3, chain=(await world.value(LAST)).hex()))
    await write(world, 10)
    assert (await verify(world))[0] == []
    assert await log.seal_all(EPOCH) == 1
    assert (await verify(world))[1].seal == 4


LAST = "SELECT chain FROM audit_seals ORDER BY seal_id DESC LIMIT 1"
COPY = """
INSERT INTO whatsapp_audit_logs (tenant_id, at, actor, action, conversation_id, detail, mac)
SELECT tenant_id, at, actor, action, conversation_id, detail, mac FROM whatsapp_audit_logs WHERE audit_id = 2
"""
FORGE = """
INSERT INTO whatsapp_audit_logs (tenant_id, at, actor, action, detail, mac)
SELECT tenant_id, at, 'contact:8', action, detail, mac FROM whatsapp_audit_logs WHERE audit_id = 2
"""
CUT = """
DELETE FROM whatsapp_audit_logs WHERE audit_id > 6;
DELETE FROM audit_seals WHERE seal_id = 3;
"""
TAMPERING: dict[str, tuple[str, Sequence[str]]] = {
    "edit who": ("UPDATE whatsapp_audit_logs SET actor = 'contact:8' WHERE audit_id = 5", ["entry 5"]),
    "edit when": ("UPDATE whatsapp_audit_logs SET at = at + interval '1 microsecond' WHERE audit_id = 5", ["entry 5"]),
    "edit what": ("UPDATE whatsapp_audit_logs SET action = 'x' WHERE audit_id = 5", ["entry 5"]),
    "edit where": ("UPDATE whatsapp_audit_logs SET conversation_id = NULL WHERE audit_id = 5", ["entry 5"]),
    "edit more": ("UPDATE whatsapp_audit_logs SET detail = detail || '{\"n\": 6}' WHERE audit_id = 5", ["entry 5"]),
    "edit the first": ("UPDATE whatsapp_audit_logs SET actor = 'x' WHERE audit_id = 1", ["entry 1"]),
    "edit the mac": ("UPDATE whatsapp_audit_logs SET mac = sha256('x') WHERE audit_id = 5", ["entry 5"]),
    "blank the mac": ("UPDATE whatsapp_audit_logs SET actor = 'x', mac = '' WHERE audit_id = 5", ["entry 5"]),
    "blank a mac of the first seal": (
        "UPDATE whatsapp_audit_logs SET actor = 'x', mac = '' WHERE audit_id = 1", ["seal 1"],
    ),
    "remove one": ("DELETE FROM whatsapp_audit_logs WHERE audit_id = 5", ["entry 5"]),
    "remove the last": ("DELETE FROM whatsapp_audit_logs WHERE audit_id = 9", ["entry 9"]),
    "remove one with its number": (
        """DELETE FROM whatsapp_audit_logs WHERE audit_id = 5;
           UPDATE audit_seals SET entries = '{4,6}' WHERE seal_id = 2""",
        ["seal 2", "head"],
    ),
    "remove all entries": ("DELETE FROM whatsapp_audit_logs", [f"entry {n}" for n in range(1, 10)]),
    "remove a seal": ("DELETE FROM audit_seals WHERE seal_id = 2", ["seal 2", "seal 3", "entry 4", "head"]),
    "remove a seal with its entries": (
        "DELETE FROM audit_seals WHERE seal_id = 2; DELETE FROM whatsapp_audit_logs WHERE audit_id IN (4, 5, 6)",
        ["seal 2", "seal 3", "head"],
    ),
    "cut off the end": (CUT, ["seal 3", "head"]),
    "cut off the end and set the head": (CUT + "UPDATE audit_heads SET seal_id = 2, entries = 6", ["head"]),
    "exchange two": (
        """UPDATE whatsapp_audit_logs l SET at = o.at, detail = o.detail, mac = o.mac FROM whatsapp_audit_logs o
           WHERE (l.audit_id, o.audit_id) IN ((4, 6), (6, 4))""",
        ["seal 2"],
    ),
    "exchange two over seals": (
        """UPDATE whatsapp_audit_logs l SET at = o.at, detail = o.detail, mac = o.mac FROM whatsapp_audit_logs o
           WHERE (l.audit_id, o.audit_id) IN ((4, 7), (7, 4))""",
        ["seal 2", "seal 3"],
    ),
    "put in a copy": (COPY, ["entry 10"]),
    "put in a copy into a seal": (
        COPY + "; UPDATE audit_seals SET entries = entries || 10::bigint WHERE seal_id = 3", ["seal 3", "head"],
    ),
    "put in one and wait for the seal": (
        FORGE + "; INSERT INTO audit_unsealed SELECT tenant_id, 10 FROM audit_heads", ["entry 10"],
    ),
    "put in a copy and wait for the seal": (
        COPY + "; INSERT INTO audit_unsealed SELECT tenant_id, 10 FROM audit_heads", ["entry 10"],
    ),
    "move the time of a seal": ("UPDATE audit_seals SET sealed_at = now() WHERE seal_id = 2", ["seal 2"]),
    "give it to another tenant": (
        "UPDATE whatsapp_audit_logs SET tenant_id = tenant_id + 1 WHERE audit_id = 5", ["entry 5"],
    ),
}  # fmt: skip


TABLES = ("whatsapp_audit_logs", "audit_unsealed", "audit_seals", "audit_heads")
KEEP = "; ".join(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in TABLES)
RESTORE = "; ".join(
    f"TRUNCATE {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}" for table in TABLES
)
RESTORE += "; ALTER SEQUENCE whatsapp_audit_logs_audit_id_seq RESTART WITH 10"


async def test_tampering_is_found(world: World, log: AuditChain) -> None:
    """And still is after the next seals: new entries do not cover it up."""
    async with owner(world.database.dsn) as admin:
        await admin.execute(KEEP)
        for name, (statements, places) in TAMPERING.items():
            await admin.execute(statements)
            found, _ = await verify(world)
            assert set(places) <= set(found), name
            await write(world, 20)
            await log.seal_all(EPOCH)
            again, _ = await verify(world)
            assert again, name
            await admin.execute(RESTORE)
            assert (await verify(world))[0] == [], name


async def test_keeping_an_entry_from_its_seal_is_found(world: World, log: AuditChain) -> None:
    await write(world, 10, 11)
    async with owner(world.database.dsn) as admin:
        await admin.execute("DELETE FROM audit_unsealed WHERE audit_id = 10")
    await log.seal_all(EPOCH)
    assert (await verify(world))[0] == ["entry 10"]


async def test_removing_an_entry_before_its_seal_is_found(world: World, log: AuditChain) -> None:
    await write(world, 10, 11)
    async with owner(world.database.dsn) as admin:
        await admin.execute("DELETE FROM whatsapp_audit_logs WHERE audit_id = 10")
    assert (await verify(world))[0] == ["entry 10"]
    await log.seal_all(EPOCH)
    assert (await verify(world))[0] == ["entry 10"]


async def test_an_older_state_with_its_head_is_found_by_the_anchor(world: World, log: AuditChain) -> None:
    """The owner kept the head of two seals; nothing in the database tells."""
    async with owner(world.database.dsn) as admin:
        await admin.execute("CREATE TABLE kept AS SELECT * FROM audit_heads")
        await write(world, 10)
        await log.seal_all(EPOCH)
        _, anchor = await verify(world)
        await admin.execute("DELETE FROM whatsapp_audit_logs WHERE audit_id = 10")
        await admin.execute("DELETE FROM audit_seals WHERE seal_id = 4")
        await admin.execute(
            "UPDATE audit_heads h SET seal_id = k.seal_id, entries = k.entries, proof = k.proof FROM kept k"
        )
    assert (await verify(world))[0] == []
    assert (await verify(world, anchor))[0] == ["head"]


async def test_the_removal_of_the_whole_log_is_found_by_the_anchor(world: World, log: AuditChain) -> None:
    """Also when the next entries have begun a new chain."""
    _, anchor = await verify(world)
    async with owner(world.database.dsn) as admin:
        await admin.execute("DELETE FROM whatsapp_audit_logs; DELETE FROM audit_seals; DELETE FROM audit_heads")
    assert (await verify(world))[0] == ["head"]
    await write(world, *range(20))
    await log.seal_all(EPOCH)
    assert (await verify(world, anchor))[0] == ["head"]


async def test_a_log_that_has_grown_fits_its_older_anchor(world: World, log: AuditChain) -> None:
    _, anchor = await verify(world)
    await write(world, 10)
    await log.seal_all(EPOCH)
    assert (await verify(world, anchor))[0] == []


async def test_without_the_key_nothing_fits(world: World, log: AuditChain) -> None:
    stranger = AuditChain(world.database, Vault(bytes(32)))
    findings = [item async for item in stranger.verify(world.tenant) if isinstance(item, Finding)]
    assert len(findings) >= 9


async def test_entries_older_than_the_chain_are_in_the_first_seal(world: World) -> None:
    async with owner(world.database.dsn) as admin:
        await admin.execute(
            """INSERT INTO whatsapp_audit_logs (tenant_id, at, actor, action) VALUES ($1, $2, 'bot', 'old')""",
            world.tenant, EPOCH,
        )  # fmt: skip
        await admin.execute("INSERT INTO audit_unsealed SELECT tenant_id, audit_id FROM whatsapp_audit_logs")
        await AuditChain(world.database, world.vault).seal_all(EPOCH)
        assert (await verify(world))[0] == []
        await admin.execute("UPDATE whatsapp_audit_logs SET action = 'new'")
    assert (await verify(world))[0] == ["seal 1"]


async def test_seals_are_cut_to_size_and_many_sealers_make_one_chain(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "SEAL_ENTRIES", 4)
    chain = AuditChain(world.database, world.vault)
    await write(world, *range(30))

    async def seal() -> int:
        return await chain.seal_all(EPOCH)

    rounds = [await asyncio.gather(*(seal() for _ in range(4))) for _ in range(3)]
    assert sum(sum(counts) for counts in rounds) == 30
    assert (await verify(world)) == ([], Anchor(seal=8, chain=(await world.value(LAST)).hex()))


async def test_writers_do_not_wait_for_the_sealer_or_each_other(world: World) -> None:
    """Three transactions write audit entries, all open, while the sealer seals: nobody waits."""
    async with asyncio.timeout(120), world.turns.transaction(world.tenant) as first:
        await first.write(Outcome(audit=[entry(1)]), EPOCH)
        async with world.turns.transaction(world.tenant) as second:
            await second.write(Outcome(audit=[entry(2)]), EPOCH)
            await write(world, 3)
            assert await AuditChain(world.database, world.vault).seal_all(EPOCH) == 1
    assert await AuditChain(world.database, world.vault).seal_all(EPOCH) == 2
    assert await world.value("SELECT entries FROM audit_seals WHERE seal_id = 1") == [3]
    assert (await verify(world))[0] == []


async def test_tenants_have_chains_of_their_own(world: World, log: AuditChain) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await log.found(other.tenant)
    await write(other, 1)
    await log.seal_all(EPOCH)
    assert (await verify(other))[1].seal == 1
    async with owner(world.database.dsn) as admin:
        await admin.execute("UPDATE whatsapp_audit_logs SET actor = 'x' WHERE tenant_id = $1", world.tenant)
    assert (await verify(other))[0] == []
    assert len((await verify(world))[0]) == 9


async def test_a_log_written_anew_with_another_key_is_found(world: World, log: AuditChain) -> None:
    """Whoever has the database and not the key can make a chain that fits itself, and not one that fits ours."""
    thief = Vault(bytes(32))
    async with owner(world.database.dsn) as admin:
        await admin.execute("TRUNCATE whatsapp_audit_logs, audit_unsealed, audit_seals, audit_heads")
    forged = AuditChain(world.database, thief)
    await forged.found(world.tenant)
    async with world.database.tenant(world.tenant) as db:
        await audit.write_audit(db, thief, world.tenant, [entry(n) for n in range(1, 10)])
    await forged.seal_all(EPOCH)
    assert [item async for item in forged.verify(world.tenant) if isinstance(item, Finding)] == []
    found, _ = await verify(world)
    assert "head" in found
    assert len([place for place in found if place.startswith("entry")]) == 9


async def test_tenants_whose_logs_change_places_are_both_found(world: World, log: AuditChain) -> None:
    """All of it: entries, seals and heads, each whole in itself."""
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await log.found(other.tenant)
    await write(other, 1)
    await log.seal_all(EPOCH)
    async with owner(world.database.dsn) as admin:
        for table in TABLES:
            await admin.execute(
                f"UPDATE {table} SET tenant_id = -tenant_id WHERE tenant_id IN ($1, $2)", world.tenant, other.tenant
            )
            await admin.execute(
                f"UPDATE {table} SET tenant_id = CASE -tenant_id WHEN $1 THEN $2::bigint ELSE $1 END "
                "WHERE tenant_id IN (-$1::bigint, -$2::bigint)", world.tenant, other.tenant,
            )  # fmt: skip
    for one in (world, other):
        found, _ = await verify(one)
        assert "head" in found
        assert any(place.startswith("entry") for place in found)


async def test_entries_name_nobody(world: World, log: AuditChain) -> None:
    """A receipt may be made of anything an author has at hand, also of a phone number."""
    text = await world.value("SELECT string_agg(l::text, ' ') FROM whatsapp_audit_logs l")
    assert "98000" not in text
    assert '"receipt"' in text


async def test_the_server_may_only_add(world: World, log: AuditChain) -> None:
    for statement in ("UPDATE audit_seals SET chain = ''", "DELETE FROM audit_seals", "DELETE FROM audit_heads"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(statement)
