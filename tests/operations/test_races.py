"""Two who want the same thing at the same moment: one gets it, the other is told why not."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from operations.conftest import SERVICES, Crowd, offered

from bot.core.errors import ActionError
from bot.operations.people import WRONG_CODES

GIVEN_OUT = "SELECT assignee_id, count(*) AS leads FROM leads WHERE status IN ('NEW', 'QUOTED') GROUP BY 1"


async def all_at_once(crowd: Crowd, times: int, name: str, role: str, **arguments: Any) -> Counter[str]:
    """Everybody calls the same service; what they were answered: `done`, or the code of the refusal."""
    return Counter(await asyncio.gather(*(crowd.answer(name, role, **arguments) for _ in range(times))))


async def noted(crowd: Crowd, action: str) -> int:
    rows = await crowd.rows(f"SELECT count(*) AS n FROM timeline_entries WHERE content->>'action' = '{action}'")
    count: int = rows[0]["n"]
    return count


@pytest.mark.parametrize("limits", [(3, 2), (1, None)])
async def test_nobody_gets_more_leads_than_they_may(crowd: Crowd, limits: tuple[int, int | None]) -> None:
    sales = crowd.people["anita"], crowd.people["bikram"]
    for person, most in zip(sales, limits, strict=True):
        await crowd.do("staff.limit", "manager", person=person, max_leads=most)
    made = await asyncio.gather(
        *(crowd.do("leads.create", "customer", trek=1, people=n + 1) for n in range(12)),
    )
    given = {row["assignee_id"]: row["leads"] for row in await crowd.rows(GIVEN_OUT)}
    assert given[sales[0]] == limits[0]
    assert given[sales[1]] == (limits[1] or 11)
    assert given.get(None, 0) == 12 - given[sales[0]] - given[sales[1]]
    told = Counter(one["assignee"] for one in made)
    assert told["Anita"] == given[sales[0]], "what the customer is told is how it is"
    assert told["Bikram"] == given[sales[1]]


async def test_leads_that_are_shared_out_anew_keep_to_the_limit(crowd: Crowd) -> None:
    made = [await crowd.do("leads.create", "customer", trek=1, people=2) for _ in range(6)]
    await crowd.rows("UPDATE leads SET assignee_id = NULL RETURNING 1")
    await crowd.do("staff.limit", "manager", person=crowd.people["anita"], max_leads=2)
    await crowd.do("staff.limit", "manager", person=crowd.people["bikram"], max_leads=1)
    told = await asyncio.gather(*(crowd.answer("leads.assign", "manager", lead=one["id"]) for one in made))
    assert Counter(told) == {"done": 3, "nobody_free": 3}


async def test_of_many_quotes_at_once_each_has_its_version_and_the_last_counts(crowd: Crowd) -> None:
    lead = await crowd.do("leads.create", "customer", trek=1, people=2)
    assert await all_at_once(crowd, 10, "quotes.draft", "sales", lead=lead["id"], price="100.00") == {"done": 10}
    rows = await crowd.rows("SELECT version, status FROM quotes ORDER BY version")
    assert [row["version"] for row in rows] == list(range(1, 11))
    assert [row["status"] for row in rows] == ["REPLACED"] * 9 + ["DRAFT"]


async def test_what_is_sent_twice_at_once_goes_out_once(crowd: Crowd) -> None:
    lead = await crowd.do("leads.create", "customer", trek=1, people=2)
    quote = await crowd.do("quotes.draft", "sales", lead=lead["id"], price="100.00")
    told = await all_at_once(crowd, 8, "quotes.send", "sales", quote=quote["id"])
    assert told == {"done": 1, "wrong_status": 7}
    assert await noted(crowd, "QUOTE_SENT") == 1


async def test_however_many_codes_are_tried_at_once_five_are_looked_at(crowd: Crowd) -> None:
    """Each worker has its own transaction, and cannot see what the others are just writing."""

    async def attempt() -> str:
        async with crowd.database.tenant(crowd.channel.tenant_id) as db:
            with pytest.raises(ActionError) as refused:
                await SERVICES["staff.join"].function(crowd.acting(db, "customer"), code="WRONG-12345")
        return refused.value.code  # what the refusal noted is committed, as a turn does

    told = Counter(await asyncio.gather(*(attempt() for _ in range(20))))
    assert told == {"bad_code": WRONG_CODES, "too_many": 1, "still_too_many": 20 - WRONG_CODES - 1}
    assert await noted(crowd, "CODE_REFUSED") == WRONG_CODES


@pytest.mark.parametrize("answers", [(True,), (True, False)])
async def test_a_question_is_decided_once(crowd: Crowd, answers: tuple[bool, ...]) -> None:
    await crowd.rows("UPDATE business_settings SET quote_limit = 50 RETURNING 1")
    quote = await offered(crowd, 1)
    (asked,) = await crowd.rows("SELECT approval_id FROM approvals WHERE status = 'PENDING'")
    both = await asyncio.gather(
        *(
            all_at_once(crowd, 4, "approvals.decide", "manager", approval=asked["approval_id"], approve=yes)
            for yes in answers
        )
    )
    assert sum(both, Counter()) == {"done": 1, "wrong_status": 4 * len(answers) - 1}
    (decided,) = await crowd.rows("SELECT status FROM approvals")
    (row,) = await crowd.rows(f"SELECT status FROM quotes WHERE quote_id = {quote}")
    assert (decided["status"], row["status"]) in {("APPROVED", "SENT"), ("REJECTED", "DRAFT")}
    assert await noted(crowd, "QUOTE_SENT") == (decided["status"] == "APPROVED")


async def test_the_last_seats_are_sold_once(crowd: Crowd) -> None:
    await crowd.rows("UPDATE trips SET seats = 3, taken = 0 WHERE trip_id = 1 RETURNING 1")
    quotes = [await offered(crowd, 1) for _ in range(12)]
    told = await asyncio.gather(*(crowd.answer("bookings.create", "customer", quote=quote) for quote in quotes))
    assert Counter(told) == {"done": 3, "no_seats": 9}
    assert await crowd.rows("SELECT taken FROM trips WHERE trip_id = 1") == [{"taken": 3}]
    accepted = await crowd.rows("SELECT count(*) AS n FROM quotes WHERE status = 'ACCEPTED'")
    assert accepted == [{"n": 3}], "who got no seat still has the quote"


async def test_a_link_is_paid_and_given_back_once(crowd: Crowd) -> None:
    booking = await crowd.do("bookings.create", "customer", quote=await offered(crowd, 1))
    payment = await crowd.do("payments.record", "sales", booking=booking["id"], amount="100.00")
    told = await all_at_once(crowd, 8, "payments.refund", "manager", payment=payment["id"])
    assert told == {"done": 1, "wrong_status": 7}
    assert [str(row["paid"]) for row in await crowd.rows("SELECT paid FROM bookings")] == ["0.00"]


@pytest.mark.parametrize(("kind", "action"), [("STARTED", "TRIP_STARTED"), ("FINISHED", "TRIP_COMPLETED")])
async def test_two_guides_who_check_in_at_once_move_the_trip_once(crowd: Crowd, kind: str, action: str) -> None:
    await crowd.rows(
        f"UPDATE trips SET status = '{'RUNNING' if kind == 'FINISHED' else 'SCHEDULED'}' WHERE trip_id = 1 RETURNING 1"
    )
    assert await all_at_once(crowd, 8, "check_ins.create", "field_staff", trip=1, kind=kind) == {"done": 8}
    assert await noted(crowd, action) == 1


async def test_an_incident_is_looked_after_and_closed_by_one(crowd: Crowd) -> None:
    incident = (await crowd.do("incidents.create", "field_staff", trip=1, text="Flat tyre"))["id"]
    told = await all_at_once(crowd, 8, "incidents.acknowledge", "manager", incident=incident)
    assert told == {"done": 1, "not_open": 7}
    told = await all_at_once(crowd, 8, "incidents.resolve", "field_staff", incident=incident, note="changed")
    assert told == {"done": 1, "not_open": 7}
    assert (await noted(crowd, "INCIDENT_ACKNOWLEDGED"), await noted(crowd, "INCIDENT_RESOLVED")) == (1, 1)


async def test_one_guide_is_on_one_trip_at_a_time(crowd: Crowd) -> None:
    trips = [
        (await crowd.do("trips.plan", "manager", trek=1, starts_on="2027-03-01", ends_on="2027-03-09"))["id"]
        for _ in range(6)
    ]
    dawa = crowd.people["dawa"]
    told = await asyncio.gather(*(crowd.answer("staff.assign", "manager", trip=trip, person=dawa) for trip in trips))
    assert Counter(told) == {"done": 1, "busy": 5}


async def test_trips_planned_at_once_have_codes_of_their_own(crowd: Crowd) -> None:
    assert await all_at_once(crowd, 8, "trips.plan", "manager", trek=1, starts_on="2027-03-01") == {"done": 8}
    rows = await crowd.rows("SELECT code FROM trips")
    assert len({row["code"] for row in rows}) == len(rows)


async def test_the_store_gives_out_what_it_has(crowd: Crowd) -> None:
    item = await crowd.do("inventory.add", "manager", name="Oxygen", unit="bottle")
    await crowd.do("inventory.receive", "manager", item=item["id"], quantity="5")
    told = await all_at_once(crowd, 8, "inventory.issue", "manager", item=item["id"], quantity="1", trip=1)
    assert told == {"done": 5, "not_enough": 3}


async def test_a_broadcast_obeys_one_at_a_time(crowd: Crowd) -> None:
    """Started, paused, resumed and cancelled by many at once: each change once, and cancelled is the end."""
    drafted = await crowd.do("broadcasts.draft", "manager", name="x", template="x", marketing=False)
    broadcast = drafted["id"]
    assert await all_at_once(crowd, 6, "broadcasts.start", "manager", broadcast=broadcast) == {
        "done": 1, "wrong_status": 5,
    }  # fmt: skip
    both = await asyncio.gather(
        *(all_at_once(crowd, 5, f"broadcasts.{what}", "manager", broadcast=broadcast) for what in ("pause", "resume"))
    )
    (row,) = await crowd.rows("SELECT status FROM whatsapp_broadcast_lists")
    paused, resumed = (told["done"] for told in both)
    assert paused - resumed == (row["status"] == "PAUSED")
    assert row["status"] in {"PAUSED", "SCHEDULED"}
    told = await asyncio.gather(
        *(
            all_at_once(crowd, 5, f"broadcasts.{what}", "manager", broadcast=broadcast)
            for what in ("cancel", "pause", "resume")
        )
    )
    assert told[0] == {"done": 1, "wrong_status": 4}
    assert await crowd.rows("SELECT status FROM whatsapp_broadcast_lists") == [{"status": "CANCELLED"}]
    assert await noted(crowd, "BROADCAST_CANCELLED") == 1


async def test_a_conversation_is_taken_by_one(crowd: Crowd) -> None:
    (row,) = await crowd.rows(
        f"SELECT conversation_id FROM whatsapp_conversations WHERE contact_id = {crowd.people['maya']}"
    )
    number = row["conversation_id"]

    told = await asyncio.gather(
        *(all_at_once(crowd, 4, "conversations.take", role, conversation=number) for role in ("sales", "manager"))
    )
    assert {"done": 4} in told, "who has it may take it again"
    assert {"taken": 4} in told, "and the other may not"
    winner, loser = ("sales", "manager") if told[0] == {"done": 4} else ("manager", "sales")
    has_it = "Anita has this conversation." if winner == "sales" else "Tenzing has this conversation."
    with pytest.raises(ActionError, match=has_it):
        await crowd.do("conversations.take", loser, conversation=number)
    (held,) = await crowd.rows("SELECT status, taken_by FROM handoffs")
    who = crowd.people["anita" if winner == "sales" else "tenzing"]
    assert (held["status"], held["taken_by"]) == ("TAKEN", f"contact:{who}")
    events = await crowd.rows("SELECT DISTINCT event->'data'->>'by' AS by FROM inbox WHERE kind = 'business'")
    assert [one["by"] for one in events] == [f"contact:{who}"], "the conversation hears of no other"


async def test_a_code_makes_one_person_staff_however_many_try(crowd: Crowd) -> None:
    code = (await crowd.do("staff.invite", "manager", roles="sales"))["code"]

    people = ("maya", "noor", "dawa", "omar")
    told = await asyncio.gather(*(crowd.answer("staff.join", "customer", by=who, code=code) for who in people))
    assert Counter(told) == {"done": 1, "bad_code": 3}
