"""Leads: who is interested in what, and which sales person looks after them."""

from typing import Any

from bot.core.actions import ActionCall, Actions
from bot.core.errors import ActionError
from bot.operations import timeline

ACTIONS = Actions()

# The sales person with the fewest open leads gets it; none when nobody has the role.
_CREATE = """
INSERT INTO leads (tenant_id, contact_id, conversation_id, trek_id, people, month, assignee_id, created_at)
SELECT $1, $2, $3, $4, $5, $6, (
    SELECT r.contact_id FROM contact_roles r
    LEFT JOIN leads l ON l.tenant_id = $1 AND l.assignee_id = r.contact_id AND l.status IN ('NEW', 'QUOTED')
    WHERE r.tenant_id = $1 AND r.role = 'sales'
    GROUP BY r.contact_id ORDER BY count(l.lead_id), r.contact_id LIMIT 1), $7
RETURNING lead_id, assignee_id
"""
_NAME = "SELECT name FROM contacts WHERE tenant_id = $1 AND contact_id = $2"


@ACTIONS.action("leads.create", roles=("customer", "sales", "manager"))
async def create_lead(call: ActionCall, *, trek: int | str, people: int | str, month: str = "") -> dict[str, Any]:
    """Create a lead for the person who writes, and share it out.

    Args:
        call: Who and when.
        trek: Id of the trek.
        people: How many, at least 1.
        month: When, `YYYY-MM`; empty when not known.

    Returns:
        `id`, `code`, and `assignee`: the sales person's name, or None.

    Raises:
        ActionError: `bad_people` when the party makes no sense.
    """
    party = int(people)
    if party < 1:
        raise ActionError("bad_people", f"A party has at least one person, not {party}.")
    row = await call.db.fetchrow(
        _CREATE, call.tenant_id, call.contact.contact_id, call.conversation_id, int(trek), party, month, call.at
    )
    lead, assignee = row["lead_id"], row["assignee_id"]
    await timeline.record(call, "lead", lead, "LEAD_CREATED", trek_id=int(trek), people=party, month=month)
    name = await call.db.fetchval(_NAME, call.tenant_id, assignee) if assignee is not None else None
    return {"id": lead, "code": f"LEAD{lead}", "assignee": name or None}
