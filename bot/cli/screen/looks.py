"""Colours, and how a bubble's words are laid out."""

from textual.content import Content
from textual.theme import Theme

from bot.cli.bubbles import formatted

WIDEST = 62
"""Characters of a bubble's text; longer lines are hard to read."""

DARK = Theme(
    name="night",
    primary="#00a884",
    secondary="#53bdeb",
    accent="#53bdeb",
    foreground="#e9edef",
    background="#0b141a",
    surface="#111b21",
    panel="#1f2c34",
    success="#25d366",
    warning="#ffd279",
    error="#ff8f8f",
    dark=True,
    variables={
        "wall": "#0b141a",
        "own": "#005c4b",
        "theirs": "#202c33",
        "ink": "#e9edef",
        "faint": "#94a3ab",
        "faint-own": "#9fc9bd",
        "tick": "#66cbf5",
        "link": "#5fc8f3",
        "bar": "#1f2c34",
        "bar-ink": "#e9edef",
        "bar-faint": "#94a3ab",
        "day": "#182229",
        "desk": "#060c10",
        "block-cursor-foreground": "#0b141a",
        "input-selection-background": "#53bdeb 35%",
    },
)
LIGHT = Theme(
    name="day",
    primary="#008069",
    secondary="#0277a8",
    accent="#0277a8",
    foreground="#111b21",
    background="#efeae2",
    surface="#ffffff",
    panel="#f0f2f5",
    success="#0b7a4b",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
    variables={
        "wall": "#efeae2",
        "own": "#d3f8cd",
        "theirs": "#ffffff",
        "ink": "#111b21",
        "faint": "#5c6b74",
        "faint-own": "#4b6b52",
        "tick": "#0288d1",
        "link": "#00699b",
        "bar": "#008069",
        "bar-ink": "#ffffff",
        "bar-faint": "#c9ece4",
        "day": "#fdfbf6",
        "desk": "#d5d9d9",
        "block-cursor-foreground": "#ffffff",
        "input-selection-background": "#0277a8 25%",
    },
)


def laid_out(text: str, meta: Content, most: int, least: int = 0) -> tuple[Content, int]:
    """A bubble's words with time and ticks at the lower right: on the last line if they fit there.

    Args:
        text: With WhatsApp's *bold* and _italic_.
        meta: Time and ticks.
        most: Cells a line may have.
        least: Cells it has at least.

    Returns:
        The lines, and how wide they are.
    """
    lines = Content.from_rich_text(formatted(text)).wrap(most) if text else []
    lines = [line.rstrip() for line in lines]
    width = max([least, meta.cell_length, *(line.cell_length for line in lines)])
    room = lines[-1].cell_length + 2 + meta.cell_length if lines else most + 1
    if room <= most:
        width = max(width, room)
        last = lines.pop()
        gap = width - last.cell_length - meta.cell_length
        lines.append(Content.assemble(last, " " * gap, meta))
    else:
        lines.append(meta.pad_left(width - meta.cell_length))
    return Content("\n").join(lines), width
