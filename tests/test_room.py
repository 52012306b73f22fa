"""A run of the tests leaves nothing behind, however it ends."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

WAITING = """
import asyncio, asyncpg, pathlib, tempfile

async def test_waits(cluster):
    connection = await asyncpg.connect(cluster.dsn())
    pathlib.Path(tempfile.mkdtemp(), "left").write_text("by a test")
    pathlib.Path({sign!r}).touch()
    await asyncio.Event().wait()
"""


# Whoever runs in the background of a shell ignores Ctrl-C, and so would all whom they start.
HEARS = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def folder() -> Path:
    """Not pytest's: PostgreSQL may run as somebody else."""
    return Path(tempfile.mkdtemp())


async def begin(folder: Path, *command: str) -> asyncio.subprocess.Process:
    """Begin a run of a module, in a room below a folder."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SIRDAR_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HEARS,
        *command,
        env={**environment, "TMPDIR": str(folder / "tmp")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def wait_in_the_middle(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Begin a run whose test has a database and a file in its directory, and will never end."""
    sign = folder / "sign"
    (folder / "test_waiting.py").write_text(WAITING.format(sign=str(sign)))
    run = await begin(
        folder, "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider",
        "-p", "tests.conftest", "-o", "asyncio_mode=auto", *arguments, str(folder),
    )  # fmt: skip
    while not sign.exists():
        assert run.returncode is None, await run.communicate()
        await asyncio.sleep(0.02)
    assert list((folder / "tmp").iterdir())
    return run


async def begin_another(folder: Path) -> None:
    """As every run begins, and end it at once."""
    run = await begin(folder, "tests.room")
    assert await run.wait() == 0


def left(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder / "tmp").rglob("*"))


async def test_an_interrupted_run_leaves_nothing(folder: Path) -> None:
    """Its test processes hear Ctrl-C as well."""
    run = await wait_in_the_middle(folder, "-n", "1")
    os.killpg(run.pid, signal.SIGINT)
    output, _ = await run.communicate()
    assert b"KeyboardInterrupt" in output
    assert left(folder) == []


async def test_what_a_killed_run_leaves_goes_with_the_next(folder: Path) -> None:
    run = await wait_in_the_middle(folder)
    (room,) = (folder / "tmp").iterdir()
    await begin_another(folder)
    assert list((folder / "tmp").iterdir()) == [room]  # a run beside it takes nothing away

    os.killpg(run.pid, signal.SIGKILL)
    await run.communicate()
    while left(folder):  # its PostgreSQL needs a moment to notice
        await begin_another(folder)
