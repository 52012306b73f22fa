"""On the way: departures, crews, check-ins, incidents, the store, and what customers say afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from operations.conftest import Desk

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations.acting import Acting
from tests.conftest import EPOCH


async def refusal(desk: Desk, name: str, who: str, acting_as: str, /, **arguments: Any) -> str:
    with pytest.raises(ActionError) as refused:
        await desk.run(name, who, acting_as, **arguments)
    return refused.value.code


async def travelling(desk: Desk, who: str = "maya", trip: int = 1) -> dict[str, Any]:
    """A customer who is on a trip."""
    lead = await desk.run("leads.create", who, "customer", trek=1, people=1)
    quote = await desk.run("quotes.draft", "anita", "sales", lead=lead["id"], trip=trip)
    await desk.run("quotes.send", "anita", "sales", quote=quote["id"])
    booking = await desk.run("bookings.create", who, "customer", quote=quote["id"])
    await desk.run("payments.record", "anita", "sales", booking=booking["id"], amount=booking["due"])
    await desk.news()
    return booking


# --- Departures and crews ---------------------------------------------------------------------------------------------


async def test_a_departure_is_planned_and_offered_while_it_has_room(desk: Desk) -> None:
    trip = await desk.run("trips.plan", "omar", "operations", trek=4, starts_on="2027-03-01", seats=2)
    assert (trip["code"], trip["ends_on"], trip["taken"]) == ("TRP134", "2027-03-15", 0)
    offered = await desk.run("trips.departures", "maya", "customer", trek=4, month="2027-03", people=2)
    assert [(one["code"], one["free"]) for one in offered["items"]] == [("TRP134", 2)]
    assert (await desk.run("trips.departures", "maya", "customer", trek=4, month="2027-03", people=3))["count"] == 0
    await desk.run("trips.cancel", "omar", "operations", trip="TRP134", reason="snow")
    assert (await desk.run("trips.departures", "maya", "customer", trek=4, month="2027-03"))["count"] == 0
    assert await refusal(desk, "trips.start", "omar", "operations", trip="TRP134") == "wrong_status"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"starts_on": "tomorrow"}, "bad_value"),
        ({"starts_on": "2027-03-01", "ends_on": "2027-02-01"}, "bad_value"),
        ({"starts_on": "2027-03-01", "code": "TRP123"}, "taken"),
        ({"starts_on": "2027-03-01", "code": "ABC"}, "bad_value"),
        ({"starts_on": "2027-03-01", "trek": 999}, "not_found"),
        ({"starts_on": "2027-03-01", "seats": -1}, "bad_value"),
    ],
)
async def test_what_makes_no_sense_is_not_planned(desk: Desk, more: dict[str, Any], code: str) -> None:
    assert await refusal(desk, "trips.plan", "omar", "operations", **{"trek": 1, **more}) == code


async def test_a_trip_has_no_fewer_seats_than_are_taken(desk: Desk) -> None:
    await travelling(desk)
    assert await refusal(desk, "trips.set_seats", "omar", "operations", trip="TRP123", seats=0) == "too_few"
    assert (await desk.run("trips.set_seats", "omar", "operations", trip="TRP123", seats=1))["free"] == 0


async def test_nobody_is_on_two_trips_at_once(desk: Desk) -> None:
    dawa = desk.people["dawa"]
    assigned = await desk.run("staff.assign", "omar", "operations", trip="TRP123", person=dawa, duty="cook")
    assert (assigned["person"], assigned["status"]) == ("Dawa", "ASSIGNED")
    assert await desk.news() == [("dawa", "staff.assigned")]
    assert await refusal(desk, "staff.assign", "omar", "operations", trip="TRP124", person=dawa) == "busy"
    free = await desk.run("staff.free", "omar", "operations", trip="TRP131")
    assert [one["name"] for one in free["items"]] == ["Dawa", "Pasang"]
    assert (await desk.run("staff.free", "omar", "operations", trip="TRP124"))["count"] == 0
    await desk.run("staff.decline", "dawa", "field_staff", trip="TRP123", reason="wedding")
    assert await desk.news() == [("omar", "staff.declined")]
    await desk.run("staff.assign", "omar", "operations", trip="TRP124", person=dawa)
    await desk.run("staff.confirm", "dawa", "field_staff", trip="TRP124")
    assert [one["status"] for one in (await desk.run("staff.trips", "dawa", "field_staff"))["items"]] == ["CONFIRMED"]
    assert await refusal(desk, "staff.confirm", "dawa", "field_staff", trip="TRP124") == "wrong_status"
    assert await refusal(desk, "staff.confirm", "dawa", "field_staff", trip="TRP133") == "not_assigned"


async def test_who_is_away_or_no_field_staff_is_not_assigned(desk: Desk) -> None:
    await desk.run("staff.away", "dawa", "field_staff", days=30)
    for who, trip, code in (("dawa", "TRP130", "away"), ("anita", "TRP130", "not_field_staff")):
        assert await refusal(desk, "staff.assign", "omar", "operations", trip=trip, person=desk.people[who]) == code
    await desk.run("staff.assign", "omar", "operations", trip="TRP133", person=desk.people["dawa"])
    assert await desk.run("staff.find", "omar", "operations", text="please send Dawa") == [
        {"id": desk.people["dawa"], "name": "Dawa"}
    ]


async def test_who_was_taken_off_a_trip_no_longer_finds_it(desk: Desk) -> None:
    assert len(await desk.run("trips.assigned_to_me", "pasang", "field_staff", text="TRP123")) == 1
    await desk.run("staff.release", "omar", "operations", trip="TRP123", person=desk.people["pasang"])
    assert await desk.run("trips.assigned_to_me", "pasang", "field_staff", text="TRP123") == []
    assert await refusal(desk, "incidents.create", "pasang", "field_staff", trip=1, text="flat tyre") == "not_assigned"
    assert await refusal(desk, "check_ins.create", "pasang", "field_staff", trip=1) == "not_assigned"


# --- Check-ins --------------------------------------------------------------------------------------------------------


async def test_check_ins_say_where_a_trip_is_and_move_it(desk: Desk) -> None:
    async def check_in(kind: str, **more: Any) -> Any:
        return await desk.run("check_ins.create", "pasang", "field_staff", trip="TRP123", kind=kind, **more)

    await check_in("started", latitude="27.68", longitude=86.73, place="Lukla")
    assert (await desk.run("trips.show", "omar", "operations", trip=1))["status"] == "RUNNING"
    await check_in("day_report", note="everybody well", media="photo1")
    await check_in("FINISHED")
    shown = await desk.run("trips.show", "omar", "operations", trip=1)
    assert (shown["status"], shown["crew"][0]["name"]) == ("COMPLETED", "Pasang")
    found = await desk.run("check_ins.list", "omar", "operations", trip="TRP123")
    assert [one["kind"] for one in found["items"]] == ["FINISHED", "DAY_REPORT", "STARTED"]
    assert found["items"][2]["place"] == {"latitude": 27.68, "longitude": 86.73, "name": "Lukla"}
    assert await desk.timeline("trip") == [
        "CHECKED_IN", "TRIP_STARTED", "CHECKED_IN", "CHECKED_IN", "TRIP_COMPLETED",
    ]  # fmt: skip
    for more in ({"kind": "LOST"}, {"latitude": 91, "longitude": 0}, {"latitude": "x", "longitude": 0}):
        with pytest.raises(ActionError):
            await check_in(**{"kind": "CHECKPOINT", **more})


# --- Incidents --------------------------------------------------------------------------------------------------------


async def test_an_incident_from_report_to_resolution(desk: Desk) -> None:
    await travelling(desk)
    await desk.run("staff.assign", "omar", "operations", trip="TRP123", person=desk.people["dawa"], duty="driver")
    await desk.news()
    made = await desk.run(
        "incidents.create", "pasang", "field_staff", trip=1, text="Vehicle breakdown", severity="high"
    )
    code = made["code"]
    assert (await desk.run("incidents.list", "omar", "operations"))["items"][0]["severity"] == "HIGH"
    updated = await desk.run(
        "incidents.update", "omar", "operations", incident=code, text="Jeep at 14:00", public="We are an hour late."
    )
    assert updated["status"] == "ACKNOWLEDGED", "who acts on it has seen it"
    assert await desk.news() == [("dawa", "incident.updated"), ("maya", "trip.notice")]
    assert await refusal(desk, "incidents.acknowledge", "omar", "operations", incident=code) == "not_open"
    await desk.run("incidents.update", "omar", "operations", incident=code, text="Jeep has left")
    assert await desk.news() == [("dawa", "incident.updated")], "customers hear only what is meant for them"
    await desk.run("incidents.resolve", "pasang", "field_staff", incident=code)
    assert await desk.news() == [("dawa", "incident.resolved")]
    assert await refusal(desk, "incidents.update", "omar", "operations", incident=code, text="x") == "not_open"
    assert await desk.run("incidents.find", "omar", "operations", text=code) == []
    await desk.run("incidents.reopen", "omar", "operations", incident=code, reason="it broke again")
    shown = await desk.run("incidents.show", "omar", "operations", incident=code)
    assert (shown["status"], [one["text"] for one in shown["updates"]]) == ("OPEN", ["Jeep at 14:00", "Jeep has left"])
    assert [entry for entry in await desk.timeline("trip") if entry.startswith("INCIDENT")] == [
        "INCIDENT_CREATED", "INCIDENT_ACKNOWLEDGED", "INCIDENT_UPDATED", "INCIDENT_UPDATED", "INCIDENT_RESOLVED",
        "INCIDENT_REOPENED",
    ]  # fmt: skip


async def test_a_live_run_about_the_trip_hears_the_news_but_not_its_own(desk: Desk) -> None:
    await desk.acting.db.execute(
        "INSERT INTO flow_runs (tenant_id, run, flow, version, role, conversation_id, instance, frame, started_at) "
        "SELECT $1, 'r-' || conversation_id, 'issue' || conversation_id, 1, 'field_staff', conversation_id, 'TRP123', "
        "'{}', now() FROM whatsapp_conversations WHERE contact_id = ANY ($2::bigint[])",
        desk.acting.tenant_id, [desk.people["pasang"], desk.people["dawa"]],
    )  # fmt: skip
    made = await desk.run("incidents.create", "pasang", "field_staff", trip=1, text="Vehicle breakdown")
    await desk.run("incidents.update", "omar", "operations", incident=made["code"], text="Jeep")
    assert await desk.news() == [
        ("pasang", "incident.acknowledged"), ("dawa", "incident.acknowledged"),
        ("pasang", "incident.updated"), ("dawa", "incident.updated"),
    ]  # fmt: skip


# --- The store and the customers' word --------------------------------------------------------------------------------


async def test_the_store_adds_up_and_never_goes_below_zero(desk: Desk) -> None:
    (tent,) = await desk.run("inventory.find", "omar", "operations", text="20 tents for TRP123")
    assert tent["quantity"] == "20"

    async def move(name: str, quantity: str, **more: Any) -> Any:
        return await desk.run(f"inventory.{name}", "omar", "operations", item=tent["id"], quantity=quantity, **more)

    assert (await move("issue", "15", trip="TRP123"))["quantity"] == "5"
    with pytest.raises(ActionError, match="only 5 Tent"):
        await move("issue", "6", trip="TRP123")
    with pytest.raises(ActionError, match="only 15 Tent"):
        await move("give_back", "16", trip="TRP123")
    assert await desk.news() == []
    by_manager = await desk.run("inventory.write_off", "tenzing", "manager", item=tent["id"], quantity="1", note="torn")
    assert (by_manager["quantity"], by_manager["low"]) == ("4", True)
    assert await desk.news() == [("omar", "inventory.low")]
    assert (await move("give_back", "15", trip="TRP123"))["quantity"] == "19"
    assert (await move("count", "18"))["quantity"] == "18"
    (sums,) = await desk.rows("SELECT 20 + sum(quantity) AS total FROM inventory_moves")
    assert sums["total"] == 18


async def test_bad_news_from_customers_reaches_managers(desk: Desk) -> None:
    booking = await travelling(desk)
    await desk.run("feedback.give", "maya", "customer", rating="5", booking=booking["code"])
    assert await desk.news() == []
    bad = await desk.run("feedback.give", "maya", "customer", rating=1, comment="cold tents")
    assert await desk.news() == [("tenzing", "feedback.bad"), ("rita", "feedback.bad")]
    await desk.run("feedback.handle", "anita", "sales", feedback=bad["id"])
    assert await refusal(desk, "feedback.handle", "anita", "sales", feedback=bad["id"]) == "wrong_status"
    assert await refusal(desk, "feedback.give", "maya", "customer", rating=6) == "bad_value"
    assert await refusal(desk, "feedback.give", "noor", "customer", rating=5, booking=booking["code"]) == "not_found"
    assert [one["rating"] for one in (await desk.run("feedback.list", "anita", "sales"))["items"]] == [1, 5]


async def test_a_cancelled_trip_tells_everybody_on_it(desk: Desk) -> None:
    await travelling(desk)
    await desk.run("trips.cancel", "omar", "operations", trip="TRP123", reason="landslide")
    assert sorted(await desk.news()) == [("maya", "trip.cancelled"), ("pasang", "trip.cancelled")]


async def test_somebody_who_never_wrote_is_told_on_the_first_number(desk: Desk) -> None:
    from bot.operations import news

    await desk.acting.db.execute("DELETE FROM whatsapp_conversations WHERE contact_id = $1", desk.people["noor"])
    acting: Acting = desk.by("anita", "sales", at=EPOCH + timedelta(days=1))
    await news.tell_people(acting, [desk.people["noor"], desk.people["maya"], ContactId(999_999)], "hello.there", {})
    assert sorted(await desk.news()) == [("maya", "hello.there"), ("noor", "hello.there")]


async def test_field_staff_has_to_do_with_their_own_trips_only(desk: Desk) -> None:
    """Dawa is on no trip: Pasang's trip and its incidents are none of his business, whatever program he uses."""
    incident = (await desk.run("incidents.create", "pasang", "field_staff", trip=1, text="Vehicle breakdown"))["id"]
    for name, more in {
        "incidents.note": {"text": "x"}, "incidents.resolve": {}, "incidents.set_severity": {"severity": "LOW"},
        "incidents.add_media": {"media_id": "1"}, "incidents.set_place": {"latitude": 27.8, "longitude": 86.7},
        "incidents.show": {},
    }.items():  # fmt: skip
        assert await refusal(desk, name, "dawa", "field_staff", incident=incident, **more) == "not_assigned", name
    for name in ("trips.start", "trips.complete"):
        assert await refusal(desk, name, "dawa", "field_staff", trip="TRP123") == "not_assigned", name
    assert (await desk.run("trips.start", "pasang", "field_staff", trip="TRP123"))["status"] == "RUNNING"
    await desk.run("staff.release", "omar", "operations", trip=1, person=desk.people["pasang"])
    assert (await desk.run("incidents.resolve", "pasang", "field_staff", incident=incident))["code"] == "INC1"
