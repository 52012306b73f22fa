"""Messages as sparse vectors: words, pairs of words and pieces of words, rare ones counting more.

Each of the three families has length 1 and its own share of the whole, so the product of two vectors is a similarity
between 0 and 1. A vector is two arrays: which features (`int32`, without repeats) and how much of each (`float32`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from bot.core.nlu.speller import BEGIN, END
from bot.core.nlu.stored import Arrays, packed, unpacked
from bot.core.nlu.tokens import pieces_of

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

_SHARES = (0.25, 0.15, 0.6)
_SHARES_APART = (0.26, 0.37, 0.37)
"""The same where pairs may stand apart."""
_KEPT_WORDS = 8192


def _whole(word: str) -> str:
    return word + "\x00"


def _pairs(words: Sequence[str], apart: bool) -> Iterator[str]:
    ends = [BEGIN, *words, END]
    near = (f"{one}\x01{other}" for one, other in pairwise(ends))
    return chain(near, (f"{one}\x01\x01{other}" for one, other in zip(ends, ends[2:], strict=False))) if apart else near


def _names(words: Sequence[str], apart: bool) -> set[str]:
    """What a message is made of; names of different families never collide."""
    return {*map(_whole, words), *_pairs(words, apart), *(piece for word in words for piece in pieces_of(word))}


def _counted(places: Sequence[int]) -> dict[int, int]:
    """How often each occurs; mostly, all of them once."""
    counts = dict.fromkeys(places, 1)
    if len(counts) < len(places):
        counts = dict.fromkeys(places, 0)
        for place in places:
            counts[place] += 1
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A message. `known` is the share of its words' weight that training has seen."""

    ids: Ids
    values: Floats
    known: float


class Features:
    """The features of a set of examples, each with its weight."""

    def __init__(self, seen: Mapping[str, int], count: int, *, apart: bool = False) -> None:
        """Take them.

        Args:
            seen: Each feature with the number of examples it is in; its place is its number.
            count: How many examples there are.
            apart: Whether words with one between them are a pair, too.
        """
        self._apart, self._shares = apart, _SHARES_APART if apart else _SHARES
        self._places = {name: place for place, name in enumerate(seen)}
        self._seen = list(seen.values())
        self._count = count
        self._weights = np.log((1 + count) / (1 + np.array(self._seen, np.float64))) + 1
        self._rare = (math.log(1 + count) + 1) ** 2
        self._known_words: dict[str, tuple[int | None, list[int]]] = {}

    @classmethod
    def of(cls, examples: Sequence[Sequence[str]], *, apart: bool = False) -> "Features":
        """Learn them from the words of each example; with `apart`, pairs with a word between as well.

        These tell intents apart where each has dozens of examples, and are too rare else. Of so many examples, what
        only one has tells nothing of the others: all but words is left out then, which is half of everything.
        """
        seen: dict[str, int] = {}
        for words in examples:
            for name in sorted(_names(words, apart)):
                seen[name] = seen.get(name, 0) + 1
        if apart:
            seen = {name: often for name, often in seen.items() if often > 1 or name == _whole(name[:-1])}
        return cls(seen, len(examples), apart=apart)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Features":
        """Take what `arrays` has given."""
        names = unpacked(arrays["names"])
        seen = dict(zip(names, arrays["seen"].tolist(), strict=True))
        return cls(seen, int(arrays["count"]), apart=bool(arrays["apart"]))

    @property
    def arrays(self) -> Arrays:
        """What they are made of."""
        return {
            "names": packed(self._places), "seen": np.array(self._seen, np.int32), "count": np.array(self._count),
            "apart": np.array(self._apart),
        }  # fmt: skip

    def __len__(self) -> int:
        """How many there are."""
        return len(self._weights)

    def follows(self, one: str, other: str) -> int:
        """In how many examples one word stands right before another."""
        place = self._places.get(f"{one}\x01{other}")
        return self._seen[place] if place is not None else 0

    def vector(self, words: Sequence[str], *, own: bool = False) -> Vector:
        """Turn words into a vector; features that training has not seen have no place in it.

        Args:
            words: The message.
            own: It is one of the examples, so what only it has counts as unknown.
        """
        wholes: dict[int, int] = {}
        pieces: list[int] = []
        unknown: set[str] = set()
        kept = self._known_words
        for word in words:
            whole, places = kept.get(word) or self._places_of(word)
            if whole is None:
                unknown.add(word)
            else:
                wholes[whole] = wholes.get(whole, 0) + 1
            pieces += places
        find = self._places.get
        pairs = [place for name in _pairs(words, self._apart) if (place := find(name)) is not None]
        counts = (wholes, _counted(pairs), _counted(pieces))
        ids = np.array([place for one in counts for place in one], np.int32)
        values = self._weights.take(ids)
        begin = 0
        for share, one in zip(self._shares, counts, strict=True):
            mine = values[begin : begin + len(one)]
            begin += len(one)
            if sum(one.values()) > len(one):
                mine *= 1.0 + np.log(np.array(list(one.values())))
            if one:
                mine *= math.sqrt(share / float(mine @ mine))
        known = self._heard(wholes, len(unknown), 2 if own else 1)
        return Vector(ids, values.astype(np.float32), known)

    def _places_of(self, word: str) -> tuple[int | None, list[int]]:
        """The place of a word, if it has one, and those of its pieces; kept for the next time."""
        if len(self._known_words) >= _KEPT_WORDS:
            self._known_words.clear()
        pieces = [place for piece in pieces_of(word) if (place := self._places.get(piece)) is not None]
        found = self._known_words[word] = (self._places.get(_whole(word)), pieces)
        return found

    def _heard(self, wholes: Mapping[int, int], unknown: int, enough: int) -> float:
        """The share of known words, by weight."""
        heard = 0.0
        for place, often in wholes.items():
            if self._seen[place] >= enough:
                value = float(self._weights[place]) * (1.0 if often == 1 else 1.0 + math.log(often))
                heard += value * value
            else:
                unknown += 1
        return heard / (heard + unknown * self._rare) if heard else 0.0


class Index:
    """The examples' vectors turned around: feature → the examples it is in."""

    def __init__(self, rows: npt.NDArray[np.intp], values: Floats, starts: npt.NDArray[np.intp], size: int) -> None:
        """Take it.

        Args:
            rows: The examples, feature by feature.
            values: How much of the feature is in each of them.
            starts: Where each feature begins among them, and where the last ends.
            size: How many examples there are.
        """
        self.size = size
        self._rows, self._values, self._starts = rows, values, starts
        self._steps = np.arange(len(rows))

    @classmethod
    def of(cls, vectors: Sequence[Vector], features: int) -> "Index":
        """Build it."""
        ids = np.concatenate([vector.ids for vector in vectors]) if vectors else np.empty(0, np.int32)
        values = np.concatenate([vector.values for vector in vectors]) if vectors else np.empty(0, np.float32)
        rows = np.repeat(np.arange(len(vectors)), [len(vector.ids) for vector in vectors])
        order = np.argsort(ids, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(ids, minlength=features))))
        return cls(rows[order].astype(np.intp), values[order], starts.astype(np.intp), len(vectors))

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Index":
        """Take what `arrays` has given."""
        rows, starts = arrays["rows"].astype(np.intp), arrays["starts"].astype(np.intp)
        return cls(rows, arrays["values"], starts, int(arrays["size"]))

    @property
    def arrays(self) -> Arrays:
        """What it is made of."""
        rows, starts = self._rows.astype(np.int32), self._starts.astype(np.int32)
        return {"rows": rows, "values": self._values, "starts": starts, "size": np.array(self.size)}

    def similarities(self, vector: Vector) -> Floats:
        """How alike a message is to each example, 0 to 1."""
        if not len(vector.ids):
            return np.zeros(self.size, np.float32)
        starts = self._starts[vector.ids]
        lengths = self._starts[vector.ids + 1] - starts
        ends = lengths.cumsum()
        places = np.repeat(starts - ends + lengths, lengths)
        places += self._steps[: len(places)] if len(places) <= len(self._steps) else np.arange(len(places))
        weights = self._values[places] * np.repeat(vector.values, lengths)
        return np.bincount(self._rows[places], weights, self.size).astype(np.float32)
