"""A diagram as Mermaid text, for pages that draw it themselves, such as GitHub's and GitLab's."""

import re
from collections.abc import Iterator

from bot.authoring.diagrams.model import START, Diagram, EdgeKind, Node, NodeKind
from bot.authoring.diagrams.scene import ANYWHERE, shared_ways

_SHAPES: dict[NodeKind, tuple[str, str]] = {
    "start": ("((", "))"), "question": ("(", ")"), "action": ("[[", "]]"), "say": ("(", ")"), "wait": ("{{", "}}"),
    "handoff": ("[/", "/]"), "end": ("([", "])"),
}  # fmt: skip
_MARKS: dict[NodeKind, str] = {"handoff": "👤 ", "end": "⚑ "}
_ARROWS: dict[EdgeKind, str] = {"timer": "-.->", "misunderstood": "-.->", "event": "==>"}
_SIGNS: dict[EdgeKind, str] = {"timer": "⏱ ", "error": "⚠ "}
_COLOURS: dict[NodeKind, str] = {
    "start": "#334155", "question": "#2563eb", "action": "#7c3aed", "say": "#64748b", "wait": "#0d9488",
    "handoff": "#d97706", "end": "#15803d",
}  # fmt: skip


def to_mermaid(diagram: Diagram) -> str:
    """Write a diagram as a Mermaid flowchart. Transitions that hold in every flow are left out."""
    return "\n".join(_lines(diagram)) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    names = {name: f"s{place}" for place, name in enumerate((*diagram.nodes, ANYWHERE))}
    ways = shared_ways(diagram)
    yield "flowchart TD"
    yield f"  %% {diagram.flow}, version {diagram.version}, for {', '.join(diagram.roles)}"
    yield from _inside(diagram, "", names, "  ")
    if any(ANYWHERE in way.sources for way in ways):
        yield f'  {names[ANYWHERE]}(["at any time"])'
    red = []
    for place, way in enumerate(ways):
        edge = way.edge
        arrow = _ARROWS.get(edge.kind, "-->")
        label = f'|"{_text(_SIGNS.get(edge.kind, "") + edge.label)}"|' if edge.label else ""
        yield f"  {names[way.sources[0]]} {arrow}{label} {names[edge.dest]}"
        if edge.kind == "error":
            red.append(str(place))
    for kind, colour in _COLOURS.items():
        yield f"  classDef k_{kind} stroke:{colour},stroke-width:1.5px"
    if red:
        yield f"  linkStyle {','.join(red)} stroke:#dc2626,color:#dc2626"


def _inside(diagram: Diagram, group: str, names: dict[str, str], indent: str) -> Iterator[str]:
    for node in diagram.nodes.values():
        if node.parent != group:
            continue
        if node.kind == "group":
            yield f'{indent}subgraph {names[node.name]} ["{_text(node.title)}"]'
            yield from _inside(diagram, node.name, names, indent + "  ")
            yield f"{indent}end"
        else:
            opening, closing = _SHAPES[node.kind]
            yield f'{indent}{names[node.name]}{opening}"{_words(diagram, node)}"{closing}:::k_{node.kind}'


def _words(diagram: Diagram, node: Node) -> str:
    if node.name == START:
        return _text(", ".join(intent.replace("_", " ") for intent in diagram.intents) or "start")
    told = [f"<b>{_text(_MARKS.get(node.kind, '') + node.title)}</b>", _text(node.text)]
    told += [f"<small>{_text(fact.text)}</small>" for fact in node.facts]
    return "<br>".join(filter(None, told))


def _text(text: str) -> str:
    """Text that Mermaid takes for nothing else."""
    return re.sub(r"[\"#;<>&`\\{}|\[\]]", lambda match: f"#{ord(match[0])};", " ".join(text.split()))
