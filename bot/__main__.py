"""The command `bot`, also as `python -m bot`: listens to being stopped before anything else is imported."""

import gc
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:  # as the first process of a container it would else not hear it before it is up
        signal.signal(signal.SIGTERM, _nothing_to_finish)
    if sys.argv[1:2] == ["check"] and "--watch" not in sys.argv:
        gc.disable()  # it is over in a moment, and nearly all of its million objects stay until then
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its two processes have the cores busy already
    try:
        from bot.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


def _nothing_to_finish(_number: int, _frame: FrameType | None) -> None:
    """End a server that is told to stop before it can listen to that by itself."""
    sys.exit(0)


if __name__ == "__main__":
    main()
