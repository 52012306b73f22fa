"""The mixed stream is what it says it is."""

import pytest

from bench.stream import measure
from bot.core.models import MODELS


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODELS, "meaning", None)
    monkeypatch.setattr(MODELS, "store", None)


def test_only_what_no_rule_decides_reaches_the_encoder() -> None:
    costs = {one.kind: one for one in measure(1)}
    assert {kind: one.messages for kind, one in costs.items()} == {
        "examples": 10, "commands": 6, "answers": 14, "clear": 17, "unsure": 7, "strangers": 6, "all": 60,
    }  # fmt: skip
    assert costs["examples"].asked == costs["commands"].asked == costs["answers"].asked == 0
    assert costs["clear"].asked < costs["clear"].messages
    assert costs["unsure"].asked == costs["unsure"].messages
    assert MODELS.meaning is None
