"""What a tenant's business calls its things: read now and then, so that no message has to ask for it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.core.actions import Actions, Things
from bot.core.book import FlowBook
from bot.core.ids import TenantId
from bot.runtime.loop import Clock

FRESH = timedelta(seconds=10)
"""A new trek is known by its name after this long, and after the training, which takes less."""
MOST = 2000
"""Things of a kind; a business with more is known by the first ones."""


class Reading(Protocol):
    """Where a tenant's rows are read."""

    def reading(self) -> AbstractAsyncContextManager[tuple[Any, TenantId]]:
        """A transaction of the tenant."""


class Names:
    """The names of a tenant's things.

    Args:
        actions: Whose lookups tell what there is.
        rows: Where it is read.
        clock: The time.
    """

    def __init__(self, actions: Actions, rows: Reading, clock: Clock) -> None:
        self._actions, self._rows, self._clock = actions, rows, clock
        self._read_at: datetime | None = None
        self._known: Mapping[str, Things] = {}

    async def read(self, book: FlowBook) -> bool:
        """Read the names that matter to a book's intents, unless that was done a moment ago.

        Returns:
            Whether they are others than before.
        """
        now = self._clock()
        listings = {
            name: action.things
            for name in book.lookups
            if (action := self._actions.by_name.get(name)) is not None and action.things is not None
        }
        fresh = self._read_at is not None and abs(now - self._read_at) < FRESH
        if not listings or (fresh and listings.keys() <= self._known.keys()):
            return False
        self._read_at = now
        async with self._rows.reading() as (db, tenant):
            found = {
                name: tuple(tuple(one) for one in (await listing(db, tenant))[:MOST])
                for name, listing in sorted(listings.items())
            }
        changed = found != self._known
        self._known = found
        return changed

    def into(self, book: FlowBook) -> FlowBook:
        """The book, knowing these names."""
        return book.knowing(self._known) if self._known else book
