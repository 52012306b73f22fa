"""The machine for thousands of examples: one linear separator for each intent, with squared hinge loss.

Comparing with every example would take too long, so this one only adds up the weights of a message's features. It is
trained by coordinate ascent on the dual (Hsieh et al. 2008, "A dual coordinate descent method for large-scale linear
SVM"), an example at a time and all intents at once.

Meanings are not separated by planes alone: two groups of messages, far apart, may have one intent. So the meaning is
also given as waves, which add up to a likeness that falls with the distance (Rahimi and Recht 2007, "Random features
for large-scale kernel machines").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.core.nlu.features import Floats
from bot.core.nlu.reader import Read
from bot.core.nlu.stored import Arrays
from bot.core.nlu.trials import Labels, Trials

SLACK = 0.4
"""How much one example may bend a separator; the inverse of twice the usual `C`."""
_RIGHT_SLACK = 0.3
"""How much of it for the examples that have the intent: few against all the others, each has to count for more."""
_MEANING = 0.5
"""How much of the usual share of meaning is left: with many examples, spelling tells more."""
_WAVES, _WAVE_LENGTH, _WAVE_SHARE = 600, 1.5, 0.4
"""How many waves, how often they turn over a distance of 1, and how much they count beside the rest, which counts 1."""
_ROUNDS = 12
_TRIAL_ROUNDS = 6
_NOTHING = np.empty(0, np.float32)
_TRIAL = 5
"""Each fifth example is kept back to fit confidence on."""


@dataclass(frozen=True, slots=True, eq=False)
class Wide:
    """Adds up weights of features.

    Attributes:
        spelling: A row for each feature of the spelling, a column for each intent.
        meaning: The same for the meaning, then one for each wave; the last is what all messages have in common.
        waves: A row for each wave: its direction, and at the end where it begins.
    """

    spelling: Floats
    meaning: Floats
    waves: Floats

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Wide":
        """Take what `arrays` has given."""
        return cls(arrays["spelling"], arrays["meaning"], arrays["waves"])

    @property
    def arrays(self) -> Arrays:
        """What it is made of."""
        return {"spelling": self.spelling, "meaning": self.meaning, "waves": self.waves}

    def intents(self, read: Read) -> Floats:
        """A score for each intent."""
        values, rest = _parts(read, self.waves)
        scores: Floats = np.einsum("ij,i->j", self.spelling[read.spelling.ids], values)
        scores += np.einsum("ij,i->j", self.meaning, rest)
        return scores

    def scores(self, read: Read) -> tuple[Floats, float, Floats]:
        """A score for each intent, around 1 for what is certainly meant; how clear it is that anything is; nothing."""
        scores = self.intents(read)
        return scores, float(_nearness(scores[None])[0]), _NOTHING

    @staticmethod
    def nearest(kernel: Floats, intent: int) -> int | None:
        """Unknown: messages are not compared with examples."""
        return None


def _separated(examples: Sequence[Read], labels: Labels, intents: int, features: int, rounds: int) -> Wide:
    """Find the weights."""
    spelling = np.zeros((features, intents), np.float32)
    waves = _waves(len(examples[0].meaning))
    meaning = np.zeros((waves.shape[1] + len(waves), intents), np.float32)
    side = np.full((len(examples), intents), -1, np.float32)
    side[np.arange(len(examples)), labels] = 1
    slack = np.where(side > 0, np.float32(SLACK * _RIGHT_SLACK), np.float32(SLACK))
    pull = np.zeros_like(side)
    parts = [_parts(one, waves) for one in examples]
    sizes = np.array([float(values @ values + rest @ rest) for values, rest in parts], np.float32)
    order = np.random.default_rng(1)
    for _ in range(rounds):
        for place in order.permutation(len(examples)):
            ids, (values, rest) = examples[place].spelling.ids, parts[place]
            rows = spelling[ids]
            scores = values @ rows + rest @ meaning
            slope = side[place] * scores - 1 + slack[place] * pull[place]
            moved = np.maximum(pull[place] - slope / (sizes[place] + slack[place]), 0)
            change = (moved - pull[place]) * side[place]
            pull[place] = moved
            rows += values[:, None] * change
            spelling[ids] = rows
            meaning += rest[:, None] * change
    return Wide(spelling, meaning, waves)


def learn_wide(examples: Sequence[Read], labels: Labels, intents: int, features: int) -> tuple[Wide, Trials]:
    """Train, twice: first to see how it does on examples that were kept back.

    Args:
        examples: What to learn from.
        labels: The intent of each, from 0.
        intents: How many there are.
        features: How many features the reader knows.
    """
    tried = np.arange(len(labels)) % _TRIAL == 0
    learnt = [one for one, held in zip(examples, tried, strict=True) if not held]
    first = _separated(learnt, labels[~tried], intents, features, _TRIAL_ROUNDS)
    scores = np.array([first.intents(one) for one, held in zip(examples, tried, strict=True) if held])
    known = np.array([one.spelling.known for one in examples], np.float32)[tried]
    trials = Trials(scores, _nearness(scores), known, labels[tried], np.flatnonzero(tried))
    return _separated(examples, labels, intents, features, _ROUNDS), trials


def _waves(width: int) -> Floats:
    """Directions drawn by chance, the same each time."""
    chance = np.random.default_rng(7)
    directions = chance.standard_normal((_WAVES, width)) * _WAVE_LENGTH
    return np.column_stack((directions, chance.uniform(0, 2 * np.pi, _WAVES))).astype(np.float32)


def _parts(read: Read, waves: Floats) -> tuple[Floats, Floats]:
    """The values of spelling features; those of the meaning, of its waves, and of what all have in common."""
    share = np.float32(read.share * _MEANING)
    one = np.ones(1, np.float32)
    heights = np.cos(np.vecdot(waves, np.concatenate((read.meaning, one))))
    heights *= np.float32(math.sqrt(2 * _WAVE_SHARE / _WAVES))
    return read.spelling.values * np.sqrt(1 - share), np.concatenate((read.meaning * np.sqrt(share), heights, one))


def _nearness(scores: Floats) -> Floats:
    """From -1 and 1, the usual scores of strangers and of what is meant, to a number above 0."""
    near: Floats = np.exp(scores.max(axis=1) - np.float32(1.0))
    return near
