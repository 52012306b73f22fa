"""Lookups for choosing among what there is: the things a text names, else all that come into question, to tap one of.

`approvals.find` and its like only find what is named. In a form that is not enough: who writes "approvals, please"
wants to be shown them.
"""

import re
from typing import Any

from bot.operations import approvals, assignments, incidents, inventory, leads, quotes, trips
from bot.operations.acting import Acting
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

MOST = 10
"""So many are offered: what a list on the phone shows."""
_MOST_TEXT = 500

_COMING = """
SELECT t.trip_id, t.code, k.name FROM trips t
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = t.trek_id
WHERE t.tenant_id = $1 AND (t.status = 'RUNNING' OR t.status = 'SCHEDULED' AND t.starts_on >= $2)
ORDER BY t.starts_on, t.trip_id LIMIT $3
"""
_QUOTES = """
SELECT q.quote_id FROM quotes q WHERE q.tenant_id = $1 AND q.status IN ('SENT', 'ACCEPTED')
  AND NOT EXISTS (SELECT FROM bookings b WHERE b.tenant_id = $1 AND b.quote_id = q.quote_id)
ORDER BY q.quote_id DESC LIMIT $2
"""
# Names are compared word by word: "lead for Maya Rai, two people" names Maya Rai.
_CUSTOMERS = """
SELECT c.contact_id, c.name FROM contacts c
WHERE c.tenant_id = $1 AND c.merged_into IS NULL AND c.name <> ''
  AND lower(split_part(c.name, ' ', 1)) = ANY ($2::text[])
  AND NOT EXISTS (SELECT FROM contact_roles r WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id
                  AND r.role <> 'customer')
ORDER BY c.contact_id LIMIT 50
"""


@SERVICES.lookup("approvals.waiting", "approve")
async def waiting_approvals(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The waiting approvals a text names, else all of them, oldest first."""
    found = await approvals.find_approvals(acting, text=text)
    return found or _named((await approvals.list_pending(acting, most=MOST))["items"], "subject")


@SERVICES.lookup("incidents.live", "handle_incidents")
async def live_incidents(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The open incidents a text names, else all of them, the worst first."""
    found = await incidents.find_incidents(acting, text=text)
    return found or _named((await incidents.list_incidents(acting, most=MOST))["items"], "trip")


@SERVICES.lookup("leads.open", "create_leads")
async def open_leads(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The open leads a text names, else one's own, else everybody's."""
    found = await leads.find_leads(acting, text=text)
    for mine in (True, False):
        found = found or _named((await leads.list_leads(acting, mine=mine, most=MOST))["items"], "customer")
    return found


@SERVICES.lookup("quotes.open", "convert_bookings")
async def open_quotes(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The quotes a text names, else those that were sent and are not booked, newest first."""
    codes = [int(code) for code in dict.fromkeys(re.findall(r"\bQUO(\d{1,12})\b", text[:_MOST_TEXT].upper()))]
    rows = await acting.db.fetch(_QUOTES, acting.tenant_id, MOST if not codes else 1000)
    open_ids = [row["quote_id"] for row in rows]
    wanted = [quote for quote in codes if quote in open_ids] if codes else open_ids
    return _named([await quotes.show_quote(acting, quote=quote) for quote in wanted[:MOST]], "customer")


@SERVICES.lookup("trips.mine", "check_in")
async def my_trips(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The trips a text names on which whoever asks works, else all of theirs, the next first."""
    found = await trips.find_assigned_trips(acting, text=text)
    return found or _named((await assignments.list_mine(acting, most=MOST))["items"], "name")


@SERVICES.lookup("trips.coming", "manage_trips", "assign_staff", "broadcast", "manage_inventory")
async def coming_trips(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The trips a text names, else those under way and to come."""
    found = await trips.find_trips(acting, text=text) if re.search(r"\d", text) else []
    if found:
        return found
    rows = await acting.db.fetch(_COMING, acting.tenant_id, acting.at.date(), MOST)
    return [
        {"id": row["trip_id"], "code": row["code"], "name": f"{row['code']} {row['name'] or ''}".strip()}
        for row in rows
    ]


@SERVICES.lookup("inventory.any", "manage_inventory")
async def any_item(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The things in store a text names, else all of them."""
    found = await inventory.find_items(acting, text=text)
    return found or (await inventory.list_items(acting))["items"][:MOST]


@SERVICES.lookup("people.customers", "create_leads")
async def find_customers(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The customers whose names, or first names, stand in a text; only those who have written to us are known."""
    words = _words(text[:_MOST_TEXT])
    rows = await acting.db.fetch(_CUSTOMERS, acting.tenant_id, words)
    found = [{"id": row["contact_id"], "name": row["name"]} for row in rows]
    said = f" {' '.join(words)} "
    whole = [one for one in found if f" {' '.join(_words(one['name']))} " in said]
    return (whole or found)[:MOST]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _named(cards: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Cards with a name to choose by: their code, and something that tells them apart."""
    return [{**card, "name": f"{card['code']} {card.get(by) or ''}".strip()} for card in cards]
