"""Guards that can never be true, and branches that are never reached because an earlier one takes everything.

Theory: a condition becomes "or" of "and"s of comparisons with fixed values. One such "and" can hold if, for everything
it looks at, there is a value that fits all its comparisons. Few values need to be tried: those compared with, those
just beside them, and the limits of the slot. What we cannot read (filters, calls, two variables) counts as anything at
all, so what is reported here is certain.
"""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from bot.authoring.domains import Domain, domains_of, one_of_these
from bot.core.expanding import branches_of
from bot.core.flow import Branch, CommandRule, FlowSpec, StateSpec
from bot.core.report import Path, Report, did_you_mean
from bot.core.sandbox import ENVIRONMENT

_MOST = 200
"""Alternatives a condition may have; what has more is taken to be possible."""
_ANYTHING = object()
_SAMPLES: tuple[Any, ...] = (None, True, False, 0, 1, "", "something else", {"some": "record"})


def _fits(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def fits(value: Any, other: Any) -> bool:
        try:
            return bool(compare(value, other))
        except TypeError:  # a guard that fails does not hold
            return False

    return fits


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _fits(operator.eq), "ne": _fits(operator.ne), "lt": _fits(operator.lt), "lteq": _fits(operator.le),
    "gt": _fits(operator.gt), "gteq": _fits(operator.ge), "in": _fits(lambda value, other: value in other),
    "notin": _fits(lambda value, other: value not in other), "true": _fits(lambda value, _: bool(value)),
    "false": _fits(lambda value, _: not value),
}  # fmt: skip
_OPPOSITE = {
    "eq": "ne", "ne": "eq", "lt": "gteq", "gteq": "lt", "gt": "lteq", "lteq": "gt", "in": "notin", "notin": "in",
    "true": "false", "false": "true",
}  # fmt: skip
_EQUALS = frozenset({"eq", "ne", "in", "notin"})
_FLIPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "lteq": "gteq", "gteq": "lteq"}


@dataclass(frozen=True, slots=True)
class _Claim:
    """One comparison: what is looked at, how, with what."""

    about: str
    how: str
    other: Any = None


_Alternatives = list[tuple[_Claim, ...]]
"""One of these holds: all claims of it."""


def check_guards(spec: FlowSpec, report: Report) -> None:
    """Report every guard of a flow that cannot hold, or is never looked at."""
    domains = domains_of(spec)
    for name, state in spec.states.items():
        for place, branches in branches_of(state):
            here = dict(domains)
            if place == ("next",) and state.ask and state.choices:
                own = tuple(key for key in state.choices if key not in (state.when or {}))
                here["answer"] = one_of_these("answer", own)
            _in_order(branches, ("states", name, *place), here, report)
    for source, rules in spec.commands.items():
        alone = [[rule] for rule in rules if rule.origins is not None]
        for group in ([rule for rule in rules if rule.origins is None], *alone):
            _in_order(group, ("commands", source), domains, report, among=rules)
    for path, rule in _slot_rules(spec):
        if not _alone(rule, path, domains, report):
            _strange(rule, path, domains, report, _read(rule) or [])


def check_outcomes(state: StateSpec, path: Path, outcomes: Iterable[str], report: Report) -> None:
    """Report branches after a call that look for an outcome which the called flow never has."""
    domain = one_of_these("outcome", tuple(sorted(outcomes)))
    told = f"The flow ends as {', '.join(f'`{one}`' for one in domain.names)}."
    names = ["result.outcome", *([f"{state.save}.outcome"] if state.save else [])]
    domains = {name: replace(domain, told=told) for name in names}
    for place, branch in enumerate(state.next or ()):
        if isinstance(branch.condition, str) and (found := _read(branch.condition)) is not None:
            here = (*path, "next", place, "if") if len(state.next or ()) > 1 else (*path, "next", "if")
            if not _alone(branch.condition, here, domains, report, found):
                _strange(branch.condition, here, domains, report, found)


def _slot_rules(spec: FlowSpec) -> Iterator[tuple[Path, str]]:
    for place, rule in enumerate(spec.rules):
        yield ("rules", place, "if"), rule.condition
    for name, state in spec.states.items():
        for place, rule in enumerate(state.rules):
            yield ("states", name, "rules", place, "if"), rule.condition


def _in_order(
    branches: Sequence[Branch | CommandRule],
    path: Path,
    domains: Mapping[str, Domain],
    report: Report,
    among: Sequence[Any] | None = None,
) -> None:
    """The branches of one event, of which the first that holds is taken."""
    everything = among or branches
    before: list[tuple[str, _Alternatives]] = []
    for branch in branches:
        place = next(index for index, one in enumerate(everything) if one is branch)
        here = (*path, place, "if") if len(everything) > 1 else (*path, "if")
        if branch.condition is None:
            return
        source = branch.condition if isinstance(branch.condition, str) else str(branch.condition).lower()
        if not source.strip():
            continue  # said where it is compiled
        found = _read(source)
        if found is None:
            continue
        if _alone(source, here, domains, report, found) or _strange(source, here, domains, report, found):
            continue
        rest: _Alternatives | None = found
        for earlier, taken in before:
            rest = _both(rest, _not(taken)) if rest is not None else None
            if rest is not None and not any(_possible(one, domains) for one in rest):
                report(here, f"`if: {source}` is never reached: `if: {earlier}` comes first and takes all of it.",
                       code="guard", hint="Put the narrower condition first.")  # fmt: skip
                break
        before.append((source, found))


def _alone(
    source: str, path: Path, domains: Mapping[str, Domain], report: Report, found: _Alternatives | None = None
) -> bool:
    """Report a condition that cannot hold whatever happens."""
    found = found if found is not None else _read(source)
    if found is None or any(_possible(one, domains) for one in found):
        return False
    report(path, f"`if: {source}` can never be true.", code="guard", hint=_reason(found, domains))
    return True


def _strange(source: str, path: Path, domains: Mapping[str, Domain], report: Report, found: _Alternatives) -> bool:
    """Report a value that nothing can have, compared with in a condition that may hold all the same."""
    for claim in dict.fromkeys(claim for claims in found for claim in claims if claim.how in _EQUALS):
        domain = domains.get(claim.about)
        if domain is None:
            continue
        values = claim.other if isinstance(claim.other, tuple) else (claim.other,)
        for value in values:
            if value is None or _possible((_Claim(claim.about, "eq", value),), {claim.about: domain}):
                continue
            near = did_you_mean(str(value), domain.names) if domain.names else ""
            report(path, f"In `if: {source}`, `{claim.about}` is never `{value}`.", code="guard",
                   hint=near if near.startswith("Did") else domain.told)  # fmt: skip
            return True
    return False


def _reason(found: _Alternatives, domains: Mapping[str, Domain]) -> str:
    """Why, as far as one comparison alone shows it."""
    for claims in found:
        for claim in claims:
            domain = domains.get(claim.about)
            if domain is None or _possible((claim,), domains):
                continue
            near = did_you_mean(str(claim.other), domain.names) if domain.names else ""
            return near if near.startswith("Did") else domain.told
    return "Its parts exclude each other." if found else "Remove it."


# --- Reading conditions -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _read(source: str) -> _Alternatives | None:
    """A condition as alternatives; None when there are too many, or it is no expression. The same one comes often."""
    try:
        tree = ENVIRONMENT.parse("{{ (" + source + ") }}")
    except TemplateSyntaxError:
        return None
    output = tree.body[0]
    return _meaning(output.nodes[0], holds=True) if isinstance(output, nodes.Output) and output.nodes else None


def _meaning(node: nodes.Node, *, holds: bool) -> _Alternatives | None:
    match node:
        case nodes.Not():
            return _meaning(node.node, holds=not holds)
        case nodes.And() | nodes.Or():
            left, right = _meaning(node.left, holds=holds), _meaning(node.right, holds=holds)
            if left is None or right is None:
                return None
            return _both(left, right) if isinstance(node, nodes.And) == holds else left + right
        case nodes.Compare():
            return _comparison(node, holds=holds)
        case nodes.Test(name="none"):
            return [(_Claim(_name(node.node), "eq" if holds else "ne", None),)]
    fixed = _fixed(node)
    if fixed is not _ANYTHING:
        return [()] if bool(fixed) == holds else []
    return [(_Claim(_name(node), "true" if holds else "false"),)]


def _comparison(node: nodes.Compare, *, holds: bool) -> _Alternatives | None:
    claims: list[_Claim] = []
    left: nodes.Expr = node.expr
    for operand in node.ops:
        claims.append(_claim(left, operand.op, operand.expr))
        left = operand.expr
    if holds:
        return [tuple(claims)]
    return [(_Claim(one.about, _OPPOSITE[one.how], one.other),) for one in claims]


def _claim(left: nodes.Expr, how: str, right: nodes.Expr) -> _Claim:
    fixed = _fixed(right)
    if fixed is not _ANYTHING:
        return _Claim(_name(left), how, fixed)
    fixed = _fixed(left)
    if fixed is not _ANYTHING and how in _FLIPPED:
        return _Claim(_name(right), _FLIPPED[how], fixed)
    return _Claim(f"{_name(left)} {how} {_name(right)}", "true")


def _fixed(node: nodes.Node) -> Any:
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.List | nodes.Tuple):
        items = [_fixed(item) for item in node.items]
        return _ANYTHING if _ANYTHING in items else tuple(items)
    if isinstance(node, nodes.Neg):
        value = _fixed(node.node)
        return -value if isinstance(value, int | float) else _ANYTHING
    return _ANYTHING


def _name(node: nodes.Node) -> str:
    """What is looked at: `people`, `trek.name`, or the whole of something more complicated."""
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        return f"{_name(node.node)}.{node.attr}"
    return repr(node)


def _both(one: _Alternatives, other: _Alternatives | None) -> _Alternatives | None:
    if other is None or len(one) * len(other) > _MOST:
        return None
    return [(*left, *right) for left in one for right in other]


def _not(found: _Alternatives) -> _Alternatives | None:
    result: _Alternatives | None = [()]
    for claims in found:
        opposite: _Alternatives = [(_Claim(one.about, _OPPOSITE[one.how], one.other),) for one in claims]
        result = _both(result, opposite) if result is not None else None
    return result


# --- Whether they can hold --------------------------------------------------------------------------------------------


def _possible(claims: Iterable[_Claim], domains: Mapping[str, Domain]) -> bool:
    about: dict[str, list[_Claim]] = {}
    for claim in claims:
        about.setdefault(claim.about, []).append(claim)
    return all(
        any(_fits_all(value, group) for value in _candidates(group, domains.get(name))) for name, group in about.items()
    )


def _fits_all(value: Any, claims: Iterable[_Claim]) -> bool:
    return all(_COMPARE[one.how](value, one.other) for one in claims)


def _candidates(claims: Iterable[_Claim], domain: Domain | None) -> Iterator[Any]:
    """Values that, if none of them fits, show that none fits at all."""
    if domain is not None and domain.values is not None:
        yield from domain.values
        return
    compared: list[Any] = []
    for claim in claims:
        compared += claim.other if isinstance(claim.other, tuple) else [claim.other]
    near = [*compared, *_between(compared, whole=domain is not None and domain.whole)]
    if domain is not None:
        near += [one for text in compared if isinstance(text, str) for one in domain.beside(text)]
    yield from (value for value in near if domain is None or domain.takes(value))
    yield from domain.also if domain is not None else _SAMPLES


def _between(compared: Sequence[Any], *, whole: bool) -> Iterator[Any]:
    """Values beside and between those that something is compared with."""
    numbers = sorted(value for value in compared if isinstance(value, int | float) and not isinstance(value, bool))
    for number in numbers:
        yield from (number - 1, number + 1)
    if not whole:
        yield from ((low + high) / 2 for low, high in itertools.pairwise(numbers))
    for text in (value for value in compared if isinstance(value, str)):
        yield from (text + "~", text[:-1], "")
        yield text + "!"
