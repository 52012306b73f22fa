"""From examples to a classifier: which of them means what a message means, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.core.nlu.background import BACKGROUND
from bot.core.nlu.confidence import Curve, fit
from bot.core.nlu.near import Near
from bot.core.nlu.reader import Mask, Meaning, Read, Reader
from bot.core.nlu.table import word_table
from bot.core.nlu.trials import Trials, signs
from bot.core.nlu.wide import Wide

ACT = 0.6
"""Confidence from which an intent is acted on."""
OFFER = 0.2
"""Confidence from which intents are offered for choice."""
MOST_COMPARED = 2000
"""Up to so many examples a message is compared with each of them."""
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
    """Trained on examples of intents; immutable, and safe to share between threads."""

    def __init__(
        self, examples: Sequence[tuple[str, str]], *, mask: Mask | None = None, meaning: Meaning | None = None
    ) -> None:
        """Train.

        Args:
            examples: Text and intent.
            mask: What to put in the place of entities, in examples and messages alike.
            meaning: What tells what words mean, else the word table that ships with the code.
        """
        self.intents = sorted({intent for _, intent in examples})
        places = {intent: place for place, intent in enumerate(self.intents)}
        labels = np.array([places[intent] for _, intent in examples], np.intp)
        self._reader = Reader([text for text, _ in examples], mask, meaning if meaning is not None else word_table())
        if self.intents:
            strangers = self._reader.strangers(BACKGROUND)
            if len(examples) <= MOST_COMPARED:
                both = [*self._reader.examples, *strangers]
                labels = np.append(labels, np.full(len(strangers), -1, np.intp))
                self._machine: Near | Wide = Near(both, labels, len(self.intents), self._reader.features)
                self._curve = _fit(len(self.intents), self._machine.unseen)
            else:
                self._machine = Wide(self._reader.examples, labels, len(self.intents), self._reader.features)
                self._curve = _fit(len(self.intents), self._machine.unseen, self._trials(strangers))
        self._reader.examples.clear()
        self.mistaken = self._mistaken() if self.intents else []

    def guesses(self, text: str, most: int = 3) -> list[Guess]:
        """The likeliest intents, best first, each with the probability that it is meant. Takes any text."""
        if not self.intents:
            return []
        read = self._reader.read(text)
        scores, near = self._machine.scores(read)
        sure = float(self._curve(signs(scores[None], np.array([near], np.float32), [read.spelling.known]))[0])
        order = np.argsort(-scores, kind="stable")[: max(most, 1)]
        falls = np.exp(_TEMPERATURE * (scores[order] - scores[order[0]]))
        return [
            Guess(
                intent=self.intents[place],
                confidence=round(sure * float(fall), 4),
                nearest=self._machine.nearest(read, int(place)),
            )
            for place, fall in zip(order, falls, strict=True)
        ]

    def decide(self, text: str) -> tuple[str, float] | None:
        """The likeliest intent and how sure that is; None when there is no intent at all. The quick way."""
        if not self.intents:
            return None
        read = self._reader.read(text)
        scores, near = self._machine.scores(read)
        sure = self._curve(signs(scores[None], np.array([near], np.float32), [read.spelling.known]))[0]
        return self.intents[int(scores.argmax())], float(sure)

    def corrected(self, text: str) -> list[str]:
        """The words of a message as they are compared."""
        return self._reader.corrected(text)

    def _mistaken(self) -> list[Mistaken]:
        """The examples that would be taken for something else, if they had not been learnt."""
        unseen = self._machine.unseen
        sure = self._curve(signs(unseen.scores, unseen.near, unseen.known))
        best = unseen.scores.argmax(axis=1)
        wrong = np.flatnonzero((unseen.labels >= 0) & ~unseen.right & (sure >= OFFER))
        return [
            Mistaken(example=int(self._machine.tried[row]), intent=self.intents[best[row]], confidence=float(sure[row]))
            for row in wrong
        ]

    def _trials(self, strangers: Sequence[Read]) -> Trials:
        """What is said of messages that have none of the intents."""
        said = [self._machine.scores(one) for one in strangers]
        return Trials(
            np.array([scores for scores, _ in said]),
            np.array([near for _, near in said], np.float32),
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


class Predict:
    """What `train` returns: call it with a message."""

    def __init__(self, classifier: Classifier, threshold: float) -> None:
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


def train(examples: Sequence[tuple[str, str]], *, argmax: bool = False) -> Predict:
    """Train on (text, intent) pairs.

    Args:
        examples: What to learn from.
        argmax: Always name the likeliest intent, however unsure.
    """
    return Predict(Classifier(examples), -math.inf if argmax else ACT)


def train_argmax(examples: Sequence[tuple[str, str]]) -> Predict:
    """As `train`, always naming the likeliest intent: for benchmarks that take an entry point and no options."""
    return train(examples, argmax=True)
