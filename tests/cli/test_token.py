"""`bot token create|list|revoke`."""

import asyncio
from pathlib import Path

from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.tokens import find_token
from tests.cli.conftest import Run
from tests.conftest import EPOCH
from tests.storage.support import build_world

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def test_a_token_is_shown_once_and_can_be_ended(dsn: str, vault: Vault, bot: Run, tmp_path: Path) -> None:
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")

    async def command(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(bot, "token", *arguments, BOT_DATABASE_URL=dsn, BOT_SECRET_KEY=KEY)
        return done.returncode, done.stdout, done.stderr

    async def found(text: str) -> str | None:
        async with database.tenant(world.tenant) as db:
            token = await find_token(db, vault, world.tenant, text, EPOCH)
        return token.role if token else None

    code, shown, told = await command("create", "Web site", "sales", "--scope", "*:read", "--scope", "leads:write")
    assert (code, "not shown again" in told) == (0, True), told
    text = shown.strip()
    assert await found(text) == "sales"
    _, listed, _ = await command("list")
    assert "Web site" in listed
    assert text not in listed
    code, _, told = await command("create", "x", "sales", "--scope", "leads:eat")
    assert (code, "leads:eat" in told) == (2, True)
    number = text.split("_")[2]
    assert (await command("revoke", number))[0] == 0
    assert await found(text) is None
    assert (await command("revoke", number))[0] == 2
    await database.close()
