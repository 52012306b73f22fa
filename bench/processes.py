"""Child processes: started, watched, measured, and certainly gone afterwards."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.mock_graph import content_length

READY_SECONDS = 180.0  # a loaded machine starts slowly
STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessFailed(Exception):  # noqa: N818  what happened, not whose fault
    """A child process ended or never became ready; the text has the end of its log."""


# Below the ports that the kernel gives to outgoing connections. Test processes of a run have a lane each, and walk on
# in it: no other is given a port, or one of those after it, that is looked at now and bound in a moment.
_LANES, _LANE, _STRIDE = 8, 1250, 5
_dice = random.SystemRandom()  # not a seeded one: others may have the same seed
_first_lane = int(os.environ.get("PYTEST_XDIST_TESTRUNUID", "")[:8] or f"{_dice.randrange(_LANES)}", 16)
_lane = (_first_lane + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))) % _LANES
_steps = itertools.count(_dice.randrange(_LANE))


def free_port() -> int:
    """A port that nobody listens on, as nobody does on the next four, most likely: it stays free till used."""
    while True:
        port = 20_000 + _lane * _LANE + next(_steps) * _STRIDE % _LANE
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class Child:
    """A process in a group of its own; `kind` is its line in the report."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, kind: str, command: Sequence[str], log_dir: Path, env: Mapping[str, str] | None = None) -> "Child":
        """Start a process; its output goes to `<log_dir>/<kind>.log`."""
        log = log_dir / f"{kind}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                # Not even kill -9 of the benchmark may leave a server behind.
                preexec_fn=_die_with_parent,
            )
        return cls(kind, process, log)

    def check(self) -> None:
        """Raise `ProcessFailed` if it has ended."""
        if self.process.poll() is not None:
            raise ProcessFailed(f"{self.kind} ended with status {self.process.returncode}.\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def wait_ready(self, port: int, path: str) -> None:
        """Wait until `GET path` is answered with 200."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    self.check()
                    with contextlib.suppress(OSError, EOFError):
                        status, _ = await fetch(port, "GET", path)
                        if status == 200:
                            return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ProcessFailed(f"{self.kind} was not ready after {READY_SECONDS:.0f} s.\n{self.tail()}") from None

    def stop(self) -> None:
        """End it and everything it started: politely, then not."""
        for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break


@contextlib.contextmanager
def children() -> Iterator[list[Child]]:
    """A list whose processes are stopped at the end, the last one first."""
    started: list[Child] = []
    try:
        yield started
    finally:
        for child in reversed(started):
            child.stop()


async def fetch(port: int, method: str, path: str) -> tuple[int, bytes]:
    """Make one HTTP request to this machine; returns status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(content_length(head))
        return int(head[9:12]), body
    finally:
        writer.close()


# --- Measuring ------------------------------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its children, and the children that have already ended."""
    total = 0.0
    for process in _family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def machine_seconds() -> tuple[float, float]:
    """CPU time that the whole machine has spent on anything, and that it has had."""
    times = psutil.cpu_times()
    total = float(sum(times)) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def memory_mib(pid: int) -> float:
    """Memory of a process and its children in MiB.

    RSS for one process; for several the proportional set size, because RSS would count what they share many times.
    """
    family = _family(pid)
    if len(family) == 1:
        with contextlib.suppress(psutil.NoSuchProcess):
            return float(family[0].memory_info().rss) / 2**20
    total = 0.0
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += float(getattr(process.memory_full_info(), "pss", process.memory_info().rss)) / 2**20
    return total


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []
