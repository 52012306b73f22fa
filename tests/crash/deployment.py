"""A whole deployment: a durable PostgreSQL, a provider, people, and real processes that may be killed."""

import asyncio
import base64
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.processes import free_port
from bot.web.webhook import PATH
from crash.ledger import DDL, Verdict, judge, waiting
from crash.meta import ACCESS_TOKEN, ACCOUNT_ID, APP_SECRET, NUMBER_ID, Courier, FakeMeta
from crash.people import Person
from crash.processes import Child, Death, Fleet
from storage.embedded import EmbeddedPostgres
from storage.migrations import upgrade

CONTENT = Path(__file__).parent / "content"
WORKER_LEASE = 2.0  # seconds
SEND_TIMEOUT = 2.0  # seconds; the send lease is twice that
SEND_LEASE = 2 * SEND_TIMEOUT
PATIENT_SEND = 30.0  # seconds: for tests in which no send may become unknown, however busy the machine is
UNKNOWN_WAIT = 3.0  # seconds
SOAK = bool(os.environ.get("SIRDAR_SOAK"))
PATIENCE = 300.0  # seconds that anything may take to settle: on a busy machine a process takes 90 s to start

_IN_FLIGHT = "SELECT count(*) FROM outbox WHERE state = 'SENDING'"
_UNCERTAIN = "SELECT count(*) FROM outbox WHERE state <> 'READY'"


@dataclass(slots=True)
class Deployment:
    """What a test handles. `in_flight` counts sends whose process, or database, went away under them."""

    cluster: EmbeddedPostgres
    dsn: str
    meta: FakeMeta
    courier: Courier
    fleet: Fleet
    rng: random.Random
    webs: list[int]
    people: list[Person] = field(default_factory=list)
    in_flight: int = 0
    postgres_kills: int = 0
    freezes: int = 0
    outages: list[tuple[float, float]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    async def query(self, statement: str, *args: Any) -> list[Any]:
        """Read as the database's owner; waits while PostgreSQL is down."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                connection = await asyncpg.connect(self.dsn, timeout=10)
                try:
                    return await connection.fetch(statement, *args)
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def start(self, *processes: str, failpoints: Sequence[str] = ()) -> list[Child]:
        """Start processes named like their parts and a number: `web:1`, `worker:1`, `web,worker:1`; `all:1`."""
        children = []
        for name in processes:
            parts, _, number = name.partition(":")
            extra = {"BOT_PORT": str(self.webs[int(number) - 1])} if parts == "all" or "web" in parts else {}
            parts = "" if parts == "all" else parts
            if extra and (url := f"http://127.0.0.1:{extra['BOT_PORT']}{PATH}") not in self.courier.urls:
                self.courier.urls.append(url)
            children.append(await self.fleet.start(name, parts, failpoints, **extra))
        return children

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]], *, patience: float = PATIENCE) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + patience
        while not await holds():
            assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}; queues: {await self.state()}"
            await asyncio.sleep(0.1)

    async def warm_up(self) -> None:
        """Wait until what one person writes is stored, processed and answered: web, worker and sender are up."""
        person = Person(len(self.people) + 1)
        self.people.append(person)
        await person.write(self.courier, "COUNT 1")
        await self.settle()

    async def flowing(self) -> None:
        """Wait until 20 more replies have gone out."""
        goal = len(self.meta.sent) + 20

        async def sent() -> bool:
            return len(self.meta.sent) >= goal

        await self.until("20 more replies", sent)

    async def state(self) -> str:
        """The queues, for messages."""
        rows = await self.query("SELECT state, count(*) FROM outbox GROUP BY 1")
        return f"{await waiting(self.query)} {rows} {self.meta.counts} {self.fleet.deaths[-5:]}"

    async def settle(self, *, patience: float = PATIENCE) -> None:
        """Wait until nothing waits any more, at Meta, on the way, or in the database."""

        async def settled() -> bool:
            at_rest = self.meta.idle() and self.courier.idle()
            return at_rest and not any((await waiting(self.query)).values())

        await self.until("everything processed, sent and settled", settled, patience=patience)

    async def judge(self) -> Verdict:
        """Check every promise, that no process gave up by itself, and that no log tells of anybody."""
        assert not self.meta.complaints, self.meta.complaints[:3]
        for death in self.fleet.deaths:
            if death.code >= 0:  # only who was just starting may give up, and only because PostgreSQL was down
                excused = any(death.started < up and down < death.ended for down, up in self.outages)
                assert excused, f"{death.name} ended with {death.code}:\n{self.fleet.log_of(death.name)}"
        canaries = [ACCESS_TOKEN, APP_SECRET, "COUNT ", *(person.phone.removeprefix("+") for person in self.people)]
        assert not (logged := self.fleet.logged(canaries)), f"no log holds numbers, tokens or texts: {logged[:3]}"
        return await judge(self.query, self.people, self.meta, in_flight=self.in_flight)

    # --- Faults -------------------------------------------------------------------------------------------------------

    async def kill_postgres(self, seconds: float = 0.0) -> None:
        """Kill -9 the postmaster, leave it dead for a while, bring it back."""
        down = time.monotonic()
        os.kill(self.cluster.postmaster_pid(), signal.SIGKILL)
        self.postgres_kills += 1
        await asyncio.sleep(seconds)
        await self.cluster.revive()
        # Whatever was in flight is SENDING still, or was just declared UNKNOWN.
        self.in_flight += (await self.query(_UNCERTAIN))[0][0]
        self.outages.append((down, time.monotonic() + 1))

    async def freeze(self, child: Child, seconds: float) -> None:
        """SIGSTOP a process for a while."""
        if child.signal(signal.SIGSTOP):
            await self.count_frozen(child)
            await asyncio.sleep(seconds)
            child.signal(signal.SIGCONT)

    async def count_frozen(self, child: Child) -> None:
        """Count a freeze, and what a sender has in flight meanwhile."""
        self.freezes += 1
        if "sender" in child.parts or not child.parts:
            self.in_flight += (await self.query(_IN_FLIGHT))[0][0]

    async def on_death(self, death: Death) -> None:
        """Count what a sender left in flight, before the next one starts."""
        if "sender" in death.parts or not death.parts:
            self.in_flight += (await self.query(_IN_FLIGHT))[0][0]


@asynccontextmanager
async def deploy(
    cluster: EmbeddedPostgres, database: str, folder: Path, bytecode: Path, seed: int, send_timeout: float
) -> AsyncIterator[Deployment]:
    """Make a database, a provider and the settings for processes; at the end kill whatever runs."""
    rng = random.Random(seed)
    admin = await asyncpg.connect(cluster.dsn("postgres"))
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    dsn = cluster.dsn(database)
    await upgrade(dsn)
    owner = await asyncpg.connect(dsn)
    await owner.execute(DDL)
    await owner.close()
    webs = [free_port() for _ in range(2)]
    courier = Courier(rng)
    meta = FakeMeta(courier, rng)
    settings = {
        "BOT_DATABASE_URL": dsn,
        "BOT_DATA_DIR": str(folder),
        "BOT_SECRET_KEY": base64.b64encode(bytes(range(32))).decode(),
        "BOT_CONTENT_DIR": str(CONTENT),
        "BOT_CHANNEL_RATE": "0",
        "BOT_PAIR_INTERVAL": "0",
        "BOT_SEND_TIMEOUT": str(send_timeout),
        "BOT_UNKNOWN_WAIT": str(UNKNOWN_WAIT),
        "BOT_WORKER_LEASE": str(WORKER_LEASE),
        "BOT_EVENT_ATTEMPTS": "3",
        "BOT_LOG_FORMAT": "json",
        "WHATSAPP_PROVIDER": "meta",
        "WHATSAPP_PHONE_NUMBER": "+15550100200",
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": ACCOUNT_ID,
        "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
        "WHATSAPP_WEBHOOK_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": "crash-verify-token",
        "WHATSAPP_API_BASE_URL": await meta.start(),
        "PYTHONPYCACHEPREFIX": str(bytecode),
    }
    deployment: Deployment

    async def on_death(death: Death) -> None:
        await deployment.on_death(death)

    fleet = Fleet(settings, folder, on_death)
    deployment = Deployment(cluster, dsn, meta, courier, fleet, rng, webs)
    try:
        yield deployment
    finally:
        await cluster.revive()
        await fleet.stop()
        await meta.stop()
        await courier.close()
