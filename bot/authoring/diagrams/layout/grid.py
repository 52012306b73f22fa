"""One level placed: rows become y, orders become x, joints become points."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bot.authoring.diagrams.layout.levels import Joint, Level, is_port
from bot.authoring.diagrams.layout.model import Point, Rect
from bot.authoring.diagrams.layout.ordering import Net
from bot.authoring.diagrams.layout.placing import Pull, place, spread, straighten

GAP = 17.0
"""Between two rows; steep lines get more. Boxes are two rows apart, with the labels on the row between."""
_BESIDE = {(True, True): 34.0, (True, False): 20.0, (False, True): 20.0, (False, False): 14.0}
"""Between neighbours in a row, by whether each is a box."""
_LOWEST = 40.0
"""How far below the top of its row a box may begin."""
_PORT = 16.0
"""Between the ends of two lines on the side of a box, and from its corners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What has to fit: a box, or a group with its ports (x from the middle, by port)."""

    width: float
    height: float
    ports: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Placed:
    """A level, with its upper left corner at (0, 0). Points and labels are by place in `level.joints`."""

    width: float
    height: float
    boxes: dict[str, Rect]
    points: list[list[Point]]
    labels: list[Rect | None]


class Grid:
    """Places one level.

    Args:
        level: With rows and joints.
        sizes: Of its items; ports have none.
    """

    def __init__(self, level: Level, sizes: Mapping[str, Size]) -> None:
        self.level = level
        self.sizes = sizes
        self.numbers = {item: number for number, item in enumerate(level.items)}
        first = min(level.rows.values(), default=0)
        self.row_of = [2 * (level.rows[item] - first) for item in level.items]
        none = Size(width=0, height=0)
        self.widths = [sizes.get(item, none).width for item in level.items]
        self.heights = [sizes.get(item, none).height for item in level.items]
        self.chains = [self._chain(joint) for joint in level.joints]
        self.label_of = {
            chain[-2 if joint.turned else 1]: number
            for number, (joint, chain) in enumerate(zip(level.joints, self.chains, strict=True))
            if joint.label is not None
        }
        self.rows: list[list[int]] = []
        self.xs: list[float] = []
        self.tops: list[float] = []
        self.bottoms: list[float] = []

    def place(self) -> Placed:
        """Do it."""
        self.rows = self._order()
        self.xs = self._columns()
        ends = self._ends()
        self._stack(ends)
        boxes = {item: self._rect(number) for item, number in self.numbers.items()}
        labels: list[Rect | None] = [None] * len(self.chains)
        for box, number in self.label_of.items():
            labels[number] = self._rect(box)
        points = [list(self._points(chain, ends[number])) for number, chain in enumerate(self.chains)]
        return self._from_corner(boxes, points, labels)

    # --- Rows ---------------------------------------------------------------------------------------------------------

    def _chain(self, joint: Joint) -> list[int]:
        """A joint's boxes: its ends, and a stand-in in every row between; the one near the source takes the label."""
        upper, lower = self.numbers[joint.upper], self.numbers[joint.lower]
        between = range(self.row_of[upper] + 1, self.row_of[lower])
        chain = [upper]
        for row in between:
            chain.append(len(self.row_of))
            self.row_of.append(row)
            named = joint.label is not None and row == (between[-1] if joint.turned else between[0])
            width, height = joint.label if named and joint.label is not None else (0.0, 0.0)
            self.widths.append(width)
            self.heights.append(height)
        return [*chain, lower]

    def _steps(self) -> Iterator[tuple[int, int, int]]:
        """Every step of every chain: joint, upper box, lower box."""
        for number, chain in enumerate(self.chains):
            for upper, lower in pairwise(chain):
                yield number, upper, lower

    def _order(self) -> list[list[int]]:
        down: list[list[int]] = [[] for _ in self.row_of]
        up: list[list[int]] = [[] for _ in self.row_of]
        for _, upper, lower in self._steps():
            down[upper].append(lower)
            up[lower].append(upper)
        rows: list[list[int]] = [[] for _ in range(max(self.row_of, default=0) + 1)]
        seen = [False] * len(self.row_of)
        for root in sorted(range(len(self.row_of)), key=lambda box: self.row_of[box]):
            todo = [root]
            while todo:  # depth first, so that what belongs together begins side by side
                box = todo.pop()
                if not seen[box]:
                    seen[box] = True
                    rows[self.row_of[box]].append(box)
                    todo += reversed(down[box])
        return Net(rows, down, up).arrange()

    # --- Coordinates --------------------------------------------------------------------------------------------------

    def _is_box(self, number: int) -> bool:
        return number < len(self.numbers) and not is_port(self.level.items[number])

    def _offset(self, number: int, joint: Joint) -> float:
        """Where on a group the joint arrives, from its middle."""
        if number >= len(self.numbers):
            return 0.0
        ports = self.sizes[self.level.items[number]].ports if self._is_box(number) else {}
        return next((x for name, x in ports.items() if name.endswith(f" {joint.wire}")), 0.0)

    def _columns(self) -> list[float]:
        up: list[list[Pull]] = [[] for _ in self.row_of]
        down: list[list[Pull]] = [[] for _ in self.row_of]
        for number, upper, lower in self._steps():
            joint = self.level.joints[number]
            shift = self._offset(upper, joint) - self._offset(lower, joint)
            weight = joint.weight * (1.0, 2.0, 8.0)[2 - self._is_box(upper) - self._is_box(lower)]
            up[lower].append(Pull(upper, shift, weight))
            down[upper].append(Pull(lower, -shift, weight))
        distances = [[self._apart(a, b) for a, b in pairwise(row)] for row in self.rows]
        xs = place(self.rows, distances, up, down)
        return straighten([chain[1:-1] for chain in self.chains], self.rows, distances, xs)

    def _apart(self, left: int, right: int) -> float:
        solid = [self._is_box(box) or self.widths[box] > 0 for box in (left, right)]
        return (self.widths[left] + self.widths[right]) / 2 + _BESIDE[solid[0], solid[1]]

    def _ends(self) -> list[list[float]]:
        """For each joint the x at its upper and at its lower end: lines share the side of a box evenly."""
        ends = [[self.xs[chain[0]], self.xs[chain[-1]]] for chain in self.chains]
        for side in (0, 1):
            joints: dict[int, list[int]] = {}
            for number, chain in enumerate(self.chains):
                joints.setdefault(chain[-side], []).append(number)
            for box, numbers in joints.items():
                fixed = box < len(self.numbers) and bool(self.sizes.get(self.level.items[box], _NONE).ports)
                places = (
                    [self.xs[box] + self._offset(box, self.level.joints[number]) for number in numbers]
                    if fixed
                    else self._shared(box, [(self.xs[self.chains[n][-2 if side else 1]], n) for n in numbers])
                )
                for number, x in zip(numbers, places, strict=True):
                    ends[number][side] = x
        return ends

    def _shared(self, box: int, towards: Sequence[tuple[float, int]]) -> list[float]:
        """Where lines towards these x meet the side of a box, in the order given."""
        middle, reach = self.xs[box], max(self.widths[box] / 2 - _PORT, 0.0)
        order = sorted(range(len(towards)), key=lambda one: towards[one])
        step = min(_PORT, 2 * reach / max(len(towards) - 1, 1))
        wishes = [min(max(towards[one][0], middle - reach), middle + reach) for one in order]
        found = spread(wishes, [1.0] * len(wishes), [step] * (len(wishes) - 1))
        places = [0.0] * len(towards)
        for rank, one in enumerate(order):
            least, most = middle - reach + rank * step, middle + reach - (len(order) - 1 - rank) * step
            places[one] = min(max(found[rank], least), most)
        return places

    def _stack(self, ends: Sequence[Sequence[float]]) -> None:
        """The top and bottom of each row; more room where lines lean much."""
        lean = [0.0] * len(self.rows)
        for number, upper, lower in self._steps():
            chain = self.chains[number]
            start = ends[number][0] if upper == chain[0] else self.xs[upper]
            end = ends[number][1] if lower == chain[-1] else self.xs[lower]
            lean[self.row_of[upper]] = max(lean[self.row_of[upper]], abs(end - start))
        y = 0.0
        for number, row in enumerate(self.rows):
            height = max((self.heights[box] for box in row), default=0.0)
            self.tops.append(y)
            self.bottoms.append(y + height)
            y += height + GAP + min(lean[number] * 0.06, 26.0)

    def _rect(self, box: int) -> Rect:
        """In the middle of its row; beside a group at the top, near what leads to it."""
        row = self.row_of[box]
        width, height = self.widths[box], self.heights[box]
        room = self.bottoms[row] - self.tops[row] - height
        return Rect(self.xs[box] - width / 2, self.tops[row] + min(room / 2, _LOWEST), width, height)

    def _points(self, chain: Sequence[int], ends: Sequence[float]) -> Iterator[Point]:
        upper, lower = self._rect(chain[0]), self._rect(chain[-1])
        yield ends[0], upper.y + upper.height
        yield ends[0], self.bottoms[self.row_of[chain[0]]]
        for box in chain[1:-1]:
            top, bottom = self.tops[self.row_of[box]], self.bottoms[self.row_of[box]]
            if box in self.label_of:
                yield self.xs[box], (top + bottom) / 2
            else:
                yield self.xs[box], top
                yield self.xs[box], bottom
        yield ends[1], self.tops[self.row_of[chain[-1]]]
        yield ends[1], lower.y

    def _from_corner(
        self, boxes: Mapping[str, Rect], points: Sequence[Sequence[Point]], labels: Sequence[Rect | None]
    ) -> Placed:
        rects = [*boxes.values(), *(label for label in labels if label is not None)]
        xs = [x for line in points for x, _ in line]
        left = min((*(rect.x for rect in rects), *xs), default=0.0)
        right = max((*(rect.x + rect.width for rect in rects), *xs), default=0.0)
        return Placed(
            width=right - left,
            height=self.bottoms[-1] if self.bottoms else 0.0,
            boxes={item: rect.moved(-left, 0) for item, rect in boxes.items()},
            points=[[(x - left, y) for x, y in line] for line in points],
            labels=[label.moved(-left, 0) if label is not None else None for label in labels],
        )


_NONE = Size(width=0, height=0)
