r"""Regular expressions from authors: only those that cannot take long.

Python's `re` backtracks: `(a+)+$` takes seconds on thirty characters. Patterns here find codes such as `TRP\d+`, so we
accept what is linear for certain, and at most quadratic on the few hundred characters they ever see.
"""

import re
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]  # noqa: SLF001  the only parser that agrees with `re`
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_MANY = 16
"""A repeat of up to this often counts as bounded."""


def compile_pattern(source: str) -> re.Pattern[str]:
    """Compile, ignoring case.

    Raises:
        ValueError: Not a regular expression, or one that could take long. The text is a sentence.
    """
    if len(source) > 200:
        raise ValueError("The pattern is longer than 200 characters.")
    try:
        parsed = _parser.parse(source, re.IGNORECASE)
        pattern = re.compile(source, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as mistake:
        raise ValueError(f"`{source}` is not a regular expression: {mistake}.") from mistake
    unbounded = _check(parsed, source, inside=False)
    if unbounded > 2:
        raise ValueError(f"`{source}` has more than two unlimited repeats, which could take long.")
    if pattern.fullmatch(""):
        raise ValueError(f"`{source}` matches nothing at all, so it would be found everywhere.")
    return pattern


def _check(parsed: Any, source: str, *, inside: bool) -> int:
    """Count unlimited repeats; refuse repeats of repeats and back references."""
    found = 0
    for operation, argument in parsed:
        name = str(operation)
        if name == "BRANCH" and inside:
            raise ValueError(f"`{source}` repeats a choice, which could take long.")
        if name in {"GROUPREF", "GROUPREF_EXISTS"}:
            raise ValueError(f"`{source}` refers back to a group, which could take long.")
        if name in _REPEATS:
            low, high, body = argument
            many = int(high) > _MANY
            if inside and int(low) != int(high):
                raise ValueError(f"`{source}` repeats a repeat, which could take long.")
            found += many + _check(body, source, inside=inside or int(high) > 1)
        else:
            found += sum(_check(part, source, inside=inside) for part in _parts(argument))
    return found


def _parts(argument: Any) -> list[Any]:
    """The patterns inside a group, branch or assertion."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [part for item in argument for part in _parts(item)]
    return []
