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

from crash.deployment import SEND_TIMEOUT, SOAK, Deployment, deploy
from crash.ledger import Verdict
from storage.embedded import EmbeddedPostgres

SEED = int(os.environ.get("SIRDAR_SEED") or (random.SystemRandom().randrange(10**6) if SOAK else 1))

PROGRESS_SECONDS = 15.0
BAR_WIDTH = 20

_HEAD = ("test", "messages", "kills", "postgres", "freezes", "unknown", "orphans", "in flight", "repeats", "given up",
         "seconds")  # fmt: skip
_LEGEND = """\
unknown: sends that got no answer; orphans: those whose sender or database was killed or frozen, never more than were
in flight then; repeats: replies that went out again, each after an unknown send; given up: unknown even after that."""
_databases = itertools.count(1)
_rows: list[tuple[str, ...]] = []
_passed: list[str] = []
_failed: list[str] = []
_total = 0

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count the crash tests, for the bar."""
    global _total
    _total = sum(item.nodeid.startswith("tests/crash/") for item in items)


def _bar() -> str:
    """How many of the tests are over."""
    over = min(len(_passed) + len(_failed), _total)
    full = BAR_WIDTH * over // max(_total, 1)
    return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {over} of {_total} tests"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how tests ended, for the verdict."""
    if report.nodeid.startswith("tests/crash/"):
        if report.failed:
            _failed.append(f"{report.nodeid.partition('::')[2]}: {report.longreprtext.rpartition('E   ')[2].strip()}")
        elif report.when == "call":
            _passed.append(report.nodeid)


def _say(config: pytest.Config, text: str) -> None:
    """Print past pytest's capture and xdist's."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(text, file=sys.stderr, flush=True)


async def _tell(request: pytest.FixtureRequest, town: Deployment) -> None:
    """Say how far a test is, until cancelled."""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        seconds = time.monotonic() - town.began
        _say(
            request.config,
            f"{_bar()}, {seconds:4.0f} s of {request.node.name}: "
            f"{sum(len(one.written) for one in town.people):,} written, {len(town.meta.sent):,} sent, "
            f"{len(town.fleet.deaths)} deaths, {town.postgres_kills} of PostgreSQL, "
            f"{town.freezes} freezes, {town.courier.failed:,} webhooks refused and delivered again",
        )


@pytest.fixture
def deployed(
    request: pytest.FixtureRequest, durable_cluster: EmbeddedPostgres, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Deploy:  # fmt: skip
    """Makes a deployment: `async with deployed() as town:`; `send_timeout` in seconds."""

    bytecode = tmp_path_factory.getbasetemp() / "bytecode"

    @asynccontextmanager
    async def make(*, send_timeout: float = SEND_TIMEOUT) -> AsyncIterator[Deployment]:
        print(f"SIRDAR_SEED={SEED}")
        name = f"crash_{next(_databases)}"
        async with deploy(durable_cluster, name, tmp_path, bytecode, SEED, send_timeout) as deployment:
            telling = asyncio.create_task(_tell(request, deployment)) if SOAK else None
            try:
                yield deployment
            finally:
                if telling is not None:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)

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
            town.in_flight,
            verdict.repeats,
            verdict.given_up,
        )
        seconds = f"{time.monotonic() - town.began:.0f}"
        _rows.append((request.node.name, str(verdict.messages), kills, *map(str, numbers), seconds))

    return add


@pytest.fixture(scope="session", autouse=True)
def summary(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints the table and the verdict at the end."""
    yield
    if not _passed and not _failed:
        return
    widths = [max(map(len, column)) for column in zip(_HEAD, *_rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (_HEAD, *_rows)]
    messages = sum(int(row[1]) for row in _rows)
    verdict = (
        "BROKEN:\n  " + "\n  ".join(_failed)
        if _failed
        else f"HELD: {messages:,} messages in {len(_passed)} tests: 0 lost, 0 effects doubled, 0 out of order, "
        "no reply repeated that policy does not repeat."
    )
    _say(request.config, "\n".join(["", f"Crash tests, SIRDAR_SEED={SEED}", *lines, _LEGEND, verdict, ""]))
