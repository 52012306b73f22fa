"""`bot keys`: the key is replaced by a command that is killed again and again, under the feet of servers at work."""

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.cli.scratch import new_key, play_settings
from bot.cli.theatre import Theatre, perform
from bot.runtime.bootstrap import listen
from bot.runtime.keys import KeyKeeper
from bot.runtime.opening import open_foundation
from storage.base import Unread
from storage.crypto import Vault, number_of, parse_secrets, secrets_in
from storage.postgres import Directory, Postgres, PostgresIntake
from storage.postgres.audit import AuditChain, Finding
from storage.postgres.keys import open_ring
from storage.postgres.sealed import SEALED
from tests.cli.conftest import BOT, PHONE_PORT, REPOSITORY, Quiet, Run
from tests.storage.support import message, owner, person

GUIDE = "+9779800000001"
PLACES = ("introduced", "moved_to_CURRENT", "people", "messages", "contacts", "moved_to_LEAVING", "kept", "forget")


@pytest.fixture
def both() -> tuple[str, str]:
    return new_key(), new_key()


@pytest.fixture
async def busy(dsn: str, tmp_path: Path, both: tuple[str, str]) -> AsyncIterator[Theatre]:
    """Bot and phones, with two keys, of which the first is in force."""
    settings = play_settings(
        bot_database_url=dsn, bot_secret_key=",".join(both), bot_data_dir=tmp_path, bot_content_dir=REPOSITORY,
        bot_send_timeout=20,
    )  # fmt: skip
    async with perform(settings, Quiet(), PHONE_PORT, signals=False, drain_seconds=60) as running:
        yield running


async def bot_dies_sometimes(environment: dict[str, str], rng: random.Random) -> tuple[int, str]:
    """Rotate, killed at three random places first; how it ended, and how often it was killed."""
    killed = 0
    while True:
        place = f"keys.{rng.choice(PLACES)}=kill" if killed < 3 else ""
        child = await asyncio.create_subprocess_exec(
            *BOT, "keys", "rotate", env=environment | {"BOT_FAILPOINTS": place},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await child.communicate()
        if child.returncode != -9:
            return child.returncode or 0, told.decode()
        killed += 1


async def test_replacing_the_key_under_traffic(
    busy: Theatre, dsn: str, both: tuple[str, str], environment: dict[str, str]
) -> None:
    """Two servers hear the same messages of the same people: nobody is missed, nobody and nothing is there twice."""
    seed = int(os.environ.get("SIRDAR_SEED") or 7)
    rng, secrets = random.Random(seed), parse_secrets(",".join(both))
    pool = await Postgres.connect(dsn, size=4)
    vault = Vault((await open_ring(pool, secrets)).keys)
    keeper = KeyKeeper(database=pool, vault=vault, secrets=lambda: secrets, connect=partial(listen, dsn))
    follow = asyncio.create_task(keeper.run())
    directory = Directory(pool, vault)
    other = PostgresIntake(pool, vault, directory)
    channel = busy.system.channel
    people, heard, said = 0, 0, 0
    async with pool.tenant(channel.tenant_id) as db:
        before = await db.fetchval("SELECT count(*) FROM contacts")
    child = asyncio.create_task(
        bot_dies_sometimes(
            environment | {"BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": ",".join(both), "BOT_TENANT": "default"}, rng
        )
    )
    while not child.done():
        people += 1
        now = busy.system.clock()
        crowd = [people, rng.randint(1, people), rng.randint(1, people)]
        texts = [
            message(channel, sender=replace(person(1000 + n), user_id=f"NP.{n}"), wamid=f"w.{people}.{place}", at=now)
            for place, n in enumerate(crowd)
        ]
        whole = Unread(tenant_id=channel.tenant_id, kind="?", body=b"", received_at=now)
        await asyncio.gather(busy.system.intake.accept(texts, whole), other.accept(rng.sample(texts, 3)))
        heard += 3
        directory.forget()  # everybody is looked up each time
        if people % 10 == 0:
            await busy.emulator.say(GUIDE, f"ROLE {people}")
            said += 1
        await asyncio.sleep(0.02)
    code, told = await child
    assert (code, "Key 2 is in force" in told) == (0, True), f"seed {seed}: {told}"
    assert "remove key 1 of 2" in told
    await busy.emulator.settled()
    follow.cancel()
    await asyncio.gather(follow, return_exceptions=True)
    await pool.close()

    async with owner(dsn) as admin:
        once = "SELECT count(*) FROM whatsapp_messages WHERE direction = 'INBOUND'"
        assert await admin.fetchval(once) == heard + said, f"seed {seed}"
        assert await admin.fetchval("SELECT count(*) FROM contacts") == before + people, f"seed {seed}"
        for table, column in (("contact_identities", "identity"), ("message_keys", "key"), ("delivery_updates", "key")):
            rows = await admin.fetch(f"SELECT {column} AS entry FROM {table}")
            assert {number_of(row["entry"]) for row in rows} <= {2}, f"seed {seed}: {table}"
        # Every status that the provider told finds its message, also one that came in the middle of it.
        lost = "SELECT count(*) FROM whatsapp_messages WHERE status IN ('QUEUED', 'UNKNOWN', 'ACCEPTED')"
        async with asyncio.timeout(180):
            while await admin.fetchval(lost):
                await asyncio.sleep(0.1)
    await everything_is_readable(dsn, both[1], busy.system.settings.bot_data_dir, people)


async def everything_is_readable(dsn: str, key: str, folder: Path, people: int) -> None:
    """With the new key alone."""
    settings = play_settings(bot_database_url=dsn, bot_secret_key=key, bot_data_dir=folder)
    async with open_foundation(settings) as base:
        async with base.database.connection() as db:
            tenants = [row[0] for row in await db.fetch("SELECT * FROM all_tenants()")]
        phones = set()
        for tenant in tenants:
            async with base.database.tenant(tenant) as db:
                for one in SEALED:
                    for column in one.columns:
                        for row in await db.fetch(f"SELECT {column} AS sealed FROM {one.table}"):
                            if row["sealed"]:
                                phones.add(base.vault.unseal(tenant, row["sealed"]))
            found = [item async for item in AuditChain(base.database, base.vault).verify(tenant)]
            assert not [item for item in found if isinstance(item, Finding) and "no head" not in item.told]
        assert {(person(1000 + n).phone or "").encode() for n in range(1, people + 1)} <= phones


async def test_without_a_setting_the_key_is_made_and_found(bot: Run, dsn: str, tmp_path: Path) -> None:
    """In the data directory; the database here is one that is not embedded, which the setting would be needed for."""
    more = {"BOT_DATABASE_URL": dsn, "BOT_DATA_DIR": str(tmp_path / "data")}
    (first,) = secrets_in(tmp_path / "data")
    done = await asyncio.to_thread(partial(bot, "keys", "status", **more))
    assert done.returncode == 0, done.stderr
    assert re.search(r"1 +│ [\d-]+ │ [0-9a-f]{16} │ 1 +│ encrypts", done.stdout), done.stdout
    done = await asyncio.to_thread(partial(bot, "keys", "rotate", **more))
    assert (done.returncode, "Key 2 is in force" in done.stdout) == (0, True), done.stdout + done.stderr
    (second,) = secrets_in(tmp_path / "data")
    assert second != first
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    done = await asyncio.to_thread(partial(bot, "keys", "status", **more))
    assert "nothing is left of it" in done.stdout
    assert "0 servers" in done.stdout


async def test_a_wrong_key_is_refused_at_the_start(bot: Run, dsn: str, both: tuple[str, str]) -> None:
    more = {"BOT_DATABASE_URL": dsn}
    assert (await asyncio.to_thread(partial(bot, "keys", "status", BOT_SECRET_KEY=both[0], **more))).returncode == 0
    done = await asyncio.to_thread(partial(bot, "keys", "status", BOT_SECRET_KEY=both[1], **more))
    assert (done.returncode, "lacks key 1 of this database" in done.stderr) == (2, True), done.stderr
    assert both[0] not in done.stderr + done.stdout
    done = await asyncio.to_thread(partial(bot, "keys", "rotate", BOT_SECRET_KEY=both[0], **more))
    assert (done.returncode, "There is no next key" in done.stderr) == (2, True), done.stderr
    assert both[0] not in done.stderr
