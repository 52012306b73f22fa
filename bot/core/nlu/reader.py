"""How a classifier reads a message: entities masked, typing mistakes corrected, then as vectors."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.core.nlu.features import Features, Floats, Vector
from bot.core.nlu.speller import Dictionary, Speller
from bot.core.nlu.stored import Arrays, named, part
from bot.core.nlu.tokens import words_of
from bot.core.nlu.unheard import Heard

Mask = Callable[[str], Sequence[str]]
"""The words of a text, with the name of a kind for what names one of it: `trip to ebc` → `trip to <trek>`."""


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
    """A message as the classifier sees it.

    Attributes:
        spelling: Its spelling.
        meaning: Its meaning.
        share: How much its meaning counts, beside its spelling.
        elsewhere: Whether it says nothing that an example says.
    """

    spelling: Vector
    meaning: Floats
    share: float
    elsewhere: bool


class Reader:
    """Reads messages as the examples were read."""

    def __init__(self, speller: Speller, features: Features, mask: Mask | None, meaning: Meaning) -> None:
        """Take what was learnt, and what is the same for all."""
        self._speller, self._features = speller, features
        self._mask, self._meaning = mask, meaning
        self._heard = Heard(speller.own)

    @classmethod
    def of(
        cls, texts: Sequence[str], mask: Mask | None, meaning: Meaning, *, apart: bool = False
    ) -> tuple["Reader", list[Read]]:
        """Learn words and features from the examples' texts. Returns the examples as well, as they are read.

        Args:
            texts: The examples.
            mask: What to put in the place of entities.
            meaning: What tells what words mean.
            apart: Whether there are so many examples that pairs of words with one between them tell something.
        """
        words = [masked(text, mask) for text in texts]
        features = Features.of(words, apart=apart)
        speller = Speller(Counter(word for one in words for word in one), meaning.dictionary, features.follows)
        reader = cls(speller, features, mask, meaning)
        return reader, [reader.as_read(text, one, own=True) for text, one in zip(texts, words, strict=True)]

    @classmethod
    def from_arrays(cls, arrays: Arrays, mask: Mask | None, meaning: Meaning) -> "Reader":
        """Take what `arrays` has given."""
        features = Features.from_arrays(part("features", arrays))
        speller = Speller.from_arrays(part("speller", arrays), meaning.dictionary, features.follows)
        return cls(speller, features, mask, meaning)

    @property
    def arrays(self) -> Arrays:
        """What it has learnt."""
        return named("speller", self._speller.arrays) | named("features", self._features.arrays)

    @property
    def features(self) -> int:
        """How many features it knows."""
        return len(self._features)

    def get_ready(self) -> None:
        """Do now what the first messages would have to wait for."""
        self._speller.get_ready()
        self._heard.get_ready()

    def as_read(self, text: str, words: Sequence[str], *, own: bool = False) -> Read:
        """A message, given the words of it that count.

        Args:
            text: The message.
            words: Its words, masked and corrected.
            own: It is one of the examples.
        """
        meaning, known = self._meaning.vector(text, words)
        elsewhere = not own and self._heard.is_elsewhere(words)
        return Read(self._features.vector(words, own=own), meaning, self._meaning.share * known, elsewhere)

    def read(self, text: str) -> Read:
        """Any text."""
        return self.as_read(text, self.corrected(text))

    def corrected(self, text: str) -> list[str]:
        """The words that are compared, typing mistakes corrected."""
        return self._speller.correct(masked(text, self._mask))


def masked(text: str, mask: Mask | None) -> Sequence[str]:
    """The words of a text, with kinds in the place of entities."""
    return mask(text) if mask is not None else words_of(text)
