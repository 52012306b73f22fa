"""`bot audit verify`, as an operator runs it."""

import asyncio
import json
from pathlib import Path

import asyncpg

from bot.core.ids import TenantId
from storage.base import AuditEntry
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.audit import AuditChain, write_audit
from tests.cli.conftest import Run
from tests.conftest import EPOCH
from tests.storage.support import build_world

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def grow(dsn: str, vault: Vault) -> TenantId:
    """Register the tenant and write three entries."""
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")
    entries = [AuditEntry(at=EPOCH, actor="bot", action=f"a{n}", conversation_id=None, detail={}) for n in range(3)]
    async with database.tenant(world.tenant) as db:
        await write_audit(db, vault, world.tenant, entries)
    await database.close()
    return world.tenant


async def test_the_command_tells_by_its_exit_code(dsn: str, vault: Vault, bot: Run, tmp_path: Path) -> None:
    await grow(dsn, vault)
    anchor = tmp_path / "anchor.json"

    async def verify() -> tuple[int, str]:
        done = await asyncio.to_thread(
            bot, "audit", "verify", "--anchor", str(anchor), BOT_DATABASE_URL=dsn, BOT_SECRET_KEY=KEY
        )
        return done.returncode, done.stdout + done.stderr

    code, told = await verify()
    assert (code, "3 entries in 1 seals" in told) == (0, True), told
    assert json.loads(anchor.read_text())["default"]["seal"] == 1
    admin = await asyncpg.connect(dsn)
    await admin.execute("UPDATE whatsapp_audit_logs SET action = 'b' WHERE audit_id = 2")
    code, told = await verify()
    assert (code, "entry 2: It was changed" in told) == (1, True), told
    await admin.execute("DELETE FROM whatsapp_audit_logs; DELETE FROM audit_seals; DELETE FROM audit_heads")
    await grow(dsn, vault)
    code, told = await verify()
    assert (code, "not the one that was seen before" in told) == (1, True), told
    await admin.close()


async def test_a_chain_is_begun_before_anything_happens(dsn: str, vault: Vault) -> None:
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault)
    await AuditChain(database, vault).found(world.tenant)
    assert await world.value("SELECT seal_id FROM audit_heads") == 0
    await database.close()
