"""`bot explain` tells the whole story of a message: what was made of it, and what became of the answers."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from bot.cli import wording
from bot.cli.explain import Story, tell_story
from bot.cli.theatre import Theatre
from tests.cli.conftest import REPOSITORY, Run

CUSTOMER, GUIDE = "+46701234567", "+9779800000001"


def as_text(story: Story) -> str:
    console = Console(width=160, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(story.tree())
    return capture.get()


async def story_of(theatre: Theatre, message: str) -> Story:
    story = await tell_story(theatre.system.foundation, theatre.system.channel.tenant_id, message)
    assert story is not None
    return story


async def test_a_message_its_turn_and_its_answer(theatre: Theatre) -> None:
    wamid = await theatre.emulator.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    await theatre.emulator.wait_for(CUSTOMER)
    accepted = re.compile(r"attempt 1 at [\d:.]+: accepted by the provider")
    async with asyncio.timeout(180):  # the phone has the answer before the sender has noted so
        while not accepted.search(told := as_text(story := await story_of(theatre, wamid))):
            await asyncio.sleep(0.05)
    assert "text from Maya Lindqvist (customer)" in told
    assert "Hi, interested in EBC Trek" in told
    assert "enquire_trip, as customer: enquire_trip" in told
    assert "people = 2" in told
    assert "trek = Everest Base Camp" in told
    assert "the beginning → details" in told
    assert "treks.find(" in told
    assert "after 2h, 22h without an answer" in told
    assert "[Send me a quote]" in told
    assert story.found.message["provider_message_id"] == wamid
    (answer,) = story.answers
    ours = await story_of(theatre, str(answer.message["message_id"]))
    assert f"bot explain {story.found.message['message_id']}" in as_text(ours)
    assert "to Maya Lindqvist" in as_text(ours)


async def test_actions_are_told_with_their_receipts(theatre: Theatre) -> None:
    await theatre.emulator.say(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    await theatre.emulator.wait_for(GUIDE)
    told = as_text(await story_of(theatre, "latest"))
    assert "(field_staff)" in told
    assert "the command ISSUE {trip} {text?}" in told
    assert "trip = TRP123 Everest Base Camp" in told
    assert "once, by receipt incident:" in told
    assert "to everybody with the role operations: trip_issue" in told


async def test_a_refused_send_is_explained_in_plain_words(theatre: Theatre) -> None:
    refuse = {"send": {"status": 400, "code": 131026, "times": 1}}
    faults = f"{theatre.emulator.base_url}/_control/faults"
    async with aiohttp.ClientSession() as client, client.post(faults, json=refuse) as answer:
        assert answer.status == 200
    wamid = await theatre.emulator.say(CUSTOMER, "hi")
    async with asyncio.timeout(180):
        while True:
            story = await tell_story(theatre.system.foundation, theatre.system.channel.tenant_id, wamid)
            if story is not None and story.answers and story.answers[0].message["status"] == "FAILED":
                break
            await asyncio.sleep(0.05)
    told = as_text(story)
    assert "code 131026" in told
    assert "Undeliverable: no WhatsApp, an old app, terms not accepted, or blocked." in told


async def test_an_answer_that_waits_for_a_refused_number_says_so_and_what_to_do(theatre: Theatre) -> None:
    refuse = {"send": {"status": 401, "code": 190, "times": 9}}
    faults = f"{theatre.emulator.base_url}/_control/faults"
    async with aiohttp.ClientSession() as client, client.post(faults, json=refuse) as answer:
        assert answer.status == 200
    wamid = await theatre.emulator.say(CUSTOMER, "hi")
    told = ""
    async with asyncio.timeout(180):
        while "alarm" not in told:
            story = await tell_story(theatre.system.foundation, theatre.system.channel.tenant_id, wamid)
            told = as_text(story) if story is not None else ""
            await asyncio.sleep(0.05)
    assert "waits to be sent" in told
    assert "The number has an alarm: auth: code 190" in told
    assert "Make a new system-user token." in told
    number = dict.fromkeys(("alarm", "paused_until")) | {"state": "READY", "due_at": datetime.now(UTC)}
    assert story is not None
    object.__setattr__(story.answers[0], "queued", number | {"paused_until": datetime.now(UTC) + timedelta(hours=1)})
    assert "The number sends nothing until" in as_text(story)
    object.__setattr__(story.answers[0], "queued", number)
    assert "The number" not in as_text(story)


async def test_where_a_message_waits_and_why_it_died(theatre: Theatre) -> None:
    wamid = await theatre.emulator.say(CUSTOMER, "hi")
    await theatre.emulator.wait_for(CUSTOMER)
    story = await story_of(theatre, wamid)
    at = story.found.message["created_at"]
    story.found.turns.clear()
    object.__setattr__(story.found, "waiting", {"attempts": 2, "last_error": "EngineError: stuck", "due_at": at})
    assert "It failed 2 times: EngineError: stuck" in as_text(story)
    object.__setattr__(story.found, "waiting", None)
    object.__setattr__(story.found, "dead", {"attempts": 5, "error": "EngineError: stuck", "created_at": at})
    assert "Put aside after 5 attempts: EngineError: stuck" in as_text(story)


async def test_an_unknown_message_is_none(theatre: Theatre) -> None:
    tenant = theatre.system.channel.tenant_id
    for unknown in ("4711", "wamid.nobody", "latest"):
        assert await tell_story(theatre.system.foundation, tenant, unknown) is None


async def test_the_command_itself(theatre: Theatre, bot: Run, as_environment: dict[str, str]) -> None:
    wamid = await theatre.emulator.say(CUSTOMER, "hi")
    await theatre.emulator.wait_for(CUSTOMER)
    done = await asyncio.to_thread(bot, "explain", wamid, **as_environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Message 1 · text from Maya Lindqvist (customer)")
    done = await asyncio.to_thread(bot, "explain", wamid, "--json", **as_environment)
    document = json.loads(done.stdout)
    assert document["message"]["provider_message_id"] == wamid
    assert document["turns"][0]["decisions"][0] == {
        "kind": "order", "tried": ["owner", "consent", "universal", "command", "payload", "expected", "example"],
    }  # fmt: skip
    assert document["person"] == {"name": "Maya Lindqvist", "roles": ["customer"]}
    done = await asyncio.to_thread(bot, "explain", "4711", **as_environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no message 4711 in tenant default.")


SOURCES = "\n".join(path.read_text() for path in sorted((REPOSITORY / "bot" / "core").glob("*.py")))


@pytest.mark.parametrize("rule", sorted(set(re.findall(r'note\(\s*"route",\s*rule="(\w+)"', SOURCES))))
def test_every_way_of_routing_has_words(rule: str) -> None:
    label, sentence = wording.told({"kind": "route", "rule": rule})
    assert label == "heard"
    assert "rule" not in sentence


@pytest.mark.parametrize("kind", sorted(set(re.findall(r'note\(\s*"(\w+)"', SOURCES))))
def test_every_kind_of_decision_has_a_label(kind: str) -> None:
    label, _ = wording.told({"kind": kind})
    assert label in wording._KINDS.values()


def test_long_values_are_cut() -> None:
    assert len(wording.value("x" * 1000)) == 100
    assert wording.value({"id": 3, "code": "TRP1", "name": "EBC"}) == "TRP1 EBC"
    assert wording.value([True, None, 2]) == "yes, nothing, 2"


def test_nothing_here_logs(tmp_path: Path) -> None:
    """Message texts are for the operator's terminal only."""
    for name in ("explain.py", "wording.py", "bubbles.py"):
        assert "structlog" not in (REPOSITORY / "bot" / "cli" / name).read_text()


async def test_what_became_of_a_file(theatre: Theatre) -> None:
    async def told_of(content: bytes, ending: str) -> str:
        wamid = await theatre.emulator.send_image(CUSTOMER, content, caption="Here")
        foundation, tenant = theatre.system.foundation, theatre.system.channel.tenant_id
        async with asyncio.timeout(180):
            while True:
                story = await tell_story(foundation, tenant, wamid)
                if story is not None and ending in (told := as_text(story)):
                    return told
                await asyncio.sleep(0.05)

    told = await told_of(b"\xff\xd8\xff\xe0 a passport", "is kept")
    assert re.search(r"File \d+ · image/jpeg, 15 bytes · is kept", told)
    told = await told_of(b"<html>not a picture", "could not be had")
    assert "it is image/jpeg and is something else" in told
