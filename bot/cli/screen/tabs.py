"""The phones, side by side."""

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from bot.cli.cast import Player


class PhoneTab(Static):
    """A phone that can be taken in hand."""

    class Chosen(Message):
        """Somebody takes this phone."""

        def __init__(self, part: str) -> None:
            super().__init__()
            self.part = part

    def __init__(self, player: Player, key: str) -> None:
        super().__init__(id=f"tab-{player.part}")
        self.player = player
        self._key = key

    def show(self, *, inhand: bool, unread: int) -> None:
        """Say whose it is, and how much is unread."""
        self.set_class(inhand, "inhand")
        mark = (f" ●{unread}", "$success bold") if unread else ("", "")
        self.update(Content.assemble((f"{self._key} ", "dim"), self.player.part, mark))

    def on_click(self) -> None:
        """Take it."""
        self.post_message(self.Chosen(self.player.part))
