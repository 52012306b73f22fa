"""Meta, strict and counting: takes sends over real HTTP, posts webhooks until they are answered 200.

Independent of the emulator and of `providers/`: what is under test must not be what counts.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

NUMBER_ID = "700800900100200"
ACCOUNT_ID = "900100200300400"
ACCESS_TOKEN = "crash-access-token"
APP_SECRET = "crash-app-secret"

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between deliveries of one webhook; Meta's grow to hours
_MOST_STATUSES = 50  # per webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """What goes wrong with sends. Chances are between 0 and 1, per send.

    Attributes:
        drop: Accept the message, then close the connection without an answer.
        slow: Accept the message, and answer only after `slow_seconds`.
        error: Refuse with a passing error (HTTP 500).
        throttle: Refuse because the number is too fast (HTTP 429).
        silent: Never post statuses of a message that was dropped or answered slowly.
        shuffle: Post `delivered` before `sent`.
        pause: Seconds an answer takes, on average.
        slow_seconds: Longer than the sender's patience.
    """

    drop: float = 0.0
    slow: float = 0.0
    error: float = 0.0
    throttle: float = 0.0
    silent: float = 0.0
    shuffle: float = 0.0
    pause: float = 0.0
    slow_seconds: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message Meta has accepted. `message_id` and `attempt` are read from our correlation text."""

    to: str
    body: str
    message_id: int
    attempt: int
    wamid: str
    at: float


class Courier:
    """Delivers webhooks to one of `urls`, again and again until the answer is 200.

    Attributes:
        urls: Where the web processes are.
        duplicate: Chance that a webhook is delivered again after its 200.
        failed: Deliveries that were not answered 200.
    """

    def __init__(self, rng: random.Random) -> None:
        self.urls: list[str] = []
        self._rng = rng
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100), timeout=aiohttp.ClientTimeout(total=5)
        )
        self.duplicate = 0.0
        self.failed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self, value: Mapping[str, Any]) -> None:
        """Post one change of the field `messages`; returns once it was answered 200."""
        entry = {"id": ACCOUNT_ID, "changes": [{"field": "messages", "value": _with_metadata(value)}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        await self._post(body)
        if self._rng.random() < self.duplicate:
            self._later(self._again(body))

    def idle(self) -> bool:
        """Whether nothing is being delivered in the background."""
        return not self._tasks

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, body: bytes) -> None:
        await asyncio.sleep(self._rng.uniform(0, 5))  # some while the first is being processed, some long after
        await self._post(body)

    async def _post(self, body: bytes) -> None:
        signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._session.post(self._rng.choice(self.urls), data=body, headers=headers) as answer:
                    if answer.status == 200:
                        return
                    assert answer.status >= 500, f"a genuine webhook was answered {answer.status}"
            except (aiohttp.ClientError, OSError):
                pass
            self.failed += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class FakeMeta:
    """The Graph API of one number.

    Attributes:
        sent: Every accepted text, in order.
        templates: Who was sent a template, in order.
        complaints: Requests that Meta would not understand.
        unanswered: (message, attempt) that were accepted and got no answer in time.
        counts: How often which fault was played.
    """

    def __init__(self, courier: Courier, rng: random.Random) -> None:
        self._courier = courier
        self._rng = rng
        self._statuses: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._posting = 0
        self._ids = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._poster: asyncio.Task[None] | None = None
        self.mood = Mood()
        self.sent: list[Sent] = []
        self.templates: list[str] = []
        self.complaints: list[str] = []
        self.unanswered: set[tuple[int, int]] = set()
        self.counts: Counter[str] = Counter()

    async def start(self) -> str:
        """Serve; returns the base URL."""
        app = web.Application()
        app.router.add_post("/{version}/{number}/messages", self._send)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._poster = asyncio.create_task(self._post_statuses())
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop serving and posting."""
        if self._poster is not None:
            self._poster.cancel()
            await asyncio.gather(self._poster, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def idle(self) -> bool:
        """Whether all statuses are delivered."""
        return self._statuses.empty() and not self._posting

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            message = _read(request, body)
        except (KeyError, ValueError, AssertionError) as error:
            self.complaints.append(f"{error!r}: {body[:500]!r}")
            return _refusal(400, 131008)
        mood, dice = self.mood, self._rng.random
        if dice() < mood.error:
            self.counts["error"] += 1
            return _refusal(500, 131000)
        if dice() < mood.throttle:
            self.counts["throttle"] += 1
            return _refusal(429, 130429, {"Retry-After": "1"})
        number = next(self._ids)
        wamid = f"wamid.CRASHOUT{number:08d}"
        correlation = message["biz_opaque_callback_data"]
        _, _, message_id, _, attempt, _ = correlation.split(".")
        template = message["type"] == "template"
        sent = Sent(
            to=message["to"], body="" if template else message["text"]["body"], message_id=int(message_id),
            attempt=int(attempt), wamid=wamid, at=time.monotonic(),
        )  # fmt: skip
        if template:
            self.templates.append(sent.to)
        else:
            self.sent.append(sent)
        drop = dice() < mood.drop
        slow = not drop and dice() < mood.slow
        if drop or slow:
            self.unanswered.add((sent.message_id, sent.attempt))
            self.counts["drop" if drop else "slow"] += 1
        if not ((drop or slow) and dice() < mood.silent):
            self._tell(sent, correlation)
        if drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        await asyncio.sleep(mood.slow_seconds if slow else self._rng.uniform(0, 2 * mood.pause))
        contact = {"input": sent.to, "wa_id": sent.to.removeprefix("+")}
        return web.json_response({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]})

    def _tell(self, sent: Sent, correlation: str) -> None:
        words = ["sent", "delivered"]
        if self._rng.random() < self.mood.shuffle:
            words.reverse()
        for word in words:
            self._statuses.put_nowait(
                {"id": sent.wamid, "status": word, "timestamp": str(int(time.time())),
                 "recipient_id": sent.to.removeprefix("+"), "biz_opaque_callback_data": correlation}
            )  # fmt: skip

    async def _post_statuses(self) -> None:
        while True:
            batch = [await self._statuses.get()]
            self._posting = 1
            while not self._statuses.empty() and len(batch) < _MOST_STATUSES:
                batch.append(self._statuses.get_nowait())
            await self._courier.deliver({"statuses": batch})
            self._posting = 0


def _read(request: web.Request, body: bytes) -> dict[str, Any]:
    assert request.match_info["number"] == NUMBER_ID, "another number"
    assert request.headers.get("Authorization") == f"Bearer {ACCESS_TOKEN}", "no token"
    message: dict[str, Any] = json.loads(body)
    assert message["messaging_product"] == "whatsapp", "no product"
    assert message["to"].startswith("+"), "no number"
    assert message["type"] == "template" or message["text"]["body"], "no words"
    assert message["biz_opaque_callback_data"].count(".") == 5, "no correlation"
    return message


def _refusal(status: int, code: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "crash test"}}, status=status, headers=headers)


def _with_metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550100200", "phone_number_id": NUMBER_ID}
    return {"messaging_product": "whatsapp", "metadata": metadata, **value}
