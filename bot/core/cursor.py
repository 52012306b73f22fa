"""A working copy of one run: the throwaway model that a flow's shared state machine is driven with.

A `Cursor` is one frame taken apart, changed freely, and put together again at the end. It never leaves the engine;
`bot.core.oneturn` has what all cursors of a turn build up together.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.core import waiting
from bot.core.conversation import Frame, Pending
from bot.core.effects import CancelTimers, EndRun, Invoke, StartRun
from bot.core.errors import EngineError, StepLimitReached
from bot.core.messages import TemplateOut
from bot.core.oneturn import Said as Said
from bot.core.oneturn import Turn as Turn
from bot.core.sandbox import RAISES, Value

if TYPE_CHECKING:
    from bot.core.compiled import CompiledFlow

START = "(new)"
"""Pseudo-state of a run that has not entered any state yet."""
MAX_STATES = 100
"""States one turn may enter."""
MAX_TRAIL = 20


class Cursor:
    """One run, being moved. The machine reads and sets `state`; operations add effects to `turn`.

    Attributes:
        came_from: The state at the beginning of the step.
        trigger: The machine event to fire next; the engine's loop consumes it.
        job: What is being made of a message, across lookups (see `bot.core.gathering`).
        extra: Variables for templates and guards that belong to this turn only, such as `answer` and `error`.
        outcome: Set when the run has ended.
        unmatched: Set when a message meant nothing here; the caller decides what to make of it.
        reask: The slot to ask for again, after going back.
        calling: The flow to be called, and what it is given; the stack starts it.
    """

    __slots__ = (
        "asking", "caller", "caller_epoch", "calling", "came_from", "confirming", "counters", "data", "epoch",
        "extra", "flow", "heard_at", "inferred", "instance", "job", "offers", "opened_by", "outcome", "pending",
        "reask", "role",
        "run", "slots", "started_at", "state", "stops_timers", "trail", "trigger", "turn", "unmatched",
        "waiting_since",
    )  # fmt: skip

    def __init__(self, turn: Turn, flow: "CompiledFlow", frame: Frame) -> None:
        self.turn = turn
        self.flow = flow
        self.run = frame.run
        self.state = frame.state
        self.came_from = frame.state
        self.role = frame.role
        self.started_at = frame.started_at
        self.epoch = frame.epoch
        self.slots = dict(frame.slots)
        self.data = dict(frame.data)
        self.counters = frame.counters
        self.asking = frame.asking
        self.offers = frame.offers
        self.trail = frame.trail
        self.pending = frame.pending
        self.confirming = frame.confirming
        self.instance = frame.instance
        self.inferred = frame.inferred
        self.opened_by = frame.opened_by
        self.waiting_since = frame.waiting_since
        self.heard_at = frame.heard_at
        self.caller = frame.caller
        self.caller_epoch = frame.caller_epoch
        self.calling: tuple[str, dict[str, Any]] | None = None
        self.trigger: str | None = None
        self.job: dict[str, Any] | None = None
        self.extra: dict[str, Any] = {}
        self.outcome: str | None = None
        self.unmatched: Unmatched | None = None
        self.reask: str | None = None
        self.stops_timers = False

    def freeze(self) -> Frame:
        """The frame as it is now."""
        return Frame(
            run=self.run,
            flow=self.flow.name,
            version=self.flow.version,
            state=self.state,
            role=self.role,
            started_at=self.started_at,
            epoch=self.epoch,
            slots=self.slots,
            data=self.data,
            counters=self.counters,
            asking=self.asking,
            offers=self.offers,
            trail=self.trail,
            opened_by=self.opened_by,
            pending=self.pending,
            confirming=self.confirming,
            instance=self.instance,
            inferred=self.worked_out(),
            waiting_since=self.waiting_since,
            heard_at=self.heard_at,
            caller=self.caller,
            caller_epoch=self.caller_epoch,
        )

    # --- Moving -------------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """A new state: a new epoch, and all counting starts afresh.

        Raises:
            StepLimitReached: This turn has been through `MAX_STATES` states.
        """
        turn = self.turn
        turn.entered += 1
        if turn.entered > MAX_STATES:
            raise StepLimitReached(
                f"Flow '{self.flow.name}' entered {MAX_STATES} states without waiting; the last was '{self.state}'."
            )
        self._new_epoch()
        self.asking = None
        turn.note("enter", flow=self.flow.name, state=self.state, epoch=self.epoch)

    def _new_epoch(self) -> None:
        self.epoch += 1
        self.counters = {}
        self.offers = ()
        self.confirming = None

    def begin_run(self, trigger: str) -> None:
        """Record that the run begins, by which event."""
        self.opened_by = trigger
        self.turn.effects.append(StartRun(run=self.run, flow=self.flow.name, version=self.flow.version, role=self.role))

    def end_run(self, outcome: str) -> None:
        """Record that the run is over."""
        self.outcome = outcome
        if self.opened_by:
            if self.flow.has_timers:
                self.turn.effects.append(CancelTimers(run=self.run))
            self.turn.effects.append(EndRun(run=self.run, flow=self.flow.name, outcome=outcome, instance=self.instance))

    def new_question(self, asking: str | None, offers: tuple[dict[str, Any], ...] = ()) -> None:
        """Turn to another question in the same state: another slot, or other candidates.

        The first question of a state has the epoch of the state.
        """
        if self.asking is not None and (self.asking != asking or self.offers != offers):
            self.renew_question()
        self.asking = asking
        self.offers = offers
        place = f"{self.state}#{asking}" if asking else self.state
        if not self.trail or self.trail[-1] != place:
            self.trail = (*self.trail, place)[-MAX_TRAIL:]

    def leave_mark(self) -> None:
        """Remember on the trail that this state's action has happened for good (see `bot.core.trail`)."""
        self.trail = (*self.trail, f"!{self.state}")[-MAX_TRAIL:]

    def renew_question(self) -> None:
        """Start another epoch for the same question, because what it asks about has changed."""
        self._new_epoch()
        self.stops_timers = self.flow.has_timers

    def wait(self) -> None:
        """Start this state's timers, for the current epoch, and forget earlier ones."""
        timers = self.flow.states[self.state].timers
        if self.stops_timers:
            self.turn.effects.append(CancelTimers(run=self.run, epoch=self.epoch))
            self.stops_timers = False
        self.waiting_since = self.heard_at = self.turn.at
        if timers:
            waiting.start(self, timers)

    def invoke(self, name: str, arguments: dict[str, Any], pending: Pending, receipt: str | None = None) -> None:
        """Stop for an action; `resume` in the engine goes on from `pending`."""
        turn = self.turn
        pending.detail["turn"] = {"entered": turn.entered, "runs": turn.runs, "text": turn.text, "heard": turn.heard}
        if turn.message is not None:
            pending.detail["turn"] |= {"message": turn.message, "quotes": turn.quotes}
        if self.extra:
            pending.detail["extra"] = self.extra
        self.pending = pending
        turn.effects.append(Invoke(run=self.run, name=name, arguments=arguments, receipt=receipt))
        turn.note("invoke", name=name, arguments=self._masked(arguments), receipt=receipt)

    def _masked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments for the trace, without the values of sensitive slots."""
        if not (self.flow.sensitive or self.flow.hidden):
            return arguments
        results = self.data | {"result": self.extra.get("result")}
        hidden = self.flow.secrets(self.slots, results)
        words = [value for value in hidden if isinstance(value, str) and value]
        asks = self.asking in self.flow.sensitive

        def shown(value: Any) -> Any:
            told = isinstance(value, str) and (asks or any(word in value for word in words))
            return "•••" if told or value in hidden else value

        return {name: shown(value) for name, value in arguments.items()}

    # --- Words and values ---------------------------------------------------------------------------------------------

    def variables(self, language: str | None = None, /, **more: Any) -> dict[str, Any]:
        """What templates, guards and arguments see; values print in this language, or the person's."""
        contact = self.turn.contact if language is None else replace(self.turn.contact, language=language)
        return {
            **self.flow.unset,
            **(self.slots if not self.flow.prints else self._printed(contact.language)),
            **self.data,
            "contact": contact,
            "role": self.role,
            "inferred": self.worked_out(),
            "today": self.turn.today.isoformat(),
            "run": {"id": self.run, "epoch": self.epoch, "instance": self.instance},
            **self.extra,
            **more,
        }

    def worked_out(self) -> tuple[str, ...]:
        """The slots that have a value which was partly inferred."""
        return tuple(name for name in self.inferred if name in self.slots) if self.inferred else ()

    def _printed(self, language: str) -> dict[str, Any]:
        """The slots, with values that print as people read them."""
        slots = dict(self.slots)
        for name in self.flow.prints:
            if slots.get(name) is not None:
                slots[name] = self.flow.slots[name].wrap(slots[name], language)
        return slots

    def evaluate(self, value: Value, what: str, language: str | None = None) -> Any:
        """Compute something an author wrote; dates and the like in this language, or the person's.

        Raises:
            EngineError: It does not fit the data of this run.
        """
        try:
            return value(self.variables(language))
        except RAISES as error:
            raise EngineError(
                f"{what} in state '{self.state}' of flow '{self.flow.name}' cannot be computed: "
                f"`{value.source}`: {error}"
            ) from error

    def render(self, block: str, **more: Any) -> str:
        """A block's words, with more variables; those of the open question are there as well."""
        return self.turn.render(self.flow.texts, self._wording(block), lambda: self._with_question(more))

    def say(self, block: str, *, instead: TemplateOut | None = None, **more: Any) -> None:
        """Send a block; outside of the person's 24-hour window `instead`."""
        self.turn.say(self.flow.texts, self._wording(block), lambda: self._with_question(more), instead)

    def _wording(self, block: str) -> str:
        """The block, or its variant for this person."""
        variant = self.data.get("variant")
        own = f"{block}__{variant}" if variant is not None else block
        return own if own is not block and self.flow.texts.has_own(own) else block

    def _with_question(self, more: dict[str, Any]) -> dict[str, Any]:
        state = self.flow.states.get(self.state)
        if state is not None and state.question is not None:
            more = state.question.context(self) | more
        return self.variables(**more)


class Unmatched:
    """A message that meant nothing where it was heard; `reason` tells what was wrong with it, as far as we know."""

    __slots__ = ("reason", "text")

    def __init__(self, text: str, reason: str = "not_understood") -> None:
        self.text = text
        self.reason = reason
