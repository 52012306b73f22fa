"""What a layout is given, and what it gives back. All lengths are pixels; y grows downwards."""

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]
ROOT = ""
"""The name of the level that is in no group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Something to place. A group's size comes from what is in it; `width` and `head` are the least it needs."""

    name: str
    width: float
    height: float = 0
    parent: str = ROOT
    group: bool = False
    head: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A line between two boxes. Heavier ones are kept shorter and straighter. `label` is the size of its label."""

    source: str
    target: str
    weight: int = 1
    label: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, dx: float, dy: float) -> "Rect":
        """The same, elsewhere."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def overlaps(self, other: "Rect") -> bool:
        """Whether they share any area."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where everything goes.

    Attributes:
        boxes: By name, groups included.
        routes: For each wire, in order, the points from source to target. All go steadily down, or all up; a line
            through them that is vertical at both ends and does not swing out beyond them touches no box.
        labels: For each wire with a label, the place of the label, on the route.
        width: Of the whole, as is `height`.
    """

    boxes: Mapping[str, Rect]
    routes: tuple[tuple[Point, ...], ...]
    labels: tuple[Rect | None, ...]
    width: float
    height: float
