"""Two classifiers: the usual one, and for what it is not sure of, one that asks the sentence encoder."""

import math
from collections.abc import Sequence

import numpy as np

from bot.core.nlu import ACT, ASK_BELOW, Classifier, Guess, Mask, Predict
from bot.core.nlu.features import Floats
from bot.core.nlu.speller import Dictionary
from bot.core.nlu.table import word_table
from bot.core.nlu.tokens import words_of
from bot.core.nlu.waiting import UnpreparedError, may_take_long
from bot.semantic.encoder import WIDTH, SentenceEncoder

_KEPT = 4096


class EncodedMeaning:
    """The encoder, as what tells the meaning of messages. Keeps the last few thousand vectors."""

    width = WIDTH
    share = 0.9

    def __init__(self, encoder: SentenceEncoder) -> None:
        """Ask an encoder."""
        self._encoder = encoder
        self._known: dict[str, Floats] = {}

    @property
    def dictionary(self) -> Dictionary | None:
        """The words of the usual table."""
        return word_table().dictionary

    def prepare(self, texts: Sequence[str]) -> None:
        """Encode what is not known yet."""
        self.rows(texts)

    def rows(self, texts: Sequence[str]) -> list[Floats]:
        """A vector for each text, as it stands. Other threads may ask, and forget, meanwhile."""
        found = {text: row for text in texts if (row := self._known.get(text)) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found |= dict(zip(missing, self._encoder.encode(missing), strict=True))
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known |= found
        return [found[text] for text in texts]

    def vector(self, text: str, words: Sequence[str]) -> tuple[Floats, float]:
        """The direction of a message; all of it is known, as long as it says anything.

        A slip makes another sentence of it for an encoder, so it is given the words that were meant as well. Neither
        alone: now and then what looked like a slip was none.

        Raises:
            UnpreparedError: It would have to be computed, and there is no time for that here.
        """
        said, known = _as_meant(text, words), 1.0 if text.strip() else 0.0
        wanted = [text] if said == text else [text, said]
        if not may_take_long() and any(one not in self._known for one in wanted):
            raise UnpreparedError(lambda: self.prepare(wanted))
        both = sum(self.rows(wanted), np.zeros(WIDTH, np.float32))
        return both / np.float32(math.sqrt(float(np.vecdot(both, both)))), known


def _as_meant(text: str, words: Sequence[str]) -> str:
    """A message with its slips mended; as it is where there are none, or kinds stand in the place of entities."""
    if list(words) == list(words_of(text)) or any(word.startswith("<") for word in words):
        return text
    return " ".join(words)


class SemanticClassifier:
    """Says what `Classifier` says, and asks the encoder when that is not sure."""

    def __init__(
        self, examples: Sequence[tuple[str, str]], encoder: SentenceEncoder, *, mask: Mask | None = None
    ) -> None:
        """Train both."""
        self._usual = Classifier.of(examples, mask=mask)
        self._deep = Classifier.of(examples, mask=mask, meaning=EncodedMeaning(encoder))
        self.asked = 0

    def guesses(self, text: str, most: int = 3) -> list[Guess]:
        """The likeliest intents, best first, as of whoever is asked."""
        guesses = self._usual.guesses(text, most)
        if guesses and guesses[0].confidence < ASK_BELOW:
            self.asked += 1
            guesses = self._deep.guesses(text, most)
        return guesses

    def decide(self, text: str) -> tuple[str, float] | None:
        """The likeliest intent and how sure that is."""
        decided = self._usual.decide(text)
        if decided is not None and decided[1] < ASK_BELOW:
            self.asked += 1
            decided = self._deep.decide(text)
        return decided


def train(examples: Sequence[tuple[str, str]], *, argmax: bool = False) -> Predict[SemanticClassifier]:
    """Train on (text, intent) pairs, with the encoder of this machine.

    Raises:
        MissingExtraError: The extra is not installed.
    """
    return Predict(SemanticClassifier(examples, SentenceEncoder()), -math.inf if argmax else ACT)
