"""Comparing what was expected with what came: parts of JSON values, and sayings in what people hear."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from bot.core.patterns import Pattern, compile_pattern

_MARKUP = re.compile(r"[*_~`]")
_NAMES = ("code", "name", "key", "id")


def mismatch(expected: Any, got: Any, at: str = "") -> tuple[str, Any, Any] | None:
    """The first part of `expected` that `got` does not have, as (place, expected, got); None when all of it fits.

    A block needs to fit in part, a list as a whole. A word fits a record of that name or code; numbers fit their
    text, since rendered arguments are text.
    """
    match expected, got:
        case Mapping(), Mapping():
            for key, value in expected.items():
                found = mismatch(value, got.get(key), f"{at}.{key}" if at else str(key))
                if found is not None:
                    return found
            return None
        case list(), list() | tuple() if len(expected) == len(got):
            pairs = enumerate(zip(expected, got, strict=True))
            return next((f for place, (e, g) in pairs if (f := mismatch(e, g, f"{at}[{place}]")) is not None), None)
        case ((str() | int()), Mapping()) if not isinstance(expected, bool):
            fits = any(_same(expected, got.get(name)) for name in _NAMES)
            return None if fits else (at, expected, got)
    return None if _same(expected, got) else (at, expected, got)


def _same(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None or got is None:
        return expected is got
    if isinstance(expected, str) and len(expected) > 2 and expected[0] == expected[-1] == "/":
        return pattern(expected).search(str(got)) is not None
    return bool(expected == got) or (isinstance(expected, str | int | float) and isinstance(got, str | int | float)
                                     and str(expected) == str(got))  # fmt: skip


def pattern(saying: str) -> Pattern:
    """The compiled pattern of `/…/`.

    Raises:
        ValueError: It is none, or could take long; the text is a sentence.
    """
    return compile_pattern(saying[1:-1])


def is_pattern(saying: str) -> bool:
    """Whether a saying is written `/…/`."""
    return len(saying) > 2 and saying[0] == saying[-1] == "/"


def plain(text: str) -> str:
    """Text as it is compared: without *bold* and _italic_, on one line."""
    return " ".join(_MARKUP.sub("", text).split())


def contains(text: str, saying: str) -> bool:
    """Whether a text has a saying in it; case, line breaks and markup do not matter."""
    whole = plain(text)
    if is_pattern(saying):
        return pattern(saying).search(whole) is not None
    return plain(saying).casefold() in whole.casefold()


def fits(name: str, wanted: str) -> bool:
    """Whether a name fits one with `*` in it."""
    return fnmatchcase(name, wanted)
