"""Where author mistakes are collected, by their path in the file; the reader's marks turn paths into lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rapidfuzz import fuzz, process

Path = tuple[str | int, ...]
"""Keys and list places from the top of a file: `("states", "review", "when", "yes")`."""
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake. `code` is stable, for tools and for ignoring a warning; `missing` names what there should be."""

    path: Path
    message: str
    hint: str = ""
    severity: Severity = "error"
    code: str = "flow"
    missing: tuple[str, str] | None = None


@dataclass(slots=True)
class Report:
    """All mistakes of a file, in the order they were found.

    `places` tells where plain states stand that were made of nested ones: `details/when` → its path in the file.
    """

    mistakes: list[Mistake] = field(default_factory=list)
    places: dict[str, Path] = field(default_factory=dict)

    def __call__(
        self,
        path: Path,
        message: str,
        *,
        hint: str = "",
        severity: Severity = "error",
        code: str = "flow",
        missing: tuple[str, str] | None = None,
    ) -> None:
        """Add one."""
        if len(path) > 1 and path[0] == "states":
            path = (*self.places.get(str(path[1]), path[:2]), *path[2:])
        self.mistakes.append(
            Mistake(path=path, message=message, hint=hint, severity=severity, code=code, missing=missing)
        )

    def unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        """Add "there is no such thing", with the nearest name there is."""
        names = sorted(known)
        hint = did_you_mean(name, names) or one_of(names)
        self(path, f"There is no {what} `{name}`.", hint=hint, code="unknown", missing=(what, name))

    def wrong(self, path: Path, mistake: Exception, *, code: str = "flow") -> None:
        """Add what an error says: what is wrong, and behind `; ` what to do."""
        message, hint = told(mistake)
        self(path, message, hint=hint, code=code)


def told(mistake: object) -> tuple[str, str]:
    """A sentence and its remedy, from an error whose text has both, with `; ` between them."""
    what, _, remedy = str(mistake).rpartition("; ")
    message, hint = (what, remedy) if what else (remedy, "")
    return _sentence(message), _sentence(hint)


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}"
    return text if not text or text[-1] in ".?" else f"{text}."


def one_of(names: Sequence[str]) -> str:
    """What to do where none of many names is near: a few of them; or that there is none yet."""
    if not names:
        return "There is none at all yet: write it, or leave this out."
    few = ", ".join(f"`{name}`" for name in names[:5])
    return f"Name one that there is, such as {few}." if len(names) > 5 else f"There is {few}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known names, or with all of them when there are few."""
    names = sorted(known)
    near = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=60) if names else None
    if near is not None:
        return f"Did you mean `{near[0]}`?"
    if 0 < len(names) <= 8:
        return "There is " + ", ".join(f"`{one}`" for one in names) + "."
    return ""
