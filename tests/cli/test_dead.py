"""`bot dead list|retry`."""

import asyncio

from storage.crypto import Vault
from storage.postgres import Postgres
from tests.cli.conftest import Run
from tests.conftest import EPOCH
from tests.storage.support import build_world

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def test_what_was_put_aside_is_listed_and_tried_again(dsn: str, vault: Vault, bot: Run) -> None:
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")

    async def command(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(bot, "dead", *arguments, BOT_DATABASE_URL=dsn, BOT_SECRET_KEY=KEY)
        return done.returncode, done.stdout + done.stderr

    assert "Nothing was put aside" in (await command("list"))[1]
    await world.rows(
        """INSERT INTO dead_letters (tenant_id, event_id, conversation_id, kind, event, attempts, error, created_at)
           VALUES ($1, 7, 1, 'timer', '{}', 5, 'ValueError: no such thing', $2)""",
        world.tenant, EPOCH,
    )  # fmt: skip
    _, listed = await command("list")
    assert "ValueError" in listed
    code, told = await command("retry")
    assert (code, "Name events, or --all" in told) == (2, True), told
    code, told = await command("retry", "8")
    assert (code, "no such event: 8" in told) == (2, True), told
    assert "1 will be tried again" in (await command("retry", "7"))[1]
    assert await world.value("SELECT count(*) FROM dead_letters") == 0
    assert await world.value("SELECT kind FROM inbox") == "timer"
    assert await world.value("SELECT action FROM whatsapp_audit_logs ORDER BY audit_id DESC LIMIT 1") == (
        "dead_letters.retried"
    )
    await database.close()
