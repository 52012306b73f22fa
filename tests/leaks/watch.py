"""No test may log a phone number, an id of a person, a token or what somebody wrote: whichever logs it, fails.

Every line is looked at that our loggers print, in this process and in those that tests start (sitecustomize.py beside
this file is run by them), with libraries' warnings as our logs show them. Looked for are

- numbers of the countries whose numbers tests use, but our own, and any number with a plus,
- business-scoped ids, providers' ids of messages, which hold numbers, and the tokens, secrets and keys of tests,
- the words of every message that was made in the test: what was heard and what was said.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.cli.logs import configure_logs
from bot.core import messages
from tests.leaks.sitecustomize import NAMES
from tests.room import ROOM

HERE = Path(__file__).parent
OURS = "15550100200"
"""The business's own number."""
LEAST_LETTERS = 8
"""Of words: shorter ones, and single ones, are names of flows and states as well."""

CANARY = re.compile(
    r"(?<![\w.:-])(?:"
    r"\+\d{9,15}|(?:977[179]\d{7,9}|1555\d{7}|9198\d{8}|4670\d{7}|551[18]\d{8,9}|1415\d{7}|549\d{10}|44[27]\d{9})(?!\d)"
    r"|[A-Z]{2}\.(?:ENT\.)?\d{8,}"
    r"|wamid\.[\w+/=-]{24,}"
    r"|fixture-[\w-]+|AAECAwQF[\w+/=]*|sdr_\d+_\d+_[0-9a-f]{8,}"
    r")"
)


class Heard:
    """What was logged since the test began, and the words of its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.words: set[str] = set()
        self.folder = Path(tempfile.mkdtemp(prefix="leaks-", dir=ROOM))

    def begin(self) -> None:
        """Forget what was before."""
        self.lines.clear()
        self.words.clear()
        for file in self.folder.iterdir():
            file.unlink()

    def leaked(self) -> list[str]:
        """What no line may hold and some line does."""
        shown = "\n".join([*self.lines, *(file.read_text(errors="replace") for file in self.folder.iterdir())])
        if not shown:
            return []
        found = {one for one in CANARY.findall(shown) if one.lstrip("+") != OURS}
        return sorted(found | {words for words in self.words if words in shown})


HEARD = Heard()


def _note_lines() -> None:
    printed = structlog.PrintLogger.msg

    def msg(logger: Any, message: str) -> None:
        HEARD.lines.append(str(message))
        printed(logger, message)

    for name in NAMES:
        setattr(structlog.PrintLogger, name, msg)


def _note_words(kind: Any, *fields: str) -> None:
    """Remember the words of every message of a kind that is made."""
    make: Callable[..., None] = kind.__init__

    def made(message: Any, *args: Any, **given: Any) -> None:
        make(message, *args, **given)
        for field in fields:
            words = getattr(message, field)
            if words and len(words) >= LEAST_LETTERS and " " in words.strip():
                HEARD.words.add(words)

    kind.__init__ = made


def watch() -> None:
    """Watch this process, and those it starts."""
    _note_lines()
    _note_words(messages.TextIn, "body")
    _note_words(messages.MediaIn, "caption")
    for kind in (messages.TextOut, messages.ButtonsOut, messages.ListOut, messages.UrlOut):
        _note_words(kind, "body")
    os.environ["SIRDAR_LEAKS"] = str(HEARD.folder)
    paths = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one and one != str(HERE)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *paths])


watch()


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test fails when anything it ran has logged what no log may hold."""
    HEARD.begin()
    configure_logs("debug", "json")  # as in production: exceptions without their words
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    yield
    leaked = HEARD.leaked()
    assert not leaked, f"{request.node.nodeid} has logged {leaked}"
