"""`bot simulate`: the real engine on a terminal, and nothing is left of it."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from bot.authoring.simulator import (
    COMMANDS,
    Become,
    Expect,
    Look,
    Quit,
    Say,
    SendPhoto,
    SendPlace,
    SimulatorMistake,
    Tap,
    Wait,
    commands,
    read_line,
    read_script,
)
from storage.embedded import EmbeddedPostgres
from tests.cli.conftest import REPOSITORY, Run

AT = ("--at", "2026-11-22T09:00")

ENQUIRY = """\
# A customer asks, hesitates, and goes on the next morning.
Hi, interested in EBC Trek for 2 people
? Which month
/wait 2h
? Still planning
December
? December 2026
/state
/tap 1
? LEAD1
/why
/as guide
ISSUE TRP123 Vehicle breakdown at checkpoint
? INC1
/photo the axle
? Added to *INC1*
/location 27.98 86.92
? Location added
/state
RESOLVED TRP123
? is resolved
"""


def script(folder: Path, text: str) -> str:
    path = folder / "script.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_script_talks_to_the_flows(bot: Run, tmp_path: Path) -> None:
    done = bot("simulate", "--script", script(tmp_path, ENQUIRY), *AT)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "    [1] Send me a quote\n    [2] Change details\n" in shown
    assert "-- 2 h later, 22 Nov 2026 11:00:01 UTC\n" in shown
    assert "Sirdar Treks to sales: *New lead*\n" in shown  # what others are told is shown, too
    assert "enquiry.review" in shown  # /state
    assert "month = 2026-12" in shown
    assert "timer 2h due 22 Nov 2026 13:00:02 UTC" in shown
    assert "review → lead" in shown  # /why
    assert "belongs to TRP123" in shown  # the guide's /state


def test_the_same_script_gives_the_same_transcript(bot: Run, tmp_path: Path) -> None:
    path = script(tmp_path, ENQUIRY)
    assert bot("simulate", "--script", path, *AT).stdout == bot("simulate", "--script", path, *AT).stdout


def test_a_check_that_fails_names_its_line(bot: Run, tmp_path: Path) -> None:
    done = bot("simulate", "--script", script(tmp_path, "hello\n? Guten Tag\n/tap 7\n"), *AT)
    assert done.returncode == 1
    assert "!! line 2: the last reply does not contain “Guten Tag”" in done.stdout
    assert "!! line 3: Nothing on this phone can be tapped." in done.stdout


def test_a_pipe_is_a_person_who_types(bot: Run) -> None:
    done = bot("simulate", "--role", "guide", *AT, said="/help\nhi\n/nonsense\n/quit\nnever said\n")
    assert done.returncode == 0
    assert "guide: hi\nSirdar Treks to guide: Namaste Pasang" in done.stdout
    assert "!! There is no /nonsense. /help lists what there is." in done.stdout
    assert "/wait 2h" in done.stdout
    assert "never said" not in done.stdout


def test_a_turn_that_fails_says_why(bot: Run, tmp_path: Path) -> None:
    for folder in ("flows", "intents", "templates"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    flow = tmp_path / "flows" / "customer" / "enquiry.yaml"
    flow.write_text(flow.read_text().replace("if: people >= 15", "if: trek.name >= people"))
    path = script(tmp_path, "EBC trek for 2 people in December\n/tap 1\n")
    done = bot("simulate", "--script", path, *AT, BOT_CONTENT_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "!! the turn failed: EngineError: `if:` in state 'lead' of flow 'enquiry'" in done.stdout
    assert "Traceback" not in done.stderr


def test_silence_is_remarked_upon(bot: Run) -> None:
    done = bot("simulate", *AT, said="I want to talk to a person\nhello?\n/why\n")
    assert "customer: hello?\n-- no answer; /why tells the reason\n" in done.stdout
    assert "ignored    a person has taken over" in done.stdout


def test_nothing_is_left_behind(bot: Run, data_dir: Path) -> None:
    bot("simulate", *AT, said="hi\n")

    async def databases() -> list[str]:
        async with await EmbeddedPostgres.start(data_dir / "scratch") as server:
            admin = await asyncpg.connect(server.dsn("postgres"))
            rows = await admin.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'scratch%'")
            await admin.close()
        return [row["datname"] for row in rows]

    assert asyncio.run(databases()) == []


def test_a_mistyped_option_is_explained(bot: Run, tmp_path: Path) -> None:
    assert "Nobody here is cook: there are customer, guide" in bot("simulate", "--role", "cook").stderr
    assert "write it like 2026-11-22T09:00" in bot("simulate", "--at", "tomorrow").stderr
    assert "cannot be read" in bot("simulate", "--script", "nowhere.txt").stderr
    done = bot("simulate", "--script", script(tmp_path, "hi\n/wait long\n"))
    assert done.returncode == 2
    assert "Line 2: `long` is not a duration" in done.stderr


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("", None),
        ("1", Say("1")),
        ("//path", Say("/path")),
        ("/tap 1", Tap("1")),
        ("/tap Send me a quote", Tap("Send me a quote")),
        ("/wait 1d 2h", Wait(timedelta(days=1, hours=2))),
        ("/as guide", Become("guide")),
        ("/photo", SendPhoto("")),
        ("/location 27.98, 86.92", SendPlace(27.98, 86.92)),
        ("/state", Look("state")),
        ("/q", Quit()),
    ],
)
def test_what_a_line_means(line: str, meant: object) -> None:
    assert read_line(line) == meant


@pytest.mark.parametrize("line", ["/tap", "/wait", "/wait soon", "/location 91 0", "/location here", "/as", "/dance"])
def test_a_line_that_means_nothing_says_what_would(line: str) -> None:
    with pytest.raises(SimulatorMistake, match=r"/|duration"):
        read_line(line)


def test_a_mistyped_command_is_recognised_and_an_unknown_one_is_not() -> None:
    with pytest.raises(SimulatorMistake, match=r"There is no /wiat\. Did you mean `/wait`\?"):
        read_line("/wiat 2h")
    with pytest.raises(SimulatorMistake, match=r"There is no /nonsense\. /help lists"):
        read_line("/nonsense")


def test_help_names_the_phones_there_are() -> None:
    assert ("/as mechanic", "take another phone: customer, mechanic") in commands(["customer", "mechanic"])
    assert commands(["customer", "guide", "sales", "manager"]) == list(COMMANDS)


def test_scripts_have_comments_and_checks() -> None:
    assert list(read_script("# first\n\nhi\n? hello\n")) == [(3, Say("hi")), (4, Expect("hello"))]


SECRET = {
    "flows/customer/stay.yaml": """
flow: stay
role: customer
commands: {STAY: {to: ask}}
states:
  ask: {call: guest, save: guest, next: room}
  room: {ask: room, choices: {one: One, two: Two}, next: done}
  done: {say: done, end: booked}
""",
    "flows/customer/guest.yaml": """
flow: guest
role: customer
outputs: [who, passport]
slots:
  who: {type: text}
  passport: {type: text, sensitive: true}
  email: {type: email}
states:
  ask: {form: [who, passport, email], next: done}
  done: {end: known}
""",
    "templates/en/customer/stay.j2": "{% block room %}Room?{% endblock %}{% block done %}Done.{% endblock %}",
    "templates/en/customer/guest.j2": "{% block ask_who %}Name?{% endblock %}",
}


def test_sensitive_values_are_not_shown_beside_the_chat(bot: Run, tmp_path: Path) -> None:
    """Neither while they are a slot nor when they come back from the flow that asked for them."""
    shutil.copytree(
        REPOSITORY / "templates" / "en", tmp_path / "templates" / "en", ignore=shutil.ignore_patterns("[!c]*")
    )
    for name, text in SECRET.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    talk = "STAY\nMaya\nP1234567\n/state\nmaya@example.com\n? Room\n/state\n"
    done = bot("simulate", "--script", script(tmp_path, talk), *AT, BOT_CONTENT_DIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    states = [line for line in done.stdout.splitlines() if ("passport" in line and "=" in line) or "guest =" in line]
    assert any("passport = •••" in line for line in states), done.stdout
    assert any("guest = " in line and "passport •••" in line for line in states), done.stdout
    assert not any("P1234567" in line for line in states)
