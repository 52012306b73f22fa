"""What `bot doctor` looks at. Each checkup says what it found and, when that is not well, what to do."""

import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bot.authoring.linter import check
from bot.cli.carriers import check_provider, forged
from bot.cli.findings import HTTP_SECONDS, Check, Verdict
from bot.cli.wording import moment, span
from bot.config import DatabaseSettings, Settings, load_database_settings, load_settings, unknown_settings
from bot.core.errors import ConfigError, SirdarError, StorageError
from bot.core.ids import TenantId
from bot.runtime.carriers import MEDIA, make_store
from bot.runtime.opening import database_dsn
from bot.runtime.project import content_dir, project_actions
from bot.web.webhook import PATH
from providers.http import read_at_most
from providers.meanings import remedy as remedy_of
from storage.base import Backlog
from storage.crypto import parse_secrets
from storage.migrations import current, head
from storage.postgres import Postgres, Upkeep
from storage.postgres.database import RUNTIME_ROLE
from storage.postgres.inspection import Inspection

_LITTLE_SPACE, _NO_SPACE = 2 * 1024**3, 200 * 1024**2  # bytes
_SMALL_SKEW, _LARGE_SKEW = timedelta(seconds=2), timedelta(seconds=30)
_ANYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  looked for, not bound to


async def examine() -> list[Check]:
    """Look at everything that can be looked at with the settings there are."""
    found, base, settings = check_settings()
    if base is None:
        return found
    found += await _guarded("Files", lambda: check_files(base))
    if settings is not None and settings.whatsapp_enable_media:
        full = settings
        found += await _guarded("Files", lambda: check_store(full))
    found += await _guarded("Content", lambda: check_content(base))
    found += await _guarded("Database", lambda: check_database(base, settings))
    if settings is None:
        told = "not looked at, because the settings are not complete"
        return [
            *found,
            *(Check(group=group, name="skipped", verdict="warn", told=told) for group in ("Provider", "Server")),
        ]
    found += await _guarded("Provider", lambda: check_provider(settings))
    found += await _guarded("Server", lambda: check_server(settings))
    return found


async def _guarded(group: str, look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    """A checkup that fails is a finding, too."""
    try:
        return await look()
    except ConfigError as error:
        return [Check(group=group, name="settings", verdict="fail", told=problem) for problem in error.problems]
    except SirdarError as error:
        return [Check(group=group, name="usable", verdict="fail", told=str(error))]
    except Exception as error:  # noqa: BLE001  whatever is the matter, the other checkups go on
        return [Check(group=group, name="checkup", verdict="fail", told=f"{type(error).__name__}: {error}")]


def check_settings() -> tuple[list[Check], DatabaseSettings | None, Settings | None]:
    """Read the settings; what cannot be read is listed, and the rest goes on with what could."""
    name = "complete"
    found: list[Check] = []
    base: DatabaseSettings | None = None
    settings: Settings | None = None
    remedy = "They come from the environment and .env; docs/operations.md describes each."
    try:
        base = settings = load_settings()
    except ConfigError as error:
        found += [Check(group="Settings", name=name, verdict="fail", told=told) for told in error.problems]
        found[-1] = replace(found[-1], remedy=remedy)  # once is enough
    else:
        told = f"{settings.whatsapp_provider}, {settings.whatsapp_phone_number}, tenant {settings.bot_tenant}"
        found.append(Check(group="Settings", name=name, verdict="ok", told=told))
    if base is None:
        try:
            base = load_database_settings()
        except ConfigError:
            return found, None, None  # its problems are among those listed
    for unknown, meant in unknown_settings().items():
        hint = f"Did you mean {meant}?" if meant else "Remove it; docs/operations.md lists all there are."
        found.append(
            Check(group="Settings", name="unknown", verdict="warn", told=f"nobody reads {unknown}", remedy=hint)
        )
    if base.bot_secret_key is not None:
        try:
            parse_secrets(base.bot_secret_key.get_secret_value())
        except ValueError as error:
            found.append(Check(group="Settings", name="secret key", verdict="fail", told=f"BOT_SECRET_KEY {error}."))
    return found, base, settings


async def check_files(settings: DatabaseSettings) -> list[Check]:
    """The data directory and the room on its disk."""
    folder = settings.bot_data_dir
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path.cwd())
    try:
        with tempfile.TemporaryFile(dir=there):
            told = str(folder) if folder.exists() else f"{folder} will be made"
            writable = Check(group="Files", name="data", verdict="ok", told=told)
    except OSError as error:
        remedy = "Make it writable for this user, or choose another one with BOT_DATA_DIR."
        told = f"{there} cannot be written to ({error.strerror})"
        writable = Check(group="Files", name="data", verdict="fail", told=told, remedy=remedy)
    free = shutil.disk_usage(there).free
    verdict: Verdict = "fail" if free < _NO_SPACE else "warn" if free < _LITTLE_SPACE else "ok"
    remedy = "" if verdict == "ok" else "Free some; PostgreSQL stops when there is none."
    told = f"{free / 1024**3:.1f} GB free"
    return [writable, Check(group="Files", name="disk", verdict=verdict, told=told, remedy=remedy)]


async def check_store(settings: Settings) -> list[Check]:
    """Whether files that people send can be kept."""
    store, key = make_store(settings), f"doctor/{secrets.token_hex(8)}"
    told = settings.bot_media_store or str(settings.bot_data_dir / MEDIA)
    remedy = "Check BOT_MEDIA_STORE, the settings BOT_S3_… and what the key may do."
    if not settings.bot_media_store:
        remedy = "Make it writable for this user, or use a bucket: BOT_MEDIA_STORE."
    try:
        with tempfile.NamedTemporaryFile() as probe:
            probe.write(b"ok")
            probe.flush()
            await store.put(key, Path(probe.name))
        kept = await store.has(key)
        await store.delete(key)
    except StorageError as error:
        return [Check(group="Files", name="store", verdict="fail", told=f"{told}: {error}", remedy=remedy)]
    finally:
        await store.close()
    if not kept:
        return [
            Check(group="Files", name="store", verdict="fail", told=f"{told} loses what is put there", remedy=remedy)
        ]
    return [Check(group="Files", name="store", verdict="ok", told=told)]


async def check_content(settings: DatabaseSettings) -> list[Check]:
    """The linter's verdict on the flows."""
    root = content_dir(settings)
    findings = check(root, project_actions(settings, root))
    errors = sum(finding.severity == "error" for finding in findings)
    verdict: Verdict = "fail" if errors else "warn" if findings else "ok"
    told = f"{root}: {errors} errors, {len(findings) - errors} warnings"
    remedy = "See them with: bot check" if findings else ""
    return [Check(group="Content", name="flows", verdict=verdict, told=told, remedy=remedy)]


async def check_database(settings: DatabaseSettings, full: Settings | None) -> list[Check]:
    """Schema, rights, and what lies in the queues."""
    group = "Database"
    if settings.bot_database_url is None and not (settings.bot_data_dir / "pg").exists():
        told = f"there is none in {settings.bot_data_dir} yet"
        return [Check(group=group, name="there", verdict="warn", told=told, remedy="The first `bot serve` makes it.")]
    async with AsyncExitStack() as stack:
        dsn, _ = await database_dsn(settings, stack)
        try:
            revision = await current(dsn)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            remedy = "Check BOT_DATABASE_URL, and that PostgreSQL runs and lets this host in."
            told = f"cannot be reached: {error}"
            return [Check(group=group, name="reachable", verdict="fail", told=told, remedy=remedy)]
        if revision != head():
            told = f"at revision {revision or 'none'}; this version needs {head()}"
            return [Check(group=group, name="schema", verdict="fail", told=told, remedy="Run: bot db upgrade")]
        database = await Postgres.connect(dsn, size=2)
        stack.push_async_callback(database.close)
        inspection = Inspection(database)
        found = [Check(group=group, name="schema", verdict="ok", told=f"revision {revision}")]
        found += await _rights(inspection)
        limit = timedelta(seconds=full.bot_backlog_limit if full is not None else 60)
        found += _queues(await Upkeep(database).backlog(), limit)
        tenant = await inspection.tenant(settings.bot_tenant)
        if tenant is not None:
            found += await _numbers(inspection, tenant)
        return found


async def _rights(inspection: Inspection) -> Iterable[Check]:
    group = "Database"
    health = await inspection.health(datetime.now(UTC))
    right_role = health.role == RUNTIME_ROLE and not health.bypasses
    role = f"{health.role}{', which escapes row-level security' if health.bypasses else ''}"
    found = [
        Check(group=group, name="reachable", verdict="ok", told=f"PostgreSQL {health.version}"),
        Check(
            group=group,
            name="role",
            verdict="ok" if right_role else "fail",
            told=role,
            remedy="" if right_role else f"It should be {RUNTIME_ROLE} without BYPASSRLS: ALTER ROLE … NOBYPASSRLS.",
        ),
        Check(
            group=group,
            name="isolation",
            verdict="fail" if health.unprotected else "ok",
            told=f"row-level security is not forced on {', '.join(health.unprotected)}"
            if health.unprotected
            else "row-level security is forced on every table",
            remedy="ALTER TABLE … FORCE ROW LEVEL SECURITY, for each." if health.unprotected else "",
        ),
        Check(
            group=group,
            name="partitions",
            verdict="warn" if health.missing else "ok",
            told=f"missing: {', '.join(health.missing)}" if health.missing else "this month's and the next",
            remedy="A running `bot serve --only clock` makes them." if health.missing else "",
        ),
    ]
    skew = abs(health.clock_ahead)
    verdict: Verdict = "fail" if skew > _LARGE_SKEW else "warn" if skew > _SMALL_SKEW else "ok"
    told = f"{span(skew)} {'ahead of' if health.clock_ahead > timedelta() else 'behind'} ours"
    remedy = "" if verdict == "ok" else "Let both machines follow a time server (NTP)."
    return [*found, Check(group=group, name="clock", verdict=verdict, told=told, remedy=remedy)]


def _queues(backlog: Backlog, limit: timedelta) -> Iterable[Check]:
    now = datetime.now(UTC)
    for name, count, oldest, part in (
        ("inbox", backlog.inbox_events, backlog.inbox_oldest, "worker"),
        ("outbox", backlog.outbox_ready, backlog.outbox_oldest, "sender"),
    ):
        age = max(now - oldest, timedelta()) if oldest is not None else timedelta()
        late = age > limit
        told = f"{count} waiting{f', the oldest for {span(age)}' if count else ''}"
        remedy = f"Is a {part} running? bot serve --only {part}" if late else ""
        yield Check(group="Queues", name=name, verdict="fail" if late else "ok", told=told, remedy=remedy)
    unknown, dead = backlog.outbox_unknown, backlog.dead_letters
    yield Check(
        group="Queues",
        name="unanswered",
        verdict="warn" if unknown else "ok",
        told=f"{unknown} sends of which nobody knows whether they went out",
        remedy="A status may still tell; those left over are for a person to judge." if unknown else "",
    )
    yield Check(
        group="Queues",
        name="dead",
        verdict="warn" if dead else "ok",
        told=f"{dead} events put aside after they had failed again and again",
        remedy="See `bot dead list`; when the cause is mended: bot dead retry --all" if dead else "",
    )


async def _numbers(inspection: Inspection, tenant: TenantId) -> list[Check]:
    found: list[Check] = []
    for event, error in (await inspection.dead_letters(tenant))[-3:]:
        found.append(Check(group="Queues", name="dead letter", verdict="warn", told=f"event {event}: {error}"))
    for channel in await inspection.channels(tenant):
        number, alarm, paused = channel["phone_number"], channel["alarm"], channel["paused_until"]
        told, remedy = f"{number}: no alarm", ""
        verdict: Verdict = "ok"
        if alarm:
            told, verdict, remedy = f"{number}: {alarm}", "fail", remedy_of(alarm)
        elif paused is not None and paused > datetime.now(UTC):
            told, verdict, remedy = f"{number}: paused until {moment(paused)}", "warn", "It sends again by itself then."
        found.append(Check(group="Queues", name="channel", verdict=verdict, told=told, remedy=remedy))
    return found


async def check_server(settings: Settings) -> list[Check]:
    """Whether our own server is up, and lets in whom it should."""
    group = "Server"
    host = "127.0.0.1" if settings.bot_host in _ANYWHERE else settings.bot_host
    server = f"http://{f'[{host}]' if ':' in host else host}:{settings.bot_port}"
    try:
        status, _ = await _get(f"{server}/healthz")
    except (aiohttp.ClientError, OSError) as error:
        told = f"nothing answers at {server} ({type(error).__name__})"
        return [Check(group=group, name="alive", verdict="fail", told=told, remedy="Start it: bot serve")]
    if status != 200:
        told, remedy = f"{server}/healthz answers {status}", "Another program listens there: choose another BOT_PORT."
        return [Check(group=group, name="alive", verdict="fail", told=told, remedy=remedy)]
    body, headers = forged(settings)
    async with _client() as client, client.post(server + PATH, data=body, headers=headers) as refusal:
        refused = refusal.status
    return [
        Check(group=group, name="alive", verdict="ok", told=server),
        *(await _handshake(settings, server) if settings.whatsapp_provider == "meta" else []),
        Check(
            group=group,
            name="signatures",
            verdict="ok" if refused == 401 else "fail",
            told="a forged webhook is refused" if refused == 401 else f"a forged webhook gets HTTP {refused}, not 401",
            remedy="" if refused == 401 else "Take the server off the net, and see what answers there.",
        ),
    ]


async def _handshake(settings: Settings, server: str) -> list[Check]:
    challenge = "1158201444"
    token = settings.whatsapp_verify_token.get_secret_value()
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    status, body = await _get(server + PATH, params=query)
    shaken = status == 200 and body == challenge.encode()
    return [
        Check(
            group="Server",
            name="handshake",
            verdict="ok" if shaken else "fail",
            told="our verify token is taken" if shaken else f"our verify token gets HTTP {status}",
            remedy="" if shaken else "The server runs with another WHATSAPP_VERIFY_TOKEN: restart it.",
        )
    ]


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_SECONDS))


async def _get(url: str, **options: Any) -> tuple[int, bytes]:
    async with _client() as client, client.get(url, allow_redirects=False, **options) as answer:
        return answer.status, await read_at_most(answer, 100_000)
