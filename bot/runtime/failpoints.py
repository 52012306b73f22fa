"""Places where tests may make a process die or freeze: `BOT_FAILPOINTS="worker.before_commit=kill:0.01"`.

Without that variable a failpoint costs one dictionary look-up. Never set it in production.
"""

import os
import random
import signal

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


def _parse(text: str) -> dict[str, tuple[signal.Signals, float]]:
    points = {}
    for part in filter(None, text.split(",")):
        name, _, effect = part.partition("=")
        action, _, chance = effect.partition(":")
        points[name] = (_SIGNALS[action], float(chance or 1))
    return points


_POINTS = _parse(os.environ.get("BOT_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Die or freeze here, if a test wants it."""
    if name in _POINTS:
        effect, chance = _POINTS[name]
        if random.random() < chance:  # noqa: S311  a test's dice
            os.kill(os.getpid(), effect)
