"""From examples to a classifier: which of them means what a message means, and how sure that is."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from bot.core.nlu.background import BACKGROUND, ELSEWHERE
from bot.core.nlu.confidence import Curve, fit
from bot.core.nlu.features import Floats
from bot.core.nlu.near import Near, learn_near
from bot.core.nlu.reader import Mask, Meaning, Read, Reader, masked
from bot.core.nlu.speller import Dictionary
from bot.core.nlu.stored import Arrays, named, packed, part, unpacked
from bot.core.nlu.table import word_table
from bot.core.nlu.tokens import words_of
from bot.core.nlu.trials import Trials, signs
from bot.core.nlu.unheard import DOUBT
from bot.core.nlu.wide import Wide, learn_wide

ACT = 0.6
"""Confidence from which an intent is acted on."""
OFFER = 0.2
"""Confidence from which intents are offered for choice."""
ASK_BELOW = 0.97
"""Confidence of the usual classifier below which one that knows more, if there is one, is asked."""
MOST_COMPARED = 2000
"""Up to so many examples a message is compared with each of them."""
_NAMED_FROM = 8
"""Intents from which on their names are learnt: among few, one word more or less upsets how sure we are."""
_STRANGERS = (0.4, 2.0)
"""How many messages that mean nothing are expected for each one that means something: the more, the fewer intents."""
_LEAST_TRIALS = 400.0
"""Few trials count as so many, lest the curve stay flat."""
_TEMPERATURE = 8.0
"""How steeply the chance of an intent falls with its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """An intent that a message may have; `nearest` is the place of the example that speaks for it most."""

    intent: str
    confidence: float
    nearest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistaken:
    """An example, by its place, that would be taken for another intent if it had not been learnt."""

    example: int
    intent: str
    confidence: float


class Classifier:
    """Trained on examples of intents; safe to share between threads."""

    def __init__(
        self, intents: Sequence[str], reader: Reader, machine: Near | Wide | None, curve: Curve | None,
        mistaken: Sequence[Mistaken] = (),
    ) -> None:  # fmt: skip
        """Put together what was learnt: see `Classifier.of`."""
        self.intents = list(intents)
        self.mistaken = list(mistaken)
        self._reader, self._machine, self._curve = reader, machine, curve

    @classmethod
    def of(
        cls, examples: Sequence[tuple[str, str]], *, mask: Mask | None = None, meaning: Meaning | None = None
    ) -> "Classifier":
        """Train.

        Args:
            examples: Text and intent.
            mask: What to put in the place of entities, in examples and messages alike.
            meaning: What tells what words mean, else the word table that ships with the code.
        """
        intents = sorted({intent for _, intent in examples})
        places = {intent: place for place, intent in enumerate(intents)}
        compared = len(examples) <= MOST_COMPARED
        named = names_of(intents) if compared and len(intents) >= _NAMED_FROM else []
        labels = np.array([places[intent] for _, intent in [*examples, *named]], np.intp)
        texts = [text for text, _ in [*examples, *named]]
        meaning = meaning if meaning is not None else word_table()
        meaning.prepare([*texts, *BACKGROUND, *ELSEWHERE])
        reader, reads = Reader.of(texts, mask, meaning, apart=not compared)
        reader.get_ready()
        if not intents:
            return cls(intents, reader, None, None)
        strangers = _strangers(reader, texts, mask, meaning.dictionary)
        machine: Near | Wide
        if compared:
            labels = np.append(labels, np.full(len(strangers), -1, np.intp))
            machine, unseen = learn_near(
                [*reads, *strangers], labels, len(intents), reader.features, told=len(examples)
            )
            curve = _fit(len(intents), unseen)
        else:
            machine, unseen = learn_wide(reads, labels, len(intents), reader.features)
            curve = _fit(len(intents), unseen, _trials(machine, strangers))
        return cls(intents, reader, machine, curve, _mistaken(intents, unseen, curve))

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, mask: Mask | None = None, meaning: Meaning | None = None) -> "Classifier":
        """Take what `arrays` has given, with the same mask and meaning as for the training.

        Raises:
            KeyError, ValueError: These arrays are not a classifier's.
        """
        intents = unpacked(arrays["intents"])
        reader = Reader.from_arrays(part("reader", arrays), mask, meaning if meaning is not None else word_table())
        if not intents:
            return cls(intents, reader, None, None)
        near = part("near", arrays)
        machine = Near.from_arrays(near) if near else Wide.from_arrays(part("wide", arrays))
        rows = zip(*(arrays[f"mistaken.{name}"].tolist() for name in ("examples", "intents", "sure")), strict=True)
        mistaken = [Mistaken(example=row, intent=intents[place], confidence=sure) for row, place, sure in rows]
        return cls(intents, reader, machine, Curve.from_arrays(part("curve", arrays)), mistaken)

    @property
    def arrays(self) -> Arrays:
        """What it is made of; mask and meaning are not among it."""
        arrays = {"intents": packed(self.intents)} | named("reader", self._reader.arrays)
        if self._machine is None or self._curve is None:
            return arrays
        places = {intent: place for place, intent in enumerate(self.intents)}
        return (
            arrays
            | named("near" if isinstance(self._machine, Near) else "wide", self._machine.arrays)
            | named("curve", self._curve.arrays)
            | {
                "mistaken.examples": np.array([one.example for one in self.mistaken], np.int32),
                "mistaken.intents": np.array([places[one.intent] for one in self.mistaken], np.int32),
                "mistaken.sure": np.array([one.confidence for one in self.mistaken], np.float64),
            }
        )

    def get_ready(self) -> None:
        """Do now what the first messages would have to wait for."""
        self._reader.get_ready()

    def guesses(self, text: str, most: int = 3) -> list[Guess]:
        """The likeliest intents, best first, each with the probability that it is meant. Takes any text."""
        judged = self._judged(text)
        if judged is None or self._machine is None:
            return []
        kernel, scores, _, sure = judged
        order = np.argsort(-scores, kind="stable")[: max(most, 1)].tolist()
        best = float(scores[order[0]])
        return [
            Guess(
                intent=self.intents[place],
                confidence=round(sure * math.exp(_TEMPERATURE * (float(scores[place]) - best)), 4),
                nearest=self._machine.nearest(kernel, place),
            )
            for place in order
        ]

    def decide(self, text: str) -> tuple[str, float] | None:
        """The likeliest intent and how sure that is; None when there is no intent at all. The quick way."""
        judged = self._judged(text)
        return (self.intents[judged[2]], judged[3]) if judged is not None else None

    def _judged(self, text: str) -> tuple[Floats, Floats, int, float] | None:
        """How near each example is to a message, the scores of all intents, the best one's place, how sure it is."""
        if self._machine is None or self._curve is None:
            return None
        read = self._reader.read(text)
        scores, near, kernel = self._machine.scores(read)
        best = int(scores.argmax())
        top, second = float(scores[best]), 0.0
        if len(scores) > 1:
            second = max(float(np.partition(scores, -2)[-2]), -1.0)
        sure = self._curve.one(top, top - second, math.log(max(near, 1e-6)), read.spelling.known)
        return kernel, scores, best, sure * DOUBT if read.elsewhere else sure

    def corrected(self, text: str) -> list[str]:
        """The words of a message as they are compared."""
        return self._reader.corrected(text)


def _strangers(reader: Reader, texts: Sequence[str], mask: Mask | None, english: Dictionary | None) -> list[Read]:
    """What mostly means nothing to a business, without what has all its words in one example."""
    sets = [frozenset(masked(text, mask)) for text in texts]
    own = {word for one in sets for word in one if english is None or word not in english}
    near = ((text, words_of(text)) for text in ELSEWHERE)
    strange = [(text, words_of(text)) for text in BACKGROUND]
    strange += [(text, words) for text, words in near if not own.isdisjoint(words)]
    return [reader.read(text) for text, words in strange if not any(one.issuperset(words) for one in sets)]


def names_of(intents: Sequence[str]) -> list[tuple[str, str]]:
    """What the names of intents say themselves: `lost_or_stolen_card` is an example of it, though nobody wrote it.

    Words that most names share tell nothing, nor do numbers; of a name without any other word, nothing is learnt.
    """
    words = {intent: [word for word in words_of(intent.replace("_", " ")) if len(word) > 1] for intent in intents}
    often = Counter(word for one in words.values() for word in set(one))
    most = max(len(intents) / 2, 1)
    named = ((" ".join(w for w in words[one] if often[w] <= most and not w.startswith("<")), one) for one in intents)
    return [(text, intent) for text, intent in named if text]


def _mistaken(intents: Sequence[str], unseen: Trials, curve: Curve) -> list[Mistaken]:
    """The examples that would be taken for something else, if they had not been learnt."""
    if unseen.places is None:
        return []
    sure = curve(signs(unseen.scores, unseen.near, unseen.known))
    best = unseen.scores.argmax(axis=1)
    return [
        Mistaken(example=int(unseen.places[row]), intent=intents[best[row]], confidence=float(sure[row]))
        for row in np.flatnonzero((unseen.labels >= 0) & ~unseen.right & (sure >= OFFER))
    ]


def _trials(machine: Wide, strangers: Sequence[Read]) -> Trials:
    """What is said of messages that have none of the intents."""
    said = [machine.scores(one) for one in strangers]
    return Trials(
        np.array([scores for scores, _, _ in said]),
        np.array([near for _, near, _ in said], np.float32),
        np.array([one.spelling.known for one in strangers], np.float32),
        np.full(len(strangers), -1, np.intp),
    )


def _fit(intents: int, *trials: Trials) -> Curve:
    """Fit confidence on what would be said of examples and strangers, had they not been learnt from."""
    labels = np.concatenate([one.labels for one in trials])
    own, strange = max(int((labels >= 0).sum()), 1), max(int((labels < 0).sum()), 1)
    always, shared = _STRANGERS
    weights = np.where(labels < 0, (always + shared / intents) * own / strange, 1.0)
    weights *= max(1.0, _LEAST_TRIALS / weights.sum())
    return fit(
        np.concatenate([signs(one.scores, one.near, one.known) for one in trials]),
        np.concatenate([one.right for one in trials]),
        weights,
    )


class Decides(Protocol):
    """Knows the likeliest intent of a message, and how likely it is; None when nothing is known of it."""

    def decide(self, text: str) -> tuple[str, float] | None:
        """Decide."""


Learnt = TypeVar("Learnt", bound=Decides)


class Predict(Generic[Learnt]):
    """What `train` returns: call it with a message."""

    def __init__(self, classifier: Learnt, threshold: float) -> None:
        """Predict with a classifier; below the threshold, the answer is that it means nothing we know."""
        self.classifier = classifier
        self._threshold = threshold

    def __call__(self, text: str) -> tuple[str | None, float]:
        """The intent, or None, and the probability that the likeliest intent is meant."""
        intent, confidence = self.argmax(text)
        return (intent if confidence >= self._threshold else None), confidence

    def argmax(self, text: str) -> tuple[str | None, float]:
        """The likeliest intent, however unsure."""
        return self.classifier.decide(text) or (None, 0.0)

    def batch(self, texts: Sequence[str]) -> list[tuple[str | None, float]]:
        """The same as calling it, for many messages."""
        return [self(text) for text in texts]


def train(examples: Sequence[tuple[str, str]], *, argmax: bool = False) -> Predict[Classifier]:
    """Train on (text, intent) pairs.

    Args:
        examples: What to learn from.
        argmax: Always name the likeliest intent, however unsure.
    """
    return Predict(Classifier.of(examples), -math.inf if argmax else ACT)


def train_argmax(examples: Sequence[tuple[str, str]]) -> Predict[Classifier]:
    """As `train`, always naming the likeliest intent: for benchmarks that take an entry point and no options."""
    return train(examples, argmax=True)
