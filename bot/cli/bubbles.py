"""Chat bubbles in a terminal: boxes on a screen, plain lines in a pipe."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rich.align import Align
from rich.box import ROUNDED
from rich.console import Console, ConsoleRenderable, Group
from rich.constrain import Constrain
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from bot.cli.cast import BUSINESS

_WIDEST = 64  # characters of a bubble; longer lines are hard to read
_CHAT = 100  # characters of a chat; beyond, the two sides would lose sight of each other
_STYLES = {"*": "bold", "_": "italic", "~": "strike"}
_MARKUP = re.compile(r"(?<![\w*_~])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\w*_~])")
PLAIN_WIDTH = 200
"""Columns of a pipe: it has none of its own, and trees need some."""
_MINE, _THEIRS, _ASIDE = "green", "cyan", "yellow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something in a chat between a person and the business.

    Attributes:
        part: Whose chat: `customer`, `guide`…
        name: That person's.
        by_business: Who said it.
        text: With WhatsApp's *bold* and _italic_.
        choices: What can be tapped, with its description.
        label: What opens the choices, when they are a list.
        at: When; None leaves it out.
        note: What else there is to know: that it is a template, or could not be sent.
        kind: How a phone shows it.
        offer: Which of the phone's messages with choices it is, from 0; None for one without any.
    """

    part: str
    name: str
    by_business: bool
    text: str
    choices: tuple[tuple[str, str], ...] = ()
    label: str = ""
    at: datetime | None = None
    note: str = ""
    kind: Literal["text", "choice", "photo", "location", "other"] = "text"
    offer: int | None = None


class Bubbles:
    """A screen for people.

    Args:
        console: Where to draw.
        own: Whether to draw what the person said, too; at a prompt they see it already.
        business: Who answers.
    """

    def __init__(self, console: Console, *, own: bool = True, business: str = BUSINESS) -> None:
        self._console = console
        self._business = business
        self._own = own
        self._part = ""

    def watch(self, part: str) -> None:
        """Whose phone is in hand: bubbles on other phones are set off from theirs."""
        self._part = part

    def said(self, one: Said) -> None:
        """Show a bubble: the person's on the right, the business' on the left."""
        if not one.by_business and not self._own:
            return
        width = max(min(_WIDEST, self._console.width - 8), 20)
        parts: list[ConsoleRenderable] = [formatted(one.text)]
        if one.choices:
            parts += [Rule(style="dim"), _choices(one, width - 4)]
        if one.note:
            parts.append(Text(one.note, "italic yellow"))
        aside = bool(self._part) and one.part != self._part
        panel = Panel.fit(
            Group(*parts),
            title=_title(one, self._business),
            title_align="left",
            subtitle=Text(f"{one.at:%H:%M}", "dim") if one.at is not None else None,
            subtitle_align="right",
            box=ROUNDED,
            border_style=_ASIDE if aside else _THEIRS if one.by_business else _MINE,
        )
        bubble = Constrain(panel, width)
        if one.by_business:
            self._console.print(Padding(bubble, (0, 0, 0, 8 if aside else 0)))
        else:
            self._console.print(Constrain(Align.right(bubble), _CHAT))

    def note(self, text: str) -> None:
        """Show a remark in grey."""
        self._console.print(Text(text, "dim"))

    def wrong(self, text: str) -> None:
        """Show a complaint in red."""
        self._console.print(Text(f"✗ {text}", "bold red"))

    def show(self, renderable: ConsoleRenderable | str) -> None:
        """Show anything else."""
        self._console.print(renderable)


class Lines:
    """A screen for pipes and scripts: no colours, no boxes, and without times the same each time.

    Args:
        console: Where to write.
        times: Whether to say when.
        business: Who answers.
    """

    def __init__(self, console: Console, *, times: bool = False, business: str = BUSINESS) -> None:
        self._console = console
        self._business = business
        self._times = times

    def said(self, one: Said) -> None:
        """Show a message, its lines indented below who said it."""
        who = f"{self._business} to {one.part}" if one.by_business else one.part
        if self._times and one.at is not None:
            who = f"{one.at:%H:%M:%S} {who}"
        lines = [
            f"{who}: {line}" if not place else f"    {line}".rstrip() for place, line in enumerate(one.text.split("\n"))
        ]
        if one.label:
            lines.append(f"    {one.label}:")
        for number, (title, about) in enumerate(one.choices, 1):
            lines.append(f"    [{number}] {title}{f' — {about}' if about else ''}")
        if one.note:
            lines.append(f"    ({one.note})")
        self._print("\n".join(lines))

    def note(self, text: str) -> None:
        """Show a remark."""
        self._print(f"-- {text}")

    def wrong(self, text: str) -> None:
        """Show a complaint."""
        self._print(f"!! {text}")

    def show(self, renderable: ConsoleRenderable | str) -> None:
        """Show anything else."""
        self._console.print(renderable)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def formatted(text: str) -> Text:
    """WhatsApp's *bold*, _italic_ and ~strike~ as a terminal shows them."""
    found = Text()
    place = 0
    for match in _MARKUP.finditer(text):
        found.append(text[place : match.start()])
        inner = formatted(match[2])
        inner.stylize(_STYLES[match[1]])
        found.append_text(inner)
        place = match.end()
    found.append(text[place:])
    return found


def _title(one: Said, business: str) -> Text:
    if one.by_business:
        return Text.assemble((business, "bold"), (f" → {one.name} ({one.part})", "dim"))
    return Text.assemble((one.name, "bold"), (f" ({one.part})", "dim"))


def _choices(one: Said, width: int) -> ConsoleRenderable:
    """Buttons side by side where they fit, else one below the other."""
    titles = [
        Text.assemble((f"[{number}]", "dim"), " ", (title, "bold cyan"))
        for number, (title, _) in enumerate(one.choices, 1)
    ]
    if not one.label and sum(len(title) + 3 for title in titles) - 3 <= width:
        return Text("   ").join(titles)
    lines: list[ConsoleRenderable] = [Text(f"≡ {one.label}", "dim")] if one.label else []
    for title, (_, about) in zip(titles, one.choices, strict=True):
        lines.append(title + Text(f"  {about}", "dim") if about else title)
    return Group(*lines)
