"""The actions, one by one: `pytest` runs them. The database answers what it is told to, and anything else fails."""

from datetime import UTC, datetime

import pytest
from actions import book, free

from bot.authoring.testing.doubles import CallFactory, FakeDatabase
from bot.core.errors import ActionError

MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)
BOOKED = {"time": "10:30", "name": "Maya Lindqvist", "bike": "city", "problem": "the brakes squeak"}


async def test_what_is_taken_is_not_offered(action_call: CallFactory, fake_database: FakeDatabase) -> None:
    fake_database.answers("FROM timeline_entries", BOOKED)
    offered = await free(action_call(at=MONDAY), text="Friday")
    assert [one["name"] for one in offered] == ["Fri 27 Nov, 09:00", "Fri 27 Nov, 13:00", "Fri 27 Nov, 14:30"]


async def test_nobody_comes_on_a_sunday(action_call: CallFactory) -> None:
    assert await free(action_call(at=MONDAY), text="Sunday") == []


async def test_who_comes_second_is_told(action_call: CallFactory, fake_database: FakeDatabase) -> None:
    fake_database.answers("pg_advisory_xact_lock")
    fake_database.answers("FROM timeline_entries", BOOKED)
    with pytest.raises(ActionError, match="has been taken"):
        await book(action_call(at=MONDAY), visit="2026-11-27T10:30", bike="city", problem="a flat tyre")
