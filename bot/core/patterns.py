r"""Regular expressions from authors, by RE2: the time they take grows with the text and with nothing else.

Python's `re` backtracks: `(a+)+$` takes seconds on thirty characters. RE2 has no references back and no looking around,
which is why it need not. Three of its ways are evened out here:

- `\d`, `\w` and `\s` would know ASCII only; they are written out for all scripts, marks of vowels included. `\b`
  cannot be, so a pattern in another script that has it is refused.
- Its Python side spends most of its time counting characters. Texts are handed over as bytes, and only what was found
  is counted. A pattern without named groups needs no groups at all, which is faster still.
- It writes to the error output unless told not to.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

LONGEST = 200
"""Characters of a pattern."""
_MEMORY = 1 << 20
"""Bytes that one pattern may use for what it has learnt about texts; RE2 is slower beyond, and still linear."""
_WORD, _SPACE = r"\p{L}\p{M}\p{N}_", r"\s\p{Z}"
_KINDS = {"d": r"\p{Nd}", "D": r"\P{Nd}", "w": f"[{_WORD}]", "W": f"[^{_WORD}]", "s": f"[{_SPACE}]",
          "S": f"[^{_SPACE}]"}  # fmt: skip
_WITHIN = {"d": r"\p{Nd}", "D": r"\P{Nd}", "w": _WORD, "s": _SPACE}
_ESCAPE = re.compile(r"\\.|\[\^?\]?|\]", re.DOTALL)
_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")


@dataclass(frozen=True, slots=True)
class Match:
    """What was found, and where in the text. `named`: the groups that have a name and a part in it."""

    found: str
    start: int
    end: int
    named: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern, which ignores case.

    Attributes:
        source: As the author wrote it.
        groups: The names of its groups, in order.
    """

    source: str
    groups: tuple[str, ...]
    _compiled: Any = field(repr=False, compare=False)

    def search(self, text: str) -> Match | None:
        """The first place in a text that has the form."""
        return self._match(self._compiled.search, text)

    def fullmatch(self, text: str) -> Match | None:
        """The whole text, if it has the form."""
        return self._match(self._compiled.fullmatch, text)

    def _match(self, how: Any, text: str) -> Match | None:
        raw = text.encode("utf-8", "replace")
        match = how(raw)
        if match is None:
            return None
        first, last = match.span()
        start = len(raw[:first].decode("utf-8"))
        found = raw[first:last].decode("utf-8")
        named = {name: part.decode("utf-8") for name in self.groups if (part := match.group(name))}
        return Match(found, start, start + len(found), named)


@lru_cache(maxsize=1024)
def compile_pattern(source: str) -> Pattern:
    """Compile, ignoring case.

    Raises:
        ValueError: Not a regular expression, one that could take long, or one that matches nothing. A sentence.
    """
    import re2  # type: ignore[import-untyped]  # not at the top: it takes a while, and most commands have no pattern

    if len(source) > LONGEST:
        raise ValueError(f"The pattern is longer than {LONGEST} characters; make several of it")
    if re.search(r"\\[1-9]|\(\?P=", source):
        raise ValueError(f"`{source}` refers back to a group, which could take long; write out what may stand there")
    if re.search(r"\(\?<?[=!]|\(\?>", source):
        raise ValueError(
            f"`{source}` looks around, which could take long; write what is wanted itself, without `(?=` and `(?!`"
        )
    if not source.isascii() and re.search(r"\\[bB]", source):
        raise ValueError(f"`{source}` has a `\\b`, which knows Latin letters only; name what may stand there")
    groups = tuple(_GROUP.findall(source))
    twice = [name for name, often in Counter(groups).items() if often > 1]
    if twice:
        raise ValueError(f"`{source}` has two groups `{twice[0]}`; give one of them another name")
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = not groups
    try:
        compiled = re2.compile(_for_all_scripts(source), options)
    except re2.error as mistake:
        reason = mistake.args[0]
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(
            f"`{source}` is not a regular expression: {said}; put `\\` before signs that mean themselves"
        ) from mistake
    pattern = Pattern(source, groups, compiled)
    if pattern.fullmatch("") is not None:
        raise ValueError(f"`{source}` matches nothing at all, so it would be found everywhere; write `+` where `*` is")
    return pattern


def _for_all_scripts(source: str) -> str:
    """The pattern with its kinds of characters written out."""
    made: list[str] = []
    place, inside = 0, False
    for match in _ESCAPE.finditer(source):
        made.append(source[place : match.start()])
        place, sign = match.end(), match[0]
        if sign[0] == "\\":
            made.append((_WITHIN if inside else _KINDS).get(sign[1], sign))
        else:
            inside = sign[0] == "[" if not inside else sign != "]" and not sign.endswith("]")
            made.append(sign)
    return "".join([*made, source[place:]])
