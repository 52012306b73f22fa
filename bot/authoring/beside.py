"""Checking on two cores: another process learns from the examples and takes half of the flows.

Both have read everything else before they part, so neither asks the other for anything. Which flows are whose is not
divided up beforehand: each takes the next few when it is done with the last, so that neither waits long for the other.
What the other has found comes back in one piece, at the end; were it to die, whoever checks does its part as well.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bot.authoring.mistakes import Finding
from bot.authoring.reader import Document
from bot.core.flow import FlowSpec
from bot.core.report import Path, Report

ENOUGH = 12
"""So many flows are worth a process."""
_CHUNKS = 250
"""In so many parts the flows are taken, each named by one byte."""


class Parts:
    """Places from 0 to `count`, a few at a time, each for only one of the processes that share this."""

    def __init__(self, count: int) -> None:
        self._count, self._size = count, -(-count // _CHUNKS) or 1
        self._taken: set[int] = set()
        self._left, given = os.pipe()
        os.write(given, bytes(range(-(-count // self._size))))  # a pipe hands out each byte once, whoever reads
        os.close(given)

    def __iter__(self) -> Iterator[int]:
        """What nobody has taken yet."""
        while part := os.read(self._left, 1):
            first = part[0] * self._size
            places = range(first, min(first + self._size, self._count))
            self._taken.update(places)
            yield from places

    def others(self) -> list[int]:
        """What this process has not taken."""
        return [place for place in range(self._count) if place not in self._taken]

    def close(self) -> None:
        """Release the pipe."""
        os.close(self._left)


@dataclass(slots=True)
class Elsewhere:
    """A flow file that another process has read: all that the flows which call it need to know."""

    name: str
    text: str
    spec: FlowSpec
    places: dict[str, Path]

    @property
    def document(self) -> Document:
        """The file, which is read again only if something in it is wrong."""
        return Document(self.name, None, text=self.text)

    @property
    def report(self) -> Report:
        """Knows where states stand."""
        return Report(places=self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process found."""

    findings: list[Finding]
    files: list[Elsewhere]
    unreadable: set[str]


class Other:
    """The other process."""

    def __init__(self, work: Callable[[Parts], Share], parts: Parts) -> None:
        context = multiprocessing.get_context("fork")
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(work, parts, answer), daemon=True)
        self._process.start()
        answer.close()

    def share(self) -> Share | None:
        """What it found, once it is done; None when it died over it."""
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            found: Share = pickle.loads(self._answer.recv_bytes())  # noqa: S301 - our own child wrote it
            return found
        return None

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._answer.close()


def worth_it(flows: int) -> bool:
    """Whether another process helps, and can be forked safely: no other threads, and the system is Linux."""
    cores = os.cpu_count() or 1
    return flows >= ENOUGH and cores > 1 and sys.platform == "linux" and threading.active_count() == 1


def _work(work: Callable[[Parts], Share], parts: Parts, answer: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C is for both; one of them says so
    with contextlib.suppress(Exception):  # whoever checks meets the same, and tells it
        answer.send_bytes(pickle.dumps(work(parts), pickle.HIGHEST_PROTOCOL))
    answer.close()
