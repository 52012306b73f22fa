"""What every model of an author's file is made of: names, durations, lists, and the refusal of unknown words."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> timedelta:
    """Read `15m`, `2h`, `1d12h`.

    Raises:
        ValueError: It is none, or zero, or longer than a year.
    """
    match = _DURATION.fullmatch(text)
    if text.isdecimal():
        raise ValueError(f"`{text}` has no unit; write for example `{text}m` for minutes, or `{text}h` for hours")
    parts = [int(part[:6]) if part else 0 for part in match.groups()] if match else [0]
    if not match or not any(parts):
        raise ValueError(f"`{text}` is not a duration; write for example 15m, 2h or 1d12h")
    length = timedelta(days=parts[0], hours=parts[1], minutes=parts[2], seconds=parts[3])
    if length > timedelta(days=366):
        raise ValueError(f"`{text}` is longer than a year; write `366d` or less")
    return length


def as_list(value: Any) -> Any:
    """Let one thing stand for a list of one."""
    return value if isinstance(value, list) else [value]


def _as_duration(value: Any) -> Any:
    """Let `15m` mean a time, and `15` nothing: it would be seconds to the one and minutes to the other."""
    if isinstance(value, int | float):
        return parse_duration(str(value).lower())
    return parse_duration(value) if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Duration = Annotated[timedelta, BeforeValidator(_as_duration)]


WHOSE = AliasChoices("role", "roles")
"""Whose something is: `role: customer` or `roles: [customer, sales]`, as it reads best."""

ANY_LANGUAGE = ""
_T = TypeVar("_T")

Label = str | dict[str, str]
"""What something is called: in any language, or by language: `{en: number of people, hi: लोगों की संख्या}`."""


def label_in(label: Label, language: str) -> str:
    """A label in a language, without its region if need be, else in English, else in any; empty: there is none."""
    return by_language(label if isinstance(label, dict) else {ANY_LANGUAGE: label}, language) or ""


def by_language(written: Mapping[str, _T], language: str) -> _T | None:
    """What is there in a language, without its region if need be, else in English, else in any; None: nothing is."""
    short = language.replace("_", "-").split("-")[0].lower()
    return next(
        (found for code in (language, short, ANY_LANGUAGE, "en") if (found := written.get(code))),
        next(iter(written.values()), None),
    )


class Part(BaseModel):
    """Base of everything in a flow file: unknown keys are errors, and so are words of later versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _refuse_later_words(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for key in value:
                if key in cls.later:
                    raise PydanticCustomError(
                        "not_supported", "`{key}:` is not supported in this version.", {"key": key}
                    )
        return value
