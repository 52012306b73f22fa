"""The runs of a conversation, one upon another: only the topmost talks."""

from collections.abc import Callable
from typing import Any

from bot.core.book import FlowBook
from bot.core.compiled import CompiledFlow
from bot.core.conversation import Frame
from bot.core.cursor import Cursor, Turn
from bot.core.effects import CancelTimers, EndRun
from bot.core.moving import new_frame


class Stack:
    """The runs as one turn changes them, and what is said outside of any."""

    def __init__(self, book: FlowBook, turn: Turn) -> None:
        self.book = book
        self.turn = turn

    def push(self, flow: CompiledFlow) -> Cursor:
        """A new run on top of the stack."""
        role = next((role for role in self.turn.contact.roles if role in flow.roles), flow.roles[0])
        frame = new_frame(self.turn, flow, role)
        self.turn.frames.append(frame)
        return Cursor(self.turn, flow, frame)

    def top(self) -> Cursor | None:
        """The run that talks, if there is one."""
        return self.cursor(self.turn.frames[-1]) if self.turn.frames else None

    def cursor(self, frame: Frame) -> Cursor | None:
        """A run taken apart; None when its flow version or its state is gone."""
        flow = self.book.flow(frame.flow, frame.version)
        if flow is None or (frame.state not in flow.states and frame.pending is None):
            return None
        return Cursor(self.turn, flow, frame)

    def drop_broken_frames(self) -> None:
        """Forget runs that cannot go on: their flow version is gone, or they stopped at an action without an answer."""
        kept = []
        for frame in self.turn.frames:
            cursor = self.cursor(frame)
            if cursor is not None and frame.pending is None:
                kept.append(frame)
            else:
                self.turn.note(
                    "error", run=frame.run, flow=frame.flow, version=frame.version, error="the run cannot go on"
                )
                if frame.opened_by:
                    end = EndRun(run=frame.run, flow=frame.flow, outcome="lost", instance=frame.instance)
                    self.turn.effects += [CancelTimers(run=frame.run), end]
        self.turn.frames = kept

    def started_by(self, find: Callable[[str], CompiledFlow | None]) -> CompiledFlow | None:
        """The first flow found for one of the person's roles."""
        return next((flow for flow in map(find, self.turn.contact.roles) if flow is not None), None)

    def variables(self, **more: Any) -> dict[str, Any]:
        """What common blocks may use outside of any flow; `capabilities` says what one can do here."""
        return self._base() | {"capabilities": self.capabilities(), **more}

    def _base(self) -> dict[str, Any]:
        contact = self.turn.contact
        return {"contact": contact, "today": self.turn.today.isoformat(), "role": next(iter(contact.roles), "")}

    def capabilities(self) -> list[str]:
        """The `about` blocks of the flows this person may walk."""
        flows = {flow.name: flow for role in self.turn.contact.roles for flow in self.book.of_role(role)}
        return [
            self.turn.render(flow.texts, "about", self._base) for flow in flows.values() if flow.texts.has_own("about")
        ]
