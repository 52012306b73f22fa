"""What a tenant may have of its own, and the settings it has when its own are laid over the deployment's.

Settings of stored tenants have the names they have in the environment. Nothing a tenant has of its own is ever taken
from the environment: that belongs to the tenant that BOT_TENANT names.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from bot.config import DatabaseSettings, Settings, load_settings
from bot.core.errors import ConfigError

SECRETS = frozenset({"whatsapp_webhook_secret", "whatsapp_verify_token", "whatsapp_access_token", "twilio_auth_token"})
"""Never shown, never taken from a command line."""

SEALED = SECRETS | {"whatsapp_api_base_url"}
"""Kept encrypted: the secrets, and where they are sent to, which nobody may change who cannot read them."""

PER_NUMBER = SEALED | {
    "whatsapp_provider",
    "whatsapp_phone_number",
    "whatsapp_phone_number_id",
    "whatsapp_business_account_id",
    "whatsapp_api_version",
    "whatsapp_webhook_header",
    "whatsapp_window_template",
    "twilio_account_sid",
    "twilio_messaging_service_sid",
    "bot_read_marks",
    "bot_channel_rate",
    "bot_pair_interval",
    "bot_pair_burst",
    "bot_send_concurrency",
}
"""What each number of a tenant has for itself."""

PER_TENANT = frozenset(
    {
        "bot_content_dir",
        "bot_payment_gateway",
        "bot_api_rate",
        "bot_api_burst",
        "bot_tenant_rate",
        "bot_conversation_idle_hours",
        "whatsapp_enable_media",
        "whatsapp_enable_templates",
        "whatsapp_message_retention_days",
    }
)
"""What a tenant has for all of its numbers."""

OWN = PER_NUMBER | PER_TENANT

RETENTION = "whatsapp_message_retention_days"

SEVERAL = frozenset({"whatsapp_webhook_secret", "twilio_auth_token"})
"""Secrets of which several may count for a while, so that replacing one loses no message."""

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
RESERVED = frozenset({"status"})
"""No tenant's name: it is part of an address of ours."""


def settings_of(
    base: Settings | None, slug: str, *, tenant: Mapping[str, str], number: Mapping[str, str], sealed: Mapping[str, str]
) -> Settings:
    """The settings with which a tenant's number is served.

    Args:
        base: The deployment's; None: the environment's.
        slug: Whose.
        tenant: What the tenant has of its own, by name in lower case.
        number: What the number has.
        sealed: Its secrets.

    Raises:
        ConfigError: Lists what is missing, malformed, or not for a tenant to have. Shows no value.
    """
    given = {**tenant, **number, **sealed}
    if wrong := sorted(given.keys() - OWN):
        raise ConfigError([f"{name.upper()} is not a setting that a tenant has of its own." for name in wrong])
    fields = Settings.model_fields
    values = {name: fields[name].default for name in OWN - SECRETS if not fields[name].is_required()}
    values |= dict.fromkeys(SECRETS, "") | given
    del values["bot_content_dir"]
    if base is not None:
        values |= {name: getattr(base, name) for name in fields if name not in OWN}
        values["bot_content_dir"] = folder_of(base, tenant.get("bot_content_dir", ""))
        if RETENTION not in tenant:
            values[RETENTION] = getattr(base, RETENTION)  # a promise about the whole database, unless one is made
        if tenant.get("bot_content_dir"):
            values["bot_actions"] = None  # its own, if its folder has any
    return load_settings(**{**values, "bot_tenant": slug})


def folder_of(base: DatabaseSettings, name: str) -> Path | None:
    """The content folder of a tenant: one below BOT_TENANTS_DIR, or the deployment's when it has none.

    Content brings code of its own (actions.py), so the database never names a folder elsewhere.

    Raises:
        ConfigError: There is none, or the name leads elsewhere.
    """
    if not name:
        return base.bot_content_dir
    parts = PurePosixPath(name).parts
    root = base.bot_tenants_dir.resolve()
    folder = root.joinpath(*parts).resolve()
    if PurePosixPath(name).is_absolute() or ".." in parts or not folder.is_relative_to(root) or folder == root:
        raise ConfigError([f"BOT_CONTENT_DIR={name} is not a folder below BOT_TENANTS_DIR ({base.bot_tenants_dir})."])
    if not (folder / "flows").is_dir():
        raise ConfigError([f"BOT_CONTENT_DIR={name}: there is no folder {base.bot_tenants_dir / name / 'flows'}."])
    return folder


def read_assignments(words: Iterable[str]) -> dict[str, str]:
    """Settings written NAME=value, by name in lower case; an empty value takes one away.

    Raises:
        ConfigError: Something is written otherwise, is not a tenant's, or is a secret. Shows no value.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        key = name.strip().lower()
        if not equals:
            problems.append(f"{name[:40]}: write NAME=value, like BOT_CHANNEL_RATE=20.")
        elif key in SECRETS:
            problems.append(
                f"{name.upper()} is a secret and does not belong on a command line, where others can read it: "
                "use --secrets FILE, or let it be asked for."
            )
        elif key not in OWN:
            problems.append(f"{name.upper()[:40]} is not a setting that a tenant has of its own.")
        else:
            found[key] = value.strip()
    if problems:
        raise ConfigError(problems)
    return found


def read_secrets(text: str) -> dict[str, str]:
    """Secrets as they stand in a file: NAME=value, a line each; empty lines and comments are left out.

    Raises:
        ConfigError: A line is something else. Shows no value.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        key = name.strip().lower()
        if not equals or key not in SECRETS:
            problems.append(f"Line {number} of the secrets is not NAME=value of {', '.join(names_of(SECRETS))}.")
        else:
            found[key] = value.strip().strip("\"'")
    if problems:
        raise ConfigError(problems)
    return found


def names_of(keys: Iterable[str]) -> list[str]:
    """Settings as they are called in the environment."""
    return [key.upper() for key in sorted(keys)]
