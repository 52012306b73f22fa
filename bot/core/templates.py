"""Replies: Jinja blocks, one file per flow and language, with common ones behind them.

A block is looked for in the flow's file in the person's language, then in the flow's own language, then in English;
then in the common file in the same order: what a flow says beats what everybody says, in whatever language. Blocks are
compiled once; those without any variable are rendered once.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context

from bot.core.errors import Mark, TemplateError
from bot.core.jinjawords import in_template
from bot.core.sandbox import ENVIRONMENT, MAX_RENDERED, check_tree
from bot.core.simplewords import blocks_in, is_static, names_in_text

FALLBACK = "en"
Render = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One message. `names` are the variables it reads; `static` its text when it reads none; `text` as written."""

    name: str
    line: int
    names: frozenset[str]
    render: Render
    static: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """The blocks of one file."""

    path: str
    blocks: Mapping[str, Block]


_TAGS = re.compile(r"\{%.*?%\}|\{#.*?#\}")


def keep_line_ends(source: str) -> str:
    """Let a tag swallow the end of its line only when it has the line to itself.

    That is what authors expect; Jinja's `trim_blocks` would also join "… {% endif %}" with the next line.
    """
    lines = source.split("\n")
    for place, line in enumerate(lines):
        text = line.rstrip()
        if text.endswith("%}") and text[-3:-2] not in {"-", "+"} and _TAGS.sub("", text).strip():
            lines[place] = text[:-2] + "+%}"
    return "\n".join(lines)


def compile_file(path: str, source: str) -> TemplateFile:
    """Compile one `.j2` file.

    Raises:
        TemplateError: With line and remedy.
    """
    source = keep_line_ends(source)
    found = blocks_in(source)
    if found is not None:
        try:
            blocks = {name: _block(name, line, text) for name, line, text in found}
            return TemplateFile(path=path, blocks=blocks)
        except TemplateSyntaxError:
            pass  # read as a whole, it is told with its line
    return _compile_whole(path, source)


def _block(name: str, line: int, text: str) -> Block:
    """A block on its own. Plain ones are compiled when they are said for the first time."""
    if is_static(text):
        said = _tidy(text)
        return Block(name=name, line=line, names=frozenset(), render=lambda _: said, static=said)
    names = names_in_text(text, ENVIRONMENT.filters)
    if names is not None:
        render: Render = _Later(text)
        only_comments = "{{" not in text and "{%" not in text
        static = render({}) if only_comments else None
        return Block(name=name, line=line, names=names, render=render, static=static, text=text)
    tree = ENVIRONMENT.parse(text)
    check_tree(tree)
    template = ENVIRONMENT.from_string(text)
    names = frozenset(find_undeclared_variables(tree))
    render = _renderer(template, template.root_render_func)
    return Block(name=name, line=line, names=names, render=render, text=text)


class _Later:
    """Renders plain words; Jinja compiles them when they are first needed."""

    __slots__ = ("_render", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._render: Render | None = None

    def __call__(self, variables: Mapping[str, Any]) -> str:
        if self._render is None:
            template = ENVIRONMENT.from_string(self._text)
            self._render = _renderer(template, template.root_render_func)
        return self._render(variables)


def _compile_whole(path: str, source: str) -> TemplateFile:
    """Compile a file that is more than blocks beside each other, or has a mistake.

    Raises:
        TemplateError: With line and remedy.
    """
    try:
        tree = ENVIRONMENT.parse(source, filename=path)
        check_tree(tree)
        template = ENVIRONMENT.from_string(source)
    except TemplateSyntaxError as mistake:
        first, *others = [*_wrong_edges(path, source), *_mistakes_by_block(path, source)] or [_told(path, mistake, 0)]
        first.others = tuple(others)
        raise first from mistake
    _only_blocks(path, tree)
    blocks: dict[str, Block] = {}
    for node in tree.find_all(nodes.Block):
        body = nodes.Template(node.body, lineno=node.lineno).set_environment(ENVIRONMENT)
        names = frozenset(find_undeclared_variables(cast("nodes.Template", body)))
        render = _renderer(template, template.blocks[node.name])
        plain = all(isinstance(part, nodes.Output) and _is_plain(part) for part in node.body)
        blocks[node.name] = Block(
            name=node.name, line=node.lineno, names=names, render=render, static=render({}) if plain else None
        )
    return TemplateFile(path=path, blocks=blocks)


_BLOCK = re.compile(r"\{%[-+]?\s*block\s+(\w+)\s*[-+]?%\}(.*?)(?=\{%[-+]?\s*(?:end)?block\b|\Z)", re.DOTALL)


def _mistakes_by_block(path: str, source: str) -> list[TemplateError]:
    """What is wrong inside of each block; nothing, when it is between them that something is."""
    found: list[TemplateError] = []
    for block in _BLOCK.finditer(source):
        try:
            check_tree(ENVIRONMENT.parse(block[2]))
        except TemplateSyntaxError as mistake:
            found.append(_told(path, mistake, source.count("\n", 0, block.start(2))))
    return found


_EDGE = re.compile(r"\{%[-+]?\s*(?:block\s+([\w-]*\w)|(endblock)\b)")


def _wrong_edges(path: str, source: str) -> Iterator[TemplateError]:
    """Blocks that are not closed before the next begins, which Jinja takes for nested ones; and names that are none."""
    begun: re.Match[str] | None = None
    for edge in _EDGE.finditer(source):
        if "-" in (edge[1] or ""):
            at = Mark(path, source.count("\n", 0, edge.start()) + 1, 1)
            hint = f"Write `{edge[1].replace('-', '_')}`, here and in the flow."
            yield TemplateError(f"The name `{edge[1]}` of a block has a hyphen.", at=at, hint=hint)
        if begun is not None and edge[1]:
            at = Mark(path, source.count("\n", 0, begun.start()) + 1, 1)
            hint = f"Add `{{% endblock %}}` before block `{edge[1]}` begins."
            yield TemplateError(f"Block `{begun[1]}` is not closed.", at=at, hint=hint)
        begun = edge if edge[1] else None


def _told(path: str, mistake: TemplateSyntaxError, lines_before: int) -> TemplateError:
    message, hint = in_template(mistake.message or "Syntax error", ENVIRONMENT.filters)
    return TemplateError(message, at=Mark(path, mistake.lineno + lines_before, 1), hint=hint)


def outline(path: str, source: str) -> TemplateFile:
    """The blocks of a file with mistakes, without their words: so that nobody is told that they are not there."""
    lines = {block[1]: source.count("\n", 0, block.start()) + 1 for block in _BLOCK.finditer(source)}
    blocks = {name: Block(name=name, line=line, names=frozenset(), render=lambda _: "") for name, line in lines.items()}
    return TemplateFile(path=path, blocks=blocks)


def _only_blocks(path: str, tree: nodes.Template) -> None:
    for node in tree.body:
        outside = [part for part in getattr(node, "nodes", []) if not _is_blank(part)]
        if not isinstance(node, nodes.Block | nodes.Output) or outside:
            line = outside[0].lineno if outside else node.lineno
            raise TemplateError(
                "There is text outside of a block, which nobody would ever see.",
                at=Mark(path, line, 1),
                hint="Put it between `{% block name %}` and `{% endblock %}`.",
            )


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.TemplateData) and not node.data.strip()


def _is_plain(output: nodes.Output) -> bool:
    return all(isinstance(part, nodes.TemplateData) for part in output.nodes)


class _Context(Context):
    """The variables of one rendering, made of what is the same each time: nothing is exported, nothing escaped."""

    def __init__(self, variables: dict[str, Any], name: str | None) -> None:  # not the base's: it makes six objects
        self.environment = ENVIRONMENT
        self.parent = variables
        self.vars = {}
        self.eval_ctx = _EVALUATION
        self.exported_vars = set()
        self.name = name
        self.globals_keys = _NOTHING
        self.blocks = {}


_EVALUATION = nodes.EvalContext(ENVIRONMENT)
_NOTHING: set[str] = set()


def _renderer(template: Template, block: Callable[[Any], Iterable[str]]) -> Render:
    name = template.name

    def render(variables: Mapping[str, Any]) -> str:
        parts: list[str] = []
        size = 0
        # Not `template.new_context`: it copies the variables and wraps every block of the file.
        for part in block(_Context(cast("dict[str, Any]", variables), name)):
            parts.append(part)
            size += len(part)
            if size > MAX_RENDERED:
                raise SecurityError(f"a text grew over {MAX_RENDERED} characters")
        return _tidy("".join(parts))

    return render


def _tidy(text: str) -> str:
    """Strip the block and its lines' ends; at most one empty line in a row."""
    text = text.strip()
    if "\n\n\n" in text or " \n" in text:
        lines = [line.rstrip() for line in text.split("\n")]
        text = "\n".join(line for index, line in enumerate(lines) if line or (index and lines[index - 1]))
    return text


@dataclass(slots=True)
class Texts:
    """The blocks a flow can say, in every language there is. `language` is the one the flow is written in."""

    own: Mapping[str, TemplateFile] = field(default_factory=dict)
    common: Mapping[str, TemplateFile] = field(default_factory=dict)
    language: str = FALLBACK
    _found: dict[tuple[str, str], Block | None] = field(default_factory=dict)

    def block(self, name: str, language: str) -> Block | None:
        """The block for a person with this language, or None when there is none in any language we may use."""
        key = (name, language)
        try:
            return self._found[key]
        except KeyError:
            found = self._look(name, language)
            if len(self._found) < 20_000:  # a bound, should a provider send us ever new languages
                self._found[key] = found
            return found

    def has(self, name: str, language: str = FALLBACK) -> bool:
        """Whether there is such a block."""
        return self.block(name, language) is not None

    def has_own(self, name: str) -> bool:
        """Whether the flow itself has the block, in any language."""
        return any(name in file.blocks for file in self.own.values())

    def has_wording(self, name: str, variants: Collection[str]) -> bool:
        """Whether the flow itself has words for a block: the block, or one for each of its variants."""
        return self.has_own(name) or (bool(variants) and all(self.has_own(f"{name}__{one}") for one in variants))

    def _look(self, name: str, language: str) -> Block | None:
        short = language.replace("_", "-").split("-")[0].lower()
        for files in (self.own, self.common):
            for code in (language, short, self.language, FALLBACK):
                file = files.get(code)
                if file is not None and name in file.blocks:
                    return file.blocks[name]
        return None
