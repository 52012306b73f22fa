"""What words mean, roughly: a small table of English word vectors, so that *holiday* is near *trip* unseen.

`words.npz` is made by `bench/word_table.py` from the sentence encoder all-MiniLM-L6-v2 (Apache-2.0). It ships with the
code as the phrase tables do, and is read once, when the first classifier is trained. Vectors are `int8`, each with its
scale; their length is the weight of the word, so a message's vector is simply the sum of those of its words.
"""

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from bot.core.nlu.features import Floats
from bot.core.nlu.speller import Dictionary

SHARE = 0.65
_AT_ONCE = 1024
_FREQUENT = 4000
"""Words that others are corrected to; rare ones, often names, would catch too much."""


class WordTable:
    """Word vectors."""

    def __init__(self, words: Sequence[str], rows: npt.NDArray[np.int8], scales: Floats) -> None:
        """Take them.

        Args:
            words: In comparable form (`words_of`), without repeats, from frequent to rare.
            rows: One vector for each word.
            scales: What each row is to be multiplied with.
        """
        self._places = {word: place for place, word in enumerate(words)}
        self._rows, self._scales = rows, scales
        some = slice(None, None, 32)
        self._lengths = _lengths(rows) * scales
        lengths = np.sort(self._lengths[some])
        self._rare = float(lengths[len(lengths) // 2]) if len(lengths) else 1.0  # np.median would load half of numpy
        self.width = rows.shape[1]

    def __contains__(self, word: str) -> bool:
        """Whether it has a vector of the word."""
        return word in self._places

    def directions(self, words: Sequence[str]) -> Floats:
        """A row of length 1 for each of some words, all of which it has."""
        rows = self._rows.take([self._places[word] for word in words], axis=0).astype(np.float32)
        rows /= np.sqrt(np.vecdot(rows, rows))[:, None] + np.float32(1e-6)
        return rows

    @cached_property
    def dictionary(self) -> Dictionary:
        """Its words, as a dictionary for the speller that corrects to the more frequent ones."""
        frequent = list(self._places)[:_FREQUENT]
        often = {word: len(frequent) - rank for rank, word in enumerate(frequent)}
        return Dictionary(often, most_slips=1, right=self._places)

    share = SHARE

    def prepare(self, texts: Sequence[str]) -> None:
        """Nothing: words are looked up as they come."""

    def vector(self, text: str, words: Sequence[str]) -> tuple[Floats, float]:
        """The direction of a message, of length 1, and how much of the message the table knows, 0 to 1."""
        places = [place for word in words if (place := self._places.get(word)) is not None]
        if not places:
            return np.zeros(self.width, np.float32), 0.0
        total: Floats = np.dot(self._scales.take(places), self._rows.take(places, axis=0).astype(np.float32))
        length = math.sqrt(float(total @ total))
        if length == 0.0:
            return total, 0.0
        weight = float(self._lengths.take(places).sum())
        return total / np.float32(length), weight / (weight + self._rare * (len(words) - len(places)))


def _lengths(rows: npt.NDArray[np.int8]) -> Floats:
    """Of each row, some at a time: the whole table in floats would take more memory than all the rest."""
    lengths = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE].astype(np.float32)
        lengths[start : start + _AT_ONCE] = np.sqrt(np.einsum("ij,ij->i", some, some))
    return lengths


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The table that ships with the code."""
    with resources.files("bot.core.nlu").joinpath("words.npz").open("rb") as file, np.load(file) as parts:
        words = bytes(parts["words"]).decode("ascii").split("\n")
        return WordTable(words, parts["rows"], parts["scales"].astype(np.float32))
