"""What is left of a flow file without the parts that have the wrong shape, so that the rest can be checked as well.

An author wants all mistakes at once, and a flow with a misspelt key has others. But a part that is gone makes mistakes
of its own: whatever names it, or stands in the same state, is not believed.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from bot.core.flow import FlowSpec
from bot.core.report import Mistake, Path

_ROUNDS = 6
_BELIEVED = frozenset({"flow", "unknown", "arguments", "permission", "pattern", "guard", "limit", "template"})
"""Codes of mistakes that a part which is gone does not bring about elsewhere."""
_NEEDED = {"flow": "unnamed", "role": "customer", "roles": "customer"}
"""Words without which there is no flow, and what they are taken to be."""


def pruned(value: Any, paths: Iterable[Path]) -> tuple[FlowSpec, list[Path]] | None:
    """The flow without what is wrong, and the paths that were cut off; None when nothing is left of it.

    Args:
        value: What the file says.
        paths: Where the mistakes are.
    """
    rest, cut = copy.deepcopy(value), list(paths)
    fresh: Sequence[Path] = cut
    for _ in range(_ROUNDS):
        for path in sorted(fresh, key=len, reverse=True):
            _cut(rest, path)
        try:
            return FlowSpec.model_validate(rest), cut
        except ValidationError as mistakes:
            fresh = [_existing(rest, detail["loc"]) for detail in mistakes.errors(include_url=False)]
            if not all(fresh):
                return None
            cut += fresh
    return None


def believed(mistakes: Iterable[Mistake], cut: Sequence[Path]) -> list[Mistake]:
    """The mistakes that are none of the cuts' own making."""
    owners = {path[:2] for path in cut if len(path) > 1}
    names = {str(path[-1]) for path in cut} | {str(path[1]) for path in cut if len(path) > 1}
    return [
        one for one in mistakes
        if one.code in _BELIEVED and one.path[:2] not in owners
        and not any(f"`{name}`" in one.message for name in names)
    ]  # fmt: skip


def _existing(value: Any, loc: Sequence[Any]) -> Path:
    """As much of pydantic's path as is in the file."""
    found: Path = ()
    for part in loc:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            value = value[part]
            found = (*found, part)
    return found


def _cut(value: Any, path: Path) -> None:
    path = _existing(value, path)
    if not path:
        return
    for part in path[:-1]:
        value = value[part]
    if path in {(word,) for word in _NEEDED}:
        value[path[0]] = _NEEDED[str(path[0])]
    else:
        del value[path[-1]]
