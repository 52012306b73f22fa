"""What is said to be impossible is impossible: compared with trying out everything."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.authoring.guards import check_guards
from bot.core.flow import FlowSpec
from bot.core.report import Report
from bot.core.sandbox import Expression

SLOWLY = settings(deadline=None, max_examples=60)
PEOPLE = [None, *range(1, 13)]
ROOMS = [None, "twin", "single"]
_NUMBER = st.integers(-1, 14).map(str)
_COMPARED = st.one_of(
    st.builds("people {} {}".format, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _NUMBER),
    st.builds("{} {} people".format, _NUMBER, st.sampled_from(["<", ">="])),
    st.builds("room {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(["twin", "single", "suite"])),
    st.builds("room in {}".format, st.sampled_from(["['twin', 'suite']", "['suite']", "['twin', 'single']"])),
    st.sampled_from(["people is none", "people is not none", "room", "not room", "true", "false"]),
    st.just("trek.name == 'EBC'"),
)
CONDITIONS = st.recursive(
    _COMPARED,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=5,
)


def holds(condition: Expression, people: int | None, room: str | None, trek: str) -> bool | None:
    try:
        return bool(condition({"people": people, "room": room, "trek": {"name": trek}}))
    except TypeError:  # no number to compare: the turn fails, no branch is taken
        return None


def reported(*conditions: str) -> list[str]:
    """What is said of branches with these conditions."""
    spec = FlowSpec.model_validate(
        {
            "flow": "any", "role": "customer",
            "slots": {
                "people": {"type": "integer", "min": 1, "max": 12},
                "room": {"type": "choice", "choices": {"twin": "Twin", "single": "Single"}},
                "trek": {"type": "ref", "lookup": "treks.find"},
            },
            "states": {"a": {"form": ["people"], "next": [*({"if": one, "to": "b"} for one in conditions), "b"]}},
        }
    )  # fmt: skip
    report = Report()
    check_guards(spec, report)
    return [one.message for one in report.mistakes]


@SLOWLY
@given(CONDITIONS)
def test_a_condition_is_impossible_only_if_nothing_fits_it(condition: str) -> None:
    if any("can never be true" in one for one in reported(condition)):
        compiled = Expression(condition)
        assert not any(holds(compiled, *values) for values in product(PEOPLE, ROOMS, ["EBC", "other"]))


@SLOWLY
@given(CONDITIONS, CONDITIONS)
def test_a_branch_is_never_reached_only_if_the_one_before_takes_all_of_it(first: str, second: str) -> None:
    if any(f"`if: {second}` is never reached" in one for one in reported(first, second)):
        one, other = Expression(first), Expression(second)
        for values in product(PEOPLE, ROOMS, ["EBC", "other"]):
            assert not holds(other, *values) or holds(one, *values) is not False


def test_simple_mistakes_are_found() -> None:
    for condition in ("people > 12", "people == 2.5", "room == 'suite'", "people < 3 and people > 5", "trek == 'EBC'",
                      "room == 'twin' and room == 'single'", "not people and people > 2",
                      "people in [3, 20]", "room != 'suite'", "room == 'suite' or people == 3"):  # fmt: skip
        assert reported(condition), condition
    for condition in ("people >= 12", "room != 'twin' and room != 'single'", "trek.price > 100", "people in [3, 12]"):
        assert not reported(condition), condition
    assert reported("people >= 10", "people == 11")
    assert reported("room == 'twin' or people > 3", "people == 4")
    assert not reported("people >= 10", "people >= 5")
