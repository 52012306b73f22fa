"""What operators' machines see."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import cast

import asyncpg
import pytest

from bench.processes import free_port
from bot.core.errors import ConfigError
from bot.runtime.loop import Stopping
from bot.web.app import web_parts
from storage.migrations import VERSION_TABLE
from tests.conftest import FIXTURES
from tests.e2e.conftest import CUSTOMER, Running, _listening


async def test_alive_ready_and_counting(running: Running) -> None:
    await running.emulator.say(CUSTOMER, "hello")
    await running.emulator.wait_for(CUSTOMER)
    async with running.http.get(f"{running.url}/healthz") as answer:
        assert answer.status == 200
    async with running.http.get(f"{running.url}/readyz") as answer:
        assert answer.status == 200
        assert (await answer.json())["status"] == "ready"
    async with running.http.get(f"{running.url}/metrics") as answer:
        text = await answer.text()
    for name in ("sirdar_webhooks_total", "sirdar_turns_total", "sirdar_sends_total", "sirdar_backlog"):
        assert name in text
    assert CUSTOMER.lstrip("+") not in text


async def test_not_ready_without_the_database_and_no_webhook_is_confirmed(running: Running) -> None:
    body = (FIXTURES / "meta" / "in_text.json").read_bytes()
    running.system.foundation.database.terminate()
    async with running.http.get(f"{running.url}/healthz") as answer:
        assert answer.status == 200, "restarting the process would not help"
    async with running.http.get(f"{running.url}/readyz") as answer:
        assert answer.status == 503
    assert await running.post(body) == 503, "the provider must deliver it again"


async def test_not_ready_when_events_wait_too_long(running: Running) -> None:
    async with running.system.foundation.database.tenant(running.system.channel.tenant_id) as db:
        await db.execute(
            "INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at) "
            "VALUES ($1, 999999, now() - interval '1 hour', 'timer', '{}', now())",
            running.system.channel.tenant_id,
        )
    async with running.http.get(f"{running.url}/readyz") as answer:
        assert answer.status == 503
        assert "worker" in (await answer.json())["reason"]


async def test_not_ready_on_the_schema_of_another_version(running: Running) -> None:
    dsn = running.system.foundation.dsn
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    finally:
        await owner.close()
    async with running.http.get(f"{running.url}/readyz") as answer:
        assert answer.status == 503
        assert "9999" in (await answer.json())["reason"]


async def test_a_port_that_is_taken_is_told_with_its_setting(running: Running) -> None:
    system = replace(
        running.system, settings=running.system.settings.model_copy(update={"bot_metrics_port": int(running.url[-5:])})
    )
    for parts, setting in ((["web"], "BOT_PORT"), (["worker"], "BOT_METRICS_PORT")):
        (part,) = web_parts(system, parts)
        with pytest.raises(ConfigError, match=f"{setting} .* Stop whatever listens there, or set {setting}"):
            await part.run(Stopping())


async def test_a_process_without_webhooks_can_be_watched_too(running: Running) -> None:
    port = free_port()
    system = replace(running.system, settings=running.system.settings.model_copy(update={"bot_metrics_port": port}))
    (part,) = web_parts(system, ["worker"])
    stopping = Stopping()
    serving = asyncio.create_task(cast("Coroutine[None, None, None]", part.run(stopping)))
    try:
        url = f"http://127.0.0.1:{port}"
        await _listening(running.http, url, serving)
        async with running.http.get(f"{url}/metrics") as answer:
            assert "sirdar_turns_total" in await answer.text()
        async with running.http.post(f"{url}/api/whatsapp/webhook") as answer:
            assert answer.status == 404
    finally:
        stopping.set()
        await serving
    assert web_parts(running.system, ["worker"]) == []
