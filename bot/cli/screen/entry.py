"""Where one writes: history with the arrow keys, commands completed, buttons by number."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from bot.authoring.simulator import Commands

_MOST_HINTS = 14


class Entry(Input):
    """The line one writes on.

    Args:
        commands: What it completes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "older", "Older", show=False),
        Binding("down", "newer", "Newer", show=False),
    ]

    class Written(Message):
        """A line was sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Numbered(Message):
        """A number was pressed while there was something to tap."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, commands: Commands) -> None:
        examples = [example for example, _ in commands]
        super().__init__(id="entry", placeholder="Message", suggester=SuggestFromList(examples))
        self.tappable = 0
        self._commands = commands
        self._history: list[str] = []
        self._place = 0

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Send."""
        event.stop()
        text = self.value.strip()
        self.value = ""
        if text:
            if self._history[-1:] != [text]:
                self._history.append(text)
            self._place = len(self._history)
            self.post_message(self.Written(text))

    def action_older(self) -> None:
        """What was written before."""
        self._recall(self._place - 1)

    def action_newer(self) -> None:
        """What was written after that."""
        self._recall(self._place + 1)

    async def on_key(self, event: events.Key) -> None:
        """Numbers tap when nothing is written; Tab completes a command."""
        number = int(event.character) if event.character and event.character in "1234567890" else None
        if number is not None and not self.value and (number or 10) <= self.tappable:
            event.stop()
            event.prevent_default()
            self.post_message(self.Numbered(number or 10))
        elif event.key == "tab" and self.value.startswith("/"):
            event.stop()
            event.prevent_default()
            self._complete()

    def _complete(self) -> None:
        word = next((example.split()[0] for example, _ in self._commands if example.startswith(self.value)), None)
        if word is not None:
            self.value = f"{word} "
            self.cursor_position = len(self.value)

    def _recall(self, place: int) -> None:
        if 0 <= place <= len(self._history):
            self._place = place
            self.value = self._history[place] if place < len(self._history) else ""
            self.cursor_position = len(self.value)


class Hints(Static):
    """The commands that begin like what is being written."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(id="hints")
        self._commands = commands
        self.display = False

    def suggest(self, value: str) -> None:
        """Show those that fit; nothing when it is no command."""
        word = value.split(" ")[0]
        typed = value.startswith("/")
        fitting = [one for one in self._commands if typed and one[0].split()[0].startswith(word)]
        self.display = bool(fitting) and not value.startswith("//")
        lines = [
            Content.assemble((f"{example:<23}", "$link"), (meaning, "$faint"))
            for example, meaning in fitting[:_MOST_HINTS]
        ]
        self.update(Content("\n").join(lines))
