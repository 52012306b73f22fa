"""The runs of a conversation, one upon another: only the topmost talks.

A run gets onto another in two ways. *Called*, it works for the one beneath, which waits for it and goes on with its
result; `caller` and `caller_epoch` tell for whom. As a *digression* (an intent, a command) it has nothing to do with
what lies beneath, which is asked again afterwards.
"""

from collections.abc import Callable
from typing import Any

from bot.core.book import ANY, FlowBook
from bot.core.calling import MAX_CALLS, outputs_of, take_inputs
from bot.core.compiled import CompiledFlow
from bot.core.conversation import Frame
from bot.core.cursor import Cursor, Turn
from bot.core.effects import CancelTimers, EndRun
from bot.core.ids import RunId
from bot.core.moving import new_frame, put_back, settle


class Stack:
    """The runs as one turn changes them, and what is said outside of any."""

    def __init__(self, book: FlowBook, turn: Turn) -> None:
        self.book = book
        self.turn = turn

    def push(self, flow: CompiledFlow) -> Cursor:
        """A new run on top of the stack."""
        mine = self.turn.contact.roles
        role = next((role for role in mine if role in flow.roles), None) or (
            flow.roles[0] if flow.roles[0] != ANY else next(iter(mine), ANY)
        )
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
        """Forget runs that cannot go on: their flow version is gone, or they stopped at an action without an answer.

        A caller whose called run is gone learns that it was lost.
        """
        if not self.turn.frames:
            return
        kept = []
        for frame in self.turn.frames:
            flow = self.book.flow(frame.flow, frame.version)
            if flow is not None and frame.state in flow.states and frame.pending is None:
                kept.append(frame)
            else:
                self.turn.note(
                    "error", run=frame.run, flow=frame.flow, version=frame.version, error="the run cannot go on"
                )
                self._end(frame, "lost")
        self.turn.frames = kept
        self.drop_orphans()
        while self._stands_alone() and (top := self.top()) is not None:
            self.give_back(top, "lost", {})
            put_back(self.turn, top)
            if top.calling is not None or top.pending is not None or top.outcome is None:
                break

    def _end(self, frame: Frame, outcome: str) -> None:
        if frame.opened_by:
            end = EndRun(run=frame.run, flow=frame.flow, outcome=outcome, instance=frame.instance)
            self.turn.add(CancelTimers(run=frame.run), end)

    # --- Calls --------------------------------------------------------------------------------------------------------

    def call(self, caller: Cursor) -> Cursor | None:
        """Start the flow that a run calls, above it; None when that cannot be, which the caller has learnt."""
        if caller.calling is None:
            return None
        (name, values), caller.calling = caller.calling, None
        flow = self.book.latest.get(name)
        depth = len(list(self.chain(caller)))
        if flow is None or depth > MAX_CALLS:
            why = f"flow '{name}' is gone" if flow is None else f"flows call each other more than {MAX_CALLS} deep"
            self.turn.note("error", run=caller.run, call=name, error=why)
            self.give_back(caller, "lost" if flow is None else "too_deep", {})
            return None
        frame = new_frame(self.turn, flow, caller.role)
        place = next(i for i, one in enumerate(self.turn.frames) if one.run == caller.run)
        self.turn.frames.insert(place + 1, frame)
        called = Cursor(self.turn, flow, frame)
        called.caller, called.caller_epoch = caller.run, caller.epoch
        take_inputs(called, values)
        self.turn.note("route", rule="call", flow=name, caller=caller.flow.name, inputs=sorted(called.slots))
        called.begin_run("begin")
        called.trigger = "begin"
        settle(called)
        return called

    def caller_of(self, cursor: Cursor) -> Cursor | None:
        """The run that called this one and still waits for it."""
        frame = self._waiting(cursor.caller, cursor.caller_epoch)
        return self.cursor(frame) if frame is not None else None

    def _waiting(self, run: RunId | None, epoch: int) -> Frame | None:
        if run is None:
            return None
        return next((one for one in self.turn.frames if one.run == run and one.epoch == epoch), None)

    def chain(self, cursor: Cursor) -> list[Cursor]:
        """The run and its callers, the outermost last."""
        found = [cursor]
        while (caller := self.caller_of(found[-1])) is not None and len(found) <= 2 * MAX_CALLS:
            found.append(caller)
        return found

    def _stands_alone(self) -> bool:
        """Whether the topmost run waits for one it has called, which is gone."""
        frame = self.turn.frames[-1] if self.turn.frames else None
        flow = self.book.flow(frame.flow, frame.version) if frame is not None else None
        state = flow.states.get(frame.state) if flow is not None and frame is not None else None
        return state is not None and state.call is not None

    def give_back(self, caller: Cursor, outcome: str, outputs: dict[str, Any]) -> None:
        """Let the caller go on."""
        call = caller.flow.states[caller.state].call
        if call is None:
            return
        self.turn.note("route", rule="return", flow=caller.flow.name, outcome=outcome)
        call.returned(caller, outcome, outputs)
        settle(caller)

    def result_of(self, cursor: Cursor) -> dict[str, Any]:
        """What an ended run gives to its caller."""
        return outputs_of(cursor) if cursor.outcome is not None else {}

    def drop_orphans(self) -> None:
        """Take off called runs whose callers have moved on, ended or are gone."""
        frames = self.turn.frames
        if not frames or all(frame.caller is None for frame in frames):
            return
        while orphan := next(
            (f for f in frames if f.caller is not None and self._waiting(f.caller, f.caller_epoch) is None), None
        ):
            self.turn.note("ignore", why="the caller has moved on", run=orphan.run, flow=orphan.flow)
            self._end(orphan, "left")
            frames.remove(orphan)

    # --- What is said outside of any run ------------------------------------------------------------------------------

    def started_by(self, find: Callable[[str], CompiledFlow | None]) -> CompiledFlow | None:
        """The first flow found for one of the person's roles."""
        return next((flow for flow in map(find, self.turn.contact.roles or (ANY,)) if flow is not None), None)

    def variables(self, **more: Any) -> dict[str, Any]:
        """What common blocks may use outside of any flow; `capabilities` says what one can do here."""
        return self._base() | {"capabilities": self.capabilities(), **more}

    def _base(self) -> dict[str, Any]:
        contact = self.turn.contact
        return {"contact": contact, "today": self.turn.today.isoformat(), "role": next(iter(contact.roles), "")}

    def capabilities(self) -> list[str]:
        """The `about` blocks of the flows this person may walk."""
        flows = {flow.name: flow for role in self.turn.contact.roles for flow in self.book.on_offer(role)}
        return [
            self.turn.render(flow.texts, "about", self._base) for flow in flows.values() if flow.texts.has_own("about")
        ]
