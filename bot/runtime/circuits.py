"""A circuit for each number: when its provider refuses everything, or does not answer, it is left alone for a while.

Closed: messages go out. Open: the number is paused (in the database, for all senders) for longer and longer. Half open,
once the pause is over: one message goes out as a probe, and its answer closes the circuit or opens it again.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from bot.core.ids import ChannelId
from providers.base import Accepted, Fault, NotSent, Refused, SendOutcome

REFUSED_ALL = {Fault.AUTH: timedelta(minutes=1), Fault.POLICY: timedelta(hours=1)}
"""How long a number is left alone when every message of it would be refused."""

LONGEST = timedelta(hours=1)
SILENCES = 10
"""So many sends in a row without a provider to talk to open the circuit."""
_SILENT = timedelta(seconds=2)


@dataclass(slots=True)
class _Circuit:
    openings: int = 0  # in a row
    silences: int = 0  # in a row
    half_open: bool = False
    probing: bool = False


@dataclass(slots=True)
class Circuits:
    """The circuits of all numbers, as this process sees them."""

    _by_channel: dict[ChannelId, _Circuit] = field(default_factory=dict)

    def admits(self, channel: ChannelId) -> bool:
        """Whether a message may go out now; half open, one at a time. Whoever is admitted reports with `after`."""
        circuit = self._by_channel.get(channel)
        if circuit is None or not circuit.half_open:
            return True
        if circuit.probing:
            return False
        circuit.probing = True
        return True

    def after(self, channel: ChannelId, outcome: SendOutcome) -> timedelta | None:
        """Note how a send ended; returns how long to leave the number alone, if it should be."""
        circuit = self._by_channel.setdefault(channel, _Circuit())
        circuit.probing = False
        if isinstance(outcome, Refused) and outcome.problem.fault in REFUSED_ALL:
            return _open(circuit, REFUSED_ALL[outcome.problem.fault])
        silent = isinstance(outcome, NotSent) or (
            isinstance(outcome, Refused) and outcome.problem.fault is Fault.TRANSIENT
        )
        if silent:
            circuit.silences += 1
            if circuit.silences >= SILENCES or circuit.half_open:
                circuit.silences = 0
                return _open(circuit, _SILENT)
        elif isinstance(outcome, Accepted | Refused):  # it answers, and about the message only
            self._by_channel.pop(channel)
        return None


def _open(circuit: _Circuit, least: timedelta) -> timedelta:
    pause: timedelta = min(least * (1 << min(circuit.openings, 10)), max(LONGEST, least))
    circuit.openings += 1
    circuit.half_open = True
    return pause
