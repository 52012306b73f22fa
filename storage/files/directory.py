"""Files in a directory, which all processes share: on one host, or mounted on each."""

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from bot.core.errors import StorageError

CHUNK = 256 * 1024
UNFINISHED = ".new-"
LEFT_BEHIND_AFTER = timedelta(days=1)
"""Nothing is copied for as long as that: whoever began it was killed."""

_KEY = re.compile(r"[a-z0-9]+(/[a-z0-9]+){0,4}")


class DirectoryStore:
    """Keeps files below a directory that only our user may enter.

    Args:
        root: Made if need be.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, source: Path) -> None:
        """Copy a file in: to its place by renaming, so that it is there whole or not at all."""
        await asyncio.to_thread(self._put, self._path(key), source)

    def _put(self, path: Path, source: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(path.parent)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
            try:
                with os.fdopen(handle, "wb") as target, source.open("rb") as file:
                    shutil.copyfileobj(file, target, CHUNK)
                    target.flush()
                    os.fsync(target.fileno())
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            _sync_directory(path.parent)
        except OSError as error:
            raise StorageError(f"A file cannot be kept in {self._root}: {error.strerror}.") from error

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """Read a file in pieces. None stays open between them: whoever reads may be cancelled at any moment."""
        path = self._path(key)
        offset = 0
        try:
            while piece := await asyncio.to_thread(_piece, path, offset):
                yield piece
                offset += len(piece)
        except OSError as error:
            raise StorageError(f"The file {key} cannot be read: {error.strerror}.") from error

    async def has(self, key: str) -> bool:
        """Whether there is such a file."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        """Delete a file."""
        try:
            await asyncio.to_thread(lambda: self._path(key).unlink(missing_ok=True))
        except OSError as error:
            raise StorageError(f"The file {key} cannot be deleted: {error.strerror}.") from error

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _path(self, key: str) -> Path:
        # Keys are ours, not people's; checked all the same, since they come back from the database.
        if not _KEY.fullmatch(key):
            raise StorageError("A file has a key that cannot be.")
        return self._root / key


def _piece(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK)


def _sweep(folder: Path) -> None:
    """Delete the halves of files that a killed process left. Keys are hashes, so every folder gets a new file soon."""
    oldest = time.time() - LEFT_BEHIND_AFTER.total_seconds()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(UNFINISHED):
                with suppress(FileNotFoundError):  # another process sweeps, too
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry).unlink()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
