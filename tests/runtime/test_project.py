"""A project's own actions are found, merged over the standard ones, and what is wrong with them is said plainly."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.scratch import play_settings
from bot.config import Settings
from bot.core.actions import Actions
from bot.core.errors import ConfigError, ContentErrors
from bot.operations import standard_actions
from bot.runtime.project import own_actions, project_actions

HEAD = "from typing import Any\nfrom bot.core.actions import ActionCall, Actions, action, lookup\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A content folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"actions", "shop"}:
            del sys.modules[name]


def written(project: Path, text: str, name: str = "actions.py") -> None:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text, encoding="utf-8")


def found(project: Path, module: str | None = None) -> Actions:
    settings: Settings = play_settings(bot_actions=module)
    return project_actions(settings, project)


def mistakes(project: Path, module: str | None = None) -> list[str]:
    with pytest.raises(ContentErrors) as raised:
        found(project, module)
    return [str(one) for one in raised.value.errors]


def test_without_a_module_there_are_the_standard_ones(project: Path) -> None:
    assert set(found(project).by_name) == set(standard_actions().by_name)


def test_decorated_functions_are_merged_over_the_standard_ones(project: Path) -> None:
    written(
        project,
        '@lookup("huts.find")\nasync def huts(call: ActionCall, *, text: str) -> list[Any]: return []\n'
        '@action("leads.create", roles=("sales",))\nasync def lead(call: ActionCall, *, hut: int) -> None: ...\n',
    )
    actions = found(project).by_name
    assert actions["huts.find"].kind == "lookup"
    assert actions["leads.create"].parameters == {"hut": True}
    assert actions["leads.create"].roles == {"sales"}
    assert "treks.find" in actions


def test_a_module_of_another_name_is_named_by_the_setting(project: Path) -> None:
    written(
        project,
        'ACTIONS = Actions()\n@ACTIONS.action("shop.open")\nasync def open_it(call: ActionCall) -> None: ...\n',
        "shop/deeds.py",
    )
    assert "shop.open" in found(project, "shop.deeds").by_name


def test_the_standard_actions_are_written_as_flows_need_them(project: Path) -> None:
    written(project, "from bot.operations import standard_actions\nACTIONS = standard_actions()\n")
    assert set(found(project).by_name) == set(standard_actions().by_name)


def test_one_function_may_have_two_names(project: Path) -> None:
    written(project, '@action("a.one")\n@action("a.two")\nasync def both(call: ActionCall) -> None: ...\n')
    assert {"a.one", "a.two"} <= set(found(project).by_name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '@action("a.b")\ndef f(call: ActionCall) -> None: ...\n',
            ["actions.py:3:1: The function of `a.b` is not async. Write `async def book"],
        ),
        (
            '@action("a.b")\nasync def f() -> None: ...\n',
            ["actions.py:3:1: The function of `a.b` takes no call."],
        ),
        (
            '@action("a.b")\nasync def f(call: ActionCall, day: str) -> None: ...\n',
            ["actions.py:3:1: Flows give arguments by name, and `day` of `a.b` can be given without. Put `*, `"],
        ),
        (
            '@action("a.b")\nasync def f(call: ActionCall, *, day, time) -> None: ...\n',
            ["actions.py:3:1: `day`, `time` of `a.b` have no type. Say what it is, for example `day: str`."],
        ),
        (
            '@lookup("a.b")\nasync def f(call: ActionCall, *, words: str) -> None: ...\n',
            ["actions.py:3:1: Lookup `a.b` takes no `text`."],
        ),
        (
            '@action("A b")\nasync def f(call: ActionCall) -> None: ...\n',
            ["actions.py:3:1: `A b` is not a name that flows can write."],
        ),
        (
            (
                '@action("a.b")\nasync def f(call: ActionCall) -> None: ...\n'
                '@action("a.b")\nasync def g(call: ActionCall) -> None: ...\n'
            ),
            ["actions.py:5:1: There are two functions for `a.b`: the other one is at actions.py:3."],
        ),
        (
            (
                'ACTIONS = Actions()\n@ACTIONS.action("a.b")\nasync def f(call: ActionCall) -> None: ...\n'
                '@ACTIONS.action("a.b")\nasync def g(call: ActionCall) -> None: ...\n'
            ),
            ["actions.py:6:1: There are two functions for `a.b`: the other one is at actions.py:4."],
        ),
        ("ACTIONS = {}\n", ["actions.py:3:1: `ACTIONS` is of type dict; it has to be Actions."]),
        ("x = 1\n", ["actions.py:1:1: There is neither an action nor a lookup in `actions`."]),
        ("def f(:\n", ["actions.py:3:7: This is not Python: invalid syntax."]),
        ("x = 1\nimport nosuch\n", ["actions.py:4:1: `actions` cannot be imported: ModuleNotFoundError: No module"]),
        ("import sys\nsys.exit(3)\n", ["actions.py:4:1: `actions` cannot be imported: SystemExit: 3."]),
        ("def f():\n    return nothing\nf()\n", ["actions.py:4:12: `actions` cannot be imported: NameError: name"]),
        (
            (
                '@action("a.b")\ndef f(call: ActionCall) -> None: ...\n'
                '@lookup("a.c")\nasync def g(call: Any) -> None: ...\n'
            ),
            ["actions.py:3:1: The function of `a.b`", "actions.py:5:1: Lookup `a.c` takes no `text`."],
        ),
    ],
)
def test_a_mistake_is_told_with_place_and_remedy(project: Path, text: str, told: list[str]) -> None:
    written(project, text)
    said = mistakes(project)
    assert len(said) == len(told), said
    for one, beginning in zip(said, told, strict=True):
        assert one.startswith(beginning)


def test_an_error_in_a_library_is_told_where_the_author_called_it(project: Path) -> None:
    written(project, 'import json\njson.loads("{")\n')
    assert mistakes(project)[0].startswith("actions.py:4:1: `actions` cannot be imported: JSONDecodeError: ")


def test_a_module_that_is_not_there_is_said_with_where_it_was_looked_for(project: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        found(project, "shop.deeds")
    told = f"BOT_ACTIONS=shop.deeds: there is no module `shop`. Looked in {project}, and among what is installed."
    assert raised.value.problems == [told]


@pytest.mark.parametrize(("name", "meant"), [("actions.py", "`actions`"), ("./shop/deeds.py", "`shop.deeds`")])
def test_a_path_is_no_module(project: Path, name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as raised:
        found(project, name)
    assert raised.value.problems[0].endswith(f"is not the name of a module. Write {meant}.")


def test_the_scaffolds_own_are_as_they_should_be() -> None:
    from bot.scaffold import actions

    assert set(own_actions(actions, Path.cwd()).by_name) == {"workshop.free", "workshop.book", "workshop.day"}
