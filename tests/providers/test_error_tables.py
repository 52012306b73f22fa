"""Every error code of the providers' pages: whether to try again, and what else it entails. The tables are data."""

import csv
from pathlib import Path

import pytest

from providers.base import RETRYABLE, Effect, Fault
from providers.errors import Catalogue
from providers.meta.errors import CATALOGUE as META
from providers.twilio.errors import CATALOGUE as TWILIO

CATALOGUES = {"meta": META, "twilio": TWILIO}


def rows() -> list[tuple[str, int, str, str]]:
    found = []
    for name in CATALOGUES:
        with (Path(__file__).parent / "errors" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found += [(name, int(row["code"]), row["retry"], row["effect"]) for row in csv.DictReader(file)]
    return found


def retry(fault: Fault) -> str:
    """What the sender does about a kind of refusal, in the words of the pages."""
    match fault:
        case Fault.MEDIA:
            return "once"
        case Fault.AUTH | Fault.POLICY:
            return "fix"
        case Fault.WINDOW:
            return "template"
    return "later" if fault in RETRYABLE else "no"


@pytest.mark.parametrize(("name", "code", "expected", "effect"), rows(), ids=lambda value: str(value))
def test_a_code_has_its_consequences_and_says_what_to_do(name: str, code: int, expected: str, effect: str) -> None:
    meaning = CATALOGUES[name].meaning(code)
    assert (retry(meaning.fault), meaning.effect.value) == (expected, effect)
    assert meaning.text.endswith((".", "?"))
    assert len(meaning.text) > 20
    problem = CATALOGUES[name].problem(code, "detail")
    assert (problem.code, problem.fault, problem.effect) == (code, meaning.fault, meaning.effect)


@pytest.mark.parametrize("name", CATALOGUES)
def test_no_code_of_ours_is_without_a_row(name: str) -> None:
    assert set(CATALOGUES[name].meanings) <= {code for one, code, _, _ in rows() if one == name}


@pytest.mark.parametrize("catalogue", CATALOGUES.values())
def test_what_throttles_pauses_and_what_stops_alarms(catalogue: Catalogue) -> None:
    for code, meaning in catalogue.meanings.items():
        if meaning.fault is Fault.THROTTLE_CHANNEL:
            assert meaning.effect in (Effect.PAUSE_CHANNEL, Effect.STOP_INITIATED), code
        if meaning.fault is Fault.AUTH:
            assert meaning.effect is Effect.STOP_CHANNEL, code


def test_an_unknown_code_is_refused_unless_it_looks_temporary() -> None:
    assert META.meaning(424242).fault is Fault.REQUEST
    assert META.meaning(424242, temporary=True).fault is Fault.TRANSIENT
    assert META.meaning(None).fault is Fault.REQUEST
    assert META.problem(10**12).code is None
