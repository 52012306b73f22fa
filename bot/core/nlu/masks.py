"""Entities in messages, by the words that name them."""

from collections.abc import Sequence

from bot.core.nlu.tokens import words_of

Phrases = tuple[tuple[str, str], ...]
"""Normalised words, and the entity they name."""


class Masks:
    """Puts the names of entities in the place of the words that name them."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for phrase, name in phrases:
            words = tuple(words_of(phrase))
            self._phrases.setdefault(words[0], []).append((words, f"<{name}>"))
        for found in self._phrases.values():
            found.sort(key=lambda one: -len(one[0]))

    def __call__(self, words: Sequence[str]) -> list[str]:
        """Replace the longest phrases, from left to right."""
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
