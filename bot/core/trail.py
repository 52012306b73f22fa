"""Going back: to which question, and past what.

A run's trail has the questions asked so far, oldest first ("details#month"), and between them the states whose action
has left a receipt ("!lead"). Going back never undoes what such an action did: when one lies on the way, the person is
asked first. The receipt stays as well, so the same action is not run again on the way forward.
"""

from dataclasses import dataclass

from bot.core.cursor import Cursor

DONE = "!"
"""Marks a state in the trail whose action has happened for good."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way back: the question, the trail before it, and the states passed whose actions stay done."""

    place: str
    before: tuple[str, ...]
    passed: tuple[str, ...]


def done_in(trail: tuple[str, ...]) -> tuple[str, ...]:
    """The states of a trail whose actions stay done."""
    return tuple(dict.fromkeys(one.removeprefix(DONE) for one in trail if one.startswith(DONE)))


def way_back(cursor: Cursor) -> Way | None:
    """To the question before this one; None when there is none that can be put again."""
    trail = cursor.trail
    questions = [index for index, one in enumerate(trail) if not one.startswith(DONE)]
    if len(questions) < 2:
        return None
    index = questions[-2]
    state = trail[index].partition("#")[0]
    if state != cursor.state and not cursor.flow.can(f"back:{state}", cursor.state):
        return None
    return Way(trail[index], trail[:index], done_in(trail[index:]))


def take_back(cursor: Cursor, way: Way) -> None:
    """Put an earlier question again; what it had filled is asked for anew."""
    state, _, slot = way.place.partition("#")
    cursor.trail = way.before
    cursor.turn.text = None
    cursor.reask = slot or None
    if state != cursor.state:
        cursor.trigger = f"back:{state}"
        return
    question = cursor.flow.states[state].question
    cursor.stops_timers = cursor.flow.has_timers
    if question is not None:
        question.run(cursor, 0)
