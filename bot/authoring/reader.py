"""YAML with a place for every value, and without YAML's surprises.

PyYAML composes the tree; we walk it ourselves, by the YAML 1.2 core schema: `on`, `no` and `yes` are words, `22:30`
is not a number, `0123` is 123. Duplicate keys, aliases and tags are refused: a flow file should mean what it looks
like.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.authoring.yamlwords import composed
from bot.core.errors import FlowError, Mark
from bot.core.report import Path


class _Loader(yaml.CSafeLoader):
    """Composes without guessing at types, which takes PyYAML half of its time; `_scalar` reads them."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """The tag of a node that has none in the file."""
        return "tag:yaml.org,2002:str"


MAX_BYTES = 512_000
MAX_DEPTH = 30
_IMPLICIT_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map"})
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(slots=True)
class Document:
    """A file's value, and where its parts are: known when somebody asks, which is when something is wrong.

    Without `node`, `text` is read when somebody asks.
    """

    file: str
    node: yaml.Node | None
    value: Any = None
    text: str = ""
    _places: "_Places | None" = None

    @property
    def values(self) -> Mapping[Path, Mark]:
        """Where each value stands, by its path."""
        return self._found().values

    @property
    def keys(self) -> Mapping[Path, Mark]:
        """Where each key stands, by the path of its value."""
        return self._found().keys

    def _found(self) -> "_Places":
        if self._places is None:
            self._places = _Places()
            self._places.take(self.node or read(self.text, self.file).node, (), self.file)
        return self._places

    def mark(self, path: Path) -> Mark:
        """The place of a path: of its key when it has one, of its value otherwise; of the nearest parent at worst."""
        path = self._written(path)
        if path[:1] == ("role",) and ("roles",) in self.values:
            path = self._written(("roles", *path[1:]))
        while path:
            for places in (self.keys, self.values):
                if path in places:
                    return places[path]
            path = path[:-1]
        return self.values.get((), Mark(self.file, 1, 1))

    def value_mark(self, path: Path) -> Mark:
        """The place of a path's value, for mistakes in what is written rather than where."""
        return self.values.get(self._written(path)) or self.mark(path)

    def _written(self, path: Path) -> Path:
        """A path as it stands in the file, where a lone thing may stand for a list of one."""
        if tuple(path) in self.values:
            return tuple(path)
        found: Path = ()
        for part in path:
            if part != 0 or (*found, part) in self.values:
                found = (*found, part)
        return found


def read(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises:
        FlowError: It is not YAML as we take it, with place and remedy; `others` are more of the same file.
    """
    if len(text) > MAX_BYTES:
        raise FlowError("The file is larger than 500 kB.", at=Mark(file, 1, 1), hint="Split it.")
    node, mistakes = composed(text, file, lambda text: yaml.compose(text, Loader=_Loader))
    if node is None and not mistakes:
        raise FlowError("The file is empty.", at=Mark(file, 1, 1), hint="Remove it, or write something in it.")
    walk = _Walk(file, mistakes)
    value = walk.value(node, 0) if node is not None else None
    if "&" in text:
        walk.mistakes += _names(text, file)
    if node is None or walk.mistakes:
        first, *others = sorted(walk.mistakes, key=lambda one: (one.at.line, one.at.column) if one.at else (0, 0))
        first.others = tuple(others)
        raise first
    return Document(file, node, value)


def _names(text: str, file: str) -> Iterator[FlowError]:
    """Aliases, `*x`, which make one place mean two things, and names for them, `&x`, that nothing uses."""
    events: list[yaml.Event] = []
    with contextlib.suppress(yaml.YAMLError):  # told already
        events.extend(yaml.parse(text, Loader=yaml.CSafeLoader))
    used = {event.anchor for event in events if isinstance(event, yaml.AliasEvent)}
    for event in events:
        name = getattr(event, "anchor", None)
        if not name or event.start_mark is None:
            continue
        mark = Mark(file, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            yield FlowError(f"Aliases such as `*{name}` are not allowed.", at=mark, hint="Write it out.")
        elif name not in used and isinstance(event, yaml.CollectionStartEvent):
            yield FlowError(f"Blocks have no names such as `&{name}`.", at=mark, hint="Remove it.")
        elif name not in used:
            yield FlowError(f"A text cannot begin with `&{name}`.", at=mark, hint="Put the whole text in quotes.")


@dataclass(slots=True)
class _Walk:
    """Reads a tree; what is wrong in it is collected, so that all of it is told at once."""

    file: str
    mistakes: list[FlowError] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, depth: int) -> Any:
        """What a node says."""
        if depth > MAX_DEPTH:
            raise FlowError("This is nested too deeply.", at=_mark(node, self.file), hint="Make flows of its parts.")
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _IMPLICIT_TAGS:
            self._wrong(f"Tags such as `{node.tag}` are not allowed.", node, "Remove it.")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._seen:  # an alias; said elsewhere
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong("A key must be a plain word.", key_node, "If this is `{{ … }}`, put it in quotes.")
                continue
            key = str(key_node.value)
            if key in found:
                line = next(one.start_mark.line for one, _ in node.value if one.value == key) + 1
                self._wrong(f"`{key}:` is here twice.", key_node, f"It is on line {line} already.")
            elif key == "<<":
                self._wrong("Blocks are not merged with `<<:`.", key_node, "Write it out.")
            found[key] = self.value(value_node, depth + 1)
        return found

    def _wrong(self, message: str, node: yaml.Node, hint: str) -> None:
        self.mistakes.append(FlowError(message, at=_mark(node, self.file), hint=hint))


def _mark(node: yaml.Node, file: str) -> Mark:
    return Mark(file, node.start_mark.line + 1, node.start_mark.column + 1)


@dataclass(slots=True)
class _Places:
    """Where everything in a tree stands."""

    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def take(self, node: yaml.Node | None, path: Path, file: str) -> None:
        """Note a node and what is below it."""
        if node is None:
            return
        self.values[path] = _mark(node, file)
        if isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self.take(item, (*path, place), file)
        elif isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                key = (*path, str(key_node.value))
                self.keys[key] = _mark(key_node, file)
                self.take(value_node, key, file)


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
