"""Nested boxes, level by level: the inside of each group is a layout of its own.

A line that crosses a group's border becomes one piece outside and one inside, which meet at a *port*. Which side of the
group the port is on follows from the rows of the outer level, so rows are found from the outside in; sizes are found
from the inside out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.authoring.diagrams.layout.model import ROOT, Box, Wire
from bot.authoring.diagrams.layout.ranking import closing_arcs, rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """A piece of a wire within one level, from an upper to a lower item; `turned` when the wire runs upwards.

    `depth` orders the pieces of a wire: below zero towards its source, above zero towards its target.
    """

    wire: int
    upper: str
    lower: str
    turned: bool
    depth: int
    weight: int
    label: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A wire that comes into a level through the top or bottom, from or to `end`."""

    wire: int
    top: bool
    end: str
    leaves: bool
    depth: int
    label: tuple[float, float] | None = None


@dataclass(slots=True)
class Level:
    """What is directly in a group, with its pieces of wire. `rows` are found by `build_levels`."""

    name: str
    items: list[str] = field(default_factory=list)
    wires: list[tuple[int, str, str]] = field(default_factory=list)
    crossings: list[_Crossing] = field(default_factory=list)
    joints: list[Joint] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def port(wire: int, *, top: bool) -> str:
    """The item that stands for a port; no box has such a name."""
    return f"\0{'top' if top else 'bottom'} {wire}"


def is_port(item: str) -> bool:
    """Whether an item of a level is a port."""
    return item.startswith("\0")


def build_levels(boxes: Mapping[str, Box], wires: Sequence[Wire]) -> dict[str, Level]:
    """The levels by the group's name, `ROOT` first, with rows and joints."""
    return _Builder(boxes, wires).build()


class _Builder:
    def __init__(self, boxes: Mapping[str, Box], wires: Sequence[Wire]) -> None:
        self.boxes = boxes
        self.wires = wires
        self.levels = {ROOT: Level(ROOT)} | {name: Level(name) for name, box in boxes.items() if box.group}

    def build(self) -> dict[str, Level]:
        for box in self.boxes.values():
            self.levels[box.parent].items.append(box.name)
        for place, wire in enumerate(self.wires):
            if wire.source != wire.target:
                self._assign(place, wire)
        todo = [ROOT]
        for name in todo:  # grows: groups after the level they are in
            level = self.levels[name]
            self._rank(level)
            todo += [item for item in level.items if item in self.levels]
        return self.levels

    def _way(self, name: str) -> list[str]:
        """A box and the groups around it, outermost (`ROOT`) first."""
        way = [name]
        while way[-1] != ROOT:
            way.append(self.boxes[way[-1]].parent)
        return way[::-1]

    def _item(self, level: str, end: str) -> str:
        """The item of a level that is `end`, or holds it."""
        way = self._way(end)
        return way[way.index(level) + 1]

    def _assign(self, place: int, wire: Wire) -> None:
        """Give a wire to the innermost level that holds both ends."""
        ways = self._way(wire.source), self._way(wire.target)
        common = [one for one, other in zip(*ways, strict=False) if one == other][-1]
        if common == wire.source:  # from a group to what is in it
            crossing = _Crossing(place, top=True, end=wire.target, leaves=False, depth=0, label=wire.label)
            self.levels[common].crossings.append(crossing)
        elif common == wire.target:
            crossing = _Crossing(place, top=False, end=wire.source, leaves=True, depth=0, label=wire.label)
            self.levels[common].crossings.append(crossing)
        else:
            source, target = self._item(common, wire.source), self._item(common, wire.target)
            self.levels[common].wires.append((place, source, target))

    def _rank(self, level: Level) -> None:
        numbers = {item: number for number, item in enumerate(level.items)}
        arcs = [(numbers[a], numbers[b], self.wires[place].weight) for place, a, b in level.wires]
        turned = closing_arcs(len(numbers), arcs)
        straight = [(b, a, w) if place in turned else (a, b, w) for place, (a, b, w) in enumerate(arcs)]
        found = rank(len(numbers), straight)
        level.rows = {item: found[number] for item, number in numbers.items()}
        for number, (place, source, target) in enumerate(level.wires):
            self._join(level, place, source, target, turned=number in turned)
        for crossing in level.crossings:
            self._cross(level, crossing, last=max(found, default=0))

    def _join(self, level: Level, place: int, source: str, target: str, *, turned: bool) -> None:
        wire = self.wires[place]
        upper, lower = (target, source) if turned else (source, target)
        level.joints.append(
            Joint(
                wire=place, upper=upper, lower=lower, turned=turned, depth=0, weight=wire.weight, label=wire.label
            )
        )  # fmt: skip
        self._descend(source, _Crossing(place, top=turned, end=wire.source, leaves=True, depth=-1))
        self._descend(target, _Crossing(place, top=not turned, end=wire.target, leaves=False, depth=1))

    def _descend(self, item: str, crossing: _Crossing) -> None:
        """Carry a wire on into the group that holds its end."""
        if item != crossing.end:
            self.levels[item].crossings.append(crossing)

    def _cross(self, level: Level, crossing: _Crossing, last: int) -> None:
        gate = port(crossing.wire, top=crossing.top)
        level.items.append(gate)
        level.rows[gate] = -1 if crossing.top else last + 1
        item = self._item(level.name, crossing.end)
        upper, lower = (gate, item) if crossing.top else (item, gate)
        level.joints.append(
            Joint(
                wire=crossing.wire, upper=upper, lower=lower, turned=crossing.leaves == crossing.top,
                depth=crossing.depth, weight=self.wires[crossing.wire].weight, label=crossing.label,
            )
        )  # fmt: skip
        deeper = crossing.depth - 1 if crossing.leaves else crossing.depth + 1
        self._descend(item, _Crossing(crossing.wire, crossing.top, crossing.end, crossing.leaves, deeper))
