"""Telling and asking other systems, against a real HTTP server that behaves badly."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.actions import ActionCall
from bot.core.conversation import Contact
from bot.core.errors import ActionError, ContentErrors
from bot.core.ids import ContactId, RunId
from bot.operations.outside import OutsideSpec, load_outside, outside_actions
from bot.runtime.bells import Bells
from bot.runtime.loop import Stopping
from bot.runtime.outside import ATTEMPTS, OutsideRunner
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.outside import OutsideJobs, add_endpoint, dead_jobs, endpoints, remove_endpoint, replay
from tests.conftest import EPOCH, FakeClock
from tests.storage.support import World, build_world

SECRET = b"webhook-secret"
_ENTRY = """
INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, created_at)
VALUES ($1, $2, $3, 'SYSTEM', 'WHATSAPP', jsonb_build_object('action', $4::text), $5)
"""


class Receiver:
    """A server that remembers what it was asked, and answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[Callable[[], web.Response] | float] = []
        self.signed: list[bool] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        stamp, _, given = request.headers["Sirdar-Signature"].partition(",v1=")
        made = hmac.new(SECRET, stamp.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
        self.signed.append(hmac.compare_digest(made, given))
        self.seen.append((f"{request.method} {request.path_qs}", dict(request.headers), json.loads(body or b"null")))
        answer = self.answers.pop(0) if self.answers else (lambda: web.json_response({"ok": True}))
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return web.Response(status=200)
        return answer()

    def told(self) -> list[Any]:
        """What it was told, as (object id, action)."""
        return [(body["object"]["id"], body["action"]) for _, _, body in self.seen]


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    async with TestServer(app) as server:
        yield made, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def world(database: Postgres, vault: Vault) -> World:
    return await build_world(database, vault)


def spec_for(url: str, timeout: float = 60) -> OutsideSpec:
    return OutsideSpec.model_validate(
        {
            "systems": {"tms": {"url": url, "secret": "TMS_SECRET", "timeout": timeout}},
            "calls": {
                "tms.create_lead": {
                    "system": "tms", "path": "/treks/{trek}/leads", "arguments": ["trek", "people"],
                    "optional": ["month"],
                },
                "tms.find": {"system": "tms", "path": "/leads", "method": "GET", "arguments": ["name"]},
            },
        }
    )  # fmt: skip


def runner_for(world: World, url: str, clock: FakeClock, **more: Any) -> OutsideRunner:
    jobs = OutsideJobs(world.database, world.vault)
    spec = spec_for(url, **more)
    return OutsideRunner(
        jobs=jobs, specs={world.tenant: spec}, bells=Bells(), clock=clock, environment={"TMS_SECRET": SECRET.decode()}
    )


async def work(runner: OutsideRunner, rounds: int = 1) -> int:
    done = 0
    async with runner.session() as http:
        for _ in range(rounds):
            done += await runner.work(http)
    return done


async def happens(world: World, *entries: tuple[int, str], kind: str = "lead") -> None:
    """Write timeline entries, as services do."""
    async with world.database.tenant(world.tenant) as db:
        for number, action in entries:
            await db.execute(_ENTRY, world.tenant, kind, number, action, EPOCH)


async def endpoint(world: World, url: str, *actions: str) -> int:
    async with world.database.tenant(world.tenant) as db:
        return await add_endpoint(db, world.vault, world.tenant, f"{url}/hook", SECRET, actions, EPOCH)


async def ask(world: World, spec: OutsideSpec, called: str = "tms.create_lead", /, **arguments: Any) -> Any:
    """Call an action of outside.yaml, as a flow does."""
    action = outside_actions(spec).by_name[called]
    conversation = await world.conversation()
    async with world.database.tenant(world.tenant) as db:
        call = ActionCall(
            tenant_id=world.tenant, channel_id=world.channel.channel_id, conversation_id=conversation,
            contact=Contact(contact_id=ContactId(1)), role="customer", run=RunId("run-1"), at=EPOCH, db=db,
        )  # fmt: skip
        return await action.function(call, **arguments)


async def events(world: World) -> list[tuple[str, Any, str]]:
    """What waits in the inbox: name, data and run."""
    rows = await world.rows("SELECT event FROM inbox WHERE kind = 'business' ORDER BY event_id")
    found = [json.loads(row["event"]) for row in rows]
    return [(one["name"], one["data"], one["run"]) for one in found]


# --- Webhooks ---------------------------------------------------------------------------------------------------------


async def test_what_is_on_the_timeline_is_told_signed(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    server, url = receiver
    await endpoint(world, url, "LEAD_CREATED")
    await happens(world, (1, "LEAD_CREATED"), (1, "LEAD_QUOTED"), (2, "LEAD_CREATED"))
    assert await work(runner_for(world, url, clock), 2) == 2
    assert sorted(server.told()) == [(1, "LEAD_CREATED"), (2, "LEAD_CREATED")]
    assert server.signed == [True, True]
    line, headers, body = server.seen[0]
    assert (line, headers["Sirdar-Attempt"], body["source"]) == ("POST /hook", "1", "WHATSAPP")
    assert await world.value("SELECT count(*) FROM outside_jobs") == 0


async def test_an_object_s_news_comes_in_order_whatever_fails(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    """Another object's news does not wait for it."""
    server, url = receiver
    await endpoint(world, url)
    await happens(world, (1, "A"), (1, "B"), (1, "C"), (2, "X"))
    runner = runner_for(world, url, clock)
    server.answers = [lambda: web.Response(status=500)] * 2
    await work(runner)
    assert sorted(server.told()) == [(1, "A"), (2, "X")]
    assert await work(runner) == 0
    for _ in range(4):
        clock.advance(seconds=5)
        await work(runner)
    assert [action for number, action in server.told() if number == 1] == ["A", "A", "B", "C"]
    keys = [headers["Idempotency-Key"] for _, headers, body in server.seen if body["action"] == "A"]
    assert keys[0] == keys[1]


async def test_a_receiver_that_says_when_is_listened_to(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    server, url = receiver
    await endpoint(world, url)
    await happens(world, (1, "A"))
    runner = runner_for(world, url, clock)
    server.answers = [lambda: web.Response(status=429, headers={"Retry-After": "120"})]
    await work(runner)
    clock.advance(seconds=119)
    assert await work(runner) == 0
    clock.advance(seconds=1)
    assert await work(runner) == 1


async def test_what_was_given_up_is_kept_and_can_be_told_again(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    server, url = receiver
    number = await endpoint(world, url)
    await happens(world, (1, "A"), (1, "B"))
    runner = runner_for(world, url, clock)
    server.answers = [lambda: web.Response(status=503)] * ATTEMPTS
    for _ in range(ATTEMPTS):
        await work(runner)
        clock.advance(days=1)
    assert len(server.seen) == ATTEMPTS
    await work(runner)
    assert server.told()[-1] == (1, "B"), "the next one does not wait for what was given up"
    async with world.database.tenant(world.tenant) as db:
        (dead,) = await dead_jobs(db, world.tenant, 10)
        (listed,) = await endpoints(db, world.tenant)
        assert (dead["last_error"], dead["attempts"], listed.dead) == ("HTTP 503", ATTEMPTS, 1)
        assert await replay(db, world.tenant, clock()) == 1
    await work(runner)
    assert server.told()[-1] == (1, "A")
    async with world.database.tenant(world.tenant) as db:
        await happens(world, (3, "A"))
        assert await remove_endpoint(db, world.tenant, number, EPOCH)
    assert await work(runner) == 0


async def test_who_says_gone_is_not_asked_again(world: World, clock: FakeClock, receiver: tuple[Receiver, str]) -> None:
    server, url = receiver
    await endpoint(world, url)
    await happens(world, (1, "A"))
    server.answers = [lambda: web.Response(status=410)]
    await work(runner_for(world, url, clock))
    assert await world.value("SELECT state FROM outside_jobs") == "DEAD"


async def test_tenants_are_told_of_their_own(world: World, clock: FakeClock, receiver: tuple[Receiver, str]) -> None:
    server, url = receiver
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await endpoint(world, url)
    await happens(other, (7, "A"))
    await happens(world, (8, "A"))
    await work(runner_for(world, url, clock))
    assert server.told() == [(8, "A")]


# --- Calls ------------------------------------------------------------------------------------------------------------


async def test_an_answer_comes_back_as_an_event(world: World, clock: FakeClock, receiver: tuple[Receiver, str]) -> None:
    server, url = receiver
    runner = runner_for(world, url, clock)
    asked = await ask(world, runner.specs[world.tenant], trek="a b", people=2, month="2026-12")
    assert list(asked) == ["asked"]
    server.answers = [lambda: web.json_response({"id": 77}, status=201)]
    await work(runner)
    line, headers, body = server.seen[0]
    assert (line, body) == ("POST /treks/a%20b/leads", {"people": 2, "month": "2026-12"})
    assert headers["Idempotency-Key"] == f"call-{world.tenant}-{asked['asked']}"
    assert server.signed == [True]
    assert await events(world) == [("tms.create_lead.answered", {"status": 201, "answer": {"id": 77}}, "run-1")]
    await ask(world, runner.specs[world.tenant], "tms.find", name="Maya & Noor")
    await work(runner)
    assert server.seen[1][0] == "GET /leads?name=Maya+%26+Noor"


async def test_an_answer_that_comes_in_pieces_is_heard_to_its_end(world: World, clock: FakeClock) -> None:
    """What has come when it is first looked at is no document yet."""

    async def answer(request: web.Request) -> web.StreamResponse:
        slow = web.StreamResponse()
        await slow.prepare(request)
        await slow.write(b'{"id": ')
        await asyncio.sleep(0.05)  # so that the first piece is read alone, on most machines
        await slow.write(b"77}")
        return slow

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        runner = runner_for(world, str(server.make_url("")).rstrip("/"), clock)
        await ask(world, runner.specs[world.tenant], trek=1, people=2)
        await work(runner)
    assert await events(world) == [("tms.create_lead.answered", {"status": 200, "answer": {"id": 77}}, "run-1")]


async def test_a_runner_that_is_cut_off_leaves_no_request_behind(world: World, clock: FakeClock) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.set()
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0)
        gone.set()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, asyncio.timeout(120):
        runner = runner_for(world, str(server.make_url("")).rstrip("/"), clock)
        await ask(world, runner.specs[world.tenant], trek=1, people=2)
        running = asyncio.create_task(runner.run(Stopping()))
        await asked.wait()
        (request,) = runner._running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert request.cancelled()
        await gone.wait()
    assert await events(world) == []


@pytest.mark.parametrize("status", [500, 502, 429, 409])
async def test_a_call_that_fails_for_now_is_made_again(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str], status: int
) -> None:
    server, url = receiver
    runner = runner_for(world, url, clock)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    server.answers = [lambda: web.Response(status=status)]
    await work(runner)
    assert await events(world) == []
    clock.advance(seconds=5)
    await work(runner)
    assert [name for name, _, _ in await events(world)] == ["tms.create_lead.answered"]


async def test_a_call_without_an_answer_is_made_again(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    server, url = receiver
    runner = runner_for(world, url, clock, timeout=0.2)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    server.answers = [0.6]
    await work(runner)
    assert await world.value("SELECT last_error FROM outside_jobs") == "TimeoutError"
    clock.advance(seconds=5)
    await work(runner_for(world, url, clock))
    keys = {headers["Idempotency-Key"] for _, headers, _ in server.seen}
    assert len(server.seen) <= 2  # 1 where it took that long to get through at all
    assert len(keys) == 1
    assert len(await events(world)) == 1


async def test_a_refusal_is_told_at_once(world: World, clock: FakeClock, receiver: tuple[Receiver, str]) -> None:
    server, url = receiver
    runner = runner_for(world, url, clock)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    server.answers = [lambda: web.json_response({"reason": "full"}, status=422)]
    await work(runner)
    expected = {"status": 422, "answer": {"reason": "full"}, "error": "HTTP 422"}
    assert await events(world) == [("tms.create_lead.failed", expected, "run-1")]


async def test_nobody_there_is_tried_again_and_a_missing_secret_too(world: World, clock: FakeClock) -> None:
    runner = runner_for(world, "http://127.0.0.1:9", clock)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    await work(runner)
    assert "Connector" in await world.value("SELECT last_error FROM outside_jobs")
    runner.environment = {}
    clock.advance(seconds=5)
    await work(runner)
    assert "TMS_SECRET" in await world.value("SELECT last_error FROM outside_jobs")


DYING = """
import asyncio, sys
from bot.runtime.bells import Bells
from bot.runtime.outside import OutsideRunner
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.outside import OutsideJobs
from tests.conftest import FakeClock
from tests.runtime.test_outside import SECRET, spec_for

async def main():
    database = await Postgres.connect(sys.argv[1], size=2)
    jobs = OutsideJobs(database, Vault(bytes(range(32))))
    specs = {int(sys.argv[3]): spec_for(sys.argv[2])}
    runner = OutsideRunner(jobs=jobs, specs=specs, bells=Bells(), clock=FakeClock(),
                           environment={"TMS_SECRET": SECRET.decode()})
    async with runner.session() as http:
        await runner.work(http)

asyncio.run(main())
"""


async def test_dying_between_the_call_and_its_record_loses_and_doubles_nothing(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    """The runner is killed with the answer in hand. Another asks again, with the same key; one event comes of it."""
    server, url = receiver
    runner = runner_for(world, url, clock)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    environment = {**os.environ, "BOT_FAILPOINTS": "outside.before_record=kill"}
    root = Path(__file__).parents[2]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DYING, world.database.dsn, url, str(world.tenant)],
        env=environment,
        cwd=root,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(server.seen) == 1
    assert await events(world) == []
    assert await work(runner) == 0, "its lease has not run out"
    clock.advance(seconds=91)
    assert await work(runner) == 1
    assert len({headers["Idempotency-Key"] for _, headers, _ in server.seen}) == 1
    assert [headers["Sirdar-Attempt"] for _, headers, _ in server.seen] == ["1", "2"]
    assert len(await events(world)) == 1


async def test_who_slept_past_the_lease_says_nothing(
    world: World, clock: FakeClock, receiver: tuple[Receiver, str]
) -> None:
    _, url = receiver
    runner = runner_for(world, url, clock)
    await ask(world, runner.specs[world.tenant], trek=1, people=2)
    (late,) = await runner.jobs.claim(clock(), {world.tenant: 10}, timedelta(seconds=90))
    clock.advance(seconds=91)
    assert await work(runner) == 1
    assert not await runner.jobs.done(late, clock(), "tms.create_lead.answered", {})
    await runner.jobs.again(late, clock(), "x")
    await runner.jobs.give_up(late, clock(), "x", "tms.create_lead.failed", {})
    assert len(await events(world)) == 1
    assert await world.value("SELECT count(*) FROM outside_jobs") == 0


async def test_many_runners_do_each_job_once(world: World, clock: FakeClock, receiver: tuple[Receiver, str]) -> None:
    server, url = receiver
    await endpoint(world, url)
    await happens(world, *((number, "A") for number in range(1, 31)))
    runner = runner_for(world, url, clock)
    await asyncio.gather(*(work(runner, 3) for _ in range(4)))
    assert sorted(server.told()) == [(number, "A") for number in range(1, 31)]


@pytest.mark.parametrize("trek", ["..", ".", " .. ", "", None])
async def test_what_people_write_does_not_change_the_path(world: World, trek: str | None) -> None:
    with pytest.raises(ActionError, match="cannot be asked"):
        await ask(world, spec_for("http://x"), trek=trek, people=2)
    assert await world.value("SELECT count(*) FROM outside_jobs") == 0


# --- outside.yaml -----------------------------------------------------------------------------------------------------

BAD = {
    "systems: [": "not YAML",
    "calls: {tms.x: {system: tms, path: /x}}": "no system tms",
    "systems: {tms: {url: ftp://x, secret: S}}": "url",
    "systems: {tms: {url: 'https://me:secret@x', secret: S}}": "url",
    "systems: {tms: {url: 'http://x', secret: S}}\ncalls: {tms.x: {system: tms, path: '/{a}'}}": "a is none",
    "systems: {tms: {url: 'http://x', secret: S}}\ncalls: {x: {system: tms, path: /x}}": "calls.x",
    "systems: {tms: {url: 'http://x', secret: S}}\ncalls: {t.x: {system: tms, path: /x, roles: [king]}}": "role king",
    "nothing: 1": "nothing",
}


@pytest.mark.parametrize("text", BAD)
def test_mistakes_in_the_file_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(text)
    with pytest.raises(ContentErrors) as told:
        load_outside(tmp_path)
    assert BAD[text] in str(told.value)
    assert "outside.yaml" in str(told.value)


def test_the_linter_knows_the_arguments_of_a_call() -> None:
    action = outside_actions(spec_for("http://x")).by_name["tms.create_lead"]
    assert action.parameters == {"trek": True, "people": True, "month": False}
    assert load_outside(Path("/nonexistent")) == OutsideSpec()
