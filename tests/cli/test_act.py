"""`bot act` and `bot staff invite`."""

import asyncio
import json
import re
from datetime import date
from pathlib import Path

from bot.operations.example import seed
from bot.operations.people import code_hash
from storage.crypto import Vault
from storage.postgres import Postgres
from tests.cli.conftest import Run
from tests.storage.support import build_world

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def test_the_desks_work_can_be_done_from_the_command_line(dsn: str, vault: Vault, bot: Run) -> None:
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")
    async with database.tenant(world.tenant) as db:
        await seed(db, world.tenant, guide=None, today=date(2026, 12, 1))
        person = await db.fetchval("INSERT INTO contacts (tenant_id, name) VALUES ($1, 'Maya') RETURNING contact_id",
                                   world.tenant)  # fmt: skip

    async def act(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(bot, "act", *arguments, BOT_DATABASE_URL=dsn, BOT_SECRET_KEY=KEY)
        return done.returncode, done.stdout, done.stderr

    code, shown, told = await act("leads.create", "trek=1", "people=2", f"contact={person}", "--role", "sales")
    assert code == 0, told
    assert json.loads(shown)["code"] == "LEAD1"
    items = '[{"description": "Everest", "quantity": "2", "unit_price": "1450"}]'
    code, shown, told = await act("quotes.draft", "lead=LEAD1", f"items={items}")
    assert (code, json.loads(shown)["total"]) == (0, "2900.00"), told
    code, _, told = await act("quotes.draft", "lead=LEAD1", "--role", "field_staff")
    assert (code, "[forbidden]" in told) == (1, True)
    for wrong in (("quotes.fly",), ("quotes.send", "QUO1"), ("quotes.send",), ("quotes.draft", "lead=1", "items=[")):
        code, _, told = await act(*wrong)
        assert (code, "Traceback" in told) == (2, False), wrong
    async with database.tenant(world.tenant) as db:
        rows = await db.fetch("SELECT actor, action FROM whatsapp_audit_logs ORDER BY audit_id")
    assert [tuple(row) for row in rows] == [("cli", "leads.create"), ("cli", "quotes.draft")]
    await database.close()


async def test_an_invitation_shows_its_code_once(dsn: str, bot: Run, tmp_path: Path) -> None:
    settings = {
        "BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": KEY, "WHATSAPP_PROVIDER": "meta",
        "WHATSAPP_PHONE_NUMBER": "+15550100200", "WHATSAPP_WEBHOOK_SECRET": "fixture-app-secret",
        "WHATSAPP_VERIFY_TOKEN": "fixture-verify", "WHATSAPP_ACCESS_TOKEN": "fixture-token",
        "WHATSAPP_PHONE_NUMBER_ID": "700800900100200", "WHATSAPP_BUSINESS_ACCOUNT_ID": "900100200300400",
    }  # fmt: skip
    done = await asyncio.to_thread(bot, "staff", "invite", "field_staff", "sales", "--name", "Pasang", **settings)
    assert done.returncode == 0, done.stderr
    code = re.search(r"JOIN ([0-9A-Z]{5}-[0-9A-Z]{5})", done.stdout)
    assert code is not None, done.stdout
    database = await Postgres.connect(dsn, size=1)
    async with database.connection() as db:
        tenants = [row["tenant_id"] for row in await db.fetch("SELECT * FROM channels()")]
    async with database.tenant(tenants[0]) as db:
        row = await db.fetchrow("SELECT code_hash, roles, status FROM staff_invites")
    assert row is not None
    assert (row["code_hash"], row["roles"], row["status"]) == (
        code_hash(tenants[0], code[1]), ["field_staff", "sales"], "OPEN",
    )  # fmt: skip
    wrong = await asyncio.to_thread(bot, "staff", "add", "hello", "sales", **settings)
    assert (wrong.returncode, "is not a phone number" in wrong.stderr) == (2, True)
    await database.close()
