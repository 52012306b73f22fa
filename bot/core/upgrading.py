"""Bringing the runs of a conversation into the newest versions of their flows, before anything is made of an event."""

from dataclasses import replace

from bot.core.conversation import FRAME, Frame
from bot.core.cursor import Cursor
from bot.core.events import ActionDone, ActionFailed, Event, MessageReceived, TimerFired
from bot.core.migrating import Move, bring_over, enter_anew, fate_of, migration_for
from bot.core.moving import put_back, remember_run, settle
from bot.core.universals import Universals
from bot.core.wiring import proceed


class Upgrading(Universals):
    """What `bot.core.migrating` says, done to the stack."""

    def upgrade(self, event: Event) -> Event | None:
        """Bring over every run that a migration is declared for.

        Returns:
            The event, with the epoch that its timer has now; None when it has been used up by what a run was brought
            to.
        """
        for run in [frame.run for frame in self.turn.frames]:
            frame = next((one for one in self.turn.frames if one.run == run), None)
            move = self._move(frame) if frame is not None else None
            if frame is None or move is None:
                continue
            timer = event if isinstance(event, TimerFired) and event.run == frame.run else None
            own = timer is not None and timer.epoch == frame.epoch
            cursor = bring_over(move, timer.name if timer is not None and own else None)
            if cursor is not None:
                self._put(frame, cursor)
                if timer is not None and own:
                    event = replace(timer, epoch=cursor.epoch)
            elif fate_of(frame.state, move.flow, move.migration).kind == "ended":
                self._end_here(frame, move)
            elif (
                (own or isinstance(event, MessageReceived))
                and (frame is self.turn.frames[-1] and self.turn.owner == "bot")
                and self._enter(move, quietly=own)
            ):
                return None
        return event

    def upgraded(self, event: ActionDone | ActionFailed) -> ActionDone | ActionFailed:
        """The answer to a question for a business object's run, with that run brought over."""
        waiting = next((one for one in reversed(self.turn.frames) if one.pending is not None), None)
        attaches = waiting is not None and waiting.pending is not None and waiting.pending.purpose == "attach"
        if not attaches or not isinstance(event, ActionDone) or event.result is None:
            return event
        frame = FRAME.validate_python(event.result)
        move = self._move(frame)
        cursor = bring_over(move) if move is not None else None
        return event if cursor is None else replace(event, result=FRAME.dump_python(cursor.freeze(), mode="json"))

    def _move(self, frame: Frame) -> Move | None:
        newest = self.book.latest.get(frame.flow)
        migration = migration_for(frame, newest)
        if newest is None or migration is None:
            return None
        old = self.book.flow(frame.flow, frame.version)
        return Move(turn=self.turn, frame=frame, flow=newest, old=old, migration=migration)

    def _put(self, before: Frame, cursor: Cursor) -> None:
        """Put a run back that went on in its question; whoever works for it goes on working for it."""
        put_back(self.turn, cursor)
        self.turn.frames = [
            replace(one, caller_epoch=cursor.epoch)
            if (one.caller, one.caller_epoch) == (before.run, before.epoch)
            else one
            for one in self.turn.frames
        ]

    def _end_here(self, frame: Frame, move: Move) -> None:
        self.turn.note(
            "route", rule="migrated", flow=frame.flow, run=frame.run, version=[frame.version, move.flow.version],
            state=[frame.state, None],
        )  # fmt: skip
        self.turn.frames.remove(frame)
        self._end(frame, "migrated")
        if frame.instance is not None:
            remember_run(self.turn, frame.flow, frame.instance, ended=True)
        self.drop_orphans()

    def _enter(self, move: Move, *, quietly: bool) -> bool:
        """Let a run enter its state in the new version; False when there is none."""
        cursor = enter_anew(move)
        if cursor is None:
            return False
        self.turn.note("ignore", why="it belonged to a question of the older version", run=cursor.run)
        self.turn.heard = not quietly
        cursor.enter()
        proceed(cursor)
        settle(cursor)
        self.done(cursor, quietly=quietly)
        return True
