"""Conversation tests as pytest items, and the fixtures for testing actions."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bot.authoring.testing.doubles import CallFactory, FakeDatabase
from bot.cli.test import play
from bot.core.errors import ActionError
from bot.operations.leads import create_lead
from tests.talking import ROOT

pytest_plugins = ["pytester"]

TEST = (ROOT / "tests" / "flows" / "enquiry_quote.yaml").read_text(encoding="utf-8")
SHARED = (ROOT / "tests" / "flows" / "shared.yaml").read_text(encoding="utf-8")
PLUGIN = ("-p", "no:sirdar", "-p", "bot.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:asyncio")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with the shipped content and one conversation test."""
    folder = pytester.mkdir("talks")
    (folder / "quote.yaml").write_text(TEST, encoding="utf-8")
    (folder / "shared.yaml").write_text(SHARED, encoding="utf-8")
    pytester.makeini(f"[pytest]\nsirdar_content = {ROOT}\nsirdar_tests = talks\n")
    return pytester


def test_files_are_collected_and_pass(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)


def test_a_failure_shows_the_talk_instead_of_a_traceback(project: pytest.Pytester) -> None:
    path = project.path / "talks" / "quote.yaml"
    path.write_text(TEST.replace("Which month", "Which year"), encoding="utf-8")
    result = project.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*maya: 3 people to Everest base camp*", "*expected Which year*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_file_with_mistakes_fails_with_their_places(project: pytest.Pytester) -> None:
    (project.path / "talks" / "bad.yaml").write_text("test: x\nsteps:\n  - usr: hi\n", encoding="utf-8")
    result = project.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*bad.yaml:3:5: error: There is no phone `usr`*"])


def test_without_its_setting_nothing_is_collected_or_imported(pytester: pytest.Pytester) -> None:
    (pytester.path / "one.yaml").write_text(TEST, encoding="utf-8")
    pytester.makepyfile("import sys\ndef test_one(): assert 'bot.authoring' not in sys.modules")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_fixtures_of_the_plugin_serve_tests_of_actions(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        def test_it(action_call, fake_database):
            fake_database.answers("SELECT 1", {"one": 1})
            call = action_call(role="sales")
            assert asyncio.run(call.db.fetchval("select  1")) == 1
            assert call.role == "sales"
        """
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)


async def test_an_action_gets_what_the_fake_database_was_told() -> None:
    database = FakeDatabase()
    call = CallFactory(database)
    with pytest.raises(ActionError):
        await create_lead(call(), trek=1, people=0)
    with pytest.raises(AssertionError, match="Nobody said what the database answers"):
        await create_lead(call(), trek=1, people=2)
    database.answers("FROM contact_roles", None)
    database.answers("INSERT INTO leads", {"lead_id": 7, "assignee": None})
    database.answers("INSERT INTO timeline")
    try:
        made = await create_lead(call(), trek=1, people=2, month="2026-12")
    except AssertionError:
        pytest.fail(f"asked: {database.queries[-1].sql}")
    assert made == {"id": 7, "code": "LEAD7", "assignee": None}
    assert 2 in next(query.arguments for query in database.queries if "INSERT INTO leads" in query.sql)


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOT_CONTENT_DIR", str(ROOT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared.yaml").write_text(SHARED, encoding="utf-8")
    (tmp_path / "good.yaml").write_text(TEST, encoding="utf-8")
    return tmp_path


def break_it(folder: Path) -> None:
    (folder / "bad.yaml").write_text(TEST.replace("Which month", "Which year"), encoding="utf-8")


def test_the_command_says_what_passed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(folder) == 0
    assert "✓ a customer gets a quote" in capsys.readouterr().out


def test_the_command_fails_with_a_test_or_with_too_little_coverage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(folder, fail_under=90, coverage=True) == 1
    out = capsys.readouterr().out
    assert "--fail-under wants 90" in out
    assert "lead → agent" in out
    break_it(folder)
    assert play(folder) == 1
    assert "1 failed, 1 passed" in capsys.readouterr().out
    assert play(folder, select="nothing_like_it or good") == 0


def test_reports_for_machines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_it(folder)
    assert play(folder, as_format="json", junit=folder / "report.xml", coverage=True) == 1
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["passed"], document["failed"]) == (1, 1)
    bad = next(one for one in document["tests"] if not one["passed"])
    assert bad["problems"][0]["expected"] == "Which year"
    assert {flow["flow"] for flow in document["coverage"]["flows"]} >= {"enquiry", "issue"}
    suite = ElementTree.parse(folder / "report.xml").getroot()
    assert suite.get("failures") == "1"
    assert "maya: 3 people" in suite.findtext(".//failure", "")
    assert play(folder, as_format="github") == 1
    assert "::error file=" in capsys.readouterr().out


def test_update_and_explore_write_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_it(folder)
    assert play(folder, update=True) == 0
    assert (folder / "bad.yaml").read_text(encoding="utf-8") != TEST.replace("Which month", "Which year")
    assert play(folder) == 0
    capsys.readouterr()
    assert play(folder, explore="issue", write=folder) == 0
    assert "16 of 16 ways reached" in capsys.readouterr().out
    assert play(folder) == 0
