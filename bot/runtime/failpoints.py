"""Places where tests may make a process die or freeze: `BOT_FAILPOINTS="worker.before_commit=kill@40"`.

`kill` happens at the first visit, `kill@40` at the fortieth only; `stop` freezes, `term` asks to end. Several are
separated by commas. Without that variable a failpoint costs one dictionary look-up. Never set it in production.
"""

import os
import signal
from collections import Counter

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


def _parse(text: str) -> dict[str, tuple[signal.Signals, int]]:
    points = {}
    for part in filter(None, text.split(",")):
        name, _, effect = part.partition("=")
        action, _, visit = effect.partition("@")
        points[name] = (_SIGNALS[action], int(visit or 1))
    return points


_POINTS = _parse(os.environ.get("BOT_FAILPOINTS", ""))
_visits: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die or freeze here, if a test wants it."""
    if name in _POINTS:
        effect, visit = _POINTS[name]
        _visits[name] += 1
        if _visits[name] == visit:
            os.kill(os.getpid(), effect)
