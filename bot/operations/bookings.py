"""Bookings: what a customer has agreed to, the seats it holds, and what is still to pay."""

import re
from decimal import Decimal
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import leads, news, quotes, timeline, trips
from bot.operations.acting import Acting, ident, money, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services
from bot.operations.terms import Terms

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A booking",
    "PENDING",
    {
        "confirm": Change(("PENDING",), "CONFIRMED", "confirmed"),
        "revive": Change(("EXPIRED",), "CONFIRMED", "confirmed"),
        "complete": Change(("CONFIRMED",), "COMPLETED", "completed"),
        "expire": Change(("PENDING",), "EXPIRED", "let go"),
        "cancel": Change(("PENDING", "CONFIRMED"), "CANCELLED", "cancelled"),
        "change": Change(("PENDING",), "PENDING", "changed"),
        "move": Change(("CONFIRMED",), "CONFIRMED", "moved to another trip"),
    },
)

_CODE = re.compile(r"\bBKG\d{1,12}\b", re.IGNORECASE)
_MOST_TEXT = 500

_CREATE = """
INSERT INTO bookings (tenant_id, contact_id, lead_id, quote_id, trip_id, people, currency, total, hold_until,
                      conversation_id, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8,
       $10::timestamptz + coalesce((SELECT s.hold_hours FROM business_settings s WHERE s.tenant_id = $1), $11)
                          * interval '1 hour', $9, $10
RETURNING *
"""
_SELECT = """
SELECT b.*, c.name AS customer, t.code AS trip, t.starts_on, k.name AS trek, l.month, l.assignee_id
FROM bookings b
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = b.contact_id
LEFT JOIN trips t ON t.tenant_id = $1 AND t.trip_id = b.trip_id
LEFT JOIN leads l ON l.tenant_id = $1 AND l.lead_id = b.lead_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = coalesce(t.trek_id, l.trek_id)
"""
_ONE = f"{_SELECT} WHERE b.tenant_id = $1 AND b.booking_id = $2 FOR UPDATE OF b"
_OF_QUOTE = "SELECT booking_id FROM bookings WHERE tenant_id = $1 AND quote_id = $2"
_FIND = f"""{_SELECT}
WHERE b.tenant_id = $1 AND b.booking_id = ANY ($2::bigint[]) AND ($3::bigint IS NULL OR b.contact_id = $3)
ORDER BY array_position($2::bigint[], b.booking_id)
"""
_OF_CONTACT = f"""{_SELECT}
WHERE b.tenant_id = $1 AND b.contact_id = $2 AND b.status IN ('PENDING', 'CONFIRMED')
ORDER BY b.booking_id DESC LIMIT $3
"""
_SET_STATUS = """
UPDATE bookings SET status = $3, reason = coalesce($4, reason),
                    confirmed_at = CASE WHEN $3 = 'CONFIRMED' THEN coalesce(confirmed_at, $5) ELSE confirmed_at END
WHERE tenant_id = $1 AND booking_id = $2 RETURNING booking_id
"""
_PAY = "UPDATE bookings SET paid = paid + $3 WHERE tenant_id = $1 AND booking_id = $2"
_CHANGE = """
UPDATE bookings SET trip_id = $3, people = $4, total = $5 WHERE tenant_id = $1 AND booking_id = $2
"""
_CANCEL_LINKS = "UPDATE payments SET status = $3 WHERE tenant_id = $1 AND booking_id = $2 AND status = 'PENDING'"
_OVERDUE = """
SELECT booking_id, trip_id FROM bookings WHERE tenant_id = $1 AND status = 'PENDING' AND hold_until <= $2
ORDER BY hold_until LIMIT $3 FOR UPDATE SKIP LOCKED
"""


@SERVICES.service("bookings.create", "enquire", "convert_bookings")
async def create_booking(acting: Acting, *, quote: int | str, trip: int | str | None = None) -> dict[str, Any]:
    """Make a booking of a quote; the seats are held until it is paid. Doing it again returns the same booking.

    The customer hears `booking.created` when somebody else does it, and the lead is converted.

    Args:
        acting: Who and when: the customer, or sales in their name.
        quote: A quote that is sent or accepted.
        trip: The departure; unset: the quote's. Without one, no seats are taken yet.

    Returns:
        As `bookings.show`.

    Raises:
        ActionError: `no_seats`, `expired`, or `wrong_status`.
    """
    row = await quotes.quote_row(acting, quote)
    steps = []
    if row["status"] == "ACCEPTED":
        known = await acting.db.fetchval(_OF_QUOTE, acting.tenant_id, row["quote_id"])
        if known is not None:
            return _card(await booking_row(acting, known))
    else:
        steps.append(quotes.accepting(acting, row))
    steps.append(leads.moving(row["lead_id"], row["lead_status"], "convert", "LEAD_CONVERTED"))
    where = (await trips.trip_row(acting, trip))["trip_id"] if trip else row["trip_id"]
    seats = await trips.take_seats(acting, where, row["people"]) if where is not None else None
    creating = timeline.step(
        _CREATE, row["contact_id"], row["lead_id"], row["quote_id"], where, row["people"], row["currency"],
        row["total"], row["conversation_id"], acting.at, Terms().hold_hours,
        on=("booking", "booking_id"), action="BOOKING_CREATED", quote_id=row["quote_id"], trip_id=where,
    )  # fmt: skip
    (made,) = await timeline.do(acting, *steps, creating)
    there = {"trip": None, "starts_on": None, "trek": row["trek"]}
    if seats is not None:
        there = {"trip": seats["code"], "starts_on": seats["starts_on"], "trek": seats["name"]}
    card = _card({**dict(made.items()), **there, "customer": row["customer"], "month": row["month"]})
    await news.tell_people(acting, [ContactId(row["contact_id"]), row["assignee_id"]], "booking.created", card)
    if row["total"] == 0:
        return await settle(acting, made["booking_id"], Decimal(0))
    return card


@SERVICES.service("bookings.change", "convert_bookings")
async def change_booking(
    acting: Acting,
    *,
    booking: int | str,
    people: int | str | None = None,
    trip: int | str | None = None,
    total: str | int | None = None,
) -> dict[str, Any]:
    """Change the party or the departure. The customer hears `booking.changed`.

    Args:
        acting: Who and when.
        booking: Which. Once it is confirmed, only its trip can be changed.
        people: The party's new size; the total follows it, unless `total` says otherwise.
        trip: The new departure.
        total: The new price of it all.

    Raises:
        ActionError: `no_seats`; the booking stays as it was.
    """
    row = await booking_row(acting, booking)
    party = whole(people, "The number of people", least=1, most=1000) if people is not None else row["people"]
    price = row["total"] * party / row["people"] if total is None else money(total, "The total")
    same = party == row["people"] and price == row["total"]
    LIFECYCLE.after("move" if same and row["status"] == "CONFIRMED" else "change", row["status"])
    if trip and row["trip_id"] is not None:
        await trips.lock_both(acting, row["trip_id"], trip)
    where = (await trips.trip_row(acting, trip))["trip_id"] if trip else row["trip_id"]
    if row["trip_id"] is not None:
        await trips.give_back_seats(acting, row["trip_id"], row["people"])
    if where is not None:
        await trips.take_seats(acting, where, party)
    price = price.quantize(Decimal("0.01"))
    await acting.db.execute(_CHANGE, acting.tenant_id, row["booking_id"], where, party, price)
    if price != row["total"]:
        await close_links(acting, row["booking_id"])
    await timeline.record(
        acting, "booking", row["booking_id"], "BOOKING_CHANGED", people=party, trip_id=where, total=str(price)
    )
    card = _card(await booking_row(acting, row["booking_id"]))
    await news.tell_people(acting, [ContactId(row["contact_id"])], "booking.changed", card)
    return card


@SERVICES.service("bookings.ask_change", "see_own")
async def ask_change(acting: Acting, *, booking: int | str, text: str) -> dict[str, Any]:
    """A customer would like something changed. Who looks after them hears `booking.change_asked`."""
    row = await booking_row(acting, booking)
    words = text_of(text, "What should change")
    await timeline.note(acting, "booking", row["booking_id"], words)
    asked = {**_card(row), "text": words}
    if row["assignee_id"] is not None:
        await news.tell_people(acting, [row["assignee_id"]], "booking.change_asked", asked)
    else:
        await news.tell_role(acting, "sales", "booking.change_asked", asked)
    return _card(row)


@SERVICES.service("bookings.cancel", "see_own", "convert_bookings")
async def cancel_booking(acting: Acting, *, booking: int | str, reason: str = "") -> dict[str, Any]:
    """Cancel a booking: its seats are free again, its payment link is dead. Money is given back by `payments.refund`.

    Customer and who looks after them hear `booking.cancelled`, but for the one who does it.
    """
    row = await booking_row(acting, booking)
    words = text_of(reason, "The reason", needed=False)
    cancelled = await _move(acting, row, "cancel", "BOOKING_CANCELLED", reason=words)
    await _free(acting, row)
    await news.tell_people(
        acting, [row["contact_id"], row["assignee_id"]], "booking.cancelled", {**cancelled, "reason": words}
    )
    return cancelled


@SERVICES.service("bookings.complete", "convert_bookings", "manage_trips")
async def complete_booking(acting: Acting, *, booking: int | str) -> dict[str, Any]:
    """The trip is over. The customer hears `booking.completed`: time to ask how it was."""
    row = await booking_row(acting, booking)
    done = await _move(acting, row, "complete", "BOOKING_COMPLETED")
    await news.tell_people(acting, [ContactId(row["contact_id"])], "booking.completed", done)
    return done


@SERVICES.service("bookings.show", "see_own", "convert_bookings", "manage_trips")
async def show_booking(acting: Acting, *, booking: int | str) -> dict[str, Any]:
    """All about a booking.

    Returns:
        `id`, `code`, `status`, `customer`, `trek`, `month`, `trip`, `starts_on`, `people`, `currency`, `total`,
        `paid`, `due`, `hold_until`; amounts are decimal strings.
    """
    return _card(await booking_row(acting, booking))


@SERVICES.service("bookings.list", "see_own")
async def list_bookings(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """The live bookings of whoever asks, newest first: `count` and `items`."""
    rows = await acting.db.fetch(_OF_CONTACT, acting.tenant_id, acting.me, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


@SERVICES.lookup("bookings.find", "see_own", "convert_bookings", "manage_trips")
async def find_bookings(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The bookings whose codes stand in a text; customers find their own."""
    codes = [ident(code, "BKG") for code in dict.fromkeys(_CODE.findall(text[:_MOST_TEXT]))]
    rows = await acting.db.fetch(_FIND, acting.tenant_id, codes, acting.owner) if codes else []
    return [_card(row) | {"name": _name(row)} for row in rows]


@SERVICES.lookup("bookings.mine", "see_own")
async def find_mine(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """One's own live bookings: those whose code or trek a text names, else all of them."""
    rows = await acting.db.fetch(_OF_CONTACT, acting.tenant_id, acting.me, 10)
    plain = text[:_MOST_TEXT].casefold()
    named = [row for row in rows if f"bkg{row['booking_id']}" in plain or (row["trek"] or "\0").casefold() in plain]
    return [_card(row) | {"name": _name(row)} for row in named or rows]


# --- For the other services -------------------------------------------------------------------------------------------


async def booking_row(acting: Acting, booking: int | str) -> Any:
    """A booking, locked.

    Raises:
        ActionError: `not_found`; a customer finds only their own.
    """
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(booking, "BKG"))
    if row is None or (acting.is_customer and row["contact_id"] != acting.contact_id):
        raise ActionError("not_found", f"There is no booking {booking}.")
    return row


async def settle(acting: Acting, booking: int, amount: Decimal) -> dict[str, Any]:
    """Money has come in. Paid in full, a booking is confirmed; customer and who looks after them hear `booking.paid`.

    A booking that was let go meanwhile is confirmed all the same if its trip still has room. If not, or if it was
    cancelled, managers hear `payment.stranded`: somebody has to give the money back.
    """
    row = await booking_row(acting, booking)
    await acting.db.execute(_PAY, acting.tenant_id, row["booking_id"], amount)
    row = await booking_row(acting, booking)
    card, full = _card(row), row["paid"] >= row["total"]
    if full and LIFECYCLE.allows("confirm", row["status"]):
        card = await _move(acting, row, "confirm", "BOOKING_CONFIRMED")
    elif full and LIFECYCLE.allows("revive", row["status"]) and await _retaken(acting, row):
        card = await _move(acting, row, "revive", "BOOKING_CONFIRMED")
    elif row["status"] in ("EXPIRED", "CANCELLED"):
        await timeline.record(acting, "booking", row["booking_id"], "PAYMENT_STRANDED", amount=str(amount))
        await news.tell_role(acting, "manager", "payment.stranded", {**card, "amount": str(amount)})
        return card
    await news.tell_people(acting, [row["contact_id"], row["assignee_id"]], "booking.paid", card)
    return card


async def unsettle(acting: Acting, booking: int, amount: Decimal) -> None:
    """Money was given back."""
    await acting.db.execute(_PAY, acting.tenant_id, booking, -amount)


async def close_links(acting: Acting, booking: int) -> None:
    """Make the open payment link of a booking useless."""
    await acting.db.execute(_CANCEL_LINKS, acting.tenant_id, booking, "CANCELLED")


async def expire_bookings(acting: Acting, *, most: int = 100) -> int:
    """Let bookings go that were not paid in time; customer and who looks after them hear `booking.expired`."""
    overdue = await acting.db.fetch(_OVERDUE, acting.tenant_id, acting.at, most)
    for one in sorted(overdue, key=lambda one: one["trip_id"] or 0):  # trips are locked in the order of their numbers
        row = await booking_row(acting, one["booking_id"])
        expired = await _move(acting, row, "expire", "BOOKING_EXPIRED")
        await _free(acting, row)
        await news.tell_people(acting, [row["contact_id"], row["assignee_id"]], "booking.expired", expired)
    return len(overdue)


async def _retaken(acting: Acting, row: Any) -> bool:
    """Whether the seats of a booking that was let go could be had again."""
    if row["trip_id"] is None:
        return True
    try:
        await trips.take_seats(acting, row["trip_id"], row["people"])
    except ActionError:
        return False
    return True


async def _free(acting: Acting, row: Any) -> None:
    if row["trip_id"] is not None:
        await trips.give_back_seats(acting, row["trip_id"], row["people"])
    await close_links(acting, row["booking_id"])


async def _move(acting: Acting, row: Any, change: str, action: str, *, reason: str | None = None) -> dict[str, Any]:
    status = LIFECYCLE.after(change, row["status"])
    await timeline.change(
        acting, _SET_STATUS, row["booking_id"], status, reason, acting.at, on=("booking", row["booking_id"]),
        action=action, **({"reason": reason} if reason is not None else {}),
    )  # fmt: skip
    return {**_card(row), "status": status}


def _name(row: Any) -> str:
    return f"BKG{row['booking_id']} {row['trek'] or ''}".strip()


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["booking_id"],
        "code": f"BKG{row['booking_id']}",
        "status": row["status"],
        "customer": row["customer"],
        "trek": row["trek"],
        "month": row["month"],
        "trip": row["trip"],
        "starts_on": row["starts_on"].isoformat() if row["starts_on"] is not None else None,
        "people": row["people"],
        "currency": row["currency"],
        "total": str(row["total"]),
        "paid": str(row["paid"]),
        "due": str(max(row["total"] - row["paid"], Decimal("0.00"))),
        "hold_until": row["hold_until"].isoformat(),
    }
