"""`bot webhooks add|list|remove|replay`."""

import asyncio

from storage.crypto import Vault
from storage.postgres import Postgres
from tests.cli.conftest import Run
from tests.conftest import EPOCH
from tests.storage.support import build_world

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def test_who_is_told_is_added_listed_and_removed(dsn: str, vault: Vault, bot: Run) -> None:
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")

    async def command(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(bot, "webhooks", *arguments, BOT_DATABASE_URL=dsn, BOT_SECRET_KEY=KEY)
        return done.returncode, done.stdout + done.stderr

    code, told = await command("add", "https://tms.example/hook", "--action", "LEAD_CREATED")
    assert (code, "not shown again" in told) == (0, True), told
    secret = told.split()[-1]
    stored = await world.value("SELECT secret FROM webhook_endpoints")
    assert vault.unseal(world.tenant, stored) in (secret.encode(), told.split()[0].encode())
    assert (await command("add", "http://tms.example/hook"))[0] == 2
    code, told = await command("add", "https://me:pass-word@tms.example/hook")
    assert (code, "pass-word" in told) == (2, False), told
    assert (await command("add", "https://tms.example/hook", "--action", "lead created"))[0] == 2
    await world.rows(
        """INSERT INTO outside_jobs (tenant_id, kind, lane, state, due_at, created_at, last_error)
           VALUES ($1, 'call', 'x', 'DEAD', $2, $2, 'HTTP 503')""",
        world.tenant, EPOCH,
    )  # fmt: skip
    _, listed = await command("list")
    assert "tms.example" in listed
    assert "HTTP 503" in listed
    assert "1 will be tried again" in (await command("replay"))[1]
    assert (await command("remove", "1"))[0] == 0
    assert (await command("remove", "1"))[0] == 2
    await database.close()
