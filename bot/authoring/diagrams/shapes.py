"""Small SVG shapes. What authors wrote is escaped here."""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from bot.authoring.diagrams.icons import ICONS
from bot.authoring.diagrams.layout import Point, Rect

_NEVER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TIP = 7.0
"""The length of an arrow's head."""


def number(value: float) -> str:
    """A length, to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def escaped(words: str) -> str:
    """Text for XML: no markup of its own, and without the characters XML cannot hold."""
    return escape(_NEVER.sub("", words))


def attribute(name: str, value: str) -> str:
    """An attribute with a space in front, or nothing when there is no value."""
    return f' {name}="{escaped(value)}"' if value else ""


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """A line of text; y is its base line."""
    return f'<text{attribute("class", kind)} x="{number(x)}" y="{number(y)}">{escaped(words)}</text>'


def rectangle(rect: Rect, radius: float, kind: str = "") -> str:
    """A rectangle with round corners."""
    place = f'x="{number(rect.x)}" y="{number(rect.y)}" width="{number(rect.width)}" height="{number(rect.height)}"'
    return f'<rect{attribute("class", kind)} {place} rx="{number(radius)}"/>'


def icon(name: str, x: float, y: float, kind: str = "") -> str:
    """An icon by its upper left corner; a dot when there is none of that name."""
    path = ICONS.get(name, ICONS["note"])
    return f'<path{attribute("class", kind)} transform="translate({number(x)} {number(y)})" d="{path}"/>'


def tip(at: Point, way: str) -> str:
    """The head of an arrow that points `down`, `up` or `right`."""
    x, y = at
    corners = {
        "down": ((x - 4, y - TIP), (x + 4, y - TIP)),
        "up": ((x - 4, y + TIP), (x + 4, y + TIP)),
        "right": ((x - TIP, y - 4), (x - TIP, y + 4)),
    }[way]
    points = "L".join(f"{number(px)} {number(py)}" for px, py in (corners[0], at, corners[1]))
    return f'<path class="tip" d="M{points}z"/>'


def curve(route: Sequence[Point]) -> str:
    """The path of a smooth line through all points, vertical at both ends, that never swings out beyond them.

    x is a monotone cubic of y (Fritsch and Carlson): flat where points turn back or stay, slanted where they go on.
    """
    steps = [((b[1] - a[1]) or 0.01, b[0] - a[0]) for a, b in pairwise(route)]
    slopes = [0.0, *(_slope(before, after) for before, after in pairwise(steps)), 0.0]
    parts = [f"M{number(route[0][0])} {number(route[0][1])}"]
    for place, (dy, dx) in enumerate(steps):
        (x, y), (to_x, to_y) = route[place], route[place + 1]
        if abs(dx) < 0.05:
            parts.append(f"V{number(to_y)}")
            continue
        pull = dy / 3 if slopes[place] or slopes[place + 1] else dy / 2
        leave = f"{number(x + slopes[place] * dy / 3)} {number(y + pull)}"
        arrive = f"{number(to_x - slopes[place + 1] * dy / 3)} {number(to_y - pull)}"
        parts.append(f"C{leave} {arrive} {number(to_x)} {number(to_y)}")
    return "".join(parts)


def _slope(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The slope (dx by dy) between two steps: their weighted harmonic mean, or none where the line turns."""
    (dy, dx), (next_dy, next_dx) = before, after
    if dx * dy * next_dx * next_dy <= 0:
        return 0.0
    weight, next_weight = 2 * next_dy + dy, next_dy + 2 * dy
    return (weight + next_weight) / (weight * dy / dx + next_weight * next_dy / next_dx)
