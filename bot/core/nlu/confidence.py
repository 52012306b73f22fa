"""How sure to be: a logistic curve over what can be seen of a decision, fitted on decisions about unseen messages."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.core.nlu.features import Floats
from bot.core.nlu.stored import Arrays

_STEPS = 30
_PENALTY = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The probability that a decision is right, from its signs."""

    middle: Floats
    spread: Floats
    slopes: npt.NDArray[np.float64]

    def __call__(self, signs: Floats) -> npt.NDArray[np.float64]:
        """Probabilities, one for each row of signs."""
        scaled = (signs - self.middle) / self.spread
        height = scaled @ self.slopes[:-1] + self.slopes[-1]
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(height, -30.0, 30.0))), np.float64)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Curve":
        """Take what `arrays` has given."""
        return cls(arrays["middle"], arrays["spread"], arrays["slopes"])

    @property
    def arrays(self) -> Arrays:
        """What it is made of."""
        return {"middle": self.middle, "spread": self.spread, "slopes": self.slopes}

    def one(self, *signs: float) -> float:
        """The probability of one decision: the same, without the cost of arrays."""
        rows = zip(signs, self.middle.tolist(), self.spread.tolist(), self.slopes.tolist(), strict=False)
        height = sum((sign - middle) / spread * slope for sign, middle, spread, slope in rows) + float(self.slopes[-1])
        return 1.0 / (1.0 + math.exp(-min(max(height, -30.0), 30.0)))


def fit(signs: Floats, right: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64]) -> Curve:
    """Fit the curve by Newton's method, with a small penalty on steep slopes.

    Args:
        signs: One row for each decision.
        right: Whether it was right.
        weights: How much each counts.
    """
    middle, spread = signs.mean(axis=0), signs.std(axis=0) + np.float32(1e-6)
    scaled = np.concatenate([(signs - middle) / spread, np.ones((len(signs), 1), np.float32)], axis=1)
    rows = scaled.astype(np.float64)
    slopes = np.zeros(rows.shape[1])
    penalty = np.full(rows.shape[1], _PENALTY)
    penalty[-1] = 1e-6
    for _ in range(_STEPS):
        guess = 1.0 / (1.0 + np.exp(-np.clip(rows @ slopes, -30.0, 30.0)))
        gradient = rows.T @ (weights * (guess - right)) + penalty * slopes
        bend = weights * np.maximum(guess * (1.0 - guess), 1e-6)
        step = np.linalg.solve((rows * bend[:, None]).T @ rows + np.diag(penalty), gradient)
        slopes -= step
        if np.abs(step).max() < 1e-6:
            break
    return Curve(middle, spread, slopes)
