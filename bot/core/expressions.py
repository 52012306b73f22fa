"""Expressions as authors write them, compiled, with the names they read checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.report import Path, Report, did_you_mean, one_of
from bot.core.sandbox import CONTACT_FIELDS, ExpressionError, Value

_INSIDE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CONTACT = re.compile(r"(?<![\w.])contact\.([A-Za-z_]\w*)")


def unknown_of_contact(text: str) -> Iterator[str]:
    """What expressions in a text want to know of the person and cannot."""
    if "contact." in text:
        inside = " ".join(_INSIDE.findall(text))
        yield from (name for name in dict.fromkeys(_CONTACT.findall(inside)) if name not in CONTACT_FIELDS)


@dataclass(frozen=True, slots=True)
class Expressions:
    """Compiles what authors put between `{{` and `}}`. `names` are the variables there are."""

    names: frozenset[str]
    report: Report

    def value(self, source: Any, path: Path) -> Value:
        """Compile an expression or argument, and check the names it reads."""
        try:
            value = Value(source)
        except ExpressionError as mistake:
            self.report.wrong(path, mistake)
            return Value(None)
        for name in sorted(value.names - self.names):
            if isinstance(source, str) and f"{name}(" in source:
                hint = "What is done with a value is a filter behind it, such as `people | length`."
                self.report(path, f"There is no function `{name}`.", code="unknown", hint=hint)
                continue
            self.report.unknown(path, "slot, result or variable", name, self.names)
        if isinstance(source, str):
            for name in unknown_of_contact(source):
                near = did_you_mean(name, CONTACT_FIELDS) or one_of(sorted(CONTACT_FIELDS))
                self.report(path, f"A contact has no `{name}`.", hint=near, code="unknown")
        return value

    def condition(self, source: str | bool, path: Path) -> Value:
        """Compile what stands after `if:`: an expression without braces."""
        if isinstance(source, str) and "{{" in source:
            self.report(path, f"`if: {source}` is an expression already.", hint="Leave out the `{{` and `}}`.")
            return Value(None)
        return self.value("{{ " + source + " }}" if isinstance(source, str) else source, path)

    def values(self, sources: Mapping[str, Any] | None, path: Path) -> dict[str, Value]:
        """Compile arguments."""
        return {name: self.value(source, (*path, name)) for name, source in (sources or {}).items()}
