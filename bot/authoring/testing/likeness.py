r"""A text that a pattern matches, for answers that are made up: `[A-Z]{2}\d+` → `AA123`."""

import re
from collections.abc import Iterator

_PIECE = re.compile(r"\\p\{\w+\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P?<\w+>|\?:|\?[a-z]+\))?|[)|]|.", re.DOTALL)
_TIMES = re.compile(r"([*+?]|\{(\d+)(,\d*)?\})[?+]?")
_DIGITS = "1234567890"
_KINDS = {"d": _DIGITS, "w": "abc", "s": " ", "D": "a", "W": "-", "S": "a", "b": "", "B": "", "A": "", "z": ""}
_SOME = 3
"""How often that is repeated which may be repeated as often as one likes."""


def example(pattern: str) -> str:
    """Something a pattern matches, as far as simple patterns go; who needs to be sure, tries it."""
    return _alternatives(_Tokens(pattern))


class _Tokens:
    """The parts of a pattern, one after the other."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._place = pattern, 0

    def __iter__(self) -> Iterator[str]:
        while (found := _PIECE.match(self._pattern, self._place)) is not None:
            self._place = found.end()
            yield found[0]

    def times(self) -> int:
        """How often the part before is to be there."""
        found = _TIMES.match(self._pattern, self._place)
        if found is None:
            return 1
        self._place = found.end()
        if found[2] is not None:
            return int(found[2]) or 1
        return _SOME if found[1] == "+" else 1


def _alternatives(tokens: _Tokens) -> str:
    """Up to the end of a group, the first of what may stand there."""
    found, first = "", None
    for piece in tokens:
        if piece == ")":
            break
        if piece == "|":
            found, first = "", found if first is None else first
        else:
            found += _part(piece, tokens)
    return found if first is None else first


def _part(piece: str, tokens: _Tokens) -> str:
    if piece in {"^", "$"} or (piece.startswith("(?") and piece.endswith(")")):
        return ""
    if piece.startswith("("):
        inside = _alternatives(tokens)
        return inside * tokens.times()
    signs = _signs(piece)
    return "".join(signs[place % len(signs)] for place in range(tokens.times())) if signs else ""


def _signs(piece: str) -> str:
    """Signs that a part may be, the first one first."""
    if piece == ".":
        return "a"
    if piece.startswith("\\"):
        return "a" if piece.startswith("\\p") else _KINDS.get(piece[1], piece[1])
    if not piece.startswith("["):
        return piece
    if piece.startswith("[^"):
        return next(sign for sign in "a1-~" if sign not in piece)
    inside = piece[1:-1]
    if inside.startswith("\\"):
        return _KINDS.get(inside[1], inside[1])
    return inside[0]
