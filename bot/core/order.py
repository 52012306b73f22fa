"""The order in which a message is tried, and how far it came: the first line of a turn's why-trace.

Each step is tried only when those before it made nothing of the message, so the last one in the list is the one that
took it. What nearly took it is noted beside: a universal that is switched off where we are, say.
"""

from enum import IntEnum

from bot.core.effects import Trace


class Tried(IntEnum):
    """The steps, in order."""

    OWNER = 1
    """A person has the conversation: the bot keeps quiet, but for consent and commands of staff."""
    CONSENT = 2
    """STOP, START and their like."""
    UNIVERSAL = 3
    """Help, back, cancel, restart, repeat, agent; not where the state has switched them off or offers them itself."""
    COMMAND = 4
    """A command of the role; with a typing mistake in the verb only when an id of the right shape follows."""
    PAYLOAD = 5
    """A tapped button or row."""
    EXPECTED = 6
    """What is expected now: an answer to the open question, or to a question of ours."""
    EXAMPLE = 7
    """Exactly one of the examples, or of the form of a pattern."""
    CLASSIFIER = 8
    """What it is most like, when that is sure enough, or worth asking about."""
    LADDER = 9
    """The next rung of what is said when nothing was understood."""


_NAMES = [step.name.lower() for step in Tried]
_TRACES = {step: Trace("order", {"tried": _NAMES[:step]}) for step in Tried}


def order(last: Tried) -> Trace:
    """What was tried up to the step that took the message. Shared by all turns: it is never changed."""
    return _TRACES[last]
