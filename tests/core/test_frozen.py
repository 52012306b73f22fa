"""What is frozen for mypy's eyes only behaves like any frozen dataclass otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.core.frozen import dataclass

ASSIGNS = """
from bot.core.frozen import dataclass

@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    name: str

Place(name="Lukla").name = "Namche"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    name: str
    metres: int = 0


def test_equal_ones_have_equal_hashes() -> None:
    assert Place(name="Lukla", metres=2860) == Place(name="Lukla", metres=2860) != Place(name="Lukla")
    assert len({Place(name="Lukla"), Place(name="Lukla"), Place(name="Namche")}) == 2


def test_nothing_else_is_kept_in_them() -> None:
    with pytest.raises(AttributeError):
        Place(name="Lukla").height = 2860  # type: ignore[attr-defined]


def test_mypy_refuses_an_assignment(tmp_path: Path) -> None:
    assigns = tmp_path / "assigns.py"
    assigns.write_text(ASSIGNS, encoding="utf-8")
    options = ["--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", ""]
    told = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(assigns)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1, told.stderr
    assert 'Property "name" defined in "Place" is read-only' in told.stdout
