"""A flow asks another system and goes on when it has answered, as docs/integrations.md shows it: late, twice, never."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.cli.scratch import new_key, play_settings
from bot.core.messages import TextIn
from bot.operations.example import seed
from bot.runtime.bootstrap import System, open_system
from bot.runtime.loop import utc_now
from storage.base import NewMessage, Person, Unread

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "integrations.md"
MAYA = Person(phone="+9779800000081", user_id=None, name="Maya")
Answer = Callable[[], web.Response]


@dataclass(slots=True)
class Tms:
    """The other system: answers as it is told, and keeps the books of whom it has answered."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        assert request.headers["Sirdar-Signature"].startswith("t=")
        self.keys.append(request.headers["Idempotency-Key"])
        self.asked.append(request.path_qs)
        return self.answers.pop(0)() if self.answers else web.json_response({"free": 7})


@dataclass(frozen=True, slots=True)
class Talk:
    """Maya's conversation, a step at a time."""

    system: System
    tms: Tms
    numbers: Any = field(default_factory=lambda: iter(range(1, 1000)))

    async def say(self, body: str) -> list[str]:
        """Write something; returns what is answered."""
        now, channel = utc_now(), self.system.channel
        message = NewMessage(
            channel=channel, person=MAYA, provider_message_id=f"wamid.a.{next(self.numbers)}",
            content=TextIn(body=body), sent_at=now, received_at=now,
        )  # fmt: skip
        unread = Unread(tenant_id=channel.tenant_id, kind="x", body=b"", received_at=now)
        heard = await self.heard()
        await self.system.intake.accept([message], unread)
        await self.system.worker().work()
        return (await self.heard())[len(heard) :]

    async def later(self, since: datetime | None = None, **passed: float) -> list[str]:
        """So much later the other system is asked what is due, and conversations hear of it."""
        heard, runner = await self.heard(), self.system.outside()
        at = (since or utc_now()) + timedelta(**passed)
        runner.clock = lambda: at
        async with runner.session() as http:
            await runner.work(http)
        # What is in the inbox is due at the time of whoever put it there.
        await self.rows("UPDATE inbox SET due_at = now() RETURNING 1")
        await self.system.worker().work()
        return (await self.heard())[len(heard) :]

    async def heard(self) -> list[str]:
        rows = await self.rows("SELECT content FROM whatsapp_messages WHERE direction = 'OUTBOUND' ORDER BY message_id")
        return [json.loads(row["content"]).get("body", "") for row in rows]

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.system.foundation.database.tenant(self.system.channel.tenant_id) as db:
            return [dict(row.items()) for row in await db.fetch(query)]


def write_page(root: Path, url: str) -> None:
    """The flow, its words and the call, as the page shows them."""
    (root / "templates" / "en").mkdir(parents=True)
    shutil.copy(ROOT / "templates" / "en" / "common.j2", root / "templates" / "en")
    shown = re.findall(r"^```(?:yaml|jinja)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for text in shown:
        named = re.match(r"(?:# |\{# )(\S+)", text)
        assert named is not None
        path = root / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("https://tms.example/api", url), encoding="utf-8")


@pytest.fixture
async def talk(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    tms = Tms()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tms.handle)
    monkeypatch.setenv("TMS_SECRET", "s3cret")
    async with TestServer(app) as server:
        root = tmp_path / "content"
        write_page(root, str(server.make_url("")).rstrip("/"))
        settings = play_settings(
            bot_database_url=dsn, bot_secret_key=new_key(), bot_data_dir=tmp_path, bot_content_dir=root
        )
        async with open_system(settings) as system:
            tenant = system.channel.tenant_id
            async with system.foundation.database.tenant(tenant) as db:
                await seed(db, tenant, guide=None, today=utc_now().date())
            yield Talk(system, tms)


async def ask(talk: Talk) -> None:
    await talk.say("are there places left")
    await talk.say("Everest Base Camp")
    assert await talk.say("2") == ["One moment, I look."]


async def test_the_flow_waits_and_goes_on_with_the_answer(talk: Talk) -> None:
    await ask(talk)
    assert await talk.later(seconds=0) == ["7 places are free on Everest Base Camp."]
    assert talk.tms.asked == ["/treks/1/seats?people=2"]
    assert await talk.later(hours=1) == [], "once"


async def test_who_fails_is_asked_again_with_the_same_key(talk: Talk) -> None:
    talk.tms.answers = [
        lambda: web.Response(status=503, headers={"Retry-After": "60"}), lambda: web.Response(status=502),
    ]  # fmt: skip
    await ask(talk)
    began = utc_now()
    assert await talk.later(began, seconds=0) == []
    assert await talk.later(began, seconds=59) == [], "it said when"
    assert await talk.later(began, seconds=61) == []
    assert await talk.later(began, minutes=10) == ["7 places are free on Everest Base Camp."]
    assert len(talk.tms.keys) == 3
    assert len(set(talk.tms.keys)) == 1


async def test_a_refusal_is_said_at_once(talk: Talk) -> None:
    talk.tms.answers = [lambda: web.json_response({"error": "no such trek"}, status=404)]
    await ask(talk)
    assert await talk.later(seconds=0) == ["I could not find out. Somebody will tell you."]


async def test_an_answer_for_a_walk_that_is_over_says_nothing(talk: Talk) -> None:
    """They did not wait: what comes late is for nobody, and the conversation goes on where it is."""
    await ask(talk)
    assert await talk.say("cancel") != []
    before = await talk.rows("SELECT run, status FROM flow_runs ORDER BY started_at")
    assert await talk.later(seconds=0) == []
    assert await talk.rows("SELECT run, status FROM flow_runs ORDER BY started_at") == before
    await ask(talk)
    assert await talk.later(seconds=0) == ["7 places are free on Everest Base Camp."]
    assert len(set(talk.tms.keys)) == 2, "another walk asks anew"


async def test_an_answer_that_is_told_twice_is_heard_once(talk: Talk) -> None:
    """The answer is there, and its record is lost: it is asked again with the same key, and the flow hears it once."""
    await ask(talk)
    runner = talk.system.outside()
    (job,) = await runner.jobs.claim(utc_now(), {talk.system.channel.tenant_id: 1}, timedelta(seconds=1))
    data = {"status": 200, "answer": {"free": 7}}
    assert await runner.jobs.done(job, utc_now(), "tms.seats.answered", data)
    assert not await runner.jobs.done(job, utc_now(), "tms.seats.answered", data)
    assert await talk.later(seconds=0) == ["7 places are free on Everest Base Camp."]
    assert talk.tms.keys == []


async def test_words_in_between_do_not_disturb_who_waits(talk: Talk) -> None:
    await ask(talk)
    assert "7 places are free on Everest Base Camp." not in await talk.say("take your time")
    assert await talk.later(seconds=0) == ["7 places are free on Everest Base Camp."]
