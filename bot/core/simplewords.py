"""What most words are made of, read without Jinja's parser: `{{ people }}`, `{% if trek.name == "EBC" %}…{% endif %}`.

Jinja takes half a millisecond to parse a message, and longer to make Python of it; a project has thousands. So we
recognise the plain ones: dotted names, literals, our filters, comparisons, `if`. For these it is certain that Jinja
takes them, and which variables they read, so Jinja is asked only when they are rendered for the first time. Everything
else is `None` here, and goes to Jinja at once, which has the last word on what is a mistake.
"""

import re
from collections.abc import Collection, Iterator

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = rf"(?!(?:and|or|not|in|is|if|else)\b){_WORD}(?:\.{_WORD})*"
_LITERAL = r"\"[^\"\\{}%#]*\"|'[^'\\{}%#]*'|[0-9]+(?:\.[0-9]+)?"
_ARGUMENT = rf"\s*(?:{_LITERAL}|{_PATH})\s*"
_FILTER = rf"\s*\|\s*{_WORD}(?:\({_ARGUMENT}(?:,{_ARGUMENT})*\))?"
_TEST = r"(?:\s+is(?:\s+not)?\s+(?:none|defined|string|number))?"
_ATOM = rf"(?:{_LITERAL}|{_PATH})(?:{_FILTER})*{_TEST}"
_COMPARED = rf"{_ATOM}(?:\s*(?:==|!=|<=|>=|<|>|\+|\s(?:not\s+)?in\s)\s*{_ATOM})*"
_TERM = rf"(?:not\s+)?{_COMPARED}"
_EXPRESSION = re.compile(rf"\s*{_TERM}(?:\s+(?:and|or)\s+{_TERM})*\s*")
_PARTS = re.compile(
    rf"\"[^\"]*\"|'[^']*'|\|\s*(?P<filter>{_WORD})|\.{_WORD}|\bis(?:\s+not)?\s+{_WORD}|(?P<name>{_WORD})|[0-9.]+"
)
_OPERATORS = frozenset({"and", "or", "not", "in"})
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_SPECIAL = frozenset({"if", "else", "is", "self", "super", "loop", "caller", "varargs", "kwargs"})
"""Words that mean something else to Jinja where a name stands."""
_TAG = re.compile(r"\{\{[-+]?(?P<value>.*?)[-+]?\}\}|\{%[-+]?\s*(?P<tag>.*?)\s*[-+]?%\}|\{#.*?#\}", re.DOTALL)
_MARKS = ("{{", "{%", "{#")
_BLOCK = re.compile(rf"block ({_WORD})")


def names_in(expression: str, filters: Collection[str]) -> frozenset[str] | None:
    """The variables of a plain expression; None when it is not plain.

    Args:
        expression: What stands between `{{` and `}}`, or after `if`.
        filters: The filters there are.
    """
    if not _EXPRESSION.fullmatch(expression):
        return None
    names = set()
    for part in _PARTS.finditer(expression):
        if (used := part["filter"]) is not None and used not in filters:
            return None
        if (name := part["name"]) is not None and name not in _OPERATORS and name not in _CONSTANTS:
            if name in _SPECIAL:
                return None
            names.add(name)
    return frozenset(names)


def names_in_text(text: str, filters: Collection[str]) -> frozenset[str] | None:
    """The variables of plain words: text with plain values and plain `if`s in it; None when they are not plain."""
    names: set[str] = set()
    opened: list[bool] = []  # for each `if` that is open, whether its `else` has come
    for part in _tags(text):
        if part is None:
            return None
        value, tag = part["value"], part["tag"]
        if value is None and tag is None:  # a comment
            continue
        if value is None:
            word, _, value = tag.partition(" ")
            if not _takes(word, value, opened):
                return None
            if not value:
                continue
        found = names_in(value, filters)
        if found is None:
            return None
        names |= found
    return None if opened else frozenset(names)


def _takes(word: str, condition: str, opened: list[bool]) -> bool:
    """Whether a tag fits where it stands."""
    if word == "if" and condition:
        opened.append(False)
        return True
    if not opened or bool(condition) != (word == "elif"):
        return False
    if word == "endif":
        opened.pop()
        return True
    if word not in {"elif", "else"} or opened[-1]:
        return False
    opened[-1] = word == "else"
    return True


def _tags(text: str) -> Iterator[re.Match[str] | None]:
    """Everything in braces; None when something is left that we would not know how to read."""
    end = 0
    for tag in _TAG.finditer(text):
        if any(mark in text[end : tag.start()] for mark in _MARKS):
            yield None
        yield tag
        end = tag.end()
    if any(mark in text[end:] for mark in _MARKS):
        yield None


def is_static(text: str) -> bool:
    """Whether the words are the same for everybody."""
    return not any(mark in text for mark in _MARKS)


def blocks_in(source: str) -> list[tuple[str, int, str]] | None:
    """The blocks of a file: name, line, and what is inside.

    Returns:
        None when the file is anything but blocks beside each other, comments and empty lines between them.
    """
    if "\r" in source:
        return None
    found: dict[str, tuple[str, int, str]] = {}
    inside: tuple[str, int, int] | None = None  # name, line, where it begins
    end = line = 0
    for tag in _tags(source):
        if tag is None:
            return None
        word = tag["tag"] or ""
        if inside is None:
            line += source.count("\n", end, tag.start())
            opening = _BLOCK.fullmatch(word)
            if source[end : tag.start()].strip() or tag["value"] is not None:
                return None
            if opening is not None and opening[1] not in found:
                inside = (opening[1], line + 1, tag.end())
            elif word or opening is not None:
                return None
            line += source.count("\n", tag.start(), tag.end())
            end = tag.end()
        elif word.startswith("endblock"):
            name, at, begins = inside
            if word not in {"endblock", f"endblock {name}"}:
                return None
            found[name] = (name, at, source[begins : tag.start()])
            line += source.count("\n", begins, tag.end())
            inside, end = None, tag.end()
        elif word.startswith(("block", "raw")):
            return None
    return None if inside is not None or source[end:].strip() else list(found.values())
