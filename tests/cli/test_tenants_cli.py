"""`bot tenants`: businesses are added, shown, changed and disabled, and no secret is ever seen."""

import asyncio
from pathlib import Path

import pytest

from bot.cli.tenant import load_serving_settings, load_tenant_settings
from bot.core.errors import ConfigError
from bot.tenancy import OWN, PER_NUMBER, PER_TENANT, SEALED, SECRETS, folder_of, read_assignments, read_secrets
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.tenants import TenantStore
from tests.cli.conftest import Run

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HOOK, TOKEN, OTHER = "canary-hook-secret", "canary-api-key-77", "canary-second-hook"
ADD = (
    "tenants", "add", "acme", "WHATSAPP_PHONE_NUMBER_ID=700800900", "BOT_CHANNEL_RATE=20", "--provider", "360dialog",
    "--number", "+15550100777", "--name", "Acme Treks", "--language", "es", "--timezone", "Asia/Kathmandu",
    "--reach", "500",
)  # fmt: skip
SECRETS_FILE = f"# from 360dialog\nWHATSAPP_WEBHOOK_SECRET={HOOK}\n\nWHATSAPP_ACCESS_TOKEN='{TOKEN}'\n"


async def test_a_tenant_from_its_beginning_to_its_end(
    dsn: str, vault: Vault, bot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Postgres.connect(dsn, size=1)
    store = TenantStore(database, vault)
    told: list[str] = []

    async def command(*arguments: str, said: str = "", ends: int = 0) -> str:
        given = {"BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": KEY}
        done = await asyncio.to_thread(bot, *arguments, said=said, **given)
        told.append(done.stdout + done.stderr)
        assert done.returncode == ends, told[-1]
        return told[-1]

    (tmp_path / "secrets.env").write_text(SECRETS_FILE, encoding="utf-8")
    assert "WHATSAPP_WEBHOOK_SECRET" in await command(*ADD, ends=2), "which nobody can be asked for here"
    await command(*ADD, "--secrets", "secrets.env")
    stored = await store.find("acme")
    assert stored is not None
    (number,) = stored.numbers
    assert (stored.name, stored.language, stored.timezone) == ("Acme Treks", "es", "Asia/Kathmandu")
    assert number.sealed == {"whatsapp_webhook_secret": HOOK, "whatsapp_access_token": TOKEN}
    assert (number.settings["bot_channel_rate"], number.reach_quota) == ("20", 500)
    async with database.tenant(stored.state.tenant_id) as db:
        kept = await db.fetchrow("SELECT settings::text, secrets FROM whatsapp_configurations")
        audit = await db.fetch("SELECT action FROM whatsapp_audit_logs")
    assert HOOK not in kept["settings"]
    assert HOOK.encode() not in kept["secrets"]
    assert [row["action"] for row in audit] == ["tenants.added"]

    await command("tenants", "rotate-secret", "acme", "WHATSAPP_WEBHOOK_SECRET", "--from", "-", said=f"{OTHER}\n")
    await command("tenants", "set", "acme", "BOT_CHANNEL_RATE=", "BOT_PAIR_BURST=7", "--name", "Acme")
    await command("tenants", "disable", "acme")
    shown = await command("tenants", "show", "acme") + await command("tenants", "list")
    for words in ("Acme", "disabled", "+15550100777", "BOT_PAIR_BURST", "and 1 that counts as well", "700800900"):
        assert words in shown
    assert "BOT_CHANNEL_RATE" not in shown
    stored = await store.find("acme")
    assert stored is not None
    assert stored.numbers[0].sealed == {
        "whatsapp_webhook_secret": f"{OTHER},{HOOK}", "whatsapp_access_token": TOKEN
    }  # fmt: skip
    assert not stored.state.active
    await command("tenants", "enable", "acme")

    refused = await command("tenants", "set", "acme", f"WHATSAPP_ACCESS_TOKEN={TOKEN}", ends=2)
    assert "does not belong on a command line" in refused
    assert "is malformed" in await command("tenants", "set", "acme", "BOT_CHANNEL_RATE=fast", ends=2)
    assert "not a folder below" in await command("tenants", "set", "acme", "BOT_CONTENT_DIR=../etc", ends=2)
    assert "There is no tenant nobody" in await command("tenants", "show", "nobody", ends=2)
    assert not any(secret in text for secret in (HOOK, TOKEN, OTHER) for text in told)

    for name, value in {"BOT_DATABASE_URL": dsn, "BOT_SECRET_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    serving = await asyncio.to_thread(load_serving_settings)
    assert (serving.bot_tenant, serving.whatsapp_phone_number) == ("acme", "+15550100777")
    with pytest.raises(ConfigError, match="WHATSAPP_PROVIDER"):
        await asyncio.to_thread(load_tenant_settings)
    monkeypatch.setenv("BOT_TENANT", "acme")
    monkeypatch.setenv("WHATSAPP_PHONE_NUMBER", "+15550100200")
    named = await asyncio.to_thread(load_tenant_settings)
    assert (named.whatsapp_phone_number, named.webhook_secrets) == ("+15550100777", (OTHER, HOOK))
    await database.close()


def test_every_setting_is_the_deployments_or_a_tenants() -> None:
    assert SECRETS <= SEALED <= PER_NUMBER
    assert not PER_NUMBER & PER_TENANT
    assert {name for name in OWN if name.startswith("bot_s3")} == set(), "nobody brings a store of their own"


@pytest.mark.parametrize("word", ["x", "BOT_HOST=0.0.0.0", "BOT_SECRET_KEY=canary", "TWILIO_AUTH_TOKEN=canary"])
def test_what_a_tenant_may_not_have_is_refused_without_showing_it(word: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_assignments([word])
    assert "canary" not in str(refusal.value.problems)


def test_lines_that_are_no_secrets_are_refused_without_showing_them() -> None:
    with pytest.raises(ConfigError) as refusal:
        read_secrets("WHATSAPP_ACCESS_TOKEN=canary\nBOT_SECRET_KEY=canary\ncanary\n")
    assert len(refusal.value.problems) == 2
    assert "canary" not in str(refusal.value.problems)


@pytest.mark.parametrize("name", ["/etc", "..", "a/../../b", ".", "missing"])
def test_a_content_folder_lies_below_the_tenants_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.config import DatabaseSettings

    (tmp_path / "tenants" / "acme" / "flows").mkdir(parents=True)
    (tmp_path / "flows").mkdir()
    settings = DatabaseSettings(_env_file=None, bot_tenants_dir=tmp_path / "tenants")
    assert folder_of(settings, "acme") == tmp_path / "tenants" / "acme"
    with pytest.raises(ConfigError):
        folder_of(settings, name)
