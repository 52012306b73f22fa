"""Flows as pictures: SVG, Mermaid, and a page with all of them.

    for diagram in diagrams_in(Loader(root, actions)):
        svg = to_svg(diagram, marks={("review", "choice:yes", "lead"): "hit", "review": "hit"})

`Diagram.nodes` are by state, `Diagram.edges` by (source, trigger, destination), as in the engine's traces.
"""

from bot.authoring.diagrams.gallery import gallery
from bot.authoring.diagrams.mermaid import to_mermaid
from bot.authoring.diagrams.model import START, Diagram, Edge, Fact, Key, Node
from bot.authoring.diagrams.reading import diagram_of, diagrams_in, words_of
from bot.authoring.diagrams.svg import Marks, stylesheet, to_svg

__all__ = [
    "START", "Diagram", "Edge", "Fact", "Key", "Marks", "Node", "diagram_of", "diagrams_in", "gallery", "stylesheet",
    "to_mermaid", "to_svg", "words_of",
]  # fmt: skip
