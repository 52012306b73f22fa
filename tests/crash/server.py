"""`bot serve` with the actions that crash tests count: `python -m crash.server web,worker`, settings as usual."""

import sys

from bot.cli.logs import configure_logs
from bot.cli.running import run
from bot.cli.serve import run_server
from bot.config import load_settings
from bot.core.actions import ActionCall, Actions
from bot.operations import timeline
from bot.runtime.bootstrap import PARTS

ACTIONS = Actions()

# No UNIQUE constraint helps here: a second effect is stored, and found.
_APPEND = """
INSERT INTO crash_effects (tenant_id, conversation_id, person, kind, number, run) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def _append(call: ActionCall, kind: str, number: int) -> None:
    await call.db.execute(_APPEND, call.tenant_id, call.conversation_id, call.contact.name, kind, number, call.run)


@ACTIONS.action("crash.count")
async def count(call: ActionCall, *, number: int | str) -> dict[str, int]:
    """Note that a number was processed; the receipt is the number's."""
    await _append(call, "count", int(number))
    await timeline.record(call, "number", int(number), "NUMBER_COUNTED")
    return {"number": int(number)}


@ACTIONS.action("crash.turn")
async def turn(call: ActionCall, *, number: int | str) -> None:
    """Note that a turn was taken for a number; without a receipt, so that a second turn would show."""
    await _append(call, "turn", int(number))


@ACTIONS.action("crash.later")
async def later(call: ActionCall) -> None:
    """Note that a timer fired."""
    await _append(call, "later", 0)


@ACTIONS.action("crash.break")
async def break_down(call: ActionCall) -> None:
    """Always fail, after having done something that must be undone."""
    await _append(call, "broken", 0)
    raise RuntimeError("this action always breaks")


@ACTIONS.lookup("crash.find")
async def find(call: ActionCall, *, text: str) -> list[dict[str, str]]:
    """Always fail."""
    raise RuntimeError("this lookup always breaks")


def main() -> None:
    """Run the parts named on the command line, all of them when there are none."""
    settings = load_settings()
    configure_logs(settings.bot_log_level, settings.bot_log_format)
    names = [name for name in sys.argv[1].split(",") if name] or list(PARTS)
    run(run_server(settings, names, actions=ACTIONS))


if __name__ == "__main__":
    main()
