"""Real commands in processes of their own, and a whole demo inside the test."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bench.processes import free_port
from bot.cli.scratch import new_key, play_settings
from bot.cli.theatre import Theatre, perform
from tests.conftest import FIXTURES

REPOSITORY = FIXTURES.parents[1]
BOT = [sys.executable, "-W", "error", "-c", "from bot.cli import main; main()"]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
PHONE_PORT = free_port()  # the first to try


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the commands of this test process share: making a cluster takes seconds."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def environment(data_dir: Path) -> dict[str, str]:
    """What a command is given: none of the settings that whoever runs the tests may have."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"BOT_DATA_DIR": str(data_dir), "BOT_CONTENT_DIR": str(REPOSITORY), "PYTHONIOENCODING": "utf-8"}


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bot(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs `bot …` to its end, in an empty folder."""

    def run(*arguments: str, said: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*BOT, *arguments],
            input=said,
            capture_output=True,
            text=True,
            env=environment | settings,
            cwd=tmp_path,
            timeout=600,
            check=False,
        )

    return run


class Quiet:
    """Progress that nobody watches."""

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        yield lambda how: None


@pytest.fixture
async def theatre(dsn: str, tmp_path: Path) -> AsyncIterator[Theatre]:
    """Bot and phones, running, on a fresh database."""
    settings = play_settings(
        bot_database_url=dsn,
        bot_secret_key=new_key(),
        bot_data_dir=tmp_path,
        bot_content_dir=REPOSITORY,
        bot_send_timeout=20,
    )
    async with perform(settings, Quiet(), PHONE_PORT, signals=False, drain_seconds=60) as running:
        yield running


@pytest.fixture
def as_environment(theatre: Theatre) -> dict[str, str]:
    """The settings of `theatre`, as an operator would have written them."""
    found = {}
    for name, value in theatre.system.settings.model_dump().items():
        if value is not None:
            secret = getattr(value, "get_secret_value", None)
            found[name.upper()] = str(secret() if secret is not None else value)
    return found
