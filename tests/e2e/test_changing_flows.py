"""Flows change under running conversations: who has begun goes on, who is new gets the new version, nobody is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.processes import free_port
from bot.authoring.watching import stamp
from bot.cli.scratch import new_key, play_settings
from bot.config import Settings
from bot.core.errors import ContentErrors
from bot.core.messages import TextIn
from bot.runtime.bootstrap import System, open_system
from bot.runtime.loop import Stopping, utc_now
from storage.base import NewMessage, Person, Unread

ROOT = Path(__file__).parents[2]
ANNA = Person(phone="+9779800000071", user_id=None, name="Anna")
BIMAL = Person(phone="+9779800000072", user_id=None, name="Bimal")
COMMON = (ROOT / "templates" / "en" / "common.j2").read_text(encoding="utf-8")
V1 = """
flow: tea
role: customer
start: {intents: [tea]}
slots: {sugar: {type: integer, min: 0, max: 9}}
states:
  sweet: {form: [sugar], next: done}
  done: {say: done, end: served}
"""
RENAMED = V1.replace("role: customer", "role: customer\nversion: 2").replace("sweet:", "sugared:")
MIGRATED = RENAMED + "migrations: [{from: 1, states: {sweet: sugared}}]\n"
TEXTS = """
{% block ask_sugar %}How much sugar?{% endblock %}
{% block done %}VERSION: {{ sugar }} sugar.{% endblock %}
"""
INTENTS = "role: customer\nintents:\n  tea: {examples: [tea please], keywords: [tea]}\n"


@dataclass(frozen=True, slots=True)
class Shop:
    """A content folder that changes, and settings for it."""

    root: Path
    settings: Settings

    def write(self, flow: str, says: str = "One") -> None:
        """Put a flow into the folder."""
        files = {
            "flows/customer/tea.yaml": flow,
            "templates/en/customer/tea.j2": TEXTS.replace("VERSION", says),
            "templates/en/common.j2": COMMON,
            "intents/customer.yaml": INTENTS,
        }
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[System]:
        """A process that serves it."""
        async with open_system(self.settings) as system:
            yield system


@pytest.fixture
def shop(dsn: str, tmp_path: Path) -> Shop:
    root = tmp_path / "content"
    root.mkdir()
    settings = play_settings(
        bot_database_url=dsn, bot_secret_key=new_key(), bot_data_dir=tmp_path, bot_content_dir=root
    )
    made = Shop(root, settings)
    made.write(V1)
    return made


_heard = iter(range(1, 10_000))


async def say(system: System, body: str, who: Person = ANNA) -> str:
    """Write something, let a worker take the turn, and return all that was answered so far, the newest last."""
    now = utc_now()
    message = NewMessage(
        channel=system.channel, person=who, provider_message_id=f"wamid.v.{next(_heard)}",
        content=TextIn(body=body), sent_at=now, received_at=now,
    )  # fmt: skip
    tenant = system.channel.tenant_id
    await system.intake.accept([message], Unread(tenant_id=tenant, kind="x", body=b"", received_at=now))
    await system.worker().work()
    async with system.foundation.database.tenant(tenant) as db:
        newest = await db.fetchval(
            "SELECT content ->> 'body' FROM whatsapp_messages WHERE direction = 'OUTBOUND' "
            "ORDER BY message_id DESC LIMIT 1"
        )
    return str(newest)


async def runs(system: System) -> list[tuple[int, str]]:
    async with system.foundation.database.tenant(system.channel.tenant_id) as db:
        rows = await db.fetch("SELECT version, status FROM flow_runs ORDER BY started_at")
    return [(row["version"], row["status"]) for row in rows]


async def test_a_run_goes_on_in_its_version_and_new_ones_begin_in_the_new_one(shop: Shop) -> None:
    async with shop.open() as system:
        assert await say(system, "tea please") == "How much sugar?"
    shop.write(RENAMED, "Two")
    async with shop.open() as system:
        assert await say(system, "tea please", BIMAL) == "How much sugar?"
        assert await say(system, "2", BIMAL) == "Two: 2 sugar."
        assert await say(system, "3") == "One: 3 sugar.", "in the words of the version it began with"
        assert await runs(system) == [(1, "ENDED"), (2, "ENDED")]


async def test_a_declared_migration_brings_a_run_into_the_new_version(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
    shop.write(MIGRATED, "Two")
    async with shop.open() as system:
        assert await say(system, "3") == "Two: 3 sugar."
        assert await runs(system) == [(2, "ENDED")]


async def test_the_same_version_may_change_its_words_but_not_lose_a_state_somebody_is_in(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
    shop.write(V1, "Other words")
    async with shop.open() as system:
        assert system.content.book.flow("tea", 1) is not None
    shop.write(V1.replace("sweet:", "sugared:"))
    with pytest.raises(ContentErrors, match=r"1 run is in state `sweet` of version 1.*Raise `version:`"):
        async with shop.open():
            pass
    shop.write(V1)
    async with shop.open() as system:
        assert await say(system, "3") == "One: 3 sugar."


async def test_a_migration_that_forgets_a_state_is_refused(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
    shop.write(RENAMED + "migrations: [{from: 1}]\n")
    with pytest.raises(ContentErrors, match=r"does not have in version 2\. Say where they go"):
        async with shop.open():
            pass
    shop.write(RENAMED + "migrations: [{from: 1, orphans: end}]\n")
    async with shop.open() as system:
        await say(system, "3")
        assert await runs(system) == [(1, "ENDED")]


async def test_flows_are_exchanged_without_a_restart(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
        before = system.library.current()
        shop.write(MIGRATED, "Two")
        assert await system.library.reload()
        assert before.content.book.latest["tea"].version == 1, "a turn under way keeps what it began with"
        assert await say(system, "3") == "Two: 3 sugar."


async def test_content_that_is_wrong_leaves_the_old_in_force(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
        for wrong in ("flow: [", V1.replace("next: done", "next: dome"), V1.replace("sweet:", "sugared:")):
            shop.write(wrong)
            assert not await system.library.reload()
        assert await say(system, "3") == "One: 3 sugar."


async def test_a_process_with_older_flows_goes_on_with_runs_of_newer_ones(shop: Shop) -> None:
    """While a deploy rolls over the processes, each meets runs that others have begun."""
    async with shop.open() as old:
        shop.write(RENAMED, "Two")
        async with shop.open() as new:
            assert await say(new, "tea please") == "How much sugar?"
        assert await say(old, "3") == "Two: 3 sugar."


async def test_a_kept_version_that_does_not_compile_any_more_is_left_out(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
        async with system.foundation.database.tenant(system.channel.tenant_id) as db:
            await db.execute(
                "UPDATE flow_versions SET source = jsonb_build_object('flows/customer/tea.yaml', 'flow: tea')"
            )
    shop.write(RENAMED)
    async with shop.open() as system:
        assert system.content.book.flow("tea", 1) is None
        assert "2" in str(system.content.book.latest["tea"].version)


async def test_changed_files_are_noticed(shop: Shop) -> None:
    shop.settings.bot_watch = True
    async with shop.open() as system:
        stopping = Stopping()
        (content,) = [part for part in system.parts(["worker"]) if part.name == "content"]
        running = asyncio.create_task(_as_coroutine(content.run(stopping)))
        await asyncio.sleep(0)
        before = stamp(shop.root)
        shop.write(RENAMED, "Two")
        assert stamp(shop.root) != before
        async with asyncio.timeout(120):
            while system.content.book.latest["tea"].version == 1:
                system.library.ask_for_reload()
                await asyncio.sleep(0.05)
        stopping.set()
        await running


async def _as_coroutine(awaitable: object) -> None:
    await awaitable  # type: ignore[misc]


async def test_the_plan_tells_what_happens_to_whom(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
    for flow, outcome, code in (
        (RENAMED, "kept", 0),
        (MIGRATED, "renamed", 0),
        (V1.replace("sweet:", "sugared:"), "orphaned", 1),
    ):
        shop.write(flow)
        done = await asyncio.to_thread(_plan, shop, "--format", "json")
        assert done.returncode == code, done.stderr
        (state,) = json.loads(done.stdout)["states"]
        assert (state["flow"], state["version"], state["state"], state["conversations"]) == ("tea", 1, "sweet", 1)
        assert state["outcome"] == outcome
    told = await asyncio.to_thread(_plan, shop)
    assert "orphaned: the state is gone" in told.stdout
    assert "1 running with nowhere to go." in told.stdout
    shop.write(MIGRATED.replace("sweet: sugared", "sweat: sugared"))
    told = await asyncio.to_thread(_plan, shop)
    assert "does not name `sweet`. Did you mean `sweat`?" in " ".join(told.stdout.split())


def _environment(shop: Shop) -> dict[str, str]:
    settings = shop.settings
    assert settings.bot_database_url is not None
    assert settings.bot_secret_key is not None
    return {
        "PATH": os.environ["PATH"],
        "BOT_DATABASE_URL": settings.bot_database_url.get_secret_value(),
        "BOT_SECRET_KEY": settings.bot_secret_key.get_secret_value(),
        "BOT_CONTENT_DIR": str(shop.root),
        "BOT_TENANT": settings.bot_tenant,
        "COLUMNS": "140",
    }


def _plan(shop: Shop, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from bot.cli import main; main()", "plan", *arguments]
    environment = _environment(shop) | more
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)


BREW = """
from bot.core.actions import action


@action("tea.brew")
async def brew(call, *, sugar: int) -> dict:
    return {"code": f"TEA{sugar}"}
"""
BREWED = RENAMED.replace("next: done", "next: brew").replace(
    "  done:", '  brew: {do: tea.brew, with: {sugar: "{{ sugar }}"}, once: "tea:{{ run.id }}", next: done}\n  done:'
)


async def test_the_plan_knows_the_projects_own_actions(shop: Shop) -> None:
    async with shop.open() as system:
        await say(system, "tea please")
    shop.write(BREWED)
    unknown = await asyncio.to_thread(_plan, shop)
    assert unknown.returncode != 0
    assert "There is no action `tea.brew`" in unknown.stderr + unknown.stdout
    (shop.root / "teahouse.py").write_text(BREW, encoding="utf-8")
    known = await asyncio.to_thread(_plan, shop, BOT_ACTIONS="teahouse")
    assert known.returncode == 0, known.stderr
    assert "new  tea v2" in known.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
async def test_sighup_puts_changed_flows_into_force(shop: Shop) -> None:
    """A server that runs takes the new flows, own actions included, when it is told to, and not before."""
    (shop.root / "teahouse.py").write_text(BREW, encoding="utf-8")
    async with shop.open() as system:  # the schema is there, and the number is known
        await say(system, "tea please")
        environment = _environment(shop) | {
            "BOT_ACTIONS": "teahouse", "WHATSAPP_PROVIDER": "meta", "WHATSAPP_PHONE_NUMBER": "+15550100200",
            "WHATSAPP_PHONE_NUMBER_ID": shop.settings.whatsapp_phone_number_id, "WHATSAPP_BUSINESS_ACCOUNT_ID": "1",
            "WHATSAPP_ACCESS_TOKEN": "none-of-them", "WHATSAPP_WEBHOOK_SECRET": "none-of-them",
            "WHATSAPP_VERIFY_TOKEN": "none-of-them",
            "BOT_HOST": "127.0.0.1", "BOT_PORT": str(free_port()), "BOT_DATA_DIR": str(shop.settings.bot_data_dir),
        }  # fmt: skip
        command = [sys.executable, "-c", "from bot.cli import main; main()", "serve", "--only", "web,worker"]
        server = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await _answers(server, int(environment["BOT_PORT"]))
            shop.write(BREWED, "Two")
            await asyncio.sleep(0)
            assert await _versions(system) == [1], "files alone change nothing"
            async with asyncio.timeout(120):
                while await _versions(system) == [1]:
                    server.send_signal(signal.SIGHUP)
                    await asyncio.sleep(0.5)
            assert await _versions(system) == [1, 2]
            server.send_signal(signal.SIGTERM)
            _, told = await asyncio.wait_for(server.communicate(), 120)
            assert server.returncode == 0, told.decode()
            assert b"other flows are in force" in told
        finally:
            if server.returncode is None:
                server.kill()


async def _answers(server: asyncio.subprocess.Process, port: int) -> None:
    """Wait until a server listens."""
    async with asyncio.timeout(120):
        while True:
            if server.returncode is not None:
                pytest.fail((await server.communicate())[1].decode())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def _versions(system: System) -> list[int]:
    """The versions of the flow that were put into force so far."""
    async with system.foundation.database.tenant(system.channel.tenant_id) as db:
        return [row["version"] for row in await db.fetch("SELECT version FROM flow_versions ORDER BY version")]
