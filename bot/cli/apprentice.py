"""Learning from examples in a process of its own, while this one reads the flows: two cores check in half the time."""

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from bot.authoring.content import Loader
from bot.authoring.examples import check_together
from bot.core.actions import Actions
from bot.core.models import MODELS, ModelStore
from bot.core.nlu.stored import Arrays


@contextmanager
def learning_beside(root: Path) -> Iterator[None]:
    """Let another process learn from the examples of a content folder, into the store of `MODELS`.

    Whoever asks the store waits for it. Where it would be of no use (one core, no store) or no process can be forked
    safely (other threads, other systems than Linux), nothing happens, and models are learnt when they are asked for.
    """
    store = MODELS.store
    if store is None or sys.platform != "linux" or (os.cpu_count() or 1) < 2 or threading.active_count() > 1:
        yield
        return
    child = multiprocessing.get_context("fork").Process(target=_learn, args=(root,), daemon=True)
    child.start()
    MODELS.store = _Awaited(store, child)
    try:
        yield
    finally:
        MODELS.store = store
        child.join()


def _learn(root: Path) -> None:
    with contextlib.suppress(Exception):  # the process that checks meets the same, and tells it
        for _ in check_together(Loader(root, Actions()).read_intents(), ()):
            pass


class _Awaited(ModelStore):
    """A store that somebody else is still filling."""

    def __init__(self, store: ModelStore, child: BaseProcess) -> None:
        self._store, self._child = store, child

    def find(self, key: str) -> Arrays | None:
        """What was kept, once all is."""
        self._child.join()
        return self._store.find(key)

    def keep(self, key: str, arrays: Arrays) -> None:
        """Keep a model."""
        self._store.keep(key, arrays)
