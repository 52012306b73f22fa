"""Typing mistakes: an unknown word is read as the word of the examples, else of the language, that is one slip away.

Every word of a vocabulary is filed under itself and under each form with one letter left out. Two words one slip apart
(a letter wrong, missing, too many, or two swapped) share such a form, so finding them is a few look-ups, however large
the vocabulary. Forms are filed by checksum, in sorted arrays: a tenth of what a dictionary of them would take. Letters
are taken with their marks.
"""

from collections.abc import Iterable, Mapping
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

    def __init__(self, often: Mapping[str, int], *, most_slips: int = 2) -> None:
        """Take the words; they are filed when one is first looked for.

        Args:
            often: Each word with how often it occurs; among equally near ones, the most frequent is meant.
            most_slips: How many are forgiven in long words.
        """
        self._often, self._most = often, most_slips
        self._words = [word for word in often if not word.startswith("<") and SHORTEST <= len(word) <= MAX_LETTERS]

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
        return word in self._often

    def nearest(self, word: str) -> tuple[str, int] | None:
        """The word that is meant by one that is none, and how many slips away it is."""
        if not SHORTEST <= len(word) <= MAX_LETTERS:
            return None
        letters = _letters(word)
        allowed = min(_slips(letters), self._most)
        best: tuple[int, bool, int, str] | None = None
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
            if len(word) == len(found) == SHORTEST and sorted(letters) != sorted(other):
                continue
            rank = (slips, found[0] != word[0], -self._often[found], found)
            if best is None or rank < best:
                best = rank
        return (best[3], best[0]) if best is not None else None

    def _near(self, letters: str | Letters, allowed: int) -> set[str]:
        """Words that share a form with one, and perhaps some whose checksums agree by chance."""
        sums, which = self._filed
        wanted = np.array(sorted(_checksums(letters, allowed)), np.uint32)
        first, last = np.searchsorted(sums, wanted, "left"), np.searchsorted(sums, wanted, "right")
        there = np.flatnonzero(last > first).tolist()
        return {self._words[place] for one in there for place in which[first[one] : last[one]].tolist()}


class Speller:
    """Corrects words towards those of the examples, else of the language."""

    def __init__(self, own: Mapping[str, int], language: Dictionary | None = None) -> None:
        """Correct towards some words.

        Args:
            own: Each word of the examples, with how often it occurs.
            language: All others there are; they are right as they are.
        """
        self._often = own
        self._own = Dictionary(own)
        self._language = language
        self._memory: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_arrays(cls, arrays: Arrays, language: Dictionary | None) -> "Speller":
        """Take what `arrays` has given."""
        return cls(dict(zip(unpacked(arrays["words"]), arrays["often"].tolist(), strict=True)), language)

    @property
    def arrays(self) -> Arrays:
        """What it is made of, but for the language."""
        return {"words": packed(self._often), "often": np.array(list(self._often.values()), np.int32)}

    def get_ready(self) -> None:
        """Do now what the first unknown word would have to wait for."""
        self._own.get_ready()
        if self._language is not None:
            self._language.get_ready()

    def correct(self, words: Iterable[str]) -> list[str]:
        """The words that are meant: as they are when they are known, or when nothing is near enough."""
        meant: list[str] = []
        for word in words:
            if word in self._own or word.startswith("<"):
                meant.append(word)
                continue
            known = self._memory.get(word)
            if known is None:
                if len(self._memory) >= 8192:
                    self._memory.clear()
                known = self._memory[word] = self._meant(word)
            meant += known
        return meant

    def _meant(self, word: str) -> tuple[str, ...]:
        """One word, or two that were run together."""
        if self._language is not None and word in self._language:
            return (word,)
        near = self._own.nearest(word)
        if near is None or near[1] > 1:
            for place in range(2, len(word) - 1):
                if word[:place] in self._own and word[place:] in self._own:
                    return word[:place], word[place:]
        if near is None and self._language is not None:
            near = self._language.nearest(word)
        return (near[0] if near is not None else word,)
