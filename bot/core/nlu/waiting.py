"""What takes too long for the event loop: it is asked for beforehand, and the decision is made anew when it is there.

Decisions are pure, so making one twice is harmless. Whoever decides on an event loop does so `asking_later`; a meaning
that would have to compute then raises `UnpreparedError` instead, and `prepare` of it is called in a thread.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LATER: ContextVar[bool] = ContextVar("asking_later", default=False)


class UnpreparedError(Exception):
    """Something has to be worked out first; no mistake, and caught by whoever asks later."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        """Say what has to be done."""
        super().__init__("call `prepare` in a thread, then decide again")
        self.prepare = prepare


@contextmanager
def asking_later() -> Iterator[None]:
    """Within it, in this task or thread, nothing may take long."""
    token = _LATER.set(True)
    try:
        yield
    finally:
        _LATER.reset(token)


def may_take_long() -> bool:
    """Whether computing is all right here."""
    return not _LATER.get()
