"""Start, share and stop an embedded PostgreSQL."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import asyncpg

from bot.core.errors import StorageError
from storage.embedded import keeper
from storage.embedded.install import (
    SUPERUSER,
    Owner,
    binary,
    choose_owner,
    create_cluster,
    open_the_way,
    programs,
    socket_directory,
)
from storage.embedded.keeper import Layout

DATABASE = "sirdar"

DEFAULT_SETTINGS: Mapping[str, str] = {
    # Promises are kept by what is on disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

# Crash recovery after a kill -9 replays up to max_wal_size, which takes longer than any usual start.
_START_TIMEOUT_SECONDS = 120.0
_STOP_TIMEOUT_SECONDS = 60.0
_CONNECT_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.01
_BUSY_POLL_SECONDS = 0.05  # each look goes through all processes of the machine
_LOG_TAIL_BYTES = 4096
_LOG_LIMIT_BYTES = 10_000_000

_HALF_DROPPED = "SELECT true FROM pg_database WHERE datname = $1 AND datconnlimit = -2"


class EmbeddedPostgres:
    """One PostgreSQL cluster below a data directory, shared by every process that asks for it.

    The data is in `<data_dir>/pg`, the server's log in `<data_dir>/pg.log`; it listens on a Unix socket only, in a
    directory of mode 0700, and trusts whoever can reach it. The server stops when its last holder stops or dies, also
    by kill -9. It is not restarted behind anybody's back when it dies itself: `start` or `revive` do that.

    Use it as `async with await EmbeddedPostgres.start(path) as database:`, or call `stop`.
    """

    def __init__(self, layout: Layout, share: int, settings: Mapping[str, str]) -> None:
        self._layout = layout
        self._share: int | None = share
        self._settings = settings
        self._host = ""
        self._port = 0

    @classmethod
    async def start(cls, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Self:
        """Start the server, or join the one that runs on this data directory.

        Creates the cluster and the database `sirdar` when they do not exist. Any number of processes may call this at
        the same time; the first one starts the server and the others wait for it.

        Args:
            data_dir: Directory on a local file system; created if missing.
            settings: PostgreSQL settings that replace or extend `DEFAULT_SETTINGS`. They take effect when this call
                starts the server, not when it joins one. `{"fsync": "off"}` makes a fast throw-away cluster.

        Raises:
            StorageError: It cannot be started; the text says why and what to do.
        """
        binary("postgres")
        wanted = {**DEFAULT_SETTINGS, **(settings or {})}
        layout, share = _open_share(data_dir)
        try:
            await _take_share(layout, share)
            database = cls(layout, share, wanted)
            await database.revive()
        except BaseException:
            _give_up_share(share)
            raise
        return database

    def dsn(self, database: str = DATABASE, user: str | None = None) -> str:
        """Build a connection string for asyncpg and libpq; without `user` it is the superuser's."""
        where = urlencode({"host": self._host, "port": self._port}, quote_via=quote)
        return f"postgresql://{quote(user or SUPERUSER, safe='')}@/{quote(database, safe='')}?{where}"

    def postmaster_pid(self) -> int:
        """Return the process id of the server, for tests that kill it.

        Raises:
            StorageError: The server is not running.
        """
        server = keeper.postmaster(self._layout)
        if server is None:
            raise StorageError(f"no PostgreSQL is running on {self._layout.data}: see {self._layout.log}")
        return server.process.pid

    async def revive(self) -> None:
        """Start the server again if it has died; the connection string stays the same."""
        until = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            server = await asyncio.to_thread(_bring_up, self._layout, self._settings)
            self._host, self._port = str(server.socket_dir), server.port
            try:
                return await self._ensure_database()
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
                # It was found alive and is dying, or somebody is just stopping it by hand.
                if time.monotonic() > until:
                    raise StorageError(
                        f"PostgreSQL on {self._layout.data} refuses connections ({error}): see {self._layout.log}"
                    ) from error
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> None:
        """Give up our share; the last holder stops the server and returns when it has gone. May be called twice."""
        share, self._share = self._share, None
        if share is not None:
            await asyncio.to_thread(_release, self._layout, share)

    async def _ensure_database(self) -> None:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=_CONNECT_TIMEOUT_SECONDS)
        except (asyncpg.InvalidCatalogNameError, asyncpg.ObjectNotInPrerequisiteStateError):
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=_CONNECT_TIMEOUT_SECONDS)
            try:
                # Whoever was dropping it was interrupted: what is left cannot be used, and the name is taken.
                if await connection.fetchval(_HALF_DROPPED, DATABASE):
                    await connection.execute(f'DROP DATABASE IF EXISTS "{DATABASE}"')
                # Another process may be doing the same.
                with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                    await connection.execute(f'CREATE DATABASE "{DATABASE}"')
            except BaseException:
                connection.terminate()
                raise
        await connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _open_share(data_dir: Path) -> tuple[Layout, int]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        layout = Layout(data_dir.resolve())
        return layout, keeper.open_lock(layout.holders)
    except OSError as error:
        raise StorageError(
            f"the data directory {data_dir} cannot be used ({error}): make it writable or choose another one"
        ) from error


async def _take_share(layout: Layout, share: int) -> None:
    # Not free at once when the previous last holder is just stopping the server.
    until = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while not keeper.try_lock(share, fcntl.LOCK_SH):
        if time.monotonic() > until:
            raise StorageError(
                f"PostgreSQL on {layout.data} has been stopping for {_STOP_TIMEOUT_SECONDS:.0f} s: see {layout.log}"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _bring_up(layout: Layout, settings: Mapping[str, str]) -> keeper.Postmaster:
    """Return a server that accepts connections, starting it if there is none; the caller holds a share."""
    until = time.monotonic() + _START_TIMEOUT_SECONDS
    log_start: int | None = None
    while True:
        server = keeper.postmaster(layout)
        if server is not None and server.ready:
            break
        if server is None:
            with keeper.locked(layout.server) as fd:
                if fd is None:
                    # Somebody else is starting it, or backends of a killed server are in the way.
                    keeper.kill_left_behind(layout)
                    time.sleep(_BUSY_POLL_SECONDS)
                elif log_start is not None:
                    raise StorageError(
                        f"PostgreSQL on {layout.data} did not start, says {layout.log}:\n{_tail(layout, log_start)}"
                    )
                # The server may have come up since we looked; its lock file must not be taken from it.
                elif keeper.postmaster(layout) is None:
                    log_start = _start_of_log(layout)
                    _launch(layout, settings, fd)
        if time.monotonic() > until:
            raise StorageError(
                f"PostgreSQL on {layout.data} did not accept connections within {_START_TIMEOUT_SECONDS:.0f} s: "
                f"see {layout.log}; if it is still recovering, start again"
            )
        time.sleep(_POLL_SECONDS)
    if keeper.is_free(layout.keeper):
        _run_keeper(layout, postgres=[], owner=None, server_fd=None)
    return server


def _launch(layout: Layout, settings: Mapping[str, str], server_fd: int) -> None:
    """Start postgres below a keeper. We hold `pg.server`, so no process of this cluster is alive."""
    owner = choose_owner(layout)
    open_the_way(layout.root, owner)
    directory = programs(layout, owner)
    create_cluster(layout, directory, owner, server_fd=server_fd, settings=settings)
    sockets = socket_directory(layout, owner)
    # PostgreSQL believes both files if their process id is in use, by whatever program.
    for stale in (layout.data / "postmaster.pid", sockets / f".s.PGSQL.{keeper.SOCKET_PORT}.lock"):
        stale.unlink(missing_ok=True)
    all_settings = {
        **settings,
        "listen_addresses": "",
        "port": str(keeper.SOCKET_PORT),
        "unix_socket_directories": f'"{sockets}"',
    }
    options = [word for name, value in all_settings.items() for word in ("-c", f"{name}={value}")]
    _run_keeper(
        layout,
        postgres=[str(directory / "postgres"), "-D", str(layout.data), *options],
        owner=owner,
        server_fd=server_fd,
    )


def _run_keeper(layout: Layout, *, postgres: list[str], owner: Owner | None, server_fd: int | None) -> None:
    command = keeper.command_line(
        layout, server_fd=server_fd, postgres=postgres, owner=None if owner is None else (owner.uid, owner.gid)
    )
    with layout.log.open("ab") as log:
        done = subprocess.run(  # noqa: S603  our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=False,
            pass_fds=() if server_fd is None else (server_fd,),
            start_new_session=True,
        )
    if done.returncode != 0:
        raise StorageError(f"the process that watches PostgreSQL did not start: see {layout.log}")


def _give_up_share(share: int) -> None:
    # Unlocked explicitly: a process forked from ours has the same descriptor, and would keep the lock.
    fcntl.flock(share, fcntl.LOCK_UN)
    os.close(share)


def _release(layout: Layout, share: int) -> None:
    _give_up_share(share)
    try:
        holders = keeper.open_lock(layout.holders)
    except FileNotFoundError:  # the data directory was deleted
        return
    try:
        if keeper.try_lock(holders, fcntl.LOCK_EX):
            gone = keeper.stop_server(layout)
        else:
            # Shared by others: theirs to stop. Held exclusively: the keeper was faster, and is stopping it.
            gone = keeper.wait_lock(holders, fcntl.LOCK_SH, until=time.monotonic() + _STOP_TIMEOUT_SECONDS)
    finally:
        os.close(holders)
    if not gone:
        raise StorageError(f"PostgreSQL on {layout.data} does not stop: see {layout.log}")


def _start_of_log(layout: Layout) -> int:
    """Return where the log of the next server begins; a long one is put aside."""
    if not layout.log.exists():
        return 0
    if layout.log.stat().st_size > _LOG_LIMIT_BYTES:
        layout.log.rename(layout.log.with_suffix(".log.old"))
        return 0
    return layout.log.stat().st_size


def _tail(layout: Layout, start: int) -> str:
    with layout.log.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip()
