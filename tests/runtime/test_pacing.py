"""Rate limits hold over any stretch of time, and use what they allow."""

from hypothesis import given
from hypothesis import strategies as st

from bot.runtime.pacing import Pacer


def test_burst_then_one_per_interval() -> None:
    pacer = Pacer(6, 45)
    assert [pacer.take(1, 100.0) for _ in range(45)] == [0.0] * 45
    assert pacer.take(1, 100.0) == 6.0
    assert pacer.take(1, 106.0) == 0.0
    assert pacer.take(1, 106.0) == 6.0


def test_keys_do_not_share() -> None:
    pacer = Pacer(1, 1)
    assert pacer.take(1, 0.0) == 0.0
    assert pacer.take(2, 0.0) == 0.0
    assert pacer.take(1, 0.0) == 1.0


def test_zero_means_no_limit() -> None:
    pacer = Pacer(0, 1)
    assert all(pacer.take(1, 0.0) == 0.0 for _ in range(1000))
    assert pacer.room(1, 0.0) is None


@given(
    st.floats(0.01, 10),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), max_size=200),
)
def test_never_more_than_allowed(interval: float, burst: int, gaps: list[float]) -> None:
    """In any window of time no more than `burst` plus one per interval get through; `room` tells how many would."""
    pacer = Pacer(interval, burst)
    now, passed = 0.0, []
    for gap in gaps:
        now += gap
        room = pacer.room(1, now)
        if pacer.take(1, now) == 0.0:
            assert room is not None
            assert room >= 1
            passed.append(now)
        else:
            assert room == 0
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - passed[first]) / interval
            assert last - first + 1 <= allowed + 1e-6


def test_forgets_the_longest_unused() -> None:
    pacer = Pacer(1000, 1, size=2)
    for key in (1, 2, 3):
        assert pacer.take(key, 0.0) == 0.0
    assert pacer.take(1, 0.0) == 0.0, "key 1 was forgotten"
    assert pacer.take(3, 0.0) > 0
