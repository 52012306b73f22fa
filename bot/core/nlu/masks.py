"""Entities in messages: the names in the place of the words that name them, of codes, and of what has a type.

A code ("TRP123", of the form that an author gave) is replaced wherever it stands. A date, time, amount or the like may
be said in many words and languages, so its words stay, and what it is stands behind them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.core.entities import Entities, extract
from bot.core.nlu.tokens import words_of
from bot.core.patterns import Pattern, compile_pattern

Phrases = tuple[tuple[str, str], ...]
"""Normalised words, and the entity they name."""
Kinds = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Entities by name, each with its type (or none, `""`) and the forms it has."""
_MOST = 8
"""Codes of a form that are looked for in a message."""
_ANY_DAY = date(2026, 1, 1)
"""Which day it is does not matter to whether a day is named."""
TYPED = {
    "date": ("dates", "periods"), "time": ("times",), "duration": ("durations",), "money": ("money",),
    "phone": ("phones",), "email": ("emails",),
}  # fmt: skip
"""Where what has a type is found; numbers are alike without."""


@dataclass(frozen=True, slots=True)
class Named:
    """What is masked in the examples and messages of a role."""

    phrases: Phrases = ()
    kinds: Kinds = ()

    @property
    def mask(self) -> "Masks | None":
        """What does it; None when there is nothing to mask."""
        return Masks(self) if self.phrases or self.kinds else None


class Masks:
    """Takes messages apart, with the names of entities in the place of the words that name them."""

    def __init__(self, named: Named) -> None:
        self._phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._codes: list[tuple[str, Pattern]] = []
        for place, (name, _, forms) in enumerate(named.kinds):
            stand_in = f"kind{chr(ord('a') + place % 26) * (1 + place // 26)}inplace"
            self._codes += [(stand_in, compile_pattern(form)) for form in forms]
            if forms:
                self._phrases[stand_in] = [((stand_in,), f"<{name}>")]
        self._types = [(f"<{name}>", TYPED[kind]) for name, kind, _ in named.kinds if kind in TYPED]
        for phrase, name in named.phrases:
            words = tuple(words_of(phrase))
            self._phrases.setdefault(words[0], []).append((words, f"<{name}>"))
        for found in self._phrases.values():
            found.sort(key=lambda one: -len(one[0]))

    def __call__(self, text: str) -> list[str]:
        """The words of a message, the longest phrases replaced from left to right."""
        whole = text
        for stand_in, form in self._codes:
            text = _replaced(text, form, f" {stand_in} ")
        masked = self._named(words_of(text))
        if self._types and masked:
            found = extract(whole, _ANY_DAY)
            masked += [name for name, kinds in self._types if _has(found, kinds)]
        return masked

    def _named(self, words: Sequence[str]) -> list[str]:
        masked: list[str] = []
        place = 0
        while place < len(words):
            for phrase, name in self._phrases.get(words[place], ()):
                if tuple(words[place : place + len(phrase)]) == phrase:
                    masked.append(name)
                    place += len(phrase)
                    break
            else:
                masked.append(words[place])
                place += 1
        return masked


def _has(found: Entities, kinds: Sequence[str]) -> bool:
    return any(getattr(found, kind) for kind in kinds)


def _replaced(text: str, form: Pattern, stand_in: str) -> str:
    """A text with codes of a form replaced, where they are words of their own."""
    made, place = "", 0
    for _ in range(_MOST):
        match = form.search(text[place:])
        if match is None:
            break
        start, end = place + match.start, place + match.end
        whole = not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
        made += text[place:start] + (stand_in if whole else text[start:end])
        place = end
    return made + text[place:]
