"""Every change of every object: what is in its table happens, everything else is refused with the reason."""

from dataclasses import dataclass
from typing import Any

import pytest
from operations.conftest import Desk

from bot.core.errors import ActionError
from bot.operations import LIFECYCLES
from bot.operations.lifecycle import words

CASES = [
    (name, change, status) for name, one in LIFECYCLES.items() for change in one.changes for status in one.statuses
]


@pytest.mark.parametrize(("name", "change", "status"), CASES)
def test_a_change_is_made_as_the_table_says_or_refused_with_the_reason(name: str, change: str, status: str) -> None:
    lifecycle = LIFECYCLES[name]
    rule = lifecycle.changes[change]
    if status in rule.sources:
        assert lifecycle.after(change, status) == rule.target
        assert lifecycle.allows(change, status)
        return
    with pytest.raises(ActionError) as refused:
        lifecycle.after(change, status)
    assert refused.value.code == lifecycle.code
    assert str(refused.value) == f"{lifecycle.thing} that is {words(status)} cannot be {rule.done}."
    assert not lifecycle.allows(change, status)


@pytest.mark.parametrize("name", list(LIFECYCLES))
def test_every_status_can_be_reached_and_is_one_the_table_allows(name: str) -> None:
    lifecycle = LIFECYCLES[name]
    reached, waiting = set(), [lifecycle.first]
    while waiting:
        status = waiting.pop()
        reached.add(status)
        waiting += [
            change.target
            for change in lifecycle.changes.values()
            if status in change.sources and change.target not in reached
        ]
    assert reached == set(lifecycle.statuses)


# --- The same, asked of the services ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Where the status of a kind of object stands, and what is done to it by whom."""

    table: str
    key: str
    changes: dict[str, tuple[str, str, dict[str, Any]]]
    """By change: service, role, arguments; `#` stands for the object's number."""


SALES, OPS, BOSS, GUIDE = "sales", "operations", "manager", "field_staff"
ROWS = {
    "lead": Row("leads", "lead_id", {
        "quote": ("quotes.draft", SALES, {"lead": "#"}), "lose": ("leads.lose", SALES, {"lead": "#"}),
        "reopen": ("leads.reopen", SALES, {"lead": "#"}),
    }),
    "quote": Row("quotes", "quote_id", {
        "send": ("quotes.send", SALES, {"quote": "#"}), "accept": ("quotes.accept", SALES, {"quote": "#"}),
        "decline": ("quotes.decline", SALES, {"quote": "#"}), "withdraw": ("quotes.withdraw", SALES, {"quote": "#"}),
    }),
    "booking": Row("bookings", "booking_id", {
        "complete": ("bookings.complete", SALES, {"booking": "#"}),
        "cancel": ("bookings.cancel", SALES, {"booking": "#"}),
        "change": ("bookings.change", SALES, {"booking": "#", "people": 3}),
    }),
    "payment": Row("payments", "payment_id", {"refund": ("payments.refund", BOSS, {"payment": "#"})}),
    "trip": Row("trips", "trip_id", {
        "start": ("trips.start", OPS, {"trip": "#"}), "complete": ("trips.complete", OPS, {"trip": "#"}),
        "cancel": ("trips.cancel", OPS, {"trip": "#", "reason": "snow"}),
    }),
    "assignment": Row("trip_assignments", "trip_id", {
        "confirm": ("staff.confirm", GUIDE, {"trip": "#"}), "decline": ("staff.decline", GUIDE, {"trip": "#"}),
        "release": ("staff.release", OPS, {"trip": "#", "person": "pasang"}),
        "assign": ("staff.assign", OPS, {"trip": "#", "person": "pasang"}),
    }),
    "incident": Row("incidents", "incident_id", {
        "acknowledge": ("incidents.acknowledge", OPS, {"incident": "#"}),
        "resolve": ("incidents.resolve", OPS, {"incident": "#"}),
        "reopen": ("incidents.reopen", OPS, {"incident": "#"}),
    }),
    "approval": Row("approvals", "approval_id", {
        "approve": ("approvals.decide", BOSS, {"approval": "#", "approve": True}),
        "reject": ("approvals.decide", BOSS, {"approval": "#", "approve": False}),
    }),
    "feedback": Row("feedback", "feedback_id", {"handle": ("feedback.handle", SALES, {"feedback": "#"})}),
    "broadcast": Row("whatsapp_broadcast_lists", "broadcast_id", {
        "schedule": ("broadcasts.start", BOSS, {"broadcast": "#"}),
        "pause": ("broadcasts.pause", OPS, {"broadcast": "#"}),
        "resume": ("broadcasts.resume", OPS, {"broadcast": "#"}),
        "cancel": ("broadcasts.cancel", OPS, {"broadcast": "#"}),
        "retry": ("broadcasts.retry", OPS, {"broadcast": "#"}),
    }),
    "invite": Row("staff_invites", "invite_id", {"revoke": ("staff.revoke_invite", BOSS, {"invite": "#"})}),
    "merge": Row("contact_merges", "merge_id", {"undo": ("people.unmerge", BOSS, {"merge": "#"})}),
}  # fmt: skip
BY = {SALES: "anita", OPS: "omar", BOSS: "tenzing", GUIDE: "pasang"}
INSIDE = {
    "quote": {"submit", "approve", "reject", "expire", "replace"}, "booking": {"confirm", "revive", "expire", "move"},
    "payment": {"pay", "expire", "cancel"}, "lead": {"convert"}, "broadcast": {"ask", "refuse", "begin", "finish"},
    "approval": {"withdraw"}, "invite": {"use", "expire"}, "handoff": {"take", "return"},
}  # fmt: skip
"""Changes that follow from others, and are asked for by nobody."""


async def one_of_each(desk: Desk) -> dict[str, int]:
    """An object of each kind, by its number."""
    lead = (await desk.run("leads.create", "maya", "customer", trek=1, people=2))["id"]
    quote = (await desk.run("quotes.draft", "anita", SALES, lead=lead))["id"]
    await desk.run("quotes.send", "anita", SALES, quote=quote)
    booking = (await desk.run("bookings.create", "maya", "customer", quote=quote))["id"]
    payment = (await desk.run("payments.request", "maya", "customer", booking=booking))["id"]
    incident = (await desk.run("incidents.create", "pasang", GUIDE, trip=1, text="Flat tyre"))["id"]
    asked = {"object_type": "discount", "object_id": 1, "subject": "May I?"}
    approval = (await desk.run("approvals.request", "anita", SALES, **asked))["id"]
    feedback = (await desk.run("feedback.give", "maya", "customer", rating=4))["id"]
    broadcast = (await desk.run("broadcasts.draft", "omar", OPS, name="x", template="x", marketing=False))["id"]
    await desk.run("staff.release", "omar", OPS, trip=2, person=desk.people["pasang"])  # else he is busy
    invite = (await desk.run("staff.invite", "tenzing", BOSS, roles="sales"))["id"]
    merge = await desk.run("people.merge", "tenzing", BOSS, keep=desk.people["maya"], gone=desk.people["noor"])
    return {
        "lead": lead, "quote": quote, "booking": booking, "payment": payment, "trip": 1, "assignment": 1,
        "incident": incident, "approval": approval, "feedback": feedback, "broadcast": broadcast, "invite": invite,
        "merge": merge["id"],
    }  # fmt: skip


async def test_services_refuse_what_the_tables_do_not_allow(desk: Desk) -> None:
    """Every kind of object, in every status, and everything that can be done to it: refused with the reason, or not."""
    numbers = await one_of_each(desk)
    for name, row in ROWS.items():
        lifecycle = LIFECYCLES[name]
        assert set(lifecycle.changes) == set(row.changes) | INSIDE.get(name, set()), name
        for change, (service, role, arguments) in row.changes.items():
            for status in lifecycle.statuses:
                reason = await reason_against(desk, row, numbers[name], status, service, role, arguments)
                rule = lifecycle.changes[change]
                if status in rule.sources:
                    assert reason is None, (service, status, reason)
                else:
                    assert reason == f"{lifecycle.thing} that is {words(status)} cannot be {rule.done}.", service


async def reason_against(
    desk: Desk, row: Row, number: int, status: str, service: str, role: str, arguments: dict[str, Any]
) -> str | None:
    """Why a service refuses an object in a status; None when it does not. Nothing is left of it."""
    given = {name: number if value == "#" else desk.people.get(value, value) for name, value in arguments.items()}  # type: ignore[call-overload]
    await desk.acting.db.execute("SAVEPOINT before")
    try:
        await desk.acting.db.execute("UPDATE leads SET status = 'QUOTED'")  # as its quote needs it
        await desk.acting.db.execute("UPDATE bookings SET paid = total")  # as its payment does
        await desk.acting.db.execute(f"UPDATE {row.table} SET status = $1 WHERE {row.key} = $2", status, number)
        await desk.run(service, BY[role], role, **given)
    except ActionError as error:
        return str(error) if error.code in ("wrong_status", "not_open") else None
    finally:
        await desk.acting.db.execute("ROLLBACK TO SAVEPOINT before")
    return None
