"""How long a test waits for what it wants to see not happen, or to be overtaken: a moment, or longer on a busy machine.

Where something must be slower than something else (an answer that comes too late, a window that stays open), a moment
is enough, unless the machine is so busy that the other is slow as well. So such a test tries again with more time.
"""

from collections.abc import Iterator

import pytest

EVER_LONGER = (0.2, 2.0, 20.0)


def ever_longer() -> Iterator[float]:
    """Seconds to try with, until one was enough and the loop is left; fails after the last."""
    yield from EVER_LONGER
    pytest.fail(f"not even {EVER_LONGER[-1]:g} s were enough")
