"""For unit tests of actions: a database that answers what it is told to, and the call an action gets.

async def test_a_hut_is_booked(action_call, fake_database):
    fake_database.answers("INSERT INTO bookings", {"booking_id": 7})
    assert await book_hut(action_call(), hut=1, nights=2) == {"code": "HUT7"}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.authoring.testing.spec import DEFAULT_AT
from bot.core.actions import ActionCall
from bot.core.conversation import Contact
from bot.core.ids import ChannelId, ContactId, ConversationId, RunId, TenantId

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement that an action ran."""

    sql: str
    arguments: tuple[Any, ...]


@dataclass(slots=True)
class FakeDatabase:
    """Fits where actions expect the turn's transaction; keeps what it was asked.

    A statement is told by a piece of it: the piece that was announced last wins. One that nobody announced fails the
    test, so that no action reads nothing by mistake.
    """

    queries: list[Query] = field(default_factory=list)
    _answers: list[tuple[str, Rows]] = field(default_factory=list)

    def answers(self, piece: str, *rows: Mapping[str, Any]) -> None:
        """Answer statements that contain `piece` with these rows."""
        self._answers.append((_plain(piece), list(rows)))

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows."""
        return list(self._rows(query, args))

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row, or None."""
        return next(iter(self._rows(query, args)), None)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first value of the first row, or None."""
        row = next(iter(self._rows(query, args)), None)
        return next(iter(row.values())) if row else None

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement."""
        return f"OK {len(self._rows(query, args))}"

    def _rows(self, query: str, arguments: tuple[Any, ...]) -> Rows:
        self.queries.append(Query(sql=query, arguments=arguments))
        for piece, rows in reversed(self._answers):
            if piece in _plain(query):
                return rows
        raise AssertionError(
            f"Nobody said what the database answers to: {_plain(query)}\nUse fake_database.answers(…)."
        )


def _plain(sql: str) -> str:
    return " ".join(sql.split()).casefold()


@dataclass(frozen=True, slots=True)
class CallFactory:
    """Makes the call that an action gets as its first argument."""

    database: FakeDatabase

    def __call__(
        self, *, role: str = "customer", name: str = "Maya Lindqvist", language: str = "en", at: datetime = DEFAULT_AT,
        run: str = "r1",
    ) -> ActionCall:  # fmt: skip
        """A call by somebody."""
        contact = Contact(contact_id=ContactId(1), name=name, language=language, roles=(role,))
        return ActionCall(
            tenant_id=TenantId(1), channel_id=ChannelId(1), conversation_id=ConversationId(1), contact=contact,
            role=role, run=RunId(run), at=at, db=self.database,
        )  # fmt: skip
