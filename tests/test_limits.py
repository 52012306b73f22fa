"""A test that hangs fails, and its report says where."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import limits

HANGING = {
    "the test": """
        async def test_waits():
            async def deep_inside():
                await asyncio.Event().wait()
            await deep_inside()
        """,
    "preparing": """
        @pytest.fixture
        async def deep_inside():
            await asyncio.Event().wait()
        def test_waits(deep_inside): ...
        """,
    "tidying up": """
        @pytest.fixture
        def deep_inside():
            yield
            time.sleep(60)
        def test_waits(deep_inside): ...
        """,
}


def run(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a file with our limits, and a second one that must not mind."""
    lines = ["import asyncio, time, pytest", "pytestmark = pytest.mark.limit(seconds=0.5)", *source.splitlines()]
    indent = " " * 8
    (folder / "test_hanging.py").write_text("\n".join(line.removeprefix(indent) for line in lines))
    (folder / "test_other.py").write_text("def test_quick(): ...")
    command = (sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider",
               "-p", "tests.limits", "-o", "asyncio_mode=auto",
               "-o", "markers=limit", *arguments, str(folder))  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("phase", HANGING)
def test_whatever_phase_hangs_fails_and_tells_where(tmp_path: Path, phase: str) -> None:
    done = run(tmp_path, HANGING[phase])
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{phase} took longer than 0.5 s" in done.stdout
    assert "in deep_inside" in done.stdout
    assert "1 passed" in done.stdout or "2 passed" in done.stdout  # the other


def test_what_hangs_outside_of_python_is_ended_with_its_process(tmp_path: Path) -> None:
    """Here it does not hear the signal."""
    source = """
        import signal
        def test_deaf():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(60)
        """
    done = run(tmp_path, source, "-o", "faulthandler_timeout=3", "-o", "faulthandler_exit_on_timeout=true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "in test_deaf" in done.stderr


def test_every_test_has_a_limit(request: pytest.FixtureRequest) -> None:
    """Here too."""
    assert limits.limit_of(request.node) == limits.SECONDS
    assert float(request.config.getini("faulthandler_timeout")) > limits.CRASH_SECONDS
    assert request.config.getini("faulthandler_exit_on_timeout") is True
