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


@pytest.mark.parametrize(("words", "found"), [("gets and quote", 1), ("enquiry", 1), ("issue", 0)])
def test_a_test_is_found_by_its_title_and_flow(project: pytest.Pytester, words: str, found: int) -> None:
    (project.path / "talks" / "bad.yaml").write_text("test: [\n", encoding="utf-8")
    project.runpytest_inprocess(*PLUGIN, "-k", words).assert_outcomes(passed=found, deselected=2 - found)


OWN_ACTIONS = '''
from typing import Any
from bot.core.actions import ActionCall, action

@action("hut_keys.count")
async def count(call: ActionCall, *, hut: str) -> dict[str, Any]:
    """How many keys there are."""
    return {"keys": len(hut)}
'''
OWN_CONTENT = {
    "flows/customer/keys.yaml": """
flow: keys
role: customer
start: {intents: [ask_keys]}
states:
  count: {do: hut_keys.count, with: {hut: Red}, once: "keys:{{ run.id }}", save: found, say: told, end: told}
""",
    "templates/en/customer/keys.j2": "{% block told %}{{ found.keys }} keys{% endblock %}",
    "templates/en/common.j2": (ROOT / "templates" / "en" / "common.j2").read_text(encoding="utf-8"),
    "intents/customer.yaml": "role: customer\nintents: {ask_keys: {examples: [how many keys are there]}}",
    "tests/flows/keys.yaml": """
test: the keys are counted
stubs: {hut_keys.count: {keys: 3}}
steps:
  - user: how many keys are there
    expect: {actions: [{hut_keys.count: {hut: Red}}], said: 3 keys, receipts: ["keys:*"]}
""",
}


@pytest.mark.parametrize("where", ["setting", "environment", "beside the flows"])
def test_a_project_with_actions_of_its_own_is_tested(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    module = "actions" if where == "beside the flows" else "hut_desk.actions"
    for name, text in {**OWN_CONTENT, f"{module.replace('.', '/')}.py": OWN_ACTIONS}.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    setting = f"sirdar_actions = {module}\n" if where == "setting" else ""
    pytester.makeini(f"[pytest]\nsirdar_content = .\n{setting}")
    monkeypatch.delenv("BOT_ACTIONS", raising=False)
    if where == "environment":
        monkeypatch.setenv("BOT_ACTIONS", module)
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_python_tests_import_the_projects_actions_from_any_folder(pytester: pytest.Pytester) -> None:
    for name, text in {
        **OWN_CONTENT,
        "actions.py": OWN_ACTIONS,
        "tests/unit/test_keys.py": "import actions\ndef test_name(): assert actions.count.__name__ == 'count'\n",
    }.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makeini("[pytest]\nsirdar_content = .\n")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=2)


def test_what_is_wrong_with_a_projects_actions_is_told_without_a_traceback(pytester: pytest.Pytester) -> None:
    for name, text in {**OWN_CONTENT, "actions.py": OWN_ACTIONS.replace("async def", "def")}.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makeini("[pytest]\nsirdar_content = .\n")
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*actions.py:*`hut_keys.count` is not async*"])
    result.stdout.no_fnmatch_line("*Traceback*")


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
    database.answers("INSERT INTO leads", {"lead_id": 7, "assignee": None, "limited": False})
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


def line_of(state: str) -> int:
    """Where a state of the enquiry is written."""
    flow = (ROOT / "flows/customer/enquiry.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, text in enumerate(flow, 1) if text.startswith(f"  {state}:"))


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
    assert f"\n  abandoned  flows/customer/enquiry.yaml:{line_of('abandoned')}\n" in out
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
    covered = {flow["flow"]: flow for flow in document["coverage"]["flows"]}
    assert set(covered) >= {"enquiry", "issue"}
    unvisited = {one["state"]: one["line"] for one in covered["enquiry"]["missing_states"]}
    assert unvisited["abandoned"] == line_of("abandoned")
    assert len(unvisited) == covered["enquiry"]["states"] - covered["enquiry"]["states_entered"]
    whole = ElementTree.parse(folder / "report.xml").getroot()
    (suite,) = whole
    assert (whole.tag, suite.tag) == ("testsuites", "testsuite")  # GitLab, Jenkins, GitHub, Azure: all read this
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    cases = suite.findall("testcase")
    assert len(cases) == 2
    assert all(case.get("classname") and case.get("name") and case.get("time") for case in cases)
    assert f"abandoned  flows/customer/enquiry.yaml:{line_of('abandoned')}" in suite.findtext("system-out", "")
    assert "maya: 3 people" in suite.findtext(".//failure", "")
    assert play(folder, as_format="github", coverage=True) == 1
    out = capsys.readouterr().out
    assert "::error file=" in out
    assert f"::warning file=flows/customer/enquiry.yaml,line={line_of('abandoned')},col=3,title=not covered::" in out


def test_update_and_explore_write_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_it(folder)
    assert play(folder, update=True) == 0
    assert (folder / "bad.yaml").read_text(encoding="utf-8") != TEST.replace("Which month", "Which year")
    assert play(folder) == 0
    capsys.readouterr()
    assert play(folder, explore="issue", write=folder) == 0
    assert "16 of 16 ways reached" in capsys.readouterr().out
    assert play(folder) == 0
