"""Reading test files: shape, then every name in them against flows and actions, each mistake with its place."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bot.authoring.mistakes import explain
from bot.authoring.reader import Document, read
from bot.authoring.testing.comparing import is_pattern, pattern
from bot.authoring.testing.spec import ConversationSpec, ExpectSpec, PhoneSpec, SharedSpec, StepSpec
from bot.authoring.testing.stage import Project, Stage, open_stage, person
from bot.authoring.testing.stubs import Stub, compile_stub
from bot.core.book import ANY
from bot.core.errors import ContentError, ContentErrors, FlowError, Mark
from bot.core.report import Mistake, Report, did_you_mean
from bot.core.report import Path as Place

SHARED = "shared.yaml"
"""A file with what all tests of its folder begin with."""
SUFFIX = ".yaml"

_Spec = TypeVar("_Spec", bound=SharedSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTest:
    """A test, ready to run.

    Attributes:
        path: Its file.
        text: What the file says.
        document: Where each part of it is.
        spec: What it means, shared parts included.
        stubs: What actions and lookups answer.
        user: The phone that `user:` means.
    """

    path: Path
    text: str
    document: Document
    spec: ConversationSpec
    stubs: Mapping[str, Stub]
    user: str

    @property
    def name(self) -> str:
        """What the author calls it."""
        return self.spec.test

    def mark(self, place: Place) -> Mark:
        """Where a part of it is."""
        return self.document.mark(place)

    def stage(self, project: Project) -> Stage:
        """The world as it is before the first step."""
        at: datetime = self.spec.at
        people = [
            (name, person(place, phone), at - phone.wrote if phone.wrote else None)
            for place, (name, phone) in enumerate(self.spec.phones.items(), 1)
        ]
        return open_stage(project, self.stubs, at, people, self.spec.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the tests of a folder begin with, and where it says so."""

    spec: SharedSpec
    document: Document | None = None


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The test files among paths: files as they are, folders with all below them.

    Raises:
        FlowError: There is no such file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise FlowError(f"There is no file {path}.", hint="Put it there, or correct the path.")
        inside = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        found.update(dict.fromkeys(one for one in inside if one.name != SHARED))
    return list(found)


def called(path: Path) -> list[str]:
    """What a test may be found by besides its file: title, flow and tags, as far as they can be read."""
    try:
        value = _document(path).value
    except ContentErrors:
        return []
    top = value if isinstance(value, dict) else {}
    tags = top.get("tags")
    words = [top.get("test"), top.get("flow"), *(tags if isinstance(tags, list) else ())]
    return [word for word in words if isinstance(word, str)]


def read_shared(folder: Path, top: Path | None = None) -> list[Shared]:
    """The shared files of a folder and those above it up to `top`, the outermost first.

    Raises:
        ContentErrors: One of them is wrong.
    """
    folder = folder.resolve()
    above = [folder, *folder.parents]
    limit = above.index(top.resolve()) if top is not None and top.resolve() in above else 0
    found = []
    for one in reversed(above[: limit + 1]):
        path = one / SHARED
        if path.is_file():
            document = _document(path)
            found.append(Shared(spec=_validated(document, SharedSpec), document=document))
    return found


def read_test(path: Path, project: Project, shared: Sequence[Shared] = (), text: str | None = None) -> ConversationTest:
    """Read a test and check every name in it.

    Args:
        path: Its file.
        project: The flows and actions it is about.
        shared: What it begins with, the outermost first.
        text: What the file would say, when it is not written yet.

    Raises:
        ContentErrors: With every mistake in it.
    """
    text = _text(path) if text is None else text
    document = _read(text, path)
    phones: dict[str, PhoneSpec] = {name: phone for one in shared for name, phone in one.spec.phones.items()}
    value = document.value if isinstance(document.value, dict) else {}
    own = value.get("phones")
    unknown = _unknown_steps(value, {*phones, *(own if isinstance(own, dict) else ())})
    if unknown.mistakes:
        found = [*_errors(unknown, document), *_besides(unknown, document)]
        raise ContentErrors(sorted(found, key=lambda one: (one.at.line, one.at.column) if one.at else (0, 0)))
    spec = _validated(document, ConversationSpec)
    report = Report()
    if spec.flow is not None and spec.flow not in project.book.latest:
        report.unknown(("flow",), "flow", spec.flow, project.book.latest)
    _check_versions(spec, project, report)
    spec = _completed(spec, shared, phones)
    stubs: dict[str, Stub] = {}
    for one in shared:
        theirs = Report()
        stubs |= _stubs(one.spec, spec, project, theirs)
        if one.document is not None:
            _raise(theirs, one.document)
    stubs |= _stubs(spec, spec, project, report)
    _check_names(spec, project, report)
    _raise(report, document)
    user = _user(spec, list(own) if isinstance(own, dict) else [], project)
    return ConversationTest(path=path, text=text, document=document, spec=spec, stubs=stubs, user=user)


def _completed(spec: ConversationSpec, shared: Sequence[Shared], phones: Mapping[str, PhoneSpec]) -> ConversationSpec:
    """The test with what its folder's tests begin with."""
    fixtures = {name: records for one in shared for name, records in one.spec.fixtures.items()}
    times = [one.spec.at for one in (*shared, Shared(spec=spec)) if "at" in one.spec.model_fields_set]
    return spec.model_copy(
        update={
            "phones": {**phones, **spec.phones} or {"customer": PhoneSpec()},
            "fixtures": fixtures | spec.fixtures,
            "at": times[-1] if times else spec.at,
        }
    )


def _user(spec: ConversationSpec, own: Sequence[str], project: Project) -> str:
    """Whom `user:` means: the test's first phone; of shared ones, the first that may walk the flow."""
    if own:
        return own[0]
    flow = project.book.latest.get(spec.flow or "")
    able = [
        name
        for name, phone in spec.phones.items()
        if flow is None or ANY in flow.roles or set(phone.roles) & set(flow.roles)
    ]
    return next(iter(able or spec.phones))


def _stubs(mine: SharedSpec, whole: SharedSpec, project: Project, report: Report) -> dict[str, Stub]:
    found = {}
    for name, value in mine.stubs.items():
        action = project.actions.by_name.get(name)
        if action is None:
            report.unknown(("stubs", name), "action or lookup", name, project.actions.by_name)
            continue
        found[name] = compile_stub(action.kind, value, whole.fixtures, ("stubs", name), report)
    return found


# --- Names ------------------------------------------------------------------------------------------------------------


def _unknown_steps(value: Mapping[str, Any], phones: set[str]) -> Report:
    """Keys of steps that are neither ours nor phones; checked first, since any key might be a phone."""
    report = Report()
    steps = value.get("steps")
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        for key in step if isinstance(step, dict) else ():
            if key not in phones and key not in StepSpec.words:
                hint = did_you_mean(key, {*phones, *StepSpec.words})
                report(
                    ("steps", place, key), f"There is no phone `{key}`, and no such step.", hint=hint, code="unknown"
                )
    return report


def _check_versions(spec: ConversationSpec, project: Project, report: Report) -> None:
    for name, number in spec.versions.items():
        known = {flow.version for flow in project.book.flows() if flow.name == name}
        if not known:
            report.unknown(("versions", name), "flow", name, project.book.latest)
        elif number not in known:
            there = ", ".join(map(str, sorted(known)))
            report(("versions", name), f"There is no version {number} of `{name}`.", hint=f"There is {there}.",
                   code="unknown")  # fmt: skip


def _check_names(spec: ConversationSpec, project: Project, report: Report) -> None:
    flow = project.book.latest.get(spec.flow or "")
    flows = project.book.flows()
    states = {state for one in flows for state in one.states}
    slots = {slot for one in flows for slot in one.slots}
    near_states = set(flow.states) if flow is not None else states
    near_slots = set(flow.slots) if flow is not None else slots
    for path, expect in _expectations(spec):
        if expect.state not in {None, "none", *states}:
            report.unknown((*path, "state"), "state", str(expect.state), near_states)
        if expect.flow not in {None, "none", *project.book.latest}:
            report.unknown((*path, "flow"), "flow", str(expect.flow), project.book.latest)
        for name in expect.slots or ():
            if name not in slots:
                report.unknown((*path, "slots", name), "slot", name, near_slots)
        for place, call in enumerate(expect.actions or ()):
            name = next(iter(call))
            if name not in project.actions.by_name:
                report.unknown((*path, "actions", place), "action or lookup", name, project.actions.by_name)
        _check_sayings(path, expect, spec, report)
    for place, step in enumerate(spec.steps):
        if step.event is not None and step.event.to not in {None, *spec.phones}:
            report.unknown(("steps", place, "event", "to"), "phone", str(step.event.to), spec.phones)


def _check_sayings(path: Place, expect: ExpectSpec, spec: ConversationSpec, report: Report) -> None:
    for key in ("said", "not_said", "held"):
        wanted = getattr(expect, key)
        by_phone = wanted if isinstance(wanted, dict) else {None: wanted or []}
        for phone, sayings in by_phone.items():
            here = (*path, key) if phone is None else (*path, key, phone)
            if phone is not None and phone not in spec.phones:
                report.unknown(here, "phone", phone, spec.phones)
            for saying in sayings:
                try:
                    if is_pattern(saying):
                        pattern(saying)
                except ValueError as mistake:
                    report.wrong(here, mistake, code="pattern")


def _expectations(spec: ConversationSpec) -> Iterator[tuple[Place, ExpectSpec]]:
    for place, step in enumerate(spec.steps):
        if step.expect is not None:
            yield ("steps", place, "expect"), step.expect
    if spec.expect is not None:
        yield ("expect",), spec.expect


# --- Files ------------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as mistake:
        told, hint = f"The file is not UTF-8: {mistake.reason}.", "Save it as UTF-8."
    except OSError as mistake:
        told, hint = f"The file cannot be read: {mistake.strerror or mistake}.", "Remove it, or make it readable."
    raise ContentErrors([FlowError(told, at=Mark(str(path), 1, 1), hint=hint)])


def _read(text: str, path: Path) -> Document:
    try:
        return read(text, str(path))
    except ContentError as mistake:
        raise ContentErrors([mistake, *mistake.others]) from mistake


def _document(path: Path) -> Document:
    return _read(_text(path), path)


def _validated(document: Document, model: type[_Spec]) -> _Spec:
    try:
        return model.model_validate(document.value)
    except ValidationError as mistakes:
        raise ContentErrors([one.error() for one in explain(mistakes, document, model)]) from None


def _besides(unknown: Report, document: Document) -> list[ContentError]:
    """What else is wrong in a test some of whose steps have keys that are none."""
    value = copy.deepcopy(document.value)
    for mistake in unknown.mistakes:
        step = value["steps"][mistake.path[1]]
        del step[mistake.path[2]]
        if not set(step) - {"expect"}:
            step["user"] = ""  # something has to happen
    try:
        ConversationSpec.model_validate(value)
    except ValidationError as mistakes:
        return [one.error() for one in explain(mistakes, document, ConversationSpec)]
    return []


def _raise(report: Report, document: Document) -> None:
    if report.mistakes:
        raise ContentErrors(_errors(report, document))


def _errors(report: Report, document: Document) -> list[ContentError]:
    return [FlowError(one.message, at=_mark(document, one), hint=one.hint) for one in report.mistakes]


def _mark(document: Document, mistake: Mistake) -> Mark:
    """Where it is: at the key, when it is the key that is wrong."""
    about_key = bool(mistake.path) and f"`{mistake.path[-1]}`" in mistake.message
    return document.mark(mistake.path) if about_key else document.value_mark(mistake.path)
