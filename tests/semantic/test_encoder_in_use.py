"""With BOT_SENTENCE_ENCODER the server asks the encoder: only when it is unsure, and never on its event loop."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot.authoring.modelfolder import ModelFolder
from bot.cli.scratch import new_key, play_settings
from bot.core.errors import ConfigError
from bot.core.intents import IntentSpec
from bot.core.messages import TextIn
from bot.core.models import MODELS, Models
from bot.core.nlu.features import Floats
from bot.core.nlu.waiting import UnpreparedError, asking_later
from bot.core.understanding import IntentUnderstanding
from bot.runtime.bootstrap import open_system
from bot.runtime.loop import utc_now
from bot.runtime.project import keep_models
from bot.semantic import EncodedMeaning, SentenceEncoder
from bot.semantic import encoder as encoding
from storage.base import NewMessage, Person, Unread
from tests.talking import blocks, write_content

TEXTS = {
    "book": ["I want to book a trek", "can I reserve a place", "sign me up for the tour", "please make a booking"],
    "cancel": ["cancel my booking", "I have to call it off", "we cannot come any more", "please cancel the trip"],
    "pay": ["how do I pay", "send me the payment link", "do you take credit cards", "where do I transfer the money"],
}
INTENTS = {name: IntentSpec(examples=texts) for name, texts in TEXTS.items()}
UNSURE = "we will not be there after all"


class Watched(SentenceEncoder):
    """Notes what is encoded, and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    def encode(self, texts: Sequence[str]) -> Floats:
        self.asked += [(text, threading.current_thread().name) for text in texts]
        return super().encode(texts)


@pytest.fixture
def watched() -> Iterator[Watched]:
    encoder = Watched()
    MODELS.meaning = EncodedMeaning(encoder)
    yield encoder
    MODELS.meaning = None


def test_it_is_asked_when_the_usual_model_is_unsure_and_the_trace_says_so(watched: Watched) -> None:
    understanding = IntentUnderstanding(INTENTS)
    understanding.learn()
    watched.asked.clear()
    best = understanding.understand(UNSURE)[0]
    assert (best.intent, best.how) == ("cancel", "encoder")
    assert [text for text, _ in watched.asked] == [UNSURE]
    assert understanding.understand("cancel my booking")[0].how == "example"
    assert len(watched.asked) == 1


def test_where_nothing_may_take_long_it_has_to_be_asked_beforehand(watched: Watched) -> None:
    understanding = IntentUnderstanding(INTENTS)
    understanding.learn()
    with asking_later(), pytest.raises(UnpreparedError) as unprepared:
        understanding.understand(UNSURE)
    unprepared.value.prepare()
    watched.asked.clear()
    with asking_later():
        assert understanding.understand(UNSURE)[0].how == "encoder"
    assert watched.asked == []


def test_what_it_has_learnt_is_kept_on_disk(watched: Watched, tmp_path: Path) -> None:
    examples = tuple((text, intent) for intent, texts in TEXTS.items() for text in texts)
    first, second = Models(ModelFolder(tmp_path)), Models(ModelFolder(tmp_path))
    said = first.of(examples, meaning=MODELS.meaning).guesses(UNSURE)
    usual = first.of(examples).guesses(UNSURE)
    watched.asked.clear()
    assert second.of(examples, meaning=MODELS.meaning).guesses(UNSURE) == said
    assert second.of(examples).guesses(UNSURE) == usual
    assert second.learnt == 0


async def test_the_server_asks_it_off_the_event_loop(dsn: str, tmp_path: Path, watched: Watched) -> None:
    files = {
        "intents/customer.yaml": "role: customer\nintents:\n"
        + "".join(f"  {name}: {{examples: {texts!r}}}\n" for name, texts in TEXTS.items()),
        **{
            f"flows/customer/{name}.yaml": f"flow: {name}\nrole: customer\nstart: {{intents: [{name}]}}\n"
            "states: {a: {say: it, end: told}}\n"
            for name in TEXTS
        },
        **{f"templates/en/customer/{name}.j2": blocks(it=f"To {name}.") for name in TEXTS},
    }
    settings = play_settings(
        bot_database_url=dsn, bot_secret_key=new_key(), bot_data_dir=tmp_path,
        bot_content_dir=write_content(tmp_path / "content", files), bot_sentence_encoder=True,
    )  # fmt: skip
    async with open_system(settings) as system:
        system.content.book.learn()
        watched.asked.clear()
        now, tenant = utc_now(), system.channel.tenant_id
        message = NewMessage(
            channel=system.channel, person=Person(phone="+9779800000071", user_id=None, name="Anna"),
            provider_message_id="wamid.encoder", content=TextIn(body=UNSURE), sent_at=now, received_at=now,
        )  # fmt: skip
        await system.intake.accept([message], Unread(tenant_id=tenant, kind="x", body=b"", received_at=now))
        await system.worker().work()
        async with system.foundation.database.tenant(tenant) as db:
            said = await db.fetchval("SELECT content ->> 'body' FROM whatsapp_messages WHERE direction = 'OUTBOUND'")
            trace = await db.fetchval("SELECT trace FROM turn_traces")
    assert said == "To cancel."
    assert '"encoder"' in trace.replace(" ", "")
    assert [text for text, _ in watched.asked] == [UNSURE]
    assert all(thread != threading.main_thread().name for _, thread in watched.asked)


def test_without_the_extra_the_setting_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "find_spec", lambda name: None)
    settings = play_settings(bot_data_dir=tmp_path, bot_sentence_encoder=True)
    with pytest.raises(ConfigError, match=r"BOT_SENTENCE_ENCODER is on\. .*pip install 'sirdar\[semantic\]'"):
        keep_models(settings)
    keep_models(play_settings(bot_data_dir=tmp_path))
    assert MODELS.meaning is None
