"""Time to answer counts in hours of business."""

from datetime import UTC, datetime, time, timedelta

import pytest

from bot.operations.hours import Hours

KATHMANDU = Hours(timezone="Asia/Kathmandu", opens=time(9), closes=time(18), workdays=frozenset({1, 2, 3, 4, 5, 7}))
HOUR = timedelta(hours=1)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026, in UTC; Kathmandu is 5:45 ahead. The 28th is a Saturday, which is free."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "working", "due"),
    [
        (at(26, 5), HOUR, at(26, 6)),  # Thursday morning
        (at(26, 11, 45), HOUR, at(27, 3, 45)),  # half an hour before they close: half an hour the next morning
        (at(26, 20), HOUR, at(27, 4, 15)),  # at night
        (at(27, 12), timedelta(minutes=30), at(29, 3, 30)),  # Friday evening; Saturday is free
        (at(26, 3, 15), 9 * HOUR, at(26, 12, 15)),  # a whole day
        (at(26, 3, 15), 20 * HOUR, at(29, 5, 15)),  # more than two days
    ],
)
def test_time_passes_only_while_the_business_is_open(asked: datetime, working: timedelta, due: datetime) -> None:
    assert KATHMANDU.later(asked, working) == due


def test_without_hours_it_is_always_open() -> None:
    assert Hours().later(at(28, 3), HOUR) == at(28, 4)
    assert Hours().open_at(at(28, 3))


@pytest.mark.parametrize(("moment", "is_open"), [(at(26, 4), True), (at(26, 13), False), (at(28, 5), False)])
def test_whether_it_is_open_now(moment: datetime, is_open: bool) -> None:
    assert KATHMANDU.open_at(moment) is is_open


def test_hours_that_make_no_sense_hold_nobody_up() -> None:
    turned = Hours(opens=time(18), closes=time(9))
    never = Hours(opens=time(9), closes=time(18), workdays=frozenset())
    assert turned.later(at(26, 5), HOUR) == never.later(at(26, 5), HOUR) == at(26, 6)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        (at(26, 4), datetime(2026, 11, 27, 3, 15, tzinfo=UTC)),
        (at(26, 2), datetime(2026, 11, 26, 3, 15, tzinfo=UTC)),
        (at(27, 13), datetime(2026, 11, 29, 3, 15, tzinfo=UTC)),
    ],
)
def test_when_it_opens_next(moment: datetime, opens: datetime) -> None:
    """In Kathmandu at nine; on Saturday nobody is there."""
    assert KATHMANDU.opening(moment) == opens


def test_hours_that_never_come_open_nothing() -> None:
    assert Hours().opening(at(26, 5)) is None
    assert Hours(opens=time(9), closes=time(18), workdays=frozenset()).opening(at(26, 5)) is None
