"""Seals what older versions of the system kept in the clear: once, in pieces, beside everything else."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.core.errors import StorageError
from storage.postgres import Chores
from storage.postgres.leftovers import Leftovers

log = structlog.get_logger(__name__)

CHORE = "sealing"
EVERY = timedelta(days=1)
"""How often it is looked whether something is left."""
AGAIN = timedelta(minutes=15)
"""After which it is tried again when something was in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Goes on with it until there is nothing left.

    Attributes:
        leftovers: What there may be.
        chores: So that one process does it.
    """

    leftovers: Leftovers
    chores: Chores

    async def keep(self, now: datetime) -> None:
        """Seal what is left, if it is time."""
        fence = await self.chores.take(CHORE, now, every=EVERY)
        if fence is None:
            return
        try:
            rows = await self.leftovers.seal()
        except StorageError as error:
            log.warning("something is left in the clear", action="try_again", error=str(error))
            await self.chores.give_back(CHORE, fence, now + AGAIN)
            return
        if rows:
            log.info("what was kept in the clear is sealed", action="seal", rows=rows)
        await self.chores.done(CHORE, fence, now)
