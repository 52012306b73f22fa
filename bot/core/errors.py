"""Every error we raise, in one tree. Messages say what, where and what to do.

SirdarError
├── ContentError           flows, intents or templates are wrong: the author's to mend
│   ├── FlowError
│   └── TemplateError
├── ContentErrors          all mistakes of a content folder at once; `errors` are ContentError
├── EngineError            a flow misbehaves at run time
│   └── StepLimitReached
├── ActionError            a business service refused; the flow decides what to say
├── ConfigError            settings are missing or malformed: the operator's to mend
├── StorageError           the database is unusable as it is
└── ProviderError          a provider refused or did not answer; carries `code` and `retryable`
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in an author's file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class SirdarError(Exception):
    """Base of all our errors."""


class ContentError(SirdarError):
    """Something an author wrote is wrong.

    Args:
        message: What is wrong, one sentence.
        at: Where.
        hint: What to do.

    `others` are mistakes that were found in the same file at the same time.
    """

    def __init__(self, message: str, *, at: Mark | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint
        self.others: tuple[ContentError, ...] = ()

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")


class FlowError(ContentError):
    """A flow or intent file is wrong."""


class TemplateError(ContentError):
    """A Jinja or WhatsApp template is wrong."""


class ContentErrors(SirdarError):  # noqa: N818  the plural of ContentError
    """A content folder cannot be used. `errors` holds every mistake in it, in the order of files and lines."""

    def __init__(self, errors: list[ContentError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class EngineError(SirdarError):
    """A flow cannot go on."""


class StepLimitReached(EngineError):  # noqa: N818  the contract's name
    """The flow entered 100 states without waiting for anyone."""


class ActionError(SirdarError):
    """A service refused. `code` is stable and may be matched in flows; the text is for people.

    In a flow, what a service wrote before it refused is undone; not so when `kept`: that somebody tried is kept.
    `facts` are what the text tells, for saying it in other words and languages: JSON.
    """

    def __init__(self, code: str, message: str, *, kept: bool = False, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.kept = kept
        self.facts = facts or {}


class ConfigError(SirdarError):
    """Settings are missing or malformed. `problems` lists all of them, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StorageError(SirdarError):
    """The database cannot be used as it is; the message says what to do."""


class ProviderError(SirdarError):
    """A provider refused a call or did not answer."""

    def __init__(self, message: str, *, code: int | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
