"""Who has a conversation: the rows that follow what turns decided."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.core.ids import TenantId
from bot.operations.hours import Hours
from storage.base import OwnerChange
from storage.postgres.database import Connection

KEEP = timedelta(hours=4)
"""How long a person who says no more keeps a conversation, when the business has set nothing."""

_TERMS = "SELECT timezone, opens, closes, workdays, keep_minutes FROM business_settings WHERE tenant_id = $1"
_ASKED = """
INSERT INTO handoffs (tenant_id, conversation_id, role, reason, asked_at, due_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, conversation_id) WHERE status <> 'RETURNED'
DO UPDATE SET role = excluded.role, reason = excluded.reason, status = 'WAITING', asked_at = excluded.asked_at,
              due_at = excluded.due_at, overdue_at = NULL, keep_until = NULL
"""
_TAKEN = """
INSERT INTO handoffs (tenant_id, conversation_id, reason, status, asked_at, taken_by, taken_at, keep_until)
VALUES ($1, $2, 'taken', 'TAKEN', $3, $4, $3, $5)
ON CONFLICT (tenant_id, conversation_id) WHERE status <> 'RETURNED'
DO UPDATE SET status = 'TAKEN', taken_by = excluded.taken_by, taken_at = coalesce(handoffs.taken_at, excluded.taken_at),
              keep_until = excluded.keep_until
"""
_RETURNED = """
UPDATE handoffs SET status = 'RETURNED', returned_at = $3
WHERE tenant_id = $1 AND conversation_id = $2 AND status <> 'RETURNED'
"""


async def write_owners(db: Connection, tenant: TenantId, changes: Sequence[OwnerChange]) -> None:
    """Write who has which conversation now. Time to answer counts in hours of business."""
    terms = await db.fetchrow(_TERMS, tenant)
    hours, keep = _hours(terms), timedelta(minutes=terms["keep_minutes"]) if terms is not None else KEEP
    for one in changes:
        match one.change:
            case "asked":
                due = hours.later(one.at, one.sla) if one.sla is not None else None
                await db.execute(_ASKED, tenant, one.conversation_id, one.role, one.reason, one.at, due)
            case "taken":
                until = one.at + keep if one.by is not None else None  # a pause lasts until somebody ends it
                await db.execute(_TAKEN, tenant, one.conversation_id, one.at, one.by, until)
            case "returned":
                await db.execute(_RETURNED, tenant, one.conversation_id, one.at)


def _hours(terms: Any) -> Hours:
    if terms is None:
        return Hours()
    return Hours(
        timezone=terms["timezone"],
        opens=terms["opens"],
        closes=terms["closes"],
        workdays=frozenset(terms["workdays"]),
    )
