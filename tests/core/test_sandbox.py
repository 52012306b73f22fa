"""Expressions and templates: useful to authors, harmless to servers."""

import pytest

from bot.core.conversation import Contact
from bot.core.errors import TemplateError
from bot.core.ids import ContactId
from bot.core.sandbox import MAX_RENDERED, RAISES, Expression, ExpressionError, Value
from bot.core.templates import compile_file

DATA = {
    "people": 4,
    "month": "2026-12",
    "trek": {"id": 1, "name": "EBC", "items": [1, 2, 3], "price": 1450.5},
    "contact": Contact(contact_id=ContactId(1), name="Asha Rai"),
    "text": "x" * 4000,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("people", 4),
        ("trek.id", 1),
        ("trek.items[0]", 1),
        ("people >= 15", False),
        ("people * trek.price", 5802.0),
        ("contact.first_name", "Asha"),
        ("nothing or ''", ""),
        ("month | date", "December 2026"),
        ("true", True),
        ("'a' + 'b'", "ab"),
        ("people in [3, 4]", True),
        ("trek.items | length", 3),
        ("people | plural('person', 'people')", "4 people"),
        ("trek.price | money('USD')", "USD 1,450.50"),
        ("[1, 2, 3] | human_list", "1, 2 and 3"),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("nothing is none", True),
        ("trek.name.lower()", "ebc"),
        ("trek.get('id')", 1),
    ],
)
def test_what_expressions_can_do(source: str, value: object) -> None:
    assert Expression(source)(DATA) == value


@pytest.mark.parametrize(
    "source",
    [
        "'a' * 100000",
        "'a' * people",
        "[1] * 9999999",
        "text.rjust(1000000000)",
        "text.center(9)",
        "text.format()",
        "'{:>99}'.format(1)",
        "text['format']",
        "'%99999999s' % 1",
        "''.__class__",
        "contact.__init__",
        "contact.contact_id",
        "contact.roles",
        "().__class__.__bases__",
        "trek.__class__",
        "trek.update({})",
        "trek.pop('id')",
        "people.to_bytes(99)",
        "range(9)",
        "lipsum()",
        "cycler",
        "namespace()",
        "dict()",
        "trek.nope",
        "nope",
        "text + text + text + text + text",
        "text | join(text)",
        "1000000000000000 * 2",
    ],
)
def test_what_expressions_cannot_do(source: str) -> None:
    with pytest.raises(RAISES):
        Expression(source)(DATA)


@pytest.mark.parametrize(
    "source", ["people **", "2 ** 9", "a ~ b", "people | pprint", "people is callable", "{{ people }}", ""]
)
def test_what_is_no_expression(source: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(source)


def test_a_value_keeps_its_type() -> None:
    assert Value("{{ people }}")(DATA) == 4
    assert Value("{{ trek }}")(DATA) is DATA["trek"]
    assert Value("lead:{{ people }}")(DATA) == "lead:4"
    assert Value("{{ people }}:{{ month }}")(DATA) == "4:2026-12"
    assert Value(7)(DATA) == 7
    assert Value(["{{ people }}", "x"])(DATA) == [4, "x"]
    assert Value("{{ people }}").names == {"people"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("text", "There is text outside of a block"),
        ("{% block a %}{% include 'x' %}{% endblock %}", "`include` is not allowed here"),
        ("{% extends 'x' %}", "`extends` is not allowed here"),
        ("{% block a %}{% macro x() %}{% endmacro %}{% endblock %}", "`macro` is not allowed here"),
        (
            "{% block a %}\n{% for x in y %}{% for z in y %}{% endfor %}{% endfor %}{% endblock %}",
            "a loop inside a loop",
        ),
        (
            "{% block a %}{{ x | tojson }}{% endblock %}",
            "there is no filter `tojson`|There is no filter `tojson`|No filter named",
        ),
        ("{% block a %}{{ x", "Unexpected|unexpected"),
        ("{% block a %}{% endblock %}{% block a %}{% endblock %}", "is here twice"),
    ],
)
def test_templates_that_are_refused(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=f"(?i){message}") as caught:
        compile_file("templates/en/x.j2", source)
    assert caught.value.at is not None
    assert caught.value.at.file == "templates/en/x.j2"


def test_a_text_cannot_grow_without_end() -> None:
    source = "{% block a %}{% for c in text %}" + "y" * 10 + "{% endfor %}{% endblock %}"
    with pytest.raises(RAISES, match=str(MAX_RENDERED)):
        compile_file("x.j2", source).blocks["a"].render(DATA)


def test_whitespace_is_what_authors_expect() -> None:
    source = """{% block a %}
Hello{% if people %} you{% endif %}

{% if nothing %}
never
{% endif %}
{% for item in trek.items %}
- {{ item }}
{% endfor %}
End{% if people %}.{% endif %}
Really.
{% endblock %}
"""
    assert compile_file("x.j2", source).blocks["a"].render(DATA) == "Hello you\n\n- 1\n- 2\n- 3\nEnd.\nReally."


def test_static_blocks_are_rendered_once() -> None:
    file = compile_file("x.j2", "{% block a %} Hi {% endblock %}{% block b %}{{ people }}{% endblock %}")
    assert file.blocks["a"].static == "Hi"
    assert file.blocks["b"].static is None
    assert file.blocks["b"].names == {"people"}
