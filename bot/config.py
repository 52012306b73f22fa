"""Settings, from the environment and `.env`. Every one is described in docs/operations.md; a test compares."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.errors import ConfigError

WEBHOOK_PATH = "/api/whatsapp/webhook"
STATUS_PATH = f"{WEBHOOK_PATH}/status"
"""Where Twilio sends statuses, which it would otherwise mix with messages."""

REQUIRED = {
    "meta": (
        "whatsapp_webhook_secret",
        "whatsapp_verify_token",
        "whatsapp_access_token",
        "whatsapp_phone_number_id",
        "whatsapp_business_account_id",
    ),
    "twilio": ("twilio_account_sid", "twilio_auth_token", "bot_public_url"),
    "360dialog": ("whatsapp_webhook_secret", "whatsapp_access_token", "whatsapp_phone_number_id"),
}
"""What each provider needs besides the number."""

_LEAST_SECRET = 8
_NO_SECRET = SecretStr("")
_PHONE = r"^\+[1-9]\d{6,14}$"  # E.164: at most 15 digits
_URL_OR_NONE = r"^(https?://[^\s/]+\S*)?$"
_HOSTS = r"^([A-Za-z0-9.-]+:\d{1,5}(\s*,\s*[A-Za-z0-9.-]+:\d{1,5})*)?$"
_BUCKET = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]{1,200})?)?$"
_DIGITS = r"^\d{0,32}$"
_OURS = ("WHATSAPP_", "TWILIO_", "BOT_")
_ELSEWHERE = frozenset({"BOT_FAILPOINTS"})
"""Names that are read elsewhere."""

ENV_FILE = Path(".env")


def _no_spaces(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value() != secret.get_secret_value().strip():
        raise ValueError("has spaces around it")
    return secret


def _long_if_any(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < _LEAST_SECRET:
        raise ValueError(f"has fewer than {_LEAST_SECRET} characters")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_no_spaces)]
LongSecret = Annotated[Secret, AfterValidator(_long_if_any)]
_S = TypeVar("_S", bound="DatabaseSettings")


class DatabaseSettings(BaseSettings):
    """Where things are kept and how we log: enough for commands that talk to nobody."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    bot_database_url: SecretStr | None = Field(None, description="PostgreSQL to use; unset: an embedded one")
    bot_data_dir: Path = Field(Path("var"), description="embedded database, secret key, files, models")
    bot_secret_key: Secret | None = Field(
        None,
        description="32 bytes in base64; encrypts phone numbers. Two, comma-separated, while one is replaced. "
        "Unset: made in the data directory",
    )
    bot_content_dir: Path | None = Field(
        None, description="folder with flows/, intents/, templates/. Unset: this folder, else the built-in example"
    )
    bot_actions: str | None = Field(
        None, description="module with the project's own actions. Unset: actions, if the content folder has actions.py"
    )
    bot_sentence_encoder: bool = Field(
        False, description="ask the sentence encoder of sirdar[semantic] what the usual classifier is not sure of"
    )
    bot_watch: bool = Field(False, description="put flows into force when their files have changed; not for production")
    bot_worker_lease: float = Field(
        15, gt=0, le=600, description="seconds a worker that fell asleep keeps its conversations from the others"
    )
    bot_tenant: str = Field("default", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="whose number this is")
    bot_tenants_dir: Path = Field(
        Path("tenants"), description="folder below which stored tenants have content folders of their own"
    )
    bot_log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe line to log")
    bot_log_format: Literal["json", "console"] = Field("console", description="how log lines look")


class Settings(DatabaseSettings):
    """Everything the server needs. What each provider requires of it: `REQUIRED`."""

    whatsapp_provider: Literal["meta", "twilio", "360dialog"] = Field(
        description="who carries our messages: meta, twilio or 360dialog"
    )
    whatsapp_phone_number: str = Field(pattern=_PHONE, description="the business number, like +15550100200")
    whatsapp_webhook_secret: LongSecret = Field(
        _NO_SECRET,
        description="Meta: App settings → Basic → App secret; 360dialog: the text you registered as the webhook's "
        "header. Several, comma-separated, while rotating",
    )
    whatsapp_verify_token: LongSecret = Field(
        _NO_SECRET, description="a text you choose and type into Meta's webhook form"
    )
    whatsapp_access_token: LongSecret = Field(
        _NO_SECRET, description="Meta: a system user's permanent token; 360dialog: the number's API key"
    )
    whatsapp_phone_number_id: str = Field(
        "", pattern=_DIGITS, description="Meta's id of the number: WhatsApp → API Setup"
    )
    whatsapp_business_account_id: str = Field(
        "", pattern=_DIGITS, description="Meta's id of the WhatsApp Business account: WhatsApp → API Setup"
    )
    whatsapp_api_base_url: str = Field(
        "", pattern=_URL_OR_NONE, description="where the provider's API is; unset: where it always is"
    )
    whatsapp_api_version: str = Field("v25.0", pattern=r"^v\d{1,3}\.\d$", description="Graph API version")
    whatsapp_webhook_header: str = Field(
        "X-Hook-Token", pattern=r"^[A-Za-z0-9-]{1,64}$", description="360dialog: the header that holds the secret"
    )
    twilio_account_sid: str = Field("", pattern=r"^(AC[0-9a-f]{32})?$", description="Twilio: console, account info")
    twilio_auth_token: LongSecret = Field(
        _NO_SECRET, description="Twilio: console, account info. Several, comma-separated, while rotating"
    )
    twilio_messaging_service_sid: str = Field(
        "", pattern=r"^(MG[0-9a-f]{32})?$", description="Twilio: a messaging service to send through"
    )
    bot_public_url: str = Field(
        "", pattern=_URL_OR_NONE, description="how others reach this server, like https://bot.example.com"
    )
    bot_payment_gateway: Literal["", "demo"] = Field(
        "", description="who takes payments online; demo: a page that takes no money. Unset: nobody"
    )
    whatsapp_enable_media: bool = Field(True, description="accept files from people")
    bot_media_max_bytes: int = Field(
        104_857_600, ge=1024, description="bytes of the largest file that is fetched from people"
    )
    bot_media_hosts: str = Field(
        "",
        pattern=_HOSTS,
        description="host:port, comma-separated, that files may come from although it is inside our network; for tests",
    )
    bot_media_store: str = Field(
        "", pattern=_BUCKET, description="bucket for files, like s3://name/prefix; unset: media in the data directory"
    )
    bot_s3_endpoint: str = Field(
        "https://s3.amazonaws.com", pattern=_URL_OR_NONE, description="where the S3-compatible store is"
    )
    bot_s3_region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="the bucket's region")
    bot_s3_access_key: str = Field("", description="name of the key to the bucket")
    bot_s3_secret_key: SecretStr = Field(SecretStr(""), description="the key to the bucket")
    whatsapp_enable_templates: bool = Field(True, description="send templates outside the 24-hour window")
    whatsapp_window_template: str = Field(
        "",
        pattern=r"^[a-z0-9_]{0,512}$",
        description="template with one variable that says, outside the 24-hour window, what was to be said in words",
    )
    whatsapp_message_retention_days: int = Field(90, ge=1, description="how long messages are kept")

    bot_host: str = Field("127.0.0.1", description="address to listen on")
    bot_port: int = Field(8080, ge=0, le=65535, description="port to listen on")
    bot_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="where a process without the web part answers /healthz, /readyz and /metrics"
    )
    bot_api_rate: float = Field(20, ge=0, description="API requests per second and token, on average; 0: no limit")
    bot_api_burst: int = Field(100, ge=1, description="API requests a token may make at once")
    bot_tenant_rate: float = Field(
        300,
        ge=0,
        description="messages and statuses per second taken from a tenant that is not alone, per web process, so that "
        "its bursts are not the others'; more wait, two seconds at the most; 0: no limit",
    )
    bot_read_marks: Literal["off", "read", "typing"] = Field(
        "off", description="whether people see that their message was read, and that we are typing"
    )
    bot_channel_rate: float | None = Field(
        None,
        ge=0,
        description="messages per second from one number, all senders together; 0: no limit. Unset: 70 % of what the "
        "provider takes, which is 80 until it tells otherwise",
    )
    bot_pair_interval: float = Field(6, ge=0, description="seconds per message to one person, on average; 0: no limit")
    bot_pair_burst: int = Field(45, ge=1, description="messages one person may get at once")
    bot_send_concurrency: int = Field(64, ge=1, le=1000, description="provider calls at the same time, per sender")
    bot_send_timeout: float = Field(15, gt=0, le=120, description="seconds to wait for the provider's answer")
    bot_unknown_wait: float = Field(60, gt=0, description="seconds in which a status may tell of an unanswered send")
    bot_event_attempts: int = Field(5, ge=1, description="how often an event may fail before it is put aside")
    bot_conversation_idle_hours: float = Field(72, gt=0, description="after which a silent conversation is left")
    bot_backlog_limit: float = Field(60, gt=0, description="seconds the oldest event may wait before /readyz says no")
    bot_drain_seconds: float = Field(25, gt=0, description="how long a stopping process may finish what it began")

    @property
    def media_hosts(self) -> tuple[str, ...]:
        """`host:port` that files may come from although it is inside our network."""
        return tuple(part.strip() for part in self.bot_media_hosts.split(",") if part.strip())

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """What webhooks are signed with, newest first."""
        return _several(self.whatsapp_webhook_secret)

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """Twilio's tokens, the one to use first."""
        return _several(self.twilio_auth_token)

    @property
    def address(self) -> str:
        """What webhooks call our number."""
        return self.whatsapp_phone_number if self.whatsapp_provider == "twilio" else self.whatsapp_phone_number_id


def _several(secret: SecretStr) -> tuple[str, ...]:
    return tuple(part.strip() for part in secret.get_secret_value().split(",") if part.strip())


def load_settings(**overrides: Any) -> Settings:
    """Read the server's settings.

    Raises:
        ConfigError: Lists everything that is missing or malformed.
    """
    settings = _load(Settings, overrides)
    if settings.bot_database_url is not None and settings.bot_secret_key is None:
        raise ConfigError(
            ["BOT_SECRET_KEY is missing: every process on a shared database needs the same (openssl rand -base64 32)."]
        )
    return settings


def load_database_settings(**overrides: Any) -> DatabaseSettings:
    """Read the settings that commands without a provider need.

    Raises:
        ConfigError: Lists everything that is malformed.
    """
    return _load(DatabaseSettings, overrides)


def _load(kind: type[_S], overrides: dict[str, Any]) -> _S:
    _check_env_file()
    found: _S | None = None
    problems: dict[str, str] = {}
    try:
        found = kind(**overrides)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            problems[name] = "is missing" if problem["type"] == "missing" else f"is malformed ({_plainly(problem)})"
    if issubclass(kind, Settings):
        for name in _lacking(found, overrides):
            problems.setdefault(name, "is missing")
    if found is not None and not problems:
        return found
    fields = kind.model_fields
    raise ConfigError([f"{n.upper()} {problems[n]}: {fields[n].description}." for n in fields if n in problems])


def _check_env_file() -> None:
    """Refuse a `.env` that cannot be read as a whole: python-dotenv skips lines that it does not understand.

    Raises:
        ConfigError: Names the lines, without what is in them.
    """
    if not ENV_FILE.is_file():
        return
    try:
        with ENV_FILE.open(encoding="utf-8") as file:
            bad = [str(binding.original.line) for binding in parse_stream(file) if binding.error]
    except UnicodeDecodeError:
        raise ConfigError([f"{ENV_FILE} is not written in UTF-8."]) from None
    except OSError as error:
        raise ConfigError([f"{ENV_FILE} cannot be read ({error.strerror})."]) from error
    if bad:
        where = f"Line {bad[0]}" if len(bad) == 1 else f"Lines {', '.join(bad)}"
        raise ConfigError([f"{where} of {ENV_FILE} cannot be read: write NAME=value, and close what is quoted."])


def _plainly(problem: ErrorDetails) -> str:
    """What pydantic finds, in words for operators; the value itself is not told, it may be a secret."""
    match problem["type"]:
        case "int_parsing" | "int_from_float":
            return "it should be a whole number"
        case "float_parsing":
            return "it should be a number"
        case "bool_parsing":
            return "it should be true or false"
        case "string_pattern_mismatch":
            return "it has another form than it should"
        case _:
            return problem["msg"].removeprefix("Value error, ").replace("Input should", "it should")


def unknown_settings() -> dict[str, str]:
    """Names in the environment and `.env` that look like ours and are not, each with the one that was meant, or "".

    In `.env`, names that only differ a little from one of ours are looked at as well.
    """
    known = [name.upper() for name in Settings.model_fields]
    written = {name.upper() for name in _given().model_extra or ()}
    strange: dict[str, str] = {}
    for name in sorted({name.upper() for name in os.environ} | written):
        ours = name.startswith(_OURS)
        if name in known or name in _ELSEWHERE or not (ours or name in written):
            continue
        meant = next(iter(get_close_matches(name, known, 1, 0.8 if ours else 0.9)), "")
        if ours or meant:
            strange[name] = meant
    return strange


class _Given(BaseSettings):
    """What was given of the settings that depend on the provider, whatever the others are."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8", env_ignore_empty=True, extra="allow", hide_input_in_errors=True
    )
    whatsapp_provider: str = "meta"


def _given() -> _Given:
    _check_env_file()
    return _Given()


def names_given() -> set[str]:
    """The settings that have a value in the environment or `.env`, in lower case."""
    found = _given()
    return {name.lower() for name in (*found.model_fields_set, *(name for name, value in os.environ.items() if value))}


def chosen_provider() -> str:
    """What WHATSAPP_PROVIDER says, for commands that need no other setting of the provider."""
    return _given().whatsapp_provider


def _lacking(found: DatabaseSettings | None, overrides: dict[str, Any]) -> list[str]:
    """The settings that the provider needs and nobody gave."""
    if isinstance(found, Settings):
        values = {name: getattr(found, name) for name in Settings.model_fields}
        return [name for name in REQUIRED[found.whatsapp_provider] if values[name] in ("", _NO_SECRET)]
    needed = {name: (str, "") for names in REQUIRED.values() for name in names}
    given = create_model("_Given", __base__=_Given, **needed)(**overrides)  # type: ignore[call-overload]
    return [name for name in REQUIRED.get(given.whatsapp_provider, ()) if not getattr(given, name)]
