"""First step of the layout: which row each box is in.

Circles are cut where a walk from the first box comes back to where it has been; the edge that closes the circle is
turned round for the layout only. Rows are then the longest way from a root, and boxes slide towards the side that pulls
harder, so that edges get shorter.
"""

from collections.abc import Iterable, Sequence

Arc = tuple[int, int, int]
"""From, to, weight."""


def closing_arcs(count: int, arcs: Sequence[Arc]) -> set[int]:
    """The arcs (by place) to turn round so that no circle is left. Walks boxes and arcs in the given order."""
    ways: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for place, (source, target, _) in enumerate(arcs):
        ways[source].append((place, target))
    closing: set[int] = set()
    state = [0] * count  # 0 not met, 1 on the way here, 2 done
    for root in range(count):
        if state[root]:
            continue
        state[root] = 1
        walk = [(root, iter(ways[root]))]
        while walk:
            here, rest = walk[-1]
            for place, target in rest:
                if state[target] == 1:
                    closing.add(place)
                elif state[target] == 0:
                    state[target] = 1
                    walk.append((target, iter(ways[target])))
                    break
            else:
                state[here] = 2
                walk.pop()
    return closing


def rank(count: int, arcs: Sequence[Arc]) -> list[int]:
    """A row for each box, every arc leading to a later row.

    Args:
        count: How many boxes; the first one is on the first row of its component.
        arcs: Without circles.
    """
    before: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    after: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for source, target, weight in arcs:
        before[target].append((source, weight))
        after[source].append((target, weight))
    order = _topological(count, before, after)
    rows = [0] * count
    for box in order:
        rows[box] = max((rows[source] + 1 for source, _ in before[box]), default=0)
    for _ in range(12):
        moved = False
        for box in (*reversed(order), *order):
            row = _pulled(rows, before[box], after[box], rows[box])
            moved |= row != rows[box]
            rows[box] = row
        if not moved:
            break
    return _components_down(rows, before, after)


def _topological(
    count: int, before: Sequence[Sequence[tuple[int, int]]], after: Sequence[Sequence[tuple[int, int]]]
) -> list[int]:
    waiting = [len(sources) for sources in before]
    order = [box for box in range(count) if not waiting[box]]
    for box in order:
        for target, _ in after[box]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    return order


def _pulled(rows: Sequence[int], before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]], row: int) -> int:
    """The row within reach where the edges of a box are shortest."""
    upward, downward = sum(weight for _, weight in before), sum(weight for _, weight in after)
    if before and upward >= downward:
        return max(rows[source] for source, _ in before) + 1
    if after and downward > upward:
        return min(rows[target] for target, _ in after) - 1
    return row


def _components_down(
    rows: list[int], before: Sequence[Iterable[tuple[int, int]]], after: Sequence[Iterable[tuple[int, int]]]
) -> list[int]:
    """Begin at row 0 with the first box's component; those that hang on nothing end on the last row."""
    seen: set[int] = set()
    components: list[list[int]] = []
    for root in range(len(rows)):
        if root in seen:
            continue
        seen.add(root)
        component = [root]
        for box in component:
            for other, _ in (*before[box], *after[box]):
                if other not in seen:
                    seen.add(other)
                    component.append(other)
        components.append(component)
    depth = max((max(rows[b] for b in one) - min(rows[b] for b in one) for one in components), default=0)
    for place, component in enumerate(components):
        low, high = min(rows[box] for box in component), max(rows[box] for box in component)
        shift = -low if place == 0 else depth - high
        for box in component:
            rows[box] += shift
    return rows
