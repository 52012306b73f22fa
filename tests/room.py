"""What a run of the tests leaves on disk is in one directory, its room, which goes with the run.

The process that begins a run makes the room and names it in the environment: the other test processes, and whatever
they start, have it as their directory for temporary files. It goes when the first process ends, by an interruption
too. A killed run cannot tidy up: its room goes when the next one begins. Every test process holds the room's lock, so
nobody takes it away while one lives.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "sirdar-tests-"
_NAME = "SIRDAR_TEST_ROOM"
_LOCK = "lock"
_PATIENCE_SECONDS = 60.0
_YOUNG_SECONDS = 3600.0
"""A room without a lock may be one that is being made."""


def _hold(room: Path) -> int:
    lock = os.open(room / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _lives(path: Path) -> bool:
    """Whether anybody holds a lock file."""
    with contextlib.suppress(FileNotFoundError), path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _used(room: Path) -> bool:
    """Whether a test process or a PostgreSQL of the room lives."""
    return any(_lives(lock) for lock in (room / _LOCK, *room.glob("*/pg.server")))


def _left_behind(room: Path) -> bool:
    """Whether a run of ours has ended without tidying up."""
    with contextlib.suppress(OSError):
        status = room.lstat()
        made = (room / _LOCK).exists() or time.time() - status.st_mtime > _YOUNG_SECONDS
        return made and status.st_uid == os.geteuid() and not room.is_symlink() and not _used(room)
    return False


def _leave(room: Path, lock: int) -> None:
    """Remove the room, once the servers in it have stopped: those of killed processes need a moment."""
    os.close(lock)
    until = time.monotonic() + _PATIENCE_SECONDS
    while room.exists() and time.monotonic() < until:
        if not _used(room):
            shutil.rmtree(room, ignore_errors=True)
        time.sleep(0.02)


def enter() -> Path:
    """Make the room of this run, or enter the one that is there."""
    if named := os.environ.get(_NAME):
        room = Path(named)
        _hold(room)
        return room
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        if _left_behind(left):
            shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    room.chmod(0o711)  # as root, PostgreSQL runs under another account
    atexit.register(_leave, room, _hold(room))
    os.environ[_NAME] = os.environ["TMPDIR"] = str(room)
    tempfile.tempdir = None
    return room


ROOM = enter()
