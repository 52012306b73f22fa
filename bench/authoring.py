"""What authors of a large project wait for: `bot check`, its `--watch`, and a server's reload."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.content import FLOWS, write


@dataclass(frozen=True, slots=True)
class AuthoringCost:
    """Seconds on a project of `flows` flows with `states` states.

    Attributes:
        first: The command `bot check`, from start to exit, with nothing learnt from the examples before.
        check: The same once more.
        recheck: `bot check --watch`, after one flow was saved.
        load: Reading and compiling everything, in a process that runs.
        reload: The same, after one flow was saved.
    """

    flows: int
    states: int
    first: float
    check: float
    recheck: float
    load: float
    reload: float


def measure_authoring(flows: int = FLOWS) -> AuthoringCost:
    """Write a large project, and time what is done with it; the best of three where it is read more than once."""
    # Not at the top: the floor can be measured whatever state the engine is in.
    from bot.authoring.content import FlowFile, load_content
    from bot.authoring.sources import Memory
    from bot.cli.check import inspect
    from bot.config import DatabaseSettings
    from bot.runtime.project import project_actions

    with tempfile.TemporaryDirectory(prefix="sirdar-bench-") as name, _forgetting_modules():
        root = Path(name)
        states = write(root, flows)
        settings = DatabaseSettings(bot_content_dir=root)
        actions = project_actions(settings, root)
        checked: Memory[FlowFile] = Memory()
        loaded: Memory[FlowFile] = Memory()
        inspect(root, settings, checked)
        return AuthoringCost(
            flows=flows,
            states=states,
            first=_seconds(lambda: _check(root)),
            check=min(_seconds(lambda: _check(root)) for _ in range(3)),
            recheck=min(_after_saving(root, lambda: inspect(root, settings, checked)) for _ in range(3)),
            load=_seconds(lambda: load_content(root, actions, loaded)),
            reload=min(_after_saving(root, lambda: load_content(root, actions, loaded)) for _ in range(3)),
        )


@contextlib.contextmanager
def _forgetting_modules() -> Iterator[None]:
    """What is imported from the project is gone afterwards, as its folder is."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] == "actions":
            del sys.modules[name]


def _check(root: Path) -> None:
    environment = {**os.environ, "BOT_CONTENT_DIR": str(root)}
    command = [str(Path(sys.executable).with_name("bot")), "check"]
    subprocess.run(command, env=environment, cwd=root, check=True, stdout=subprocess.DEVNULL)


def _after_saving(root: Path, call: Callable[[], object]) -> float:
    flow = next((root / "flows").rglob("*.yaml"))
    flow.write_text(flow.read_text(encoding="utf-8") + f"# saved {time.monotonic_ns()}\n", encoding="utf-8")
    return _seconds(call)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(measure_authoring())
