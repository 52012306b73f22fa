"""The services that flows call, on a real database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

from bot.core.actions import ActionCall
from bot.core.conversation import Contact
from bot.core.errors import ActionError
from bot.core.ids import ContactId, ConversationId, RunId
from bot.operations import standard_actions
from bot.operations.example import seed
from storage.base import Person
from storage.crypto import Vault
from storage.postgres import Postgres, Upkeep, grant_role
from tests.conftest import EPOCH

ACTIONS = standard_actions()


@dataclass(frozen=True, slots=True)
class Office:
    """A small business, and calls in the name of its people."""

    call: ActionCall
    guide: ContactId
    stranger: ContactId
    sales: tuple[ContactId, ContactId]

    async def run(self, name: str, *, by: ContactId | None = None, **arguments: Any) -> Any:
        contact = Contact(contact_id=by or self.call.contact.contact_id)
        role = "field_staff" if name.startswith(("incidents.", "trips.")) else "customer"
        return await ACTIONS.by_name[name].function(replace(self.call, contact=contact, role=role), **arguments)


@pytest.fixture
async def office(database: Postgres, vault: Vault) -> AsyncIterator[Office]:
    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")

    async def person(number: int, role: str, name: str) -> ContactId:
        who = Person(phone=f"+1555010{number:04d}", user_id=None, name=name)
        return await grant_role(database, vault, channel, who, role)

    guide = await person(1, "field_staff", "Pasang")
    sales = (await person(2, "sales", "Anita"), await person(3, "sales", "Bikram"))
    stranger = await person(4, "customer", "Maya")
    async with database.tenant(channel.tenant_id) as db:
        await seed(db, channel.tenant_id, guide=guide, today=date(2026, 12, 1))
        await seed(db, channel.tenant_id, guide=guide, today=date(2026, 12, 1))
        call = ActionCall(
            tenant_id=channel.tenant_id,
            channel_id=channel.channel_id,
            conversation_id=ConversationId(1),
            contact=Contact(contact_id=stranger),
            role="customer",
            run=RunId("r1"),
            at=EPOCH,
            db=db,
        )
        yield Office(call, guide, stranger, sales)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Hi, interested in EBC Trek for 2 people in December", ["Everest Base Camp"]),
        ("everest base camp", ["Everest Base Camp"]),
        ("evrest base camp please", ["Everest Base Camp"]),
        ("anapurna circuit", ["Annapurna Circuit"]),
        ("Langtang or Manaslu?", ["Langtang Valley", "Manaslu Circuit"]),
        ("something nice", []),
        ("I want a trek", []),
        ("a circuit", []),
        ("", []),
        ("ebcx", []),
        ("x" * 100_000, []),
    ],
)
async def test_treks_are_found_by_what_people_call_them(office: Office, text: str, names: list[str]) -> None:
    assert [trek["name"] for trek in await office.run("treks.find", text=text)] == names


async def test_a_changed_catalogue_shows_after_a_few_seconds(office: Office) -> None:
    assert await office.run("treks.find", text="Mustang") == []
    await office.call.db.execute(
        "INSERT INTO treks (tenant_id, name) VALUES ($1, 'Upper Mustang')", office.call.tenant_id
    )
    later = replace(office, call=replace(office.call, at=EPOCH + timedelta(seconds=11)))
    assert [trek["name"] for trek in await later.run("treks.find", text="upper mustang")] == ["Upper Mustang"]


async def test_leads_are_shared_out_by_load(office: Office) -> None:
    leads = [await office.run("leads.create", trek=1, people=2, month="2026-12") for _ in range(4)]
    assert sorted(lead["assignee"] for lead in leads) == ["Anita", "Anita", "Bikram", "Bikram"]
    timeline = await office.call.db.fetch("SELECT object_type, source, content->>'action' FROM timeline_entries")
    assert [tuple(row) for row in timeline] == [("lead", "WHATSAPP", "LEAD_CREATED")] * 4


async def test_a_party_of_nobody_is_refused(office: Office) -> None:
    with pytest.raises(ActionError, match="at least one person"):
        await office.run("leads.create", trek=1, people=0)


async def test_only_assigned_guides_find_and_report_on_a_trip(office: Office) -> None:
    (trip,) = await office.run("trips.assigned_to_me", by=office.guide, text="issue trp123 flat tyre, TRP999")
    assert (trip["code"], trip["name"]) == ("TRP123", "Everest Base Camp")
    assert await office.run("trips.assigned_to_me", by=office.stranger, text="TRP123") == []
    with pytest.raises(ActionError) as refused:
        await office.run("incidents.create", by=office.stranger, trip=trip["id"], text="flat tyre")
    assert refused.value.code == "not_assigned"


async def test_an_incident_lives_until_it_is_resolved(office: Office) -> None:
    (trip,) = await office.run("trips.assigned_to_me", by=office.guide, text="TRP123")
    incident = await office.run("incidents.create", by=office.guide, trip=trip["id"], text="flat tyre")
    for name, more in (
        ("incidents.note", {"text": "spare is on its way"}),
        ("incidents.add_media", {"media_id": "m1"}),
        ("incidents.set_place", {"latitude": 27.8, "longitude": 86.7}),
    ):
        await office.run(name, by=office.guide, incident=incident["id"], **more)
    await office.run("incidents.resolve", by=office.guide, incident=incident["id"], note="fixed")
    for name, more in (("incidents.resolve", {}), ("incidents.note", {"text": "too late"})):
        with pytest.raises(ActionError) as refused:
            await office.run(name, by=office.guide, incident=incident["id"], **more)
        assert refused.value.code == "not_open"
    row = await office.call.db.fetchrow("SELECT status, media, place, resolution FROM incidents")
    assert (row["status"], row["media"], row["resolution"]) == ("RESOLVED", '["m1"]', "fixed")
    actions = await office.call.db.fetch("SELECT content->>'action' FROM timeline_entries ORDER BY entry_id")
    assert [row[0] for row in actions] == [
        "INCIDENT_CREATED", "INCIDENT_NOTED", "INCIDENT_MEDIA_ADDED", "INCIDENT_PLACE_SET", "INCIDENT_RESOLVED",
    ]  # fmt: skip


async def test_a_file_for_no_incident_is_refused(office: Office) -> None:
    with pytest.raises(ActionError) as refused:
        await office.run("incidents.add_media", by=office.guide, incident=999, media_id="m1")
    assert refused.value.code == "not_found"


async def test_all_that_is_on_offer_is_listed(office: Office) -> None:
    listed = await office.run("treks.list")
    assert listed["count"] == 4
    assert [one["name"] for one in listed["items"]][:2] == ["Annapurna Circuit", "Everest Base Camp"]
    assert (listed["items"][1]["days"], listed["items"][1]["price"]) == (14, "1450.00")
