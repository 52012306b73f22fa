"""Carries webhooks to the bot and does not give up.

Letters wait in lanes. Within a lane the next letter is posted only after the bot answered the previous one with 200;
lanes run side by side, at most `concurrency` posts at once. A letter that fails is posted again after a growing wait,
byte for byte the same. As soon as any post succeeds, every waiting lane tries at once: the bot is back.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from providers.emulator.faults import Faults

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One webhook to post.

    Attributes:
        write: Makes the body when its turn comes; called once, so that retries repeat the same bytes.
        after: Wait before the first post.
        accepted: Called once the bot has answered 200.
    """

    write: Callable[[], bytes]
    after: timedelta = timedelta(0)
    accepted: Callable[[], None] | None = None


class Courier:
    """Posts letters over one shared client session."""

    def __init__(
        self,
        *,
        url: str,
        headers: Callable[[bytes], Mapping[str, str]],
        faults: Faults,
        chance: random.Random,
        retry_first: timedelta,
        retry_cap: timedelta,
        timeout: timedelta,
        concurrency: int,
        changed: Callable[[int, str | None], None],
    ) -> None:
        self.url = url
        self.waiting = 0
        self._problems: dict[str, str] = {}
        self._headers = headers
        self._faults = faults
        self._chance = chance
        self._retry_first = retry_first.total_seconds()
        self._retry_cap = retry_cap.total_seconds()
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._slots = asyncio.Semaphore(concurrency)
        self._changed = changed
        self._lanes: dict[str, deque[Letter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._nudged = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client session."""
        self._session = aiohttp.ClientSession(timeout=self._timeout)

    async def stop(self) -> None:
        """Drop what is waiting and close the session."""
        await self.forget()
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def problem(self) -> str | None:
        """Why letters are being retried; `None` when all is well."""
        return next(reversed(self._problems.values()), None)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared client session.

        Raises:
            RuntimeError: The emulator is not running.
        """
        if self._session is None:
            raise RuntimeError("the emulator is not running: await start() first")
        return self._session

    def post(self, lane: str, letter: Letter) -> None:
        """Queue a letter at the end of its lane."""
        if self._session is None:
            raise RuntimeError("the emulator is not running: await start() first")
        self.waiting += 1
        self._idle.clear()
        if lane in self._lanes:
            self._lanes[lane].append(letter)
        else:
            self._lanes[lane] = deque([letter])
            task = asyncio.create_task(self._run(lane, self._lanes[lane]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self.problem is not None:
            self._changed(self.waiting, self.problem)

    def nudge(self) -> None:
        """Let every lane that is waiting for its next try go at once."""
        self._nudged.set()
        self._nudged = asyncio.Event()

    async def forget(self) -> None:
        """Drop every letter that the bot has not accepted yet."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        # Before waiting for the tasks: what is posted meanwhile must find empty lanes of its own.
        self._lanes.clear()
        self._problems.clear()
        self.waiting = 0
        self._idle.set()
        self._changed(0, None)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing is waiting."""
        await self._idle.wait()

    async def _run(self, lane: str, letters: deque[Letter]) -> None:
        while letters:
            try:
                await self._carry(lane, letters[0])
            except Exception:
                log.exception("a webhook could not be written; it is dropped", extra={"action": "webhook"})
            letters.popleft()
            self.waiting -= 1
            if self.problem is not None:
                self._changed(self.waiting, self.problem)
        del self._lanes[lane]
        if self.waiting == 0:
            self._idle.set()

    async def _carry(self, lane: str, letter: Letter) -> None:
        if letter.after:
            await asyncio.sleep(letter.after.total_seconds())
        body = letter.write()
        wait = self._retry_first
        while (problem := await self._try(body)) is not None:
            self._note(lane, problem)
            nudged = self._nudged
            try:
                async with asyncio.timeout(wait):
                    await nudged.wait()
            except TimeoutError:
                wait = min(wait * 2, self._retry_cap)
        if lane in self._problems:
            # Only a lane that had failed itself may wake the others: else busy lanes would hammer a bot with
            # retries of the one webhook it refuses.
            self._note(lane, None)
            self.nudge()
        if letter.accepted is not None:
            letter.accepted()
        if self._faults.duplicate_webhooks > self._chance.random():
            await self._try(body)

    async def _try(self, body: bytes) -> str | None:
        """Post once; returns what went wrong, or `None` for exactly 200."""
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua", **self._headers(body)}
        async with self._slots:
            try:
                async with self.session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer:
                    return None if answer.status == 200 else f"the bot answered {answer.status}"
            except TimeoutError:
                return "the bot did not answer in time"
            except (aiohttp.ClientError, OSError):
                return "the bot cannot be reached"

    def _note(self, lane: str, problem: str | None) -> None:
        before = self.problem
        self._problems.pop(lane, None)
        if problem is not None:
            self._problems[lane] = problem
        if self.problem != before:
            self._changed(self.waiting, self.problem)
