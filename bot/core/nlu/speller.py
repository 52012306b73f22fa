"""Typing mistakes: an unknown word is read as the word of the examples, else of the language, that is one slip away.

Every word of a vocabulary is filed under itself and under each form with one letter left out. Two words one slip apart
(a letter wrong, missing, too many, or two swapped) share such a form, so finding them is a few look-ups, however large
the vocabulary. Letters are taken with their marks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rapidfuzz.distance import OSA

from bot.core.nlu.tokens import MAX_LETTERS, letters_of

SHORTEST = 3
"""Words of fewer characters are left alone: too many of them are one slip apart. Of this length, letters may be
swapped, missing or too many, and not wrong."""
_TWO_SLIPS = 7
"""From this length on, two slips are forgiven."""


def _shortened(letters: Sequence[str], times: int) -> Iterator[str]:
    """A word, and the word with up to so many letters left out."""
    yield "".join(letters)
    if times:
        for place in range(len(letters)):
            yield from _shortened([*letters[:place], *letters[place + 1 :]], times - 1)


def _slips(letters: Sequence[str]) -> int:
    return 2 if len(letters) >= _TWO_SLIPS else 1


class Dictionary:
    """Words by what they look like with slips."""

    def __init__(self, often: Mapping[str, int], *, most_slips: int = 2) -> None:
        """File the words.

        Args:
            often: Each word with how often it occurs; among equally near ones, the most frequent is meant.
            most_slips: How many are forgiven in long words.
        """
        self._often, self._most = often, most_slips
        self._filed: dict[str, list[str]] = {}
        for word in often:
            if word.startswith("<") or not SHORTEST <= len(word) <= MAX_LETTERS:
                continue
            letters = letters_of(word)
            for form in set(_shortened(letters, min(_slips(letters), most_slips))):
                self._filed.setdefault(form, []).append(word)

    def __contains__(self, word: str) -> bool:
        """Whether it is a word."""
        return word in self._often

    def nearest(self, word: str) -> tuple[str, int] | None:
        """The word that is meant by one that is none, and how many slips away it is."""
        if not SHORTEST <= len(word) <= MAX_LETTERS:
            return None
        letters = letters_of(word)
        allowed = min(_slips(letters), self._most)
        near = {found for form in set(_shortened(letters, allowed)) for found in self._filed.get(form, ())}
        best: tuple[int, bool, int, str] | None = None
        for found in near:
            other = letters_of(found)
            slips = OSA.distance(letters, other, score_cutoff=allowed)
            if slips > min(allowed, _slips(other)):
                continue
            if len(word) == len(found) == SHORTEST and sorted(letters) != sorted(other):
                continue
            rank = (slips, found[0] != word[0], -self._often[found], found)
            if best is None or rank < best:
                best = rank
        return (best[3], best[0]) if best is not None else None


class Speller:
    """Corrects words towards those of the examples, else of the language."""

    def __init__(self, own: Mapping[str, int], language: Dictionary | None = None) -> None:
        """Correct towards some words.

        Args:
            own: Each word of the examples, with how often it occurs.
            language: All others there are; they are right as they are.
        """
        self._own = Dictionary(own)
        self._language = language
        self._memory: dict[str, tuple[str, ...]] = {}

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
