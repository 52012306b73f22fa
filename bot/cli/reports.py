"""What came of conversation tests, for machines: JSON, GitHub's annotations, JUnit's XML."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as Xml

from bot.authoring.mistakes import Finding
from bot.authoring.testing.checks import Problem
from bot.authoring.testing.coverage import FlowCover, percent
from bot.authoring.testing.runner import Failure, Result
from bot.authoring.testing.suite import Broken, Outcome

if TYPE_CHECKING:
    from rich.console import Console


def print_json(outcomes: Sequence[Outcome], covers: Sequence[FlowCover], seconds: float) -> None:
    """Everything, as one document."""
    results = [one for one in outcomes if isinstance(one, Result)]
    document = {
        "passed": sum(one.passed for one in results),
        "failed": sum(not one.passed for one in results),
        "unreadable": len(outcomes) - len(results),
        "seconds": round(seconds, 3),
        "tests": [_result(one) if isinstance(one, Result) else _broken(one) for one in outcomes],
    }
    if covers:
        document["coverage"] = {"percent": round(percent(covers), 1), "flows": [_cover(one) for one in covers]}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _result(one: Result) -> dict[str, Any]:
    found: dict[str, Any] = {
        "test": one.name, "flow": one.flow, "file": one.at.file, "passed": one.passed, "seconds": round(one.seconds, 4),
    }  # fmt: skip
    if one.failure is not None:
        found["step"] = one.failure.step
        found["line"] = one.failure.at.line
        found["problems"] = [
            {"line": c.at.line, "column": c.at.column, "key": list(c.problem.key), "expected": c.problem.expected,
             "got": c.problem.got, "message": sentence(c.problem), "hint": c.problem.hint}
            for c in one.failure.complaints
        ]  # fmt: skip
    return found


def _broken(one: Broken) -> dict[str, Any]:
    problems = [{"line": f.line, "column": f.column, "message": f.message, "hint": f.hint} for f in one.findings]
    return {"test": None, "file": str(one.path), "passed": False, "problems": problems}


def _cover(one: FlowCover) -> dict[str, Any]:
    entered, states, taken, ways = one.counts
    missing = [
        {"on": edge.trigger, "from": edge.source, "to": edge.to, "line": edge.at.line if edge.at else None}
        for edge in one.missing
    ]
    unvisited = [{"state": state.name, "line": state.at.line if state.at else None} for state in one.unvisited]
    return {
        "flow": one.flow, "version": one.version, "file": one.file, "states": states, "states_entered": entered,
        "ways": ways, "ways_taken": taken, "percent": round(percent([one]), 1), "missing": missing,
        "missing_states": unvisited,
    }  # fmt: skip


def sentence(problem: Problem) -> str:
    """A problem in one sentence."""
    key = f"{problem.key[0]}: " if problem.key else ""
    return problem.sentence or f"{key}expected “{problem.expected}”, got “{problem.got}”."


def print_github(outcomes: Sequence[Outcome], covers: Sequence[FlowCover]) -> None:
    """Workflow commands, as GitHub Actions reads them from a job's output."""
    for one in outcomes:
        if isinstance(one, Broken):
            for finding in one.findings:
                _annotate("error", finding.file, finding.line, finding.column, "unreadable test", _text(finding))
        elif one.failure is not None:
            for complaint in one.failure.complaints:
                text = f"{sentence(complaint.problem)} {complaint.problem.hint}".strip()
                _annotate("error", complaint.at.file, complaint.at.line, complaint.at.column, one.name, text)
    for cover in covers:
        for state in cover.unvisited:
            if state.at is not None:
                text = f"No test comes to {state.name}."
                _annotate("warning", state.at.file, state.at.line, state.at.column, "not covered", text)
        for edge in cover.missing:
            if edge.at is not None:
                text = f"No test goes from {edge.source} to {edge.to} on {edge.trigger}."
                _annotate("warning", edge.at.file, edge.at.line, edge.at.column, "not covered", text)
    results = [one for one in outcomes if isinstance(one, Result)]
    failed = len(outcomes) - sum(one.passed for one in results)
    sys.stdout.write(f"{failed} failed, {len(outcomes) - failed} passed\n")


def _text(finding: Finding) -> str:
    return f"{finding.message} {finding.hint}".strip()


def _annotate(level: str, file: str, line: int, column: int, title: str, text: str) -> None:
    place = f"file={_property(file)},line={line},col={column},title={_property(title)}"
    sys.stdout.write(f"::{level} {place}::{_data(text)}\n")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write_junit(path: Path, outcomes: Sequence[Outcome], covers: Sequence[FlowCover], seconds: float) -> None:
    """A report as CI servers read it: some want `testsuites` around the one suite, none minds.

    What no test covers stands in the suite's own output, since it is nobody's failure.
    """
    results = [one for one in outcomes if isinstance(one, Result)]
    counts = {
        "tests": str(len(outcomes)), "failures": str(sum(not one.passed for one in results)),
        "errors": str(len(outcomes) - len(results)), "skipped": "0", "time": f"{seconds:.3f}",
    }  # fmt: skip
    whole = Xml.Element("testsuites", counts | {"name": "bot test"})
    suite = Xml.SubElement(whole, "testsuite", counts | {"name": "bot test"})
    for one in outcomes:
        if isinstance(one, Broken):
            case = Xml.SubElement(suite, "testcase", classname=one.path.stem, name=one.path.name, file=str(one.path))
            error = Xml.SubElement(case, "error", message=_clean(one.findings[0].message))
            error.text = _clean("\n".join(map(str, one.findings)))
            continue
        case = Xml.SubElement(
            suite, "testcase", classname=one.flow or Path(one.at.file).stem, name=_clean(one.name), file=one.at.file,
            line=str(one.at.line), time=f"{one.seconds:.4f}",
        )  # fmt: skip
        if one.failure is not None:
            found = Xml.SubElement(case, "failure", message=_clean(sentence(one.failure.complaints[0].problem)))
            found.text = _clean(plain_failure(one, one.failure))
    if covers:
        found = Xml.SubElement(suite, "system-out")
        found.text = _clean(plain_coverage(covers))
    path.parent.mkdir(parents=True, exist_ok=True)
    Xml.indent(whole)
    Xml.ElementTree(whole).write(path, encoding="utf-8", xml_declaration=True)


def plain_failure(result: Result, failure: Failure) -> str:
    """A failure as plain text: the talk, the place, and what is wrong."""
    from bot.cli.verdicts import show_failure

    return _plain(lambda console: show_failure(console, result, failure))


def plain_coverage(covers: Sequence[FlowCover]) -> str:
    """What was covered as plain text, with what was not named."""
    from bot.cli.verdicts import show_coverage

    return _plain(lambda console: show_coverage(console, covers))


def _plain(show: "Callable[[Console], None]") -> str:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    show(Console(file=out, width=110, no_color=True, highlight=False))
    return out.getvalue().strip("\n")


def _clean(text: str) -> str:
    """Without characters that XML cannot hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
    )
