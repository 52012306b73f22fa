"""Leads: who is interested in what, and which sales person looks after them."""

import re
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import news, timeline
from bot.operations.acting import Acting, ident, text_of
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A lead",
    "NEW",
    {
        "quote": Change(("NEW", "QUOTED"), "QUOTED", "quoted"),
        "convert": Change(("NEW", "QUOTED"), "CONVERTED", "converted"),
        "lose": Change(("NEW", "QUOTED"), "LOST", "given up"),
        "reopen": Change(("LOST",), "NEW", "reopened"),
    },
)

_CODE = re.compile(r"\bLEAD\d{1,12}\b", re.IGNORECASE)
_MOST_TEXT = 500
_MOST_PEOPLE = 1000

# The sales person who is here, has room, and has the fewest open leads; none when there is nobody.
_FREE_SALES = """
SELECT r.contact_id FROM contact_roles r
JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = r.contact_id AND p.merged_into IS NULL
LEFT JOIN staff_availability a ON a.tenant_id = $1 AND a.contact_id = r.contact_id
CROSS JOIN LATERAL (SELECT count(*) AS load FROM leads l
                    WHERE l.tenant_id = $1 AND l.assignee_id = r.contact_id AND l.status IN ('NEW', 'QUOTED')) AS work
WHERE r.tenant_id = $1 AND r.role = 'sales' AND (a.away_until IS NULL OR a.away_until <= $2)
  AND (a.max_leads IS NULL OR work.load < a.max_leads)
ORDER BY work.load, r.contact_id LIMIT 1
"""
# Shared out and made at once; nothing is made for a trek or a person that is not there.
_CREATE = f"""
WITH free AS MATERIALIZED ({_FREE_SALES})
INSERT INTO leads (tenant_id, contact_id, conversation_id, trek_id, people, month, note, source, assignee_id,
                   created_at)
SELECT $1, c.contact_id, $4::bigint, k.trek_id, $6::integer, $7::text, $8::text, $9::text,
       (SELECT contact_id FROM free), $2
FROM contacts c JOIN treks k ON k.tenant_id = $1 AND k.trek_id = $5
WHERE c.tenant_id = $1 AND c.contact_id = $3
RETURNING lead_id,
          (SELECT p.name FROM free f JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = f.contact_id) AS assignee,
          EXISTS (SELECT FROM free f JOIN staff_availability a ON a.tenant_id = $1 AND a.contact_id = f.contact_id
                                                              AND a.max_leads IS NOT NULL) AS limited
"""  # noqa: S608  no text from outside
# Those who share out to people with a limit take turns: each counts what the one before has given. Always the last lock
# of a service, so that nobody who has it waits for anybody.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended('leads', $1))"
_TOO_MANY = """
UPDATE leads l SET assignee_id = NULL
FROM staff_availability a
WHERE l.tenant_id = $1 AND l.lead_id = $2 AND a.tenant_id = $1 AND a.contact_id = l.assignee_id
  AND a.max_leads < (SELECT count(*) FROM leads o WHERE o.tenant_id = $1 AND o.assignee_id = l.assignee_id
                                                    AND o.status IN ('NEW', 'QUOTED'))
RETURNING l.lead_id
"""
_ONE = """
SELECT l.lead_id, l.contact_id, l.conversation_id, l.trek_id, l.people, l.month, l.note, l.status, l.assignee_id,
       l.created_at, c.name AS customer, k.name AS trek, s.name AS assignee
FROM leads l
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = l.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
LEFT JOIN contacts s ON s.tenant_id = $1 AND s.contact_id = l.assignee_id
WHERE l.tenant_id = $1 AND l.lead_id = $2
FOR UPDATE OF l
"""
_SET_STATUS = "UPDATE leads SET status = $3, reason = $4 WHERE tenant_id = $1 AND lead_id = $2 RETURNING lead_id"
_ASSIGN = "UPDATE leads SET assignee_id = $3 WHERE tenant_id = $1 AND lead_id = $2"
_NAME = "SELECT name FROM contacts WHERE tenant_id = $1 AND contact_id = $2"
_SELLS = "SELECT count(*) FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2 AND role IN ('sales', 'manager')"
_LIST = """
SELECT l.lead_id, l.people, l.month, l.status, c.name AS customer, k.name AS trek FROM leads l
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = l.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
WHERE l.tenant_id = $1 AND l.status IN ('NEW', 'QUOTED') AND ($2::bigint IS NULL OR l.assignee_id = $2)
ORDER BY l.lead_id DESC LIMIT $3
"""
_FIND = """
SELECT l.lead_id, l.people, l.month, l.status, c.name AS customer, k.name AS trek FROM leads l
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = l.contact_id
LEFT JOIN treks k ON k.tenant_id = $1 AND k.trek_id = l.trek_id
WHERE l.tenant_id = $1 AND l.lead_id = ANY ($2::bigint[]) ORDER BY array_position($2::bigint[], l.lead_id)
"""


@SERVICES.service("leads.create", "enquire", "create_leads")
async def create_lead(
    acting: Acting,
    *,
    trek: int | str,
    people: int | str,
    month: str = "",
    note: str = "",
    contact: int | str | None = None,
) -> dict[str, Any]:
    """Create a lead and share it out: to who sells, is available, and has the fewest open ones.

    Args:
        acting: Who and when.
        trek: Id of the trek.
        people: How many, at least 1.
        month: When, `YYYY-MM`; empty when not known.
        note: Anything else they said.
        contact: Who is interested, when staff write it down; unset: whoever acts.

    Returns:
        `id`, `code`, and `assignee`: the sales person's name, or None.

    Raises:
        ActionError: `bad_people` when the party makes no sense; `not_found` when there is no such trek or contact.
    """
    party = _party(people)
    customer = acting.me if contact is None or acting.is_customer else ContactId(ident(contact, ""))
    wanted = ident(trek, "")
    row = await timeline.change(
        acting, _CREATE, acting.at, customer, acting.conversation_id if customer == acting.contact_id else None,
        wanted, party, month, text_of(note, "The note", needed=False), acting.source,
        on=("lead", "lead_id"), action="LEAD_CREATED", trek_id=wanted, people=party, month=month,
    )  # fmt: skip
    if row is None:
        raise ActionError("not_found", "There is no such trek, or no such contact.")
    lead, assignee = row["lead_id"], row["assignee"]
    if row["limited"]:
        assignee = await _within_limits(acting, lead, assignee)
    return {"id": lead, "code": f"LEAD{lead}", "assignee": assignee or None}


@SERVICES.service("leads.assign", "create_leads")
async def assign_lead(acting: Acting, *, lead: int | str, to: int | str | None = None) -> dict[str, Any]:
    """Give a lead to somebody else who sells; unset: to whoever has room. They hear `lead.assigned`.

    Raises:
        ActionError: `not_sales`, or `nobody_free`.
    """
    row = await lead_row(acting, lead)
    LIFECYCLE.after("quote", row["status"])  # a lead that is over is nobody's work
    assignee = ident(to, "") if to is not None else await _free(acting)
    if assignee is None:
        raise ActionError("nobody_free", "Nobody in sales is available at the moment.")
    if to is not None and not await acting.db.fetchval(_SELLS, acting.tenant_id, assignee):
        raise ActionError("not_sales", "Leads are for people in sales.")
    await acting.db.execute(_ASSIGN, acting.tenant_id, row["lead_id"], assignee)
    await timeline.record(acting, "lead", row["lead_id"], "LEAD_ASSIGNED", assignee_id=assignee)
    await news.tell_people(acting, [ContactId(assignee)], "lead.assigned", _card(row))
    return {**_card(row), "assignee_id": assignee}


@SERVICES.service("leads.lose", "create_leads")
async def lose_lead(acting: Acting, *, lead: int | str, reason: str = "") -> dict[str, Any]:
    """Give a lead up.

    Raises:
        ActionError: `wrong_status`, when it is converted or lost already.
    """
    return await move_lead(acting, lead, "lose", "LEAD_LOST", reason=text_of(reason, "The reason", needed=False))


@SERVICES.service("leads.reopen", "create_leads")
async def reopen_lead(acting: Acting, *, lead: int | str) -> dict[str, Any]:
    """Take a lost lead up again."""
    return await move_lead(acting, lead, "reopen", "LEAD_REOPENED")


@SERVICES.service("leads.show", "create_leads")
async def show_lead(acting: Acting, *, lead: int | str) -> dict[str, Any]:
    """All about a lead: `id`, `code`, `status`, `customer`, `trek`, `people`, `month`, `note`, `assignee`."""
    row = await lead_row(acting, lead)
    return {**_card(row), "note": row["note"], "assignee": row["assignee"], "created_at": row["created_at"].isoformat()}


@SERVICES.service("leads.list", "create_leads")
async def list_leads(acting: Acting, *, mine: bool = True, most: int = 10) -> dict[str, Any]:
    """Open leads, newest first: `count` and `items` as in `leads.show`; one's own, or everybody's."""
    rows = await acting.db.fetch(_LIST, acting.tenant_id, acting.me if mine else None, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


@SERVICES.lookup("leads.find", "create_leads")
async def find_leads(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The leads whose codes stand in a text."""
    codes = [ident(code, "LEAD") for code in dict.fromkeys(_CODE.findall(text[:_MOST_TEXT]))]
    rows = await acting.db.fetch(_FIND, acting.tenant_id, codes) if codes else []
    return [_card(row) | {"name": f"LEAD{row['lead_id']} {row['customer']}".strip()} for row in rows]


async def move_lead(
    acting: Acting, lead: int | str, change: str, action: str, *, reason: str | None = None
) -> dict[str, Any]:
    """Change a lead's status."""
    row = await lead_row(acting, lead)
    await timeline.do(acting, moving(row["lead_id"], row["status"], change, action, reason=reason))
    return {**_card(row), "status": LIFECYCLE.after(change, row["status"])}


def moving(lead: int, status: str, change: str, action: str, *, reason: str | None = None) -> timeline.Step:
    """A change of a lead that is locked already, for what follows from a quote or booking.

    Raises:
        ActionError: `wrong_status`.
    """
    return timeline.step(
        _SET_STATUS, lead, LIFECYCLE.after(change, status), reason, on=("lead", lead), action=action,
        **({"reason": reason} if reason else {}),
    )  # fmt: skip


async def lead_row(acting: Acting, lead: int | str) -> Any:
    """A lead, locked.

    Raises:
        ActionError: `not_found`; a customer finds only their own.
    """
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(lead, "LEAD"))
    if row is None or (acting.is_customer and row["contact_id"] != acting.contact_id):
        raise ActionError("not_found", f"There is no lead {lead}.")
    return row


async def _free(acting: Acting) -> int | None:
    """Who has room, counted when nobody else is sharing out."""
    await acting.db.execute(_TAKE_TURNS, acting.tenant_id)
    found: int | None = await acting.db.fetchval(_FREE_SALES, acting.tenant_id, acting.at)
    return found


async def _within_limits(acting: Acting, lead: int, assignee: str | None) -> str | None:
    """Count again, one after the other: others may have filled the same person at the same moment.

    Returns:
        The name of whoever has the lead now.
    """
    await acting.db.execute(_TAKE_TURNS, acting.tenant_id)
    if await acting.db.fetchval(_TOO_MANY, acting.tenant_id, lead) is None:
        return assignee
    other = await acting.db.fetchval(_FREE_SALES, acting.tenant_id, acting.at)
    if other is None:
        return None
    await acting.db.execute(_ASSIGN, acting.tenant_id, lead, other)
    name: str | None = await acting.db.fetchval(_NAME, acting.tenant_id, other)
    return name


def _party(people: int | str) -> int:
    party = int(people)
    if party < 1:
        raise ActionError("bad_people", f"A party has at least one person, not {party}.", facts={"least": 1})
    if party > _MOST_PEOPLE:
        raise ActionError("bad_people", f"A party has at most {_MOST_PEOPLE} people.", facts={"most": _MOST_PEOPLE})
    return party


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["lead_id"],
        "code": f"LEAD{row['lead_id']}",
        "status": row["status"],
        "customer": row["customer"],
        "trek": row["trek"],
        "people": row["people"],
        "month": row["month"],
    }
