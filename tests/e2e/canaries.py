"""Watches whatever the system logs, at the lowest level, for what no log may hold.

Canaries are the phone numbers, tokens and secrets the tests use, and every text that anybody wrote or was sent in a
test: it is read back from the database when the test is over.
"""

import io
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from bot.cli.logs import configure_logs

LEAST_LETTERS = 8


class Watch:
    """All log lines of a test, of ours and of the libraries, and what must not be in them."""

    def __init__(self) -> None:
        self.lines = io.StringIO()
        self._canaries: set[str] = set()

    def add(self, *canaries: str) -> None:
        """These must not be logged; of phone numbers the digits."""
        self._canaries.update(canary.lstrip("+") for canary in canaries)

    def add_texts(self, texts: Iterable[str]) -> None:
        """Nor these, when they are long enough to be nothing else: names of flows and states are single words."""
        self.add(*(text for text in texts if len(text) >= LEAST_LETTERS and " " in text.strip()))

    def found(self, more: str = "") -> list[str]:
        """The canaries that were logged, or are in `more`."""
        shown = self.lines.getvalue() + more
        return sorted(canary for canary in self._canaries if canary in shown or json.dumps(canary)[1:-1] in shown)


@contextmanager
def watching() -> Iterator[Watch]:
    """Take all log lines from now on."""
    watch = Watch()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    configure_logs("debug", "json")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(watch.lines))
    root.addHandler(logging.StreamHandler(watch.lines))
    added = [handler for handler in root.handlers if handler not in before]
    root.setLevel(logging.INFO)  # asyncio and hypothesis tell of every step below
    try:
        yield watch
    finally:
        for handler in added:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()


def texts_in(document: Any) -> Iterator[str]:
    """Every text of a JSON document."""
    match document:
        case str():
            yield document
        case list():
            for one in document:
                yield from texts_in(one)
        case dict():
            for one in document.values():
                yield from texts_in(one)
