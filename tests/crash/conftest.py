"""The durable cluster, the summary, and how big the tests are: `SIRDAR_SOAK=1` makes them long."""

import asyncio
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from crash.deployment import Deployment, deploy
from crash.ledger import Verdict
from storage.embedded import EmbeddedPostgres

SOAK = bool(os.environ.get("SIRDAR_SOAK"))
SEED = int(os.environ.get("SIRDAR_SEED") or random.SystemRandom().randrange(10**6))

_HEAD = ("test", "messages", "kills", "postgres", "freezes", "unknown", "orphans", "repeats", "given up", "seconds")
_databases = itertools.count(1)
_rows: list[tuple[str, ...]] = []

Deploy = Callable[..., AbstractAsyncContextManager[Deployment]]
Report = Callable[[Deployment, Verdict], None]


@pytest.fixture(scope="session")
def durable_cluster() -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL of our own, as careful with its disk as in production: it will be killed."""
    data_dir = Path(tempfile.mkdtemp(prefix="sirdar-crash-"))
    server = asyncio.run(EmbeddedPostgres.start(data_dir))
    yield server
    asyncio.run(server.stop())
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def deployed(durable_cluster: EmbeddedPostgres, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """Makes a deployment: `async with deployed() as town:`."""

    bytecode = tmp_path_factory.getbasetemp() / "bytecode"

    @asynccontextmanager
    async def make() -> AsyncIterator[Deployment]:
        print(f"SIRDAR_SEED={SEED}")
        async with deploy(durable_cluster, f"crash_{next(_databases)}", tmp_path, bytecode, SEED) as deployment:
            yield deployment

    return make


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Adds a line to the summary."""

    def add(town: Deployment, verdict: Verdict) -> None:
        deaths = Counter(death.parts or "all" for death in town.fleet.deaths if death.code < 0)
        kills = " ".join(f"{parts} {count}" for parts, count in sorted(deaths.items())) or "-"
        numbers = (
            town.postgres_kills,
            town.freezes,
            verdict.unknowns,
            verdict.orphans,
            verdict.repeats,
            verdict.given_up,
        )
        seconds = f"{time.monotonic() - town.began:.0f}"
        _rows.append((request.node.name, str(verdict.messages), kills, *map(str, numbers), seconds))

    return add


@pytest.fixture(scope="session", autouse=True)
def summary(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints the table at the end, past pytest's capture and xdist's."""
    yield
    if not _rows:
        return
    widths = [max(map(len, column)) for column in zip(_HEAD, *_rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (_HEAD, *_rows)]
    text = "\n".join(["", f"Crash tests, SIRDAR_SEED={SEED}", *lines, ""])
    manager = request.config.pluginmanager.getplugin("capturemanager")
    with manager.global_and_fixture_disabled():
        print(text, file=sys.stderr, flush=True)
