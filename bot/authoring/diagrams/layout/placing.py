"""Third step of the layout: x coordinates.

Each box wants to be where its neighbours are. Row by row, the places closest to those wishes (least squares, weighted)
that keep order and distance are found exactly, by pooling adjacent violators. Sweeps down and up let wishes spread;
stand-ins of long edges pull hardest on each other, and are put exactly below each other at last where there is room.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SWEEPS = 40
_STRAIGHTENINGS = 3


@dataclass(frozen=True, slots=True)
class Pull:
    """A wish: to be `offset` right of box `other`."""

    other: int
    offset: float
    weight: float


def spread(wishes: Sequence[float], weights: Sequence[float], distances: Sequence[float]) -> list[float]:
    """Places in order, `distances[i]` or more between i and i+1, nearest to the wishes by weighted least squares."""
    shifts = [0.0]
    for distance in distances:
        shifts.append(shifts[-1] + distance)
    pools: list[list[float]] = []  # mean, weight, how many
    for wish, weight, shift in zip(wishes, weights, shifts, strict=True):
        mean, total, count = wish - shift, weight, 1.0
        while pools and pools[-1][0] >= mean:
            before = pools.pop()
            mean = (mean * total + before[0] * before[1]) / (total + before[1])
            total += before[1]
            count += before[2]
        pools.append([mean, total, count])
    means = [mean for mean, _, count in pools for _ in range(int(count))]
    return [mean + shift for mean, shift in zip(means, shifts, strict=True)]


def place(
    rows: Sequence[Sequence[int]],
    distances: Sequence[Sequence[float]],
    up: Sequence[Sequence[Pull]],
    down: Sequence[Sequence[Pull]],
) -> list[float]:
    """The x of every box's middle.

    Args:
        rows: Box numbers, in order.
        distances: For each row, between the middles of neighbours, at least.
        up: For each box, its wishes about boxes in the row before.
        down: The same, about the next row.
    """
    xs = [0.0] * len(up)
    for row, gaps in zip(rows, distances, strict=True):
        x = -sum(gaps) / 2
        for box, gap in zip(row, (*gaps, 0.0), strict=True):
            xs[box] = x
            x += gap
    both = [(*above, *below) for above, below in zip(up, down, strict=True)]
    for sweep in range(_SWEEPS):
        pulls = both if sweep >= _SWEEPS // 3 else up if sweep % 2 == 0 else down
        order = range(len(rows)) if sweep % 2 == 0 else range(len(rows) - 1, -1, -1)
        for number in order:
            _settle(rows[number], distances[number], pulls, xs)
    return xs


def _settle(row: Sequence[int], gaps: Sequence[float], pulls: Sequence[Sequence[Pull]], xs: list[float]) -> None:
    wishes, weights = [], []
    for box in row:
        total = sum(pull.weight for pull in pulls[box])
        wish = sum((xs[pull.other] + pull.offset) * pull.weight for pull in pulls[box])
        wishes.append(wish / total if total else xs[box])
        weights.append(total or 0.01)  # who wishes nothing gives way
    for box, x in zip(row, spread(wishes, weights, gaps), strict=True):
        xs[box] = x


def straighten(
    chains: Sequence[Sequence[int]],
    rows: Sequence[Sequence[int]],
    distances: Sequence[Sequence[float]],
    xs: list[float],
) -> list[float]:
    """Put the stand-ins of each long edge below each other, in as few pieces as their neighbours allow."""
    reach: dict[int, tuple[int, int, int]] = {}
    for number, row in enumerate(rows):
        for spot, box in enumerate(row):
            reach[box] = (number, spot, len(row))

    def room(box: int) -> tuple[float, float]:
        number, spot, many = reach[box]
        row, gaps = rows[number], distances[number]
        low = xs[row[spot - 1]] + gaps[spot - 1] if spot else -1e9
        high = xs[row[spot + 1]] - gaps[spot] if spot < many - 1 else 1e9
        return low, high

    for _ in range(_STRAIGHTENINGS):
        for chain in chains:
            piece: list[int] = []
            low, high = -1e9, 1e9
            for box in (*chain, -1):
                least, most = room(box) if box >= 0 else (1e9, -1e9)
                if max(low, least) > min(high, most):
                    _align(piece, low, high, xs)
                    piece, low, high = [], -1e9, 1e9
                piece.append(box)
                low, high = max(low, least), min(high, most)
    return xs


def _align(piece: Sequence[int], low: float, high: float, xs: list[float]) -> None:
    if len(piece) > 1:
        x = min(max(sum(xs[box] for box in piece) / len(piece), low), high)
        for box in piece:
            xs[box] = x
