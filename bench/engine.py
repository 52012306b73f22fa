"""What one step of the engine costs, without storage or network."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.core.conversation import Contact, Conversation
from bot.core.effects import Invoke
from bot.core.events import MessageReceived
from bot.core.ids import ContactId, ConversationId, EventId, MessageId
from bot.core.messages import TextIn

ROOT = Path(__file__).parent.parent
WARM_UP_CALLS = 200
BATCH_CALLS = 100


@dataclass(frozen=True, slots=True)
class StepCost:
    """Microseconds per step: the median over batches of calls, and the best batch."""

    median_us: float
    best_us: float
    calls: int


STEPS: dict[str, Sequence[str]] = {
    "a greeting starts a flow": ("hello",),
    "an answer to a question": ("change the language", "2"),
    "words no example equals: classified": ("where is my booking please",),
}
"""What is timed, and what is said for it."""


def measure_shipped(seconds: float) -> dict[str, StepCost]:
    """Time steps through the shipped content; nothing, when there is no content to step through."""
    steps = {name: shipped_step(texts) for name, texts in STEPS.items()}
    with _memory_as_served():
        return {name: time_calls(step, seconds / len(steps)) for name, step in steps.items() if step is not None}


@contextlib.contextmanager
def _memory_as_served() -> Iterator[None]:
    """The garbage collector walks through flows and models no more than it does in a server."""
    from bot.cli.serve import settle_memory

    thresholds = gc.get_threshold()
    settle_memory()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def shipped_step(texts: Sequence[str]) -> Callable[[], object] | None:
    """Build one step through the shipped content, to be called any number of times: the answer to the last of `texts`.

    The texts before it are said first; an action stops them, because actions need a database.
    """
    # Not at the top: the floor can be measured whatever state the engine and its content are in.
    from bot.authoring.content import load_content
    from bot.core.turn import advance
    from bot.operations import standard_actions

    root = Path(os.environ.get("BOT_CONTENT_DIR") or ROOT)  # as the system under test does
    if not any((root / "flows").rglob("*.yaml")):
        return None
    book = load_content(root, standard_actions()).book
    contact = Contact(contact_id=ContactId(1), name="Ada Fixture")
    conversation = Conversation(conversation_id=ConversationId(1), contact=contact)
    *before, last = (_said(number, text) for number, text in enumerate(texts, 1))
    for event in before:
        step = advance(book, conversation, event)
        if step.effects and isinstance(step.effects[-1], Invoke):
            break
        conversation = step.conversation
    return lambda: advance(book, conversation, last)


def _said(number: int, text: str) -> MessageReceived:
    at = datetime(2026, 11, 22, 9, 0, number, tzinfo=UTC)
    return MessageReceived(event_id=EventId(number), at=at, message_id=MessageId(number), content=TextIn(body=text))


def time_calls(call: Callable[[], object], seconds: float) -> StepCost:
    """Call something for a while and say what one call costs."""
    for _ in range(WARM_UP_CALLS):
        call()
    batches: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not batches:
        started = time.perf_counter_ns()
        for _ in range(BATCH_CALLS):
            call()
        batches.append((time.perf_counter_ns() - started) / BATCH_CALLS / 1000)
    batches.sort()
    return StepCost(batches[len(batches) // 2], batches[0], len(batches) * BATCH_CALLS)
