"""Third step of the layout: x coordinates.

Each box wants to be where its neighbours are. Row by row, the places closest to those wishes (least squares, weighted)
that keep order and distance are found exactly, by pooling adjacent violators. Sweeps down and up let wishes spread;
stand-ins of long edges pull hardest on each other, and are put exactly below each other at last where there is room.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SWEEPS = 40
_STRAIGHTENINGS = 3
_STILL = 0.3
"""Pixels by which nothing moves any more."""


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
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for wish, weight, shift in zip(wishes, weights, shifts, strict=True):
        mean, total, count = wish - shift, weight, 1
        while pools and pools[-1][0] >= mean:
            other, its_total, its_count = pools.pop()
            mean = (mean * total + other * its_total) / (total + its_total)
            total += its_total
            count += its_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
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
        for box, gap in zip(row, (*gaps, 0.0), strict=False):  # a group may be empty
            xs[box] = x
            x += gap
    wishes = _totals(up), _totals(down), _totals([(*above, *below) for above, below in zip(up, down, strict=True)])
    for sweep in range(_SWEEPS):
        found = wishes[2] if sweep >= _SWEEPS // 3 else wishes[sweep % 2]
        order = range(len(rows)) if sweep % 2 == 0 else range(len(rows) - 1, -1, -1)
        moved = max((_settle(rows[number], distances[number], found, xs) for number in order), default=0.0)
        if moved < _STILL and found is wishes[2]:
            break
    return xs


def _totals(pulls: Sequence[Sequence[Pull]]) -> list[tuple[Sequence[Pull], float]]:
    """The pulls of each box, with what they weigh together."""
    return [(each, sum(pull.weight for pull in each)) for each in pulls]


def _settle(
    row: Sequence[int], gaps: Sequence[float], pulls: Sequence[tuple[Sequence[Pull], float]], xs: list[float]
) -> float:
    """Put a row where it wishes to be; how far its boxes moved at most."""
    wishes, weights = [], []
    for box in row:
        each, total = pulls[box]
        wish = 0.0
        for pull in each:
            wish += (xs[pull.other] + pull.offset) * pull.weight
        wishes.append(wish / total if total else xs[box])
        weights.append(total or 0.01)  # who wishes nothing gives way
    places = spread(wishes, weights, gaps) if gaps else wishes
    moved = 0.0
    for box, x in zip(row, places, strict=True):
        moved = max(moved, abs(xs[box] - x))
        xs[box] = x
    return moved


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
