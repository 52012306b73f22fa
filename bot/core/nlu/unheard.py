"""Messages about something else: none of the words that tell anything is in an example.

Among few examples every word looks rare, "my" as much as "dog", so confidence cannot see by itself that of "mi perro
está enfermo" only "mi" and "está" were heard before. The common words of each language tell that.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from bot.core.nlu.table import word_table
from bot.core.nlu.tokens import words_of
from bot.core.phrasebook import FILLERS
from bot.core.tongues import common_words

DOUBT = 0.5
"""What confidence is multiplied with: what would be acted on is asked about instead."""
_LONG = 7
"""Common words of as many letters tell something where an example has them: "reserva", "personas"."""
_STEM = 5
"""Words that begin with as many of the same letters are alike: "devolverlo" and "devolver"."""


class Heard:
    """The words of the examples, and their beginnings."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take them."""
        self._words = frozenset(words)
        self._stems = frozenset(word[:_STEM] for word in self._words if len(word) >= _STEM)

    def get_ready(self) -> None:
        """Look up now what the first message would have to wait for."""
        _common()

    def is_elsewhere(self, words: Sequence[str]) -> bool:
        """Whether no example has a word that tells something, and the word table at most half of those.

        What the table knows is compared by meaning, so it need not be in an example.
        """
        strange, known, common = 0, 0, _common()
        for word in words:
            if word in self._words and (word not in common or len(word) >= _LONG):
                return False
            if word in common:
                continue
            if word[:_STEM] in self._stems:
                return False
            if word in word_table():
                known += 1
            else:
                strange += 1
        return strange > 0 and strange >= known


@cache
def _common() -> frozenset[str]:
    """Words that tell nothing."""
    return frozenset(word for text in (*FILLERS, *common_words()) for word in words_of(text))
