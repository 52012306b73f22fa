"""Trained models on disk: a second start does not train again, nor does a second `bot check`."""

import contextlib
import hashlib
import os
import tempfile
import zipfile
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from bot.core.nlu.stored import Arrays

MOST = 64
"""Files that are kept; those that nobody has used for longest go first."""
_TRAINED_BY = (("bot.core.nlu", ""), ("bot.core", "words.py"), ("bot.core", "phrasebook.py"), ("bot.semantic", ""))
"""The code and data that decide what comes of a training."""


class ModelFolder:
    """A folder with one file for each set of examples and version of the code.

    Files are NumPy archives, read without pickle: what others have put there can be wrong, and run nothing. Writing is
    atomic, so processes may share a folder. A folder that cannot be written only costs the training.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when the first model is kept."""
        self._folder = folder

    def find(self, key: str) -> Arrays | None:
        """What was kept under a key by this version of the code; None when there is nothing that can be read."""
        path = self._path(key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays: Arrays = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return arrays

    def keep(self, key: str, arrays: Arrays) -> None:
        """Keep a model; nothing happens where the folder cannot be written."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(key), arrays)
            self._tidy()

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{key} {version_of_code()}'.encode()).hexdigest()[:40]}.npz"

    def _write(self, path: Path, arrays: Arrays) -> None:
        number, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        made = Path(name)
        given: dict[str, Any] = dict(arrays)
        try:
            with os.fdopen(number, "wb") as file:
                np.savez(file, **given)
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise

    def _tidy(self) -> None:
        kept = sorted(self._folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[MOST:]:
            path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def version_of_code() -> str:
    """Differs whenever the code or the word table differs: a model of another version is none of ours."""
    digest = hashlib.sha256(np.__version__.encode())
    for package, only in _TRAINED_BY:
        for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
            if entry.is_file() and (entry.name == only if only else entry.name.endswith((".py", ".npz"))):
                digest.update(f"{package}/{entry.name}\n".encode())
                digest.update(entry.read_bytes())
    return digest.hexdigest()
