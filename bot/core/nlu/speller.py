"""Typing mistakes: an unknown word is read as the word of the examples, else of the language, that is one slip away.

Among words of the examples, those that stand between the same neighbours there come first: "te" is *the* in "book te
trip", and nothing where no example tells. Spaces slip as well: words are joined, parted, or parted elsewhere.

Every word of a vocabulary is filed under itself and under each form with one letter left out. Two words one slip apart
(a letter wrong, missing, too many, or two swapped) share such a form, so finding them is a few look-ups, however large
the vocabulary. Forms are filed by checksum, in sorted arrays: a tenth of what a dictionary of them would take. Letters
are taken with their marks.
"""

import math
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA

from bot.core.nlu.stored import Arrays, packed, unpacked
from bot.core.nlu.tokens import MAX_LETTERS, letters_of

SHORTEST = 3
"""Words of fewer characters are left alone: too many of them are one slip apart. Of this length, letters may be
swapped, missing or too many, and not wrong."""
_TWO_SLIPS = 7
"""From this length on, two slips are forgiven."""
BEGIN, END = "\x02", "\x03"
"""What stands before the first word and after the last."""
_SLIP, _FIRST_LETTER, _OFTEN, _NEIGHBOURS = 4.0, 0.7, 0.5, 2.0
"""How much a slip counts against a word, one in its first letter more; how much its use in the examples, and its
neighbours there, count for it. By logarithms, so four slips weigh as much as neighbours seen fifty times."""
_JOINED = 5
"""Letters from which on two pieces may be one word."""

Follows = Callable[[str, str], int]
"""How often one word stands right before another in the examples."""

Letters = tuple[str, ...]


def _letters(word: str) -> str | Letters:
    """Text whose every letter is one character stays text, which is compared faster."""
    return word if word.isascii() else tuple(letters_of(word))


def _checksums(letters: str | Letters, times: int) -> set[int]:
    """Of a word, and of the word with up to so many letters left out."""
    forms: set[str | Letters] = {letters}
    last = forms
    for _ in range(times):
        last = {one[:place] + one[place + 1 :] for one in last for place in range(len(one))}  # type: ignore[operator]
        forms = forms | last
    return {crc32("".join(form).encode("utf-8", "surrogatepass")) for form in forms}


def _slips(letters: str | Letters) -> int:
    return 2 if len(letters) >= _TWO_SLIPS else 1


class Dictionary:
    """Words by what they look like with slips."""

    def __init__(
        self, often: Mapping[str, int], *, most_slips: int = 2, shortest: int = SHORTEST,
        right: Container[str] | None = None,
    ) -> None:  # fmt: skip
        """Take the words; they are filed when one is first looked for.

        Args:
            often: Each word with how often it occurs; among equally near ones, the most frequent is meant.
            most_slips: How many are forgiven in long words.
            shortest: Words of fewer characters are never meant; those of other scripts have at least `SHORTEST`.
            right: All words that are right as they are, when there are more than are meant by others.
        """
        self._often, self._most, self._shortest = often, most_slips, shortest
        self._right = right if right is not None else often
        self._words = [word for word in often if not word.startswith("<") and self._is_of_length(word)]

    @cached_property
    def _filed(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
        """Checksums of forms in order, and the place of the word of each."""
        sums: list[int] = []
        which: list[int] = []
        for place, word in enumerate(self._words):
            letters = _letters(word)
            found = _checksums(letters, min(_slips(letters), self._most))
            sums += found
            which += [place] * len(found)
        filed = np.array(sums, np.uint32)
        order = np.argsort(filed, kind="stable")
        return filed[order], np.array(which, np.int32)[order]

    def get_ready(self) -> None:
        """File the words now, so that nobody waits for it later."""
        _ = self._filed

    def __contains__(self, word: str) -> bool:
        """Whether it is a word."""
        return word in self._right

    def nearest(self, word: str) -> tuple[str, int] | None:
        """The word that is meant by one that is none, and how many slips away it is."""
        best = min(
            ((slips, found[0] != word[0], -self._often[found], found) for found, slips in self.all_near(word)),
            default=None,
        )
        return (best[3], best[0]) if best is not None else None

    def all_near(self, word: str) -> list[tuple[str, int]]:
        """The words that may be meant by one that is none, and how many slips away each is."""
        if not self._is_of_length(word):
            return []
        letters = _letters(word)
        allowed = min(_slips(letters), self._most)
        near: list[tuple[str, int]] = []
        for found in self._near(letters, allowed):
            other = _letters(found)
            alike = isinstance(letters, str) == isinstance(other, str)
            slips = (
                OSA.distance(letters, other, score_cutoff=allowed)
                if alike
                else OSA.distance(tuple(letters), tuple(other), score_cutoff=allowed)
            )
            if slips > min(allowed, _slips(other)):
                continue
            if self._shortest == SHORTEST and is_faint(word, found):
                continue
            if not isinstance(letters, str) and not isinstance(other, str) and _differ_in_letters(letters, other):
                continue
            near.append((found, slips))
        return near

    def _is_of_length(self, word: str) -> bool:
        return (self._shortest if word.isascii() else SHORTEST) <= len(word) <= MAX_LETTERS

    def _near(self, letters: str | Letters, allowed: int) -> set[str]:
        """Words that share a form with one, and perhaps some whose checksums agree by chance."""
        sums, which = self._filed
        wanted = np.array(sorted(_checksums(letters, allowed)), np.uint32)
        first, last = np.searchsorted(sums, wanted, "left"), np.searchsorted(sums, wanted, "right")
        there = np.flatnonzero(last > first).tolist()
        return {self._words[place] for one in there for place in which[first[one] : last[one]].tolist()}


def _differ_in_letters(one: Letters, other: Letters) -> bool:
    """Whether two short words of a script with marks differ in more than marks: "भाई" is no mistaken "भाषा"."""
    if min(len(one), len(other)) > SHORTEST:
        return False
    return [letter[0] for letter in one] != [letter[0] for letter in other]


def is_faint(word: str, other: str) -> bool:
    """Whether two words are so short that being one slip apart says little."""
    shorter = min(len(word), len(other))
    return shorter < SHORTEST or (len(word) == len(other) == SHORTEST and sorted(word) != sorted(other))


class Speller:
    """Corrects words towards those of the examples, else of the language."""

    def __init__(
        self, own: Mapping[str, int], language: Dictionary | None = None, follows: Follows | None = None
    ) -> None:
        """Correct towards some words.

        Args:
            own: Each word of the examples, with how often it occurs.
            language: All others there are; they are right as they are.
            follows: What is known of neighbours.
        """
        self._often = own
        self._own = Dictionary(own, shortest=1)
        self._language = language
        self._follows: Follows = follows or (lambda one, other: 0)
        self._memory: dict[str, list[tuple[str, int, float, bool]]] = {}

    @classmethod
    def from_arrays(cls, arrays: Arrays, language: Dictionary | None, follows: Follows | None = None) -> "Speller":
        """Take what `arrays` has given."""
        return cls(dict(zip(unpacked(arrays["words"]), arrays["often"].tolist(), strict=True)), language, follows)

    @property
    def arrays(self) -> Arrays:
        """What it is made of, but for the language and the neighbours."""
        return {"words": packed(self._often), "often": np.array(list(self._often.values()), np.int32)}

    @property
    def own(self) -> Mapping[str, int]:
        """Each word of the examples, with how often it occurs."""
        return self._often

    def get_ready(self) -> None:
        """Do now what the first unknown word would have to wait for."""
        self._own.get_ready()
        if self._language is not None:
            self._language.get_ready()

    def correct(self, words: Iterable[str]) -> list[str]:
        """The words that are meant: as they are when they are known, or when nothing is near enough."""
        rest = list(words)
        rest.reverse()
        meant: list[str] = []
        while rest:
            word = rest.pop()
            if word in self._own or word.startswith("<") or (self._language is not None and word in self._language):
                meant.append(word)
                continue
            if meant and self._is_joined(meant[-1], word):
                meant[-1] += word
                continue
            after = rest[-1] if rest else END
            if rest and after not in self._own:
                if self._is_joined(word, after):
                    meant.append(word + rest.pop())
                    continue
                parted = self._parted(word + after, meant, rest[-2] if len(rest) > 1 else END)
                if parted is not None and len(word) - 1 <= len(parted[0]) <= len(word) + 1:
                    meant += parted
                    rest.pop()
                    continue
            meant += self._meant(word, meant, after)
        return meant

    def _is_joined(self, one: str, other: str) -> bool:
        return len(one) + len(other) >= _JOINED and one + other in self._own

    def _parted(self, word: str, meant: list[str], after: str) -> list[str] | None:
        """Two words of the examples that were run together, perhaps by a letter in the place of the space.

        Those that are neighbours there come first; letters alone, and what has a letter between, must be.
        """
        before = meant[-1] if meant else BEGIN
        best: tuple[int, list[str]] | None = None
        for place in range(1, len(word)):
            one = word[:place]
            if one not in self._own:
                continue
            for other in (word[place:], word[place + 1 :]):
                if other not in self._own:
                    continue
                near = self._follows(one, other)
                if not near and (len(one) == 1 or len(other) == 1 or place + len(other) < len(word)):
                    continue
                near = 2 * near + self._follows(before, one) + self._follows(other, after)
                if best is None or near > best[0]:
                    best = near, [one, other]
        return best[1] if best is not None else None

    def _meant(self, word: str, meant: list[str], after: str) -> list[str]:
        """One word, or two that were run together."""
        before = meant[-1] if meant else BEGIN
        best: tuple[float, str, int] | None = None
        for found, slips, weight, faint in self._all_near(word):
            one, other = self._follows(before, found), self._follows(found, after)
            if faint and not one and not other:
                continue
            rank = (weight + _NEIGHBOURS * (math.log1p(one) + math.log1p(other)), found, slips)
            if best is None or rank > best:
                best = rank
        if best is None or best[2] > 1:
            parted = self._parted(word, meant, after)
            if parted is not None:
                return parted
        if best is not None:
            return [best[1]]
        near = self._language.nearest(word) if self._language is not None else None
        return [near[0] if near is not None else word]

    def _all_near(self, word: str) -> list[tuple[str, int, float, bool]]:
        """Words of the examples that may be meant: slips, what speaks for each, whether it is too short for that."""
        known = self._memory.get(word)
        if known is None:
            if len(self._memory) >= 8192:
                self._memory.clear()
            known = self._memory[word] = [
                (
                    found,
                    slips,
                    _OFTEN * math.log(self._often[found]) - _SLIP * slips - _FIRST_LETTER * (found[0] != word[0]),
                    is_faint(word, found),
                )
                for found, slips in self._own.all_near(word)
            ]
        return known
