"""Playing a test from its first step to its last, or to the first that is not as expected."""

import time
from dataclasses import dataclass, field

from bot.authoring.testing.acting import Line, Play
from bot.authoring.testing.checks import Problem, check, faults
from bot.authoring.testing.coverage import Hit, hits
from bot.authoring.testing.observing import Moment
from bot.authoring.testing.reading import ConversationTest
from bot.authoring.testing.spec import ExpectSpec
from bot.authoring.testing.stage import Mishap, Project
from bot.core.errors import EngineError, Mark
from bot.core.report import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Something that is not as expected, with its place in the test file."""

    problem: Problem
    at: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a test failed.

    Attributes:
        step: The step, from 0; None for what is expected of the whole test.
        at: Where the step is.
        complaints: All that is not as expected there.
    """

    step: int | None
    at: Mark
    complaints: tuple[Complaint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a test. `seconds` is how long it took, `hits` what it went through."""

    name: str
    flow: str | None
    at: Mark
    seconds: float
    failure: Failure | None = None
    lines: tuple[Line, ...] = ()
    hits: frozenset[Hit] = frozenset()
    steps: int = 0

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A step as it was played, for whoever writes expectations. `place` is its path in the file."""

    place: Path
    expect: ExpectSpec | None
    moment: Moment
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Run:
    """A run of a test; with `observed`, it goes on after a failure and notes every step."""

    play: Play
    observed: list[Observed] | None = None
    failure: Failure | None = None
    hits: set[Hit] = field(default_factory=set)

    def through(self) -> None:
        """Play all steps, then look at the whole."""
        test, play = self.play.test, self.play
        phone = test.user
        for place, step in enumerate(test.spec.steps):
            play.step = place
            path: Path = ("steps", place)
            try:
                phone, turns = play.act(step)
            except (Mishap, EngineError) as mishap:
                self._stop(place, path, mishap, step.happening[0])
                return
            moment = Moment(
                stage=play.stage.fork() if self.observed is not None else play.stage, phone=phone, turns=turns
            )
            self._compare(place, path, step.expect, moment)
            if self.failure is not None and self.observed is None:
                return
        whole = Moment(stage=play.stage, phone=test.user, turns=play.turns)
        self._compare(None, (), test.spec.expect, whole)

    def _compare(self, step: int | None, path: Path, expect: ExpectSpec | None, moment: Moment) -> None:
        problems = list(faults(moment.turns)) if step is not None else []
        problems += check(expect, moment) if expect is not None else []
        if self.observed is not None:
            self.observed.append(Observed(place=path, expect=expect, moment=moment, problems=tuple(problems)))
        if problems and self.failure is None:
            complaints = tuple(Complaint(problem=one, at=self._place(path, one)) for one in problems)
            self.failure = Failure(
                step=step,
                at=complaints[0].at if step is None else self.play.test.document.value_mark(path),
                complaints=complaints,
            )

    def _place(self, path: Path, problem: Problem) -> Mark:
        """Where it says what is not so: the innermost value that is written down."""
        document = self.play.test.document
        whole: Path = (*path, "expect", *problem.key) if problem.key else path
        while whole and whole not in document.values:
            whole = whole[:-1]
        return document.value_mark(whole)

    def _stop(self, step: int, path: Path, mishap: Mishap | EngineError, key: str) -> None:
        hint = mishap.hint if isinstance(mishap, Mishap) else ""
        problem = Problem(key=(), sentence=str(mishap), hint=hint)
        at = self.play.test.document.value_mark((*path, key))
        self.failure = self.failure or Failure(
            step=step, at=self.play.test.document.value_mark(path), complaints=(Complaint(problem=problem, at=at),)
        )


def run_test(test: ConversationTest, project: Project) -> Result:
    """Play a test.

    Args:
        test: The test.
        project: The flows and actions it is about.
    """
    result, _ = _played(test, project, None)
    return result


def observe_test(test: ConversationTest, project: Project) -> tuple[Result, list[Observed]]:
    """Play a test to its end, whatever is expected, and note what each step led to."""
    return _played(test, project, [])


def _played(test: ConversationTest, project: Project, observed: list[Observed] | None) -> tuple[Result, list[Observed]]:
    began = time.perf_counter()
    run = _Run(Play(test, test.stage(project)), observed)
    run.through()
    result = Result(
        name=test.name,
        flow=test.spec.flow,
        at=test.mark(("test",)),
        seconds=time.perf_counter() - began,
        failure=run.failure,
        lines=tuple(run.play.lines) if run.failure is not None else (),
        hits=frozenset(hits(turn.trace for turn in run.play.turns)),
        steps=len(test.spec.steps),
    )
    return result, observed or []
