"""YAML with a place for every value, and without YAML's surprises.

PyYAML composes the tree; we walk it ourselves, by the YAML 1.2 core schema: `on`, `no` and `yes` are words, `22:30`
is not a number, `0123` is 123. Duplicate keys, aliases and tags are refused: a flow file should mean what it looks
like.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.core.errors import FlowError, Mark
from bot.core.report import Path

MAX_BYTES = 512_000
MAX_DEPTH = 30
_IMPLICIT_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map"})
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(slots=True)
class Document:
    """A file's value, and where its parts are. `values` and `keys` map paths to marks."""

    file: str
    value: Any = None
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path) -> Mark:
        """The place of a path: of its key when it has one, of its value otherwise; of the nearest parent at worst."""
        path = tuple(path)
        while path:
            for places in (self.keys, self.values):
                if path in places:
                    return places[path]
            path = path[:-1]
        return self.values.get((), Mark(self.file, 1, 1))

    def value_mark(self, path: Path) -> Mark:
        """The place of a path's value, for mistakes in what is written rather than where."""
        return self.values.get(tuple(path)) or self.mark(path)


def read(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises:
        FlowError: It is not YAML as we take it, with place and remedy.
    """
    document = Document(file)
    if len(text) > MAX_BYTES:
        raise FlowError("The file is larger than 500 kB.", at=Mark(file, 1, 1), hint="Split it.")
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as mistake:
        at = mistake.problem_mark or mistake.context_mark
        mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file, 1, 1)
        problem = (mistake.problem or "something is wrong").rstrip(".")
        raise FlowError(
            f"This is not YAML: {problem}.", at=mark, hint="Check indentation, colons and quotes."
        ) from mistake
    except (yaml.YAMLError, ValueError) as mistake:
        raise FlowError(f"This is not YAML: {mistake}.", at=Mark(file, 1, 1)) from mistake
    if node is None:
        raise FlowError("The file is empty.", at=Mark(file, 1, 1))
    _refuse_aliases(text, file)
    document.value = _walk(node, (), document)
    return document


def _refuse_aliases(text: str, file: str) -> None:
    """An alias makes one place mean two things."""
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) and event.start_mark is not None:
            mark = Mark(file, event.start_mark.line + 1, event.start_mark.column + 1)
            raise FlowError(f"Aliases such as `*{event.anchor}` are not allowed.", at=mark, hint="Write it out.")


def _walk(node: yaml.Node, path: Path, document: Document) -> Any:
    mark = Mark(document.file, node.start_mark.line + 1, node.start_mark.column + 1)
    document.values[path] = mark
    if len(path) > MAX_DEPTH:
        raise FlowError("This is nested too deeply.", at=mark)
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _IMPLICIT_TAGS:
        raise FlowError(f"Tags such as `{node.tag}` are not allowed.", at=mark, hint="Remove it.")
    if isinstance(node, yaml.SequenceNode):
        return [_walk(item, (*path, place), document) for place, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = Mark(document.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            raise FlowError("A key must be a plain word.", at=mark, hint="If this is `{{ … }}`, put it in quotes.")
        key = str(key_node.value)
        if key in found:
            first = document.keys[(*path, key)]
            raise FlowError(f"`{key}:` is here twice.", at=mark, hint=f"It is on line {first.line} already.")
        document.keys[(*path, key)] = mark
        found[key] = _walk(value_node, (*path, key), document)
    return found


def _scalar(node: yaml.Node) -> Any:
    """Plain scalars by the YAML 1.2 core schema; quoted ones are text."""
    text = str(node.value)
    if getattr(node, "style", None):  # None or "", depending on the parser, for plain ones
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
