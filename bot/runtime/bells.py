"""Wake-ups between the parts: at once inside a process, by NOTIFY between processes, debounced.

A bell carries nothing and may be missed: everybody also looks by themselves about twice a second.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from bot.runtime.trouble import is_outage

log = structlog.get_logger(__name__)

INBOX = "inbox"
OUTBOX = "outbox"
UPDATES = "updates"
TENANTS = "tenants"

_CHANNEL = "sirdar"
_QUIET = 0.005  # seconds between two NOTIFYs: one per insert would cost a third of the insert rate
_RECONNECT = 1.0  # seconds


class Bells:
    """Named bells. `ring` never blocks; `wait` returns when rung since the last wait, or after the timeout.

    Args:
        connect: Opens the dedicated connection that listens; None: this process is alone.
    """

    def __init__(self, connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]] | None = None) -> None:
        self._connect = connect
        self._rung = {name: asyncio.Event() for name in (INBOX, OUTBOX, UPDATES, TENANTS)}
        self._to_tell: set[str] = set()
        self._told = asyncio.Event()

    def ring(self, name: str) -> None:
        """Wake whoever waits for this bell, here and in other processes."""
        self._rung[name].set()
        self._to_tell.add(name)
        self._told.set()

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait for a ring, at most so many seconds; True when it rang."""
        rung = self._rung[name]
        try:
            async with asyncio.timeout(seconds):
                await rung.wait()
        except TimeoutError:
            return False
        rung.clear()
        return True

    async def run(self) -> None:
        """Carry rings between processes, until cancelled. Survives a lost database."""
        if self._connect is None:
            return
        while True:
            try:
                await self._carry(await self._connect())
            except Exception as error:
                if not is_outage(error):
                    log.exception("bells lost their connection in a way nobody foresaw", action="reconnect")
                else:
                    log.warning("bells lost their connection", action="reconnect", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT)

    async def _carry(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        own = connection.get_server_pid()

        def heard(_: Any, pid: int, __: str, payload: object) -> None:
            if pid != own and payload in self._rung:
                self._rung[str(payload)].set()

        try:
            await connection.add_listener(_CHANNEL, heard)
            while not connection.is_closed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self._told.wait()
                self._told.clear()
                names, self._to_tell = self._to_tell, set()
                for name in names:
                    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, name)
                await asyncio.sleep(_QUIET)
        finally:
            connection.terminate()
