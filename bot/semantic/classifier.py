"""Two classifiers: the usual one, and for what it is not sure of, one that asks the sentence encoder."""

import math
from collections.abc import Sequence

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
        """Encode many at once, which is faster than one by one."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        if missing:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known |= dict(zip(missing, self._encoder.encode(missing), strict=True))

    def vector(self, text: str, words: Sequence[str]) -> tuple[Floats, float]:
        """The direction of a message; all of it is known, as long as it says anything.

        A slip makes another sentence of it for an encoder, so it is given the words that were meant.

        Raises:
            UnpreparedError: It would have to be computed, and there is no time for that here.
        """
        said = _as_meant(text, words)
        found = self._known.get(said)
        if found is None:
            if not may_take_long():
                raise UnpreparedError(lambda: self.prepare([said]))
            found = self._known[said] = self._encoder.encode([said])[0]
        return found, 1.0 if text.strip() else 0.0


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
