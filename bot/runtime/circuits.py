"""A circuit for each number: when its provider refuses everything, or does not answer, it is left alone for a while.

Closed: messages go out. Open: the number is paused (in the database, for all senders) for longer and longer. Half open,
once the pause is over: one message goes out as a probe, and its answer closes the circuit or opens it again.

Many messages are under way when a circuit opens. What becomes of those is no news: only what was admitted since the
last opening counts, or one moment of silence would be taken for dozens, each twice as long as the one before.
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
_NOT_ABOUT_A_MESSAGE = {*REFUSED_ALL, Fault.TRANSIENT}


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

    def admits(self, channel: ChannelId) -> int | None:
        """Whether a message may go out now; half open, one at a time.

        Returns:
            Whoever is admitted reports with this ticket to `after`, come what may; None for who is not.
        """
        circuit = self._by_channel.get(channel)
        if circuit is None:
            return 0
        if circuit.half_open:
            if circuit.probing:
                return None
            circuit.probing = True
        return circuit.openings

    def after(self, channel: ChannelId, ticket: int, outcome: SendOutcome | None) -> timedelta | None:
        """Note how a send ended; returns how long to leave the number alone, if it should be.

        Args:
            channel: Whose.
            ticket: What `admits` said.
            outcome: What the provider made of it; None when it was not asked after all.
        """
        fault = outcome.problem.fault if isinstance(outcome, Refused) else None
        if isinstance(outcome, Accepted) or (fault is not None and fault not in _NOT_ABOUT_A_MESSAGE):
            self._by_channel.pop(channel, None)  # it answers, and about the message only
            return None
        circuit = self._by_channel.setdefault(channel, _Circuit())
        if ticket != circuit.openings:
            return None
        circuit.probing = False
        if fault is not None and fault in REFUSED_ALL:
            return _open(circuit, REFUSED_ALL[fault])
        if isinstance(outcome, NotSent) or fault is Fault.TRANSIENT:
            circuit.silences += 1
            if circuit.silences >= SILENCES or circuit.half_open:
                circuit.silences = 0
                return _open(circuit, _SILENT)
        return None


def _open(circuit: _Circuit, least: timedelta) -> timedelta:
    pause: timedelta = min(least * (1 << min(circuit.openings, 10)), max(LONGEST, least))
    circuit.openings += 1
    circuit.half_open = True
    return pause
