"""docs/simulator.md says what there is: commands, keys and options."""

import inspect
import re

from bot.authoring.simulator import COMMANDS
from bot.cli.screen.app import PhoneApp
from bot.cli.simulate import simulate
from tests.cli.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "simulator.md").read_text(encoding="utf-8")


def firsts(heading: str) -> list[str]:
    """The first column of a section's table."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]


def test_every_command_is_described_in_order() -> None:
    assert firsts("Commands") == [f"`{example}`" for example, _ in COMMANDS]


def test_every_option_is_described() -> None:
    described = {re.findall(r"--([a-z]+)", first)[0] for first in firsts("Options")}
    assert described == set(inspect.signature(simulate).parameters)


def test_every_key_that_is_shown_is_described() -> None:
    keys = " ".join(firsts("Keys")).casefold()
    shown = [one.key for one in PhoneApp.BINDINGS if one.show]
    assert shown
    assert all(key in keys for key in shown)


def test_the_picture_is_small() -> None:
    picture = REPOSITORY / "docs" / "images" / "simulate.png"
    assert 0 < picture.stat().st_size <= 300 * 1024
