"""Who has something to do is looked at each time, however many have not."""

from collections import Counter

from bot.runtime.turnabout import Turnabout


def test_everybody_comes_in_turn_and_the_busy_each_time() -> None:
    turnabout: Turnabout[int] = Turnabout(10)
    seen: Counter[int] = Counter()
    for number in range(100):
        chosen = turnabout.choose(range(1000))
        assert len(chosen) <= 12
        for one in chosen:
            turnabout.note(one, busy=one in (3, 500))
        seen.update(chosen)
        if number == 99:
            assert chosen[:2] == [3, 500]
    assert set(seen) == set(range(1000)), "nobody is forgotten"
    assert seen[3] == 100
    assert seen[500] == 50, "from the moment it was seen"
    assert {count for one, count in seen.items() if one not in (3, 500)} == {1}, "and nobody comes before their turn"


def test_a_few_are_all_looked_at() -> None:
    turnabout: Turnabout[int] = Turnabout(10)
    for _ in range(3):
        assert sorted(turnabout.choose(range(5))) == [0, 1, 2, 3, 4]


def test_who_is_new_comes_first_and_who_is_gone_is_forgotten() -> None:
    turnabout: Turnabout[str] = Turnabout(2)
    assert turnabout.choose("abcdef") == ["a", "b"]
    turnabout.note("a", busy=True)
    assert turnabout.choose("bcdefx") == ["x", "c"]
    assert turnabout.choose("bcdefx") == ["d", "e"]
    assert turnabout.choose("abcdefx") == ["a", "f"], "who comes back is new, and has to show that it is busy"


def test_who_has_done_is_one_of_many_again() -> None:
    turnabout: Turnabout[int] = Turnabout(1)
    for one in turnabout.choose(range(3)):
        turnabout.note(one, busy=True)
    assert turnabout.choose(range(3)) == [0, 1]
    turnabout.note(0, busy=False)
    turnabout.note(1, busy=False)
    assert turnabout.choose(range(3)) in ([0], [2])
