"""How a classifier reads a message: entities masked, typing mistakes corrected, then as vectors."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.core.nlu.features import Features, Floats, Vector
from bot.core.nlu.speller import Dictionary, Speller
from bot.core.nlu.tokens import words_of

Mask = Callable[[Sequence[str]], Sequence[str]]
"""Puts the name of a kind in the place of the words that name one of it: `trip to ebc` → `trip to <trek>`."""


class Meaning(Protocol):
    """Whatever tells roughly what a message means."""

    @property
    def width(self) -> int:
        """The length of its vectors."""

    @property
    def share(self) -> float:
        """How much it counts in how alike two messages are, as far as it knows them; the rest is spelling."""

    @property
    def dictionary(self) -> Dictionary | None:
        """Words that are right as they are."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Say which texts will be asked for, so that they may be looked at together."""

    def vector(self, text: str, words: Sequence[str]) -> tuple[Floats, float]:
        """The direction of a message, of length 1, and how much of it is known, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A message as the classifier sees it. `share`: how much its meaning counts, beside its spelling."""

    spelling: Vector
    meaning: Floats
    share: float


class Reader:
    """Reads messages as the examples were read."""

    def __init__(self, texts: Sequence[str], mask: Mask | None, meaning: Meaning) -> None:
        """Learn words and features from the examples' texts."""
        self._mask, self._meaning = mask, meaning
        meaning.prepare(texts)
        words = [self._words(text) for text in texts]
        self._speller = Speller(Counter(word for one in words for word in one), meaning.dictionary)
        self._features = Features(words)
        self.examples = [self._read(text, one, own=True) for text, one in zip(texts, words, strict=True)]
        self.features = len(self._features)
        self._word_sets = [frozenset(one) for one in words]

    def _words(self, text: str) -> Sequence[str]:
        words = words_of(text)
        return self._mask(words) if self._mask is not None else words

    def _read(self, text: str, words: Sequence[str], *, own: bool = False) -> Read:
        meaning, known = self._meaning.vector(text, words)
        return Read(self._features.vector(words, own=own), meaning, self._meaning.share * known)

    def read(self, text: str) -> Read:
        """Any text."""
        return self._read(text, self.corrected(text))

    def strangers(self, texts: Sequence[str]) -> list[Read]:
        """Those of some texts whose words are not all in one example."""
        sets = self._word_sets
        return [self.read(text) for text in texts if not any(one.issuperset(words_of(text)) for one in sets)]

    def corrected(self, text: str) -> list[str]:
        """The words that are compared, typing mistakes corrected."""
        return self._speller.correct(self._words(text))
