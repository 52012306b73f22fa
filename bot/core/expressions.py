"""Expressions as authors write them, compiled, with the names they read checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.report import Path, Report
from bot.core.sandbox import ExpressionError, Value


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
            self.report(path, str(mistake))
            return Value(None)
        for name in sorted(value.names - self.names):
            self.report.unknown(path, "slot, result or variable", name, self.names)
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
