"""What people write, and what slots make of it: one case per line of `phrases/*.yaml`, at 2026-11-22T09:00Z."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from bot.authoring.reader import read
from bot.core.entities import extract
from bot.core.report import Report
from bot.core.slots import REASONS, Ambiguous, Filled, Heard, Reading, Refused, compile_slot
from bot.core.slotspecs import SlotSpec

PHRASES = Path(__file__).parent / "phrases"
TODAY = date(2026, 11, 22)
SPEC: TypeAdapter[Any] = TypeAdapter(SlotSpec)


def groups() -> list[Any]:
    found = []
    for path in sorted(PHRASES.glob("*.yaml")):
        for group in read(path.read_text(encoding="utf-8"), path.name).value:
            found.append(pytest.param(group, id=f"{path.stem}: {group['group']}"))
    return found


def short(value: Any) -> Any:
    """A value as the tables write it: `USD 1450`, `7200 hour`."""
    if isinstance(value, dict) and "currency" in value:
        return f"{value['currency']} {value['amount']}"
    return f"{value['seconds']} {value['unit']}" if isinstance(value, dict) and "seconds" in value else value


def outcome(reading: Reading) -> Any:
    match reading:
        case Filled(value=value):
            return short(value)
        case Refused(reason=reason):
            return {"refused": reason}
        case Ambiguous(values=values):
            return {"ambiguous": [short(value) for value in values]}
    return None


@pytest.mark.parametrize("group", groups())
def test_phrases(group: dict[str, Any]) -> None:
    report = Report()
    slot = compile_slot("it", SPEC.validate_python(group["slot"]), report)
    assert not report.mistakes
    asked = group.get("asked", True)
    language = group.get("language", "en")

    def reading(text: str) -> Reading:
        return slot.read(Heard(text, extract(text, TODAY, language), TODAY, language), asked=asked)

    made = {text: outcome(reading(text)) for text in group["phrases"]}
    assert made == group["phrases"]
    refused = {one["refused"] for one in made.values() if isinstance(one, dict) and "refused" in one}
    assert refused <= set(REASONS[slot.type])


def test_there_are_many_phrases_in_each_language() -> None:
    counts = Counter[str]()
    for param in groups():
        counts[str(param.id).split(":")[0]] += len(param.values[0]["phrases"])  # type: ignore[index, call-overload]
    assert sum(counts.values()) >= 1400
    assert min(counts[language] for language in ("en", "hi", "hinglish", "es", "ne")) >= 130
