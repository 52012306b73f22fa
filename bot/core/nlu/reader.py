"""How a classifier reads a message: entities masked, typing mistakes corrected, then as vectors."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.core.nlu.features import Features, Floats, Vector
from bot.core.nlu.speller import Speller
from bot.core.nlu.table import WordTable
from bot.core.nlu.tokens import words_of

MEANING = 0.65
"""Share of the word table in how alike two messages are, as far as it knows their words; the rest is spelling."""

Mask = Callable[[Sequence[str]], Sequence[str]]
"""Puts the name of a kind in the place of the words that name one of it: `trip to ebc` → `trip to <trek>`."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A message as the classifier sees it. `share`: how much its meaning counts, beside its spelling."""

    spelling: Vector
    meaning: Floats
    share: float


class Reader:
    """Reads messages as the examples were read."""

    def __init__(self, texts: Sequence[str], mask: Mask | None, table: WordTable) -> None:
        """Learn words and features from the examples' texts."""
        self._mask, self._table = mask, table
        words = [self._words(text) for text in texts]
        self._speller = Speller(Counter(word for one in words for word in one), table.dictionary)
        self._features = Features(words)
        self.examples = [self._read(one, own=True) for one in words]
        self.features = len(self._features)
        self._word_sets = [frozenset(one) for one in words]

    def _words(self, text: str) -> Sequence[str]:
        words = words_of(text)
        return self._mask(words) if self._mask is not None else words

    def _read(self, words: Sequence[str], *, own: bool = False) -> Read:
        meaning, known = self._table.vector(words)
        return Read(self._features.vector(words, own=own), meaning, MEANING * known)

    def read(self, text: str) -> Read:
        """Any text."""
        return self._read(self.corrected(text))

    def strangers(self, texts: Sequence[str]) -> list[Read]:
        """Those of some texts whose words are not all in one example."""
        sets = self._word_sets
        return [self.read(text) for text in texts if not any(one.issuperset(words_of(text)) for one in sets)]

    def corrected(self, text: str) -> list[str]:
        """The words that are compared, typing mistakes corrected."""
        return self._speller.correct(self._words(text))
