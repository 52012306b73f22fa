"""The sheet that rises when somebody opens a list."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class Sheet(ModalScreen[int | None]):
    """Rows to choose from; ends with the row's place from 0, or None.

    Args:
        label: What opened it.
        rows: Title and description of each.
        chosen: The row to begin at, from 0.
        width: Of the phone.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Close")]

    def __init__(self, label: str, rows: Sequence[tuple[str, str]], chosen: int, width: int) -> None:
        super().__init__()
        self._label = label
        self._rows = rows
        self._chosen = chosen
        self._width = width

    def compose(self) -> ComposeResult:
        """The rows, at the foot of the phone."""
        with Vertical(id="sheet") as sheet:
            sheet.styles.width = self._width
            yield Static(
                Content.assemble((self._label, "bold"), ("   Enter or a number · Esc closes", "$faint")),
                id="sheet-title",
            )
            yield OptionList(*(Option(_row(number, *row)) for number, row in enumerate(self._rows, 1)))

    def on_mount(self) -> None:
        """Begin at the wanted row."""
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = min(self._chosen, len(self._rows) - 1)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """That one."""
        self.dismiss(event.option_index)

    def on_key(self, event: events.Key) -> None:
        """A row by its number; 0 is the tenth."""
        if event.character and event.character.isdecimal():
            place = (int(event.character) or 10) - 1
            if place < len(self._rows):
                event.stop()
                self.dismiss(place)

    def on_click(self, event: events.Click) -> None:
        """A click beside the sheet closes it."""
        if event.widget is self:
            self.dismiss(None)


def _row(number: int, title: str, about: str) -> Content:
    head = Content.assemble((f"{number:>2} ", "dim"), (title, "bold"))
    return Content("\n").join([head, Content.styled(f"   {about}", "dim")]) if about else head
