"""The processes under test: started, watched, restarted when they die, and never left behind."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
_RESTART_PAUSE = 0.2  # seconds, after an exit that no signal explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a process ended. `code` is as in subprocess: negative for a signal. Times are monotonic seconds."""

    name: str
    parts: str
    code: int
    started: float
    ended: float


@dataclass(slots=True, kw_only=True)
class Child:
    """One supervised process. `parts` as for `bot serve --only`; empty means all.

    Each start gets the next of `failpoints`, later ones none.
    """

    name: str
    parts: str
    env: dict[str, str]
    failpoints: list[str]
    wanted: bool = True
    started: float = 0.0
    process: asyncio.subprocess.Process | None = None
    supervisor: "asyncio.Task[None] | None" = None
    up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        """Its process id, which is its process group's too; None when it is not running."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    @property
    def frozen(self) -> bool:
        """Whether it is stopped by a signal."""
        try:
            status = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> bool:
        """Signal it and all its children; False when it is not running."""
        pid = self.pid
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
            return True
        return False


class Fleet:
    """All processes of one test.

    Args:
        env: Their settings.
        folder: Where they work and log.
        on_death: Called after each death, before the restart.
    """

    def __init__(self, env: Mapping[str, str], folder: Path, on_death: Callable[[Death], Awaitable[None]]) -> None:
        self._env = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", **env}
        # Starting is most of what these tests do; and who is killed says nothing about coverage.
        for costly in ("PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START"):
            self._env.pop(costly, None)
        self._folder = folder
        self._on_death = on_death
        self.children: dict[str, Child] = {}
        self.deaths: list[Death] = []

    async def start(self, name: str, parts: str, failpoints: Sequence[str] = (), **env: str) -> Child:
        """Start a process and keep it running."""
        child = Child(name=name, parts=parts, env={**self._env, **env}, failpoints=list(failpoints))
        self.children[name] = child
        child.supervisor = asyncio.create_task(self._keep(child), name=name)
        await child.up.wait()
        return child

    async def terminate(self, child: Child) -> tuple[int, float]:
        """Ask a process to finish; returns its exit code and how many seconds it took."""
        process, began = child.process, time.monotonic()
        assert process is not None
        child.wanted = False
        child.signal(signal.SIGTERM)
        code = await process.wait()
        assert child.supervisor is not None
        await child.supervisor
        return code, time.monotonic() - began

    async def stop(self) -> None:
        """Kill everything, frozen processes too, and wait until it is gone."""
        for child in self.children.values():
            child.wanted = False
        for child in self.children.values():
            while child.supervisor is not None and not child.supervisor.done():
                child.signal(signal.SIGKILL)
                await asyncio.wait((child.supervisor,), timeout=0.1)
        await asyncio.gather(*[c.supervisor for c in self.children.values() if c.supervisor is not None])

    def log_of(self, name: str) -> str:
        """The end of a process's log."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def logged(self, canaries: Sequence[str]) -> list[str]:
        """Which of these any process has ever logged, with its log."""
        logs = {log.name: log.read_text(errors="replace") for log in self._folder.glob("*.log")}
        return [f"{canary} in {name}" for name, log in logs.items() for canary in canaries if canary in log]

    async def _keep(self, child: Child) -> None:
        while child.wanted:
            failpoints = child.failpoints.pop(0) if child.failpoints else ""
            with (self._folder / f"{child.name}.log").open("ab") as log:
                child.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "crash.server",
                    child.parts,
                    cwd=self._folder,
                    env=child.env | {"BOT_FAILPOINTS": failpoints},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            child.started = time.monotonic()
            child.up.set()
            try:
                code = await child.process.wait()
            finally:
                child.signal(signal.SIGKILL)
            if not child.wanted:
                return
            death = Death(name=child.name, parts=child.parts, code=code, started=child.started, ended=time.monotonic())
            self.deaths.append(death)
            await self._on_death(death)
            if code >= 0:
                await asyncio.sleep(_RESTART_PAUSE)
