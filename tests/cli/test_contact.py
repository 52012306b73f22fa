"""`bot contact export` and `bot contact erase`."""

import asyncio
import json
from pathlib import Path

from storage.base import Person
from storage.crypto import Vault
from storage.postgres import Postgres
from tests.cli.conftest import Run
from tests.storage.support import build_world, message

PHONE, NAME, WORDS = "+9779800077123", "Quirina Voss", "a canary of words"


async def test_a_person_is_handed_out_and_then_erased(dsn: str, vault: Vault, bot: Run, tmp_path: Path) -> None:
    settings = {
        "BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "WHATSAPP_PROVIDER": "meta", "WHATSAPP_PHONE_NUMBER": "+15550100200", "WHATSAPP_PHONE_NUMBER_ID": "1",
        "WHATSAPP_WEBHOOK_SECRET": "x" * 16, "WHATSAPP_VERIFY_TOKEN": "x" * 16, "WHATSAPP_ACCESS_TOKEN": "x" * 16,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": "2",
    }  # fmt: skip
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")
    await world.intake.accept([message(world.channel, WORDS, sender=Person(phone=PHONE, user_id=None, name=NAME))])

    async def contact(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(bot, "contact", *arguments, **settings)
        return done.returncode, done.stdout, done.stderr

    code, shown, told = await contact("export", PHONE)
    assert code == 0, told
    document = json.loads(shown)
    assert (document["person"]["phones"], document["person"]["names"]) == ([PHONE], [NAME])
    assert document["whatsapp_messages"][0]["content"]["body"] == WORDS
    code, _, told = await contact("export", str(document["person"]["contacts"][0]), "--to", str(tmp_path / "it.json"))
    assert code == 0, told
    assert json.loads((tmp_path / "it.json").read_text()) == document
    assert (tmp_path / "it.json").stat().st_mode & 0o077 == 0
    code, _, told = await contact("erase", PHONE)
    assert (code, "--yes" in told) == (2, True), told
    code, shown, told = await contact("erase", PHONE, "--yes")
    assert (code, "Erased" in shown) == (0, True), told
    code, shown, told = await contact("export", PHONE)
    assert code != 0
    assert "There is nobody with this number." in told
    assert PHONE not in shown + told
    await database.close()


async def test_two_contacts_become_one_and_two_again(dsn: str, vault: Vault, bot: Run) -> None:
    """By staff, and by what WhatsApp told: each is listed, and each can be undone."""
    settings = {
        "BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "WHATSAPP_PROVIDER": "meta", "WHATSAPP_PHONE_NUMBER": "+15550100200", "WHATSAPP_PHONE_NUMBER_ID": "1",
        "WHATSAPP_WEBHOOK_SECRET": "x" * 16, "WHATSAPP_VERIFY_TOKEN": "x" * 16, "WHATSAPP_ACCESS_TOKEN": "x" * 16,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": "2",
    }  # fmt: skip
    database = await Postgres.connect(dsn, size=1)
    world = await build_world(database, vault, slug="default")
    for who in (Person(phone=PHONE, user_id=None, name="A"), Person(phone=None, user_id="NP.1", name="B"),
                Person(phone="+9779800077124", user_id=None, name="C")):  # fmt: skip
        await world.intake.accept([message(world.channel, WORDS, sender=who)])
    await world.intake.accept([message(world.channel, WORDS, sender=Person(phone=PHONE, user_id="NP.1", name="A"))])

    async def contact(*arguments: str) -> str:
        done = await asyncio.to_thread(bot, "contact", *arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "bot contact unmerge 2" in await contact("merge", PHONE, "+9779800077124")
    shown = await contact("merges")
    assert [word in shown for word in ("provider", "cli", "undone")] == [True, True, False]
    for merge in ("2", "1"):
        assert "are two people again" in await contact("unmerge", merge)
    assert (await contact("merges")).count("undone") == 2
    assert await world.value("SELECT count(*) FROM contacts WHERE merged_into IS NOT NULL") == 0
    await database.close()
