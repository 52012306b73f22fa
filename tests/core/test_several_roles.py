"""A flow of several roles begins in each of them, and is walked with what that role may do."""

from pathlib import Path
from typing import Any

import pytest
from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.actions import Actions
from bot.core.book import FlowBook

FLOW = """
flow: note
roles: [customer, sales]
start: {intents: [leave_note]}
slots: {note: {type: text}}
states:
  ask: {form: [note], next: keep}
  keep: {do: notes.keep, with: {note: "{{ note }}"}, once: "note:{{ run.id }}", save: kept, next: done}
  done: {say: done, end: kept}
"""
INTENTS = """
roles: [customer, sales]
intents:
  leave_note: {examples: [leave a note, write something down, a note please, take a note, keep a note for me]}
"""


def actions(*roles: str) -> Actions:
    known = fake_actions()

    @known.action("notes.keep", roles=roles)
    async def keep(call: Any, *, note: str) -> dict[str, Any]:
        return {"code": "NOTE1"}

    return known


def content(root: Path) -> Path:
    return write_content(
        root,
        {
            "flows/customer/note.yaml": FLOW,
            "templates/en/customer/note.j2": blocks(
                ask_note="Which note?", done="Kept for {{ role }}: {{ kept.code }}."
            ),
            "intents/both.yaml": INTENTS,
        },
    )


@pytest.fixture
def book(tmp_path: Path) -> FlowBook:
    return load_content(content(tmp_path), actions("customer", "sales")).book


@pytest.mark.parametrize("role", ["customer", "sales"])
def test_the_flow_begins_in_each_role(book: FlowBook, role: str) -> None:
    person = Talk(book, roles=(role,), actions=actions("customer", "sales"))
    assert person.text("leave a note") == "Which note?"
    assert person.top.role == role
    assert person.text("bring rope") == f"Kept for {role}: NOTE1."


def test_nobody_else_begins_it(book: FlowBook) -> None:
    person = Talk(book, roles=("manager",))
    person.text("leave a note")
    assert not person.conversation.frames


def test_who_has_both_roles_walks_it_in_the_one_they_are_in(book: FlowBook) -> None:
    person = Talk(book, roles=("sales", "customer"))
    person.text("leave a note")
    assert person.top.role == "sales"


def test_every_role_needs_the_permission(tmp_path: Path) -> None:
    lacking = [one for one in check(content(tmp_path), actions("manager")) if one.code == "permission"]
    assert [(one.line, one.message) for one in lacking] == [
        (8, "Roles `customer` and `sales` may not call `notes.keep`.")
    ]
    lacking = [one for one in check(content(tmp_path), actions("sales")) if one.code == "permission"]
    assert [one.message for one in lacking] == ["Role `customer` may not call `notes.keep`."]
