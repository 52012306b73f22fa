"""Numbers and dates in what people write."""

from datetime import date

import pytest

from bot.core.entities import counted, extract, month_like

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("2 people", 2),
        ("for 2", 2),
        ("two of us", 2),
        ("family of 4", 4),
        ("Hi, EBC Trek for 2 people in December", 2),
        ("we are twenty five", 25),
        ("a couple of us", 2),
        ("just me", 1),
        ("me and my wife", 2),
        ("2 adults and 1 kid", 3),
        ("a group of 12", 12),
        ("no, 3 people", 3),
        ("3 pax", 3),
        ("hum 5 log hain", 5),
        ("2 or 3 people", None),
        ("2-3 people", None),
        ("for 2 weeks", None),
        ("for 15 Dec", None),
        ("for 10 am", None),
        ("room 12", None),
        ("TRP123 people", None),
        ("hello", None),
        ("", None),
    ],
)
def test_party_sizes(text: str, people: int | None) -> None:
    assert counted(extract(text, TODAY), "people") == people


def test_other_things_are_counted_by_their_own_name() -> None:
    found = extract("5 nights for 2 people", TODAY)
    assert counted(found, "nights") == 5
    assert counted(found, "people") == 2
    assert counted(found, "tents") is None


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("December", [(2026, 12, None)]),
        ("in Dec 2027", [(2027, 12, None)]),
        ("march", [(2027, 3, None)]),
        ("november", [(2026, 11, None)]),
        ("15 Dec", [(2026, 12, 15)]),
        ("15th of December, 2027", [(2027, 12, 15)]),
        ("Dec 27, 2026", [(2026, 12, 27)]),
        ("2026-12-15", [(2026, 12, 15)]),
        ("2027-03", [(2027, 3, None)]),
        ("15/12/2026", [(2026, 12, 15)]),
        ("12/15/2026", [(2026, 12, 15)]),
        ("3/2027", [(2027, 3, None)]),
        ("tomorrow", [(2026, 11, 23)]),
        ("day after tomorrow", [(2026, 11, 24)]),
        ("next month", [(2026, 12, None)]),
        ("this month", [(2026, 11, None)]),
        ("in 3 months", [(2027, 2, None)]),
        ("in two weeks", [(2026, 12, 6)]),
        ("22 november", [(2026, 11, 22)]),
        ("21 november", [(2027, 11, 21)]),
        ("in may", [(2027, 5, None)]),
        ("october or november", [(2027, 10, None), (2026, 11, None)]),
        ("may I come", []),
        ("march on", []),
        ("31/02/2027", []),
        ("can you help me", []),
        ("2 people", []),
        ("13/2027", []),
    ],
)
def test_dates(text: str, dates: list[tuple[int, int, int | None]]) -> None:
    assert [(one.year, one.month, one.day) for one in extract(text, TODAY).dates] == dates


def test_the_digits_of_a_date_are_no_numbers() -> None:
    assert extract("2 people on 15/12/2026", TODAY).numbers == (2,)


@pytest.mark.parametrize(
    ("text", "month"), [("decmber", 12), ("Febuary", 2), ("septembre", 9), ("hello", None), ("dec", None)]
)
def test_months_with_typing_mistakes(text: str, month: int | None) -> None:
    found = month_like(text.lower(), TODAY)
    assert (found.month if found else None) == month
