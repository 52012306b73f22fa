"""What a phone number tells about where somebody is."""

import pytest

from bot.core.waiting import zone
from bot.core.whereabouts import region_of, timezone_of


@pytest.mark.parametrize(
    ("phone", "timezone"),
    [
        ("+9779801234567", "Asia/Katmandu"),
        ("9779801234567", "Asia/Katmandu"),
        ("+919812345678", "Asia/Calcutta"),
        ("+4915112345678", "Europe/Berlin"),
        ("+447911123456", "Europe/London"),  # four zones, one clock
        ("+14155552671", ""),  # several clocks
        ("+61412345678", ""),
        ("+34612345678", ""),  # the Canary Islands are an hour behind
        ("+999123", ""),
        ("", ""),
        ("²³", ""),
        ("call me", ""),
    ],
)
def test_the_clock_of_a_country_that_has_one(phone: str, timezone: str) -> None:
    assert timezone_of(phone) == timezone
    assert not timezone or zone(timezone) is not None


@pytest.mark.parametrize(("phone", "region"), [("+9779801234567", "NP"), ("+14155552671", "US"), ("x", None)])
def test_the_country_of_a_number(phone: str, region: str | None) -> None:
    assert region_of(phone) == region
