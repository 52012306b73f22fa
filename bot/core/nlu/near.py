"""The machine for few examples: kernel ridge regression on how alike a message is to each of them.

`K` holds the similarity of each pair of examples, `Y` is 1 where an example has the intent and slightly negative
elsewhere. The weights are `A = (K + λI)⁻¹ Y`; a message with similarities `k` scores `k·A`.

The inverse `G` also tells, without training again, what would be said of an example had it, or its whole intent, not
been among the examples: `y − (G_ss)⁻¹ (G Y)_s` for the examples `s` that are left out. These decisions about unseen
messages are what confidence is fitted on.
"""

import math
from collections.abc import Sequence

import numpy as np

from bot.core.nlu.features import Floats, Index
from bot.core.nlu.reader import Read
from bot.core.nlu.trials import Labels, Trials

SHARPNESS = 2.5
"""How steeply likeness falls: an example half as near counts for a third."""
RIDGE = 0.1
"""λ. Examples contradict each other, so none is taken at its word."""


class Near:
    """Compares with every example."""

    def __init__(self, examples: Sequence[Read], labels: Labels, intents: int, features: int) -> None:
        """Train.

        Args:
            examples: What to learn from.
            labels: The intent of each, from 0.
            intents: How many there are.
            features: How many features the reader knows.
        """
        count = len(examples)
        self._labels = labels
        self._index = Index([one.spelling for one in examples], features)
        self._meanings = np.array([one.meaning for one in examples], np.float32)
        self._shares = np.array([one.share for one in examples], np.float32)
        kernel = np.empty((count, count), np.float32)
        for row, one in enumerate(examples):
            kernel[row] = self._kernel(one)
        same = labels[:, None] == labels
        foreign_near = np.where(same, np.float32(0), kernel).max(axis=1)
        same[:] = False
        np.fill_diagonal(same, val=True)
        alone_near = np.where(same, np.float32(0), kernel).max(axis=1)
        kernel[same] += np.float32(RIDGE)
        inverse = np.linalg.inv(kernel)
        wanted = np.full((count, intents), -1.0 / max(intents - 1, 1), np.float32)
        wanted[np.arange(count), labels] = 1.0
        weights: Floats = (inverse @ wanted).astype(np.float32, copy=False)
        self._weights = np.ascontiguousarray(weights.T)
        known = np.array([one.spelling.known for one in examples], np.float32)
        foreign = np.empty_like(weights)
        for intent in range(intents):
            own = np.flatnonzero(labels == intent)
            foreign[own] = wanted[own] - np.linalg.solve(inverse[np.ix_(own, own)], weights[own])
            foreign[own, intent] = -math.inf
        siblings = np.bincount(labels, minlength=intents)[labels] > 1
        alone: Floats = wanted - weights / inverse.diagonal()[:, None]
        self.alone = Trials(alone[siblings], alone_near[siblings], known[siblings], labels[siblings])
        self.foreign = Trials(foreign, foreign_near, known, np.full(count, -1, np.intp))

    def _kernel(self, read: Read) -> Floats:
        """How near a message is to each example: 1 to itself, and little to most."""
        spelling = self._index.similarities(read.spelling) * np.sqrt((1 - read.share) * (1 - self._shares))
        meaning = np.einsum("ij,j->i", self._meanings, read.meaning) * np.sqrt(read.share * self._shares)
        near: Floats = np.exp(np.float32(SHARPNESS) * (spelling + meaning - np.float32(1.0)))
        return near

    def scores(self, read: Read) -> tuple[Floats, float]:
        """A score for each intent, around 1 for what is certainly meant; and how near the nearest example is."""
        kernel = self._kernel(read)
        return np.einsum("ij,j->i", self._weights, kernel), float(kernel.max())

    def nearest(self, read: Read, intent: int) -> int | None:
        """The example of an intent that is nearest to a message."""
        return int(np.where(self._labels == intent, self._kernel(read), np.float32(-1)).argmax())
