"""The processes of one embedded cluster: who shares it, which of them live, how it stops.

Theory of operation. A process id found in a file proves nothing: the process may be dead and its number given away. So
three lock files beside the data directory say who is alive, and the kernel drops a lock (`flock`) with the last process
that holds it, however that process died:

    pg.holders  shared by every `EmbeddedPostgres`; exclusive while the server is being stopped, so a starter waits.
    pg.server   exclusive; opened before the postmaster and inherited by it and all its backends. Free means: not one
                process of this cluster is left, backends that outlived a killed postmaster included.
    pg.keeper   shared by the keepers, to tell whether there is one.

The keeper is this file run as a script, once per server, as the postmaster's parent and detached from any terminal. It
asks for `pg.holders` exclusively, which the kernel grants when the last holder has gone (stopped, crashed, killed),
then stops the server and exits. It exits early when its postmaster dies. A second keeper does no harm: it waits its
turn and finds nothing to stop.

Runs with the standard library and psutil only, so that it starts in a few hundredths of a second.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

SOCKET_PORT = 5432
_SOCKET_PATH_LIMIT = 100  # bytes; Linux ends at 107, macOS at 103

# Fast shutdown (clients are disconnected), then without a checkpoint, then by force. Seconds of patience for each.
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one cluster keeps its things, all below `root`, an absolute path without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.root / "pg"

    @property
    def sockets(self) -> Path:
        """Directory of the server's Unix socket.

        It is next to the data. When that path is too long for a socket, or has characters that separate hosts in
        connection strings, it is a directory below /tmp named after the data directory.
        """
        directory = self.root / "pg.socket"
        length = len(os.fsencode(directory / f".s.PGSQL.{SOCKET_PORT}"))
        if length > _SOCKET_PATH_LIMIT or re.search(r'[,"\x00-\x1f]', str(directory)):
            digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
            return Path("/tmp") / f"sirdar-{os.geteuid()}-{digest}"  # noqa: S108  # checked by whoever makes it
        return directory

    @property
    def holders(self) -> Path:
        """Lock file: who uses the server."""
        return self.root / "pg.holders"

    @property
    def server(self) -> Path:
        """Lock file: whether any process of the server lives."""
        return self.root / "pg.server"

    @property
    def keeper(self) -> Path:
        """Lock file: whether a keeper lives."""
        return self.root / "pg.keeper"

    @property
    def log(self) -> Path:
        """What postgres and the keeper write to standard error."""
        return self.root / "pg.log"


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server, as its `postmaster.pid` describes it."""

    process: "psutil.Process"
    socket_dir: Path
    port: int
    ready: bool


def open_lock(path: Path) -> int:
    """Open a lock file, creating it if needed; the descriptor is not inherited by child processes."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def try_lock(fd: int, kind: int) -> bool:
    """Take a lock (`fcntl.LOCK_SH` or `LOCK_EX`) if nobody is in the way; a lock already held by `fd` is given up."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(fd: int, kind: int, *, until: float) -> bool:
    """Take a lock before the monotonic time `until`; say whether it worked."""
    while not try_lock(fd, kind):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """Hold a lock file exclusively for a block; yields its descriptor, or None when somebody else has it."""
    fd = open_lock(path)
    try:
        yield fd if try_lock(fd, fcntl.LOCK_EX) else None
    finally:
        # Closing is enough, and LOCK_UN would take the lock from a postmaster that has inherited it.
        os.close(fd)


def is_free(path: Path) -> bool:
    """Tell whether nobody holds a lock file."""
    with locked(path) as fd:
        return fd is not None


def postmaster(layout: Layout) -> Postmaster | None:
    """Find the server of this cluster.

    Returns:
        None when `postmaster.pid` is missing, closed to us or half written, or names a process that is dead or not a
        PostgreSQL working in this data directory.
    """
    import psutil

    try:
        lines = os.fsdecode((layout.data / "postmaster.pid").read_bytes()).splitlines()
    except OSError:
        return None
    try:
        pid = int(lines[0])
        process = psutil.Process(pid)
        if not _works_in(process, layout.data) or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except (IndexError, ValueError, psutil.Error):
        return None
    if len(lines) < 8:
        return Postmaster(process, layout.data, SOCKET_PORT, ready=False)
    return Postmaster(process, Path(lines[4]), int(lines[3]), ready=lines[7].strip() == "ready")


def kill_left_behind(layout: Layout) -> None:
    """Kill backends whose postmaster was killed.

    They hold the old shared memory, so that no new server can start; most leave by themselves, one busy in a query does
    not. Nothing committed is lost: that is in the write-ahead log.
    """
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            # A backend renames itself to "postgres: <role>"; a server that is only just starting has not.
            if not _works_in(process, layout.data) or not "".join(process.cmdline()).startswith("postgres: "):
                continue
            parent = process.parent()
            if parent is None or not _works_in(parent, layout.data):
                process.kill()


def stop_server(layout: Layout) -> bool:
    """Stop the server and wait until every process of it has gone; the caller holds `pg.holders` exclusively.

    Returns:
        Whether it is gone; False would mean that even SIGKILL did not help.
    """
    import psutil

    for how, patience in _STOPS:
        until = time.monotonic() + patience
        told: int | None = None
        while time.monotonic() < until:
            server = postmaster(layout)
            if server is None:
                if is_free(layout.server):
                    if layout.sockets.parent != layout.root:
                        shutil.rmtree(layout.sockets, ignore_errors=True)
                    return True
                kill_left_behind(layout)
            elif server.process.pid != told:
                told = server.process.pid
                with contextlib.suppress(psutil.NoSuchProcess):
                    server.process.send_signal(how)
            time.sleep(_POLL_SECONDS)
    return False


def command_line(
    layout: Layout, *, server_fd: int | None, postgres: list[str], owner: tuple[int, int] | None
) -> list[str]:
    """Write the command that runs a keeper.

    Args:
        layout: The cluster.
        server_fd: Descriptor that holds `pg.server`, to be inherited by postgres.
        postgres: Command of the server to start; empty to watch one that runs already.
        owner: User and group id that postgres gets, when the caller is root.
    """
    order = {"root": str(layout.root), "server_fd": server_fd, "postgres": postgres, "owner": owner}
    return [sys.executable, "-P", __file__, json.dumps(order)]


def main() -> None:
    """Keep one server: start it if told to, and stop it when the last holder has gone."""
    order = json.loads(sys.argv[1])
    layout = Layout(Path(order["root"]))
    fcntl.flock(open_lock(layout.keeper), fcntl.LOCK_SH)
    # Whoever started us waits for this process only, and keeps no zombie of it.
    if os.fork():
        os._exit(0)
    if order["postgres"]:
        child = _launch(layout, order["postgres"], order["server_fd"], order["owner"])
        # A child that was stopped or goes on is told of in the same way: it lives.
        signal.signal(signal.SIGCHLD, lambda *_: None if child.poll() is None else os._exit(0))
        if child.poll() is not None:
            return
    # A service manager signals all processes of a service at once: we are the one that has to be last.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    # Imported now, because the installation may have been replaced by the time it is needed.
    import psutil  # noqa: F401

    holders = open_lock(layout.holders)
    fcntl.flock(holders, fcntl.LOCK_EX)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # A data directory that was deleted and made anew below us has holders, and a keeper, of its own.
    if layout.holders.exists() and os.path.samestat(os.fstat(holders), layout.holders.stat()):
        stop_server(layout)


def _launch(
    layout: Layout, postgres: list[str], server_fd: int, owner: tuple[int, int] | None
) -> "subprocess.Popen[bytes]":
    user, group = owner or (None, None)
    with layout.log.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  our own command line
            postgres,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if owner is None else [],
            pass_fds=(server_fd,),
            start_new_session=True,
        )
    os.close(server_fd)
    return child


def _works_in(process: "psutil.Process", data: Path) -> bool:
    # Every PostgreSQL process has its data directory as working directory.
    return process.name() == "postgres" and process.cwd() == str(data)


if __name__ == "__main__":
    main()
