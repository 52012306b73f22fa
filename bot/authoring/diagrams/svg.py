"""A diagram as SVG: one file without scripts, fonts or links, for light and dark screens, readable aloud."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

from bot.authoring.diagrams.layout import Rect
from bot.authoring.diagrams.metrics import width_of
from bot.authoring.diagrams.model import START, Diagram, EdgeKind, Key
from bot.authoring.diagrams.scene import (
    ANYWHERE,
    HEAD,
    ICON,
    PAD,
    ROW,
    SMALL,
    TEXT_ROW,
    TITLE_ROW,
    Card,
    Line,
    Scene,
    scene_of,
)  # fmt: skip
from bot.authoring.diagrams.shapes import TIP, attribute, curve, escaped, icon, number, rectangle, text, tip

Marks = Mapping[Key | str, str]
"""CSS classes for transitions, by key, and for states, by name. The stylesheet knows `hit` and `miss`."""

MARGIN = 24.0
TOP = 62.0
_LEGEND: Mapping[EdgeKind, str] = {
    "choice": "answer or next step", "timer": "after a while", "event": "the business says so",
    "command": "typed command", "error": "action refused", "misunderstood": "not understood", "other": "other",
}  # fmt: skip
_SIGNED: frozenset[EdgeKind] = frozenset({"timer", "error", "misunderstood"})
"""Kinds of lines whose labels begin with an icon."""
_ROLES = ("customer", "field_staff", "sales", "operations", "manager")
_HUES = 8
_RING = 3.5
"""Between the two borders of a state that ends the run."""


def to_svg(diagram: Diagram, *, marks: Marks | None = None, standalone: bool = True) -> str:
    """Draw a diagram.

    Args:
        diagram: The flow.
        marks: CSS classes to add. A line that stands for several transitions has the classes of all of them, each row
            of its label those of its own; of two classes the later in the stylesheet wins (`hit` over `miss`).
        standalone: False leaves out the stylesheet, for pages that have it already (see `stylesheet`).
    """
    return _Painter(scene_of(diagram), marks or {}).paint(standalone=standalone)


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The rules every drawing needs, dark ones included; `data-theme` on the page's root chooses by force."""
    page = files(__package__).joinpath("page")
    rules = page.joinpath("diagram.css").read_text(encoding="utf-8")
    dark = page.joinpath("dark.css").read_text(encoding="utf-8").strip()
    return (
        f"{rules}@media (prefers-color-scheme:dark){{:root:not([data-theme=light]) .fd,svg.fd:root{{{dark}}}}}\n"
        f":root[data-theme=dark] .fd{{{dark}}}"
    )


def hue(role: str) -> str:
    """The CSS class with a role's colour."""
    place = _ROLES.index(role) if role in _ROLES else len(_ROLES) + sum(role.encode()) % (_HUES - len(_ROLES))
    return f"r{place}"


class _Painter:
    def __init__(self, scene: Scene, marks: Marks) -> None:
        self.scene = scene
        self.diagram = scene.diagram
        self.marks = marks
        self.groups = [scene.plan.boxes[name] for name, card in scene.cards.items() if card.node.kind == "group"]

    def paint(self, *, standalone: bool) -> str:
        """The whole drawing."""
        plan, diagram = self.scene.plan, self.diagram
        title, heading = self._heading()
        legend, legend_width, legend_height = self._legend(max(plan.width, 420.0))
        width = max(plan.width, title, legend_width) + 2 * MARGIN
        height = TOP + plan.height + MARGIN + legend_height
        name = f"{diagram.flow}-{diagram.version}".replace("/", "-")
        size = f'width="{number(width)}" height="{number(height)}"'
        box = f'viewBox="0 0 {number(width)} {number(height)}"'
        about = f'role="img" aria-labelledby="t-{name} d-{name}"'
        cards = self.scene.cards.values()
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="fd" {box} {size} {about}>',
            f'<title id="t-{name}">Flow {escaped(diagram.flow)}, version {diagram.version}</title>',
            f'<desc id="d-{name}">{escaped(describe(diagram))}</desc>',
            f"<style>{stylesheet()}</style>" if standalone else "",
            f'<rect class="paper" {size} rx="10"/>',
            f'<g class="heading">{heading}</g>',
            f'<g transform="translate({number((width - plan.width) / 2)} {number(TOP)})">',
            *(self._group(card) for card in cards if card.node.kind == "group"),
            *(self._edge(place, line) for place, line in enumerate(self.scene.lines)),
            *(self._node(card) for card in cards if card.node.kind != "group"),
            *(self._label(place, line) for place, line in enumerate(self.scene.lines)),
            "</g>",
            f'<g class="legend" transform="translate({number(MARGIN)} {number(TOP + plan.height + 20)})">{legend}</g>',
            "</svg>\n",
        ]
        return "\n".join(part for part in parts if part)

    # --- Frame --------------------------------------------------------------------------------------------------------

    def _heading(self) -> tuple[float, str]:
        """How wide name, version and roles are; and these."""
        x = MARGIN + width_of(self.diagram.flow, 19, bold=True) + 8
        version = f"v{self.diagram.version}"
        parts = [text(MARGIN, 36, self.diagram.flow, "flow"), text(x, 35, version)]
        x += width_of(version, SMALL) + 12
        for role in self.diagram.roles:
            words = role.replace("_", " ")
            width = width_of(words, SMALL, bold=True) + 18
            pill = rectangle(Rect(x, 21, width, 20), 10, "pill")
            parts.append(f'<g class="{hue(role)}">{pill}{text(x + 9, 35, words)}</g>')
            x += width + 6
        return x - MARGIN, "".join(parts)

    def _legend(self, room: float) -> tuple[str, float, float]:
        """The kinds of lines that occur, in rows; with width and height."""
        kinds = {line.kind for line in self.scene.lines} | {r.kind for c in self.scene.cards.values() for r in c.rows}
        kinds = {"choice" if kind in {"next", "return"} else kind for kind in kinds}
        parts, x, y, widest = [], 0.0, 0.0, 0.0
        for kind, words in _LEGEND.items():
            if kind not in kinds:
                continue
            width = width_of(words, SMALL) + 56
            if x and x + width > room:
                x, y = 0.0, y + 20
            line = f'<path class="wire" d="M0 0H24"/>{tip((24.0 + TIP, 0.0), "right")}{text(38, 4, words)}'
            parts.append(f'<g class="edge {kind}" transform="translate({number(x)} {number(y)})">{line}</g>')
            x += width
            widest = max(widest, x)
        return "".join(parts), widest, (y + 36 if parts else 12)

    def _marked(self, *names: Key | str) -> str:
        """The classes of a state, or of transitions, with a space in front."""
        found = dict.fromkeys(self.marks[name] for name in names if name in self.marks)
        return "".join(f" {escaped(one)}" for one in found)

    # --- Boxes --------------------------------------------------------------------------------------------------------

    def _group(self, card: Card) -> str:
        rect = self.scene.plan.boxes[card.node.name]
        rows = "".join(self._rows(card, rect, rect.y + HEAD - 1))
        title = text(rect.x + 14, rect.y + 20, card.node.title)
        return f'<g class="group"{attribute("data-group", card.node.name)}>{rectangle(rect, 12)}{title}{rows}</g>'

    def _node(self, card: Card) -> str:
        node, rect = card.node, self.scene.plan.boxes[card.node.name]
        if node.kind == "start":
            return self._start(card, rect)
        x, y = rect.x + PAD, rect.y + PAD - 2
        ring = Rect(rect.x - _RING, rect.y - _RING, rect.width + 2 * _RING, rect.height + 2 * _RING)
        parts = [
            f'<g class="node {node.kind}{self._marked(node.name)}" data-state="{escaped(node.name)}">',
            f"<title>{escaped(_spoken(card))}</title>",
            rectangle(ring, 12, "ring") if node.kind == "end" else "",
            rectangle(rect, 9, "base"),
            rectangle(rect, 9, "face"),
            f'<circle class="chip" cx="{number(x + 7)}" cy="{number(y + 9)}" r="9"/>{icon(node.kind, x, y + 2)}',
            text(x + ICON + 7, y + 13.5, node.title, "name"),
        ]
        y += TITLE_ROW + 2
        for line in card.lines:
            parts.append(text(x, y + 12, line, "words"))
            y += TEXT_ROW
        for fact in card.facts:
            inside = icon(fact.kind, x, y + 2, "icon") + text(x + ICON + 2, y + 12.5, fact.text)
            parts.append(f"<g{attribute('class', hue(fact.role) if fact.role else '')}>{inside}</g>")
            y += ROW
        if card.rows:
            parts.append(f'<path class="rule" d="M{number(x)} {number(y + 5.5)}H{number(rect.x + rect.width - PAD)}"/>')
        return "".join([*parts, *self._rows(card, rect, y + 9), "</g>"])

    def _rows(self, card: Card, rect: Rect, y: float) -> Iterator[str]:
        """Transitions that stand in their box."""
        x = rect.x + PAD
        for row in card.rows:
            inside = icon(row.kind, x, y + 2, "icon") + text(x + ICON + 2, y + 12.5, f"{row.label} → {row.to}")
            yield f'<g class="row {row.kind}{self._marked(*row.keys)}"{_edges(row.keys)}>{inside}</g>'
            y += ROW

    def _start(self, card: Card, rect: Rect) -> str:
        middle = rect.y + rect.height / 2
        if card.node.name == ANYWHERE:
            words = (
                f'<g transform="translate({number(rect.x + 15)} {number(middle + 4)})">{text(0, 0, card.lines[0])}</g>'
            )
            return f'<g class="anytime">{rectangle(rect, 13)}{words}</g>'
        dot = f'cx="{number(rect.x + 17)}" cy="{number(middle)}"'
        top = middle - len(card.lines) * 7.5
        lines = "".join(text(rect.x + 30, top + 11.2 + 15 * place, line) for place, line in enumerate(card.lines))
        inside = f'{rectangle(rect, 13)}<circle {dot} r="6"/><circle {dot} r="2.6"/>{lines}'
        return f'<g class="start" data-state="{escaped(START)}">{inside}</g>'

    # --- Lines --------------------------------------------------------------------------------------------------------

    def _edge(self, place: int, line: Line) -> str:
        route = self.scene.plan.routes[place]
        if len(route) < 2:
            return ""
        down = route[-1][1] > route[0][1]
        target = self.scene.cards.get(line.target)
        ring = _RING if target is not None and target.node.kind == "end" else 0.0
        x, y = route[-1][0], route[-1][1] + (-ring if down else ring)
        path = curve([*route[:-1], (x, y + (1 - TIP if down else TIP - 1))])
        head = tip((x, y), "down" if down else "up")
        shade = f"edge {line.kind}{self._marked(*line.keys)}"
        return f'<g class="{shade}"{_edges(line.keys)}><path class="wire" d="{path}"/>{head}</g>'

    def _label(self, place: int, line: Line) -> str:
        rect = self.scene.plan.labels[place]
        if rect is None:
            return ""
        inside = " inside" if any(group.overlaps(rect) for group in self.groups) else ""
        parts = [f'<g class="label {line.kind}{inside}">{rectangle(rect, 5)}']
        x = rect.x + 4
        if line.kind in _SIGNED:
            parts.append(icon(line.kind, rect.x + 3, rect.y + 2.5, "icon"))
            x += ICON
        mono = "mono" if line.kind == "command" else ""
        for row, (words, keys) in enumerate(line.labels):
            parts.append(text(x, rect.y + 13 + 15 * row, words, f"{mono}{self._marked(*keys)}".strip()))
        return "".join([*parts, "</g>"])


def _edges(keys: Sequence[Key]) -> str:
    """The transitions a shape stands for, for scripts and tests."""
    return attribute("data-edges", " ".join("|".join(key).replace(" ", "_") for key in keys))


def _spoken(card: Card) -> str:
    """A box for those who hear it, and as a tool tip: nothing is cut."""
    node = card.node
    told = [f"{node.title} ({node.kind})", node.text, *(fact.text for fact in node.facts)]
    return "\n".join(filter(None, (*told, *(f"{row.label} → {row.to}" for row in card.rows))))


def describe(diagram: Diagram) -> str:
    """The flow in sentences: every state, and where it leads."""
    told = []
    for node in diagram.nodes.values():
        ways = [edge for edge in diagram.edges.values() if edge.source == node.name and not edge.implied]
        if node.kind == "group" or (not ways and node.kind == "start"):
            continue
        name = "The start" if node.kind == "start" else f"State {node.name} ({node.kind})"
        leads = "; ".join(f"{edge.label or 'then'}: {edge.dest}" for edge in ways)
        told.append(f"{name} leads to {leads}." if leads else f"{name}.")
    return " ".join(told)
