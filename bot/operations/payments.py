"""Payments: asking for money with a signed link, and what gateways tell of it."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import bookings, news, timeline
from bot.operations.acting import Acting, ident, money, text_of
from bot.operations.gateways import GatewayEvent, is_ours, link_path
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services
from bot.operations.terms import Terms, terms_of

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A payment",
    "PENDING",
    {
        # Money that comes late has come all the same.
        "pay": Change(("PENDING", "EXPIRED", "CANCELLED"), "PAID", "paid"),
        "refund": Change(("PAID",), "REFUNDED", "given back"),
        "expire": Change(("PENDING",), "EXPIRED", "expired"),
        "cancel": Change(("PENDING",), "CANCELLED", "cancelled"),
    },
)

_MANUAL = "manual"
_GRACE = timedelta(days=30)
"""How long the link of a confirmed booking's rest is good."""

_OPEN = """
SELECT * FROM payments WHERE tenant_id = $1 AND booking_id = $2 AND status = 'PENDING' FOR UPDATE
"""
_CREATE = """
INSERT INTO payments (tenant_id, booking_id, amount, currency, gateway, reference, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
"""
_BY_REFERENCE = "SELECT * FROM payments WHERE tenant_id = $1 AND reference = $2"
_BY_ID = "SELECT * FROM payments WHERE tenant_id = $1 AND payment_id = $2"
_ONE = f"{_BY_ID} FOR UPDATE"
_SET_STATUS = """
UPDATE payments SET status = $3, paid_at = CASE WHEN $3 = 'PAID' THEN $4 ELSE paid_at END
WHERE tenant_id = $1 AND payment_id = $2 RETURNING payment_id
"""
_TOLD = """
INSERT INTO payment_events (tenant_id, gateway, event_id, payment_id, kind, received_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING event_id
"""
_OF_BOOKING = "SELECT * FROM payments WHERE tenant_id = $1 AND booking_id = $2 ORDER BY payment_id"


@SERVICES.service("payments.request", "pay", "convert_bookings")
async def request_payment(acting: Acting, *, booking: int | str) -> dict[str, Any]:
    """Ask for what is still to pay. A booking has one open link: asking again returns the same.

    The customer hears `payment.requested` when somebody else asks.

    Returns:
        `id`, `code`, `booking`, `amount`, `currency`, `link`, `expires_at`.

    Raises:
        ActionError: `paid`, when nothing is due; `wrong_status`, when the booking is over; `no_gateway`, when this
            business takes no payments online.
    """
    row = await bookings.booking_row(acting, booking)
    due = row["total"] - row["paid"]
    if due <= 0:
        raise ActionError("paid", f"BKG{row['booking_id']} is paid.")
    if row["status"] not in ("PENDING", "CONFIRMED"):
        raise ActionError("wrong_status", f"BKG{row['booking_id']} is {row['status'].lower()}.")
    terms = await terms_of(acting)
    if not terms.payment_gateway or terms.public_url is None or terms.link_key is None:
        raise ActionError("no_gateway", "Payments online are not set up: BOT_PAYMENT_GATEWAY and BOT_PUBLIC_URL.")
    payment = await _open_link(acting, row, due, terms)
    card = _card(acting, payment, terms)
    await news.tell_people(acting, [ContactId(row["contact_id"])], "payment.requested", card)
    return card


@SERVICES.service("payments.record", "convert_bookings")
async def record_payment(acting: Acting, *, booking: int | str, amount: str | int, note: str = "") -> dict[str, Any]:
    """Write down money that came another way: cash, a bank transfer."""
    row = await bookings.booking_row(acting, booking)
    paid, words = money(amount, least=Decimal("0.01")), text_of(note, "The note", needed=False, most=300)
    await bookings.close_links(acting, row["booking_id"])  # what is due is another amount now
    payment = await acting.db.fetchrow(
        _CREATE, acting.tenant_id, row["booking_id"], paid, row["currency"], _MANUAL, _reference(),
        acting.at, acting.at,
    )  # fmt: skip
    await _move(acting, payment, "pay", "PAYMENT_RECORDED", note=words)
    settled = await bookings.settle(acting, row["booking_id"], paid)
    return {"id": payment["payment_id"], "code": f"PAY{payment['payment_id']}", "booking": settled}


@SERVICES.service("payments.refund", "approve")
async def refund_payment(acting: Acting, *, payment: int | str) -> dict[str, Any]:
    """Note that money was given back. The customer hears `payment.refunded`."""
    found = await acting.db.fetchrow(_BY_ID, acting.tenant_id, ident(payment, "PAY"))
    if found is None:
        raise ActionError("not_found", f"There is no payment {payment}.")
    return await _refund(acting, await _locked(acting, found))


@SERVICES.service("payments.list", "see_own", "convert_bookings")
async def list_payments(acting: Acting, *, booking: int | str) -> dict[str, Any]:
    """What was asked and paid for a booking: `count` and `items`."""
    row = await bookings.booking_row(acting, booking)
    terms = await terms_of(acting)
    found = await acting.db.fetch(_OF_BOOKING, acting.tenant_id, row["booking_id"])
    return {"count": len(found), "items": [_card(acting, one, terms) for one in found]}


# --- Gateways and the payment page ------------------------------------------------------------------------------------


async def find_link(acting: Acting, reference: str, tag: str) -> dict[str, Any] | None:
    """What a payment link is for, or None when we have not signed it: `status`, `title` and as in `request`."""
    terms = await terms_of(acting)
    if terms.link_key is None or not is_ours(terms.link_key, acting.tenant_id, reference, tag):
        return None
    payment = await acting.db.fetchrow(_BY_REFERENCE, acting.tenant_id, reference)
    if payment is None:
        return None
    row = await bookings.booking_row(acting, payment["booking_id"])
    status = "EXPIRED" if payment["status"] == "PENDING" and payment["expires_at"] <= acting.at else payment["status"]
    title = f"{row['trek'] or 'Your trip'}, {row['people']} {'person' if row['people'] == 1 else 'people'}"
    return {**_card(acting, payment, terms), "status": status, "title": title, "reference": reference}


async def take_event(acting: Acting, gateway: str, event: GatewayEvent) -> str:
    """Act on what a gateway tells, once however often it does.

    Returns:
        What became of it: `done`, `known`, `unknown` (no such payment), `wrong_amount`, or `ignored`.
    """
    found = await acting.db.fetchrow(_BY_REFERENCE, acting.tenant_id, event.reference)
    if found is None or found["gateway"] != gateway:
        return "unknown"
    payment = await _locked(acting, found)
    fresh = await acting.db.fetchval(
        _TOLD, acting.tenant_id, gateway, event.event_id, payment["payment_id"], event.kind, acting.at
    )
    if fresh is None:
        return "known"
    if (event.amount, event.currency) != (payment["amount"], payment["currency"]):
        await timeline.record(
            acting, "booking", payment["booking_id"], "PAYMENT_AMOUNT_WRONG", payment_id=payment["payment_id"],
            amount=str(event.amount), currency=event.currency,
        )  # fmt: skip
        return "wrong_amount"
    if event.kind == "failed":
        return await _failed(acting, payment)
    change = "pay" if event.kind == "paid" else "refund"
    if not LIFECYCLE.allows(change, payment["status"]):
        return "ignored"
    if change == "refund":
        await _refund(acting, payment)
        return "done"
    await _move(acting, payment, "pay", "PAYMENT_RECEIVED", gateway=gateway)
    await bookings.settle(acting, payment["booking_id"], payment["amount"])
    return "done"


async def _locked(acting: Acting, payment: Any) -> Any:
    """A payment, locked after its booking: whoever changes both takes them in this order, and nobody waits in turn."""
    await bookings.booking_row(acting, payment["booking_id"])
    return await acting.db.fetchrow(_ONE, acting.tenant_id, payment["payment_id"])


async def _failed(acting: Acting, payment: Any) -> str:
    row = await bookings.booking_row(acting, payment["booking_id"])
    await timeline.record(acting, "booking", row["booking_id"], "PAYMENT_FAILED", payment_id=payment["payment_id"])
    card = _card(acting, payment, await terms_of(acting))
    await news.tell_people(acting, [ContactId(row["contact_id"])], "payment.failed", card)
    return "done"


async def _open_link(acting: Acting, row: Any, due: Decimal, terms: Terms) -> Any:
    payment = await acting.db.fetchrow(_OPEN, acting.tenant_id, row["booking_id"])
    if payment is not None and payment["amount"] == due and payment["expires_at"] > acting.at:
        return payment
    if payment is not None:
        overdue = payment["expires_at"] <= acting.at
        await _move(acting, payment, "expire" if overdue else "cancel", "PAYMENT_LINK_CLOSED")
    expires: datetime = row["hold_until"] if row["status"] == "PENDING" else acting.at + _GRACE
    return await timeline.change(
        acting, _CREATE, row["booking_id"], due, row["currency"], terms.payment_gateway, _reference(), acting.at,
        expires, on=("booking", row["booking_id"]), action="PAYMENT_REQUESTED", naming="payment_id", amount=str(due),
    )  # fmt: skip


def _reference() -> str:
    """What nobody guesses, in letters and digits only: `_` and `-` in a link are read as marks by chats and clients."""
    return secrets.token_hex(16)


async def _refund(acting: Acting, payment: Any) -> dict[str, Any]:
    row = await bookings.booking_row(acting, payment["booking_id"])
    await _move(acting, payment, "refund", "PAYMENT_REFUNDED")
    await bookings.unsettle(acting, row["booking_id"], payment["amount"])
    card = {**_card(acting, payment, await terms_of(acting)), "status": "REFUNDED"}
    await news.tell_people(acting, [ContactId(row["contact_id"])], "payment.refunded", card)
    return card


async def _move(acting: Acting, payment: Any, change: str, action: str, **content: Any) -> None:
    status = LIFECYCLE.after(change, payment["status"])
    await timeline.change(
        acting, _SET_STATUS, payment["payment_id"], status, acting.at, on=("booking", payment["booking_id"]),
        action=action, naming="payment_id", amount=str(payment["amount"]), **content,
    )  # fmt: skip


def _card(acting: Acting, payment: Any, terms: Terms) -> dict[str, Any]:
    path = link_path(terms.link_key, acting.tenant_id, payment["reference"]) if terms.link_key is not None else None
    linked = payment["status"] == "PENDING" and path is not None and terms.public_url is not None
    return {
        "id": payment["payment_id"],
        "code": f"PAY{payment['payment_id']}",
        "booking": f"BKG{payment['booking_id']}",
        "status": payment["status"],
        "amount": str(payment["amount"]),
        "currency": payment["currency"],
        "gateway": payment["gateway"],
        "link": f"{(terms.public_url or '').rstrip('/')}{path}" if linked else None,
        "expires_at": payment["expires_at"].isoformat(),
    }
