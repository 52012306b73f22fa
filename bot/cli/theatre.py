"""Everything the demo needs on one stage: database, server and phones in this process, talking over real HTTP."""

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import asyncpg

from bot.cli.carrier import emulated, made_up, phones_of, webhook_address
from bot.cli.cast import Troupe, take_places, troupe_of
from bot.cli.scratch import new_key, play_settings, scratch_database
from bot.config import DatabaseSettings, Settings
from bot.core.errors import SirdarError
from bot.runtime.bootstrap import PARTS, System, open_system
from bot.runtime.loop import Stopping
from bot.runtime.parts import run_parts
from bot.runtime.project import content_dir
from bot.runtime.templates import push, sync
from bot.web.app import web_parts
from providers.emulator import Emulator, WebhookRefusedError
from providers.emulator.settings import ProviderName
from storage.embedded import DATABASE, EmbeddedPostgres
from storage.migrations import upgrade

HOST = "127.0.0.1"
_DRAIN_SECONDS = 2
_PORTS_TRIED = 50
_PATIENCE_SECONDS = 60  # for our own server to answer the handshake
_POLL_SECONDS = 0.05


class Progress(Protocol):
    """Tells somebody how the start goes."""

    def step(self, name: str) -> contextlib.AbstractContextManager[Callable[[str], None]]:
        """A step that takes a while; call what it gives with how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theatre:
    """A running demo.

    Attributes:
        system: The bot.
        emulator: The phones.
        stopping: Set it to end the demo.
        running: Ends when the bot has stopped; raises what stopped it.
        server_url: Where the bot listens.
        troupe: Whose phones they are.
    """

    system: System
    emulator: Emulator
    stopping: Stopping
    running: "asyncio.Task[None]"
    server_url: str
    troupe: Troupe


@asynccontextmanager
async def open_demo(
    settings: DatabaseSettings, progress: Progress, port: int, provider: ProviderName = "meta"
) -> AsyncIterator[Theatre]:
    """The demo for people, on a database of its own in BOT_DATA_DIR/demo that begins empty each time.

    Raises:
        SirdarError: A demo runs on that folder already, or it cannot be written to.
    """
    folder = settings.bot_data_dir / "demo"
    with _only_one(folder):
        async with AsyncExitStack() as stack:
            with progress.step("Database") as done:
                server = await stack.enter_async_context(await EmbeddedPostgres.start(folder))
                await _empty(server)
                done(f"PostgreSQL in {folder}")
            with progress.step("Schema") as done:
                applied = await upgrade(server.dsn())
                done(f"revision {applied[-1]}")
            base = play_settings(
                **made_up(provider),
                bot_data_dir=folder,
                bot_content_dir=content_dir(settings),
                bot_actions=settings.bot_actions,
                bot_tenant="default",
                bot_watch=True,
            )
            yield await stack.enter_async_context(perform(base, progress, port, signals=True))


@asynccontextmanager
async def open_rehearsal(
    settings: DatabaseSettings, progress: Progress, port: int, provider: ProviderName = "meta"
) -> AsyncIterator[Theatre]:
    """The same for a script: on a database that is gone afterwards, and deaf to signals."""
    async with AsyncExitStack() as stack:
        with progress.step("Database") as done:
            dsn = await stack.enter_async_context(scratch_database(settings.bot_data_dir))
            done("a scratch database")
        base = play_settings(
            **made_up(provider),
            bot_database_url=dsn,
            bot_secret_key=new_key(),
            bot_data_dir=settings.bot_data_dir,
            bot_content_dir=content_dir(settings),
            bot_actions=settings.bot_actions,
        )
        yield await stack.enter_async_context(perform(base, progress, port, signals=False))


@asynccontextmanager
async def perform(
    base: Settings, progress: Progress, port: int, *, signals: bool, drain_seconds: float = _DRAIN_SECONDS
) -> AsyncIterator[Theatre]:
    """Start phones and bot, and introduce them to each other.

    Args:
        base: Settings; where the phones and the server are is put in here.
        progress: Hears how it goes.
        port: The first to try for the phones; the server takes the next that is free.
        signals: Whether SIGINT and SIGTERM end it.
        drain_seconds: How long it may finish what it began, in the end.

    Raises:
        KeyboardInterrupt: A signal came while it was starting.
    """
    troupe = troupe_of(content_dir(base))
    async with AsyncExitStack() as stack:
        with progress.step("Phones") as done:
            emulator = Emulator(emulated(base, troupe), phones_of(troupe))
            await _start(emulator, port)
            stack.push_async_callback(emulator.stop)
            done(f"{len(troupe.people)} of them, {emulator.base_url}")
        # Looked for before the bot begins, which may have to tell its address to the provider.
        server_port = free_port(int(emulator.base_url.rpartition(":")[2]) + 1)
        server_url = f"http://{HOST}:{server_port}"
        play = base.model_copy(
            update={
                "whatsapp_api_base_url": emulator.base_url,
                "bot_media_hosts": emulator.base_url.partition("//")[2],
                "bot_port": server_port,
                "bot_public_url": server_url if base.whatsapp_provider == "twilio" else base.bot_public_url,
            }
        )
        with progress.step("Flows") as done:
            system = await stack.enter_async_context(open_system(play, migrate=True))
            await take_places(system, datetime.now(UTC).date(), troupe.people)
            done(f"{len({flow.name for flow in system.content.book.flows()})} of them")
        with progress.step("Server") as done:
            stopping = Stopping()
            emulator.webhook_url = webhook_address(play, server_url)
            parts = [*system.parts(PARTS), *web_parts(system, PARTS)]
            running = asyncio.create_task(
                run_parts(parts, stopping=stopping, drain_seconds=drain_seconds, signals=signals)
            )
            stack.push_async_callback(_stop, running, stopping)
            await _introduce(emulator, running, stopping)
            await _register(system)
            done(server_url)
        yield Theatre(
            system=system, emulator=emulator, stopping=stopping, running=running, server_url=server_url, troupe=troupe
        )


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on here."""
    for port in range(first, first + _PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise SirdarError(f"All ports from {first} to {first + _PORTS_TRIED - 1} are taken: choose others with --port.")


async def _start(emulator: Emulator, port: int) -> None:
    while True:
        port = free_port(port)
        try:
            return await emulator.start(HOST, port)
        except OSError:  # somebody was faster
            port += 1


async def _stop(running: "asyncio.Task[None]", stopping: Stopping) -> None:
    stopping.set()
    await asyncio.wait((running,))


async def _introduce(emulator: Emulator, running: "asyncio.Task[None]", stopping: Stopping) -> None:
    """Wait until the bot answers the handshake, as Meta does it when a webhook is set up."""
    until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while not stopping.is_set():
        try:
            return await emulator.verify_webhook()
        except WebhookRefusedError:
            if asyncio.get_running_loop().time() > until:
                raise
        await asyncio.sleep(_POLL_SECONDS)
    await running  # it raises what it stopped of, if that was no signal
    raise KeyboardInterrupt


async def _register(system: System) -> None:
    """Hand the message templates in, as an operator does; here they are approved at once."""
    if system.desk is None:
        return
    for one in await push(system.desk, system.templates, system.ours.values(), system.clock, system.samples.of):
        if one.deed == "refused":
            raise SirdarError(f"Template {one.name} was refused: {one.told}")
    await sync(system.desk, system.templates, system.ours, system.clock)


async def _empty(server: EmbeddedPostgres) -> None:
    """Begin anew: the phones forget their chats when a demo ends, so the bot had better forget them, too."""
    admin = await asyncpg.connect(server.dsn("postgres"))
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await admin.close()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep a second demo away from the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise SirdarError(
            f"The demo cannot write to {folder} ({error.strerror}): make it writable, or choose another folder with "
            "BOT_DATA_DIR=…"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SirdarError(
                f"A demo runs on {folder} already. Use that one, or give this one a folder of its own: BOT_DATA_DIR=…"
            ) from None
        yield
