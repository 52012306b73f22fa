"""Many tests at once: which files there are, which of them are meant, and running them on several cores."""

import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.authoring.content import FlowFile, Loader
from bot.authoring.mistakes import Finding
from bot.authoring.testing.reading import ConversationTest, Shared, find_files, read_shared, read_test
from bot.authoring.testing.runner import Result, run_test
from bot.authoring.testing.stage import Project
from bot.core.actions import Actions
from bot.core.errors import ContentErrors, FlowError

_ENOUGH = 64
"""Files from which a second process is worth its start."""
_MOST_JOBS = 8
_WORD = re.compile(r"\(|\)|[^\s()]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A test file that cannot be read."""

    path: Path
    findings: tuple[Finding, ...]


Outcome = Result | Broken


@dataclass(slots=True)
class Suite:
    """The tests of a project.

    Attributes:
        project: Flows and actions.
        files: The flow files, for places.
        folder: The folder with the tests; shared files are looked for up to here.
    """

    project: Project
    files: list[FlowFile]
    folder: Path
    _shared: dict[Path, list[Shared]] = field(default_factory=dict)

    def read(self, path: Path) -> ConversationTest | Broken:
        """Read a file."""
        try:
            if path.parent not in self._shared:
                self._shared[path.parent] = read_shared(path.parent, self.folder)
            return read_test(path, self.project, self._shared[path.parent])
        except ContentErrors as mistakes:
            return Broken(path=path, findings=tuple(Finding.of(one, "test") for one in mistakes.errors))

    def play(self, path: Path) -> Outcome:
        """Read a file and run its test."""
        test = self.read(path)
        return test if isinstance(test, Broken) else run_test(test, self.project)

    def select(self, paths: Sequence[Path], expression: str) -> list[Path]:
        """The files whose name, test, flow or tags fit an expression such as `enquiry and not slow`.

        Raises:
            FlowError: It is none.
        """
        if not expression.strip():
            return list(paths)
        wanted = compile_expression(expression)
        found = []
        for path in paths:
            test = self.read(path)
            about = [path.stem]
            if isinstance(test, ConversationTest):
                about += [test.name, test.spec.flow or "", *test.spec.tags]
            if wanted(" ".join(about).casefold()):
                found.append(path)
        return found

    @contextmanager
    def running(self, paths: Sequence[Path], jobs: int = 0) -> Iterator[Iterator[Outcome]]:
        """Run tests; yields their outcomes as they come.

        Args:
            paths: Files.
            jobs: Processes; 0: as many as are worth it. Where a process cannot be forked, there is one.
        """
        jobs = jobs or (1 if len(paths) < _ENOUGH else min(os.cpu_count() or 1, _MOST_JOBS))
        if jobs == 1 or len(paths) < 2 or "fork" not in multiprocessing.get_all_start_methods():
            yield map(self.play, paths)
            return
        _Forked.suite = self
        try:
            with multiprocessing.get_context("fork").Pool(min(jobs, len(paths))) as pool:
                yield pool.imap_unordered(_Forked.play, paths, chunksize=max(1, len(paths) // (jobs * 8)))
        finally:
            _Forked.suite = None


class _Forked:
    """What a forked process finds: the suite as its parent had it, since compiled flows cannot be sent."""

    suite: Suite | None = None

    @classmethod
    def play(cls, path: Path) -> Outcome:
        """Run a file's test."""
        if cls.suite is None:
            raise RuntimeError("this process was not forked from one that runs tests")
        return cls.suite.play(path)


def open_suite(content: Path, actions: Actions, folder: Path | None = None) -> Suite:
    """Compile a project's flows, to test them.

    Args:
        content: The folder with `flows/`, `intents/` and `templates/`.
        actions: What flows may call; only their shape matters.
        folder: Where the tests are; None: where they usually are.

    Raises:
        ContentErrors: The flows are wrong.
    """
    loader = Loader(content, actions)
    loaded = loader.load()
    if loaded is None:
        raise ContentErrors([finding.error() for finding in loader.findings if finding.severity == "error"])
    project = Project(book=loaded.book, actions=actions, templates=loaded.whatsapp_templates)
    return Suite(project=project, files=loader.flow_files, folder=folder or usual_folder(content))


def usual_folder(content: Path) -> Path:
    """Where a project has its conversation tests: `tests/flows`, else `tests`."""
    inner = content / "tests" / "flows"
    return inner if inner.is_dir() else content / "tests"


def files_among(suite: Suite, paths: Sequence[Path]) -> list[Path]:
    """The files that are asked for; without paths, all of the project's.

    Raises:
        FlowError: One of them is not there.
    """
    if paths:
        return find_files(paths)
    return find_files([suite.folder]) if suite.folder.is_dir() else []


def compile_expression(text: str) -> Callable[[str], bool]:
    """Read `enquiry and not (slow or late)`: words that must occur, in any case.

    Raises:
        FlowError: It is no such expression.
    """
    words = [match[0].casefold() for match in _WORD.finditer(text)]

    def either() -> Callable[[str], bool]:
        first = both()
        while words and words[0] == "or":
            words.pop(0)
            left, right = first, both()
            first = lambda about, left=left, right=right: left(about) or right(about)  # type: ignore[misc]  # noqa: E731
        return first

    def both() -> Callable[[str], bool]:
        first = one()
        while words and words[0] not in {"or", ")"}:
            if words[0] == "and":
                words.pop(0)
            left, right = first, one()
            first = lambda about, left=left, right=right: left(about) and right(about)  # type: ignore[misc]  # noqa: E731
        return first

    def one() -> Callable[[str], bool]:
        word = words.pop(0) if words else ""
        if word == "not":
            inner = one()
            return lambda about: not inner(about)
        if word == "(":
            inner = either()
            if not words or words.pop(0) != ")":
                raise FlowError(f"-k {text}: a bracket is not closed.", hint="Close it.")
            return inner
        if not word or word in {"and", "or", ")"}:
            raise FlowError(f"-k {text}: a word is missing.", hint="Write for example `enquiry and not slow`.")
        return lambda about: word in about

    whole = either()
    if words:
        raise FlowError(
            f"-k {text}: `{words[0]}` is one too many.",
            hint="Write `and` or `or` before it, or put the text in quotes.",
        )
    return whole
