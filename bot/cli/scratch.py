"""Databases for playing: made anew, and gone when the playing is over; and settings that nobody has to write."""

import base64
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from bot.cli.cast import BUSINESS_NUMBER
from bot.config import Settings
from storage.embedded import EmbeddedPostgres

_PREFIX = "scratch_"
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}  # nothing here survives anyway
_LEFT_BEHIND = (
    "SELECT datname FROM pg_database WHERE datname LIKE 'scratch\\_%' AND pg_try_advisory_lock(hashtext(datname))"
)


class GivenSettings(Settings):
    """Settings that are what the caller says: neither the environment nor `.env` has a word in them."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given."""
        return (init_settings,)


def play_settings(**values: Any) -> Settings:
    """Settings of a made-up number, with secrets of its own and no limits on pace."""
    made_up: dict[str, Any] = {
        "whatsapp_provider": "meta",
        "whatsapp_phone_number": BUSINESS_NUMBER,
        "whatsapp_webhook_secret": secrets.token_hex(16),
        "whatsapp_verify_token": secrets.token_urlsafe(16),
        "whatsapp_access_token": secrets.token_urlsafe(32),
        "whatsapp_phone_number_id": "100200300400500",
        "whatsapp_business_account_id": "500400300200100",
        "bot_channel_rate": 0,
        "bot_pair_interval": 0,
        "bot_payment_gateway": "demo",
    }
    return GivenSettings(**(made_up | values))


def new_key() -> str:
    """A fresh BOT_SECRET_KEY."""
    return base64.b64encode(os.urandom(32)).decode()


@asynccontextmanager
async def scratch_database(data_dir: Path) -> AsyncIterator[str]:
    """An empty database of our own on an embedded PostgreSQL below `data_dir`; dropped at the end. Yields its DSN.

    A database whose process was killed is dropped by the next one: each is held by an advisory lock.
    """
    name = f"{_PREFIX}{secrets.token_hex(8)}"
    async with await EmbeddedPostgres.start(data_dir / "scratch", settings=_FAST) as server:
        admin = await asyncpg.connect(server.dsn("postgres"))
        try:
            for row in await admin.fetch(_LEFT_BEHIND):
                await admin.execute(f'DROP DATABASE IF EXISTS "{row["datname"]}" WITH (FORCE)')
            await admin.execute("SELECT pg_advisory_lock(hashtext($1))", name)
            await admin.execute(f'CREATE DATABASE "{name}"')
            try:
                yield server.dsn(name)
            finally:
                await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        finally:
            await admin.close()
