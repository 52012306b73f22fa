"""However a file is mistyped, `bot check` says what is wrong and where; it never breaks."""

import copy
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import ROOT, fake_actions, write_content

from bot.authoring.circles import circles
from bot.authoring.content import Loader
from bot.authoring.linter import inspect
from bot.authoring.mistakes import Finding
from bot.authoring.reader import read
from bot.core.errors import FlowError

FLOW = (ROOT / "flows" / "customer" / "enquiry.yaml").read_text(encoding="utf-8")
REPLIES = (ROOT / "templates" / "en" / "customer" / "enquiry.j2").read_text(encoding="utf-8")
WHOLE: dict[str, Any] = {
    name: read((ROOT / name).read_text(encoding="utf-8"), name).value
    for name in ("flows/customer/enquiry.yaml", "intents/customer.yaml", "templates/whatsapp/payment_reminder.yaml")
}
SIGNS = "\t:{}[]'\"-#&*!|>%@`,?<=\u200b\x00\ufeff\U0001f600а\n "

edits = st.lists(
    st.tuples(
        st.sampled_from(["cut line", "double line", "indent", "cut sign", "put sign", "swap"]),
        st.integers(0, 10_000),
        st.sampled_from(SIGNS),
    ),
    min_size=1,
    max_size=4,
)


def mistyped(text: str, changes: list[tuple[str, int, str]]) -> str:
    for what, where, sign in changes:
        lines = text.split("\n")
        line, place = where % len(lines), where % max(len(text), 1)
        match what:
            case "cut line":
                text = "\n".join(lines[:line] + lines[line + 1 :])
            case "double line":
                text = "\n".join([*lines[: line + 1], *lines[line:]])
            case "indent":
                text = "\n".join([*lines[:line], f" {lines[line]}", *lines[line + 1 :]])
            case "cut sign":
                text = text[:place] + text[place + 1 :]
            case "put sign":
                text = text[:place] + sign + text[place:]
            case "swap":
                text = text[:place] + text[place + 1 : place + 2] + text[place : place + 1] + text[place + 2 :]
    return text


def checked(root: Path, flow: str = FLOW, replies: str = REPLIES) -> list[Finding]:
    files = {"flows/customer/enquiry.yaml": flow, "templates/en/customer/enquiry.j2": replies}
    return inspect(Loader(write_content(root, files), fake_actions()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, st.booleans())
def test_a_mistyped_file_is_told_with_places(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int, str]], in_flow: bool
) -> None:
    text = mistyped(FLOW if in_flow else REPLIES, changes)
    root = tmp_path_factory.mktemp("mistyped")
    for finding in checked(root, text) if in_flow else checked(root, replies=text):
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.message.endswith((".", "?")), finding.message
        assert finding.hint, finding
        lines = (root / finding.file).read_text(encoding="utf-8").count("\n") + 2 if finding.file != "flows" else 1
        assert finding.line <= lines or finding.file.startswith("intents/")


VALUES = [None, True, 7, -1.5, "", "some words", "{{ x }}", "no/such", [], [1], [None], {}, {"x": 1}, {"say": None}]


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a file's value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inside for found in places(one, (*path, key)))]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_anywhere_is_told_with_a_remedy(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A value of any kind in place of any other, or below any: each finding says what, where and what to do."""
    document = copy.deepcopy(WHOLE)
    name = data.draw(st.sampled_from(sorted(document)))
    path = data.draw(st.sampled_from(places(document[name])))
    parent: Any = document
    for part in (name, *path)[:-1]:
        parent = parent[part]
    last = (name, *path)[-1]
    value = data.draw(st.sampled_from(VALUES))
    if isinstance(parent[last], dict) and data.draw(st.booleans()):
        parent[last]["unheard_of"] = value
    else:
        parent[last] = value
    files = {one: json.dumps(said, ensure_ascii=False) for one, said in document.items()}
    root = write_content(tmp_path_factory.mktemp("told"), {**files, "templates/en/customer/enquiry.j2": REPLIES})
    for finding in inspect(Loader(root, fake_actions())):
        assert finding.file, finding
        assert finding.line >= 1, finding
        assert finding.message.endswith((".", "?")), finding
        assert finding.hint.endswith((".", "?", "`", "…")), finding


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from([*SIGNS, "a", "b"]), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        read(text, "some.yaml")
    except FlowError as error:
        for one in (error, *error.others):
            assert one.at is not None
            assert 1 <= one.at.line <= text.count("\n") + 2


def test_what_cannot_be_read_is_a_mistake_too(tmp_path: Path) -> None:
    write_content(tmp_path, {"flows/customer/enquiry.yaml": FLOW})
    (tmp_path / "flows" / "customer" / "folder.yaml").mkdir()
    (tmp_path / "flows" / "customer" / "nowhere.yaml").symlink_to("gone.yaml")
    (tmp_path / "flows" / "customer" / "latin.yaml").write_bytes(b"flow: caf\xe9\n")
    found = {one.file: one.message for one in inspect(Loader(tmp_path, fake_actions())) if one.code == "file"}
    assert found == {
        "flows/customer/folder.yaml": f"The file cannot be read: {os.strerror(21)}.",
        "flows/customer/nowhere.yaml": f"The file cannot be read: {os.strerror(2)}.",
        "flows/customer/latin.yaml": "The file is not UTF-8: invalid continuation byte.",
    }


def test_a_file_where_a_folder_belongs_is_not_passed_over(tmp_path: Path) -> None:
    """And neither is a folder where a file does."""
    write_content(tmp_path, {"flows/customer/enquiry.yaml": FLOW})
    (tmp_path / "intents").write_text("intents: {}\n")
    (tmp_path / "project.yaml").mkdir()
    found = {one.file: one.message for one in inspect(Loader(tmp_path, fake_actions())) if one.code == "file"}
    assert found == {
        "intents": "`intents` is a file, and a folder belongs here.",
        "project.yaml": f"The file cannot be read: {os.strerror(21)}.",
    }


def test_editors_of_other_systems_are_understood(tmp_path: Path) -> None:
    """A byte order mark and Windows' line ends are no mistakes."""
    plain = checked(tmp_path / "plain")
    other = checked(tmp_path / "other", "\ufeff" + FLOW.replace("\n", "\r\n"))
    assert [str(one) for one in other] == [str(one) for one in plain]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6))
def test_every_circle_is_found_once(onward: dict[str, set[str]]) -> None:
    def reachable(name: str) -> set[str]:
        seen: set[str] = set()
        todo = [name]
        while todo:
            for target in onward.get(todo.pop(), set()) - seen:
                seen.add(target)
                todo.append(target)
        return seen

    found = list(circles(onward))
    for circle in found:
        assert circle[0] == circle[-1]
        assert all(target in onward[name] for name, target in itertools.pairwise(circle))
    on_circles = {name for name in "abcdef" if name in reachable(name)}
    groups = {frozenset(one for one in on_circles if one in reachable(name) and name in reachable(one))
              for name in on_circles}  # fmt: skip
    assert sorted(circle[0] for circle in found) == sorted(min(group) for group in groups)


def test_a_flow_of_thousands_of_states_is_checked(tmp_path: Path) -> None:
    states = "\n".join(f"  s{number}: {{say: hello, next: s{number + 1}}}" for number in range(3000))
    flow = f"flow: enquiry\nrole: customer\nstates:\n{states}\n  s3000: {{end: done}}\n"
    found = checked(tmp_path, flow, "{% block hello %}Hello{% endblock %}")
    assert [one.message for one in found if one.severity == "error"] == []
