"""One number, however it is written."""

import pytest

from bot.core.ids import TenantId
from bot.core.phones import canonical, read_phone
from storage.crypto import Vault

OFFICE = "+97714412345"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+5511987654321", "+551187654321", True),  # Brazil, with and without the ninth digit
        ("+551133334444", "+5511933334444", False),  # a landline has none
        ("+5215512345678", "+525512345678", True),
        ("+5491123456789", "+541123456789", True),
        ("+9779812345678", "+9779812345679", False),
        ("+15215512345678", "+1525512345678", False),
    ],
)
def test_ways_of_writing_a_number_are_one_identity(vault: Vault, one: str, other: str, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same
    assert (vault.identity(TenantId(1), one) == vault.identity(TenantId(1), other)) is same


@pytest.mark.parametrize("value", ["", "US.123", "+5511", "receipt:+5511987654321", "5511987654321"])
def test_what_is_no_such_number_is_left_alone(value: str) -> None:
    assert canonical(value) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+977 981-2345678", "+9779812345678"),
        ("00977 9812345678", "+9779812345678"),
        ("981 234 5678", "+9779812345678"),
        ("+46 70 123 45 67", "+46701234567"),
        ("0046701234567", "+46701234567"),
        ("hello", None),
        ("12", None),
        ("", None),
        ("+", None),
        ("1" * 40, None),
    ],
)
def test_numbers_are_read_as_people_of_that_country_type_them(text: str, number: str | None) -> None:
    assert read_phone(text, OFFICE) == number
