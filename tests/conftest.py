"""What all tests share: one throw-away PostgreSQL per run, one database per test, a clock that tests move."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from storage.crypto import Vault
from storage.embedded import EmbeddedPostgres
from storage.migrations import upgrade
from storage.postgres import Postgres
from tests.leaks.watch import nothing_leaks
from tests.limits import pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown
from tests.room import ROOM

# Every test is under these: what it logs, and how long it may take.
__all__ = ["nothing_leaks", "pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_teardown"]

FIXTURES = Path(__file__).parent / "fixtures"
# The same examples in every run, and as long as they take: what a test finds depends on the code, not on chance or on
# what else the machine does. `--hypothesis-profile=explore` looks for new ones.
_PATIENT = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", _PATIENT, derandomize=True)
settings.register_profile("explore", _PATIENT)
settings.load_profile("repeatable")

LONGEST_TEST = 120.0  # seconds, of those that care
EPOCH = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

_counter = itertools.count()


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        """Move on by `timedelta(**delta)`."""
        self.now += timedelta(**delta)
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def one_day() -> None:
    """For tests of what is counted by the day, where no clock can be given: they never begin just before midnight."""
    now = datetime.now(UTC)
    left = (now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds()
    if left < LONGEST_TEST:
        time.sleep(left + 1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL that all test processes of this run share. Its data need not survive a power cut.

    Nothing happens in it by itself: no autovacuum changes plans, or is in the way of a lock, in the middle of a test.
    """

    async def start() -> EmbeddedPostgres:
        settings = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
        return await EmbeddedPostgres.start(ROOM / "cluster", settings=settings)

    server = asyncio.run(start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres) -> str:
    """The name of a database with the schema in it, for copying."""
    name = f"template_{os.getpid()}"

    async def make() -> None:
        admin = await asyncpg.connect(cluster.dsn("postgres"))
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()
        await upgrade(cluster.dsn(name))

    asyncio.run(make())
    return name


@pytest.fixture
async def dsn(cluster: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A fresh database with the current schema; the user of this DSN owns it and bypasses row-level security."""
    name = f"test_{os.getpid()}_{next(_counter)}"
    admin = await asyncpg.connect(cluster.dsn("postgres"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield cluster.dsn(name)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Postgres]:
    """A pool on a fresh database, running as the runtime role."""
    opened = await Postgres.connect(dsn, size=4)
    yield opened
    await opened.close()


@pytest.fixture
def vault() -> Vault:
    return Vault(bytes(range(32)))
