"""The machine for few examples: kernel ridge regression on how alike a message is to each of them.

`K` holds the similarity of each pair of examples, `Y` is 1 where an example has the intent and slightly negative
elsewhere. The weights are `A = (K + λI)⁻¹ Y`; a message with similarities `k` scores `k·A`.

The inverse `G` also tells, without training again, what would be said of an example had it not been among them:
`y − (G Y) / diag G`. These decisions about unseen messages are what confidence is fitted on.
"""

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
            labels: The intent of each, from 0; -1 for what has none of the intents.
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
        itself = kernel.diagonal().copy()
        np.fill_diagonal(kernel, 0)
        near = np.where(labels >= 0, kernel, np.float32(0)).max(axis=1)
        np.fill_diagonal(kernel, itself + np.float32(RIDGE))
        inverse = np.linalg.inv(kernel)
        wanted = np.full((count, intents), -1.0 / max(intents - 1, 1), np.float32)
        own = np.flatnonzero(labels >= 0)
        wanted[own, labels[own]] = 1.0
        weights: Floats = (inverse @ wanted).astype(np.float32, copy=False)
        self._weights = np.ascontiguousarray(weights.T)
        known = np.array([one.spelling.known for one in examples], np.float32)
        siblings = (np.bincount(labels + 1, minlength=intents + 1)[labels + 1] > 1) | (labels < 0)
        alone: Floats = wanted - weights / inverse.diagonal()[:, None]
        self.tried = np.flatnonzero(siblings)
        self.unseen = Trials(alone[siblings], near[siblings], known[siblings], labels[siblings])

    def _kernel(self, read: Read) -> Floats:
        """How near a message is to each example: 1 to itself, and little to most."""
        spelling = self._index.similarities(read.spelling) * np.sqrt((1 - read.share) * (1 - self._shares))
        meaning = np.einsum("ij,j->i", self._meanings, read.meaning) * np.sqrt(read.share * self._shares)
        near: Floats = np.exp(np.float32(SHARPNESS) * (spelling + meaning - np.float32(1.0)))
        return near

    def scores(self, read: Read) -> tuple[Floats, float]:
        """A score for each intent, around 1 for what is certainly meant; and how near the nearest example is."""
        kernel = self._kernel(read)
        return np.einsum("ij,j->i", self._weights, kernel), float(kernel[self._labels >= 0].max())

    def nearest(self, read: Read, intent: int) -> int | None:
        """The example of an intent that is nearest to a message."""
        return int(np.where(self._labels == intent, self._kernel(read), np.float32(-1)).argmax())
