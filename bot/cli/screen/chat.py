"""A phone's chat, kept in step with what was played."""

from collections.abc import Sequence

from textual import events
from textual.containers import VerticalScroll
from textual.widget import Widget

from bot.cli.screen import scenes
from bot.cli.screen.bubble import Bubble, DayLine, RemarkLine, Tappable


class Chat(VerticalScroll, can_focus=False):
    """Bubbles, newest at the bottom."""

    def __init__(self) -> None:
        super().__init__(id="chat")
        self.shown: list[scenes.Item] = []
        self._widgets: list[Widget] = []

    async def show(self, items: Sequence[scenes.Item]) -> None:
        """Show these; what is shown already stays, so that nothing flickers."""
        same = 0
        for old, new in zip(self.shown, items, strict=False):
            if old != new:
                break
            same += 1
        gone, self._widgets[same:] = self._widgets[same:], []
        fresh = [_widget(item) for item in items[same:]]
        self._widgets += fresh
        self.shown = list(items)
        async with self.batch():
            if gone:
                await self.remove_children(gone)
            if fresh:
                await self.mount_all(fresh)
                for widget in fresh:
                    self._arrange(widget)
        self.call_after_refresh(self.scroll_end, animate=False)

    def newest(self) -> Sequence[Tappable]:
        """What can be tapped in the newest message."""
        return [one for one in self.query(Tappable) if one.can_focus]

    def on_resize(self, event: events.Resize) -> None:
        """Fit every bubble into the new width, and stay at the bottom."""
        for widget in self._widgets:
            self._arrange(widget)
        self.call_after_refresh(self.scroll_end, animate=False)

    def _arrange(self, widget: Widget) -> None:
        room = self.scrollable_content_region.width
        if isinstance(widget, Bubble) and room:
            widget.fit(room)


def _widget(item: scenes.Item) -> Widget:
    match item:
        case scenes.Bubble():
            return Bubble(item)
        case scenes.Day():
            return DayLine(item)
        case scenes.Remark():
            return RemarkLine(item)
