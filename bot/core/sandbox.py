"""The one expression language: sandboxed Jinja, for guards, arguments and words.

Authors are trusted with their business, not with the server, and what people write is only ever data. So: a short
list of filters and attributes instead of a list of forbidden ones, no globals, no string formatting, no growth by
`*`, no loops inside loops, and a cap on what a text may become.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.core.conversation import Contact
from bot.core.jinjawords import in_expression, in_template
from bot.core.languages import date_in, list_in, money_in, number_in
from bot.core.simplewords import names_in, names_in_text
from bot.core.values import Printed, show_duration, show_phone, show_time

MAX_RENDERED = 16_000
"""Characters one block may grow to."""
_MAX_NUMBER = 10**15
_IS_INFERRED = re.compile(r"\b([a-z_][a-z0-9_]*) is (not )?inferred\b(?!\()")

_STRING_METHODS = frozenset({"lower", "upper", "title", "capitalize", "strip", "startswith", "endswith", "split"})
_DICT_METHODS = frozenset({"get", "items", "keys", "values"})
CONTACT_FIELDS = frozenset({"name", "first_name", "language"})
"""What templates and expressions may know of a person."""
_KEPT_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "int", "last", "length", "list", "lower", "max",
    "min", "reject", "rejectattr", "select", "selectattr", "map", "sort", "string", "sum", "title", "trim",
    "truncate", "unique", "upper", "wordcount",
)  # fmt: skip
_KEPT_TESTS = (
    "defined", "undefined", "none", "string", "number", "integer", "mapping", "sequence", "odd", "even", "in", "eq",
    "ne", "lt", "le", "gt", "ge", "==", "!=", "<", "<=", ">", ">=", "true", "false", "boolean",
)  # fmt: skip


def _language(context: Context) -> str:
    contact = context.resolve("contact")
    return contact.language if isinstance(contact, Contact) else "en"


@pass_context
def human_list(context: Context, values: Any, last: str = "and") -> str:
    """`a, b and c`, in the person's language; `or` for the other word."""
    return list_in(values, last, _language(context))


def join(values: Any, separator: str = "") -> str:
    """As Jinja's, but never longer than a text may be."""
    words = [str(value) for value in values]
    if sum(map(len, words)) + len(separator) * len(words) > MAX_RENDERED:
        raise SecurityError(f"text longer than {MAX_RENDERED} characters")
    return separator.join(words)


def rounded(value: Any, digits: int = 0) -> Any:
    """To `digits` places, at most 9; a whole number when 0."""
    return round(value, max(-9, min(digits, 9))) if digits else round(value)


@pass_context
def human_date(context: Context, value: Any, form: str = "long") -> str:
    """`2026-12-15` → `15 December 2026`, in the person's language; `short` for `15 Dec 2026`."""
    return date_in(value, form, _language(context))


@pass_context
def number(context: Context, value: Any) -> str:
    """`45000` → `45,000`, in the person's language."""
    return number_in(value, _language(context))


@pass_context
def money(context: Context, value: Any, currency: str = "") -> str:
    """`45000` → `USD 45,000`, in the person's language."""
    return money_in(value, currency, _language(context))


@pass_context
def time_of_day(context: Context, value: Any) -> str:
    """`15:30` → `3:30 pm`, as the person's language writes it."""
    return show_time(value, _language(context))


@pass_context
def duration(context: Context, value: Any) -> str:
    """A length of time, or a number of seconds → `1 h 30 min`, in the person's language."""
    return show_duration(value, _language(context))


def plural(count: Any, one: str, many: str = "") -> str:
    """A number and its noun: 1 person, 2 people."""
    return f"{count} {one if count == 1 else many or one + 's'}"


@pass_context
def is_inferred(context: Context, slot: Any, value: Any = None) -> bool:
    """Whether the value of a slot was worked out rather than said; asked of the slot itself: `month is inferred`."""
    worked_out = context.resolve("inferred")
    return isinstance(worked_out, tuple | list) and slot in worked_out


class SirdarEnvironment(ImmutableSandboxedEnvironment):
    """Jinja with our lists of what is allowed."""

    intercepted_binops = frozenset(["*", "**", "%", "+", "//", "/"])

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_printable,
            auto_reload=False,
        )
        self.globals = {}
        ours: dict[str, Callable[..., Any]] = {
            "human_list": human_list,
            "date": human_date,
            "money": money,
            "number": number,
            "plural": plural,
            "time": time_of_day,
            "duration": duration,
            "phone": show_phone,
            "join": join,
            "round": rounded,
        }
        self.filters = {name: self.filters[name] for name in _KEPT_FILTERS} | ours
        self.tests = {name: self.tests[name] for name in _KEPT_TESTS} | {"inferred": is_inferred}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """As Jinja does; and `month is inferred` is about the slot's name, which the value does not tell."""
        tree = super()._parse(source, name, filename)
        for test in tree.find_all(nodes.Test):
            if test.name == "inferred" and isinstance(test.node, nodes.Name):
                test.args = [test.node]  # still read, so that the linter knows the name
                test.node = nodes.Const(test.node.name)
        return tree

    def compile_expression(self, source: str, undefined_to_none: bool = True) -> Any:
        """As Jinja does, with the same meaning of `is inferred`."""
        return super().compile_expression(_IS_INFERRED.sub(r'"\1" is \2inferred(\1)', source), undefined_to_none)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Methods that can neither change nor blow up anything."""
        if isinstance(obj, str):
            return attr in _STRING_METHODS
        if isinstance(obj, Mapping):
            return attr in _DICT_METHODS or (isinstance(obj, Printed) and attr in obj.readable)
        return isinstance(obj, Contact) and attr in CONTACT_FIELDS

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look in a mapping before asking the object, so that `trek.items` can be data; and faster."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if type(obj) is Contact and attribute in CONTACT_FIELDS:
            return getattr(obj, attribute)
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, str) and attribute not in _STRING_METHODS:
            return self.unsafe_undefined(obj, attribute)  # Jinja would let `format` through, widths and all
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Items only: `text["format"]` must not be a way around `getattr`."""
        if isinstance(obj, str) and isinstance(argument, str):
            return self.unsafe_undefined(obj, argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of a sane size; `+` also joins text."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            if len(left) + len(right) > MAX_RENDERED:
                raise SecurityError(f"text longer than {MAX_RENDERED} characters")
            return left + right
        if not (_is_modest(left) and _is_modest(right)) or operator == "**":
            raise SecurityError(f"`{operator}` works on numbers of up to 15 digits only")
        return super().call_binop(context, operator, left, right)


def _is_modest(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and -_MAX_NUMBER < value < _MAX_NUMBER


def _printable(value: Any) -> Any:
    return "" if value is None else value


ENVIRONMENT = SirdarEnvironment()
RAISES = (JinjaError, TypeError, ValueError, ArithmeticError, KeyError, IndexError, AttributeError, RecursionError)
"""What evaluating an author's expression on unexpected data may raise."""

_PATH = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")
_WHOLE = re.compile(r"\s*\{\{-?(.*?)-?\}\}\s*", re.DOTALL)
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})


class ExpressionError(ValueError):
    """An expression cannot be compiled; the text says what is wrong, and behind `; ` what to do."""


class Expression:
    """A compiled expression; `names` are the variables it reads."""

    __slots__ = ("_evaluate", "names", "source")

    def __init__(self, source: str) -> None:
        """Compile `source`.

        Raises:
            ExpressionError: It is not an expression of our language.
        """
        self.source = source.strip()
        self.names: frozenset[str]
        path = _PATH.fullmatch(self.source)
        if path and self.source not in _CONSTANTS and " " not in self.source:
            self.names = frozenset({self.source.split(".", 1)[0]})
            self._evaluate = _follow(self.source.split("."))
            return
        plain = names_in(self.source, ENVIRONMENT.filters)
        if plain is not None:
            self.names, self._evaluate = plain, self._compiled
            return
        try:
            tree = ENVIRONMENT.parse("{{ (" + self.source + ") }}")
            check_tree(tree)
            self.names = frozenset(find_undeclared_variables(tree))
            self._evaluate = ENVIRONMENT.compile_expression(self.source, undefined_to_none=False)
        except TemplateSyntaxError as mistake:
            told = in_expression(self.source, mistake.message or "", ENVIRONMENT.filters)
            raise ExpressionError(told) from mistake

    def _compiled(self, variables: Mapping[str, Any]) -> Any:
        """Compile a plain expression when it is first needed, and evaluate it."""
        self._evaluate = ENVIRONMENT.compile_expression(self.source, undefined_to_none=False)
        return self._evaluate(variables)

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """Evaluate. Raises one of `RAISES` when the data does not fit."""
        value = self._evaluate(variables)
        if isinstance(value, Undefined):
            str(value)  # raises with Jinja's own words
        return value


def _follow(path: list[str]) -> Callable[[Mapping[str, Any]], Any]:
    """A plain `trek.id`, without the cost of running a template."""
    first, *rest = path

    def follow(variables: Mapping[str, Any]) -> Any:
        value = variables[first]
        for name in rest:
            value = ENVIRONMENT.getattr(value, name)
        return value

    return follow


class Value:
    """A value an author wrote, with `{{ … }}` in it or not.

    A string that is nothing but one `{{ … }}` keeps the type of what is in it: `"{{ people }}"` is a number.
    """

    __slots__ = ("_compute", "names", "source")

    def __init__(self, source: Any) -> None:
        """Compile. Raises `ExpressionError`."""
        self.source = source
        self.names: frozenset[str] = frozenset()
        self._compute: Callable[[Mapping[str, Any]], Any]
        if isinstance(source, list):
            items = [Value(item) for item in source]
            self.names = frozenset().union(*(item.names for item in items))
            self._compute = lambda variables: [item(variables) for item in items]
        elif not isinstance(source, str) or ("{{" not in source and "{%" not in source):
            self._compute = lambda variables: source
        elif (whole := _WHOLE.fullmatch(source)) and "{{" not in whole[1] and "}}" not in whole[1]:
            expression = Expression(whole[1])
            self.names = expression.names
            self._compute = expression
        else:
            self._compute, self.names = _text(source)

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """Compute. Raises one of `RAISES` when the data does not fit."""
        return self._compute(variables)


def _text(source: str) -> tuple[Callable[[Mapping[str, Any]], str], frozenset[str]]:
    plain = names_in_text(source, ENVIRONMENT.filters)
    if plain is not None:
        return _Text(source), plain
    try:
        tree = ENVIRONMENT.parse(source)
        check_tree(tree)
        template = ENVIRONMENT.from_string(source)
    except TemplateSyntaxError as mistake:
        told, hint = in_template(mistake.message or "", ENVIRONMENT.filters)
        raise ExpressionError(
            f"`{source}` is not a valid text: {told[:1].lower()}{told[1:].rstrip('.')}; {hint}"
        ) from mistake
    return template.render, frozenset(find_undeclared_variables(tree))


class _Text:
    """Plain text with values in it; compiled when it is first needed."""

    __slots__ = ("_render", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._render: Callable[[Mapping[str, Any]], str] | None = None

    def __call__(self, variables: Mapping[str, Any]) -> str:
        if self._render is None:
            self._render = ENVIRONMENT.from_string(self._source).render
        return self._render(variables)


_FORBIDDEN: dict[type[nodes.Node], str] = {
    nodes.Import: "`import`",
    nodes.FromImport: "`from … import`",
    nodes.Include: "`include`",
    nodes.Extends: "`extends`",
    nodes.Macro: "`macro`",
    nodes.CallBlock: "`call`",
    nodes.Pow: "`**`",
    nodes.Concat: "`~` (use `+`)",
}


def check_tree(tree: nodes.Template) -> None:
    """Refuse what could run long or reach outside.

    Raises:
        TemplateSyntaxError: With the line, and a message without a full stop.
    """
    for kind, word in _FORBIDDEN.items():
        for node in tree.find_all(kind):
            raise TemplateSyntaxError(f"{word} is not allowed here", node.lineno)
    for loop in tree.find_all(nodes.For):
        if loop.recursive or any(True for part in loop.body for _ in _loops(part)):
            raise TemplateSyntaxError("a loop inside a loop is not allowed", loop.lineno)
    for look in tree.find_all(nodes.Getattr):
        if look.attr.startswith("_"):
            raise TemplateSyntaxError(f"`{look.attr}` is not allowed here", look.lineno)
    for node in tree.find_all(nodes.Filter):
        if node.name not in ENVIRONMENT.filters:
            raise TemplateSyntaxError(f"there is no filter `{node.name}`", node.lineno)
    for test in tree.find_all(nodes.Test):
        if test.name not in ENVIRONMENT.tests:
            raise TemplateSyntaxError(f"there is no test `{test.name}`", test.lineno)


def _loops(node: nodes.Node) -> list[nodes.For]:
    found = [node] if isinstance(node, nodes.For) else []
    return [*found, *node.find_all(nodes.For)]
