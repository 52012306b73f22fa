"""YAML without surprises."""

import pytest

from bot.authoring.reader import read
from bot.core.errors import FlowError, Mark


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("22:30", "22:30"),
        ("0123", 123),
        ("true", True),
        ("~", None),
        ("", None),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'12'", "12"),
        ("2026-12-15", "2026-12-15"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("=", "="),
        ("12345678901234567890", 12345678901234567890.0),
        (".inf", ".inf"),
        ("2h", "2h"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    got = read(f"key: {text}", "x.yaml").value["key"]
    if text == "12345678901234567890":
        assert str(got) == text  # longer than our numbers: text
    else:
        assert got == value
        assert type(got) is type(value)


def test_keys_are_always_words() -> None:
    assert read("on: 1\n2: b\nyes: c", "x.yaml").value == {"on": 1, "2": "b", "yes": "c"}


def test_everything_has_its_place() -> None:
    document = read("a:\n  - b: 1\n    c: [x, y]\n", "x.yaml")
    assert document.mark(("a", 0, "c")) == Mark("x.yaml", 3, 5)
    assert document.value_mark(("a", 0, "c", 1)) == Mark("x.yaml", 3, 12)
    assert document.mark(("a", 0, "nope", "deeper")) == Mark("x.yaml", 2, 5)


@pytest.mark.parametrize(
    "text", ["", "a: [", "a: 1\na: 2", "a: &x 1\nb: *x", "a: !!python/name:os.system x", "? [a]: 1", "\x00", "[" * 60]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(FlowError) as caught:
        read(text, "x.yaml")
    assert caught.value.at is not None


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: {b: c\nd: [e\nf: 'g\n", [(1, 4), (2, 4), (3, 4)]),
        ("a: 'don't'\nb: 'c' d\ne:f\ng: h\n", [(1, 8), (2, 8), (3, 2)]),
        ('a:\n  b: "c\n  d: e\n  f: "g"\nh: [,]\n', [(2, 6), (5, 5)]),
        ("a\n  b: c\nd: {e: f},\ng: h]\n", [(1, 1), (3, 10)]),
        ("a:\n\tb: c\n\td: e\nf: @g\n", [(2, 1), (4, 4)]),
        ("a:\n    b: c\n  d: e\n  f: g\nh: `i`\n", [(3, 3), (5, 4)]),
        ("a: b\n  c: d\n  e: f\ng: \x07\n", [(2, 3), (4, 4)]),
    ],
)
def test_all_that_is_no_yaml_is_told_at_once(text: str, places: list[tuple[int, int]]) -> None:
    """Once each, and nothing that only follows from how the rest was read."""
    with pytest.raises(FlowError) as caught:
        read(text, "x.yaml")
    found = [one.at for one in (caught.value, *caught.value.others)]
    assert [(at.line, at.column) for at in found if at is not None] == places
