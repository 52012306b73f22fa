"""The machine for few examples: kernel ridge regression on how alike a message is to each of them.

`K` holds the similarity of each pair of examples, `Y` is 1 where an example has the intent and slightly negative
elsewhere. The weights are `A = (K + λI)⁻¹ Y`; a message with similarities `k` scores `k·A`.

The inverse `G` also tells, without training again, what would be said of an example had it not been among them:
`y − (G Y) / diag G`. These decisions about unseen messages are what confidence is fitted on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.core.nlu.features import Floats, Index
from bot.core.nlu.reader import Read
from bot.core.nlu.stored import Arrays, named, part
from bot.core.nlu.trials import Labels, Trials

SHARPNESS = 2.5
"""How steeply likeness falls: an example half as near counts for a third."""
RIDGE = 0.1
"""λ. Examples contradict each other, so none is taken at its word."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Compares with every example.

    Attributes:
        labels: The intent of each example, from 0; at the end, -1 for what has none of the intents.
        own: How many have one.
        told: How many of these somebody wrote, the first; the others are names of intents.
        index: Their spelling.
        meanings: Their meanings, each as long as the root of how much it counts.
        unshared: The root of how much the spelling of each counts.
        weights: A row for each intent, of what each example says of it.
    """

    labels: Labels
    own: int
    told: int
    index: Index
    meanings: Floats
    unshared: Floats
    weights: Floats

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Near":
        """Take what `arrays` has given."""
        index, labels = Index.from_arrays(part("index", arrays)), arrays["labels"].astype(np.intp)
        own = int((labels >= 0).sum())
        return cls(labels, own, int(arrays["told"]), index, arrays["meanings"], arrays["unshared"], arrays["weights"])

    @property
    def arrays(self) -> Arrays:
        """What it is made of."""
        return named("index", self.index.arrays) | {
            "labels": self.labels, "meanings": self.meanings, "unshared": self.unshared, "weights": self.weights,
            "told": np.array(self.told),
        }  # fmt: skip

    def kernel(self, read: Read) -> Floats:
        """How near a message is to each example: 1 to itself, and little to most."""
        # vecdot, row by row: matmul would wake threads that wait for each other longer than they compute.
        near = self.index.similarities(read.spelling)
        near *= self.unshared * np.float32(math.sqrt(1 - read.share))
        near += np.vecdot(self.meanings, read.meaning * np.float32(math.sqrt(read.share)))
        near -= np.float32(1.0)
        near *= np.float32(SHARPNESS)
        return np.exp(near, out=near)

    def scores(self, read: Read) -> tuple[Floats, float, Floats]:
        """Judge a message.

        Returns:
            A score for each intent, around 1 for what is certainly meant; how near the nearest example is; and how near
            each of them is.
        """
        kernel = self.kernel(read)
        return np.vecdot(self.weights, kernel), float(kernel[: self.own].max()), kernel

    def nearest(self, kernel: Floats, intent: int) -> int | None:
        """The example of an intent that is nearest to a message, given how near each of them is."""
        told = slice(None, self.told)
        return int(np.where(self.labels[told] == intent, kernel[told], np.float32(-1)).argmax())


def learn_near(
    examples: Sequence[Read], labels: Labels, intents: int, features: int, *, told: int | None = None
) -> tuple[Near, Trials]:
    """Train, and tell what would be said of each example had it not been learnt.

    Args:
        examples: What to learn from.
        labels: The intent of each, from 0; at the end, -1 for what has none of the intents.
        intents: How many there are.
        features: How many features the reader knows.
        told: How many examples, the first, somebody wrote, and confidence is fitted on; None: all with an intent.
    """
    count = len(examples)
    index = Index.of([one.spelling for one in examples], features)
    shares = np.array([one.share for one in examples], np.float32)
    meanings = np.array([one.meaning for one in examples], np.float32) * np.sqrt(shares)[:, None]
    mine = int((labels >= 0).sum())
    told = mine if told is None else told
    untrained = Near(labels, mine, told, index, meanings, np.sqrt(1 - shares), np.empty((0, count), np.float32))
    kernel = np.empty((count, count), np.float32)
    for row, one in enumerate(examples):
        kernel[row] = untrained.kernel(one)
    itself = kernel.diagonal().copy()
    np.fill_diagonal(kernel, 0)
    near = np.where(labels >= 0, kernel, np.float32(0)).max(axis=1)
    np.fill_diagonal(kernel, itself + np.float32(RIDGE))
    inverse = np.linalg.inv(kernel)
    wanted = np.full((count, intents), -1.0 / max(intents - 1, 1), np.float32)
    own = np.flatnonzero(labels >= 0)
    wanted[own, labels[own]] = 1.0
    weights: Floats = (inverse @ wanted).astype(np.float32, copy=False)
    known = np.array([one.spelling.known for one in examples], np.float32)
    siblings = (np.bincount(labels + 1, minlength=intents + 1)[labels + 1] > 1) | (labels < 0)
    alone: Floats = wanted - weights / inverse.diagonal()[:, None]
    trained = replace(untrained, weights=np.ascontiguousarray(weights.T))
    siblings[told:mine] = False
    places = np.flatnonzero(siblings)
    return trained, Trials(alone[siblings], near[siblings], known[siblings], labels[siblings], places)
