"""The server starts only with settings that make sense, and says everything that is wrong at once."""

from pathlib import Path

import pytest

from bot.config import (
    Settings,
    chosen_provider,
    load_database_settings,
    load_settings,
    names_given,
    unknown_settings,
)
from bot.core.errors import ConfigError
from bot.runtime.carriers import make_provider

GOOD = {
    "WHATSAPP_PROVIDER": "meta",
    "WHATSAPP_PHONE_NUMBER": "+15550100200",
    "WHATSAPP_WEBHOOK_SECRET": "fixture-app-secret-0001",
    "WHATSAPP_VERIFY_TOKEN": "fixture-verify-token",
    "WHATSAPP_ACCESS_TOKEN": "fixture-access-token",
    "WHATSAPP_PHONE_NUMBER_ID": "700800900100200",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "900100200300400",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**GOOD, **changes}.items():
        monkeypatch.setenv(name, value)


def test_the_names_of_the_guide_work(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    settings = load_settings()
    assert settings.whatsapp_api_base_url == ""
    assert settings.whatsapp_message_retention_days == 90
    assert settings.whatsapp_enable_media
    assert settings.whatsapp_enable_templates
    assert settings.bot_database_url is None


def test_dotenv_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [f"{name}={value}" for name, value in {**GOOD, "BOT_PORT": "9000", "BOT_HOST": "0.0.0.0"}.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("BOT_PORT", "9001")
    settings = load_settings()
    assert (settings.bot_host, settings.bot_port) == ("0.0.0.0", 9001)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b'BOT_PORT=9000\nWHATSAPP_ACCESS_TOKEN="never shown\n', "Line 2 of .env cannot be read"),
        (b"BOT_PORT=9000\nnever shown\n\nBOT_HOST=::\n= never shown\n", "Lines 2, 5 of .env cannot be read"),
        (b"BOT_PORT=9000\nBOT_TENANT=caf\xe9\n", ".env is not written in UTF-8."),
    ],
)
def test_a_line_of_dotenv_that_makes_no_sense_is_named(tmp_path: Path, written: bytes, told: str) -> None:
    (tmp_path / ".env").write_bytes(written)
    for read in (load_settings, load_database_settings, names_given, chosen_provider, unknown_settings):
        with pytest.raises(ConfigError) as caught:
            read()  # type: ignore[operator]
        assert str(caught.value).startswith(told)
        assert "never shown" not in str(caught.value)


def test_a_dotenv_that_may_not_be_read_is_no_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BOT_PORT=9000\n", encoding="utf-8")

    def refuse(self: Path, *_: object, **__: object) -> None:  # root may read everything
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"\.env cannot be read \(Permission denied\)"):
        load_database_settings()


def test_names_that_nobody_reads_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WHATSAP_PROVIDER=meta\nBOT_PRT=1\nDJANGO_SETTINGS=x\n", encoding="utf-8")
    monkeypatch.setenv("BOT_COLOUR", "red")
    expected = {"BOT_COLOUR": "", "BOT_PRT": "BOT_PORT", "WHATSAP_PROVIDER": "WHATSAPP_PROVIDER"}
    assert unknown_settings() == expected


def test_a_dotenv_of_windows_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfBOT_TENANT=himal\r\nBOT_LOG_LEVEL=debug\r\n")
    settings = load_database_settings()
    assert (settings.bot_tenant, settings.bot_log_level) == ("himal", "debug")


def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings()
    told = "\n".join(caught.value.problems)
    assert [problem.split()[0] for problem in caught.value.problems] == list(GOOD)
    assert "WHATSAPP_WEBHOOK_SECRET is missing: Meta: App settings" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHATSAPP_PHONE_NUMBER", "15550100200"),
        ("WHATSAPP_PHONE_NUMBER", "+1555 0100200"),
        ("WHATSAPP_PHONE_NUMBER_ID", "my-number"),
        ("WHATSAPP_WEBHOOK_SECRET", "short"),
        ("WHATSAPP_VERIFY_TOKEN", " padded-token "),
        ("WHATSAPP_API_BASE_URL", "graph.facebook.com"),
        ("WHATSAPP_API_VERSION", "25"),
        ("WHATSAPP_MESSAGE_RETENTION_DAYS", "0"),
        ("WHATSAPP_PROVIDER", "telegram"),
        ("BOT_PORT", "65536"),
        ("BOT_TENANT", "Two Words"),
    ],
)
def test_malformed_values_are_refused_by_name_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given(monkeypatch, **{name: value})
    with pytest.raises(ConfigError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} is malformed")
    if "SECRET" in name or "TOKEN" in name:
        assert value not in problem


def test_what_is_malformed_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WHATSAPP_MESSAGE_RETENTION_DAYS="ninety", WHATSAPP_VERIFY_TOKEN="short")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    told = " ".join(caught.value.problems)
    assert "RETENTION_DAYS is malformed (it should be a whole number)" in told
    assert "VERIFY_TOKEN is malformed (has fewer than 8 characters)" in told


def test_an_empty_secret_is_a_missing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no way to switch the signature check off."""
    given(monkeypatch, WHATSAPP_WEBHOOK_SECRET="")
    with pytest.raises(ConfigError, match="WHATSAPP_WEBHOOK_SECRET is missing"):
        load_settings()


def test_a_shared_database_needs_a_shared_key(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, BOT_DATABASE_URL="postgresql://localhost/sirdar")
    with pytest.raises(ConfigError, match="BOT_SECRET_KEY is missing"):
        load_settings()


NEEDED = {
    "twilio": {
        "TWILIO_ACCOUNT_SID": "AC0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
        "TWILIO_AUTH_TOKEN": "fixture-auth-token-0001",
        "BOT_PUBLIC_URL": "https://bot.example.com",
    },
    "360dialog": {
        "WHATSAPP_WEBHOOK_SECRET": "fixture-shared-secret",
        "WHATSAPP_ACCESS_TOKEN": "fixture-api-key",
        "WHATSAPP_PHONE_NUMBER_ID": "700800900100200",
    },
}


@pytest.mark.parametrize("provider", NEEDED)
def test_each_provider_asks_for_what_it_needs_and_no_more(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    monkeypatch.setenv("WHATSAPP_PROVIDER", provider)
    monkeypatch.setenv("WHATSAPP_PHONE_NUMBER", "+15550100200")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert {problem.split()[0] for problem in caught.value.problems} == set(NEEDED[provider])
    for name, value in NEEDED[provider].items():
        monkeypatch.setenv(name, value)
    made = make_provider(load_settings())
    assert made.name == provider


def test_secrets_may_be_several_while_they_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, TWILIO_AUTH_TOKEN="new-token-0001, old-token-0001")
    settings = load_settings()
    assert settings.twilio_auth_tokens == ("new-token-0001", "old-token-0001")
    assert settings.address == "700800900100200"


def test_secrets_can_be_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, WHATSAPP_WEBHOOK_SECRET="new-secret-1, old-secret-1")
    assert load_settings().webhook_secrets == ("new-secret-1", "old-secret-1")


def test_nothing_secret_is_in_a_printed_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    shown = repr(load_settings())
    for name in ("WHATSAPP_WEBHOOK_SECRET", "WHATSAPP_VERIFY_TOKEN", "WHATSAPP_ACCESS_TOKEN"):
        assert GOOD[name] not in shown


def test_commands_without_a_provider_need_no_settings() -> None:
    assert load_database_settings().bot_tenant == "default"
