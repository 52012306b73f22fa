"""What a process says about its secret keys, while `bot keys rotate` may replace them."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import asyncpg
from structlog.testing import capture_logs

from bot.core.errors import StorageError
from bot.runtime.keys import KeyKeeper
from storage.crypto import Vault
from storage.postgres.database import Postgres


class Away:
    """A database that cannot be reached."""

    def tenant(self, _: int) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")


class Line:
    """A connection on which nothing is ever said."""

    def terminate(self) -> None:
        pass


async def first_words(vault: Vault, error: Exception | None) -> list[str]:
    """What is logged first, where reading the own secrets fails with `error`, or asking the database fails."""

    def secrets() -> list[bytes]:
        if error is not None:
            raise error
        return [bytes(32)]

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return cast("asyncpg.Connection[asyncpg.Record]", Line())

    keeper = KeyKeeper(
        database=cast("Postgres", Away()), vault=vault, secrets=secrets, connect=connect, seconds=0,
    )  # fmt: skip
    with capture_logs() as logs:
        keeping = asyncio.create_task(keeper.run())
        while not logs:
            await asyncio.sleep(0)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
    return [line["event"] for line in logs[:1]]


async def test_a_database_that_is_away_is_no_missing_key(vault: Vault) -> None:
    """Or operators restart servers, for which nothing is wrong, in the middle of an outage."""
    assert await first_words(vault, None) == ["the database is out of reach"]


async def test_a_key_that_cannot_be_read_is_missing(vault: Vault) -> None:
    for error in (PermissionError(13, "Permission denied"), StorageError("it is malformed"), ValueError("no base64")):
        assert await first_words(vault, error) == ["a secret key is missing here: restart with all of them"]
