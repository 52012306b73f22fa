"""Our machines take the ways that the library's own would take, and call the same callbacks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import EventData, Machine, MachineError

from bot.core.machines import FlowMachine

STATES = ("a", "b", "c")
TRIGGERS = ("go", "stay")


class Model:
    """What is moved."""

    def __init__(self) -> None:
        self.state = "a"


def built(kind: type[Machine], ways: list[tuple[str, str, str, bool]], calls: list[Any]) -> Machine:
    """A machine whose callbacks say that they were called."""

    def noting(name: str) -> Any:
        return lambda event: calls.append((name, event.event.name, event.model.state, event.transition.dest))

    def guard(holds: bool) -> Any:
        def asked(event: EventData) -> bool:
            noting("guard")(event)
            return holds

        return asked

    machine = kind(
        model=None, states=[], initial="a", auto_transitions=False, send_event=True, queued=False,
        before_state_change=[noting("change")],
    )  # fmt: skip
    machine.add_states([kind.state_cls(name, on_enter=[noting("enter")], on_exit=[noting("exit")]) for name in STATES])
    for trigger in TRIGGERS:
        machine.add_transition(trigger, "c", "c")  # every trigger is known
    for trigger, source, dest, holds in ways:
        machine.add_transition(trigger, source, dest, conditions=[guard(holds)], before=[noting("before")])
    return machine


ways = st.lists(
    st.tuples(st.sampled_from(TRIGGERS), st.sampled_from(STATES), st.sampled_from(STATES), st.booleans()), max_size=8
)


@given(ways, st.lists(st.sampled_from(TRIGGERS), max_size=6))
def test_they_do_what_the_library_does(ways: list[tuple[str, str, str, bool]], triggers: list[str]) -> None:
    seen: list[list[Any]] = []
    for kind in (Machine, FlowMachine):
        calls: list[Any] = []
        machine, model = built(kind, ways, calls), Model()
        for trigger in triggers:
            try:
                calls.append(machine.events[trigger].trigger(model))
            except MachineError as error:
                calls.append(str(error))
            calls.append(model.state)
        seen.append(calls)
    assert seen[0] == seen[1]


def test_an_error_in_a_callback_comes_out() -> None:
    def breaks(event: EventData) -> None:
        raise ZeroDivisionError

    machine = FlowMachine(model=None, states=["a"], initial="a", auto_transitions=False, send_event=True)
    machine.add_transition("go", "a", "a", before=[breaks])
    with pytest.raises(ZeroDivisionError):
        machine.events["go"].trigger(Model())
