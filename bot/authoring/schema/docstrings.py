"""What the models themselves say about their keys: the `Attributes:` of their docstrings, inherited ones included."""

import inspect
import re
from collections.abc import Mapping
from functools import lru_cache

from bot.core.flow import Part

_ATTRIBUTES = re.compile(r"\n\nAttributes:\n(.*?)(?:\n\n|$)", re.DOTALL)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@lru_cache(maxsize=1)
def lineages() -> Mapping[str, tuple[type[Part], ...]]:
    """Every kind of part by name, with itself and what it builds on, nearest first."""
    found: dict[str, tuple[type[Part], ...]] = {}
    todo: list[type[Part]] = [Part]
    for part in todo:
        todo += part.__subclasses__()
        found[part.__name__] = tuple(one for one in part.__mro__ if issubclass(one, Part))
    return found


def lineage(name: str) -> tuple[str, ...]:
    """The names of a model and of those it builds on."""
    return tuple(part.__name__ for part in lineages().get(name, ())) or (name,)


def summary(docstring: str) -> str:
    """A docstring without its `Attributes:`, on one line."""
    return " ".join(_ATTRIBUTES.sub("", docstring).split())


def attribute(name: str, key: str) -> str:
    """What a model's docstring, or one it builds on, says about the key (as written in YAML)."""
    for part in lineages().get(name, ()):
        field = next((field for field, info in part.model_fields.items() if (info.alias or field) == key), key)
        section = _ATTRIBUTES.search(inspect.getdoc(part) or "")
        for match in _ATTRIBUTE.finditer(section[1]) if section else ():
            if match[1] in {field, key}:
                return " ".join(match[2].split())
    return ""
