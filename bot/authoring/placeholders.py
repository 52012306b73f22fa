"""That a translation tells what its original tells: a figure that is missing from it is lost to whoever reads it.

What the original prints, `{{ slot.max }}`, the translation has to print as well, or to look at: where one language has
the name of a status, another has a word for each.
"""

import re
from collections.abc import Iterator, Mapping

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from bot.core.sandbox import ENVIRONMENT
from bot.core.templates import Block, TemplateFile

_PRINTED = re.compile(r"\{\{.*?\}\}")
_UNTRANSLATED = "error.message"
"""The words of an action, in English: in other languages `error.code` and `error.facts` say it."""


def lost(original: TemplateFile, translation: TemplateFile) -> Iterator[tuple[Block, list[str]]]:
    """Blocks of a translation, each with what it keeps from its readers."""
    for name, block in original.blocks.items():
        other = translation.blocks.get(name)
        if other is None or set(_PRINTED.findall(block.text)) <= set(_PRINTED.findall(other.text)):
            continue
        missing = _told(block.text, printed=True) - _told(other.text, printed=False) - {_UNTRANSLATED}
        if missing:
            yield other, sorted(missing)


def _told(text: str, *, printed: bool) -> set[str]:
    """The values that a text prints, or all that it looks at: `quote.total`; `[]` is each of a list."""
    try:
        tree = ENVIRONMENT.parse(text)
    except TemplateSyntaxError:
        return set()
    each = {loop.target.name: f"{path}[]" for loop in tree.find_all(nodes.For)
            if isinstance(loop.target, nodes.Name) and (path := _path(loop.iter, {}))}  # fmt: skip
    roots = [part for output in tree.find_all(nodes.Output) for part in output.nodes] if printed else [tree]
    return {path for root in roots for path in _paths(root, each)}


def _paths(node: nodes.Node, each: Mapping[str, str]) -> Iterator[str]:
    path = _path(node, each)
    if path is not None:
        yield path
        return
    for child in node.iter_child_nodes():
        yield from _paths(child, each)


def _path(node: nodes.Node, each: Mapping[str, str]) -> str | None:
    match node:
        case nodes.Name(name=name):
            return each.get(name, name)
        case nodes.Getattr(node=inner, attr=attr):
            path = _path(inner, each)
            return f"{path}.{attr}" if path is not None else None
    return None
