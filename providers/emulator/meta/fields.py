"""Reads a request's JSON strictly: every value knows its path, so that an error names what is wrong."""

from collections.abc import Iterable
from typing import Any

import orjson

from providers.emulator.meta.errors import GraphError

REQUIRED = 131008
INVALID = 131009


class Field:
    """One value of a request body.

    Every method that finds the value wanting raises `GraphError` with the code that Meta gives for it: 131008 for what
    is missing, 131009 (or the code asked for) for what is wrong.
    """

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def need(self, key: str) -> "Field":
        """The member `key`, which must be there."""
        found = self.get(key)
        if found is None:
            raise GraphError(REQUIRED, f"The parameter {self._path_of(key)} is required.")
        return found

    def get(self, key: str) -> "Field | None":
        """The member `key`, or `None` when it is absent or null."""
        if not isinstance(self.value, dict):
            raise GraphError(INVALID, f"{self.path or 'The request'} must be an object.")
        value = self.value.get(key)
        return None if value is None else Field(value, self._path_of(key))

    def text(self, most: int | None = None, *, least: int = 1, code: int = INVALID) -> str:
        """The value as a string of `least` to `most` characters."""
        if not isinstance(self.value, str):
            raise self.wrong("must be a string", code)
        if len(self.value) < least:
            raise self.wrong(f"must have at least {least} character(s)", code)
        if most is not None and len(self.value) > most:
            raise self.wrong(f"must be at most {most} characters long, this one has {len(self.value)}", code)
        return self.value

    def text_of(self, key: str, most: int | None = None) -> str:
        """The optional member `key` as a string; '' when absent."""
        found = self.get(key)
        return "" if found is None else found.text(most)

    def degrees(self, limit: float) -> float:
        """The value as a coordinate within ±`limit`; Meta takes numbers and strings."""
        try:
            number = float(self.value)
        except (TypeError, ValueError):
            raise self.wrong("must be a number") from None
        if isinstance(self.value, bool) or not -limit <= number <= limit:
            raise self.wrong(f"must lie between {-limit:g} and {limit:g}")
        return number

    def items(self, least: int, most: int, *, code: int = INVALID) -> list["Field"]:
        """The value as a list of `least` to `most` items."""
        if not isinstance(self.value, list):
            raise self.wrong("must be a list", code)
        if not least <= len(self.value) <= most:
            raise self.wrong(f"must have {least} to {most} items, this one has {len(self.value)}", code)
        return [Field(item, f"{self.path}[{place}]") for place, item in enumerate(self.value)]

    def decoded(self) -> "Field":
        """The value, decoded if it is JSON written as a string, which the Graph API takes in some places."""
        if not isinstance(self.value, str):
            return self
        try:
            return Field(orjson.loads(self.value), self.path)
        except orjson.JSONDecodeError:
            return self

    def one_of(self, allowed: Iterable[str], *, code: int = INVALID) -> str:
        """The value as one of the allowed words."""
        words = tuple(allowed)
        if self.value not in words:
            raise self.wrong(f"must be one of {{{', '.join(words)}}}", code)
        return str(self.value)

    def wrong(self, why: str, code: int = INVALID) -> GraphError:
        """The error that says why this value is refused."""
        return GraphError(code, f"Param {self.path} {why}.")

    def _path_of(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
