"""`python -m bench.stream`: what understanding costs over a mixed stream of messages, the sentence encoder included.

`stream.yaml` holds the messages, by what becomes of them. Each is decided as in the server, by the shipped flows and
the whole engine: most never reach a classifier, some are sure for the usual one, and the encoder is asked about the
rest. Times are milliseconds of CPU, so that another process on the machine counts little; no message is decided twice
by the same memory: what the encoder has read is forgotten before each round.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import cyclopts
import yaml
from rich.console import Console
from rich.table import Table

from bot.authoring.content import load_content
from bot.core.book import FlowBook
from bot.core.conversation import Contact, Conversation
from bot.core.events import MessageReceived
from bot.core.ids import ContactId, ConversationId, EventId, MessageId
from bot.core.messages import TextIn
from bot.core.models import MODELS
from bot.core.nlu.features import Floats
from bot.core.turn import advance
from bot.operations import standard_actions
from bot.semantic import EncodedMeaning, SentenceEncoder

ROOT = Path(__file__).parent.parent
STREAM = Path(__file__).with_name("stream.yaml")
_ARROW = " -> "

app = cyclopts.App(help=__doc__, help_format="plaintext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and the conversation it comes in."""

    kind: str
    text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one kind of message, or of all. Times in milliseconds of CPU."""

    kind: str
    messages: int
    asked: int
    mean: float
    median: float
    asked_median: float | None


class Watched(EncodedMeaning):
    """Counts what the encoder reads, and forgets it on demand."""

    reads = 0

    def rows(self, texts: Sequence[str]) -> list[Floats]:
        """Encode, and count."""
        self.reads += sum(one not in self._known for one in texts)
        return super().rows(texts)

    def forget(self) -> None:
        """As if nothing had been read yet."""
        self._known.clear()


def stream(book: FlowBook) -> list[Said]:
    """The messages, each with its conversation."""
    found: list[Said] = []
    for kind, lines in yaml.safe_load(STREAM.read_text(encoding="utf-8")).items():
        for line in lines:
            opening, arrow, answer = line.partition(_ARROW)
            fresh = Conversation(
                conversation_id=ConversationId(1), contact=Contact(contact_id=ContactId(1), name="Ada Fixture")
            )
            if arrow:
                fresh = advance(book, fresh, _received(1, opening)).conversation
            found.append(Said(kind=kind, text=(answer if arrow else line).strip('"'), conversation=fresh))
    return found


def _received(number: int, text: str) -> MessageReceived:
    at = datetime(2026, 11, 22, 9, 0, number, tzinfo=UTC)
    return MessageReceived(event_id=EventId(number), at=at, message_id=MessageId(number), content=TextIn(body=text))


def measure(rounds: int) -> list[Cost]:
    """Decide the stream so many times, in an order of its own each time; of each message, its best round counts."""
    meaning = Watched(SentenceEncoder())
    MODELS.meaning = meaning
    book = load_content(ROOT, standard_actions()).book
    said = stream(book)
    for message in said:
        advance(book, message.conversation, _received(2, message.text))
    took: list[float] = [float("inf")] * len(said)
    asked: set[int] = set()
    for number in range(rounds):
        meaning.forget()
        for place in random.Random(number).sample(range(len(said)), len(said)):
            message, before, began = said[place], meaning.reads, time.thread_time_ns()
            advance(book, message.conversation, _received(2, message.text))
            took[place] = min(took[place], (time.thread_time_ns() - began) / 1e6)
            if meaning.reads > before:
                asked.add(place)
    MODELS.meaning = None
    kinds = list(dict.fromkeys(message.kind for message in said))
    places = {kind: [place for place, one in enumerate(said) if one.kind == kind] for kind in kinds}
    return [_cost(kind, of, took, asked) for kind, of in [*places.items(), ("all", list(range(len(said))))]]


def _cost(kind: str, places: Sequence[int], took: Sequence[float], asked: set[int]) -> Cost:
    times = [took[place] for place in places]
    deep = [took[place] for place in places if place in asked]
    return Cost(
        kind=kind, messages=len(places), asked=len(deep), mean=fmean(times), median=median(times),
        asked_median=median(deep) if deep else None,
    )  # fmt: skip


@app.default
def main(rounds: int = 7, *, output: Path | None = None) -> None:
    """Measure.

    Args:
        rounds: How often the stream is decided.
        output: Where to keep the figures, as JSON.
    """
    costs = measure(rounds)
    table = Table(title="A mixed stream", caption="Milliseconds of CPU a message, the best of each message's rounds.")
    for place, head in enumerate(("kind", "messages", "encoder asked", "mean", "median", "median when asked")):
        table.add_column(head, justify="right" if place else "left")
    for one in costs:
        then = "" if one.asked_median is None else f"{one.asked_median:.2f}"
        table.add_row(one.kind, str(one.messages), str(one.asked), f"{one.mean:.2f}", f"{one.median:.2f}", then)
    Console().print(table)
    if output is not None:
        output.write_text(json.dumps([asdict(one) for one in costs], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
