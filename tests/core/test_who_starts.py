"""The matrix role x flow, of every flow that ships: nobody gets into a flow of another role, whatever starts it."""

import pytest
from talking import Talk, shipped_book

from bot.core.book import ANY, FlowBook
from bot.core.compiled import CompiledFlow
from bot.operations.permissions import ROLES

ARGUMENTS = {"trip": "TRP123", "code": "ABCDE-FGHJK"}


@pytest.fixture(scope="module")
def book() -> FlowBook:
    return shipped_book()


def ways_in(book: FlowBook, flow: CompiledFlow) -> list[str]:
    """Texts that start a flow for whoever may: its commands, and an example of each of its intents."""
    commands = [
        " ".join([*use.command.verb, *(ARGUMENTS.get(one.slot, "x") for one in use.command.arguments)])
        for use in flow.commands
    ]
    known = [book.intents.get(role, {}) for role in (*flow.roles, *ROLES)]
    examples = [next(found[name].examples[0] for found in known if name in found) for name in sorted(flow.intents)]
    return commands + examples


@pytest.mark.parametrize("role", ROLES)
def test_a_role_starts_its_own_flows_and_no_other(book: FlowBook, role: str) -> None:
    tried = 0
    for name, flow in book.latest.items():
        own = role in flow.roles or ANY in flow.roles
        for text in ways_in(book, flow):
            talk = Talk(book, roles=(role,))
            talk.text(text)
            entered = {note["flow"] for note in talk.notes("enter")}
            for other in entered:
                assert {role, ANY} & set(book.latest[other].roles), (role, text, other)
            assert own or name not in entered, (role, text)
            tried += name in entered if own else 1
    assert tried > len(book.latest) / 2, "too few got anywhere, so that this test would prove little"
