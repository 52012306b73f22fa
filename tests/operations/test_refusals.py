"""What an action says in English when it refuses, a flow says in Hindi with the same figures."""

import re
from collections.abc import Awaitable
from typing import Any

import pytest
from talking import ROOT

from bot.authoring.content import load_content
from bot.core.conversation import Contact
from bot.core.errors import ActionError
from bot.core.events import ActionFailed
from bot.core.ids import ContactId, EventId
from bot.core.ops import as_error
from bot.core.templates import Texts
from bot.operations import standard_actions
from tests.conftest import EPOCH
from tests.operations.conftest import Desk

_FIGURE = re.compile(r"\d+")


@pytest.fixture(scope="module")
def texts() -> dict[str, Texts]:
    """The words of the shipped flows."""
    return {flow.name: flow.texts for flow in load_content(ROOT, standard_actions()).book.flows()}


async def refusal(call: Awaitable[Any]) -> ActionError:
    with pytest.raises(ActionError) as refused:
        await call
    return refused.value


def in_hindi(texts: Texts, block: str, refused: ActionError) -> str:
    event = ActionFailed(
        event_id=EventId(1), at=EPOCH, code=refused.code, message=str(refused), facts=refused.facts
    )  # fmt: skip
    wording = texts.block(block, "hi")
    assert wording is not None
    contact = Contact(contact_id=ContactId(1), name="तारा", language="hi")
    return wording.render({"contact": contact, "error": as_error(event), "person": {"name": "दावा"}, "booking": {}})


async def test_a_refusal_states_its_figures_in_hindi_as_well(desk: Desk, texts: dict[str, Texts]) -> None:
    dawa, anita, omar = desk.people["dawa"], ("anita", "sales"), ("omar", "operations")
    (tent,) = await desk.run("inventory.find", *omar, text="20 tents")
    stored: dict[str, Any] = {"item": tent["id"], "trip": "TRP123"}
    await desk.run("inventory.issue", *omar, quantity="15", **stored)
    refused = [
        ("inventory", "refused", await refusal(desk.run("inventory.issue", *omar, quantity="6", **stored))),
        ("inventory", "refused", await refusal(desk.run("inventory.give_back", *omar, quantity="16", **stored))),
    ]
    lead: dict[str, Any] = {"trek": 1, "month": "2027-03-01", "contact": desk.people["maya"]}
    for people in (0, 5000):
        refused.append(("new_lead", "failed", await refusal(desk.run("leads.create", *anita, people=people, **lead))))
    await desk.run("staff.assign", *omar, trip="TRP123", person=dawa)
    refused.append(
        ("assign_staff", "refused", await refusal(desk.run("staff.assign", *omar, trip="TRP124", person=dawa)))
    )
    await desk.run("staff.decline", "dawa", "field_staff", trip="TRP123", reason="wedding")
    await desk.run("staff.away", "dawa", "field_staff", days=30)
    refused.append(
        ("assign_staff", "refused", await refusal(desk.run("staff.assign", *omar, trip="TRP130", person=dawa)))
    )
    assert [one.code for _, _, one in refused] == ["not_enough", "not_out", "bad_people", "bad_people", "busy", "away"]
    for flow, block, one in refused:
        said = in_hindi(texts[flow], block, one)
        figures = set(_FIGURE.findall(str(one))) - {"0"}  # what was asked for, the person knows
        assert (figures or {"1"}) <= set(_FIGURE.findall(said)), (str(one), said)
        assert not re.search("[a-z]", said), said
