"""`bot nlu`: authors see what messages are taken for, and turn what was not understood into examples."""

import csv
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bot.authoring.adding import conversation_test, scalar, with_example
from bot.authoring.testing.spec import ConversationSpec
from bot.cli import nlu
from bot.cli.labelled import labelled
from bot.cli.theatre import Theatre
from bot.cli.unmatched import clusters
from bot.core.errors import ConfigError
from storage.postgres.unmatched import unmatched_messages
from tests.cli.conftest import REPOSITORY

BLOCKS = """\
# What guests say.
role: customer
intents:
  pay:   # money
    examples:
      - I want to pay   # the usual
      - "send: the link"
    keywords: [pay]
  greet: {examples: [hi, hello]}
  stay:
    examples:
      en: [a room please]
      hi:
        - कमरा चाहिए
"""


@pytest.mark.parametrize(
    ("intent", "language", "path"),
    [("pay", None, ()), ("greet", None, ()), ("stay", "en", ("en",)), ("stay", "hi", ("hi",))],
)
@pytest.mark.parametrize("text", ["where do I pay", "yes", "pay: now # please", 'he said "no"', "पैसे कहाँ भेजूँ?", "[x]"])
def test_an_example_is_added_and_nothing_else_changes(
    intent: str, language: str | None, path: tuple[str, ...], text: str
) -> None:
    added = with_example(BLOCKS, intent, text, language)
    before, after = yaml.safe_load(BLOCKS), yaml.safe_load(added.text)
    examples = before["intents"][intent]["examples"]
    for key in path:
        examples = examples[key]
    examples.append(text)
    assert after == before
    assert "# money" in added.text
    assert "# the usual" in added.text
    assert scalar(text) in added.text.splitlines()[added.line - 1]


def test_there_is_nothing_to_add_to() -> None:
    with pytest.raises(ConfigError, match="Write the first one by hand"):
        with_example(BLOCKS, "leave", "bye")
    with pytest.raises(ConfigError, match="in `ne`"):
        with_example(BLOCKS, "stay", "कोठा", "ne")


def test_the_written_test_is_one() -> None:
    spec = ConversationSpec.model_validate(yaml.safe_load(conversation_test('say "hi": now', "welcome", "customer")))
    assert spec.flow == "welcome"


def test_add_writes_into_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("flows", "intents", "templates"):
        (tmp_path / name).symlink_to(REPOSITORY / name) if name != "intents" else None
    (tmp_path / "intents").mkdir()
    for file in (REPOSITORY / "intents").glob("*.yaml"):
        (tmp_path / "intents" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_CONTENT_DIR", str(tmp_path))
    nlu.add("somebody at your office should ring me", "talk_to_person")
    changed = [
        file.name for file in (tmp_path / "intents").glob("*.yaml")
        if file.read_text(encoding="utf-8") != (REPOSITORY / "intents" / file.name).read_text(encoding="utf-8")
    ]  # fmt: skip
    assert changed == ["customer.yaml"]
    (written,) = (tmp_path / "tests").rglob("says_talk_to_person_*.yaml")
    assert "somebody at your office" in written.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="already"):
        nlu.add("Somebody at your office should ring me!", "talk_to_person")
    with pytest.raises(ConfigError, match="no intent `greet_me`"):
        nlu.add("hi you", "greet_me")


def test_a_message_goes_among_the_examples_of_its_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("flows", "templates"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "intents").mkdir()
    for source in (REPOSITORY / "intents").glob("*.yaml"):
        (tmp_path / "intents" / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    file = tmp_path / "intents" / "customer.yaml"
    both = "  part:\n    examples:\n      en: [see you next year]\n      hi: [फिर कभी मिलेंगे]\n"
    file.write_text(file.read_text(encoding="utf-8") + both, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_CONTENT_DIR", str(tmp_path))
    nlu.add("अच्छा तो हम चलते हैं", "part")
    assert "an example more in hi" in capsys.readouterr().out
    examples = yaml.safe_load(file.read_text(encoding="utf-8"))["intents"]["part"]["examples"]
    assert examples == {"en": ["see you next year"], "hi": ["फिर कभी मिलेंगे", "अच्छा तो हम चलते हैं"]}
    with pytest.raises(ConfigError, match=r"sounds like `es`.*--language en\|hi"):
        nlu.add("nos vemos el año que viene, muchas gracias", "part")


def test_try_and_eval_of_the_shipped_intents(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nlu.attempt("plan a trek")
    said = capsys.readouterr().out
    assert "enquire_trip begins enquiry" in said
    assert "exactly “plan a trek”" in said
    nlu.attempt("qwertz yxcvb")
    said = capsys.readouterr().out
    assert "No intent is understood" in said
    assert "the classifier · the ladder, which took it" in said
    file = tmp_path / "heard.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "intent"), ("plan a trek", "enquire_trip"), ("hello", "enquire_trip")])
    nlu.evaluate(file)
    said = capsys.readouterr().out
    assert "1 of 2 have the right intent first: 50.0%" in said
    assert "greet" in said
    nlu.evaluate()
    said = capsys.readouterr().out
    assert "acted on" in said
    assert re.search(r"By language: en \d+ of \d+; .*hi \d+ of \d+; hi-Latn \d+ of \d+", said)
    with pytest.raises(ConfigError, match="Nobody has the role"):
        nlu.attempt("hi", role="custmer")


def test_alike_messages_are_grouped() -> None:
    texts = [
        "do you have wifi there",
        "have you wifi there",
        "do you have any wifi",
        "my dog can come?",
        "can my dog come",
    ]
    groups = clusters(texts)
    assert {frozenset(group) for group in groups} == {frozenset(texts[:3]), frozenset(texts[3:])}
    assert len(groups[0]) == 3
    assert clusters([]) == []


def test_hundreds_of_messages_are_grouped_and_each_once() -> None:
    questions = [
        "do you have wifi there",
        "can my dog come",
        "is there a hot shower",
        "do I need a visa",
        "any vegan food",
    ]
    fillers = ["please", "hello", "sir", "ok", "urgent", "now", "pls tell", "on the way", "again", "thanks"]
    texts = [f"{filler} {question}" for question in questions for filler in fillers for _ in range(12)]
    groups = clusters(texts)
    assert sorted(text for group in groups for text in group) == sorted(texts)
    assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
    for group in groups[:4]:
        asked = Counter(next(one for one in questions if one in text) for text in group)
        assert len(group) >= 60
        assert asked.most_common(1)[0][1] >= 0.8 * len(group)


async def test_what_was_not_understood_is_found_in_the_database(theatre: Theatre) -> None:
    who = "+46701234567"
    await theatre.emulator.say(who, "qwertz yxcvb asdf")
    await theatre.emulator.wait_for(who)
    await theatre.emulator.say(who, "plan a trek")
    await theatre.emulator.wait_for(who)
    system = theatre.system
    since = datetime.now(UTC) - timedelta(days=1)
    tenant = system.channel.tenant_id
    async with system.foundation.database.tenant(tenant) as db:
        found = await unmatched_messages(db, tenant, since, 50)
        later = await unmatched_messages(db, tenant, since + timedelta(days=2), 50)
    assert "qwertz yxcvb asdf" in [one.text for one in found]
    assert "plan a trek" not in [one.text for one in found]
    assert later == []


INTENTS = {"booking_status", "want_to_pay"}
ROWS = [("where is my booking", "booking_status"), ("pay, now", "want_to_pay")]


@pytest.mark.parametrize(
    "source",
    [
        'text,intent\nwhere is my booking,booking_status\n"pay, now",want_to_pay\n',
        'where is my booking,booking_status\r\n"pay, now",want_to_pay\r\n',
        "\ufeffMessage;Label\nwhere is my booking;booking_status\npay, now;want_to_pay\n",
        "where is my booking\tbooking_status\npay, now\twant_to_pay\n\n",
        'booking_status,where is my booking\nwant_to_pay,"pay, now"\n',
        'id,intent,text\n1,booking_status,where is my booking\n2,want_to_pay,"pay, now"\n3,,nothing\n',
    ],
)
def test_files_are_read_as_people_write_them(tmp_path: Path, source: str) -> None:
    (tmp_path / "own.csv").write_bytes(source.encode())
    assert labelled(tmp_path / "own.csv", INTENTS) == ROWS


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (b"", "no rows of a text"), (b"text,intent\n", "no rows of a text"), (b"only\none\n", "no rows of a text"),
        (b"\xff\xfea,b", "is not UTF-8"), (b"hello,greeting\nbye,parting\n", "is one of this role: booking_status"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told(tmp_path: Path, source: bytes, told: str) -> None:
    (tmp_path / "own.csv").write_bytes(source)
    with pytest.raises(ConfigError, match=told):
        labelled(tmp_path / "own.csv", INTENTS)
