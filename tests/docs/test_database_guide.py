"""The SQL of docs/operations.md, run as it stands there but for names: roles, backup and restore, retention."""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from pages import ROOT, section
from pydantic import SecretStr

from bot.config import DatabaseSettings
from bot.core.errors import StorageError
from bot.runtime.foundation import Foundation
from bot.runtime.opening import open_foundation
from storage.base import Person
from storage.embedded import EmbeddedPostgres, binary
from storage.migrations import upgrade
from storage.postgres import Upkeep, grant_role
from tests.conftest import EPOCH

GUIDE = ROOT / "docs" / "operations.md"


def statements(title: str) -> list[str]:
    """The SQL a section shows, with names that disturb no other test."""
    found = [block.text for block in section(GUIDE, title).fences if block.language == "sql"]
    return [part.replace("DATABASE sirdar ", "DATABASE guide ") for part in found]


@pytest.fixture
async def new_cluster() -> AsyncIterator[EmbeddedPostgres]:
    """A server nobody has used: roles belong to all databases of a server, and here they are made by the guide."""
    data_dir = Path(tempfile.mkdtemp(prefix="sirdar-guide-"))  # not pytest's: PostgreSQL may run as somebody else
    async with await EmbeddedPostgres.start(data_dir, settings={"fsync": "off"}) as server:
        yield server
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
async def admin(new_cluster: EmbeddedPostgres) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Its superuser."""
    connection = await asyncpg.connect(new_cluster.dsn("postgres"))
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Foundation]:
    """The database as a server with this login opens it."""
    key = SecretStr(base64.b64encode(bytes(32)).decode())
    async with open_foundation(DatabaseSettings(bot_database_url=SecretStr(dsn), bot_secret_key=key)) as foundation:
        yield foundation


async def run(dsn: str, *parts: str) -> None:
    connection = await asyncpg.connect(dsn)
    for part in parts:
        await connection.execute(part)
    await connection.close()


async def test_the_roles_of_the_guide_upgrade_serve_back_up_and_restore(
    new_cluster: EmbeddedPostgres, admin: "asyncpg.Connection[asyncpg.Record]", tmp_path: object
) -> None:
    make, let_in = statements("PostgreSQL")
    for statement in filter(None, map(str.strip, make.split(";"))):
        await admin.execute(statement)  # CREATE DATABASE wants to be alone
    assert await upgrade(new_cluster.dsn("guide", "sirdar_owner"))
    await run(new_cluster.dsn("guide"), let_in)

    async with opened(new_cluster.dsn("guide", "sirdar_app")) as served:
        upkeep = Upkeep(served.database)
        assert await upkeep.ensure_partitions(EPOCH) > 0
        channel = await upkeep.register_channel("shop", "Shop", "meta", "1", "+15550100200")
        person = Person(phone="+9779812345678", user_id=None, name="Asha")
        await grant_role(served.database, served.vault, channel, person, "sales")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with served.database.connection() as db:
                await db.execute("DROP TABLE leads")

    (backup,) = statements("Backups")
    await run(new_cluster.dsn("guide"), backup)
    dump = f"{tmp_path}/guide.dump"
    for user, allowed in (("sirdar_owner", False), ("sirdar_backup", True)):
        done = subprocess.run(
            [binary("pg_dump"), "-Fc", "-d", new_cluster.dsn("guide", user), "-f", dump],
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is allowed, done.stderr
    await admin.execute("CREATE DATABASE guide_restored OWNER sirdar_owner")
    subprocess.run([binary("pg_restore"), "-d", new_cluster.dsn("guide_restored"), dump], check=True)
    async with opened(new_cluster.dsn("guide_restored", "sirdar_app")) as restored:
        assert [one.address for one in await Upkeep(restored.database).channels()] == ["1"]
        async with restored.database.tenant(channel.tenant_id) as db:
            assert (
                restored.vault.decrypt(channel.tenant_id, await db.fetchval("SELECT phone FROM contacts"))
                == person.phone
            )


async def test_a_server_says_what_to_run_when_the_schema_is_not_its_own(cluster: EmbeddedPostgres) -> None:
    name = f"guide_empty_{os.getpid()}"
    superuser = await asyncpg.connect(cluster.dsn("postgres"))
    await superuser.execute(f"CREATE DATABASE {name}")
    try:
        with pytest.raises(StorageError, match="bot db upgrade"):
            async with opened(cluster.dsn(name)):
                pass
    finally:
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await superuser.close()


async def test_the_questions_for_dashboards_and_upgrades_run(dsn: str) -> None:
    for title in ("Monitoring", "Upgrading"):
        await run(dsn, *statements(title))
