"""The `transitions` machine of a flow, without what our flows do not use.

Its states, events and transitions are the library's own, found and drawn as such. Only the way from an event to the
callbacks is shorter: ours are closures that take the event and never change, so no name is resolved, no queue asked and
nothing logged on the way (`bot.core.wiring.note` traces instead). That is a third of the machine's time.
"""

from collections.abc import Callable
from typing import Any

from transitions import Event, EventData, Machine, State
from transitions.core import Transition

Callback = Callable[[EventData], Any]
"""The library's types take names as well; ours are functions."""


class FlowState(State):
    """A state."""

    on_enter: list[Callback]  # type: ignore[assignment]
    on_exit: list[Callback]  # type: ignore[assignment]

    def enter(self, event_data: EventData) -> None:
        """Run the plan."""
        for callback in self.on_enter:
            callback(event_data)

    def exit(self, event_data: EventData) -> None:
        """Clear up."""
        for callback in self.on_exit:
            callback(event_data)


class FlowTransition(Transition):
    """A transition with guards, and callbacks before the state changes; there are none after it."""

    before: list[Callback]  # type: ignore[assignment]
    dest: str

    def execute(self, event_data: EventData) -> bool:
        """Take it, unless a guard is against it."""
        for condition in self.conditions:
            if not condition.func(event_data):  # type: ignore[operator]
                return False
        machine: FlowMachine = event_data.machine  # type: ignore[assignment]
        for callback in machine.before_state_change:
            callback(event_data)
        for callback in self.before:
            callback(event_data)
        machine.states[self.source].exit(event_data)
        event_data.model.state = self.dest  # type: ignore[attr-defined]
        event_data.state = state = machine.states[self.dest]
        state.enter(event_data)
        return True


class FlowEvent(Event):
    """An event, put to a cursor: the first transition whose guards hold is taken."""

    def trigger(self, model: Any, *args: Any, **kwargs: Any) -> bool:
        """Put it; False when no guard let it through.

        Raises:
            MachineError: No transition of this event leaves the model's state.
        """
        ways = self.transitions.get(model.state)
        if ways is None:
            return bool(super().trigger(model, *args, **kwargs))  # has the words for it
        data = EventData(self.machine.states[model.state], self, self.machine, model, args, kwargs)
        for way in ways:
            data.transition = way
            if way.execute(data):
                data.result = True
                return True
        return False


class FlowMachine(Machine):
    """A machine of the above."""

    before_state_change: list[Callback]  # type: ignore[assignment]
    state_cls = FlowState
    event_cls = FlowEvent
    transition_cls = FlowTransition
