"""Migrations against real PostgreSQL: what the revisions add up to, and what happens when they fail or race."""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from bot.core.errors import StorageError
from storage import migrations
from storage.embedded import EmbeddedPostgres, binary

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schema.sql"


NewDatabase = Callable[[], Awaitable[str]]

REVISION = '''"""{text}."""

from storage.migrations.upgrading import run_script

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
    """{text}."""
    run_script(__file__)
'''

TOY_1 = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'toy_role') THEN
        CREATE ROLE toy_role NOLOGIN;
    END IF;
END
$$;
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE letters (id int PRIMARY KEY, person int NOT NULL REFERENCES people DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION greet(name text) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    -- semicolons; and $$ inside a body
    RETURN 'Hello, ' || name || ';';
END
$body$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO toy_role;
GRANT toy_role TO CURRENT_USER;
SET search_path = pg_catalog;
"""
TOY_2 = """
ALTER TABLE people ADD COLUMN language text NOT NULL DEFAULT 'en';
UPDATE people SET name = upper(name);
"""


class ToyVersions:
    """A directory of revisions to break."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.count = 0
        self.add(TOY_1)
        self.add(TOY_2)

    def add(self, sql: str) -> Path:
        """Append a revision; returns its script."""
        before = f'"{self.count:04}"' if self.count else None
        self.count += 1
        name = f"{self.count:04}_step"
        text = REVISION.format(text=name, revision=f"{self.count:04}", down=before)
        (self.directory / f"{name}.py").write_text(text)
        script = self.directory / f"{name}.sql"
        script.write_text(sql)
        return script


ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sirdar_runtime') THEN
        CREATE ROLE sirdar_runtime NOLOGIN;
    END IF;
END $$
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="sirdar-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def server(cluster: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with await EmbeddedPostgres.start(cluster, settings={"fsync": "off"}) as running:
        connection = await asyncpg.connect(running.dsn())
        await connection.execute(ROLES)  # of the whole cluster: any test may be the first one here
        await connection.close()
        yield running


@pytest.fixture
async def new_database(server: EmbeddedPostgres) -> AsyncIterator[NewDatabase]:
    """Makes an empty database and returns its dsn."""
    names: list[str] = []
    connection = await asyncpg.connect(server.dsn())

    async def make() -> str:
        names.append(f"test {len(names)}")
        await connection.execute(f'CREATE DATABASE "{names[-1]}"')
        return server.dsn(names[-1])

    yield make
    for name in names:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
def toys(tmp_path: Path) -> ToyVersions:
    directory = tmp_path / "100% toys: versions"
    directory.mkdir()
    return ToyVersions(directory)


async def run(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def dump(dsn: str) -> str:
    """Everything that pg_dump knows of a database's shape, without what differs between any two dumps."""
    process = await asyncio.create_subprocess_exec(
        binary("pg_dump"),
        *("--schema-only", f"--exclude-schema={migrations.VERSION_SCHEMA}", f"--dbname={dsn}"),
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return re.sub(r"^\\(un)?restrict .*\n", "", output.decode(), flags=re.MULTILINE)


# --- the real schema -------------------------------------------------------------------------------------------------


async def test_the_revisions_add_up_to_schema_sql(new_database: NewDatabase) -> None:
    """If this fails: `schema.sql` was changed without a revision that makes the same change, or the reverse."""
    migrated, fresh = await new_database(), await new_database()
    await migrations.upgrade(migrated)
    await run(fresh, SCHEMA.read_text(encoding="utf-8"))
    assert (await dump(migrated)).splitlines() == (await dump(fresh)).splitlines()
    assert await migrations.current(migrated) == migrations.head()


async def test_a_login_without_the_runtime_role_is_told_what_to_grant(new_database: NewDatabase) -> None:
    dsn = await new_database()
    await migrations.upgrade(dsn)
    admin = await asyncpg.connect(dsn)
    name = f"stranger_{await admin.fetchval('SELECT pg_backend_pid()')}"
    await admin.execute(f"CREATE ROLE {name} LOGIN")
    try:
        with pytest.raises(StorageError, match=f"GRANT sirdar_runtime TO {name}$"):
            await migrations.current(dsn.replace("//postgres@", f"//{name}@", 1))
    finally:
        await admin.execute(f"DROP ROLE {name}")
        await admin.close()


async def test_an_address_that_is_none_is_told() -> None:
    for address in ("garbage", "mysql://a/b", "postgresql://u:p@[::1/x"):
        with pytest.raises(StorageError, match="Check BOT_DATABASE_URL"):
            await migrations.current(address)


async def test_the_runtime_role_may_read_the_version_table_and_no_more(new_database: NewDatabase) -> None:
    dsn = await new_database()
    await migrations.upgrade(dsn)
    strangers = """
        SELECT count(*) FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS access
        WHERE pg_class.oid = 'migrations.alembic_version'::regclass AND access.grantee <> relowner
        AND access.privilege_type <> 'SELECT'"""
    assert await value(dsn, strangers) == 0


async def keys_of_every_table(dsn: str) -> dict[str, set[str]]:
    """Primary keys (whole rows where there is none) by table; partitions count with their parent."""
    tables = """
        SELECT c.oid::regclass::text AS name,
               coalesce((SELECT array_agg(attname::text ORDER BY attnum) FROM pg_index i
                         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                         WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS key
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'migrations')"""
    connection = await asyncpg.connect(dsn)
    found = {}
    for name, key in await connection.fetch(tables):
        quoted = ", ".join(f'"{column}"' for column in key)
        columns = f"jsonb_build_array({quoted})" if key else "to_jsonb(t)"
        found[name] = {row[0] for row in await connection.fetch(f"SELECT {columns}::text FROM {name} AS t")}
    await connection.close()
    return found


# What goes into a column that must have a value, unless a check constraint lists what may.
SAMPLES = {
    "text": "'text'",
    "bytea": r"'\x00ff'",
    "jsonb": """'{"key": ["value"]}'""",
    "boolean": "true",
    "date": "current_date",
    "timestamp with time zone": "now()",
    "uuid": "gen_random_uuid()",
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), "1"),
}


async def fill_every_table(dsn: str) -> None:
    """Insert a row into every table, whatever tables there are: each column that needs a value gets one.

    Foreign keys are not enforced meanwhile, check constraints are. A column whose type or check is not foreseen here
    fails the insert, which names it.
    """
    columns = """
        SELECT c.oid::regclass::text AS table_name, quote_ident(a.attname) AS name,
               format_type(a.atttypid, NULL) AS type,
               (SELECT substring(pg_get_constraintdef(k.oid) FROM 'ANY \\(ARRAY\\[(''[^'']*'')') FROM pg_constraint k
                WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS listed
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public'
        ORDER BY c.oid, a.attnum"""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET session_replication_role = replica")
    rows: dict[str, dict[str, str]] = {}
    for column in await connection.fetch(columns):
        row = rows.setdefault(column["table_name"], {})
        if column["name"] is not None:
            row[column["name"]] = column["listed"] or SAMPLES[column["type"]]
    for table, row in rows.items():
        given = f"({', '.join(row)}) VALUES ({', '.join(row.values())})" if row else "DEFAULT VALUES"
        await connection.execute(f"INSERT INTO {table} {given}")
    await connection.close()


async def upgraded_without_loss(dsn: str, fill: Callable[[str], Awaitable[None]], versions: Path) -> None:
    """Fill the first revision of a database, upgrade it, and look for every row again."""
    await migrations.upgrade(dsn, "0001", versions=versions)
    await fill(dsn)
    before = await keys_of_every_table(dsn)
    empty = sorted(name for name, keys in before.items() if not keys)
    assert empty == [], "these tables of the first revision have no row, so nothing shows that theirs survive"
    await migrations.upgrade(dsn, versions=versions)
    after = await keys_of_every_table(dsn)
    lost = {name: keys - after.get(name, set()) for name, keys in before.items()}
    assert {name: keys for name, keys in lost.items() if keys} == {}


async def test_an_old_database_is_upgraded_in_place_without_loss(new_database: NewDatabase) -> None:
    """From the database of the first release, with rows in all its tables, to that of today."""
    await upgraded_without_loss(await new_database(), fill_every_table, migrations.VERSIONS)


# --- the machinery, with toy revisions -------------------------------------------------------------------------------

UPGRADE = """
import asyncio, sys
from pathlib import Path
from storage import migrations
print(asyncio.run(migrations.upgrade(sys.argv[1], versions=Path(sys.argv[2]))))
"""
ROWS = "INSERT INTO people VALUES (1, 'asha'), (2, 'ravi'); INSERT INTO letters VALUES (1, 1)"


async def test_revisions_are_applied_once_and_in_order(new_database: NewDatabase, toys: ToyVersions) -> None:
    dsn = await new_database()
    assert await migrations.current(dsn) is None
    assert migrations.head(versions=toys.directory) == "0002"
    assert await migrations.upgrade(dsn, versions=toys.directory) == ["0001", "0002"]
    assert await migrations.current(dsn) == "0002"
    assert await migrations.upgrade(dsn, versions=toys.directory) == []
    assert await value(dsn, "SELECT greet('Asha')") == "Hello, Asha;"


async def test_an_upgrade_can_stop_at_a_revision_and_go_on_later(new_database: NewDatabase, toys: ToyVersions) -> None:
    dsn = await new_database()
    assert await migrations.upgrade(dsn, "0001", versions=toys.directory) == ["0001"]
    await run(dsn, ROWS)
    assert await migrations.upgrade(dsn, versions=toys.directory) == ["0002"]
    assert await migrations.upgrade(dsn, "0001", versions=toys.directory) == []
    assert await value(dsn, "SELECT string_agg(name || language, ',' ORDER BY id) FROM people") == "ASHAen,RAVIen"


async def test_upgrading_in_two_goes_and_in_one_gives_the_same_database(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    at_once, step_by_step = await new_database(), await new_database()
    await migrations.upgrade(at_once, versions=toys.directory)
    for revision in ("0001", "0002"):
        await migrations.upgrade(step_by_step, revision, versions=toys.directory)
    assert await dump(at_once) == await dump(step_by_step)


async def test_a_lossless_upgrade_passes_the_check_for_loss(new_database: NewDatabase, toys: ToyVersions) -> None:
    await upgraded_without_loss(await new_database(), lambda dsn: run(dsn, ROWS), toys.directory)


async def test_the_check_for_loss_finds_lost_rows_and_forgotten_tables(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    with pytest.raises(AssertionError, match=r"no row[\s\S]*letters"):
        await upgraded_without_loss(await new_database(), lambda dsn: run(dsn, ROWS.split(";")[0]), toys.directory)
    toys.add("DELETE FROM people WHERE id = 2")
    with pytest.raises(AssertionError, match=r"people.*\[2\]"):
        await upgraded_without_loss(await new_database(), lambda dsn: run(dsn, ROWS), toys.directory)


async def test_concurrent_upgrades_of_one_database_apply_each_revision_once(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    dsn = await new_database()
    results = await asyncio.gather(*(migrations.upgrade(dsn, versions=toys.directory) for _ in range(4)))
    assert sorted(results) == [[], [], [], ["0001", "0002"]]


async def test_concurrent_upgrades_from_several_processes_apply_each_revision_once(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    """With two databases, so that the processes also meet over the roles, which all databases share."""
    dsns = [await new_database(), await new_database()]
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", UPGRADE, dsn, str(toys.directory)), stdout=subprocess.PIPE, cwd=ROOT
        )
        for dsn in dsns * 2
    ]
    answers = [(await process.communicate())[0].decode().strip() for process in processes]
    assert sorted(answers) == ["['0001', '0002']"] * 2 + ["[]"] * 2


async def test_concurrent_upgrades_of_several_databases_of_one_server_all_end_well(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    dsns = [await new_database() for _ in range(4)]
    results = await asyncio.gather(*(migrations.upgrade(dsn, versions=toys.directory) for dsn in dsns))
    assert results == [["0001", "0002"]] * 4


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "CREATE ROLE toy_collision",
            "DO $$ BEGIN IF to_regrole('toy_collision') IS NULL THEN CREATE ROLE toy_collision; END IF; END $$",
        ),
        ("ALTER ROLE toy_role CONNECTION LIMIT 7", "ALTER ROLE toy_role CONNECTION LIMIT 8"),
    ],
    ids=["both create it", "both change it"],
)
async def test_colliding_with_another_database_over_a_role_is_retried(
    new_database: NewDatabase, toys: ToyVersions, theirs: str, ours: str
) -> None:
    """The other one has touched the role, and commits while we wait to touch it too."""
    dsn, other = await new_database(), await asyncpg.connect(await new_database())
    await migrations.upgrade(dsn, versions=toys.directory)
    toys.add(ours)
    watcher = await asyncpg.connect(dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(theirs)
    upgrade = asyncio.create_task(migrations.upgrade(dsn, versions=toys.directory))
    while not await watcher.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not upgrade.done()
        await asyncio.sleep(0.01)
    await transaction.commit()
    assert await asyncio.wait_for(upgrade, 120) == ["0003"]
    await run(dsn, "DROP ROLE IF EXISTS toy_collision")
    await watcher.close()
    await other.close()


FAILURES = {
    "syntax": (
        "CREATE TABLE extra (id int);\n\nCREATE TABEL oops ();",
        r'0003_step\.sql:3: syntax error at or near "TABEL"',
    ),
    "at run time": (
        "CREATE TABLE extra (id int); INSERT INTO people VALUES (1, 'asha'), (1, 'ravi');",
        r"0003_step\.sql: duplicate key value .*people_pkey",
    ),
    "in a function": (
        "CREATE TABLE extra (id int); DO $$ BEGIN RAISE EXCEPTION 'no such luck'; END $$;",
        r"0003_step\.sql: no such luck",
    ),
    "at the end of the transaction": (
        "CREATE TABLE extra (id int); INSERT INTO letters VALUES (1, 99);",
        r"0003_step\.sql: .*letters_person_fkey",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_revision_leaves_no_trace_and_names_its_file(
    new_database: NewDatabase, toys: ToyVersions, failure: str
) -> None:
    dsn = await new_database()
    sql, message = FAILURES[failure]
    broken = toys.add(sql)
    with pytest.raises(StorageError, match=rf"{message}[\s\S]*The database stays at revision 0002\."):
        await migrations.upgrade(dsn, versions=toys.directory)
    assert await migrations.current(dsn) == "0002"
    assert await value(dsn, "SELECT to_regclass('public.extra')") is None

    broken.write_text("CREATE TABLE extra (id int)")
    assert await migrations.upgrade(dsn, versions=toys.directory) == ["0003"]


async def test_a_failure_in_the_first_revision_leaves_an_empty_database(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    dsn = await new_database()
    (toys.directory / "0001_step.sql").write_text("CREATE TABLE extra (id int); SELECT 1/0")
    with pytest.raises(StorageError, match=r"0001_step\.sql: division by zero\nThe database stays at revision none"):
        await migrations.upgrade(dsn, versions=toys.directory)
    assert await migrations.current(dsn) is None
    assert await value(dsn, "SELECT to_regclass('extra')") is None


async def test_a_process_killed_in_the_middle_of_a_revision_leaves_no_trace_of_it(
    new_database: NewDatabase, toys: ToyVersions
) -> None:
    dsn = await new_database()
    slow = toys.add("CREATE TABLE extra (id int); SELECT pg_sleep(600)")
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-c", UPGRADE, dsn, str(toys.directory)), cwd=ROOT)
    watcher = await asyncpg.connect(dsn)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while (backend := await watcher.fetchval(sleeping)) is None:
        assert process.returncode is None
        await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    await watcher.execute("SELECT pg_terminate_backend($1, 10000)", backend)
    await watcher.close()
    assert await migrations.current(dsn) == "0002"
    slow.write_text("CREATE TABLE extra (id int)")
    assert await migrations.upgrade(dsn, versions=toys.directory) == ["0003"]


async def test_a_script_that_ends_its_transaction_is_refused(new_database: NewDatabase, toys: ToyVersions) -> None:
    toys.add("CREATE TABLE extra (id int); COMMIT;")
    with pytest.raises(StorageError, match=r"0003_step\.sql: it ends its transaction"):
        await migrations.upgrade(await new_database(), versions=toys.directory)


async def test_a_database_of_a_newer_version_is_left_alone(new_database: NewDatabase, toys: ToyVersions) -> None:
    dsn = await new_database()
    newest = toys.add("SELECT 1")
    await migrations.upgrade(dsn, versions=toys.directory)
    newest.with_suffix(".py").unlink()
    with pytest.raises(StorageError, match="at revision 0003, which this version of sirdar does not know"):
        await migrations.upgrade(dsn, versions=toys.directory)


async def test_an_unknown_target_is_an_error(new_database: NewDatabase, toys: ToyVersions) -> None:
    with pytest.raises(StorageError, match="'0099'"):
        await migrations.upgrade(await new_database(), "0099", versions=toys.directory)
