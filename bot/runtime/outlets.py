"""How the messages of one number go out: who carries them, how fast, and what says late words."""

import asyncio
from dataclasses import dataclass, field

from bot.runtime.pacing import Pacer
from providers.base import Provider


@dataclass(slots=True, kw_only=True)
class Outlet:
    """A number's way out. Each has its own: one that is slow or busy takes nothing from the others.

    Attributes:
        provider: Who carries the messages.
        concurrency: Calls to it at the same time.
        calls: Counts them.
        channel: Paces the number.
        rate: Messages per second from the number, all senders together; 0 no limit, None what the provider takes.
        pair: Paces each conversation.
        window_template: The template that says, outside the 24-hour window, what was to be said in words; empty: none.
    """

    provider: Provider
    concurrency: int
    channel: Pacer
    pair: Pacer
    rate: float | None = 0
    window_template: str = ""
    calls: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Make room for the calls."""
        self.calls = asyncio.Semaphore(self.concurrency)
