"""Whether authors have saved something."""

import os
from collections.abc import Mapping
from pathlib import Path

FOLDERS = ("flows", "intents", "templates")
_PROJECT = "project.yaml"

Stamp = Mapping[str, tuple[int, int]]
"""Time of change (nanoseconds) and size of each file of a content folder."""


def stamp(root: Path) -> Stamp:
    """When each file of a content folder was written last, and how large it is."""
    found: dict[str, tuple[int, int]] = {}
    for folder in FOLDERS:
        for path, _, names in os.walk(root / folder):
            for name in names:
                _note(Path(path, name), found)
    _note(root / _PROJECT, found)
    return found


def _note(path: Path, found: dict[str, tuple[int, int]]) -> None:
    try:
        status = path.stat()
    except OSError:  # it went away while we looked, or an editor replaces it
        return
    found[str(path)] = (status.st_mtime_ns, status.st_size)
