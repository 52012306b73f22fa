"""Fetches the files people sent, before the provider forgets them, and keeps them.

What a sender says of a file is not believed: the address is checked hop by hop (providers/fetching.py), bytes are
counted and hashed as they come, the type is told by the bytes, and what does not fit is refused with a reason that
`bot explain` shows. A file that cannot be fetched now is tried again, ever more seldom, for as long as the provider
keeps it.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import structlog

from bot.core.errors import ProviderError, StorageError
from bot.core.filetypes import HEAD_BYTES, agreed_type
from bot.core.ids import ChannelId
from bot.core.messages import MediaKind
from bot.runtime.failpoints import failpoint
from bot.runtime.files import MOST_PUTS, file_key
from bot.runtime.loop import Clock, Stopping
from bot.runtime.metrics import METRICS
from bot.runtime.trouble import is_outage
from providers.base import MediaClient, MediaError, MediaLocation
from storage.base import FileStore, MediaClaim, MediaRow
from storage.postgres import PostgresMedia

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
CONCURRENCY = 4
"""Files of one number at the same time."""
LEASE = timedelta(minutes=15)
"""How long a process may take for one file; a fetch gives up after five minutes."""
WAITS = (5, 30, 120, 600, 3600, 21_600, 86_400)
"""Seconds between tries; the last one again and again."""
PROVIDER_KEEPS = timedelta(days=6, hours=12)
"""Meta forgets what people sent after seven days."""
URL_GOOD_FOR = timedelta(minutes=4)
"""Meta's addresses are good for five minutes."""
MOST_MISMATCHES = 3
MOST_FAILURES, REST = 8, timedelta(minutes=30)
"""360dialog shuts files off for half an hour after twenty failures in an hour; a try may be two calls."""


@dataclass(slots=True)
class _Brake:
    """Lets a channel rest when nothing can be fetched from it."""

    failures: int = 0
    until: datetime | None = None

    def note(self, *, well: bool, now: datetime) -> None:
        self.failures = 0 if well else self.failures + 1
        if self.failures >= MOST_FAILURES:
            self.failures, self.until = 0, now + REST


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    path: Path
    size: int
    sha256: str
    head: bytes


@dataclass(slots=True, kw_only=True)
class MediaKeeper:
    """Fetches files until told to stop. Any number may run, in any number of processes.

    Attributes:
        media: What is to be fetched.
        clients: The provider of each channel; may be others at any time.
        store: Where files are kept.
        folder: Where they lie while they are fetched.
        limit: Bytes of the largest.
        clock: The time.
    """

    media: PostgresMedia
    clients: Mapping[ChannelId, MediaClient]
    store: FileStore
    folder: Path
    limit: int
    clock: Clock
    _brakes: dict[ChannelId, _Brake] = field(default_factory=dict)
    _running: dict["asyncio.Task[None]", ChannelId] = field(default_factory=dict)

    async def run(self, stopping: Stopping) -> None:
        """Fetch until `stopping`; what is under way is left, and fetched again by whoever comes after the lease."""
        try:
            await asyncio.to_thread(sweep, self.folder)
            while not stopping.is_set():
                try:
                    await self.start_due()
                except Exception as error:
                    if is_outage(error):
                        log.warning("the database is out of reach", action="wait", error=type(error).__name__)
                    else:
                        log.exception("files could not be claimed", action="go_on")
                await stopping.sleep(POLL_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def start_due(self) -> int:
        """Start fetching what is due and there is room for; returns how many."""
        now = self.clock()
        busy = Counter(self._running.values())
        able = [one for one in self.clients if (until := self._brake(one).until) is None or until <= now]
        rooms = {channel: CONCURRENCY - busy[channel] for channel in able if busy[channel] < CONCURRENCY}
        if not rooms:
            return 0
        claims = await self.media.claim(now, lease=LEASE, rooms=rooms)
        for claim in claims:
            task = asyncio.create_task(self.fetch(claim))
            self._running[task] = claim.channel_id
            task.add_done_callback(self._running.pop)
        return len(claims)

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._running:
            await asyncio.gather(*self._running)

    async def fetch(self, claim: MediaClaim) -> None:
        """Fetch one file and keep it, or note why not."""
        try:
            row = await self.media.row(claim.tenant_id, claim.media_id)
            if row is None or row.status != "REFERENCED":
                return
            try:
                outcome = await self._fetch(claim, row)
            except (MediaError, StorageError) as error:
                outcome = await self._put_off(claim, row, error)
            METRICS.media.labels(outcome).inc()
        except Exception as error:
            # Its lease brings it back.
            if is_outage(error):
                log.warning("the database is out of reach", action="wait", error=type(error).__name__)
            else:
                log.exception("a file could not be fetched", action="go_on", media_id=claim.media_id)

    async def _fetch(self, claim: MediaClaim, row: MediaRow) -> str:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{claim.media_id}-{claim.fence}"
        try:
            fetched, told = await self._download(claim, row, path)
            self._brake(claim.channel_id).note(well=True, now=self.clock())
            mime_type = _inspect(claim, row, fetched, told)
            return await self._keep(claim, fetched, mime_type)
        finally:
            path.unlink(missing_ok=True)

    async def _download(self, claim: MediaClaim, row: MediaRow, path: Path) -> tuple[_Fetched, MediaLocation]:
        """From the webhook's address while that is good, else from where the provider says it is."""
        client = self.clients.get(claim.channel_id)
        if client is None:
            raise StorageError("The number is not served any more.")
        if row.url and claim.attempts == 1 and self.clock() - row.created_at < URL_GOOD_FOR:
            direct = MediaLocation(url=row.url)
            with contextlib.suppress(MediaError):  # the provider is asked, then
                return await self._write(client, direct, path), direct
        location = await client.locate(row.provider_media_id or "")
        if (location.size_bytes or 0) > self.limit:
            raise MediaError(f"The file has {location.size_bytes} bytes, {self.limit} are taken.")
        return await self._write(client, location, path), location

    async def _write(self, client: MediaClient, location: MediaLocation, path: Path) -> _Fetched:
        digest, size, head = hashlib.sha256(), 0, b""
        download = client.download(location, limit=self.limit)
        with _private(path) as file:
            async with contextlib.aclosing(download):  # whoever cancels us leaves no connection open
                async for piece in download:
                    digest.update(piece)
                    size += len(piece)
                    head = (head + piece)[:HEAD_BYTES] if len(head) < HEAD_BYTES else head
                    await asyncio.to_thread(file.write, piece)
        return _Fetched(path=path, size=size, sha256=digest.hexdigest(), head=head)

    async def _keep(self, claim: MediaClaim, fetched: _Fetched, mime_type: str) -> str:
        key = file_key(claim.tenant_id, fetched.sha256)
        if not await self.media.reserve(claim, key):
            return "lost"
        failpoint("media.before_put")
        for _ in range(MOST_PUTS):
            if not await self.store.has(key):
                await self.store.put(key, fetched.path)
            failpoint("media.after_put")
            done = await self.media.stored(
                claim, self.store, key=key, sha256=fetched.sha256, size_bytes=fetched.size, mime_type=mime_type
            )
            if done is not None:
                return "stored" if done else "lost"
        raise StorageError("A file was deleted as often as it was put into the store.")

    async def _put_off(self, claim: MediaClaim, row: MediaRow, error: ProviderError | StorageError) -> str:
        now = self.clock()
        theirs = isinstance(error, ProviderError)
        later = error.retryable if isinstance(error, ProviderError) else True
        if theirs and later:
            self._brake(claim.channel_id).note(well=False, now=now)
        retry_at = now + timedelta(seconds=WAITS[min(claim.attempts, len(WAITS)) - 1])
        if not later or retry_at > row.created_at + PROVIDER_KEEPS:
            log.warning("a file is not to be had", action="give_up", media_id=claim.media_id, error=str(error))
            await self.media.put_off(claim, str(error), None)
            return "failed"
        await self.media.put_off(claim, str(error), retry_at)
        return "retry"

    def _brake(self, channel: ChannelId) -> _Brake:
        return self._brakes.setdefault(channel, _Brake())


def sweep(folder: Path) -> int:
    """Remove what processes that died had begun to fetch, and nobody writes to any more; returns how many files."""
    swept, over = 0, time.time() - LEASE.total_seconds()
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # somebody else was faster
            if path.stat().st_mtime < over:
                path.unlink()
                swept += 1
    return swept


def _private(path: Path) -> BinaryIO:
    """A file for us alone, empty."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _inspect(claim: MediaClaim, row: MediaRow, fetched: _Fetched, told: MediaLocation) -> str:
    """The type under which a file is kept.

    Raises:
        MediaError: It is not the file that was announced, or not what it says.
    """
    if not fetched.size:
        raise MediaError("The file is empty.", retryable=claim.attempts < MOST_MISMATCHES)
    announced = row.sha256 or told.sha256
    if announced is not None and announced.lower() != fetched.sha256:
        raise MediaError(
            "The file is not the one that was announced: its SHA-256 is another.",
            retryable=claim.attempts < MOST_MISMATCHES,
        )
    declared = row.declared_type or row.mime_type
    mime_type = agreed_type(cast("MediaKind", row.kind), declared, fetched.head)
    if mime_type is None:
        raise MediaError(f"The file says it is {declared[:60]} and is something else.")
    return mime_type
