"""Circles in what leads to what: of states that wait for nobody, of flows that call each other."""

from collections.abc import Iterable, Iterator, Mapping


def circles(onward: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """One circle for each group of names that lead to each other, from its first name back to it.

    Takes time in proportion to the number of names and ways (Tarjan's strongly connected components, without
    recursion: a flow may have thousands of states in a row).
    """
    for group in groups(onward):
        first = min(group)
        if len(group) > 1 or first in onward.get(first, ()):
            yield _within(first, group, onward)


def _within(first: str, group: set[str], onward: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest way from a name back to itself inside its group."""
    came: dict[str, str] = {}
    todo = [first]
    for name in todo:
        for target in sorted(onward.get(name, ())):
            if target == first:
                way = [name]
                while way[-1] != first:
                    way.append(came[way[-1]])
                return [*reversed(way), first]
            if target in group and target not in came:
                came[target] = name
                todo.append(target)
    return [first]


def groups(onward: Mapping[str, Iterable[str]]) -> Iterator[set[str]]:
    """Names that lead to each other, Tarjan's way."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for root in onward:
        if root in order:
            continue
        todo: list[tuple[str, Iterator[str]]] = []
        _open(root, onward, order, lowest, path, on_path, todo)
        while todo:
            name, targets = todo[-1]
            for target in targets:
                if target not in order:
                    _open(target, onward, order, lowest, path, on_path, todo)
                    break
                if target in on_path:
                    lowest[name] = min(lowest[name], order[target])
            else:
                todo.pop()
                if todo:
                    caller = todo[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[name])
                if lowest[name] == order[name]:
                    place = path.index(name) if path[-1] != name else len(path) - 1
                    group = set(path[place:])
                    del path[place:]
                    on_path -= group
                    yield group


def _open(
    name: str, onward: Mapping[str, Iterable[str]], order: dict[str, int], lowest: dict[str, int], path: list[str],
    on_path: set[str], todo: list[tuple[str, Iterator[str]]],
) -> None:  # fmt: skip
    order[name] = lowest[name] = len(order)
    path.append(name)
    on_path.add(name)
    todo.append((name, iter(sorted(onward.get(name, ())))))
