"""A layered layout in pure Python: boxes, possibly nested, and lines with labels, none of them on top of each other.

The steps are Sugiyama's: cut circles and find rows (`ranking`), order each row (`ordering`), find x (`placing`).
`levels` takes nested boxes apart, `grid` puts one level together. Labels have rows of their own between the boxes,
which is why they never overlap anything. Equal input gives equal output.
"""

from collections.abc import Sequence

from bot.authoring.diagrams.layout.grid import Grid, Placed, Size
from bot.authoring.diagrams.layout.levels import Level, build_levels, is_port
from bot.authoring.diagrams.layout.model import ROOT, Box, Plan, Point, Rect, Wire

__all__ = ["ROOT", "Box", "Plan", "Point", "Rect", "Wire", "arrange"]

PADDING = 18.0
"""Between a group's border and what is in it."""


def arrange(boxes: Sequence[Box], wires: Sequence[Wire]) -> Plan:
    """Place boxes and draw wires.

    Args:
        boxes: The first is where reading begins. Groups come before what is in them.
        wires: Between boxes or groups; from a box to itself is not drawn.
    """
    by_name = {box.name: box for box in boxes}
    levels = build_levels(by_name, wires)
    placed: dict[str, Placed] = {}
    sizes: dict[str, Size] = {box.name: Size(width=box.width, height=box.height) for box in boxes if not box.group}
    for name in reversed(_outside_in(levels)):
        placed[name] = Grid(levels[name], sizes).place()
        if name != ROOT:
            sizes[name] = _frame(by_name[name], placed[name])
    return _Collector(levels, placed, len(wires)).collect()


def _outside_in(levels: dict[str, Level]) -> list[str]:
    order = [ROOT]
    for name in order:
        order += [item for item in levels[name].items if item in levels]
    return order


def _frame(box: Box, inside: Placed) -> Size:
    """A group around its level; moves the level to its place in the group."""
    width = max(inside.width + 2 * PADDING, box.width)
    dx, dy = (width - inside.width) / 2, box.head + PADDING
    height = dy + inside.height + PADDING
    inside.boxes = {name: rect.moved(dx, dy) for name, rect in inside.boxes.items()}
    inside.points = [[(x + dx, y + dy) for x, y in line] for line in inside.points]
    inside.labels = [label.moved(dx, dy) if label is not None else None for label in inside.labels]
    inside.width, inside.height = width, height
    ports = {name: rect.x - width / 2 for name, rect in inside.boxes.items() if is_port(name)}
    return Size(width=width, height=height, ports=ports)


class _Collector:
    """Puts the levels' places into one picture."""

    def __init__(self, levels: dict[str, Level], placed: dict[str, Placed], wires: int) -> None:
        self.levels = levels
        self.placed = placed
        self.boxes: dict[str, Rect] = {}
        self.pieces: list[list[tuple[int, list[Point]]]] = [[] for _ in range(wires)]
        self.labels: list[Rect | None] = [None] * wires

    def collect(self) -> Plan:
        self._level(ROOT, 0.0, 0.0)
        whole = self.placed[ROOT]
        routes = [
            _without_repeats([point for _, line in sorted(pieces, key=lambda piece: piece[0]) for point in line])
            for pieces in self.pieces
        ]
        return Plan(
            boxes=self.boxes, routes=tuple(routes), labels=tuple(self.labels), width=whole.width, height=whole.height
        )

    def _level(self, name: str, dx: float, dy: float) -> None:
        level, placed = self.levels[name], self.placed[name]
        for joint, points, label in zip(level.joints, placed.points, placed.labels, strict=True):
            line = [(x + dx, y + dy) for x, y in points]
            if is_port(joint.upper):
                line.insert(0, (line[0][0], dy))
            if is_port(joint.lower):
                line.append((line[-1][0], dy + placed.height))
            self.pieces[joint.wire].append((joint.depth, line[::-1] if joint.turned else line))
            if label is not None:
                self.labels[joint.wire] = label.moved(dx, dy)
        for item, rect in placed.boxes.items():
            if not is_port(item):
                self.boxes[item] = rect.moved(dx, dy)
                if item in self.levels:
                    self._level(item, dx + rect.x, dy + rect.y)


def _without_repeats(line: Sequence[Point]) -> tuple[Point, ...]:
    """The points, each where the last one was not."""
    kept: list[Point] = []
    for point in line:
        if not kept or abs(point[0] - kept[-1][0]) > 0.01 or abs(point[1] - kept[-1][1]) > 0.01:
            kept.append(point)
    return tuple(kept)
