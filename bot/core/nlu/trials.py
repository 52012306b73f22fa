"""Decisions about messages that were not learnt from: what confidence is fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.core.nlu.features import Floats

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Some decisions: the scores of each intent, how near the nearest example was, and the intent that was right.

    A label of -1 says that no intent is. `places` tells which examples were tried, where it was examples.
    """

    scores: Floats
    near: Floats
    known: Floats
    labels: Labels
    places: Labels | None = None

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether the best score was the right one's."""
        return np.asarray(self.scores.argmax(axis=1) == self.labels)


def signs(scores: Floats, near: Floats, known: Sequence[float] | Floats) -> Floats:
    """What can be seen of decisions: the best score, its lead, how near the nearest example is, what was known."""
    if scores.shape[1] > 1:
        best = np.partition(scores, -2, axis=1)[:, -2:]
        top, second = best[:, 1], np.maximum(best[:, 0], -1.0)
    else:
        top, second = scores[:, 0], np.zeros(len(scores), np.float32)
    near = np.log(np.maximum(near, np.float32(1e-6)))
    return np.stack([top, top - second, near, np.asarray(known)], axis=1).astype(np.float32)
