"""The rate of a number, shared by all senders that serve it.

Each sender paces by itself, in memory: a question per message would cost more than the message. Every two seconds it
says that it lives and hears how many others do, and takes its part of the number's rate. A sender that starts has said
so before it sends, the others hear of it within two seconds; one that dies is missed after ten, which errs on the slow
side. What one sender has no room for is claimed by another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID, uuid4

from bot.core.ids import ChannelId
from bot.runtime.outlets import Outlet
from storage.base import Share, Shares

BEAT_SECONDS = 2.0

USUAL_THROUGHPUT = 80
"""Messages per second that Meta and Twilio take of a number, in and out together (Meta, "Throughput", 2026)."""

PART = 0.7
"""Of the provider's throughput that we use: what people write counts as well."""


@dataclass(slots=True, kw_only=True)
class SharedRate:
    """Keeps the paces of a sender's numbers at its share of them.

    Attributes:
        shares: The other senders.
        sender: What this one is called.
    """

    shares: Shares
    sender: UUID = field(default_factory=uuid4)
    _beat_at: float | None = None
    _known: bool = False  # whether the others have heard of us

    async def beat(self, outlets: Mapping[ChannelId, Outlet]) -> None:
        """Take this sender's share anew, if it is time."""
        if self._beat_at is not None and monotonic() - self._beat_at < BEAT_SECONDS:
            return
        limited = {channel: outlet for channel, outlet in outlets.items() if outlet.rate != 0}
        if limited or self._known:
            for channel, share in (await self.shares.share(self.sender, list(limited))).items():
                outlet = limited[channel]
                outlet.channel.pace(channel, *pace_of(outlet.rate, share))
            self._known = True
        self._beat_at = monotonic()

    async def leave(self) -> None:
        """Let the others have this sender's share."""
        if self._known:
            await self.shares.leave(self.sender)


def pace_of(rate: float | None, share: Share) -> tuple[float, int]:
    """Seconds per message, and messages at once, for one sender of several."""
    whole = rate if rate is not None else PART * (share.throughput or USUAL_THROUGHPUT)
    mine = whole / max(share.senders, 1)
    return 1 / mine, max(int(mine), 1)
