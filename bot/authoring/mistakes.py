"""Mistakes as authors see them: place, one sentence, and a remedy. Pydantic's errors are translated here."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.authoring.reader import Document
from bot.authoring.remedies import misplaced, remedy_for, slot_type
from bot.core.errors import ContentError, FlowError, Mark
from bot.core.flow import SLOT_TYPES, Part, SlotSpec
from bot.core.parts import WHOSE
from bot.core.report import Path, Severity, did_you_mean, one_of, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `bot check`. `code` is stable; errors stop a deploy, warnings do not."""

    severity: Severity
    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, mistake: ContentError, code: str) -> "Finding":
        """From an error."""
        at = mistake.at or Mark("", 1, 1)
        return cls(
            severity="error", file=at.file, line=at.line, column=at.column, code=code, message=mistake.message,
            hint=mistake.hint,
        )  # fmt: skip

    def error(self) -> ContentError:
        """As an error."""
        return FlowError(self.message, at=Mark(self.file, self.line, self.column), hint=self.hint)

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{text} {self.hint}".rstrip()


_OF_ANOTHER_KIND = frozenset({"dict_type", "list_type", "literal_error", "string_type", "int_type", "float_type"})


def explain(mistakes: ValidationError, document: Document, model: type[BaseModel]) -> list[Finding]:
    """Pydantic's errors with their places in the file, each place once."""
    found: dict[tuple[int, int], Finding] = {}
    details = [(_path_in(document, detail), detail) for detail in mistakes.errors(include_url=False)]
    for path, detail in details:
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other, _ in details)
        if deeper and detail["type"] in _OF_ANOTHER_KIND:
            continue  # it may be a list, a block or a word; what is wrong inside of it says more
        message, hint, at_value = _words(detail, path, model, document)
        mark = document.value_mark(path) if at_value else document.mark(path)
        finding = Finding(
            severity="error",
            file=mark.file,
            line=mark.line,
            column=mark.column,
            code="shape",
            message=message,
            hint=hint,
        )
        found.setdefault((mark.line, mark.column), finding)
    return list(found.values())


def _path_in(document: Document, detail: ErrorDetails) -> Path:
    """Pydantic's `loc` without the steps that are not in the file: union tags, `[key]` markers."""
    path: Path = ()
    for part in detail["loc"]:
        if (*path, part) in document.values or (*path, part) in document.keys:
            path = (*path, part)
    key = detail.get("ctx", {}).get("key")
    if detail["type"] == "extra_forbidden" and detail["loc"] and path[-1:] != detail["loc"][-1:]:
        path = (*path, detail["loc"][-1])
    if detail["type"] == "union_tag_invalid":
        key = "type"
    return (*path, key) if key is not None else path


def _words(detail: ErrorDetails, path: Path, model: type[BaseModel], document: Document) -> tuple[str, str, bool]:
    """Message, hint, and whether the mistake is in the value rather than the key."""
    kind, key, given = detail["type"], str(path[-1]) if path else "", detail["input"]
    match kind:
        case "extra_forbidden":
            return _unknown_key(detail, key, model)
        case "missing":
            name = detail["loc"][-1]
            return (
                f"`{name}:` is missing.",
                _MISSING.get(str(name), f"Write `{name}:` and behind it what it is."),
                False,
            )
        case "union_tag_invalid":
            return (
                f"There is no slot type `{given.get('type')}`.",
                slot_type(str(given.get("type")))
                or did_you_mean(str(given.get("type")), SLOT_TYPES)
                or f"It is one of {', '.join(SLOT_TYPES)}.",
                False,
            )
        case "union_tag_not_found":
            return "This slot has no `type:`.", "It is one of " + ", ".join(SLOT_TYPES) + ".", False
        case "string_pattern_mismatch":
            return _of_another_form(detail.get("ctx", {}).get("pattern", ""), key, str(given))
        case "literal_error":
            known = detail.get("ctx", {}).get("expected", "").replace("False", "`false`")
            given = _YAML.get(str(given), given)
            if remedy := "" if _near_any(str(given), known) else remedy_for(kind, path, given):
                return f"`{given}` is not possible here.", remedy, True
            near = did_you_mean(str(given), _QUOTED.findall(known))
            return f"`{given}` is not possible here.", near if "mean" in near else f"It is {known}.", True
        case "too_short":
            return f"`{key}:` is empty.", "Write what belongs there, or remove it.", False
        case "not_supported":
            return detail["msg"], "Remove it: the word is kept for later.", False
        case "value_error":
            return *told(detail["msg"].removeprefix("Value error, ")), True
    return _of_another_kind(detail, path, key)


def _of_another_kind(detail: ErrorDetails, path: Path, key: str) -> tuple[str, str, bool]:
    kind, given = detail["type"], detail["input"]
    if kind in _BOUNDS:
        return _out_of_bounds(kind, key, given, detail.get("ctx", {}))
    expected = _EXPECTED.get(kind)
    if given is None and kind == "string_type" and key and not key.isdecimal():
        return f"`{key}:` is empty.", "Write behind the colon what is meant, or remove it.", True
    if expected and _BRANCHES.intersection(path) and kind in {"dict_type", "model_type"} and given is not None:
        expected = "the name of a state, or a block with `if:` and `to:`"
    if expected:
        what = f"`{key}:`" if not key.isdecimal() else f"Entry {int(key) + 1} of `{path[-2]}:`"
        name = _BRANCHES.intersection(path) and kind in {"dict_type", "model_type"} and given is not None
        hint = f"Write the state's name alone, such as `{key}: review`." if name and key in _BRANCHES else ""
        if name and isinstance(given, int | float):
            hint = "Names begin with a letter: call the state `step_1`, say."
        hint = remedy_for(kind, path, given) or hint
        return f"{what if key else 'The file'} should be {expected}.", hint or _remedy(kind, given), True
    message, hint = told(detail["msg"])
    return message, hint or "Write something else there, or remove it.", True


def _unknown_key(detail: ErrorDetails, key: str, model: type[BaseModel]) -> tuple[str, str, bool]:
    loc = detail["loc"]
    if loc[0] == "slots" and loc[-2] in SLOT_TYPES:
        known = _keys_of_slot(str(loc[-2]))
        hint = did_you_mean(key, known) or "It has " + ", ".join(f"`{name}`" for name in sorted(known)) + "."
        return f"A slot of type `{loc[-2]}` has no `{key}:`.", f"{hint} {strange(key)}".strip(), False
    known = _keys_at(loc[:-1], model)
    few = "There are " + ", ".join(f"`{name}`" for name in sorted(known)) + "." if len(known) <= _FEW else ""
    if key in WHOSE.choices and str(WHOSE.choices[0]) in known:
        return f"`{key}:` says the same as `{WHOSE.choices[0]}:`.", "Keep one of them, with all the roles.", False
    if (meant := _MEANT.get(key)) in known:
        return f"There is no key `{key}:` here.", f"Did you mean `{meant}`?", False
    if hint := misplaced(key, known, detail["input"]):
        return f"There is no key `{key}:` here.", hint, False
    hint = did_you_mean(key, known) or few or f"{one_of(sorted(known))} Or remove it."
    return f"There is no key `{key}:` here.", f"{hint} {strange(key)}".strip(), False


def _of_another_form(pattern: str, key: str, given: str) -> tuple[str, str, bool]:
    wanted = _SHAPES.get(pattern)
    if wanted is not None:
        said = given if key.isdecimal() else f"{key}: {given}"
        return f"`{said}` has another form.", f"It is {wanted}.", True
    names = "Names are lower case letters, digits and `_`, beginning with a letter."
    return f"`{given}` is not a name.", f"{names} {strange(given) or _as_a_name(key, given)}".strip(), True


def _as_a_name(key: str, given: str) -> str:
    """How a name would be written that is none."""
    if (braces := _BRACES.fullmatch(given)) is not None:
        return f"Write `{braces[1]}` alone."
    if key in {"say", "ask", "prompt"} and " " in given:
        return "What people read stands in a block of the template file; its name stands here."
    if key == "call" and "." in given:
        return f"Write `{given.replace('.', '/').lower()}`."
    if key == "do" and "/" in given:
        return f"Write `{given.replace('/', '.').lower()}`."
    parts = given.split()
    if key.isdecimal() and 1 < len(parts) <= _LONG_NAME and all(_NAME.fullmatch(part) for part in parts):
        return f"Several names have commas between them: `[{', '.join(parts)}]`."
    name = _NO_NAME.sub("_", given.lower()).strip("_")
    return f"Write `{name}`." if name[:1].isalpha() and name.isascii() and name.count("_") < _LONG_NAME else ""


def _near_any(given: str, known: str) -> bool:
    """Whether one of the words there may be is near."""
    return "mean" in did_you_mean(given, _QUOTED.findall(known))


_YAML = {"True": "true", "False": "false", "None": "null"}
"""Values as they stand in the file."""
_BRANCHES = frozenset({"when", "next", "error", "events", "back"})
"""Words below which states are named."""


_QUOTED = re.compile(r"'([^']*)'")
_BRACES = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NO_NAME = re.compile(r"[^a-z0-9]+")
_LONG_NAME = 4
"""Words of a name that is too long to be one."""
_MISSING = {
    "flow": "Write its name: `flow: booking`.",
    "role": "Write whose it is: `role: customer`, or several, `role: [customer, sales]`.",
    "states": "Write what happens: `states:`, and below it the first state.",
    "intents": "Write `intents:`, and below it what people want, by name.",
    "test": "Write what it is about: `test: a customer books`.",
    "steps": "Write what happens: `steps:`, and below it `- user: hello`.",
    "to": "Write where it leads: `to: review`.",
    "forget": "Write which slots are asked for again: `forget: [month]`.",
    "name": "Write what it is called: `name: payment_reminder`.",
    "from": "Write from where: `from: 1` is the older version, `from: 21:00` the time of day.",
    "body": 'Write the words: `body: "Hello {{1}}, your trek is booked."`.',
    "if": "Write what has to hold: `if: people > 3`.",
    "say": "Name the block that says it: `say: too_many`.",
}
_BOUNDS = {
    "string_too_long": ("max_length", "characters at most"), "string_too_short": ("min_length", "characters or more"),
    "too_long": ("max_length", "entries at most"), "greater_than_equal": ("ge", "or more"),
    "greater_than": ("gt", "at least, and more than that"), "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "at most, and less than that"),
}  # fmt: skip


def _out_of_bounds(kind: str, key: str, given: Any, bounds: Mapping[str, Any]) -> tuple[str, str, bool]:
    word, limit = _BOUNDS[kind]
    if kind in {"string_too_short", "too_short"} and not given:
        return f"`{key}:` is empty.", "Write something, or leave it out.", True
    has = f"has {len(given)}" if isinstance(given, str | list | dict) else f"is {given}"
    what = "Shorten it." if "long" in kind else "Write more." if "short" in kind else "Change it."
    return f"`{key}:` {has}; it may be {bounds.get(word)} {limit}.", what, True


def _remedy(kind: str, given: Any) -> str:
    """What to do about a value of the wrong kind."""
    if kind == "string_type" and isinstance(given, bool | int | float):
        return "Put it in quotes."
    if kind in {"dict_type", "model_type"} and given is None:
        return "Indent the lines that belong to it."
    if kind == "string_type" and isinstance(given, list):
        return "Write one, without brackets."
    if kind.startswith("int_"):
        return "Write it in figures, such as 2."
    if kind == "list_type" and isinstance(given, str):
        return f"Write `[{given}]`." if given[:1] != "-" else "A dash needs a space after it: `- one`."
    if kind == "list_type" and isinstance(given, dict):
        return f"Write `[{', '.join(given)}]`."
    if kind in {"dict_type", "model_type", "model_attributes_type"}:
        if given in SLOT_TYPES:
            return f"Write `{{type: {given}}}`."
        if isinstance(given, list | str):
            return "Below it, indented, each line has a name, a colon and what it stands for."
    return _OTHERWISE.get(kind, "Below it, indented, each line has a name, a colon and what it stands for.")


def strange(text: str) -> str:
    """What the eye does not see: a letter of another alphabet that looks like one of ours, a sign of no width."""
    for sign in text:
        if sign.isascii():
            continue
        name = unicodedata.name(sign, f"U+{ord(sign):04X}").lower()
        shown = "There is an invisible sign in it" if unicodedata.category(sign)[0] in "CZ" else f"`{sign}` in it is"
        return f"{shown}: {name}." if shown.startswith("There") else f"{shown} a {name}."
    return ""


_MEANT = {
    "goto": "next", "then": "next", "target": "next", "transition": "next", "transitions": "when", "on": "when",
    "text": "say", "message": "say", "reply_with": "say", "buttons": "choices", "options": "choices",
    "timeout": "after", "wait": "after", "action": "do", "run": "do", "args": "with", "arguments": "with",
    "question": "ask", "fields": "form", "on_error": "error", "catch": "error", "outcome": "end",
    "condition": "if", "validate": "pattern", "optional": "required", "sub_states": "states", "utterances": "examples",
    "phrases": "examples", "intent": "intents",
    "slot": "slots", "state": "states", "handover": "handoff", "synonym": "synonyms", "title": "label",
}  # fmt: skip
"""Words of other languages for the same things."""
_OTHERWISE = {
    "string_type": "Write one word or text, in quotes if it has signs in it.",
    "bool_type": "Write `true` or `false`.",
    "bool_parsing": "Write `true` or `false`.",
    "list_type": "Write `[one, two]`, or each on a line of its own after a dash.",
}
"""What to do about a value of the wrong kind, whatever it is."""
_SHAPES = {
    r"^[A-Z]{2}$": "two capital letters, such as IN",
    r"^[A-Z]{3}$": "three capital letters, such as USD",
    r"^\+?[0-9]{3,19}$": "a phone number in figures",
    r"^[a-z]{2,3}(_[A-Z]{2})?$": "a language such as en, hi or pt_BR",
    r"^[a-z]{2,3}(_[A-Z]{2,3})?$": "a language such as en, hi or pt_BR",
}
"""Forms of texts that are no names."""
_FEW = 14
"""So many keys are listed where none is near the one that is wrong."""
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a block of `key: value` lines",
    "model_type": "a block of `key: value` lines",
    "model_attributes_type": "a block of `key: value` lines",
    "list_type": "a list",
}


def _keys_at(loc: Iterable[Any], model: type[BaseModel]) -> set[str]:
    """The keys a block at `loc` may have, found by walking the models alongside."""
    candidates: list[Any] = [model]
    named = False
    for step in loc:
        if named:  # what an author calls it, which may be any word
            named = False
            continue
        following: list[Any] = []
        for one in candidates:
            if isinstance(one, type) and issubclass(one, BaseModel):
                fields = [f for name, f in one.model_fields.items() if step in {name, f.alias}]
                following += [inner for f in fields for inner in _inside(f.annotation)]
                named = named or any(get_origin(f.annotation) is dict for f in fields)
        candidates = following or candidates
    models = [one for one in candidates if isinstance(one, type) and issubclass(one, Part)]
    return {field.alias or name for one in models for name, field in one.model_fields.items()}


def _keys_of_slot(kind: str) -> set[str]:
    """The keys a slot of a type may have."""
    models = [model for model in _inside(SlotSpec) if get_args(model.model_fields["type"].annotation) == (kind,)]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _inside(annotation: Any) -> Iterator[Any]:
    """The models within a type: of list items, mapping values and union members."""
    origin = get_origin(annotation)
    if origin is None:
        yield annotation
        return
    arguments = get_args(annotation)
    if origin is dict:
        arguments = arguments[1:]
    elif origin not in (Union, UnionType, list):
        arguments = arguments[:1]
    for argument in arguments:
        yield from _inside(argument)
