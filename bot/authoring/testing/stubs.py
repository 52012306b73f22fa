"""The business of a test: what actions and lookups answer, from what the test says of them.

A stub is one of

    {id: 7, code: LEAD7}                     this result, every time
    [{…}, {…}]                               an action: one result after the other, the last one again and again;
                                             a lookup: these candidates, every time
    {result: …}                              this result, whatever it looks like
    {error: no_seats, message: "All gone.", facts: {left: 0}}  a refusal
    {in_turn: [stub, stub]}                  one after the other, the last one again and again
    {cases: [{with: {people: 13}, error: …}, …]}   the first case whose arguments fit; one without `with:` fits all
    {find: treks}                            a lookup: records of a fixture that the text names, best first
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.authoring.testing.comparing import mismatch
from bot.core.report import Path, Report
from bot.core.words import normalise

Kind = Literal["action", "lookup"]
Fixtures = Mapping[str, Sequence[Mapping[str, Any]]]

_SPEAKING = ("name", "code", "title", "aliases")
_SHORT = 3  # letters; shorter words ("to", "of") name nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An action that refuses."""

    code: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Stub = Callable[[Mapping[str, Any], int], Any]
"""From arguments, and how often it was called before, to a JSON result or a `Refusal`."""


def always(answer: Any) -> Stub:
    """A stub with one answer."""
    return lambda arguments, count: answer


def compile_stub(kind: Kind, value: Any, fixtures: Fixtures, path: Path, report: Report) -> Stub:
    """Make a stub of what a test says.

    Args:
        kind: What it stands for.
        value: What the test says.
        fixtures: Records by name.
        path: Where it says so.
        report: Takes mistakes.
    """
    match value:
        case {"error": str(code), **rest} if not set(rest) - {"message", "facts"}:
            facts = rest.get("facts")
            known = facts if isinstance(facts, dict) else {}
            return always(Refusal(code=code, message=str(rest.get("message", "")), facts=known))
        case {"result": result, **rest} if not rest:
            return always(result)
        case {"in_turn": [*stubs], **rest} if stubs and not rest:
            return _in_turn(
                [compile_stub(kind, s, fixtures, (*path, "in_turn", n), report) for n, s in enumerate(stubs)]
            )
        case {"cases": [*cases], **rest} if cases and not rest:
            return _cases(kind, cases, fixtures, (*path, "cases"), report)
        case {"find": str(name), **rest} if not rest:
            if name not in fixtures:
                report.unknown((*path, "find"), "fixture", name, fixtures)
            records = fixtures.get(name, ())
            return lambda arguments, count: search(records, str(arguments.get("text", "")))
        case [*results] if kind == "action" and results:
            return _in_turn([compile_stub(kind, r, fixtures, (*path, n), report) for n, r in enumerate(results)])
        case {"id": _} if kind == "lookup":
            return always([value])
        case list() | None if kind == "lookup":
            return always(value or [])
        case _ if kind == "lookup":
            report(
                path,
                "A lookup answers with a list of `{id, name, …}`.",
                hint="Write for example `[{id: 1, name: EBC}]`.",
            )
    return always(value)


def _in_turn(stubs: Sequence[Stub]) -> Stub:
    return lambda arguments, count: stubs[min(count, len(stubs) - 1)](arguments, 0)


def _cases(kind: Kind, cases: Sequence[Any], fixtures: Fixtures, path: Path, report: Report) -> Stub:
    compiled: list[tuple[Mapping[str, Any], Stub]] = []
    for place, case in enumerate(cases):
        if not isinstance(case, dict) or not isinstance(case.get("with", {}), dict):
            report(
                (*path, place), "A case is a block with `with:` and an answer.", hint="`{with: {people: 13}, error: …}`"
            )
            continue
        answer = {key: value for key, value in case.items() if key != "with"}
        compiled.append((case.get("with", {}), compile_stub(kind, answer, fixtures, (*path, place), report)))

    def answer_for(arguments: Mapping[str, Any], count: int) -> Any:
        for wanted, stub in compiled:
            if mismatch(wanted, arguments) is None:
                return stub(arguments, count)
        return Refusal(code="no_case", message="No case of the stub fits these arguments.")

    return answer_for


def search(records: Sequence[Mapping[str, Any]], text: str) -> list[Mapping[str, Any]]:
    """The records that a text names: by most words of their name, or by code or alias as it stands."""
    said = f" {normalise(text)} "
    scored = [(_score(record, said), record) for record in records]
    best = max((score for score, _ in scored), default=0)
    return [record for score, record in scored if best and score == best]


def _score(record: Mapping[str, Any], said: str) -> int:
    found = 0
    for key in _SPEAKING:
        value = record.get(key) or ()
        for phrase in [value] if isinstance(value, str) else value:
            words = normalise(str(phrase)).split()
            if f" {' '.join(words)} " in said:
                found = max(found, 100)
            found = max(found, sum(f" {word} " in said for word in words if len(word) >= _SHORT))
    return found
