"""Typing mistakes: an unknown word is read as the word of the examples that is one slip away.

Every word of the vocabulary is filed under itself and under each form with one letter left out. Two words one slip
apart (a letter wrong, missing, too many, or two swapped) share such a form, so finding them is a few look-ups, however
large the vocabulary. Letters are taken with their marks.
"""

from collections.abc import Iterator, Mapping

from rapidfuzz.distance import OSA

from bot.core.nlu.tokens import MAX_LETTERS, letters_of

SHORTEST = 4
"""Words of fewer characters are left alone: too many of them are one slip apart."""
_TWO_SLIPS = 8
"""From this length on, two slips are forgiven."""


def _shortened(word: str, times: int) -> Iterator[str]:
    """A word, and the word with up to so many letters left out."""
    yield word
    if times:
        letters = letters_of(word)
        for place in range(len(letters)):
            yield from _shortened("".join(letters[:place] + letters[place + 1 :]), times - 1)


def _slips(word: str) -> int:
    return 2 if len(letters_of(word)) >= _TWO_SLIPS else 1


class Speller:
    """Corrects words towards a vocabulary."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """File the words.

        Args:
            vocabulary: Each word with how often it occurs.
        """
        self._often = vocabulary
        self._filed: dict[str, list[str]] = {}
        for word in vocabulary:
            if word.startswith("<") or not SHORTEST <= len(word) <= MAX_LETTERS:
                continue
            for form in set(_shortened(word, _slips(word))):
                self._filed.setdefault(form, []).append(word)
        self._memory: dict[str, str] = {}

    def correct(self, word: str) -> str:
        """The word that is meant: itself when it is known, or when nothing is near enough."""
        if word in self._often or word.startswith("<"):
            return word
        known = self._memory.get(word)
        if known is None:
            if len(self._memory) >= 8192:
                self._memory.clear()
            known = self._memory[word] = self._nearest(word) or word
        return known

    def _nearest(self, word: str) -> str | None:
        if not SHORTEST <= len(word) <= MAX_LETTERS:
            return None
        letters = letters_of(word)
        allowed = _slips(word)
        near = {found for form in set(_shortened(word, allowed)) for found in self._filed.get(form, ())}
        best: tuple[int, bool, int, str] | None = None
        for found in near:
            slips = OSA.distance(letters, letters_of(found), score_cutoff=allowed)
            if slips > min(allowed, _slips(found)):
                continue
            rank = (slips, found[0] != word[0], -self._often[found], found)
            if best is None or rank < best:
                best = rank
        return best[3] if best is not None else None
