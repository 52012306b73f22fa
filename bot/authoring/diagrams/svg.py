"""A diagram as SVG: one file without scripts, fonts or links, for light and dark screens, readable aloud."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files

from bot.authoring.diagrams.icons import ICONS, PERSON
from bot.authoring.diagrams.layout import Point, Rect
from bot.authoring.diagrams.metrics import width_of
from bot.authoring.diagrams.model import START, Diagram, EdgeKind, Key
from bot.authoring.diagrams.scene import (
    ANYWHERE, HEAD, ICON, PAD, ROW, SMALL, TEXT_ROW, TITLE_ROW, Card, Line, Scene, scene_of,
)  # fmt: skip

Marks = Mapping[Key | str, str]
"""CSS classes for transitions, by key, and for states, by name. The stylesheet knows `hit` and `miss`."""

MARGIN = 24.0
TOP = 62.0
_LEGEND: Mapping[EdgeKind, str] = {
    "choice": "answer or next step", "timer": "after a while", "event": "the business says so",
    "command": "typed command", "error": "action refused", "misunderstood": "not understood", "other": "other",
}  # fmt: skip
_ROLES = ("customer", "field_staff", "sales", "operations", "manager")
_HUES = 8
_TIP = 7.0


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
    here = files(__package__).joinpath("page")
    rules = here.joinpath("diagram.css").read_text(encoding="utf-8")
    dark = here.joinpath("dark.css").read_text(encoding="utf-8").strip()
    return (
        f"{rules}@media (prefers-color-scheme:dark){{:root:not([data-theme=light]) .fd,svg.fd:root{{{dark}}}}}\n"
        f":root[data-theme=dark] .fd{{{dark}}}"
    )


def hue(role: str) -> str:
    """The CSS class with a role's colour."""
    place = _ROLES.index(role) if role in _ROLES else len(_ROLES) + sum(role.encode()) % (_HUES - len(_ROLES))
    return f"r{place}"


def number(value: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")


class _Painter:
    def __init__(self, scene: Scene, marks: Marks) -> None:
        self.scene = scene
        self.diagram = scene.diagram
        self.marks = marks
        self._groups = [name for name, card in scene.cards.items() if card.node.kind == "group"]

    def paint(self, *, standalone: bool) -> str:
        """The whole drawing."""
        plan = self.scene.plan
        title, pills = self._heading()
        legend, legend_width, legend_height = self._legend(max(plan.width, 420.0))
        width = max(plan.width, title, legend_width) + 2 * MARGIN
        height = TOP + plan.height + MARGIN + legend_height
        shift = (width - plan.width) / 2
        name = f"{self.diagram.flow}-{self.diagram.version}".replace("/", "-")
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="fd" viewBox="0 0 {number(width)} {number(height)}" '
            f'width="{number(width)}" height="{number(height)}" role="img" aria-labelledby="t-{name} d-{name}">',
            f'<title id="t-{name}">Flow {escape(self.diagram.flow)}, version {self.diagram.version}</title>',
            f'<desc id="d-{name}">{escape(describe(self.diagram))}</desc>',
            f"<style>{stylesheet()}</style>" if standalone else "",
            f'<rect class="paper" width="{number(width)}" height="{number(height)}" rx="10"/>',
            f'<g class="heading">{"".join(pills)}</g>',
            f'<g transform="translate({number(shift)} {number(TOP)})">',
            *(self._group(card) for card in self.scene.cards.values() if card.node.kind == "group"),
            *(self._edge(place, line) for place, line in enumerate(self.scene.lines)),
            *(self._node(card) for card in self.scene.cards.values() if card.node.kind != "group"),
            *(self._label(place, line) for place, line in enumerate(self.scene.lines)),
            "</g>",
            f'<g class="legend" transform="translate({number(MARGIN)} {number(TOP + plan.height + 20)})">{legend}</g>',
            "</svg>\n",
        ]
        return "\n".join(part for part in parts if part)

    # --- Frame --------------------------------------------------------------------------------------------------------

    def _heading(self) -> tuple[float, list[str]]:
        """Name, version and roles; and how wide they are."""
        x = MARGIN + width_of(self.diagram.flow, 19, bold=True) + 8
        parts = [
            f'<text class="flow" x="{number(MARGIN)}" y="36">{escape(self.diagram.flow)}</text>',
            f'<text x="{number(x)}" y="35">v{self.diagram.version}</text>',
        ]
        x += width_of(f"v{self.diagram.version}", SMALL) + 12
        for role in self.diagram.roles:
            text = role.replace("_", " ")
            width = width_of(text, SMALL, bold=True) + 18
            parts.append(
                f'<g class="{hue(role)}"><rect class="pill" x="{number(x)}" y="21" width="{number(width)}" height="20" '
                f'rx="10"/><text x="{number(x + 9)}" y="35">{escape(text)}</text></g>'
            )
            x += width + 6
        return x - MARGIN, parts

    def _legend(self, room: float) -> tuple[str, float, float]:
        """The kinds of lines that occur, in rows; with width and height."""
        kinds = {line.kind for line in self.scene.lines} | {r.kind for c in self.scene.cards.values() for r in c.rows}
        kinds = {"choice" if kind in {"next", "return"} else kind for kind in kinds}
        parts, x, y, widest = [], 0.0, 0.0, 0.0
        for kind, text in _LEGEND.items():
            if kind not in kinds:
                continue
            width = width_of(text, SMALL) + 56
            if x and x + width > room:
                x, y = 0.0, y + 20
            parts.append(
                f'<g class="edge {kind}" transform="translate({number(x)} {number(y)})"><path class="wire" d="M0 0H24"/>'
                f'{_tip((24.0, 0.0), "right")}<text x="36" y="4">{text}</text></g>'
            )
            x += width
            widest = max(widest, x)
        return "".join(parts), widest, (y + 36 if parts else 12)

    def _classes(self, *names: Key | str) -> str:
        """The marks of a state or of transitions, with a space in front."""
        found = dict.fromkeys(self.marks[name] for name in names if name in self.marks)
        return "".join(f" {escape(one)}" for one in found)

    # --- Boxes --------------------------------------------------------------------------------------------------------

    def _group(self, card: Card) -> str:
        rect = self.scene.plan.boxes[card.node.name]
        return (
            f'<g class="group" data-group="{escape(card.node.name)}">{_rect(rect, 12)}'
            f'<text x="{number(rect.x + 14)}" y="{number(rect.y + 20)}">{escape(card.node.title)}</text>'
            f"{''.join(self._rows(card, rect, rect.y + HEAD - 10))}</g>"
        )

    def _node(self, card: Card) -> str:
        node, rect = card.node, self.scene.plan.boxes[card.node.name]
        if node.name == ANYWHERE:
            return f'<g class="anytime">{_rect(rect, 13)}{self._middle(rect, card.lines)}</g>'
        if node.kind == "start":
            return self._start(card, rect)
        y = rect.y + PAD - 2
        parts = [
            f'<g class="node {node.kind}{self._classes(node.name)}" data-state="{escape(node.name)}">',
            f"<title>{escape(_spoken(card))}</title>",
            _rect(Rect(rect.x - 3.5, rect.y - 3.5, rect.width + 7, rect.height + 7), 12, "ring") if node.kind == "end" else "",
            _rect(rect, 9, "base"), _rect(rect, 9, "face"),
            f'<circle class="chip" cx="{number(rect.x + PAD + 7)}" cy="{number(y + 9)}" r="9"/>',
            _icon(node.kind, rect.x + PAD, y + 2, ""),
            f'<text class="name" x="{number(rect.x + PAD + ICON + 7)}" y="{number(y + 13.5)}">{escape(node.title)}</text>',
        ]  # fmt: skip
        y += TITLE_ROW + 2
        for line in card.lines:
            parts.append(f'<text class="words" x="{number(rect.x + PAD)}" y="{number(y + 12)}">{escape(line)}</text>')
            y += TEXT_ROW
        for fact in card.facts:
            shade = f' class="{hue(fact.role)}"' if fact.role else ""
            parts.append(
                f"<g{shade}>{_icon(fact.kind, rect.x + PAD, y + 2, 'icon')}"
                f'<text x="{number(rect.x + PAD + ICON + 2)}" y="{number(y + 12.5)}">{escape(fact.text)}</text></g>'
            )
            y += ROW
        parts += self._rows(card, rect, y)
        return "".join(parts) + "</g>"

    def _rows(self, card: Card, rect: Rect, y: float) -> Iterable[str]:
        if not card.rows:
            return
        if card.node.kind != "group":
            yield f'<path class="rule" d="M{number(rect.x + PAD)} {number(y + 5.5)}H{number(rect.x + rect.width - PAD)}"/>'
        y += 9
        for row in card.rows:
            yield (
                f'<g class="row {row.kind}{self._classes(*row.keys)}" {_keys(row.keys)}>'
                f"{_icon(row.kind, rect.x + PAD, y + 2, 'icon')}"
                f'<text x="{number(rect.x + PAD + ICON + 2)}" y="{number(y + 12.5)}">{escape(row.label)} → {escape(row.to)}</text></g>'
            )
            y += ROW

    def _start(self, card: Card, rect: Rect) -> str:
        x, y = rect.x + 17, rect.y + rect.height / 2
        dot = f'<circle cx="{number(x)}" cy="{number(y)}" r="6"/><circle cx="{number(x)}" cy="{number(y)}" r="2.6"/>'
        inner = Rect(rect.x + 30, rect.y, rect.width - 44, rect.height)
        return f'<g class="start" data-state="{escape(START)}">{_rect(rect, 13)}{dot}{self._left(inner, card.lines)}</g>'

    def _left(self, rect: Rect, lines: Sequence[str]) -> str:
        top = rect.y + rect.height / 2 - len(lines) * 7.5
        return "".join(
            f'<text x="{number(rect.x)}" y="{number(top + 11.2 + place * 15)}">{escape(line)}</text>'
            for place, line in enumerate(lines)
        )

    def _middle(self, rect: Rect, lines: Sequence[str]) -> str:
        return (
            f'<text x="{number(rect.x + rect.width / 2)}" y="{number(rect.y + rect.height / 2 + 4)}" '
            f'text-anchor="middle">{escape(" ".join(lines))}</text>'
        )

    # --- Lines --------------------------------------------------------------------------------------------------------

    def _edge(self, place: int, line: Line) -> str:
        route = self.scene.plan.routes[place]
        if len(route) < 2:
            return ""
        down = route[-1][1] > route[-2][1] if route[-1][0] == route[-2][0] else route[-1][1] > route[0][1]
        end = (route[-1][0], route[-1][1] + (-_TIP + 1 if down else _TIP - 1))
        ring = 3.5 if line.target in self.scene.cards and self.scene.cards[line.target].node.kind == "end" else 0.0
        shift = -ring if down else ring
        tip = (route[-1][0], route[-1][1] + shift)
        path = _curve([*route[:-1], (end[0], end[1] + shift)])
        return (
            f'<g class="edge {line.kind}{self._classes(*line.keys)}" {_keys(line.keys)}>'
            f'<path class="wire" d="{path}"/>{_tip(tip, "down" if down else "up")}</g>'
        )

    def _label(self, place: int, line: Line) -> str:
        rect = self.scene.plan.labels[place]
        if rect is None:
            return ""
        has_icon = line.kind in {"timer", "error", "misunderstood"}
        x = rect.x + 4 + (ICON if has_icon else 0)
        mono = ' class="mono{}"' if line.kind == "command" else ""
        inside = " inside" if any(_holds(self.scene.plan.boxes[group], rect) for group in self._groups) else ""
        parts = [f'<g class="label {line.kind}{inside}">{_rect(rect, 5)}']
        if has_icon:
            parts.append(_icon(line.kind, rect.x + 3, rect.y + 2.5, "icon"))
        for number_, (text, keys) in enumerate(line.labels):
            classes = " ".join(filter(None, ("mono" if mono else "", self._classes(*keys).strip())))
            shade = f' class="{classes}"' if classes else ""
            parts.append(f'<text{shade} x="{number(x)}" y="{number(rect.y + 13 + number_ * 15)}">{escape(text)}</text>')
        return "".join(parts) + "</g>"


# --- Small shapes -----------------------------------------------------------------------------------------------------


def _rect(rect: Rect, radius: float, kind: str = "") -> str:
    shade = f'class="{kind}" ' if kind else ""
    return (
        f'<rect {shade}x="{number(rect.x)}" y="{number(rect.y)}" width="{number(rect.width)}" '
        f'height="{number(rect.height)}" rx="{number(radius)}"/>'
    )


def _holds(outer: Rect, inner: Rect) -> bool:
    return outer.x <= inner.x and outer.y <= inner.y <= outer.y + outer.height and inner.x <= outer.x + outer.width


def _icon(kind: str, x: float, y: float, shade: str) -> str:
    attribute = f' class="{shade}"' if shade else ""
    return f'<path{attribute} transform="translate({number(x)} {number(y)})" d="{ICONS.get(kind, ICONS["note"])}"/>'


def _tip(at: Point, way: str) -> str:
    x, y = at
    shapes = {
        "down": f"M{number(x - 4)} {number(y - _TIP)}L{number(x)} {number(y)}L{number(x + 4)} {number(y - _TIP)}z",
        "up": f"M{number(x - 4)} {number(y + _TIP)}L{number(x)} {number(y)}L{number(x + 4)} {number(y + _TIP)}z",
        "right": f"M{number(x)} {number(y - 4)}L{number(x + _TIP)} {number(y)}L{number(x)} {number(y + 4)}z",
    }
    return f'<path class="tip" d="{shapes[way]}"/>'


def _curve(route: Sequence[Point]) -> str:
    """A smooth line through all points, vertical at both ends, that never swings out beyond them.

    x is a monotone cubic of y (Fritsch and Carlson): flat where the points turn back or stay, slanted where they go on.
    """
    steps = [((b[1] - a[1]) or 0.01, b[0] - a[0]) for a, b in zip(route, route[1:], strict=False)]
    leans = [dx / dy for dy, dx in steps]
    slopes = [0.0]
    for (dy, _), (next_dy, _), lean, next_lean in zip(steps, steps[1:], leans, leans[1:], strict=False):
        if lean * next_lean <= 0:
            slopes.append(0.0)
        else:
            weight, next_weight = 2 * next_dy + dy, next_dy + 2 * dy
            slopes.append((weight + next_weight) / (weight / lean + next_weight / next_lean))
    slopes.append(0.0)
    parts = [f"M{number(route[0][0])} {number(route[0][1])}"]
    for place, (dy, dx) in enumerate(steps):
        (x, y), (to_x, to_y) = route[place], route[place + 1]
        if abs(dx) < 0.05:
            parts.append(f"V{number(to_y)}")
        else:
            leave, arrive = x + slopes[place] * dy / 3, to_x - slopes[place + 1] * dy / 3
            third = dy / 3 if slopes[place] or slopes[place + 1] else dy / 2
            parts.append(
                f"C{number(leave)} {number(y + third)} {number(arrive)} {number(to_y - third)} {number(to_x)} {number(to_y)}"
            )
    return "".join(parts)


def _keys(keys: Sequence[Key]) -> str:
    return f'data-edges="{escape(" ".join("|".join(key).replace(" ", "_") for key in keys))}"'


def _spoken(card: Card) -> str:
    """A box for those who hear it, and as a tool tip: nothing is cut."""
    node = card.node
    told = [f"{node.title.rstrip('/')} ({node.kind})", node.text, *(fact.text for fact in node.facts)]
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
