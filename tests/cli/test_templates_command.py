"""`bot templates` keeps files, provider and database in step, and says what may not be sent."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest

from bot.cli.templates import check
from bot.cli.theatre import Theatre
from tests.cli.conftest import BOT, REPOSITORY, Run


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, in the folder we are in."""
    for folder in ("flows", "intents", "templates"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    shutil.copy(REPOSITORY / "project.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_CONTENT_DIR", raising=False)
    return tmp_path


def test_the_shipped_templates_are_well(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0
    assert "payment_reminder" in (shown := capsys.readouterr().out)
    assert "0 errors, 0 warnings" in shown


def test_mistakes_and_missing_translations_are_told(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = content / "templates" / "whatsapp"
    (folder / "new_lead.hi.yaml").unlink()
    file = folder / "trip_issue.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("category: UTILITY", "category: GREETING"), "utf-8")
    assert check(as_format="json") == 1
    report = json.loads(capsys.readouterr().out)
    found = {(one["severity"], Path(one["file"]).name): one for one in report["findings"]}
    assert found["error", "trip_issue.yaml"]["line"] == 4
    assert "not there in hi" in found["warning", "new_lead.yaml"]["message"]
    assert report["errors"] == 1
    wanted = {"name": "new_lead", "language": "en", "category": "UTILITY"}
    assert any(wanted.items() <= one.items() for one in report["templates"])


async def test_status_follows_the_provider(theatre: Theatre, as_environment: dict[str, str]) -> None:
    async def bot(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = as_environment | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"}
        return await asyncio.to_thread(
            subprocess.run,
            [*BOT, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
            check=False,
        )

    done = await bot("templates", "status", "--format", "json")
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)
    assert {one["status"] for one in lines} == {"APPROVED"}
    assert next(one["flows"] for one in lines if one["name"] == "trip_issue") == ["issue", "trip_update"]

    control = f"{theatre.emulator.base_url}/_control/templates/trip_issue"
    async with aiohttp.ClientSession() as http, http.post(control, json={"status": "PAUSED"}) as answer:
        assert answer.status == 200
    synced = await bot("templates", "sync")
    assert "trip_issue" in synced.stdout
    assert "PAUSED" in synced.stdout, synced.stderr
    assert (await bot("templates", "status")).returncode == 1
    plan = json.loads((await bot("plan", "--format", "json")).stdout)
    assert "WhatsApp template trip_issue (en) is PAUSED; used by issue, trip_update." in plan["warnings"]
    pushed = await bot("templates", "push", "trip_issue", "--dry-run", "--format", "json")
    assert {one["deed"] for one in json.loads(pushed.stdout)} == {"as it was"}


def test_a_template_that_is_not_there_is_not_handed_in(bot: Run) -> None:
    done = bot("templates", "push", "nothing")
    assert done.returncode == 2
