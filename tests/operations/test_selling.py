"""From an enquiry to a paid booking: leads, quotes, approvals, bookings, payments."""

import asyncio
import contextlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from operations.conftest import KEY, SERVICES, Desk

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import bookings, payments, quotes
from bot.operations.acting import money
from bot.operations.gateways import BadWebhookError, DemoGateway, GatewayEvent, read_link
from bot.operations.terms import set_terms
from storage.base import AuditEntry, Channel
from storage.postgres import Postgres
from tests.conftest import EPOCH

ITEMS = [
    {"description": "Everest Base Camp, per person", "quantity": 2, "unit_price": "1450.00"},
    {"description": "Early booking", "unit_price": "-100"},
]


async def lead(desk: Desk, who: str = "maya", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await desk.run(
        "leads.create", who, "customer", **{"trek": 1, "people": 2, "month": "2026-12", **more}
    )
    return made


async def sent(desk: Desk, who: str = "maya", **more: Any) -> dict[str, Any]:
    """A quote on its way to a customer."""
    code = (await lead(desk, who))["code"]
    quote = await desk.run("quotes.draft", "anita", "sales", lead=code, **{"items": ITEMS, **more})
    made: dict[str, Any] = await desk.run("quotes.send", "anita", "sales", quote=quote["code"])
    return made


async def refusal(desk: Desk, name: str, who: str, acting_as: str, /, **arguments: Any) -> str:
    with pytest.raises(ActionError) as refused:
        await desk.run(name, who, acting_as, **arguments)
    return refused.value.code


# --- Leads ------------------------------------------------------------------------------------------------------------


async def test_leads_go_to_who_is_here_and_has_room(desk: Desk) -> None:
    assert [(await lead(desk))["assignee"] for _ in range(2)] == ["Anita", "Bikram"]
    await desk.run("staff.away", "bikram", "sales", days=3)
    assert [(await lead(desk))["assignee"] for _ in range(2)] == ["Anita", "Anita"]
    await desk.run("staff.limit", "tenzing", "manager", person=desk.people["anita"], max_leads=3)
    assert (await lead(desk))["assignee"] is None, "one is away, the other has her fill"
    await desk.run("staff.away", "bikram", "sales", days=0)
    assert (await lead(desk))["assignee"] == "Bikram"


async def test_who_gets_a_lead_hears_of_it(desk: Desk) -> None:
    made = await lead(desk)
    await desk.run("leads.assign", "tenzing", "manager", lead=made["code"], to=desk.people["bikram"])
    assert await desk.news() == [("bikram", "lead.assigned")]
    assert (
        await refusal(desk, "leads.assign", "tenzing", "manager", lead=made["id"], to=desk.people["maya"])
        == "not_sales"
    )


async def test_a_lead_that_is_lost_can_be_reopened_and_nothing_else(desk: Desk) -> None:
    made = await lead(desk)
    await desk.run("leads.lose", "anita", "sales", lead=made["id"], reason="too dear")
    assert await refusal(desk, "quotes.draft", "anita", "sales", lead=made["id"]) == "wrong_status"
    assert await refusal(desk, "leads.lose", "anita", "sales", lead=made["id"]) == "wrong_status"
    await desk.run("leads.reopen", "anita", "sales", lead=made["id"])
    assert (await desk.run("leads.show", "anita", "sales", lead=made["id"]))["status"] == "NEW"
    assert await desk.timeline("lead") == ["LEAD_CREATED", "LEAD_LOST", "LEAD_REOPENED"]


# --- Quotes -----------------------------------------------------------------------------------------------------------


async def test_a_quote_adds_up_exactly_and_reaches_the_customer(desk: Desk) -> None:
    quote = await sent(desk)
    assert (quote["total"], quote["currency"], quote["status"], quote["version"]) == ("2800.00", "USD", "SENT", 1)
    assert [item["amount"] for item in quote["items"]] == ["2900.00", "-100.00"]
    assert quote["valid_until"] == (EPOCH + timedelta(days=14)).isoformat()
    assert await desk.news() == [("maya", "quote.sent")]
    (row,) = await desk.rows("SELECT status FROM leads")
    assert row["status"] == "QUOTED"
    assert await desk.timeline("quote") == ["QUOTE_DRAFTED", "QUOTE_SENT"]


async def test_without_items_the_trek_is_offered_to_everybody(desk: Desk) -> None:
    quote = await desk.run("quotes.draft", "anita", "sales", lead=(await lead(desk))["id"])
    assert (quote["total"], quote["items"][0]["description"]) == ("2900.00", "Everest Base Camp, per person")
    cheaper = await desk.run("quotes.draft", "anita", "sales", lead=quote["lead"], price="1400.50")
    assert (cheaper["total"], cheaper["version"]) == ("2801.00", 2)
    assert (await desk.run("quotes.show", "anita", "sales", quote=quote["id"]))["status"] == "REPLACED"


async def test_a_new_version_takes_the_place_of_a_sent_quote(desk: Desk) -> None:
    first = await sent(desk)
    second = await desk.run("quotes.draft", "anita", "sales", lead=first["lead"], price=1000)
    assert second["version"] == 2
    assert await refusal(desk, "quotes.accept", "maya", "customer", quote=first["id"]) == "wrong_status"


async def test_a_customer_sees_only_what_was_sent_to_them(desk: Desk) -> None:
    draft = await desk.run("quotes.draft", "anita", "sales", lead=(await lead(desk))["id"])
    assert await refusal(desk, "quotes.show", "maya", "customer", quote=draft["id"]) == "not_found"
    assert await refusal(desk, "quotes.current", "maya", "customer") == "no_quote"
    await desk.run("quotes.send", "anita", "sales", quote=draft["id"])
    assert (await desk.run("quotes.current", "maya", "customer"))["code"] == draft["code"]
    for name in ("quotes.show", "quotes.accept", "bookings.create"):
        assert await refusal(desk, name, "noor", "customer", quote=draft["id"]) == "not_found"


async def test_a_quote_runs_out(desk: Desk) -> None:
    quote = await sent(desk, days=3)
    late = EPOCH + timedelta(days=3)
    assert await refusal(desk, "quotes.accept", "maya", "customer", quote=quote["id"], at=late) == "expired"
    await desk.news()
    assert await quotes.expire_quotes(replace(desk.acting, at=late - timedelta(seconds=1))) == 0
    assert await quotes.expire_quotes(replace(desk.acting, at=late)) == 1
    assert await desk.news() == [("maya", "quote.expired"), ("anita", "quote.expired")]
    assert await refusal(desk, "quotes.accept", "maya", "customer", quote=quote["id"]) == "wrong_status"


async def test_above_the_limit_a_manager_approves_first(desk: Desk) -> None:
    await set_terms(desk.acting, quote_limit=Decimal(2000))
    submitted = await sent(desk)
    assert (submitted["status"], submitted["approval"]) == ("SUBMITTED", "APR1")
    assert await desk.news() == [("tenzing", "approval.requested"), ("rita", "approval.requested")]
    assert await refusal(desk, "quotes.send", "anita", "sales", quote=submitted["id"]) == "wrong_status"
    assert await refusal(desk, "approvals.decide", "anita", "sales", approval="APR1", approve=True) == "forbidden"
    await desk.run("approvals.decide", "tenzing", "manager", approval="APR1", approve=True)
    assert await desk.news() == [("maya", "quote.sent"), ("anita", "approval.decided")]
    assert (await desk.run("quotes.current", "maya", "customer"))["status"] == "SENT"
    assert await refusal(desk, "approvals.decide", "rita", "manager", approval="APR1", approve=False) == "wrong_status"


async def test_a_rejected_quote_is_a_draft_again(desk: Desk) -> None:
    await set_terms(desk.acting, quote_limit=Decimal(2000))
    quote = await sent(desk)
    await desk.run("approvals.decide", "tenzing", "manager", approval="APR1", approve="no", note="too cheap")
    assert (await desk.run("quotes.show", "anita", "sales", quote=quote["id"]))["status"] == "DRAFT"
    assert await desk.timeline("quote") == [
        "QUOTE_DRAFTED", "QUOTE_SUBMITTED", "APPROVAL_REQUESTED", "REJECTED", "QUOTE_REJECTED",
    ]  # fmt: skip


async def test_nobody_approves_their_own_request(desk: Desk) -> None:
    await set_terms(desk.acting, quote_limit=Decimal(1))
    quote = await desk.run("quotes.draft", "tenzing", "manager", lead=(await lead(desk))["id"])
    await desk.run("quotes.send", "tenzing", "manager", quote=quote["id"])
    assert await refusal(desk, "approvals.decide", "tenzing", "manager", approval=1, approve=True) == "own_request"
    await desk.run("quotes.withdraw", "tenzing", "manager", quote=quote["id"])
    assert (await desk.run("approvals.list", "rita", "manager"))["count"] == 0, "there is nothing left to decide"


# --- Bookings ---------------------------------------------------------------------------------------------------------


async def test_a_quote_becomes_one_booking_however_often_one_says_yes(desk: Desk) -> None:
    quote = await sent(desk, trip=1)
    await desk.news()
    booked = [await desk.run("bookings.create", "maya", "customer", quote=quote["id"]) for _ in range(3)]
    assert {one["code"] for one in booked} == {"BKG1"}
    assert (booked[0]["status"], booked[0]["due"], booked[0]["trip"]) == ("PENDING", "2800.00", "TRP123")
    assert (await desk.rows("SELECT taken FROM trips WHERE code = 'TRP123'"))[0]["taken"] == 2
    assert await desk.news() == [("anita", "booking.created")]
    assert (await desk.rows("SELECT status FROM leads"))[0]["status"] == "CONVERTED"


async def test_sales_converts_in_the_customers_name_who_hears_of_it(desk: Desk) -> None:
    quote = await sent(desk)
    await desk.news()
    booking = await desk.run("bookings.create", "anita", "sales", quote=quote["id"])
    request = await desk.run("payments.request", "anita", "sales", booking=booking["id"])
    assert request["link"].startswith("https://pay.example/pay/")
    assert await desk.news() == [("maya", "booking.created"), ("maya", "payment.requested")]


async def test_a_payment_link_has_nothing_in_it_that_a_chat_reads_as_a_mark(desk: Desk) -> None:
    """WhatsApp's marks are * _ ~ `; whoever shows a message without them would show another address."""
    booking = await desk.run("bookings.create", "maya", "customer", quote=(await sent(desk))["id"])
    for total in range(1000, 1015):
        await desk.run("bookings.change", "anita", "sales", booking=booking["id"], total=total)  # closes the old link
        request = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
        assert re.fullmatch(r"https://pay\.example/pay/[0-9a-z.]+", request["link"]), request["link"]


async def test_an_unpaid_booking_is_let_go_and_its_seats_are_free_again(desk: Desk) -> None:
    booking = await desk.run("bookings.create", "maya", "customer", quote=(await sent(desk, trip=1))["id"])
    link = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
    await desk.news()
    assert await bookings.expire_bookings(replace(desk.acting, at=EPOCH + timedelta(hours=47))) == 0
    assert await bookings.expire_bookings(replace(desk.acting, at=EPOCH + timedelta(hours=48))) == 1
    assert await desk.news() == [("maya", "booking.expired"), ("anita", "booking.expired")]
    assert (await desk.rows("SELECT taken FROM trips WHERE code = 'TRP123'"))[0]["taken"] == 0
    assert await refusal(desk, "payments.request", "maya", "customer", booking=booking["id"]) == "wrong_status"
    (payment,) = await desk.rows("SELECT status FROM payments")
    assert (payment["status"], link["status"]) == ("CANCELLED", "PENDING")


async def test_a_change_moves_seats_and_price_or_nothing(desk: Desk) -> None:
    await desk.acting.db.execute("UPDATE trips SET seats = 5 WHERE code = 'TRP123'")
    booking = await desk.run("bookings.create", "maya", "customer", quote=(await sent(desk, trip=1))["id"])
    code = booking["code"]
    bigger = await desk.run("bookings.change", "anita", "sales", booking=code, people=4)
    assert (bigger["people"], bigger["total"]) == (4, "5600.00")
    moved = await desk.run("bookings.change", "anita", "sales", booking=code, trip="TRP130")
    assert moved["trip"] == "TRP130"
    assert await desk.rows("SELECT code, taken FROM trips WHERE taken > 0") == [{"code": "TRP130", "taken": 4}]
    await desk.run("bookings.cancel", "maya", "customer", booking=code, reason="ill")
    assert await desk.rows("SELECT code FROM trips WHERE taken > 0") == []
    assert await refusal(desk, "bookings.change", "anita", "sales", booking=code, people=1) == "wrong_status"


async def test_customers_see_their_own_bookings_only(desk: Desk) -> None:
    booking = await desk.run("bookings.create", "maya", "customer", quote=(await sent(desk))["id"])
    for name, more in (("bookings.show", {}), ("bookings.cancel", {}), ("payments.request", {})):
        assert await refusal(desk, name, "noor", "customer", booking=booking["id"], **more) == "not_found"
    assert await desk.run("bookings.find", "noor", "customer", text="what about BKG1") == []
    assert [one["code"] for one in await desk.run("bookings.find", "maya", "customer", text="what about bkg1")] == [
        "BKG1"
    ]
    assert [one["name"] for one in await desk.run("bookings.mine", "maya", "customer", text="my booking")] == [
        "BKG1 Everest Base Camp"
    ]
    await desk.run("bookings.ask_change", "maya", "customer", booking=booking["id"], text="one more day please")
    assert (await desk.news())[-1] == ("anita", "booking.change_asked")


async def test_a_lead_is_for_a_trek_and_a_person_that_are_there(desk: Desk) -> None:
    for wrong in ({"trek": 4711}, {"trek": 1, "contact": 4711}):
        assert await refusal(desk, "leads.create", "anita", "sales", people=2, **wrong) == "not_found"
    assert await desk.rows("SELECT FROM leads") == await desk.rows("SELECT FROM timeline_entries") == []


async def test_what_a_change_notes_is_what_it_changed(desk: Desk) -> None:
    """Change and note are one statement: each entry names its object, and nothing is noted that did not happen."""
    first = await sent(desk)
    second = await desk.run("quotes.draft", "anita", "sales", lead=first["lead"], trip="TRP130")
    assert (second["version"], second["trip"], second["status"]) == (2, "TRP130", "DRAFT")
    noted = await desk.rows(
        "SELECT object_id, content FROM timeline_entries WHERE object_type = 'quote' ORDER BY entry_id"
    )
    entries = [(row["object_id"], json.loads(row["content"])) for row in noted]
    lead = int(first["lead"].removeprefix("LEAD"))
    assert [(number, entry["action"], entry.get("version")) for number, entry in entries] == [
        (first["id"], "QUOTE_DRAFTED", 1), (first["id"], "QUOTE_SENT", None), (first["id"], "QUOTE_REPLACED", None),
        (second["id"], "QUOTE_DRAFTED", 2),
    ]  # fmt: skip
    assert {entry["lead_id"] for _, entry in entries} == {lead}
    assert second["items"] == (await desk.run("quotes.show", "anita", "sales", quote=second["id"]))["items"]
    with pytest.raises(ActionError):
        await desk.run("quotes.accept", "anita", "sales", quote=second["id"])
    assert len(await desk.rows("SELECT FROM timeline_entries WHERE object_type = 'quote'")) == 4


async def test_seats_are_never_oversold_however_many_book_at_once(
    database: Postgres, people: tuple[Channel, dict[str, ContactId]], desk: Desk
) -> None:
    """Thirty bookings of one to three people, on connections of their own, for twelve seats."""
    found = [await sent(desk, items=None, trip=1, people=1 + n % 3) for n in range(30)]
    await desk.acting.db.execute("COMMIT; BEGIN")
    await desk.acting.db.execute(f"SELECT set_config('app.tenant_id', '{desk.acting.tenant_id}', true)")

    async def book(quote: dict[str, Any]) -> int:
        with contextlib.suppress(ActionError):
            async with database.tenant(desk.acting.tenant_id) as db:
                acting = replace(desk.by("anita", "sales"), db=db)
                await SERVICES["bookings.create"].function(acting, quote=quote["id"])
            return int(quote["people"])
        return 0

    taken = await asyncio.gather(*(book(quote) for quote in found))
    (trip,) = await desk.rows("SELECT seats, taken FROM trips WHERE code = 'TRP123'")
    (booked,) = await desk.rows("SELECT sum(people) AS people FROM bookings")
    assert trip["taken"] == sum(taken) == booked["people"]
    assert trip["seats"] - 2 <= trip["taken"] <= trip["seats"], "full, but for what no party fits into"


# --- Payments ---------------------------------------------------------------------------------------------------------


async def pending(desk: Desk, **more: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A booking, its payment link, and the link's reference."""
    booking = await desk.run("bookings.create", "maya", "customer", quote=(await sent(desk, **more))["id"])
    request = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
    parts = read_link(request["link"].rpartition("/")[2])
    assert parts is not None
    await desk.news()
    return booking, request, parts[1]


def event(reference: str, kind: str = "paid", number: int = 1, amount: str = "2800.00") -> GatewayEvent:
    return GatewayEvent(
        event_id=f"evt_{number}",
        kind=kind,
        reference=reference,
        amount=Decimal(amount),
        currency="USD",  # type: ignore[arg-type]
    )


async def test_a_booking_has_one_open_link(desk: Desk) -> None:
    booking, first, _ = await pending(desk)
    again = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
    by_sales = await desk.run("payments.request", "anita", "sales", booking=booking["id"])
    assert first["link"] == again["link"] == by_sales["link"]
    await desk.run("bookings.change", "anita", "sales", booking=booking["id"], total="2700")
    other = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
    assert (other["amount"], other["link"] == first["link"]) == ("2700.00", False)


async def test_a_payment_confirms_the_booking_once_however_often_it_is_told(desk: Desk) -> None:
    booking, _, reference = await pending(desk)
    told = [await payments.take_event(desk.acting, "demo", event(reference)) for _ in range(3)]
    assert told == ["done", "known", "known"]
    assert await desk.news() == [("maya", "booking.paid"), ("anita", "booking.paid")]
    shown = await desk.run("bookings.show", "maya", "customer", booking=booking["id"])
    assert (shown["status"], shown["paid"], shown["due"]) == ("CONFIRMED", "2800.00", "0.00")
    assert await payments.take_event(desk.acting, "demo", event(reference, number=2)) == "ignored"
    assert await refusal(desk, "payments.request", "maya", "customer", booking=booking["id"]) == "paid"


async def test_a_wrong_amount_pays_nothing(desk: Desk) -> None:
    booking, _, reference = await pending(desk)
    assert await payments.take_event(desk.acting, "demo", event(reference, amount="2.80")) == "wrong_amount"
    assert await payments.take_event(desk.acting, "other", event(reference)) == "unknown"
    assert await payments.take_event(desk.acting, "demo", event("nothing")) == "unknown"
    assert (await desk.run("bookings.show", "maya", "customer", booking=booking["id"]))["paid"] == "0.00"


async def test_a_failed_try_leaves_the_link_open(desk: Desk) -> None:
    _, _, reference = await pending(desk)
    assert await payments.take_event(desk.acting, "demo", event(reference, "failed", 1)) == "done"
    assert await desk.news() == [("maya", "payment.failed")]
    assert await payments.take_event(desk.acting, "demo", event(reference, "paid", 2)) == "done"


async def test_money_that_comes_late_is_taken_if_there_are_seats_and_given_back_if_not(desk: Desk) -> None:
    booking, _, reference = await pending(desk, trip=1)
    await bookings.expire_bookings(replace(desk.acting, at=EPOCH + timedelta(hours=48)))
    await desk.news()
    await payments.take_event(desk.acting, "demo", event(reference))
    assert (await desk.run("bookings.show", "maya", "customer", booking=booking["id"]))["status"] == "CONFIRMED"
    assert await desk.news() == [("maya", "booking.paid"), ("anita", "booking.paid")]

    other, _, reference = await pending(desk, trip=2)
    await bookings.expire_bookings(replace(desk.acting, at=EPOCH + timedelta(hours=48)))
    await desk.run("trips.set_seats", "omar", "operations", trip=2, seats=1)
    await desk.news()
    await payments.take_event(desk.acting, "demo", event(reference, number=9))
    assert await desk.news() == [("tenzing", "payment.stranded"), ("rita", "payment.stranded")]
    await desk.run("payments.refund", "tenzing", "manager", payment=2)
    shown = await desk.run("bookings.show", "anita", "sales", booking=other["id"])
    assert (shown["status"], shown["paid"]) == ("EXPIRED", "0.00")


async def test_cash_counts_and_makes_a_new_link_for_the_rest(desk: Desk) -> None:
    booking, first, _ = await pending(desk)
    await desk.run("payments.record", "anita", "sales", booking=booking["id"], amount="800", note="cash")
    rest = await desk.run("payments.request", "maya", "customer", booking=booking["id"])
    assert (rest["amount"], rest["link"] == first["link"]) == ("2000.00", False)
    await desk.run("payments.record", "anita", "sales", booking=booking["id"], amount="2000")
    assert (await desk.run("bookings.show", "maya", "customer", booking=booking["id"]))["status"] == "CONFIRMED"


async def test_a_link_is_known_by_its_signature(desk: Desk) -> None:
    _, request, reference = await pending(desk)
    tag = request["link"].rpartition(".")[2]
    found = await payments.find_link(desk.acting, reference, tag)
    assert found is not None
    assert (found["amount"], found["title"]) == ("2800.00", "Everest Base Camp, 2 people")
    assert await payments.find_link(desk.acting, reference, tag[:-1] + ("0" if tag[-1] != "0" else "1")) is None
    assert await payments.find_link(replace(desk.acting, at=EPOCH + timedelta(days=3)), reference, tag) == {
        **found, "status": "EXPIRED",
    }  # fmt: skip


@pytest.mark.parametrize("token", ["", "1", "1.a", "x.a.b", "1.a.b.c", "٣.a.b", "1." + "a" * 300 + ".b"])
def test_what_is_no_link_is_none(token: str) -> None:
    assert read_link(token) is None


def test_a_gateways_webhook_is_believed_only_with_its_signature_and_while_it_is_fresh() -> None:
    gateway = DemoGateway(KEY)
    headers, body = gateway.write_webhook(event("ref"), EPOCH)
    assert gateway.read_webhook(headers, body, EPOCH) == event("ref")
    for bad_headers, bad_body, at in (
        (headers, body + b" ", EPOCH),
        ({}, body, EPOCH),
        (headers, body, EPOCH + timedelta(minutes=6)),
        (DemoGateway(b"other").write_webhook(event("ref"), EPOCH)[0], body, EPOCH),
    ):
        with pytest.raises(BadWebhookError):
            gateway.read_webhook(bad_headers, bad_body, at)


@pytest.mark.parametrize("value", ["x", "", "-1", "1.234", "NaN", "1e20", 1.5, None, "Infinity"])
def test_an_amount_is_exact_or_refused(value: Any) -> None:
    with pytest.raises(ActionError):
        money(value)
    assert money("1,450.5") == Decimal("1450.50")


async def test_what_the_desk_does_is_in_the_audit(desk: Desk) -> None:
    trail: list[AuditEntry] = []
    kept = replace(desk, acting=replace(desk.acting, trail=trail))
    await sent(kept)
    await kept.run("leads.find", "anita", "sales", text="LEAD1")
    assert [entry.action for entry in trail] == ["leads.create", "quotes.draft", "quotes.send"]
    assert trail[2].actor == f"contact:{desk.people['anita']}"
    assert trail[2].detail == {"role": "sales", "source": "WEB", "id": 1, "status": "SENT"}
