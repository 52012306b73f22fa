"""Flows in plain words: guards, triggers, and what a block of a reply says."""

import re
from collections.abc import Iterable
from datetime import timedelta

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from bot.core.flow import parse_duration
from bot.core.sandbox import ENVIRONMENT
from bot.core.templates import keep_line_ends

_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|[A-Za-z_][\w.]*|\d[\d.]*|[=!<>]=|\S""")
_WORDS = {
    "==": "is", "!=": "is not", ">=": "at least", "<=": "at most", ">": "over", "<": "under", "and": "and", "or": "or",
    "not": "not", "is": "is", "in": "in", "none": "empty", "None": "empty", "defined": "known",
}  # fmt: skip
SAID = "“{}”"
_UNITS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
_SENTENCE = re.compile(r"[^.!?।\n]*[.!?।]+|[^.!?।\n]+")
_TERSE = 20
"""A first sentence shorter than this says too little alone: "Thank you!"."""
_MARKUP = re.compile(r"(?<!\w)[*_~`]+(?=\S)|(?<=\S)[*_~`]+(?!\w)")


def plain_guard(source: str) -> str:
    """`people >= 15` → `people at least 15`; `error.code == 'no_seats'` → `error code is “no seats”`."""
    words: list[str] = []
    for token in _TOKEN.findall(source):
        if token[0] in "'\"":
            words.append(f"“{token[1:-1].replace('_', ' ')}”")
        elif token in _WORDS:
            words.append(_WORDS[token])
        elif token[0].isalpha() or token[0] == "_":
            words.append(spaced(token))
        else:
            words.append(token)
    text = " ".join(words)
    text = re.sub(r"\bis not empty\b|\bis known\b", "is given", text)
    return re.sub(r" ([,)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", text))


def spaced(name: str) -> str:
    """`incident.updated` → `incident updated`."""
    return name.replace("_", " ").replace(".", " ").strip()


def plain_delay(text: str) -> str:
    """`1d12h` → `1 day 12 hours`; anything that is no duration as it is."""
    try:
        parse_duration(text)
    except ValueError:
        return text
    parts = re.findall(r"(\d+)([dhms])", text)
    return " ".join(f"{int(count)} {_UNITS[unit]}{'' if int(count) == 1 else 's'}" for count, unit in parts)


def plain_length(length: timedelta) -> str:
    """A length of time as `plain_delay` says it."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return plain_delay("".join(parts))


def listed(names: Iterable[str], limit: int = 4) -> str:
    """`a, b, c and 3 more`."""
    known = list(names)
    shown = known if len(known) <= limit + 1 else known[:limit]
    return ", ".join(shown) + (f" and {len(known) - len(shown)} more" if len(shown) < len(known) else "")


def previews(source: str) -> dict[str, str]:
    """What each block of a template file says, in one line; values stand as ‹name›, of branches the first."""
    try:
        tree = ENVIRONMENT.parse(keep_line_ends(source))
    except TemplateSyntaxError:
        return {}
    return {block.name: gist("".join(_said(block.body))) for block in tree.find_all(nodes.Block)}


def gist(text: str) -> str:
    """The question a message puts, else its first sentence."""
    text = _MARKUP.sub("", text)
    sentences = [" ".join(match.split()) for match in _SENTENCE.findall(text)]
    sentences = [one for one in sentences if any(map(str.isalnum, one))]
    asked = [one for one in sentences if one.endswith("?")]
    if not asked and len(sentences) > 1 and len(sentences[0]) < _TERSE:
        return " ".join(sentences[:2])
    return (asked or sentences or [" ".join(text.split())])[0]


def _said(body: Iterable[nodes.Node]) -> Iterable[str]:
    for node in body:
        match node:
            case nodes.TemplateData():
                yield node.data
            case nodes.Output() | nodes.For():
                yield from _said(node.iter_child_nodes(only=("nodes", "body")))
            case nodes.If():
                optional = not node.else_ and not node.elif_
                yield from () if optional else _said(node.else_ or node.body)
            case nodes.Expr():
                yield f"‹{_value(node)}›"


def _value(node: nodes.Expr) -> str:
    """What an expression is about: `month | date` is about the month."""
    match node:
        case nodes.Name():
            return spaced(node.name)
        case nodes.Getattr():
            return f"{_value(node.node)} {spaced(node.attr)}"
        case nodes.Const():
            return str(node.value)
        case nodes.Filter() if node.node is not None:
            return _value(node.node)
        case nodes.Or() | nodes.And():
            return _value(node.left)
        case nodes.CondExpr():
            return _value(node.expr1)
    return next((_value(child) for child in node.find_all(nodes.Name)), "…")
