"""Rewriting what a test expects into what happens: only the values that are wrong, everything else stays as it is.

Edits are made in the text, by the places of YAML's nodes, so that comments and layout survive. `not_said:` is never
rewritten: what must not be said is a promise, not a recording.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bot.authoring.testing.checks import Problem
from bot.authoring.testing.comparing import contains
from bot.authoring.testing.observing import Moment, observe, phrase
from bot.authoring.testing.reading import ConversationTest, Shared, read_test
from bot.authoring.testing.runner import Observed, Result, observe_test, run_test
from bot.authoring.testing.showing import inline
from bot.authoring.testing.stage import Project
from bot.authoring.testing.writing import expect_lines, suggested
from bot.core.errors import ContentErrors
from bot.core.report import Path

_KEPT = frozenset({"not_said"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A piece of text that takes the place of another."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A test file as it should be.

    Attributes:
        text: The whole file.
        rewritten: Expectations that changed.
        added: Steps that expected nothing and now do.
        result: What came of the test with this text.
    """

    text: str
    rewritten: int
    added: int
    result: Result


def update_test(test: ConversationTest, project: Project, shared: list[Shared]) -> Update:
    """Play a test and write down what happened, where it is not what is expected.

    Args:
        test: The test.
        project: The flows and actions it is about.
        shared: What it begins with.
    """
    result, observed = observe_test(test, project)
    root = yaml.compose(test.text, Loader=yaml.CSafeLoader)
    rewrites, additions = [], []
    for one in observed:
        if one.expect is None and one.place:
            additions += list(_added(test.text, root, one))
        rewrites += list(_rewritten(test, root, one))
    text = test.text
    for edit in sorted([*rewrites, *additions], key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    if text == test.text:
        return Update(text=text, rewritten=0, added=0, result=result)
    try:
        result = run_test(read_test(test.path, project, shared, text), project)
    except ContentErrors:  # our own doing: better to leave the file alone
        return Update(text=test.text, rewritten=0, added=0, result=result)
    return Update(text=text, rewritten=len(rewrites), added=len(additions), result=result)


def _rewritten(test: ConversationTest, root: Any, one: Observed) -> Iterator[Edit]:
    """New values for the expectations that do not hold."""
    words = dict.fromkeys(str(problem.key[0]) for problem in one.problems if problem.key)
    where: Path = (*one.place, "expect")
    if "nothing" in words:
        value = suggested(one.moment) if _at(test.document.value, (*where, "nothing")) else {"nothing": True}
        yield from _replaced(root, where, value)
        return
    for word in words:
        if word in _KEPT:
            continue
        raw = _at(test.document.value, (*where, word))
        mine = [problem for problem in one.problems if problem.key[:1] == (word,)]
        yield from _replaced(root, (*where, word), _mended(word, raw, mine, one.moment))


def _mended(word: str, raw: Any, problems: list[Problem], moment: Moment) -> Any:
    """What an expectation should say: what still holds stays."""
    if word in {"slots", "saved"} and isinstance(raw, dict):
        frame = moment.frame
        values = {} if frame is None else frame.slots if word == "slots" else frame.data
        wrong = {str(problem.key[1]) for problem in problems}
        seen = observe(word, moment, raw)
        return {name: seen.get(name, values.get(name)) if name in wrong else value for name, value in raw.items()}
    if word == "said" and isinstance(raw, dict):
        return {phone: _sayings(value, moment, phone) for phone, value in raw.items()}
    if word == "said":
        return _sayings(raw, moment, moment.phone)
    return observe(word, moment, raw)


def _sayings(raw: Any, moment: Moment, phone: str) -> Any:
    texts = moment.words(phone)
    kept = [one for one in (raw if isinstance(raw, list) else [raw]) if contains("\n".join(texts), str(one))]
    new = [phrase(text) for text in texts if not any(contains(text, str(one)) for one in kept)]
    sayings = [*kept, *filter(None, new)]
    return sayings[0] if len(sayings) == 1 else sayings


def _added(text: str, root: Any, one: Observed) -> Iterator[Edit]:
    """An `expect:` for a step that has none."""
    node = _node(root, one.place)
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return
    expect = suggested(one.moment)
    if node.flow_style:
        place = node.end_mark.index - 1
        yield Edit(start=place, end=place, text=f", expect: {inline(expect)}")
        return
    last = _end(node)
    line_end = text.find("\n", last)
    place = line_end if line_end >= 0 else len(text)
    lines = expect_lines(expect, node.start_mark.column)
    yield Edit(start=place, end=place, text="".join(f"\n{line}" for line in lines))


def _replaced(root: Any, path: Path, value: Any) -> Iterator[Edit]:
    node, key = _node(root, path), _key(root, path)
    if node is None:
        return
    if key is not None and isinstance(node, yaml.CollectionNode) and not node.flow_style:
        yield Edit(start=key.end_mark.index, end=_end(node), text=f": {inline(value)}")
    else:
        yield Edit(start=node.start_mark.index, end=_end(node), text=inline(value))


# --- Nodes ------------------------------------------------------------------------------------------------------------


def _node(root: Any, path: Path) -> Any:
    node = root
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        else:
            return None
    return node


def _key(root: Any, path: Path) -> Any:
    parent = _node(root, path[:-1])
    if not isinstance(parent, yaml.MappingNode):
        return None
    return next((key for key, _ in parent.value if key.value == path[-1]), None)


def _end(node: Any) -> int:
    """Where a node's text ends; a block's own mark is at the beginning of what follows it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
