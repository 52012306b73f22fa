"""Alike messages together, without anybody saying what they mean."""

from collections.abc import Sequence

import numpy as np

from bot.core.nlu.features import Features, Index
from bot.core.nlu.table import word_table
from bot.core.nlu.tokens import words_of

_ALIKE = 0.42


def grouped(texts: Sequence[str]) -> list[list[int]]:
    """Groups of places in `texts`, the largest first; each begins with the one that has most others near it.

    The message with most neighbours and these become a group, then the next of what is left.
    """
    words = [words_of(text) for text in texts]
    features = Features.of(words)
    vectors = [features.vector(one) for one in words]
    index = Index.of(vectors, len(features))
    meanings = np.array([word_table().vector(text, one)[0] for text, one in zip(texts, words, strict=True)])
    meanings = meanings.reshape(len(texts), word_table().width)
    alike = [
        set(np.flatnonzero(0.5 * index.similarities(vector) + 0.5 * (meanings @ meanings[place]) >= _ALIKE).tolist())
        | {place}
        for place, vector in enumerate(vectors)
    ]
    left = set(range(len(texts)))
    groups: list[list[int]] = []
    while left:
        middle = max(sorted(left), key=lambda place: len(alike[place] & left))
        group = alike[middle] & left
        groups.append([middle, *sorted(group - {middle})])
        left -= group
    return sorted(groups, key=lambda group: (-len(group), group[0]))
