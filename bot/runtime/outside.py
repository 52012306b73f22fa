"""Tells and asks other systems: claims jobs, makes signed requests, records how they ended.

A request may reach its receiver twice: when the answer is lost, or we die before it is recorded. It carries the same
Idempotency-Key each time, so the receiver can tell. An answer is recorded, and told to who asked, exactly once: only
who holds the newest fence may do so.
"""

import asyncio
import hashlib
import hmac
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import structlog

from bot.core.errors import ConfigError
from bot.core.ids import TenantId
from bot.operations.outside import CallSpec, OutsideSpec, SystemSpec
from bot.runtime.bells import INBOX, Bells
from bot.runtime.failpoints import failpoint
from bot.runtime.loop import Clock, Stopping
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from providers.http import read_at_most
from storage.postgres.outside import OutsideJob, OutsideJobs

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
ROOM = 20  # requests of a tenant at the same time
ATTEMPTS = 12  # with the pauses below, over about three days
PAUSES = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600)  # seconds before it is tried again
_WEBHOOK_SECONDS = 10.0
_LEASE = timedelta(seconds=90)  # longer than any timeout, so that nobody takes over while we wait
_MOST_ANSWER = 64 * 1024
_PASSING = frozenset({408, 409, 423, 425, 429})
_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Told:
    """How a request ended: `status` 0 when no answer came."""

    status: int
    body: bytes = b""
    error: str = ""
    retry_after: float = 0.0

    @property
    def done(self) -> bool:
        """Whether it was accepted."""
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """Whether it may succeed later."""
        return self.status == 0 or self.status >= 500 or self.status in _PASSING


def sign(secret: bytes, at: datetime, body: bytes) -> str:
    """The signature header: when, and an HMAC-SHA-256 of that and the body. Receivers refuse old ones."""
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={hmac.new(secret, f'{stamp}.'.encode() + body, hashlib.sha256).hexdigest()}"


@dataclass(slots=True, kw_only=True)
class OutsideRunner:
    """Works through the jobs for other systems. Any number may run.

    Attributes:
        jobs: The storage.
        specs: The systems and calls of each tenant's outside.yaml; may be others at any time.
        bells: Rung when an answer is in the inbox.
        clock: The time.
        environment: Where the systems' secrets are.
    """

    jobs: OutsideJobs
    specs: Mapping[TenantId, OutsideSpec]
    bells: Bells
    clock: Clock
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _running: dict["asyncio.Task[None]", TenantId] = field(default_factory=dict)

    async def run(self, stopping: Stopping) -> None:
        """Work until `stopping`; finishes the requests under way."""
        missing = {name for spec in self.specs.values() for name in spec.missing_secrets(self.environment)}
        for name in sorted(missing):
            log.warning("a secret of outside.yaml is missing: calls will wait for it", action="wait", variable=name)
        async with self.session() as http:
            try:
                while not stopping.is_set():
                    await self._round(http, stopping)
                await asyncio.gather(*self._running, return_exceptions=True)
            finally:  # who was cut off leaves nothing behind that would want the session, or the database
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _round(self, http: aiohttp.ClientSession, stopping: Stopping) -> None:
        try:
            busy = await self.start_due(http)
        except Exception as error:
            busy = 0
            if is_outage(error):
                log.warning("the database is out of reach", action="wait", error=type(error).__name__)
            else:
                log.exception("outside jobs failed", action="go_on")
        if busy and self._running:  # when one is done there is room for another
            first = asyncio.FIRST_COMPLETED
            await stopping.first(asyncio.wait([*self._running], timeout=POLL_SECONDS, return_when=first))
        else:
            await stopping.sleep(POLL_SECONDS)

    def session(self) -> aiohttp.ClientSession:
        """An HTTP client for `work`. It keeps no cookies."""
        return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "Sirdar"})

    async def work(self, http: aiohttp.ClientSession) -> int:
        """Do what is due, to its end; returns how many jobs."""
        started = await self.start_due(http)
        await asyncio.gather(*self._running)
        return started

    async def start_due(self, http: aiohttp.ClientSession) -> int:
        """Start what is due and there is room for; returns how many jobs. No tenant takes another's room."""
        busy = Counter(self._running.values())
        rooms = {tenant: ROOM - busy[tenant] for tenant in self.specs if busy[tenant] < ROOM}
        claimed = await self.jobs.claim(self.clock(), rooms, _LEASE) if rooms else []
        for job in claimed:
            task = asyncio.create_task(self._do(http, job))
            self._running[task] = job.tenant_id
            task.add_done_callback(self._ended)
        return len(claimed)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # its lease brings it back
            log.warning("an outside job could not be recorded", action="wait", error=type(error).__name__)

    async def _do(self, http: aiohttp.ClientSession, job: OutsideJob) -> None:
        spec = self.specs.get(job.tenant_id)
        if spec is None:  # not served any more: whoever serves it takes it when our lease is over
            return
        call = spec.calls.get(job.call) if job.call is not None else None
        if job.kind == "call" and call is None:
            await self._fail(job, Told(0, error=f"outside.yaml has no call {job.call}"))
            return
        try:
            told = await (
                self._tell(http, job) if call is None else self._ask(http, job, call, spec.systems[call.system])
            )
        except ConfigError as error:
            told = Told(0, error=str(error))
        failpoint("outside.before_record")
        METRICS.outside.labels(job.kind, "done" if told.done else "failed").inc()
        if told.done:
            answer = _json(told.body)
            event = f"{job.call}.answered" if call is not None else None
            if await self.jobs.done(job, self.clock(), event, {"status": told.status, "answer": answer}) and event:
                self.bells.ring(INBOX)
        elif (told.passing or job.kind == "webhook") and told.status != 410 and job.attempts < ATTEMPTS:
            pause = max(PAUSES[min(job.attempts - 1, len(PAUSES) - 1)], told.retry_after)
            await self.jobs.again(job, self.clock() + timedelta(seconds=pause), _reason(told))
        else:
            await self._fail(job, told)

    async def _fail(self, job: OutsideJob, told: Told) -> None:
        log.warning("an outside job was given up", action="give_up", kind=job.kind, job=job.job_id, status=told.status)
        event = f"{job.call}.failed" if job.kind == "call" else None
        data = {"status": told.status, "answer": _json(told.body), "error": _reason(told)}
        await self.jobs.give_up(job, self.clock(), _reason(told), event, data)
        if event:
            self.bells.ring(INBOX)

    async def _tell(self, http: aiohttp.ClientSession, job: OutsideJob) -> Told:
        body = orjson.dumps(job.payload)
        headers = self._headers(job, body, job.secret or b"")
        headers["Sirdar-Action"] = str(job.payload["action"])
        return await _request(http, "POST", job.url or "", body, headers, _WEBHOOK_SECONDS)

    async def _ask(self, http: aiohttp.ClientSession, job: OutsideJob, call: CallSpec, system: SystemSpec) -> Told:
        given = dict(job.payload)

        def place(match: "re.Match[str]") -> str:
            return quote(str(given.pop(match[1])), safe="")

        url = system.url.rstrip("/") + _IN_PATH.sub(place, call.path)
        body = b"" if call.method in ("GET", "DELETE") else orjson.dumps(given)
        query = {name: str(value) for name, value in given.items()} if not body else {}
        headers = self._headers(job, body, self._secret(system))
        return await _request(http, call.method, url, body, headers, system.timeout, query)

    def _headers(self, job: OutsideJob, body: bytes, secret: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Idempotency-Key": job.key,
            "Sirdar-Attempt": str(job.attempts),
            "Sirdar-Signature": sign(secret, self.clock(), body),
        }

    def _secret(self, system: SystemSpec) -> bytes:
        secret = self.environment.get(system.secret)
        if not secret:
            raise ConfigError([f"{system.secret} is missing: the secret that signs requests to {system.url}."])
        return secret.encode()


async def _request(
    http: aiohttp.ClientSession, method: str, url: str, body: bytes, headers: Mapping[str, str], seconds: float,
    query: Mapping[str, str] | None = None,
) -> Told:  # fmt: skip
    try:
        async with http.request(
            method, url, data=body or None, headers=headers, params=query or None, allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as answer:  # fmt: skip
            content = await read_at_most(answer, _MOST_ANSWER)
            return Told(answer.status, content, retry_after=_seconds(answer.headers.get("Retry-After")))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Told(0, error=type(error).__name__)


def _seconds(header: str | None) -> float:
    """Retry-After, as a number of seconds or a date; at most a day."""
    if not header:
        return 0.0
    try:
        seconds = float(header) if header.strip().isdigit() else _until(header)
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), 86_400.0)


def _until(header: str) -> float:
    at = parsedate_to_datetime(header)
    return (at - datetime.now(at.tzinfo)).total_seconds()


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None


def _reason(told: Told) -> str:
    return told.error or f"HTTP {told.status}"
