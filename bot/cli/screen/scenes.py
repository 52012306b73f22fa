"""What a phone shows, worked out from what was played; no widgets here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from bot.cli import wording
from bot.cli.bubbles import Said
from bot.cli.deeds import Played, Speaks, Waits
from bot.core.languages import name_of

Tone = Literal["plain", "good", "bad", "table"]
"""How a remark looks. Lines of a table have two cells with a tab between them."""


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message. `read`: the bot has taken it; `open`: its choices are those of the phone's newest message."""

    said: Said
    read: bool = True
    open: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A new day begins."""

    day: date


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the simulator says, on one phone or on all. `after`: how many steps had been played."""

    text: str
    tone: Tone = "plain"
    after: int = 0
    part: str | None = None


Item = Bubble | Day | Remark


def scene(part: str, played: Sequence[Played], remarks: Sequence[Remark], first_day: date) -> list[Item]:
    """Everything on one phone, oldest first."""
    items: list[Item] = [Day(first_day), *_remarks(part, remarks, 0)]
    day = first_day
    for number, step in enumerate(played, 1):
        match step.deed:
            case Waits(length=length):
                items.append(Remark(f"{wording.span(length)} pass", after=number))
            case Speaks(language=language, part=whose) if whose == part:
                items.append(Remark(f"from now on in {name_of(language)}", after=number))
        for said in step.said:
            if said.part != part:
                continue
            if said.at is not None and said.at.date() != day:
                day = said.at.date()
                items.append(Day(day))
            items.append(Bubble(said, read=not step.failures))
        items += [
            Remark(f"The turn failed: {failure}", "bad", number) for failure in step.failures if _touched(step, part)
        ]
        items += _remarks(part, remarks, number)
    return _opened(items)


def unread(part: str, played: Sequence[Played]) -> int:
    """How many messages of the business a phone has been sent."""
    return sum(said.part == part and said.by_business for step in played for said in step.said)


def _remarks(part: str, remarks: Sequence[Remark], after: int) -> Iterator[Remark]:
    return (one for one in remarks if one.after == after and one.part in {None, part})


def _touched(step: Played, part: str) -> bool:
    """Whether a failure is this phone's to show: it wrote, or time passed."""
    return getattr(step.deed, "part", part) == part


def _opened(items: list[Item]) -> list[Item]:
    """Mark the newest message of the business when it has something to tap."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, Bubble) and item.said.by_business:
            if item.said.offer is not None:
                items[place] = Bubble(item.said, item.read, open=True)
            break
    return items
