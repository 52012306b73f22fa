"""Messages about something else: what tells anything in them is in no example, nor near what is.

Among few examples every word looks rare, "my" as much as "dog", so confidence cannot see by itself that of "mi perro
está enfermo" only "mi" and "está" were heard before. The common words of each language tell that. And it takes
"cancel my gym membership" for a trip that is to be cancelled: the word table tells that *gym* and *membership*, which
no example has, are no other words for anything there, as "reservation" is for "booking".
"""

from collections.abc import Iterable, Sequence
from functools import cache, cached_property

import numpy as np

from bot.core.nlu.features import Floats
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


_FAR = 0.5
"""From this distance on a word is no other word for one of the examples: 0 is the same direction, 1 none in common."""
_KEPT = 4096


class Heard:
    """The words of the examples, their beginnings and their meanings."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take them."""
        self._words = frozenset(words)
        self._stems = frozenset(word[:_STEM] for word in self._words if len(word) >= _STEM)
        self._far: dict[str, bool] = {}

    @cached_property
    def _meanings(self) -> Floats:
        """Of the words that tell something."""
        return word_table().directions([word for word in sorted(self._words - _common()) if word in word_table()])

    def get_ready(self) -> None:
        """Look up now what the first message would have to wait for."""
        _ = self._meanings

    def is_elsewhere(self, words: Sequence[str]) -> bool:
        """Whether a message is about something that no example is about.

        Either no example has a word that tells something, and the word table knows at most half of those; what the
        table knows is compared by meaning, so it need not be in an example. Or more words are far from all examples, or
        unknown, than tell something.
        """
        strange, known, far, telling = self._counted(words)
        return far + strange > telling or (not telling and strange > 0 and strange >= known)

    def is_beside(self, words: Sequence[str]) -> bool:
        """Whether more words of a message are far from the examples than tell something there, or none does.

        Milder than `is_elsewhere`, for examples of one intent: words that nobody knows do not count.
        """
        _, _, far, telling = self._counted(words)
        return far > telling or not telling

    def _counted(self, words: Sequence[str]) -> tuple[int, int, int, int]:
        """How many words nobody knows, the word table knows, are far from the examples, and tell something there."""
        strange, known, far, telling, common = 0, 0, 0, 0, _common()
        for word in words:
            if word in self._words:
                telling += word not in common or len(word) >= _LONG
            elif word in common:
                continue
            elif word in word_table():
                far += self._is_far(word)
                telling += word[:_STEM] in self._stems
                known += 1
            elif word[:_STEM] in self._stems:
                telling += 1
            else:
                strange += 1
        return strange, known, far, telling

    def _is_far(self, word: str) -> bool:
        """Whether a word that the table knows means nothing that the examples speak of."""
        found = self._far.get(word)
        if found is None:
            near = np.vecdot(self._meanings, word_table().directions([word])[0])
            if len(self._far) >= _KEPT:
                self._far.clear()
            found = self._far[word] = 1 - float(near.max(initial=0.0)) > _FAR
        return found


@cache
def _common() -> frozenset[str]:
    """Words that tell nothing."""
    return frozenset(word for text in (*FILLERS, *common_words()) for word in words_of(text))
