"""Whom a round looks at, of very many."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_One = TypeVar("_One", bound=Hashable)


@dataclass(slots=True)
class Turnabout(Generic[_One]):
    """Everybody who had something to do the last time, and some of the others, in turn.

    So how often the busy are looked at does not depend on how many are idle.

    Attributes:
        some: Of the idle, how many each time.
    """

    some: int
    _busy: set[_One] = field(default_factory=set)
    _seen: dict[_One, None] = field(default_factory=dict)  # the idle, whoever was looked at longest ago first

    def choose(self, everybody: Iterable[_One]) -> list[_One]:
        """Who is looked at now: first the busy, then the idle who have waited longest; new ones before them."""
        present = dict.fromkeys(everybody)
        self._busy &= present.keys()
        waiting = {one: None for one in self._seen if one in present}
        new = {one: None for one in present if one not in waiting and one not in self._busy}
        idle = [one for one in (*new, *waiting) if one not in self._busy][: self.some]
        self._seen = {**new, **waiting}
        for one in idle:
            self._seen.pop(one)
            self._seen[one] = None
        return [*(one for one in present if one in self._busy), *idle]

    def note(self, one: _One, *, busy: bool) -> None:
        """Whether somebody who was looked at had something to do."""
        if busy:
            self._busy.add(one)
        else:
            self._busy.discard(one)
