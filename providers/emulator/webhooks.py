"""Carries webhooks to the bot as patiently as the provider does.

Letters wait in lanes. Within a lane the next letter is posted only after the bot took the previous one or the provider
gave up on it; lanes run side by side, at most `concurrency` posts at once. A letter that fails is posted again after a
growing wait, byte for byte the same. As soon as any post succeeds, every waiting lane tries at once: the bot is back.

With the faults `batch_webhooks` and `shuffle_webhooks` all letters share one lane, the pool, which takes several at a
time: to mix them, or to make one webhook of them.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

import aiohttp
from yarl import URL

from providers.emulator.faults import Faults
from providers.http import read_at_most

log = logging.getLogger(__name__)

POOL_LANE = "pool"
POOL_GATHERS_SECONDS = 0.05
ALERTS_KEPT = 1_000

Trouble = Literal["connect", "timeout", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a bot is posted: bytes, and headers that stay the same when it is posted again.

    Attributes:
        body: The bytes.
        headers: Beside those that prove where it comes from, which depend on the address.
        url: Where it goes; `None` for the address that the bot listens on.
        mergeable: Whether several of them may become one.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    mergeable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the bot answered to a webhook."""

    status: int
    content_type: str
    body: bytes


class ReplyError(Exception):
    """The provider cannot use what the bot answered; `code` is the one in its debugger."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A webhook that the provider gave up on, or a reply it could not use, as its debugger lists it."""

    code: int
    url: str
    problem: str


class Manner(Protocol):
    """How one provider posts webhooks."""

    def address(self, url: str) -> str:
        """The address without what only the provider reads from it."""
        ...

    def seal(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers of a post, with the proof of where it comes from."""
        ...

    def merge(self, webhooks: Sequence[Webhook]) -> Sequence[Webhook]:
        """The same news in as few webhooks as the provider would use."""
        ...

    def took(self, status: int) -> bool:
        """Whether this answer means that the bot has it."""
        ...

    def persists(self, url: str, failures: int, trouble: Trouble, status: int) -> bool:
        """Whether it is posted again after so many failures, the last of this kind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One webhook to post.

    Attributes:
        write: Makes the webhook when its turn comes; called once, so that retries repeat the same bytes. `None` when
            there is nobody to tell.
        after: Wait before the first post.
        accepted: Called with the bot's reply once it has taken the webhook.
    """

    write: Callable[[], Webhook | None]
    after: timedelta = timedelta(0)
    accepted: Callable[[Reply], None] | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    trouble: Trouble
    status: int
    words: str


class Courier:
    """Posts letters over one shared client session."""

    def __init__(
        self,
        *,
        url: str,
        manner: Callable[[], Manner],
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
        self.alerts: deque[Alert] = deque(maxlen=ALERTS_KEPT)
        self.forged: deque[int] = deque(maxlen=ALERTS_KEPT)
        self._problems: dict[str, str] = {}
        self._manner = manner
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
        if self._faults.pools_webhooks:
            lane = POOL_LANE
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
        """Drop every letter that the bot has not accepted yet, and the alerts."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        # Before waiting for the tasks: what is posted meanwhile must find empty lanes of its own.
        self._lanes.clear()
        self._problems.clear()
        self.alerts.clear()
        self.forged.clear()
        self.waiting = 0
        self._idle.set()
        self._changed(0, None)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return when nothing is waiting."""
        await self._idle.wait()

    async def _run(self, lane: str, letters: deque[Letter]) -> None:
        while letters:
            count = await self._gather(letters) if lane == POOL_LANE else 1
            try:
                await self._carry(lane, [letters[place] for place in range(count)])
            except Exception:
                log.exception("a webhook could not be written; it is dropped", extra={"action": "webhook"})
            for _ in range(count):
                letters.popleft()
            self.waiting -= count
            if self.problem is not None:
                self._changed(self.waiting, self.problem)
        del self._lanes[lane]
        if self.waiting == 0:
            self._idle.set()

    async def _gather(self, letters: deque[Letter]) -> int:
        """Wait for company, shuffle if that is wanted; how many letters go together."""
        await asyncio.sleep(POOL_GATHERS_SECONDS)
        if self._faults.shuffle_webhooks:
            mixed = list(letters)
            self._chance.shuffle(mixed)
            letters.clear()
            letters.extend(mixed)
        return min(len(letters), max(self._faults.batch_webhooks, 1))

    async def _carry(self, lane: str, letters: list[Letter]) -> None:
        after = max(letter.after.total_seconds() for letter in letters) + self._faults.webhook_delay
        if after:
            await asyncio.sleep(after)
        written = [(letter, webhook) for letter in letters if (webhook := letter.write()) is not None]
        if self._faults.take("lose_webhooks"):
            return
        together = [webhook for _, webhook in written if webhook.mergeable]
        merged = self._manner().merge(together) if len(together) > 1 else together
        rest = [webhook for _, webhook in written if not webhook.mergeable]
        for webhook in (*merged, *rest):
            reply = await self._deliver(lane, webhook)
            for letter, original in written:
                if reply is not None and letter.accepted is not None and (original is webhook or webhook in merged):
                    letter.accepted(reply)

    async def _deliver(self, lane: str, webhook: Webhook) -> Reply | None:
        """Post until the bot takes it; `None` when the provider gives up."""
        if self._faults.take("forge_webhooks"):
            await self._try(webhook, forged=True)
        wait, failures = self._retry_first, 0
        while isinstance(reply := await self._try(webhook), _Failed):
            failures += 1
            url = webhook.url or self.url
            if not self._manner().persists(url, failures, reply.trouble, reply.status):
                code = 11205 if reply.trouble == "connect" else 11200
                self.alerts.append(Alert(code=code, url=url, problem=reply.words))
                self._recovered(lane)
                return None
            self._note(lane, reply.words)
            nudged = self._nudged
            try:
                async with asyncio.timeout(wait):
                    await nudged.wait()
            except TimeoutError:
                wait = min(wait * 2, self._retry_cap)
        self._recovered(lane)
        if self._faults.duplicate_webhooks > self._chance.random():
            await self._try(webhook)
        return reply

    def _recovered(self, lane: str) -> None:
        if lane in self._problems:
            # Only a lane that had failed itself may wake the others: else busy lanes would hammer a bot with
            # retries of the one webhook it refuses.
            self._note(lane, None)
            self.nudge()

    async def _try(self, webhook: Webhook, *, forged: bool = False) -> Reply | _Failed:
        manner = self._manner()
        url = manner.address(webhook.url or self.url)
        sealed = manner.seal(url, webhook.body + b" forged" if forged else webhook.body)
        headers = {"Content-Type": "application/json", **webhook.headers, **sealed}
        async with self._slots:
            try:
                # As it is written: a signature may cover the address, escapes included.
                target = URL(url, encoded=True)
                async with self.session.post(
                    target, data=webhook.body, headers=headers, allow_redirects=False
                ) as answer:
                    if forged:
                        self.forged.append(answer.status)
                    if not manner.took(answer.status):
                        return _Failed("status", answer.status, f"the bot answered {answer.status}")
                    return Reply(
                        status=answer.status,
                        content_type=answer.content_type or "",
                        body=await read_at_most(answer, 65_536),
                    )
            except TimeoutError:
                return _Failed("timeout", 0, "the bot did not answer in time")
            except (aiohttp.ClientError, OSError):
                return _Failed("connect", 0, "the bot cannot be reached")

    def _note(self, lane: str, problem: str | None) -> None:
        before = self.problem
        self._problems.pop(lane, None)
        if problem is not None:
            self._problems[lane] = problem
        if self.problem != before:
            self._changed(self.waiting, self.problem)
