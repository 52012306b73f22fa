"""Bikram Sambat: the table against days that are known, and against itself."""

from datetime import date, timedelta

import pytest

from bot.core.entities.samvat import FIRST_YEAR, gregorian, year_of


@pytest.mark.parametrize(
    ("samvat", "ours"),
    [
        ((2000, 1, 1), date(1943, 4, 14)), ((2045, 1, 1), date(1988, 4, 13)), ((2072, 6, 3), date(2015, 9, 20)),
        ((2080, 1, 1), date(2023, 4, 14)), ((2082, 1, 1), date(2025, 4, 14)), ((2083, 3, 10), date(2026, 6, 24)),
    ],
)  # fmt: skip
def test_known_days(samvat: tuple[int, int, int], ours: date) -> None:
    """Among them, new years, and the day Nepal's constitution began."""
    assert gregorian(*samvat) == ours
    assert year_of(ours) == samvat[0]


def test_every_day_follows_the_one_before() -> None:
    day = gregorian(FIRST_YEAR, 1, 1)
    assert day is not None
    for year in range(FIRST_YEAR, FIRST_YEAR + 91):
        days = 0
        for month in range(1, 13):
            number = 1
            while (found := gregorian(year, month, number)) is not None:
                assert found == day, (year, month, number)
                day += timedelta(days=1)
                number += 1
                days += 1
            assert number - 1 in {29, 30, 31, 32}
        assert days in {365, 366}, year
    assert gregorian(FIRST_YEAR + 91, 1, 1) is None
    assert gregorian(FIRST_YEAR - 1, 1, 1) is None
    assert gregorian(2083, 13, 1) is None
