"""Test files as text: expectations suggested by what happened, and steps laid out as people would write them."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.authoring.testing.observing import Moment, observe, phrase
from bot.authoring.testing.showing import inline
from bot.core.effects import EndRun, Handoff, Notify

_WIDEST = 110


def suggested(moment: Moment, *, whole: bool = False) -> dict[str, Any]:
    """What is worth expecting of a step: where it is, what was said, and whatever the business was asked to do.

    Args:
        moment: What the step led to.
        whole: Whether to mention actions and notifications, too.
    """
    if not moment.turns:
        return {"nothing": True}
    found: dict[str, Any] = {"state": observe("state", moment)}
    sayings = [saying for text in moment.words() if (saying := phrase(text))]
    if sayings:
        found["said"] = sayings[0] if len(sayings) == 1 else sayings
    else:
        held = observe("held", moment)
        found |= {"held": held} if held else {}
    if whole:
        if moment.calls("action"):
            found["actions"] = [call.name for call in moment.calls("action")]
        if moment.effects(Notify):
            found["notified"] = observe("notified", moment)
    if moment.effects(Handoff):
        found["handed_off"] = observe("handed_off", moment, "role")
    if moment.effects(EndRun):
        found["ended"] = observe("ended", moment)
    return found


def expect_lines(expect: Mapping[str, Any], indent: int) -> list[str]:
    """An `expect:` on one line where it fits, else a line for each word."""
    margin = " " * indent
    line = f"{margin}expect: {inline(expect)}"
    if len(line) <= _WIDEST:
        return [line]
    return [f"{margin}expect:", *(f"{margin}  {key}: {inline(value)}" for key, value in expect.items())]


def step_lines(step: Mapping[str, Any], expect: Mapping[str, Any] | None, indent: int = 2) -> list[str]:
    """A step of a test."""
    (key, value), *_ = step.items()
    lines = [f"{' ' * indent}- {key}: {inline(value)}"]
    return lines + (expect_lines(expect, indent + 2) if expect else [])


def file_text(
    head: Mapping[str, Any], steps: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]], comment: str = ""
) -> str:
    """A whole file. `head` is what comes before the steps."""
    lines = [f"# {comment}"] if comment else []
    for key, value in head.items():
        line = f"{key}: {inline(value)}"
        if len(line) <= _WIDEST or not isinstance(value, Mapping):
            lines.append(line)
        else:
            lines += [f"{key}:", *(f"  {name}: {inline(one)}" for name, one in value.items())]
    lines.append("steps:")
    for step, expect in steps:
        lines += step_lines(step, expect)
    return "\n".join(lines) + "\n"
