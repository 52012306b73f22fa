"""Every change of every object: what is in its table happens, everything else is refused with the reason."""

import pytest

from bot.core.errors import ActionError
from bot.operations import LIFECYCLES
from bot.operations.lifecycle import words

CASES = [
    (name, change, status) for name, one in LIFECYCLES.items() for change in one.changes for status in one.statuses
]


@pytest.mark.parametrize(("name", "change", "status"), CASES)
def test_a_change_is_made_as_the_table_says_or_refused_with_the_reason(name: str, change: str, status: str) -> None:
    lifecycle = LIFECYCLES[name]
    rule = lifecycle.changes[change]
    if status in rule.sources:
        assert lifecycle.after(change, status) == rule.target
        assert lifecycle.allows(change, status)
        return
    with pytest.raises(ActionError) as refused:
        lifecycle.after(change, status)
    assert refused.value.code == lifecycle.code
    assert str(refused.value) == f"{lifecycle.thing} that is {words(status)} cannot be {rule.done}."
    assert not lifecycle.allows(change, status)


@pytest.mark.parametrize("name", list(LIFECYCLES))
def test_every_status_can_be_reached_and_is_one_the_table_allows(name: str) -> None:
    lifecycle = LIFECYCLES[name]
    reached, waiting = set(), [lifecycle.first]
    while waiting:
        status = waiting.pop()
        reached.add(status)
        waiting += [
            change.target
            for change in lifecycle.changes.values()
            if status in change.sources and change.target not in reached
        ]
    assert reached == set(lifecycle.statuses)
