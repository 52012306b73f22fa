"""Quotes: what we offer somebody, item by item. A sent quote never changes; a new version takes its place."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import approvals, leads, news, timeline, trips
from bot.operations.acting import Acting, ident, money, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services
from bot.operations.terms import currency_of, terms_of

SERVICES = Services()
ACTIONS = SERVICES.actions

_LIVE = ("DRAFT", "SUBMITTED", "APPROVED", "SENT", "DECLINED", "EXPIRED")
LIFECYCLE = Lifecycle(
    "A quote",
    "DRAFT",
    {
        "submit": Change(("DRAFT",), "SUBMITTED", "submitted for approval"),
        "approve": Change(("SUBMITTED",), "APPROVED", "approved"),
        "reject": Change(("SUBMITTED",), "DRAFT", "rejected"),
        "send": Change(("DRAFT", "APPROVED"), "SENT", "sent"),
        "accept": Change(("SENT",), "ACCEPTED", "accepted"),
        "decline": Change(("SENT",), "DECLINED", "declined"),
        "expire": Change(("SENT",), "EXPIRED", "expired"),
        "replace": Change(_LIVE, "REPLACED", "replaced"),
        "withdraw": Change(("DRAFT", "SUBMITTED", "APPROVED"), "WITHDRAWN", "withdrawn"),
    },
)

_MOST_ITEMS = 50
_MOST_DAYS = 366

_CREATE = """
INSERT INTO quotes (tenant_id, lead_id, version, contact_id, trip_id, people, currency, total, note, author_id,
                    valid_until, created_at)
SELECT $1, $2, (SELECT coalesce(max(q.version), 0) + 1 FROM quotes q WHERE q.tenant_id = $1 AND q.lead_id = $2),
       $3::bigint, $4::bigint, $5::integer, $6::text, $7::numeric, $8::text, $9::bigint, $10::timestamptz,
       $11::timestamptz
RETURNING *
"""
_AS_DOCUMENT = """
jsonb_agg(jsonb_build_object('description', i.description, 'quantity', i.quantity::text,
                             'unit_price', i.unit_price::text, 'amount', round(i.quantity * i.unit_price, 2)::text)
          ORDER BY i.position)
"""
_ADD_ITEMS = f"""
WITH itemised AS (
    INSERT INTO quote_items (tenant_id, quote_id, position, description, quantity, unit_price)
    SELECT $1, $2, i.position, i.description, i.quantity, i.unit_price
    FROM unnest($3::integer[], $4::text[], $5::numeric[], $6::numeric[])
        AS i (position, description, quantity, unit_price)
    RETURNING position, description, quantity, unit_price
)
SELECT {_AS_DOCUMENT} FROM itemised i
"""  # noqa: S608  no text from outside
_ONE = f"""
SELECT q.*, c.name AS customer, k.name AS trek, l.month, l.assignee_id, l.conversation_id, l.status AS lead_status,
       t.code AS trip,
       (SELECT {_AS_DOCUMENT} FROM quote_items i WHERE i.tenant_id = $1 AND i.quote_id = q.quote_id) AS items
FROM quotes q
JOIN leads l ON l.tenant_id = $1 AND l.lead_id = q.lead_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = q.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
LEFT JOIN trips t ON t.tenant_id = $1 AND t.trip_id = q.trip_id
WHERE q.tenant_id = $1 AND q.quote_id = $2
FOR UPDATE OF l, q
"""  # noqa: S608  no text from outside
_REPLACE = """
UPDATE quotes SET status = $4 WHERE tenant_id = $1 AND lead_id = $2 AND status = ANY ($3::text[]) RETURNING quote_id
"""
_SET_STATUS = """
UPDATE quotes SET status = $3, sent_at = CASE WHEN $3 = 'SENT' THEN $4 ELSE sent_at END,
                  valid_until = CASE WHEN $3 = 'SENT' THEN $4 + (valid_until - created_at) ELSE valid_until END,
                  decided_at = CASE WHEN $3 IN ('ACCEPTED', 'DECLINED', 'EXPIRED') THEN $4 ELSE decided_at END
WHERE tenant_id = $1 AND quote_id = $2
RETURNING valid_until
"""
_LATEST = """
SELECT quote_id FROM quotes WHERE tenant_id = $1 AND contact_id = $2 AND status = 'SENT' ORDER BY quote_id DESC LIMIT 1
"""
_PRICE = "SELECT name, price, currency FROM treks WHERE tenant_id = $1 AND trek_id = $2"
_OVERDUE = """
SELECT quote_id FROM quotes WHERE tenant_id = $1 AND status = 'SENT' AND valid_until <= $2
ORDER BY valid_until LIMIT $3
"""


@SERVICES.service("quotes.draft", "send_quotes")
async def draft_quote(
    acting: Acting,
    *,
    lead: int | str,
    items: Sequence[Mapping[str, Any]] | None = None,
    price: str | int | None = None,
    currency: str | None = None,
    people: int | str | None = None,
    trip: int | str | None = None,
    days: int | str | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Write a quote for a lead. It takes the place of the lead's earlier ones.

    Args:
        acting: Who and when.
        lead: For whom and what.
        items: `description`, `quantity` and `unit_price` of each. Unset: the trek for everybody, at `price`.
        price: Per person; unset: the trek's.
        currency: Unset: the trek's, else the business's.
        people: Unset: as in the lead.
        trip: The departure it is for.
        days: How long it is good for once sent; unset: as the business has it.
        note: For the customer.

    Returns:
        As `quotes.show`.

    Raises:
        ActionError: `no_price` when nobody knows what it costs; `wrong_status` when the lead is over or converted.
    """
    row = await leads.lead_row(acting, lead)
    leads.LIFECYCLE.after("quote", row["status"])
    terms = await terms_of(acting)
    trek = await acting.db.fetchrow(_PRICE, acting.tenant_id, row["trek_id"]) if row["trek_id"] is not None else None
    party = whole(people if people is not None else row["people"] or 1, "The number of people", least=1, most=1000)
    lines = _items(items) if items else [_per_person(trek, price, party)]
    total = sum((quantity * unit for _, quantity, unit in lines), Decimal(0)).quantize(Decimal("0.01"))
    if total < 0:
        raise ActionError("bad_value", "The total of a quote cannot be below zero.")
    await _replace(acting, row["lead_id"])
    good_for = timedelta(days=whole(days, "The days", least=1, most=_MOST_DAYS) if days else terms.quote_days)
    where = await trips.trip_row(acting, trip) if trip is not None else None
    made = await timeline.change(
        acting, _CREATE, row["lead_id"], row["contact_id"], where["trip_id"] if where is not None else None, party,
        currency_of(currency or (trek["currency"] if trek else terms.currency)), total,
        text_of(note, "The note", needed=False), acting.contact_id, acting.at + good_for, acting.at,
        on=("quote", "quote_id"), action="QUOTE_DRAFTED", naming="version", lead_id=row["lead_id"],
    )  # fmt: skip
    columns = [list(column) for column in zip(*lines, strict=True)]
    added = await acting.db.fetchval(
        _ADD_ITEMS, acting.tenant_id, made["quote_id"], list(range(1, len(lines) + 1)), *columns
    )
    known = {"customer": row["customer"], "trek": row["trek"], "month": row["month"], "items": added}
    return _card({**dict(made.items()), **known, "trip": where["code"] if where is not None else None})


@SERVICES.service("quotes.send", "send_quotes")
async def send_quote(acting: Acting, *, quote: int | str) -> dict[str, Any]:
    """Send a quote; the customer hears `quote.sent`. Above the business's limit it is submitted for approval instead.

    Returns:
        As `quotes.show`; `status` is `SENT`, or `SUBMITTED` while a manager has to approve.
    """
    row = await quote_row(acting, quote)
    limit = (await terms_of(acting)).quote_limit
    if row["status"] == "DRAFT" and limit is not None and row["total"] > limit:
        return await _submit(acting, row)
    quoted = leads.moving(row["lead_id"], row["lead_status"], "quote", "LEAD_QUOTED")
    sent = await _move(acting, row, "send", "QUOTE_SENT", quoted)
    await news.tell_people(acting, [ContactId(row["contact_id"])], "quote.sent", sent)
    return sent


@SERVICES.service("quotes.accept", "enquire", "convert_bookings")
async def accept_quote(acting: Acting, *, quote: int | str) -> dict[str, Any]:
    """The customer takes it. Who looks after the lead hears `quote.accepted`.

    Raises:
        ActionError: `expired`, when its time is over; `wrong_status`, when it is not on offer.
    """
    row = await quote_row(acting, quote)
    await timeline.do(acting, accepting(acting, row))
    accepted = {**_card(row), "status": LIFECYCLE.after("accept", row["status"])}
    await news.tell_people(acting, [row["assignee_id"]], "quote.accepted", accepted)
    return accepted


@SERVICES.service("quotes.decline", "enquire", "send_quotes")
async def decline_quote(acting: Acting, *, quote: int | str, reason: str = "") -> dict[str, Any]:
    """The customer does not take it. Who looks after the lead hears `quote.declined`."""
    words = text_of(reason, "The reason", needed=False)
    row = await quote_row(acting, quote)
    declined = await _move(acting, row, "decline", "QUOTE_DECLINED", reason=words)
    await news.tell_people(acting, [row["assignee_id"]], "quote.declined", {**declined, "reason": words})
    return declined


@SERVICES.service("quotes.withdraw", "send_quotes")
async def withdraw_quote(acting: Acting, *, quote: int | str) -> dict[str, Any]:
    """Take back a quote that was not sent."""
    row = await quote_row(acting, quote)
    withdrawn = await _move(acting, row, "withdraw", "QUOTE_WITHDRAWN")
    await approvals.withdraw(acting, "quote", row["quote_id"])
    return withdrawn


@SERVICES.service("quotes.show", "see_own", "send_quotes")
async def show_quote(acting: Acting, *, quote: int | str) -> dict[str, Any]:
    """All about a quote.

    Returns:
        `id`, `code`, `version`, `status`, `lead`, `customer`, `trek`, `month`, `people`, `trip`, `currency`, `total`,
        `items`, `note`, `valid_until`; amounts are decimal strings.
    """
    return _card(await quote_row(acting, quote))


@SERVICES.service("quotes.current", "see_own")
async def current_quote(acting: Acting) -> dict[str, Any]:
    """The newest quote that the person who writes may accept, as `quotes.show`.

    Raises:
        ActionError: `no_quote`, when there is none.
    """
    quote = await acting.db.fetchval(_LATEST, acting.tenant_id, acting.me)
    if quote is None:
        raise ActionError("no_quote", "There is no open quote.")
    return _card(await quote_row(acting, quote))


def accepting(acting: Acting, row: Any) -> timeline.Step:
    """Accept a quote that was read just now; a booking that follows tells the news of both.

    Raises:
        ActionError: As `quotes.accept`.
    """
    moving = _moving(acting, row, "accept", "QUOTE_ACCEPTED")
    if row["valid_until"] <= acting.at:
        until = row["valid_until"]
        raise ActionError(
            "expired", f"This quote was good until {until:%d %B %Y}.", facts={"until": until.date().isoformat()}
        )
    return moving


async def expire_quotes(acting: Acting, *, most: int = 100) -> int:
    """Let quotes run out whose time is over; the customer and who looks after the lead hear `quote.expired`."""
    overdue = await acting.db.fetch(_OVERDUE, acting.tenant_id, acting.at, most)
    for one in overdue:
        row = await quote_row(acting, one["quote_id"])
        if row["status"] != "SENT" or row["valid_until"] > acting.at:
            continue  # somebody was faster
        expired = await _move(acting, row, "expire", "QUOTE_EXPIRED")
        await news.tell_people(acting, [row["contact_id"], row["assignee_id"]], "quote.expired", expired)
    return len(overdue)


async def quote_row(acting: Acting, quote: int | str) -> Any:
    """A quote with its items, locked.

    Raises:
        ActionError: `not_found`; a customer finds only their own, and only what was sent.
    """
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(quote, "QUO"))
    if row is None or (acting.is_customer and (row["contact_id"] != acting.contact_id or row["sent_at"] is None)):
        raise ActionError("not_found", f"There is no quote {quote}.")
    return row


@approvals.decides("quote", quote_row)
async def _decided(acting: Acting, quote: int, approved: bool) -> None:
    """A manager has answered: an approved quote goes out at once."""
    row = await quote_row(acting, quote)
    await _move(acting, row, "approve" if approved else "reject", "QUOTE_APPROVED" if approved else "QUOTE_REJECTED")
    if approved:
        await send_quote(acting, quote=quote)


async def _submit(acting: Acting, row: Any) -> dict[str, Any]:
    submitted = await _move(acting, row, "submit", "QUOTE_SUBMITTED")
    subject = f"Quote QUO{row['quote_id']} for {row['customer'] or 'a customer'}: {row['currency']} {row['total']:,}"
    asked = await approvals.ask(
        acting, "quote", row["quote_id"], subject, amount=row["total"], currency=row["currency"]
    )
    return {**submitted, "approval": asked["code"]}


async def _move(
    acting: Acting, row: Any, change: str, action: str, *before: timeline.Step, **content: Any
) -> dict[str, Any]:
    (moved,) = await timeline.do(acting, *before, _moving(acting, row, change, action, **content))
    status = LIFECYCLE.after(change, row["status"])
    return {**_card(row), "status": status, "valid_until": moved["valid_until"].isoformat()}


def _moving(acting: Acting, row: Any, change: str, action: str, **content: Any) -> timeline.Step:
    return timeline.step(
        _SET_STATUS, row["quote_id"], LIFECYCLE.after(change, row["status"]), acting.at,
        on=("quote", row["quote_id"]), action=action, lead_id=row["lead_id"], **content,
    )  # fmt: skip


async def _replace(acting: Acting, lead: int) -> None:
    change = LIFECYCLE.changes["replace"]
    replacing = timeline.step(
        _REPLACE, lead, list(change.sources), change.target, on=("quote", "quote_id"), action="QUOTE_REPLACED",
        lead_id=lead,
    )  # fmt: skip
    replaced = await timeline.do(acting, replacing)
    if replaced:
        await approvals.withdraw(acting, "quote", *(one["quote_id"] for one in replaced))


def _items(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, Decimal, Decimal]]:
    if len(items) > _MOST_ITEMS:
        raise ActionError("bad_value", f"A quote has at most {_MOST_ITEMS} items.")
    return [
        (
            text_of(item.get("description"), "The description", most=300),
            money(item.get("quantity", 1), "The quantity", least=Decimal("0.01")),
            money(item.get("unit_price"), "The price", least=Decimal(-(10**9))),
        )
        for item in items
    ]


def _per_person(trek: Any, price: str | int | None, party: int) -> tuple[str, Decimal, Decimal]:
    each = money(price, "The price") if price is not None else trek["price"] if trek is not None else None
    if each is None:
        raise ActionError("no_price", "Nobody has said what this costs: give a price.")
    return f"{trek['name'] if trek is not None else 'Trip'}, per person", Decimal(party), each


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["quote_id"],
        "code": f"QUO{row['quote_id']}",
        "version": row["version"],
        "status": row["status"],
        "lead": f"LEAD{row['lead_id']}",
        "customer": row["customer"],
        "trek": row["trek"],
        "month": row["month"],
        "people": row["people"],
        "trip": row["trip"],
        "currency": row["currency"],
        "total": str(row["total"]),
        "items": json.loads(row["items"]) if row["items"] else [],
        "note": row["note"],
        "valid_until": row["valid_until"].isoformat(),
    }
