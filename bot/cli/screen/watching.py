"""Whether authors have saved something."""

from collections.abc import Mapping
from pathlib import Path

FOLDERS = ("flows", "intents", "templates")

Stamp = Mapping[str, tuple[int, int]]


def stamp(root: Path) -> Stamp:
    """When each file of a content folder was written last, and how large it is."""
    found = {}
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.suffix in {".yaml", ".yml", ".j2"}:
                try:
                    state = path.stat()
                except OSError:  # an editor that replaces files was quicker
                    continue
                found[str(path)] = state.st_mtime_ns, state.st_size
    return found
