"""The real intake, worker, sender and timers of a simulated chat, run by hand, one by one, until all is quiet."""

from datetime import datetime

from bot.authoring.content import Content
from bot.cli.handset import Handset, SimulatedClock
from bot.cli.notebook import Notebook
from bot.runtime.bootstrap import System
from bot.runtime.intake import GroupCommit
from providers.base import OutboundMessage
from storage.base import NewMessage, Unread
from storage.postgres import Directory, PostgresIntake
from storage.postgres.inspection import Inspection

MOST_ROUNDS = 1000
"""Of work until a session must be at rest; more would be a flow that talks to itself."""


class Machine:
    """What runs on the server, on a database nobody else uses.

    Args:
        system: Everything, composed.
        handset: Its provider.
        clock: Its clock.
    """

    def __init__(self, system: System, handset: Handset, clock: SimulatedClock) -> None:
        self.system = system
        self.handset = handset
        self.clock = clock
        self.notebook = Notebook(lambda: system.content.book)
        self.inspection = Inspection(system.foundation.database)
        self.start()

    def start(self, *, dies: bool = False) -> None:
        """Start anew, as a process that remembers nothing.

        Args:
            dies: Whether it dies in its next turn, once that has been written and before it is committed: then
                `settle` raises `ProcessDied`.
        """
        base = self.system.foundation
        directory = Directory(base.database, base.vault)
        self._intake = GroupCommit(PostgresIntake(base.database, base.vault, directory), self.system.bells)
        self._worker = self.notebook.watch(self.system.worker(), base, dies=dies)
        self._sender = self.system.sender()
        self.handset.sent.clear()

    def use(self, content: Content) -> None:
        """Go on with other flows."""
        self.system.library.use(content)
        self.start()

    async def accept(self, message: NewMessage) -> None:
        """Take a webhook."""
        tenant, now = message.channel.tenant_id, message.received_at
        await self._intake.accept([message], Unread(tenant_id=tenant, kind="simulated", body=b"", received_at=now))

    async def settle(self) -> list[OutboundMessage]:
        """Take all turns that are due and send all that was said; returns what was sent."""
        for _ in range(MOST_ROUNDS):
            turns = await self._worker.work()
            sends = await self._sender.exchange()
            await self._sender.drain()
            if not turns and not sends:
                break
        sent = list(self.handset.sent)
        self.handset.sent.clear()
        return sent

    async def fire_next(self, until: datetime) -> bool:
        """Move the clock to what is due next and let its timers fire; says no when nothing is, by `until`."""
        due = await self.inspection.next_due(self.system.channel.tenant_id)
        if due is None or due > until:
            return False
        self.clock.now = max(due, self.clock.now)
        await self.system.upkeep.fire(self.clock.now, 100)
        return True
