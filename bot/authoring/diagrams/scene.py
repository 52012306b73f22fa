"""Which boxes and lines stand for a diagram, and how large they are, before the layout places them.

So that forty states stay readable, not every transition is a line of its own:

- transitions with the same ends and of the same kind share a line, whose label has a row for each;
- what leads on from (nearly) everywhere begins at one box *at any time*, and from all of a group at the group;
- where many exceptions (timers, errors, misunderstandings) lead to the same state, they stand as rows in the boxes
  they leave from; so do transitions from a state to itself;
- what holds in every flow (back, agent, the end of the ladder) is not drawn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.authoring.diagrams.layout import ROOT, Box, Plan, Wire, arrange
from bot.authoring.diagrams.metrics import cut, width_of, wrap
from bot.authoring.diagrams.model import START, Diagram, Edge, EdgeKind, Fact, Key, Node, NodeKind

ANYWHERE = "(any)"
TITLE, TEXT, SMALL = 13.0, 12.0, 11.0
"""Font sizes of a box's name, of what it says, and of all else."""
ROW = 17.0
TITLE_ROW = 20.0
TEXT_ROW = 16.0
PAD = 11.0
ICON = 16.0
HEAD = 28.0
MIN_WIDTH, MAX_WIDTH = 112.0, 236.0
LABEL_WIDTH = 190.0
_CROWD, _CROWD_OF_MANY, _MANY = 4, 2, 15
"""More exceptions into one state than this are rows instead of lines; fewer suffice in flows of many states."""
_EXCEPTIONS: frozenset[EdgeKind] = frozenset({"timer", "error", "misunderstood", "other"})
_WAITING: frozenset[NodeKind] = frozenset({"question", "wait", "handoff"})
"""Kinds of states that rest; what all of those in a group have in common belongs to the group."""
_MOST = 0.75
"""The part of a flow's states from which "from nearly everywhere" begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A transition that stands as a row in its box: `label → dest`."""

    label: str
    to: str
    kind: EdgeKind
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A box with what is written in it, line by line, cut to its width."""

    node: Node
    width: float
    height: float
    lines: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line between boxes, with the transitions it stands for; `labels` are the rows of its label."""

    source: str
    target: str
    kind: EdgeKind
    keys: tuple[Key, ...]
    labels: tuple[tuple[str, tuple[Key, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A diagram ready to be drawn; `plan.routes` and `plan.labels` are in the order of `lines`."""

    diagram: Diagram
    cards: Mapping[str, Card]
    lines: tuple[Line, ...]
    plan: Plan


@dataclass(slots=True)
class Way:
    """A transition from one or more states, on the way to a line or row."""

    sources: list[str]
    edge: Edge
    keys: list[Key] = field(default_factory=list)


def scene_of(diagram: Diagram) -> Scene:
    """Decide what is drawn, and place it."""
    ways = shared_ways(diagram)
    crowds = _crowds(ways, _CROWD if len(diagram.states) <= _MANY else _CROWD_OF_MANY)
    rows: dict[str, list[Row]] = {}
    drawn: dict[tuple[str, str, EdgeKind], list[Way]] = {}
    for way in ways:
        edge = way.edge
        for source in way.sources:
            if source == edge.dest or (
                edge.dest in crowds and edge.kind in _EXCEPTIONS and source not in {START, ANYWHERE}
            ):
                rows.setdefault(source, []).append(_row(way, source))
            else:
                kind: EdgeKind = "choice" if edge.kind in {"next", "return"} else edge.kind
                drawn.setdefault((source, edge.dest, kind), []).append(way)
    lines = tuple(_line(source, dest, found) for (source, dest, _), found in drawn.items())
    cards = _cards(_with_origins(diagram, rows), rows, any(line.source == ANYWHERE for line in lines))
    boxes = [
        Box(name=name, width=card.width, height=card.height, parent=card.node.parent or ROOT,
            group=card.node.kind == "group", head=HEAD + len(card.rows) * ROW)
        for name, card in cards.items()
    ]  # fmt: skip
    wires = [
        Wire(source=line.source, target=line.target, weight=_weight(line), label=_label_size(line)) for line in lines
    ]
    return Scene(diagram=diagram, cards=cards, lines=lines, plan=arrange(boxes, wires))


# --- Which transitions share what -------------------------------------------------------------------------------------


def shared_ways(diagram: Diagram) -> list[Way]:
    """The transitions an author wrote, each once, from the box that they all leave from."""
    return [one for way in _gathered(diagram) for one in _from_fewer(diagram, way)]


def _gathered(diagram: Diagram) -> list[Way]:
    """Transitions that say the same and lead to the same state, whatever state they come from."""
    ways: dict[tuple[str, str, str, str], Way] = {}
    for edge in diagram.edges.values():
        if edge.implied:
            continue
        own = "" if edge.kind in {"command", "timer", "event", "error", "misunderstood"} else edge.source
        way = ways.setdefault((edge.trigger, edge.label, edge.dest, own), Way([], edge))
        way.sources.append(edge.source)
        way.keys.append(edge.key)
    return list(ways.values())


def _from_fewer(diagram: Diagram, way: Way) -> list[Way]:
    """The same way, from *any time* or from whole groups where it can be."""
    states = [node.name for node in diagram.states]
    if way.edge.kind == "command" and START in way.sources and len(way.sources) > max(2, _MOST * len(states)):
        return [Way([ANYWHERE], way.edge, way.keys)]
    left = list(way.sources)
    found: list[Way] = []
    for group in (node.name for node in diagram.nodes.values() if node.kind == "group"):
        members = [node.name for node in diagram.states if _within(diagram, node, group) and node.kind in _WAITING]
        if len(members) > 1 and set(members) <= set(left) and way.edge.dest not in members:
            keys = [key for key in way.keys if key[0] in members]
            found.append(Way([group], way.edge, keys))
            left = [name for name in left if name not in members]
    found += [Way([name], way.edge, [key for key in way.keys if key[0] == name]) for name in left]
    return found


def _within(diagram: Diagram, node: Node, group: str) -> bool:
    while node.parent:
        if node.parent == group:
            return True
        node = diagram.nodes[node.parent]
    return False


def _crowds(ways: Iterable[Way], limit: int) -> set[str]:
    """The states that so many exceptions lead to that lines would hide the rest."""
    lines = {(source, way.edge.dest, way.edge.kind) for way in ways for source in way.sources}
    count = Counter(dest for source, dest, kind in lines if kind in _EXCEPTIONS and source != dest)
    return {dest for dest, many in count.items() if many > limit}


def _row(way: Way, source: str) -> Row:
    again = way.edge.dest == source
    return Row(
        label=way.edge.label or "then", to="again" if again else way.edge.dest, kind=way.edge.kind, keys=tuple(way.keys)
    )


def _line(source: str, target: str, ways: Sequence[Way]) -> Line:
    labels: dict[str, tuple[Key, ...]] = {}
    for way in ways:
        if way.edge.label:
            labels[way.edge.label] = (*labels.get(way.edge.label, ()), *way.keys)
    keys = tuple(key for way in ways for key in way.keys)
    first = ways[0].edge.kind
    short = tuple((cut(text, LABEL_WIDTH, SMALL, mono=first == "command"), found) for text, found in labels.items())
    return Line(source=source, target=target, kind=first, keys=keys, labels=short)


def _weight(line: Line) -> int:
    return {"next": 4, "choice": 3, "return": 2, "event": 2, "command": 2}.get(line.kind, 1)


def _label_size(line: Line) -> tuple[float, float] | None:
    if not line.labels:
        return None
    mono = line.kind == "command"
    room = ICON if line.kind in {"timer", "error", "misunderstood"} else 0.0
    width = max(width_of(text, SMALL, mono=mono) for text, _ in line.labels)
    return width + room + 8, len(line.labels) * 15.0 + 3


def _with_origins(diagram: Diagram, rows: Mapping[str, Sequence[Row]]) -> Diagram:
    """Where rows instead of lines lead to a state, it says from how many states."""
    count = Counter(row.to for found in rows.values() for row in found if row.to != "again")
    nodes = {
        name: replace(node, facts=(*node.facts, Fact(kind="origins", text=f"from {count[name]} states")))
        if count[name]
        else node
        for name, node in diagram.nodes.items()
    }
    return replace(diagram, nodes=nodes)


# --- Sizes ------------------------------------------------------------------------------------------------------------


def _cards(diagram: Diagram, rows: Mapping[str, Sequence[Row]], anywhere: bool) -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for name, node in diagram.nodes.items():
        if node.kind == "start":
            cards[name] = _start(diagram, node)
            if anywhere:
                text = "at any time"
                at_any_time = Node(name=ANYWHERE, kind="start")
                width = width_of(text, SMALL) + 30
                cards[ANYWHERE] = Card(node=at_any_time, width=width, height=26, lines=(text,))
        elif node.kind == "group":
            own = tuple(rows.get(name, ()))
            texts = [width_of(f"{row.label} → {row.to}", SMALL) + ICON for row in own]
            width = max(width_of(node.title, TEXT, bold=True), *texts, 0.0) + 50
            cards[name] = Card(node=node, width=width, height=0, rows=own)
        else:
            cards[name] = _card(node, rows.get(name, ()))
    return cards


def _start(diagram: Diagram, node: Node) -> Card:
    """The start: what people must want, or write."""
    wanted = [f"wants {intent.replace('_', ' ')}" for intent in diagram.intents]
    wanted += [f"writes “{word}”" for word in diagram.universals]
    wanted += [f"hears of {event}" for event in diagram.events]
    lines = tuple(wanted[:4]) if len(wanted) <= 4 else (*wanted[:3], f"and {len(wanted) - 3} more")
    lines = tuple(cut(line, MAX_WIDTH - 44, SMALL) for line in lines) or ("start",)
    width = max(width_of(line, SMALL) for line in lines) + 44
    return Card(node=node, width=width, height=max(26.0, 15.0 * len(lines) + 11), lines=lines)


def _card(node: Node, rows: Sequence[Row]) -> Card:
    title = width_of(node.title, TITLE, bold=True) + ICON + 8 + (18 if node.kind in {"end", "handoff"} else 0)
    inner = [title, *(width_of(fact.text, SMALL) + ICON + 2 for fact in node.facts)]
    inner += [width_of(f"{row.label} → {row.to}", SMALL) + ICON + 2 for row in rows]
    room = MAX_WIDTH - 2 * PAD
    if node.text:
        inner.append(min(width_of(node.text, TEXT), room * 0.86))
    width = min(max(*inner, MIN_WIDTH - 2 * PAD), max(room, title))
    lines = tuple(wrap(node.text, width, TEXT, 2)) if node.text else ()
    facts = tuple(
        Fact(kind=fact.kind, text=cut(fact.text, width - ICON - 2, SMALL), role=fact.role) for fact in node.facts
    )
    height = 2 * PAD - 4 + TITLE_ROW + len(lines) * TEXT_ROW + len(facts) * ROW
    height += len(rows) * ROW + (9 if rows else 0) + (2 if lines or facts else -2)
    return Card(node=node, width=width + 2 * PAD, height=height, lines=lines, facts=facts, rows=tuple(rows))
