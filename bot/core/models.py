"""Trained models, one for each set of examples: learnt once in a process, and once on a disk where there is a store."""

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

from bot.core.nlu import Classifier, Meaning
from bot.core.nlu.masks import Named
from bot.core.nlu.stored import Arrays

MOST = 256
"""Models that a process keeps for whoever asks again; those in use are kept by their users."""

NOTHING = Named()
Examples = tuple[tuple[str, str], ...]
"""Text and intent."""


class ModelStore(Protocol):
    """Keeps models beyond a process. Neither call fails: what cannot be kept is learnt again."""

    def find(self, key: str) -> Arrays | None:
        """What was kept under a key by this version of the code."""

    def keep(self, key: str, arrays: Arrays) -> None:
        """Keep a model."""


class Models:
    """The models of a process.

    Attributes:
        store: Where they are kept beyond it; None keeps them nowhere else.
        meaning: What tells meanings to models that know more than the usual ones; None: there are no such models.
        learnt: How many were trained, not found.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        self.store = store
        self.meaning: Meaning | None = None
        self.learnt = 0
        self._known: dict[tuple[Examples, Named, Meaning | None], Classifier] = {}

    def of(self, examples: Examples, named: Named = NOTHING, meaning: Meaning | None = None) -> Classifier:
        """The model for some examples, whoever asks.

        Args:
            examples: What it learns from.
            named: What is masked in them.
            meaning: What tells meanings; unset: what is usual.
        """
        key = (examples, named, meaning)
        found = self._known.get(key)
        if found is None:
            found = self._found(examples, named, meaning)
            while len(self._known) >= MOST:
                self._known.pop(next(iter(self._known)), None)
            self._known[key] = found
        return found

    def forget(self) -> None:
        """Forget what this process has learnt; what the store keeps stays."""
        self._known.clear()

    def _found(self, examples: Examples, named: Named, meaning: Meaning | None) -> Classifier:
        mask = named.mask
        key = content_hash(examples, named) + (type(meaning).__qualname__ if meaning is not None else "")
        arrays = self.store.find(key) if self.store is not None else None
        if arrays is not None:
            try:
                return Classifier.from_arrays(arrays, mask=mask, meaning=meaning)
            except (KeyError, ValueError, IndexError):
                pass  # it is not what we keep: learn it, and keep that in its place
        self.learnt += 1
        learnt = Classifier.of(examples, mask=mask, meaning=meaning)
        if self.store is not None:
            self.store.keep(key, learnt.arrays)
        return learnt


def content_hash(examples: Sequence[tuple[str, str]], named: Named) -> str:
    """Differs whenever a model would: a SHA-256 of all it learns from."""
    return hashlib.sha256(json.dumps([examples, named.phrases, named.kinds]).encode("ascii")).hexdigest()


MODELS = Models()
"""Those of this process. Whoever puts the process together gives it a store."""
