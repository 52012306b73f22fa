"""How wide text is, near enough, without a font: by the widths of Helvetica, which Arial and Liberation Sans share.

A little is added, so that what fits here fits in whatever font a viewer falls back to.
"""

import unicodedata
from functools import lru_cache

_ADVANCES = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
"""Widths of U+0020 to U+007E in thousandths of the size: Adobe's Helvetica metrics (AFM 002.000)."""
_HELVETICA = tuple(int(width) for width in _ADVANCES.split())
_SLACK = 1.06
_BOLD = 1.07
_MONO = 0.62


@lru_cache(maxsize=4096)
def _advance(character: str) -> int:
    code = ord(character)
    if 32 <= code < 127:
        return _HELVETICA[code - 32]
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Mn"}:
        return 0
    return 1300 if unicodedata.east_asian_width(character) in "WF" or code >= 0x1F000 else 600


def width_of(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """The width of a line of text, in pixels."""
    if mono:
        return len(text) * size * _MONO
    return sum(map(_advance, text)) * size / 1000 * _SLACK * (_BOLD if bold else 1)


def cut(text: str, room: float, size: float, *, bold: bool = False, mono: bool = False) -> str:
    """The text, ended by “…” where it does not fit."""
    if width_of(text, size, bold=bold, mono=mono) <= room:
        return text
    closing = "”" if text.endswith("”") else ""
    while text and width_of(text + "…" + closing, size, bold=bold, mono=mono) > room:
        text = text[:-1]
    return text.rstrip(" ,;.:”") + "…" + closing


def wrap(text: str, room: float, size: float, lines: int) -> list[str]:
    """The text in at most so many lines; the last one is cut."""
    found: list[str] = []
    words = text.split()
    while words and len(found) < lines - 1:
        line = [words.pop(0)]
        while words and width_of(" ".join([*line, words[0]]), size) <= room:
            line.append(words.pop(0))
        found.append(cut(" ".join(line), room, size))
    return [*found, cut(" ".join(words), room, size)] if words else found
