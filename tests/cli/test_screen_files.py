"""Files around the full-screen simulator: flows saved meanwhile, tests it records, conversations it replays."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from bot.authoring.testing.runner import Result
from bot.authoring.testing.suite import open_suite
from bot.cli import replaying
from bot.cli.cast import CAST
from bot.cli.opening import open_session
from bot.cli.recording import Recorder
from bot.core.errors import SirdarError
from bot.core.messages import ContactsIn
from bot.operations import standard_actions
from storage.embedded import EmbeddedPostgres
from tests.cli.conftest import REPOSITORY, Run
from tests.cli.stage import ENQUIRY, Actor, copied_content, on_screen, stage_settings
from tests.conftest import EPOCH

# --- Flows that are saved meanwhile -----------------------------------------------------------------------------------


async def save(actor: Actor, path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))
    await actor.app.look_for_changes()
    await actor.quiet()


async def test_saved_words_are_said_and_the_conversation_goes_on(dsn: str, tmp_path: Path) -> None:
    content = copied_content(tmp_path)
    async with on_screen(dsn, tmp_path, content) as actor:
        await actor.write("Hi, interested in EBC Trek for 2 people")
        words = content / "templates" / "en" / "customer" / "enquiry.j2"
        await save(actor, words, lambda text: text.replace("Shall I ask our team", "Well, shall I ask our team"))
        assert "The flows were read again; the conversation goes on." in actor.words
        await actor.write("December")
        assert "Well, shall I ask our team" in actor.words


async def test_mistakes_are_shown_and_the_old_flows_go_on(dsn: str, tmp_path: Path) -> None:
    content = copied_content(tmp_path)
    flow = content / "flows" / "customer" / "enquiry.yaml"
    async with on_screen(dsn, tmp_path, content) as actor:
        await actor.write("Hi, interested in EBC Trek for 2 people")
        await save(actor, flow, lambda text: text.replace("    next: review\n", "    next: reviw\n", 1))
        assert "The flows have 1 mistake; they go on as they were" in actor.words
        assert "flows/customer/enquiry.yaml:" in actor.text("#insight")
        assert "review" in actor.text("#insight").split("→ ")[1]  # what to write instead
        await actor.write("December")
        assert "Shall I ask our team" in actor.words
        await save(actor, flow, lambda text: text.replace("reviw", "review"))
        assert "mistake" not in actor.text("#insight").lower()


async def test_flows_read_again_call_the_projects_own_actions(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = copied_content(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    files = {
        "hut_counter.py": """
from typing import Any
from bot.core.actions import ActionCall, action

@action("huts.count")
async def count(call: ActionCall, *, beds: int) -> dict[str, Any]:
    return {"huts": await call.db.fetchval("SELECT 40 + $1::integer", beds)}
""",
        "flows/customer/huts.yaml": """
flow: huts
role: customer
start: {intents: [count_huts]}
states:
  count: {do: huts.count, with: {beds: 1}, once: "huts:{{ run.id }}", save: found, say: told, end: told}
""",
        "templates/en/customer/huts.j2": "{% block told %}We have {{ found.huts }} huts{% endblock %}",
        "intents/huts.yaml": "role: customer\nintents: {count_huts: {examples: [how many huts do you have]}}",
    }
    for name, text in files.items():
        (content / name).write_text(text, encoding="utf-8")
    async with on_screen(dsn, tmp_path, content, actions="hut_counter") as actor:
        await actor.write("how many huts do you have")
        assert "We have 41 huts" in actor.words
        await save(actor, content / "flows" / "customer" / "huts.yaml", lambda text: text.replace("beds: 1", "beds: 2"))
        assert "The flows were read again; the conversation goes on." in actor.words
        await actor.write("how many huts do you have")
        assert "We have 42 huts" in actor.words


async def test_what_an_action_answers_shows_no_sensitive_value(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = copied_content(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    files = {
        "hut_passes.py": """
from typing import Any
from bot.core.actions import ActionCall, action

@action("huts.note_passport")
async def note(call: ActionCall, *, number: str) -> dict[str, Any]:
    return {"for_passport": [f"no. {number}"], "hut": "Namche hut"}
""",
        "flows/customer/passes.yaml": """
flow: passes
role: customer
commands: {PASS: {to: ask}}
slots: {passport: {type: text, sensitive: true}}
states:
  ask: {form: [passport], next: note}
  note: {do: huts.note_passport, with: {number: "{{ passport }}"}, once: "pass:{{ run.id }}", save: found, end: noted}
""",
    }
    for name, text in files.items():
        (content / name).write_text(text, encoding="utf-8")
    async with on_screen(dsn, tmp_path, content, actions="hut_passes") as actor:
        await actor.write("PASS")
        await actor.write("P1234567")
        shown = actor.text("#insight")
        assert "huts.note_passport" in shown
        assert "for_passport •••, hut Namche hut" in shown
        assert "P1234567" not in shown


async def test_a_state_that_is_gone_is_named(dsn: str, tmp_path: Path) -> None:
    content = copied_content(tmp_path)
    flow = content / "flows" / "customer" / "enquiry.yaml"
    async with on_screen(dsn, tmp_path, content) as actor:
        await actor.write(ENQUIRY)
        await save(actor, flow, lambda text: re.sub(r"(next: |^  )review\b", r"\1look_over", text, flags=re.MULTILINE))
        assert "Maya Lindqvist is at enquiry.review, which is gone: /back, /reset" in actor.words
        await actor.press("f4")
        await actor.write(ENQUIRY)
        assert "enquiry.look_over" in actor.text("#insight")


# --- Recording --------------------------------------------------------------------------------------------------------


def outcome(path: Path) -> Result:
    found = open_suite(REPOSITORY, standard_actions(), path.parent).play(path)
    assert isinstance(found, Result), found
    return found


async def test_what_was_played_becomes_a_test_that_passes(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "tests" / "maya_books.yaml"
    async with on_screen(dsn, tmp_path, record=path) as actor:
        for line in (
            "Hi, interested in EBC Trek for 2 people", "/wait 2h", "no, 3 people", "Langtang instead", "December",
            "/tap 2", "/back", "/tap 1", "/crash", "/dup", "/as guide", "ISSUE TRP123 Vehicle breakdown",
            "/photo the axle", "/location 27.98 86.92", "ISSUE TRP999 nobody knows it", "RESOLVED TRP123",
            "/as customer", "/wait 2d", "I want to talk to a person", "hello?",
        ):  # fmt: skip
            await actor.write(line)
    written = path.read_text()
    assert "tap: Send me a quote" in written
    assert "tap: Change details" not in written  # undone
    assert "- crash: true\n  - duplicate: last\n    expect: {nothing: true}" in written
    assert outcome(path).passed, outcome(path).failure


async def test_a_recorded_test_fails_when_the_flow_says_something_else(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "tests" / "short.yaml"
    async with on_screen(dsn, tmp_path, record=path) as actor:
        await actor.write(ENQUIRY)
        await actor.write("/tap 1")
    path.write_text(path.read_text().replace("ended: converted", "ended: dropped"))
    assert not outcome(path).passed


async def test_old_buttons_and_languages_are_recorded(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "tests" / "old_button.yaml"
    async with on_screen(dsn, tmp_path, record=path) as actor:
        await actor.write("/lang fi")
        await actor.write(ENQUIRY)
        await actor.press("2")
        await actor.app._in_turn(lambda session: actor.app._tap(session, "Send me a quote", 0))
        await actor.write("/lang en")
        assert "In a recorded test a phone has one language" in actor.words
    written = path.read_text()
    assert "language: fi" in written
    assert "{tap: Send me a quote, earlier: 1}" in written
    assert outcome(path).passed, outcome(path).failure


async def test_what_a_test_has_no_word_for_is_left_out(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "cards.yaml"
    async with open_session(stage_settings(dsn, tmp_path), CAST[0], EPOCH, dsn=dsn) as session:
        await session.say("hello")
        await session.send(ContactsIn(cards=({},)), "(contacts)")
        Recorder(path, CAST, CAST[0]).save(session)
        assert "# Left out: 1 step" in path.read_text()
        await session.reset()
        Recorder(path, CAST, CAST[0]).save(session)
        assert not path.exists()


def test_a_recording_overwrites_nothing(bot: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("test: mine\n")
    done = bot("simulate", "--record", "mine.yaml")
    assert done.returncode == 2
    assert "this file exists already" in done.stderr
    assert "a conversation test is a .yaml file" in bot("simulate", "--record", "mine.txt").stderr


# --- Replaying --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def another_dsn(cluster: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A second database: what is real, while `dsn` is the simulator's."""
    admin = await asyncpg.connect(cluster.dsn("postgres"))
    name = f"real_{template}"
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield cluster.dsn(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def forget_keys(dsn: str) -> None:
    """Let the database belong to whoever comes next: a session has a key of its own, which ends with it."""
    db = await asyncpg.connect(dsn)
    await db.execute("DELETE FROM secret_keys")
    await db.close()


async def inbound(dsn: str) -> list[int]:
    db = await asyncpg.connect(dsn)
    rows = await db.fetch("SELECT message_id FROM whatsapp_messages WHERE direction = 'INBOUND' ORDER BY message_id")
    await db.close()
    return [row["message_id"] for row in rows]


async def test_a_real_conversation_is_played_up_to_a_message(dsn: str, another_dsn: str, tmp_path: Path) -> None:
    real = stage_settings(another_dsn, tmp_path)
    async with open_session(real, CAST[1], EPOCH, dsn=another_dsn) as session:
        await session.say("ISSUE TRP123 Vehicle breakdown")
        session.become("customer")
        await session.say("Hi, interested in EBC Trek for 2 people")
        await session.wait(timedelta(hours=3))
        await session.say("December")
        await session.tap("1")
        await session.say("never mind")
    before = await inbound(another_dsn)
    await forget_keys(another_dsn)
    past = await replaying.fetch(real, str(before[3]))
    assert (past.name, past.roles, len(past.messages)) == ("Maya Lindqvist", (), 3)
    async with on_screen(dsn, tmp_path, past=past) as actor:
        assert "Still planning, Maya?" in actor.words  # timers fire in between
        assert "LEAD1" in actor.words
        assert "Here the conversation was; go on from here." in actor.words
        assert "never mind" not in actor.words
        await actor.write("hello")
        assert "Namaste" in actor.words
    assert await inbound(another_dsn) == before


async def test_a_replay_of_nothing_says_so(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(SirdarError, match="There is no message 12345"):
        await replaying.fetch(stage_settings(dsn, tmp_path), "12345")


async def test_a_replayed_guide_is_a_guide(another_dsn: str, tmp_path: Path) -> None:
    real = stage_settings(another_dsn, tmp_path)
    async with open_session(real, CAST[1], EPOCH, dsn=another_dsn) as session:
        await session.say("ISSUE TRP123 Vehicle breakdown")
    await forget_keys(another_dsn)
    past = await replaying.fetch(real, "latest")
    cast, who = replaying.casting(past)
    assert (who.part, who.roles, len(cast)) == ("guide", ("field_staff",), len(CAST))


def test_recording_works_line_by_line(bot: Run, tmp_path: Path) -> None:
    done = bot(
        "simulate",
        "--at",
        "2026-11-22T09:00",
        "--name",
        "Zoë Quinn",
        "--record",
        "zoe.yaml",
        said=f"{ENQUIRY}\n/tap 1\n/crash\n/back\n/dup\n",
    )
    assert "Thank you, Zoë!" in done.stdout
    assert "-- the process died before it committed" in done.stdout
    assert "-- delivered again: known by its id, so nothing happened" in done.stdout
    assert outcome(tmp_path / "zoe.yaml").passed


def test_without_textual_the_chat_is_line_by_line(environment: dict[str, str], tmp_path: Path) -> None:
    code = "import sys; sys.modules['textual'] = None; from bot.cli import main; main()"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, "simulate"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
        env=environment | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, b"/quit\n")
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 10_000):
                shown += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"pip install 'sirdar[simulator]'" in shown
    assert b"Sirdar simulator" in shown
