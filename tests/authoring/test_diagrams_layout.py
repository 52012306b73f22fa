"""The layout: whatever it is given, nothing lies on anything else, and nothing is lost."""

import time
from itertools import combinations, pairwise

import pytest
from drawing import layouts
from hypothesis import HealthCheck, given, settings

from bot.authoring.diagrams.layout import ROOT, Box, Plan, Rect, Wire, arrange
from bot.authoring.diagrams.layout.ordering import Net
from bot.authoring.diagrams.layout.placing import spread
from bot.authoring.diagrams.layout.ranking import closing_arcs, rank

ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def around(name: str, boxes: dict[str, Box]) -> list[str]:
    """The groups a box is in."""
    found = []
    while boxes[name].parent != ROOT:
        name = boxes[name].parent
        found.append(name)
    return found


def shrunk(rect: Rect) -> Rect:
    return Rect(rect.x + 0.05, rect.y + 0.05, rect.width - 0.1, rect.height - 0.1)


@ANY
@given(layouts())
def test_boxes_and_labels_never_overlap(drawn: tuple[list[Box], list[Wire]]) -> None:
    boxes, wires = drawn
    by_name = {box.name: box for box in boxes}
    plan = arrange(boxes, wires)
    for one, other in combinations(boxes, 2):
        if one.name not in around(other.name, by_name) and other.name not in around(one.name, by_name):
            assert not shrunk(plan.boxes[one.name]).overlaps(shrunk(plan.boxes[other.name])), (one, other)
    labels = [label for label in plan.labels if label is not None]
    leaves = [plan.boxes[box.name] for box in boxes if not box.group]
    assert not any(shrunk(one).overlaps(shrunk(other)) for one, other in combinations(labels, 2))
    assert not any(shrunk(label).overlaps(shrunk(box)) for label in labels for box in leaves)


@ANY
@given(layouts())
def test_groups_hold_what_is_in_them_and_all_is_on_the_sheet(drawn: tuple[list[Box], list[Wire]]) -> None:
    boxes, wires = drawn
    plan = arrange(boxes, wires)
    sheet = Rect(0, 0, plan.width, plan.height)
    for box in boxes:
        outer = plan.boxes[box.parent] if box.parent != ROOT else sheet
        head = next((one.head for one in boxes if one.name == box.parent), 0)
        assert holds(outer, plan.boxes[box.name], head), box
        assert box.group or (plan.boxes[box.name].width, plan.boxes[box.name].height) == (box.width, box.height)
    assert all(holds(sheet, label) for label in plan.labels if label is not None)


def holds(outer: Rect, inner: Rect, head: float = 0) -> bool:
    return (
        inner.x >= outer.x - 0.1
        and inner.y >= outer.y + head - 0.1
        and inner.x + inner.width <= outer.x + outer.width + 0.1
        and inner.y + inner.height <= outer.y + outer.height + 0.1
    )


@ANY
@given(layouts())
def test_every_wire_goes_from_its_source_to_its_target_past_all_boxes(drawn: tuple[list[Box], list[Wire]]) -> None:
    boxes, wires = drawn
    plan = arrange(boxes, wires)
    leaves = {box.name: shrunk(plan.boxes[box.name]) for box in boxes if not box.group}
    for wire, route, label in zip(wires, plan.routes, plan.labels, strict=True):
        if wire.source == wire.target:
            assert route == ()
            continue
        assert on_border(route[0], plan.boxes[wire.source]), wire
        assert on_border(route[-1], plan.boxes[wire.target]), wire
        steps = [b[1] - a[1] for a, b in pairwise(route)]
        assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps), "all down or all up"
        for (x, y), (to_x, to_y) in pairwise(route):
            swept = Rect(min(x, to_x), min(y, to_y), abs(to_x - x), abs(to_y - y))
            assert not [name for name, box in leaves.items() if box.overlaps(swept)], wire
        assert (label is None) == (wire.label is None)
        assert label is None or any(holds(label, Rect(x, y, 0, 0)) for x, y in route)


def on_border(point: tuple[float, float], rect: Rect) -> bool:
    x, y = point
    return rect.x - 0.1 <= x <= rect.x + rect.width + 0.1 and min(abs(y - rect.y), abs(y - rect.y - rect.height)) < 0.1


@ANY
@given(layouts())
def test_equal_input_gives_equal_output(drawn: tuple[list[Box], list[Wire]]) -> None:
    assert arrange(*drawn) == arrange(*drawn)


def chain(*names: str) -> Plan:
    boxes = [Box(name=name, width=80, height=40) for name in dict.fromkeys(names)]
    return arrange(boxes, [Wire(source=a, target=b) for a, b in pairwise(names)])


def test_a_flow_reads_downwards_and_ways_back_go_up() -> None:
    plan = chain("a", "b", "c", "b")
    assert plan.boxes["a"].y < plan.boxes["b"].y < plan.boxes["c"].y
    assert plan.routes[2][0][1] > plan.routes[2][-1][1]


def test_a_chain_is_a_straight_line() -> None:
    plan = chain("a", "b", "c")
    assert len({rect.x for rect in plan.boxes.values()}) == 1
    assert all(len({x for x, _ in route}) == 1 for route in plan.routes)


def test_lines_are_sorted_so_that_none_cross() -> None:
    net = Net([[0, 1], [2, 3]], down=[[3], [2], [], []], up=[[], [], [1], [0]])
    assert net.crossings() == 1
    net.rows = net.arrange()
    assert net.rows == [[1, 0], [2, 3]] or net.rows == [[0, 1], [3, 2]]


def test_ranks_follow_the_arcs_and_circles_are_cut() -> None:
    arcs = [(0, 1, 1), (1, 2, 1), (2, 0, 1), (0, 3, 1)]
    assert closing_arcs(4, arcs) == {2}
    assert rank(4, [arc for place, arc in enumerate(arcs) if place != 2]) == [0, 1, 2, 1]


def test_places_are_as_near_to_the_wishes_as_the_distances_allow() -> None:
    assert spread([0, 0], [1, 1], [10]) == [-5, 5]
    assert spread([0, 100], [1, 1], [10]) == [0, 100]
    assert spread([0, 0], [1, 9], [10]) == pytest.approx([-9, 1])


def test_a_large_layout_takes_no_time_worth_mentioning() -> None:
    """200 boxes in a few seconds on any machine; 40 in a tenth of one."""
    boxes = [Box(name=str(number), width=160, height=70) for number in range(200)]
    wires = [Wire(source=str(n), target=str(min(199, n + 1 + n % 3)), label=(60, 18)) for n in range(199)]
    wires += [Wire(source=str(n), target=str(n // 2)) for n in range(0, 200, 7)]
    began = time.process_time()
    arrange(boxes, wires)
    assert time.process_time() - began < 10
