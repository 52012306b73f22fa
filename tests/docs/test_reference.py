"""Nothing is missing from the reference, and nothing in it has ceased to exist."""

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2.defaults import DEFAULT_FILTERS
from pages import ROOT, code_in, fences, pages, rows, section, without_fences
from prometheus_client import Counter
from pydantic_core import PydanticUndefined

from bot.authoring import content, linter, rules
from bot.config import Settings
from bot.core import compiler, flow, intents, sandbox, slots
from bot.operations import standard_actions
from bot.runtime.metrics import METRICS
from providers.emulator.control import Control
from providers.emulator.deeds import DEEDS
from providers.emulator.faults import Faults

LANGUAGE = ROOT / "docs" / "flow-language.md"
SLOTS = ROOT / "docs" / "language" / "slots.md"
OPERATIONS = ROOT / "docs" / "operations.md"


def test_every_setting_is_described_with_its_default() -> None:
    described = {code_in(name)[0]: default for name, default, _ in rows(section(OPERATIONS, "Settings").text)}
    settings = {name.upper(): shown(field.default) for name, field in Settings.model_fields.items()}
    assert described == settings


def shown(default: Any) -> str:
    """How the table shows a default."""
    if default is PydanticUndefined:
        return "required"
    if default is None or not str(default):
        return "unset"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_metric_is_described_with_its_labels() -> None:
    found = {}
    for name, metric in vars(METRICS).items():
        if name != "registry":
            suffix = "_total" if isinstance(metric, Counter) else ""
            found[metric._name + suffix] = list(metric._labelnames)
    table = [row for row in rows(section(OPERATIONS, "Monitoring").text) if len(row) == 4]
    assert {code_in(name)[0]: code_in(labels) for name, labels, _, _ in table} == found


def test_alerts_ask_for_metrics_that_exist() -> None:
    known = {
        metric._name + ("_total" if isinstance(metric, Counter) else "")
        for n, metric in vars(METRICS).items()
        if n != "registry"
    }
    for page in pages():
        asked = re.findall(r"\bsirdar_[a-z_]+\b", page.read_text(encoding="utf-8"))
        asked = [
            name for name in asked if re.match(r"sirdar_(webhooks|received|turn|send|settled|timers|backlog)", name)
        ]
        assert set(asked) <= known, page.name


def test_every_log_action_is_described() -> None:
    source = "".join(
        p.read_text(encoding="utf-8") for part in ("runtime", "web") for p in (ROOT / "bot" / part).glob("*.py")
    )
    calls = re.findall(r"\blog\.\w+\((?:[^()]|\([^()]*\))*\)", source)
    logged = {
        name for call in calls for part in re.findall(r"action=([^,)]+)", call) for name in re.findall(r'"(\w+)"', part)
    }
    described = {name for first, _ in rows(section(OPERATIONS, "Logs").text) for name in code_in(first)}
    assert described == logged


# --- The flow language ----------------------------------------------------------------------------------------------


def parts() -> Iterator[type[flow.Part]]:
    """Every model an author's file is read into."""
    for _, found in (*inspect.getmembers(flow, inspect.isclass), *inspect.getmembers(intents, inspect.isclass)):
        if issubclass(found, flow.Part) and found not in (flow.Part, flow.SlotBase):
            yield found


def test_every_key_is_described() -> None:
    shown = [
        text
        for page in (LANGUAGE, SLOTS)
        for text in [block.text for block in fences(page)] + code_in(without_fences(page.read_text(encoding="utf-8")))
    ]
    words = set(re.findall(r"[a-z_]+", " ".join(shown)))
    for part in parts():
        for name, field in part.model_fields.items():
            key = field.alias or name
            assert key in words, f"`{key}` of {part.__name__} is not described"


def test_words_kept_for_later_are_those_that_are_refused() -> None:
    later = {word for part in parts() for word in part.later}
    table = rows(section(LANGUAGE, "Words kept for later").text)
    assert {word for where, words in table for word in code_in(words)} == later


def test_every_slot_type_is_described() -> None:
    text = section(LANGUAGE, "Forms and slots").text
    described = {code_in(kind)[0]: set(code_in(reasons)) for kind, _, _, reasons in rows(text)}
    assert described == {kind: set(reasons) for kind, reasons in slots.REASONS.items()}
    assert list(described) == list(flow.SLOT_TYPES)


def test_every_universal_is_described() -> None:
    table = rows(section(LANGUAGE, "What every person may say").text)
    assert [code_in(word)[0] for word, _ in table] == list(flow.UNIVERSALS)


def test_every_variable_and_filter_is_described() -> None:
    text = section(LANGUAGE, "Expressions").text
    described = {name for first, _ in rows(text) for name in code_in(first)}
    assert described == compiler.BUILT_IN_NAMES
    assert set(code_in(text)) >= rules.BLOCK_NAMES
    found = re.search(r"[*]{2}Filters of ours:[*]{2}(.*?)[*]{2}Filters of Jinja:[*]{2}(.*?)\n\n", text, re.DOTALL)
    assert found is not None
    ours, jinjas = found.groups()
    own = {
        name
        for name in sandbox.ENVIRONMENT.filters
        if sandbox.ENVIRONMENT.filters[name] is not DEFAULT_FILTERS.get(name)
    }
    assert own <= set(code_in(ours))
    assert set(code_in(jinjas)) == set(sandbox.ENVIRONMENT.filters) - own


def test_every_common_block_is_named() -> None:
    text = section(LANGUAGE, "Replies").text
    listed = text[text.index("The common blocks") :]
    assert set(code_in(listed)) - {"templates/en/common.j2"} == rules.COMMON_BLOCKS


def test_every_finding_has_its_code_described() -> None:
    described = {code_in(code)[0] for code, _ in rows(section(LANGUAGE, "What the linter proves").text)}
    source = "".join(
        p.read_text(encoding="utf-8") for part in ("core", "authoring") for p in (ROOT / "bot" / part).glob("*.py")
    )
    given = set(re.findall(r'\bcode(?:: str)? ?= ?"(\w+)"', source))
    files = inspect.getsource(content) + inspect.getsource(linter)
    given |= set(re.findall(r'(?:"(?:error|warning)",\s*|add\(mistake, )"(\w+)"', files))
    command = inspect.getsource(importlib.import_module("bot.cli.check"))
    given |= set(re.findall(r'Finding\.of\(\w+, "(\w+)"\)', command))
    assert described == given


def test_every_built_in_action_is_described() -> None:
    table = [row for row in rows(section(LANGUAGE, "Actions").text) if len(row) == 5]
    described = {code_in(name)[0]: (kind, arguments, roles) for name, kind, arguments, _, roles in table}
    actions = standard_actions().by_name
    assert set(described) == set(actions)
    for name, action in actions.items():
        kind, arguments, roles = described[name]
        assert kind == action.kind
        assert code_in(arguments) == list(action.parameters), name
        optional = re.findall(r"`(\w+)` \(optional\)", arguments)
        assert optional == [argument for argument, required in action.parameters.items() if not required], name
        assert set(code_in(roles)) == action.roles, name


# --- Figures, functions, tests --------------------------------------------------------------------------------------


def facts() -> list[tuple[str, str]]:
    """`<!-- fact: bot.core.cursor.MAX_STATES == 100 -->`"""
    return [
        (page.name, fact)
        for page in pages()
        for fact in re.findall(r"<!-- fact: (.+?) -->", page.read_text(encoding="utf-8"))
    ]


class _Modules(dict[str, Any]):
    """Names of top-level packages, with the modules a fact mentions imported."""

    def __init__(self, fact: str) -> None:
        super().__init__()
        for dotted in re.findall(r"\b(?:bot|storage|providers|inspect)(?:\.\w+)*", fact):
            names = dotted.split(".")
            for end in range(1, len(names) + 1):
                try:
                    importlib.import_module(".".join(names[:end]))
                except ModuleNotFoundError:
                    break
            self[names[0]] = importlib.import_module(names[0])


@pytest.mark.parametrize(("page", "fact"), facts())
def test_figures_are_those_of_the_code(page: str, fact: str) -> None:
    assert eval(fact, _Modules(fact)) is True, f"{page}: {fact}"


def test_the_path_of_a_message_names_functions_that_exist() -> None:
    table = [row for row in rows(section(ROOT / "README.md", "The path of one message").text) if len(row) == 4]
    assert len(table) > 10
    for _, file, functions, _ in table:
        path = re.search(r"\]\(([^)]+)\)", file)[1]  # type: ignore[index]
        found: Any
        for function in code_in(functions):
            found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
            for name in function.split("."):
                found = getattr(found, name)
            assert callable(found)
            assert Path(inspect.getsourcefile(inspect.unwrap(found))).relative_to(ROOT).as_posix() == path  # type: ignore[arg-type]


def test_tests_that_stand_behind_a_promise_exist() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", text)
        base = page.parent
        named += [
            (str((base / file).resolve().relative_to(ROOT)), name)
            for name, file in re.findall(r"\[`(test_\w+)`\]\(([^)]+\.py)\)", text)
        ]
        for file, name in named:
            assert re.search(rf"def {name}\(", (ROOT / file).read_text(encoding="utf-8")), (
                f"{page.name}: {file}::{name}"
            )


def test_every_fault_deed_and_control_call_of_the_emulator_is_described() -> None:
    control, _, faults = section(ROOT / "docs" / "emulator.md", "The control API").text.partition("### Faults")
    described = [name for fault, _ in rows(faults) for name in code_in(fault)]
    assert sorted(described) == sorted(field.name for field in dataclasses.fields(Faults))
    calls = {code_in(call)[0]: told for call, told in rows(control)}
    routes = [
        ast.literal_eval(path)
        for path in re.findall(r'web\.(?:get|post)\(("/_control[^"]*")', inspect.getsource(Control))
    ]
    assert sorted(call.partition(" ")[2] for call in calls) == sorted(routes)
    deeds = set(code_in(calls["POST /_control/act/{deed}"]))
    assert deeds >= {*DEEDS, "opt_out"}
