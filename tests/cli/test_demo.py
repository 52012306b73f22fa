"""`bot demo`: everything at once over real HTTP, with nothing to set up."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.cli.script import BUILT_IN, Do, Hear, Pay, Work, Write, read_steps
from bot.core.errors import FlowError
from tests.cli.conftest import BOT, PHONE_PORT, Run

PORT = str(PHONE_PORT)
STOPS_WITHIN = 45.0  # seconds, on a machine that is very busy; 1.3 s when it is not, 60 s if it waited for the browser
# A shell's background jobs are born deaf to Ctrl-C.
HEARING = [*BOT[:-1], f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {BOT[-1]}"]


def script(folder: Path, text: str) -> str:
    path = folder / "script.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_built_in_conversation_comes_out_as_it_should(bot: Run) -> None:
    done = bot("demo", "--script", "--port", PORT)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "customer: Hi, interested in EBC Trek for 2 people in December\n" in shown
    assert "[1] Send me a quote\n" in shown
    assert "Sirdar Treks to sales: *New lead*\n" in shown
    assert "Sirdar Treks to guide: ✅ *INC1* logged for *TRP123*" in shown
    assert shown.splitlines()[-1].startswith("✓ All 19 expected answers came")


@pytest.mark.parametrize("provider", ["twilio", "360dialog"])
def test_the_conversation_is_the_same_with_every_provider(bot: Run, provider: str) -> None:
    done = bot("demo", "--script", "--port", PORT, "--provider", provider)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1] Send me a quote\n" in done.stdout
    assert "Sirdar Treks to sales: *New lead*\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("✓ All 19 expected answers came")


def test_a_script_of_ones_own_says_what_is_missing(bot: Run, tmp_path: Path) -> None:
    path = script(
        tmp_path, '- customer: "hi"\n- expect: {customer: "Namaste Maya"}\n- customer: {tap: "Fly me there"}\n'
    )
    done = bot("demo", "--script", path, "--port", PORT)
    assert done.returncode == 1
    assert "Sirdar Treks to customer: Namaste Maya 🙏" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == f"✗ {path}:3:3: nothing on this phone is called “Fly me there”, so it cannot be tapped."


def test_a_script_that_makes_no_sense_is_not_begun(bot: Run, tmp_path: Path) -> None:
    done = bot("demo", "--script", script(tmp_path, '- cook: "hi"\n'))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Nobody here is `cook`. There is customer, guide, sales, manager." in done.stderr


@contextmanager
def running_demo(
    environment: dict[str, str], folder: Path, until: str = "/desk#"
) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """A demo in a process of its own, and what it has printed up to a line with `until`: it is up, if not told else."""
    demo = subprocess.Popen(
        [*HEARING, "demo", "--port", PORT],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment | {"BOT_DATA_DIR": str(folder)},
        cwd=folder,
        start_new_session=True,
    )
    assert demo.stdout is not None
    printed = ""
    try:
        for line in demo.stdout:
            printed += line
            if until in line:
                break
        yield demo, printed
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.stdout.close()
        demo.wait()


def test_the_demo_runs_until_it_is_stopped(environment: dict[str, str], tmp_path: Path, bot: Run) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(PORT)))
        taken.listen()
        with running_demo(environment, tmp_path) as (demo, printed):
            assert f"Port {PORT} is taken, so the phones are on " in printed
            assert "Hi, interested in EBC Trek for 2 people in December" in printed
            assert "ISSUE TRP123 Vehicle breakdown at checkpoint" in printed
            phones, server = re.findall(r"http://localhost:\d+", printed)[:2]
            with urllib.request.urlopen(f"{server}/healthz") as answer:
                assert json.load(answer) == {"status": "alive"}
            desk, _, token = printed.splitlines()[-1].rpartition(" ")[2].partition("#")
            with urllib.request.urlopen(desk) as answer:
                assert b"/main.js" in answer.read()
            asked = urllib.request.Request(f"{server}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(asked) as answer:
                assert json.load(answer)["role"] == "manager"
            with urllib.request.urlopen(phones) as answer:
                assert b"<html" in answer.read()
            second = bot("demo", "--port", PORT, BOT_DATA_DIR=str(tmp_path))
            assert second.returncode == 2
            assert "already" in second.stderr
            explained = bot("explain", "latest", BOT_DATA_DIR=str(tmp_path / "demo"))
            assert explained.returncode == 1
            assert "No message has come in yet" in explained.stderr
            with urllib.request.urlopen(f"{phones}/events") as watching:  # a browser is looking
                began = time.monotonic()
                demo.send_signal(signal.SIGINT)
                assert demo.wait(timeout=STOPS_WITHIN + 60) == 0
                assert time.monotonic() - began < STOPS_WITHIN
                watching.close()
            assert demo.stdout is not None
            rest = demo.stdout.read()
    assert "Traceback" not in rest
    assert rest.splitlines()[-1] == "Stopped."


@pytest.mark.parametrize("until", ["✓ Database", "✓ Flows"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_can_be_stopped_while_it_starts(
    environment: dict[str, str], data_dir: Path, until: str, number: signal.Signals
) -> None:
    with running_demo(environment, data_dir, until) as (demo, _):
        demo.send_signal(number)
        code = demo.wait(timeout=120)
        assert demo.stdout is not None
        rest = demo.stdout.read()
    assert "Traceback" not in rest
    assert code == (0 if "Stopped." in rest else -signal.SIGTERM), rest


def test_a_folder_that_cannot_be_written_to_is_named(bot: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # root may write to any folder, but not into a file
    done = bot("demo", BOT_DATA_DIR=str(tmp_path / "file"))
    assert done.returncode == 2
    assert f"The demo cannot write to {tmp_path / 'file' / 'demo'} (Not a directory): make it writable" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_built_in_script_is_what_the_panel_suggests() -> None:
    steps = read_steps(BUILT_IN)
    written = [step.text for step in steps if isinstance(step, Write)]
    assert written[0] == "Hi, interested in EBC Trek for 2 people in December"
    assert {type(step) for step in steps} == {Write, Do, Work, Pay, Hear}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("customer: hi", "A script is a list."),
        ("- {customer: hi, guide: hi}", "A step is one line."),
        ("- expect: hi", "`expect:` says who hears what."),
        ("- customer: {dance: tango}", "Nobody can `dance: tango`."),
        ("- customer: {location: here}", "Nobody can `location: here`."),
        ("- customer: []", "What do they write?"),
        ("- sales: {desk: quotes.send}", "What do they do at the desk?"),
        ("- customer: {pay: later}", "Nobody can `pay: later`."),
        ("- customer: [", "After this bracket a `]` or a comma is missing"),
    ],
)
def test_a_mistake_in_a_script_has_a_place(tmp_path: Path, text: str, told: str) -> None:
    path = script(tmp_path, text)
    with pytest.raises(FlowError) as mistake:
        read_steps(Path(path))
    assert told in str(mistake.value)
    assert mistake.value.at is not None
    assert mistake.value.at.file == path
