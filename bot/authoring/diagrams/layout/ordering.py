"""Second step of the layout: the order within each row, so that few lines cross.

Sweeps down and up sort each row by the mean place of the neighbours in the row before (the barycentre); then
neighbours change places as long as that removes crossings. The best order met is kept. Everything is in integers and
stable sorts, so equal input gives equal output.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence

Rows = list[list[int]]
_SWEEPS = 14
_SWITCHES = 4


class Net:
    """Boxes in rows, joined only between neighbouring rows: long edges have a stand-in in every row they pass.

    Args:
        rows: Box numbers by row.
        down: For each box its neighbours in the next row.
        up: For each box its neighbours in the row before.
    """

    def __init__(self, rows: Rows, down: Sequence[Sequence[int]], up: Sequence[Sequence[int]]) -> None:
        self.rows = rows
        self.down = down
        self.up = up
        self.place = [0] * len(down)
        for row in rows:
            self._number(row)

    def arrange(self) -> Rows:
        """Order all rows."""
        best, fewest = self._copy(), self.crossings()
        for sweep in range(_SWEEPS):
            if not fewest:
                break
            self._sweep(downwards=sweep % 2 == 0)
            self._switch()
            found = self.crossings()
            if found < fewest:
                best, fewest = self._copy(), found
        return best

    def crossings(self) -> int:
        """How many pairs of lines cross."""
        return sum(self._crossings_below(row) for row in self.rows)

    def _crossings_below(self, row: Sequence[int]) -> int:
        ends = [end for box in row for end in sorted(self.place[other] for other in self.down[box])]
        met: list[int] = []
        found = 0
        for end in ends:
            found += len(met) - bisect_right(met, end)
            insort(met, end)
        return found

    def _sweep(self, *, downwards: bool) -> None:
        rows = self.rows[1:] if downwards else self.rows[-2::-1]
        neighbours = self.up if downwards else self.down
        for row in rows:
            means = {box: self._mean(neighbours[box], self.place[box]) for box in row}
            row.sort(key=lambda box: means[box])
            self._number(row)

    def _mean(self, neighbours: Sequence[int], otherwise: int) -> float:
        return sum(self.place[one] for one in neighbours) / len(neighbours) if neighbours else float(otherwise)

    def _switch(self) -> None:
        """Let neighbours change places where fewer lines cross afterwards."""
        for _ in range(_SWITCHES):
            better = False
            for row in self.rows:
                for here in range(len(row) - 1):
                    left, right = row[here], row[here + 1]
                    if self._pair(left, right) > self._pair(right, left):
                        row[here], row[here + 1] = right, left
                        self.place[left], self.place[right] = here + 1, here
                        better = True
            if not better:
                return

    def _pair(self, left: int, right: int) -> int:
        """Crossings between the lines of two boxes side by side."""
        found = 0
        for ways in (self.down, self.up):
            ends = [self.place[other] for other in ways[right]]
            found += sum(end < self.place[other] for other in ways[left] for end in ends)
        return found

    def _number(self, row: Sequence[int]) -> None:
        for place, box in enumerate(row):
            self.place[box] = place

    def _copy(self) -> Rows:
        return [list(row) for row in self.rows]
