"""Where author mistakes are collected, by their path in the file; the reader's marks turn paths into lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from rapidfuzz import fuzz, process

Path = tuple[str | int, ...]
"""Keys and list places from the top of a file: `("states", "review", "when", "yes")`."""
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake. `code` is stable, for tools and for ignoring a warning."""

    path: Path
    message: str
    hint: str = ""
    severity: Severity = "error"
    code: str = "flow"


@dataclass(slots=True)
class Report:
    """All mistakes of a file, in the order they were found.

    `places` tells where plain states stand that were made of nested ones: `details/when` → its path in the file.
    """

    mistakes: list[Mistake] = field(default_factory=list)
    places: dict[str, Path] = field(default_factory=dict)

    def __call__(
        self, path: Path, message: str, *, hint: str = "", severity: Severity = "error", code: str = "flow"
    ) -> None:
        """Add one."""
        if len(path) > 1 and path[0] == "states":
            path = (*self.places.get(str(path[1]), path[:2]), *path[2:])
        self.mistakes.append(Mistake(path=path, message=message, hint=hint, severity=severity, code=code))

    def unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        """Add "there is no such thing", with the nearest name there is."""
        self(path, f"There is no {what} `{name}`.", hint=did_you_mean(name, known), code="unknown")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known names, or with all of them when there are few."""
    names = sorted(known)
    near = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=60) if names else None
    if near is not None:
        return f"Did you mean `{near[0]}`?"
    if 0 < len(names) <= 8:
        return "There is " + ", ".join(f"`{one}`" for one in names) + "."
    return ""
