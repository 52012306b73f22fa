"""Python runs this in every process that a test starts: what it logs is noted for the test (tests/leaks/watch.py).

Nothing is imported for it; a process that logs nothing notices nothing.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NAMES = (
    "msg", "log", "debug", "info", "warn", "warning", "fatal", "failure", "err", "error", "critical", "exception",
)  # fmt: skip
"""What a printing logger is called by."""


def note(message: object) -> None:
    """Append a line to this process's file; complete, whatever becomes of the process."""
    path = os.path.join(os.environ["SIRDAR_LEAKS"], f"{os.getpid()}.log")  # noqa: PTH118  pathlib is not imported
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{message}\n".encode("utf-8", "replace"))
    os.close(handle)


class Finder:
    """Waits for the module that prints log lines."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Its own, with a logger that notes what it prints."""
        if name != "structlog._output":
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]  it is one
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_note(module: ModuleType) -> None:
            load(module)
            printed = module.PrintLogger.msg

            def msg(logger: Any, message: str) -> None:
                note(message)
                printed(logger, message)

            for one in NAMES:
                setattr(module.PrintLogger, one, msg)

        spec.loader.exec_module = load_and_note  # type: ignore[method-assign]
        return spec


if "SIRDAR_LEAKS" in os.environ:
    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]  it is one
