"""What is read without Jinja is read as Jinja reads it; what is not plain is left to Jinja."""

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError
from jinja2.meta import find_undeclared_variables
from talking import ROOT

from bot.core.errors import TemplateError
from bot.core.sandbox import ENVIRONMENT, RAISES, check_tree
from bot.core.simplewords import blocks_in, names_in, names_in_text
from bot.core.templates import _compile_whole, compile_file, keep_line_ends

_WORDS = (
    "a", "b.c", "contact.first_name", "not ", "if ", "else ", " and ", " or ", " in ", " is none", " is not none", "+",
    "-", "~", "*", " == ", "!=", "<", "|", "| upper", "| plural('x', 'y')", "| nothing", '"q"', "'q'", "1", "2.5",
    "(", ")", "[0]", ".", ",", "true", "none", "loop", "self", " ", "  ", "\n", "is", "defined", "text", "é", '"',
)  # fmt: skip
_TAGS = (
    "{{", "}}", "{%", "%}", "{#", "#}", "for x in y", "endfor", "endif", "elif a", "block a", "endblock", "raw",
    "set z = 1", "{{ a }}", "{% if a %}", "{% elif b %}", "{% else %}", "{% endif %}", "{%- endif +%}", "{# note #}",
    "{% block a %}", "{% block b %}", "{% endblock %}", "{% endblock a %}", "\n\n",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(_WORDS + _TAGS), max_size=9).map("".join)


def names_by_jinja(text: str) -> frozenset[str] | None:
    try:
        tree = ENVIRONMENT.parse(text)
        check_tree(tree)
        ENVIRONMENT.from_string(text)
    except TemplateSyntaxError:
        return None
    return frozenset(find_undeclared_variables(tree))


@given(TEXTS)
def test_a_plain_expression_has_the_names_that_jinja_finds(text: str) -> None:
    names = names_in(text, ENVIRONMENT.filters)
    if names is not None:
        assert names == names_by_jinja("{{ (" + text + ") }}")
        ENVIRONMENT.compile_expression(text)


@given(TEXTS)
def test_plain_words_have_the_names_that_jinja_finds(text: str) -> None:
    names = names_in_text(text, ENVIRONMENT.filters)
    if names is not None:
        assert names == names_by_jinja(text)


@given(TEXTS)
def test_a_file_is_the_same_in_pieces_and_as_a_whole(text: str) -> None:
    variables = {"a": "A", "b": {"c": 1}, "contact": {"first_name": "Maya"}}
    try:
        whole = _compile_whole("x.j2", keep_line_ends(text))
    except TemplateError as mistake:
        with pytest.raises(TemplateError, match=re.escape(str(mistake))):
            compile_file("x.j2", text)
        return
    found = compile_file("x.j2", text)
    assert set(found.blocks) == set(whole.blocks)
    for name, block in found.blocks.items():
        assert (block.names, block.static, block.line) == (
            whole.blocks[name].names, whole.blocks[name].static, whole.blocks[name].line,
        )  # fmt: skip
        if block.names <= set(variables) and "for" not in text and "set" not in text:
            assert said(block.render, variables) == said(whole.blocks[name].render, variables)


def said(render: object, variables: dict[str, object]) -> str:
    try:
        return cast("str", render(variables))  # type: ignore[operator]
    except RAISES as error:
        return type(error).__name__


def test_nearly_all_that_is_shipped_is_plain() -> None:
    """Else a big project would take long to read."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.j2")]
    files = [blocks_in(keep_line_ends(source)) for source in sources]
    assert None not in files
    texts = [text for file in files for _, _, text in file or ()]
    plain = [text for text in texts if names_in_text(text, ENVIRONMENT.filters) is not None]
    assert len(plain) > 0.9 * len(texts)
