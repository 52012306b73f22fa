"""What a chat is made of: bubbles with things to tap, day separators, remarks."""

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from bot.cli.screen import scenes
from bot.cli.screen.looks import WIDEST, laid_out

_EDGE = 2  # cells between a bubble and the side of the chat
_ROOM = 0.82  # of the chat's width that a bubble may take


class Tappable(Static, can_focus=True):
    """A button below a bubble, or what opens its list.

    Args:
        title: What it says.
        number: Its place, from 1; 0 for what opens a list.
        offer: Which message of the phone it belongs to.
        open: Whether it is among the newest; older ones can still be clicked, as on a phone.
    """

    BINDINGS = [  # noqa: RUF012  textual's way
        Binding("enter,space", "tap", "Tap", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    class Tapped(Message):
        """Somebody tapped. `title` is empty for what opens a list."""

        def __init__(self, title: str, offer: int) -> None:
            super().__init__()
            self.title = title
            self.offer = offer

    def __init__(self, title: str, number: int, offer: int, *, open: bool) -> None:  # noqa: A002  as in WhatsApp
        super().__init__()
        self._label = Content.styled(title if number else f"≡ {title}", "bold" if open else "")
        self._number = str(number) if number and open else ""
        self._title = title if number else ""
        self._offer = offer
        self.can_focus = open
        self.set_class(not open, "old")

    def fit(self, width: int) -> None:
        """Fit into a bubble that is so many cells wide: the number at the left, the words in the middle."""
        self.update(Content.assemble((f" {self._number:<2}", "dim"), self._label.center(max(width - 6, 1)), "   "))

    def action_tap(self) -> None:
        """Tap it."""
        self.post_message(self.Tapped(self._title, self._offer))

    def on_click(self, event: events.Click) -> None:
        """Tap it."""
        event.stop()
        self.action_tap()


class Bubble(Vertical):
    """A message, ours or theirs, with what can be tapped below it."""

    def __init__(self, item: scenes.Bubble) -> None:
        said = item.said
        super().__init__(classes="theirs" if said.by_business else "own")
        self.item = item
        self._body = Static(classes="body")
        self._tappables: list[Tappable] = []
        if said.offer is not None and said.label:
            self._tappables.append(Tappable(said.label, 0, said.offer, open=item.open))
        elif said.offer is not None:
            self._tappables += [
                Tappable(title, number, said.offer, open=item.open) for number, (title, _) in enumerate(said.choices, 1)
            ]

    def compose(self) -> ComposeResult:
        """The words, then the buttons."""
        yield self._body
        if self.item.said.note:
            yield Static(self.item.said.note, classes="note")
        yield from self._tappables

    def fit(self, room: int) -> None:
        """Fit into a chat that is so many cells wide."""
        said = self.item.said
        most = max(min(WIDEST, int(room * _ROOM)) - 2, 12)
        titles = [said.label] if said.label else [title for title, _ in said.choices]
        least = min(max([0, *(len(title) + 8 for title in titles), min(len(said.note), 44)]), most)
        lines, width = laid_out(self._text(), self._meta(), most, least)
        self._body.update(lines)
        self.styles.width = width + 2
        for tappable in self._tappables:
            tappable.fit(width + 2)
        left = _EDGE if said.by_business else max(room - width - 2 - _EDGE, 0)
        self.styles.margin = (0, 0, 1, left)

    def _text(self) -> str:
        said = self.item.said
        if said.kind == "location":
            return f"{_MAP}\n{said.text}"
        if said.kind == "photo":
            return f"{_PICTURE}\n{said.text}"
        return said.text

    def _meta(self) -> Content:
        said = self.item.said
        at = f"{said.at:%H:%M}" if said.at is not None else ""
        if said.by_business:
            return Content.styled(at, "$faint")
        ticks = ("✓✓", "$tick") if self.item.read else ("✓", "$faint-own")
        return Content.assemble((at, "$faint-own"), " ", ticks)


_MAP = " ┊     ┊     ┊ \n┈┼┈┈┈┈┈◉┈┈┈┈┈┼┈\n ┊     ┊     ┊ "
_PICTURE = "          ☼  \n  ▗▟▙▖  ▗▄   \n▗▟████▙▟██▙▖ "


class DayLine(Static):
    """A new day."""

    def __init__(self, item: scenes.Day) -> None:
        super().__init__(Content(f" {item.day:%A}, {item.day.day} {item.day:%B %Y} "))


class RemarkLine(Static):
    """What the simulator says."""

    def __init__(self, item: scenes.Remark) -> None:
        super().__init__(_table(item.text) if item.tone == "table" else Content(item.text), classes=item.tone)


def _table(text: str) -> Table:
    """Two columns; what does not fit goes on below its own."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for line in text.splitlines():
        table.add_row(*map(Text, line.split("\t")))
    return table
