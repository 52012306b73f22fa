"""What a business object may become, and when: one mechanism for leads, quotes, bookings and all the others.

Each kind of object has one `Lifecycle`, a table of named changes compiled to a `transitions` machine that all objects
of the kind share. A service reads the row's status under a lock, asks what the change leads to, and writes it in the
same statement as the rest. A change that is not in the table is refused with the reason; nothing else writes a status.
docs/business.md draws each of them, and a test compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from transitions import Machine, MachineError

from bot.core.errors import ActionError


class _Status:
    """What the shared machine moves: one object's status, for one question."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


@dataclass(frozen=True, slots=True)
class Change:
    """A named change: from any of `sources` to `target`. `done` completes "A quote that is X cannot be …"."""

    sources: tuple[str, ...]
    target: str
    done: str


class Lifecycle:
    """The statuses of one kind of object and the changes between them.

    Args:
        thing: What the object is called, with its article: "a quote".
        first: The status it begins with.
        changes: By name.
        code: Of the refusal, for flows to match.
    """

    def __init__(self, thing: str, first: str, changes: Mapping[str, Change], *, code: str = "wrong_status") -> None:
        self.thing = thing
        self.first = first
        self.changes = dict(changes)
        self.code = code
        seen = [first, *(s for change in changes.values() for s in (*change.sources, change.target))]
        self.statuses = tuple(dict.fromkeys(seen))
        # As for flows: one machine without a model, driven with throw-away objects (`add_model` costs milliseconds).
        self._machine = Machine(
            model=None, states=list(self.statuses), initial=first, auto_transitions=False, send_event=True, queued=False
        )
        for name, change in self.changes.items():
            self._machine.add_transition(name, list(change.sources), change.target)

    def after(self, name: str, status: str) -> str:
        """The status that a change leads to.

        Raises:
            ActionError: With `code`: an object in this status cannot be changed so.
        """
        moved = _Status(status)
        try:
            self._machine.events[name].trigger(moved)
        except MachineError:
            done = self.changes[name].done
            raise ActionError(self.code, f"{self.thing} that is {words(status)} cannot be {done}.") from None
        return moved.state

    def allows(self, name: str, status: str) -> bool:
        """Whether an object in this status can be changed so."""
        return status in self.changes[name].sources

    def mermaid(self) -> str:
        """The diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.first}"]
        lines += [
            f"    {source} --> {change.target}: {name}"
            for name, change in self.changes.items()
            for source in change.sources
        ]
        sources = {source for change in self.changes.values() for source in change.sources}
        lines += [f"    {status} --> [*]" for status in self.statuses if status not in sources]
        return "\n".join(lines)


def words(status: str) -> str:
    """A status as people read it."""
    return status.lower().replace("_", " ")
