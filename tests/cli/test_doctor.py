"""`bot doctor` finds what is wrong, and says what to do; it changes nothing."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from bot.cli.checkups import examine
from bot.cli.findings import Check
from bot.cli.theatre import Theatre
from bot.runtime.retention import CHORE
from tests.cli.conftest import KEPT, Run


@pytest.fixture
def settings(as_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of the running system; a test may change it."""
    monkeypatch.chdir(tmp_path)
    for name, value in as_environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
async def owner(dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection that may do what the server may not."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


Owner = "asyncpg.Connection[asyncpg.Record]"


async def found(group: str, name: str) -> Check:
    return next(check for check in await examine() if (check.group, check.name) == (group, name))


async def test_all_is_well(settings: pytest.MonkeyPatch) -> None:
    checks = await examine()
    assert [check for check in checks if check.verdict == "fail"] == []
    assert {check.group for check in checks} == {
        "Settings", "Files", "Content", "Database", "Queues", "Provider", "Server",
    }  # fmt: skip
    assert all(check.remedy for check in checks if check.verdict != "ok")


async def test_a_store_that_keeps_no_files(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (await found("Files", "store")).verdict == "ok"
    (tmp_path / "media").rename(tmp_path / "elsewhere")
    (tmp_path / "media").write_text("a file is in the way")
    check = await found("Files", "store")
    assert check.verdict == "fail"
    assert "BOT_MEDIA_STORE" in check.remedy
    settings.setenv("BOT_MEDIA_STORE", "s3://trips/media")
    settings.setenv("BOT_S3_ENDPOINT", "http://127.0.0.1:9")
    check = await found("Files", "store")
    assert (check.verdict, "does not answer" in check.told) == ("fail", True)


async def test_a_token_that_is_not_taken(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_ACCESS_TOKEN", "no longer valid")
    check = await found("Provider", "token")
    assert check.verdict == "fail"
    assert "code 190" in check.told
    assert check.remedy == "The access token has expired or was revoked. Make a new system-user token."


async def test_a_number_that_is_not_the_ids(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_PHONE_NUMBER", "+15550100999")
    assert (await found("Provider", "number")).verdict == "warn"


async def test_a_provider_and_a_server_that_do_not_answer(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_API_BASE_URL", "http://127.0.0.1:9")
    settings.setenv("BOT_PORT", "9")
    assert (await found("Provider", "reachable")).verdict == "fail"
    assert (await found("Server", "alive")).remedy == "Start it: bot serve"


async def test_a_server_with_another_verify_token(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_VERIFY_TOKEN", "another token")
    assert (await found("Server", "handshake")).told == "our verify token gets HTTP 403"
    assert (await found("Server", "signatures")).verdict == "ok"


async def test_settings_and_key_that_are_malformed(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_PHONE_NUMBER", "0155")
    settings.setenv("BOT_SECRET_KEY", "short")
    settings.delenv("WHATSAPP_VERIFY_TOKEN")
    checks = await examine()
    told = [check.told for check in checks if check.group == "Settings"]
    assert told[0].startswith("WHATSAPP_PHONE_NUMBER is malformed")
    assert told[1] == "WHATSAPP_VERIFY_TOKEN is missing: a text you choose and type into Meta's webhook form."
    assert told[2].startswith("BOT_SECRET_KEY must be 32 bytes in base64")
    assert (await found("Provider", "skipped")).verdict == "warn"
    assert (await found("Database", "schema")).verdict == "ok"  # what can be looked at is looked at


async def test_a_name_that_nobody_reads(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("WHATSAPP_ACCES_TOKEN", "typed wrong")
    check = await found("Settings", "unknown")
    assert (check.verdict, check.told) == ("warn", "nobody reads WHATSAPP_ACCES_TOKEN")
    assert check.remedy == "Did you mean WHATSAPP_ACCESS_TOKEN?"


async def test_a_table_without_isolation(settings: pytest.MonkeyPatch, owner: Owner) -> None:
    await owner.execute("ALTER TABLE leads NO FORCE ROW LEVEL SECURITY")
    assert (await found("Database", "isolation")).told == "row-level security is not forced on leads"


async def test_a_partition_that_is_not_there(settings: pytest.MonkeyPatch, owner: Owner) -> None:
    async with asyncio.timeout(60):  # the server makes partitions when it starts: not after we have dropped one
        while not await owner.fetchval("SELECT count(*) FROM chores WHERE name = $1 AND done_at IS NOT NULL", CHORE):
            await asyncio.sleep(0.05)
    name = f"turn_traces_{datetime.now(UTC):%Y_%m}"
    await owner.execute(f"DROP TABLE {name}")
    check = await found("Database", "partitions")
    assert (check.verdict, check.told) == ("warn", f"missing: {name}")


async def test_a_schema_that_is_behind(settings: pytest.MonkeyPatch, owner: Owner) -> None:
    await owner.execute("DELETE FROM migrations.alembic_version")
    check = await found("Database", "schema")
    assert (check.verdict, check.remedy) == ("fail", "Run: bot db upgrade")


async def test_what_piles_up(settings: pytest.MonkeyPatch, owner: Owner, theatre: Theatre) -> None:
    tenant, channel = theatre.system.channel.tenant_id, theatre.system.channel.channel_id
    theatre.stopping.set()
    await theatre.running
    now = datetime.now(UTC)
    await owner.execute(
        "INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)"
        " VALUES ($1, 1, $2, 'business', '{}', $2)",
        tenant,
        now - timedelta(minutes=10),
    )
    await owner.execute(
        "INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, state, due_at)"
        " VALUES ($1, 1, 1, $2, $3, 'UNKNOWN', $2)",
        tenant,
        now,
        channel,
    )
    await owner.execute(
        "INSERT INTO dead_letters VALUES ($1, 7, 1, 'timer', '{}', NULL, 5, 'EngineError: stuck', $2)", tenant, now
    )
    await owner.execute(
        "UPDATE whatsapp_configurations SET alarm = 'auth: code 190, expired', paused_until = $1",
        now + timedelta(hours=1),
    )
    checks = {check.name: check for check in await examine() if check.group == "Queues"}
    assert checks["inbox"].verdict == "fail"
    assert re.match(r"1 waiting, the oldest for 1\d min", checks["inbox"].told)
    assert checks["inbox"].remedy == "Is a worker running? bot serve --only worker"
    assert checks["outbox"].verdict == "ok"
    assert checks["unanswered"].verdict == "warn"
    assert checks["dead letter"].told == "event 7: EngineError: stuck"
    assert checks["channel"].verdict == "fail"
    assert checks["channel"].remedy == "The access token has expired or was revoked. Make a new system-user token."


async def test_the_command_itself(settings: pytest.MonkeyPatch, bot: Run, as_environment: dict[str, str]) -> None:
    done = await asyncio.to_thread(bot, "doctor", **as_environment)
    assert done.returncode == 0, done.stdout
    assert "  ✓ handshake   our verify token is taken\n" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(", 0 wrong.")
    done = await asyncio.to_thread(bot, "doctor", "--json", **(as_environment | {"BOT_PORT": "9"}))
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_without_any_settings_it_looks_at_the_rest(bot: Run, tmp_path: Path) -> None:
    done = bot("doctor", BOT_DATA_DIR=str(tmp_path / "var"))
    assert done.returncode == 1
    assert (
        "✗ complete    WHATSAPP_PROVIDER is missing: who carries our messages: meta, twilio or 360dialog.\n"
        in done.stdout
    )
    assert "✓ flows" in done.stdout
    assert "! there       there is none" in done.stdout
    assert not (tmp_path / "var").exists()


def test_tests_keep_little_of_the_environment() -> None:
    assert not any(name.startswith(("BOT_", "WHATSAPP_")) for name in KEPT)
