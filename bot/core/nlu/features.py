"""Messages as sparse vectors: words, pairs of words and pieces of words, rare ones counting more.

Each of the three families has length 1 and its own share of the whole, so the product of two vectors is a similarity
between 0 and 1. A vector is two arrays: which features (`int32`, without repeats) and how much of each (`float32`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bot.core.nlu.tokens import pieces_of

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

_SHARES = (0.25, 0.15, 0.6)
_BEGIN, _END = "\x02", "\x03"


def _families(words: Sequence[str]) -> Iterator[tuple[int, Iterator[str]]]:
    """What a message is made of, by family; names of different families never collide."""
    yield 0, (word + "\x00" for word in words)
    ends = [_BEGIN, *words, _END]
    yield 1, (f"{one}\x01{other}" for one, other in pairwise(ends))
    yield 2, (piece for word in words for piece in pieces_of(word))


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A message. `known` is the share of its words' weight that training has seen."""

    ids: Ids
    values: Floats
    known: float


class Features:
    """The features of a set of examples, each with its weight."""

    def __init__(self, examples: Sequence[Sequence[str]]) -> None:
        """Learn them.

        Args:
            examples: The words of each example.
        """
        self._places: dict[str, int] = {}
        seen: list[int] = []
        for words in examples:
            for name in {name for _, names in _families(words) for name in names}:
                place = self._places.setdefault(name, len(seen))
                if place == len(seen):
                    seen.append(0)
                seen[place] += 1
        self._seen = seen
        count = len(examples)
        self._weights = [math.log((1 + count) / (1 + often)) + 1 for often in seen]
        self._rare = math.log(1 + count) + 1

    def __len__(self) -> int:
        """How many there are."""
        return len(self._weights)

    def vector(self, words: Sequence[str], *, own: bool = False) -> Vector:
        """Turn words into a vector; features that training has not seen have no place in it.

        Args:
            words: The message.
            own: It is one of the examples, so what only it has counts as unknown.
        """
        ids: list[int] = []
        values: list[float] = []
        known = 0.0
        for family, names in _families(words):
            counts: dict[str, int] = {}
            for name in names:
                counts[name] = counts.get(name, 0) + 1
            mine: list[float] = []
            total = strange = heard = 0.0
            enough = 2 if own else 1
            for name, often in counts.items():
                place = self._places.get(name)
                if place is None:
                    strange += 1
                    continue
                value = self._weights[place] * (1.0 if often == 1 else 1.0 + math.log(often))
                ids.append(place)
                mine.append(value)
                total += value * value
                if self._seen[place] >= enough:
                    heard += value * value
                else:
                    strange += 1
            if family == 0:
                strange *= self._rare * self._rare
                known = heard / (heard + strange) if heard else 0.0
            scale = math.sqrt(_SHARES[family] / total) if total else 0.0
            values += [value * scale for value in mine]
        return Vector(np.array(ids, np.int32), np.array(values, np.float32), known)


class Index:
    """The examples' vectors turned around: feature → the examples it is in."""

    def __init__(self, vectors: Sequence[Vector], features: int) -> None:
        """Build it."""
        self.size = len(vectors)
        ids = np.concatenate([vector.ids for vector in vectors]) if vectors else np.empty(0, np.int32)
        values = np.concatenate([vector.values for vector in vectors]) if vectors else np.empty(0, np.float32)
        rows = np.repeat(np.arange(self.size, dtype=np.int32), [len(vector.ids) for vector in vectors])
        order = np.argsort(ids, kind="stable")
        self._rows, self._values = rows[order], values[order]
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(ids, minlength=features)))).astype(np.int64)

    def similarities(self, vector: Vector) -> Floats:
        """How alike a message is to each example, 0 to 1."""
        if not len(vector.ids):
            return np.zeros(self.size, np.float32)
        starts = self._starts[vector.ids]
        lengths = self._starts[vector.ids + 1] - starts
        ends = np.cumsum(lengths)
        places = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])
        weights = self._values[places] * np.repeat(vector.values, lengths)
        return np.bincount(self._rows[places], weights, self.size).astype(np.float32)
