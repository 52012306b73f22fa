"""Diagrams for tests: of the shipped flows, of one large flow, and random ones."""

from pathlib import Path

from hypothesis import strategies as st
from talking import ROOT, fake_actions, write_content

from bot.authoring.content import Loader
from bot.authoring.diagrams import START, Diagram, Edge, Fact, Node, diagrams_in
from bot.authoring.diagrams.layout import ROOT as OUTSIDE
from bot.authoring.diagrams.layout import Box, Wire
from bot.operations import standard_actions

BIG = Path(__file__).parent / "diagrams"
TEMPLATE = 'name: new_lead\ncategory: UTILITY\nbody: "A lead: {{1}} for {{2}}."\nexamples: [Asha, EBC]\n'


def shipped() -> dict[str, Diagram]:
    return {diagram.flow: diagram for diagram in diagrams_in(Loader(ROOT, standard_actions()))}


def large(folder: Path) -> Diagram:
    """A flow of forty states, some of them nested."""
    write_content(
        folder,
        {
            "flows/customer/booking.yaml": (BIG / "big.yaml").read_text(encoding="utf-8"),
            "templates/en/customer/booking.j2": (BIG / "big.j2").read_text(encoding="utf-8"),
            "templates/whatsapp/new_lead.yaml": TEMPLATE,
            "intents/customer.yaml": "role: [customer, sales]\nintents: {book_trek: {examples: [book a trek]}}\n",
        },
    )
    return diagrams_in(Loader(folder, fake_actions()))[0]


def drawn(folder: Path, flow: str, **blocks: str) -> Diagram:
    """The diagram of a flow given as text."""
    said = "".join(f"{{% block {name} %}}{text}{{% endblock %}}\n" for name, text in blocks.items())
    intents = "role: customer\nintents: {go: {examples: [go]}}\n"
    files = {"flows/customer/some.yaml": flow, "templates/en/customer/some.j2": said, "intents/customer.yaml": intents}
    write_content(folder, {**files, "templates/whatsapp/new_lead.yaml": TEMPLATE})
    return next(one for one in diagrams_in(Loader(folder, fake_actions())) if one.file.endswith("some.yaml"))


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[Box], list[Wire]]:
    """Boxes, some in groups, some of these in others, and wires between any of them."""
    boxes: list[Box] = []
    groups = [OUTSIDE]
    for number in range(draw(st.integers(0, 4))):
        boxes.append(Box(name=f"group{number}", width=60, head=26, group=True, parent=draw(st.sampled_from(groups))))
        groups.append(f"group{number}")
    for number in range(draw(st.integers(1, 24))):
        width, height = draw(st.integers(20, 240)), draw(st.integers(16, 120))
        boxes.append(Box(name=f"box{number}", width=width, height=height, parent=draw(st.sampled_from(groups))))
    names = st.sampled_from([box.name for box in boxes])
    label = st.none() | st.tuples(st.integers(8, 180), st.integers(12, 60))
    wire = st.builds(
        lambda a, b, w, size: Wire(source=a, target=b, weight=w, label=size), names, names, st.integers(1, 4), label
    )
    return boxes, draw(st.lists(wire, max_size=50))


@st.composite
def flows(draw: st.DrawFn) -> Diagram:
    """Diagrams with any words in them."""
    words = st.text(max_size=40)
    nodes = {START: Node(name=START, kind="start")}
    groups = [f"g{number}/" for number in range(draw(st.integers(0, 2)))]
    nodes |= {name: Node(name=name, kind="group") for name in groups}
    kinds = st.sampled_from(["question", "action", "say", "wait", "handoff", "end"])
    for number in range(draw(st.integers(1, 14))):
        parent = draw(st.sampled_from(["", *groups]))
        facts = tuple(
            Fact(kind="note", text=draw(words), role=draw(st.sampled_from(["", "sales"])))
            for _ in range(draw(st.integers(0, 2)))
        )
        name = f"{parent}s{number}"
        nodes[name] = Node(name=name, kind=draw(kinds), parent=parent, text=draw(words), facts=facts)
    states = [name for name, node in nodes.items() if node.kind not in {"start", "group"}]
    edges = {}
    triggers = st.sampled_from(
        ["next", "choice", "timer", "event", "command", "error", "misunderstood", "return", "other"]
    )
    for _ in range(draw(st.integers(0, 30))):
        kind = draw(triggers)
        source, dest = draw(st.sampled_from([START, *states])), draw(st.sampled_from(states))
        edge = Edge(source=source, trigger=f"{kind}:{draw(st.integers(0, 2))}", dest=dest, kind=kind, label=draw(words))
        edges[edge.key] = edge
    return Diagram(flow="any", version=1, roles=("customer",), nodes=nodes, edges=edges, slots={})
