"""Alike messages together, without anybody saying what they mean."""

from collections.abc import Sequence

import numpy as np

from bot.core.nlu.features import Features, Index
from bot.core.nlu.table import word_table
from bot.core.nlu.tokens import words_of
from bot.core.phrasebook import FILLERS

_ALIKE = 0.5
"""From here on two messages are shown together. On 600 messages of 77 intents (BANKING77), seven of ten that stand in a
group are of its commonest intent; lower, groups are larger and mixed, and higher, most messages stand alone."""


def grouped(texts: Sequence[str]) -> list[list[int]]:
    """Groups of places in `texts`, the largest first; each begins with the one that has most others near it.

    The message with most neighbours and these become a group, then the next of what is left.
    """
    words = [_telling(words_of(text)) for text in texts]
    features = Features.of(words)
    vectors = [features.vector(one) for one in words]
    index = Index.of(vectors, len(features))
    meanings = np.array([word_table().vector(text, one)[0] for text, one in zip(texts, words, strict=True)])
    meanings = meanings.reshape(len(texts), word_table().width)
    alike = np.empty((len(texts), len(texts)), np.bool_)
    for place, vector in enumerate(vectors):
        alike[place] = 0.5 * index.similarities(vector) + 0.5 * (meanings @ meanings[place]) >= _ALIKE
        alike[place, place] = True
    neighbours = alike.sum(axis=1)
    groups: list[list[int]] = []
    while len(texts) and neighbours.max() > 0:
        middle = int(neighbours.argmax())
        group = np.flatnonzero(alike[middle])
        groups.append([middle, *(place for place in group.tolist() if place != middle)])
        neighbours -= alike[:, group].sum(axis=1)
        neighbours[group] = 0
        alike[:, group] = False
        alike[group] = False
    return sorted(groups, key=lambda group: (-len(group), group[0]))


_ADD_NOTHING = frozenset(FILLERS) | {"hello", "hi", "hey"}


def _telling(words: list[str]) -> list[str]:
    """Without "sir" and "please", by which all polite messages would be alike; all when nothing else is said."""
    return [word for word in words if word not in _ADD_NOTHING] or words
