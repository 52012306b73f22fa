"""Lookups that offer everything when nothing is named."""

from tests.operations.conftest import Desk


async def found(desk: Desk, name: str, who: str, role: str, text: str) -> list[str]:
    return [one["name"] for one in await desk.run(name, who, role, text=text)]


async def lead(desk: Desk, who: str) -> str:
    made = await desk.run("leads.create", who, "customer", trek=1, people=2, month="2026-12")
    return str(made["code"])


async def test_leads_and_quotes_are_offered_until_they_are_dealt_with(desk: Desk) -> None:
    first, second = await lead(desk, "maya"), await lead(desk, "noor")
    assert await found(desk, "leads.open", "anita", "sales", "send a quote") == [f"{first} Maya"], (
        "one's own come first"
    )
    assert await found(desk, "leads.open", "anita", "sales", f"a quote for {second}") != [f"{first} Maya"]
    assert await found(desk, "quotes.open", "anita", "sales", "book it") == []
    quote = await desk.run("quotes.draft", "anita", "sales", lead=first)
    assert await found(desk, "quotes.open", "anita", "sales", "book it") == [], "drafts are not for booking"
    await desk.run("quotes.send", "anita", "sales", quote=quote["id"])
    assert await found(desk, "quotes.open", "anita", "sales", "book it") == [f"{quote['code']} Maya"]
    assert await found(desk, "quotes.open", "anita", "sales", "book QUO99") == []
    await desk.run("quotes.accept", "maya", "customer", quote=quote["id"])
    await desk.run("bookings.create", "maya", "customer", quote=quote["id"])
    assert await found(desk, "quotes.open", "anita", "sales", quote["code"]) == []


async def test_trips_incidents_and_approvals_are_offered(desk: Desk) -> None:
    mine, *_ = await desk.run("trips.mine", "pasang", "field_staff", text="we have arrived")
    assert mine["name"].startswith(mine["code"])
    assert await found(desk, "trips.mine", "dawa", "field_staff", "we have arrived") == []
    coming = await desk.run("trips.coming", "omar", "operations", text="who goes")
    assert mine["code"] in [one["code"] for one in coming]
    (named,) = await desk.run("trips.coming", "omar", "operations", text=f"put Dawa on {mine['code']}")
    assert named["id"] == mine["id"]
    await desk.run("incidents.create", "pasang", "field_staff", trip=mine["id"], text="The bus broke down")
    assert len(await found(desk, "incidents.live", "rita", "manager", "what is wrong")) == 1
    asked = await desk.run(
        "approvals.request", "omar", "operations", object_type="expense", object_id=1, subject="New tents"
    )
    assert await found(desk, "approvals.waiting", "rita", "manager", "what waits") == [f"{asked['code']} New tents"]
    await desk.run("approvals.decide", "rita", "manager", approval=asked["id"], approve=True)
    assert await found(desk, "approvals.waiting", "rita", "manager", asked["code"]) == []


async def test_things_in_store_and_customers_are_found_by_name(desk: Desk) -> None:
    await desk.run("inventory.add", "omar", "operations", name="tarpaulin")
    assert await found(desk, "inventory.any", "omar", "operations", "two tarpaulins") == ["tarpaulin"]
    assert "tarpaulin" in await found(desk, "inventory.any", "omar", "operations", "hand something out")
    assert await found(desk, "people.customers", "anita", "sales", "new lead for maya please") == ["Maya"]
    assert await found(desk, "people.customers", "anita", "sales", "a lead for Pasang") == [], "staff are no customers"
