"""What words mean, roughly: a small table of English word vectors, so that *holiday* is near *trip* unseen.

`words.npz` is made by `bench/word_table.py` from the sentence encoder all-MiniLM-L6-v2 (Apache-2.0). It ships with the
code as the phrase tables do, and is read once, when the first classifier is trained. Vectors are `int8`, each with its
scale; their length is the weight of the word, so a message's vector is simply the sum of those of its words.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from bot.core.nlu.features import Floats


class WordTable:
    """Word vectors."""

    def __init__(self, words: Sequence[str], rows: npt.NDArray[np.int8], scales: Floats) -> None:
        """Take them.

        Args:
            words: In comparable form (`words_of`), without repeats.
            rows: One vector for each word.
            scales: What each row is to be multiplied with.
        """
        self._places = {word: place for place, word in enumerate(words)}
        self._rows, self._scales = rows, scales
        self._rare = float(np.median(np.sqrt((rows.astype(np.float32) ** 2).sum(axis=1)) * scales))
        self.width = rows.shape[1]

    def __contains__(self, word: str) -> bool:
        """Whether the word is in it."""
        return word in self._places

    def vector(self, words: Sequence[str]) -> tuple[Floats, float]:
        """The direction of a message, of length 1, and how much of the message the table knows, 0 to 1."""
        places = [place for word in words if (place := self._places.get(word)) is not None]
        if not places:
            return np.zeros(self.width, np.float32), 0.0
        rows = self._rows[places].astype(np.float32) * self._scales[places, None]
        total = rows.sum(axis=0)
        length = float(np.sqrt(total @ total))
        if length == 0.0:
            return total, 0.0
        weight = float(np.sqrt(np.einsum("ij,ij->i", rows, rows)).sum())
        return total / np.float32(length), weight / (weight + self._rare * (len(words) - len(places)))


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The table that ships with the code."""
    with resources.files("bot.core.nlu").joinpath("words.npz").open("rb") as file, np.load(file) as parts:
        words = bytes(parts["words"]).decode("ascii").split("\n")
        return WordTable(words, parts["rows"], parts["scales"].astype(np.float32))
