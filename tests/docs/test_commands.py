"""Every `bot` command in a shell block of the documentation is one that `bot` takes, arguments and options included."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError
from pages import fences, pages

from bot.cli import app

_COMMAND = re.compile(r"(?:\w+=\S+ )*(?:\.venv/bin/)?bot (.+)")


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, up to where its output goes."""
    for line in block.replace("\\\n", " ").splitlines():
        match = _COMMAND.fullmatch(line.split(" #")[0].strip())
        if match is not None:
            yield shlex.split(re.split(r" [|><&]", match[1])[0])


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_on_a_page_is_taken(page: Path) -> None:
    for block in fences(page):
        for words in commands(block.text) if block.language == "sh" else ():
            app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("line", ["bot sreve", "bot serve --onyl web", "bot explain", "bot demo --port many"])
def test_a_command_that_is_not_taken_is_noticed(line: str) -> None:
    (words,) = commands(line)
    with pytest.raises(CycloptsError):
        app.parse_args(words, exit_on_error=False, print_error=False)
